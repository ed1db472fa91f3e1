/// Bytecode as it is written down: opcodes by name, numbers pushed in as few bytes as they need.
struct Assembler {
    private(set) var code: [UInt8] = []

    enum Op: UInt8 {
        case stop = 0x00, add, mul, sub, div, sdiv, mod, smod, addmod, mulmod, exp
        case xor = 0x18
        case keccak256 = 0x20
        case caller = 0x33, callvalue, calldataload, calldatasize, calldatacopy
        case gas = 0x5A, jumpdest
        case mcopy = 0x5E
        case pop = 0x50, mload, mstore, mstore8, sload, sstore, jump, jumpi
        case dup1 = 0x80, dup2, dup3, dup4, dup5, dup6
        case swap1 = 0x90, swap2, swap3, swap4
        case log3 = 0xA3
        case call = 0xF1
        case `return` = 0xF3
        case staticcall = 0xFA
        case lt = 0x10, gt
        case iszero = 0x15
    }

    mutating func emit(_ ops: Op...) { for op in ops { code.append(op.rawValue) } }

    mutating func push(_ value: UInt64) {
        let size = max((64 - value.leadingZeroBitCount + 7) / 8, 1)
        push((0..<size).map { UInt8(truncatingIfNeeded: value >> UInt64(8 * (size - 1 - $0))) })
    }

    /// - Precondition: 1 to 32 bytes.
    mutating func push(_ bytes: [UInt8]) {
        precondition(!bytes.isEmpty && bytes.count <= 32, "PUSH1 to PUSH32")
        code.append(0x5F + UInt8(bytes.count))
        code += bytes
    }

    /// Runs `body` `count` times with the number of rounds left, never zero, on top of the stack at its
    /// beginning and its end.
    mutating func loop(_ count: UInt64, _ body: (inout Assembler) -> Void) {
        push(count)
        let start = UInt64(code.count)
        emit(.jumpdest)
        body(&self)
        push(1)
        emit(.swap1, .sub, .dup1)
        push(start)
        emit(.jumpi, .pop)
    }
}
