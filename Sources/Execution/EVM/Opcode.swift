/// Names of the opcodes that code outside of the dispatch loop speaks of.
enum Opcode {
    static let jumpdest: UInt8 = 0x5B
    static let push1: UInt8 = 0x60
    static let push32: UInt8 = 0x7F
    static let sstore: UInt8 = 0x55
    static let create: UInt8 = 0xF0
    static let call: UInt8 = 0xF1
    static let callcode: UInt8 = 0xF2
    static let delegatecall: UInt8 = 0xF4
    static let create2: UInt8 = 0xF5
    static let staticcall: UInt8 = 0xFA

    /// Names as EIP-3155 traces print them; empty where no fork has an instruction.
    static func name(_ opcode: UInt8) -> String {
        switch opcode {
        case 0x5F...0x7F: "PUSH\(opcode - 0x5F)"
        case 0x80...0x8F: "DUP\(opcode - 0x7F)"
        case 0x90...0x9F: "SWAP\(opcode - 0x8F)"
        case 0xA0...0xA4: "LOG\(opcode - 0xA0)"
        default: names[opcode] ?? ""
        }
    }

    private static let names: [UInt8: String] = [
        0x00: "STOP", 0x01: "ADD", 0x02: "MUL", 0x03: "SUB", 0x04: "DIV", 0x05: "SDIV",
        0x06: "MOD", 0x07: "SMOD", 0x08: "ADDMOD", 0x09: "MULMOD", 0x0A: "EXP",
        0x0B: "SIGNEXTEND", 0x10: "LT", 0x11: "GT", 0x12: "SLT", 0x13: "SGT", 0x14: "EQ",
        0x15: "ISZERO", 0x16: "AND", 0x17: "OR", 0x18: "XOR", 0x19: "NOT", 0x1A: "BYTE",
        0x1B: "SHL", 0x1C: "SHR", 0x1D: "SAR", 0x1E: "CLZ", 0x20: "KECCAK256", 0x30: "ADDRESS",
        0x31: "BALANCE", 0x32: "ORIGIN", 0x33: "CALLER", 0x34: "CALLVALUE", 0x35: "CALLDATALOAD",
        0x36: "CALLDATASIZE", 0x37: "CALLDATACOPY", 0x38: "CODESIZE", 0x39: "CODECOPY",
        0x3A: "GASPRICE", 0x3B: "EXTCODESIZE", 0x3C: "EXTCODECOPY", 0x3D: "RETURNDATASIZE",
        0x3E: "RETURNDATACOPY", 0x3F: "EXTCODEHASH", 0x40: "BLOCKHASH", 0x41: "COINBASE",
        0x42: "TIMESTAMP", 0x43: "NUMBER", 0x44: "PREVRANDAO", 0x45: "GASLIMIT", 0x46: "CHAINID",
        0x47: "SELFBALANCE", 0x48: "BASEFEE", 0x49: "BLOBHASH", 0x4A: "BLOBBASEFEE", 0x50: "POP",
        0x51: "MLOAD", 0x52: "MSTORE", 0x53: "MSTORE8", 0x54: "SLOAD", 0x55: "SSTORE",
        0x56: "JUMP", 0x57: "JUMPI", 0x58: "PC", 0x59: "MSIZE", 0x5A: "GAS", 0x5B: "JUMPDEST",
        0x5C: "TLOAD", 0x5D: "TSTORE", 0x5E: "MCOPY", 0xF0: "CREATE", 0xF1: "CALL",
        0xF2: "CALLCODE", 0xF3: "RETURN", 0xF4: "DELEGATECALL", 0xF5: "CREATE2",
        0xFA: "STATICCALL", 0xFD: "REVERT", 0xFE: "INVALID", 0xFF: "SELFDESTRUCT",
    ]
}
