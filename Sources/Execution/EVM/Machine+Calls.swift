import ChoraleBase

// CALL and its kin, and the end of what they began.
//
// Order matters where it decides what is read: gas is paid before the state is asked, and a
// delegation is followed (EIP-7702) even if the call then fails for want of balance or depth.

extension Machine {
    /// Begins a call.
    ///
    /// - Returns: the gas that is left, negative when it did not suffice or the call must not be made.
    @inline(never)
    mutating func call(
        _ opcode: UInt8, _ stack: StackCursor, _ gas: Int64
    ) throws(StateError) -> Int64 {
        let hasValue = opcode <= Opcode.callcode
        let target = stack[1].address
        let value = hasValue ? stack[2] : .zero
        let first = hasValue ? 3 : 2
        let (inputOffset, inputSize) = (stack[first], stack[first + 1])
        let (outputOffset, outputSize) = (stack[first + 2], stack[first + 3])

        var gas = expand(inputOffset, inputSize, gas)
        guard gas >= 0 else { return gas }
        gas = expand(outputOffset, outputSize, gas)
        guard gas >= 0 else { return gas }

        let callee = state.account(target)
        gas -= accessGas(callee)
        guard gas >= 0 else { return gas }
        var code: Code?
        if fork >= .prague { code = try state.code(of: callee) }
        let delegate = code?.delegate
        if let delegate {
            let account = state.account(delegate)
            gas -= accessGas(account)
            guard gas >= 0 else { return gas }
            code = try state.code(of: account)
        }

        let moves = !value.isZero
        if moves {
            gas -= 9000
            if opcode == Opcode.call {
                try state.load(callee)
                if state.accounts[callee.index].isEmpty { gas -= 25_000 }
            }
            guard gas >= 0 else { return gas }
        }
        let caller = frames[frames.count - 1]
        if moves, opcode == Opcode.call, caller.isStatic { return Self.staticFailure }

        // All but one 64th at most (EIP-150).
        let available = gas - gas / 64
        let requested = stack[0]
        let given =
            requested < UInt256(UInt64(available))
            ? Int64(truncatingIfNeeded: requested.l0) : available
        gas -= given
        let calleeGas = given + (moves ? 2300 : 0)

        returnData.truncate(to: 0)
        callOutcome = .finished(.zero)
        gasKept = gas
        guard frames.count <= Self.depthMax else { return gas + calleeGas }
        if moves {
            try state.load(caller.account)
            guard state.accounts[caller.account.index].balance >= value else {
                return gas + calleeGas
            }
        }

        let checkpoint = state.checkpoint
        if opcode == Opcode.call {
            try state.load(callee)
            state.transfer(value, from: caller.account, to: callee)
        } else if opcode == Opcode.staticcall {
            try state.load(callee)
            state.touch(callee)
        }
        let inputStart = memory.start + (inputSize.isZero ? 0 : Int(inputOffset.l0))
        let inputEnd = inputStart + Int(inputSize.l0)
        let outputStart = outputSize.isZero ? 0 : Int(outputOffset.l0)

        // An account that delegates to a precompile's address runs no precompile.
        if delegate == nil, let precompile = Precompile(at: target, fork: fork) {
            let rest = run(precompile, inputStart..<inputEnd, gas: calleeGas)
            guard rest >= 0 else {
                state.revert(to: checkpoint)
                return gas
            }
            deliver(to: outputStart, sizeMax: Int(outputSize.l0))
            callOutcome = .finished(.one)
            return gas + rest
        }

        let runs: Code
        if let code { runs = code } else { runs = try state.code(of: callee) }
        guard runs.size > 0 else {
            callOutcome = .finished(.one)
            return gas + calleeGas
        }
        let isDelegate = opcode == Opcode.delegatecall
        let isOwn = isDelegate || opcode == Opcode.callcode
        let saved = memory.begin()
        let bottom = stack.advanced(by: hasValue ? -7 : -6)
        precondition(stacks.hasRoom(at: bottom), "every frame has room for its stack")
        frames.append(
            Frame(
                kind: .call, isStatic: caller.isStatic || opcode == Opcode.staticcall,
                code: runs.cursor, codeSize: runs.size, jumps: runs.jumpMap,
                account: isOwn ? caller.account : callee,
                address: isOwn ? caller.address : target,
                caller: isDelegate ? caller.caller : caller.address,
                value: isDelegate ? caller.value : value, inputStart: inputStart,
                inputEnd: inputEnd, outputOffset: outputStart, outputSizeMax: Int(outputSize.l0),
                stackBottom: bottom, memoryStart: saved.start, memorySize: saved.size,
                checkpoint: checkpoint, stack: bottom, gas: calleeGas))
        callOutcome = .entered
        return gas
    }

    /// Ends the frame on top: what it did lasts or is undone, and its caller gets what it returned.
    ///
    /// - Returns: the result, with the gas that goes back, and the word for the caller's stack.
    @inline(never)
    mutating func finish(_ end: FrameEnd, _ gas: Int64) -> (MessageResult, UInt256) {
        let frame = frames.removeLast()
        returnData.truncate(to: 0)
        var result: MessageResult
        switch end {
        case .returned(let offset, let size):
            result = MessageResult(status: .succeeded, gas: gas)
            if frame.kind == .create {
                result = deploy(frame, offset, size, gas)
            } else {
                Self.append(memory, offset, size, to: &returnData)
            }
        case .reverted(let offset, let size):
            result = MessageResult(status: .reverted, gas: gas)
            Self.append(memory, offset, size, to: &returnData)
        case .failed(let failure):
            result = MessageResult(status: .failed(failure), gas: 0)
        }
        let succeeded = result.status == .succeeded
        if !succeeded { state.revert(to: frame.checkpoint) }
        if frame.kind == .create {
            // What a transaction's creation gives is the code.
            if succeeded, frames.count == 0, case .returned(let offset, let size) = end {
                Self.append(memory, offset, size, to: &returnData)
            }
            initcodes.removeLast()
            memory.restore((frame.memoryStart, frame.memorySize))
            return (result, succeeded ? frame.address : .zero)
        }
        memory.restore((frame.memoryStart, frame.memorySize))
        if frames.count > 0 { deliver(to: frame.outputOffset, sizeMax: frame.outputSizeMax) }
        return (result, succeeded ? .one : .zero)
    }

    /// Makes what a creation returned the code of the new account.
    private mutating func deploy(
        _ frame: Frame, _ offset: Int, _ size: Int, _ gas: Int64
    ) -> MessageResult {
        guard size <= Self.codeSizeMax else {
            return MessageResult(status: .failed(.codeTooLarge), gas: 0)
        }
        let code = memory.withSpan(at: offset, count: size) { $0.copied() }
        guard code.first != 0xEF else {
            return MessageResult(status: .failed(.codeReserved), gas: 0)
        }
        let rest = gas - 200 * Int64(size)
        guard rest >= 0 else { return MessageResult(status: .failed(.outOfGas), gas: 0) }
        state.setCode(frame.account, size == 0 ? .empty : Code(code))
        return MessageResult(status: .succeeded, gas: rest)
    }

    /// EIP-170.
    static var codeSizeMax: Int { 24_576 }
    /// EIP-3860.
    static var initcodeSizeMax: Int { 49_152 }

    /// Copies what was returned into the memory of the frame on top.
    private mutating func deliver(to offset: Int, sizeMax: Int) {
        let count = min(sizeMax, returnData.count)
        guard count > 0 else { return }
        Self.copy(returnData, from: .zero, to: offset, count: count, in: &memory)
    }

    private static func append(
        _ memory: borrowing FrameMemory, _ offset: Int, _ size: Int, to output: inout Arena<UInt8>
    ) {
        memory.withSpan(at: offset, count: size) { output.append(contentsOf: $0) }
    }

    /// Runs a precompile; what it returns is in ``returnData`` then.
    ///
    /// - Returns: the gas that is left, negative when the call failed.
    mutating func run(_ precompile: Precompile, _ input: Range<Int>, gas: Int64) -> Int64 {
        Self.run(precompile, memory, input, gas, fork, &returnData)
    }

    private static func run(
        _ precompile: Precompile, _ memory: borrowing FrameMemory, _ input: Range<Int>,
        _ gas: Int64, _ fork: Fork, _ output: inout Arena<UInt8>
    ) -> Int64 {
        memory.withFrames(input) { input in
            guard let cost = precompile.gas(for: input, fork: fork), cost <= UInt64(max(gas, 0)),
                precompile.run(input, into: &output)
            else {
                output.truncate(to: 0)
                return -1
            }
            return gas - Int64(cost)
        }
    }
}
