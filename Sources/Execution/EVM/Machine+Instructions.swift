// The longer instructions. Each takes the stack as it finds it and the gas that is left, and returns
// the gas that is left then: negative when it did not suffice. What it gives stands where the loop,
// which moves the top, expects it.

import ChoraleBase
import Crypto

extension Machine {
    // MARK: Memory

    @inline(never)
    mutating func keccak(_ stack: StackCursor, _ gas: Int64) -> Int64 {
        let (offset, size) = (stack[0], stack[1])
        let gas = expand(offset, size, gas - Self.gasPerWord(6, size))
        guard gas >= 0 else { return gas }
        let start = size.isZero ? 0 : Int(offset.l0)
        stack[1] = memory.withSpan(at: start, count: Int(size.l0)) {
            UInt256(Keccak256.hash($0))
        }
        return gas
    }

    /// CALLDATACOPY, CODECOPY, RETURNDATACOPY and MCOPY.
    @inline(never)
    mutating func copy(_ opcode: UInt8, _ stack: StackCursor, _ gas: Int64) -> Int64 {
        let (target, source, size) = (stack[0], stack[1], stack[2])
        if opcode == 0x3E {
            // Unlike the others this does not read zeros beyond the end (EIP-211).
            let (end, carry) = source.addingReportingCarry(size)
            guard !carry, end <= UInt256(UInt64(returnData.count)) else {
                return Self.boundsFailure
            }
        }
        var gas = expand(target, size, gas - Self.gasPerWord(3, size))
        guard gas >= 0 else { return -1 }
        if opcode == 0x5E {
            gas = expand(source, size, gas)
            guard gas >= 0 else { return -1 }
        }
        guard !size.isZero else { return gas }
        let place = Int(target.l0)
        let count = Int(size.l0)
        switch opcode {
        case 0x37:
            memory.copyInput(
                frames[frames.count - 1].input, from: source, to: place, count: count)
        case 0x39:
            let code = frames[frames.count - 1].code
            memory.copy(
                code, size: frames[frames.count - 1].codeSize, from: source, to: place,
                count: count)
        case 0x3E:
            Self.copy(returnData, from: source, to: place, count: count, in: &memory)
        default:
            memory.move(to: place, from: Int(source.l0), count: count)
        }
        return gas
    }

    /// Outside of `self`, two parts of which it uses.
    static func copy(
        _ source: borrowing Arena<UInt8>, from offset: UInt256, to target: Int, count: Int,
        in memory: inout FrameMemory
    ) {
        source.withSpan(0..<source.count) {
            memory.copy($0, from: offset, to: target, count: count)
        }
    }

    // MARK: Other accounts

    /// Makes the account warm. Returns whether it was cold; precompiles never are (EIP-2929).
    @inline(__always)
    mutating func warm(_ id: AccountID) -> Bool {
        state.warm(id) && Precompile(at: state.accounts[id.index].address, fork: fork) == nil
    }

    /// What touching an account costs (EIP-2929).
    @inline(__always)
    mutating func accessGas(_ id: AccountID) -> Int64 { warm(id) ? 2600 : 100 }

    /// BALANCE, EXTCODESIZE and EXTCODEHASH.
    @inline(never)
    mutating func accountQuery(
        _ opcode: UInt8, _ stack: StackCursor, _ gas: Int64
    ) throws(StateError) -> Int64 {
        let id = state.account(stack[0].address)
        let gas = gas - accessGas(id)
        guard gas >= 0 else { return gas }
        try state.load(id)
        switch opcode {
        case 0x31:
            stack[0] = state.accounts[id.index].balance
        case 0x3B:
            stack[0] = UInt256(UInt64(try state.code(of: id).size))
        default:
            // EIP-1052, and EIP-161: an account that is empty is not there. No code is needed.
            stack[0] =
                state.accounts[id.index].isEmpty ? .zero : state.accounts[id.index].codeHash
        }
        return gas
    }

    /// EXTCODECOPY.
    @inline(never)
    mutating func copyCode(_ stack: StackCursor, _ gas: Int64) throws(StateError) -> Int64 {
        let (target, source, size) = (stack[1], stack[2], stack[3])
        let id = state.account(stack[0].address)
        let gas = expand(
            target, size, gas - accessGas(id) - Self.gasPerWord(3, size))
        guard gas >= 0 else { return gas }
        let code = try state.code(of: id)
        if !size.isZero {
            code.withSpan {
                memory.copy($0, from: source, to: Int(target.l0), count: Int(size.l0))
            }
        }
        return gas
    }

    // MARK: The block

    @inline(never)
    mutating func blockHash(_ number: UInt256) throws(StateError) -> UInt256 {
        guard let number = number.uint64, number < block.number, block.number - number <= 256
        else { return .zero }
        return UInt256(try state.reader.blockHash(number))
    }

    // MARK: Storage

    @inline(never)
    mutating func loadSlot(_ stack: StackCursor, _ gas: Int64) throws(StateError) -> Int64 {
        let slot = state.slot(stack[0], of: frames[frames.count - 1].account)
        let gas = gas - (state.warm(slot) ? 2100 : 100)
        guard gas >= 0 else { return gas }
        try state.load(slot)
        stack[0] = state.slots[slot.index].value
        return gas
    }

    /// SSTORE: EIP-2200 with the amounts of EIP-2929 and EIP-3529.
    @inline(never)
    mutating func storeSlot(_ stack: StackCursor, _ gas: Int64) throws(StateError) -> Int64 {
        guard gas > 2300 else { return -1 }
        let slot = state.slot(stack[0], of: frames[frames.count - 1].account)
        let value = stack[1]
        try state.load(slot)
        var gas = gas
        if state.warm(slot) { gas -= 2100 }
        let current = state.slots[slot.index].value
        let original = state.slots[slot.index].original
        if original == current, current != value {
            gas -= original.isZero ? 20_000 : 2900
        } else {
            gas -= 100
        }
        guard gas >= 0 else { return gas }
        guard current != value else { return gas }
        if !original.isZero {
            if current.isZero {
                state.refund -= 4800
            } else if value.isZero {
                state.refund += 4800
            }
        }
        if original == value { state.refund += original.isZero ? 19_900 : 2800 }
        state.setSlot(slot, value)
        return gas
    }

    // MARK: Logs and the end of a contract

    @inline(never)
    mutating func log(_ opcode: UInt8, _ stack: StackCursor, _ gas: Int64) -> Int64 {
        let (offset, size) = (stack[0], stack[1])
        guard size.l1 | size.l2 | size.l3 == 0, size.l0 < 1 << 40 else { return -1 }
        let gas = expand(offset, size, gas - 8 * Int64(size.l0))
        guard gas >= 0 else { return gas }
        Self.append(
            to: &state.logs, address: frames[frames.count - 1].address, stack,
            topicCount: Int(opcode) - 0xA0, memory, size.isZero ? 0 : Int(offset.l0),
            Int(size.l0))
        return gas
    }

    private static func append(
        to logs: inout LogArena, address: UInt256, _ stack: StackCursor, topicCount: Int,
        _ memory: borrowing FrameMemory, _ offset: Int, _ size: Int
    ) {
        memory.withSpan(at: offset, count: size) {
            logs.append(address: address, stack, topicCount: topicCount, data: $0)
        }
    }

    /// SELFDESTRUCT: the yellow paper's before Cancun, EIP-6780's from then on.
    @inline(never)
    mutating func selfdestruct(_ stack: StackCursor, _ gas: Int64) throws(StateError) -> Int64 {
        let account = frames[frames.count - 1].account
        let beneficiary = state.account(stack[0].address)
        var gas = gas
        if warm(beneficiary) { gas -= 2600 }
        guard gas >= 0 else { return gas }
        try state.load(beneficiary)
        try state.load(account)
        let balance = state.accounts[account.index].balance
        if !balance.isZero, state.accounts[beneficiary.index].isEmpty { gas -= 25_000 }
        guard gas >= 0 else { return gas }
        state.transfer(balance, from: account, to: beneficiary)
        if fork < .cancun || state.wasCreated(account) {
            // What a contract leaves to itself is gone.
            state.setBalance(account, .zero)
            state.markDestroyed(account)
        }
        return gas
    }
}

extension UInt256 {
    /// The lowest 160 bits.
    @inline(__always)
    var address: UInt256 { UInt256(0, l2 & 0xFFFF_FFFF, l1, l0) }
}
