import ChoraleBase

// Messages from outside of the machine: those of transactions and of the system.

extension Machine {
    /// Runs a call to its end. What it returned is in ``returnData`` then.
    ///
    /// - Precondition: the caller's account is loaded and has the value.
    mutating func call(
        to callee: AccountID, from caller: AccountID, value: UInt256, input: Span<UInt8>,
        gas: Int64
    ) throws(StateError) -> MessageResult {
        returnData.truncate(to: 0)
        var code = try state.code(of: callee)
        let delegate = fork >= .prague ? code.delegate : nil
        if let delegate {
            let account = state.account(delegate)
            _ = state.warm(account)
            code = try state.code(of: account)
        }
        let checkpoint = state.checkpoint
        state.transfer(value, from: caller, to: callee)
        let callerMemory = memory.begin()
        defer { memory.restore(callerMemory) }
        let inputEnd = place(input)
        let address = state.accounts[callee.index].address
        if delegate == nil, let precompile = Precompile(at: address, fork: fork) {
            let rest = run(precompile, memory.start..<inputEnd, gas: gas)
            guard rest >= 0 else {
                state.revert(to: checkpoint)
                return MessageResult(status: .failed(.precompile), gas: 0)
            }
            return MessageResult(status: .succeeded, gas: rest)
        }
        guard code.size > 0 else { return MessageResult(status: .succeeded, gas: gas) }

        let inputStart = memory.start
        let saved = memory.begin()
        frames.append(
            Frame(
                kind: .call, isStatic: false, code: code.cursor, codeSize: code.size,
                jumps: code.jumpMap, account: callee, address: address,
                caller: state.accounts[caller.index].address, value: value,
                inputStart: inputStart, inputEnd: inputEnd, outputOffset: 0, outputSizeMax: 0,
                stackBottom: stacks.bottom, memoryStart: saved.start, memorySize: saved.size,
                checkpoint: checkpoint, stack: stacks.bottom, gas: gas))
        return try run()
    }

    /// Runs the creation of a contract to its end.
    ///
    /// - Parameter nonce: of the creator before this transaction.
    /// - Precondition: the creator's account is loaded and has the value.
    mutating func create(
        from creator: AccountID, nonce: UInt64, value: UInt256, initcode: Span<UInt8>, gas: Int64
    ) throws(StateError) -> MessageResult {
        returnData.truncate(to: 0)
        let creatorAddress = state.accounts[creator.index].address
        let address = Self.address(creator: creatorAddress, nonce: nonce)
        let account = state.account(address)
        _ = state.warm(account)
        try state.load(account)
        guard !isTaken(account) else {
            return MessageResult(status: .failed(.outOfGas), gas: 0)
        }
        let checkpoint = state.checkpoint
        begin(account)
        state.transfer(value, from: creator, to: account)
        let code = Code(initcode, hash: .zero)
        initcodes.append(code)
        let saved = memory.begin()
        frames.append(
            Frame(
                kind: .create, isStatic: false, code: code.cursor, codeSize: code.size,
                jumps: code.jumpMap, account: account, address: address, caller: creatorAddress,
                value: value, inputStart: 0, inputEnd: 0, outputOffset: 0, outputSizeMax: 0,
                stackBottom: stacks.bottom, memoryStart: saved.start, memorySize: saved.size,
                checkpoint: checkpoint, stack: stacks.bottom, gas: gas))
        return try run()
    }

    private mutating func run() throws(StateError) -> MessageResult {
        if tracer != nil {
            var lines = tracer.take()!
            defer {
                lines.endMessage()
                tracer = lines
            }
            return try run(&lines)
        }
        var none = NoTracer()
        return try run(&none)
    }

    /// Puts the input where calldata is read from. Returns where it ends.
    private mutating func place(_ input: Span<UInt8>) -> Int {
        memory.grow(to: (input.count + 31) & ~31)
        memory.copy(input, from: .zero, to: 0, count: input.count)
        return memory.start + input.count
    }
}
