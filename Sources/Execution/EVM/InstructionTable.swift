/// What must hold before an instruction runs, and what it costs at least.
struct InstructionRule: BitwiseCopyable {
    /// Gas that every run of the instruction costs.
    let gas: UInt16
    /// Least height of the stack, in bytes.
    let heightMin: UInt16
    /// How far above `heightMin` the height may be, in bytes, so that the result still fits.
    let heightSpan: UInt16
    /// Makes a row eight bytes, which the processor can count in.
    private let padding: UInt16 = 0

    /// No height passes: for opcodes that the fork does not have.
    static let undefined = InstructionRule(gas: 0, heightMin: .max, heightSpan: 0)

    var isDefined: Bool { heightMin != .max }

    /// - Parameters:
    ///   - taken: words that must be on the stack.
    ///   - change: by how much the height changes.
    init(gas: UInt16, taken: Int, change: Int) {
        self.gas = gas
        heightMin = UInt16(32 * taken)
        let heightMax = min(StackArena.heightMax, StackArena.heightMax - change)
        heightSpan = UInt16(32 * (heightMax - taken))
    }

    private init(gas: UInt16, heightMin: UInt16, heightSpan: UInt16) {
        self.gas = gas
        self.heightMin = heightMin
        self.heightSpan = heightSpan
    }

    /// Whether a stack of this many bytes suits the instruction.
    @inline(__always)
    func allows(_ height: Int) -> Bool {
        // One comparison for both sides: a height below the least wraps around.
        UInt16(truncatingIfNeeded: height) &- heightMin <= heightSpan
    }
}

/// The rules of all 256 opcodes at one fork.
///
/// Safe: the memory has a row for every value of a byte and lives for ever.
@safe
struct InstructionTable: @unchecked Sendable {
    private let rows: UnsafePointer<InstructionRule>

    @inline(__always)
    subscript(opcode: UInt8) -> InstructionRule { unsafe rows[Int(opcode)] }

    private static let tables = Fork.allCases.map(InstructionTable.init)

    /// The table of a fork, made at its first use.
    static func table(for fork: Fork) -> InstructionTable { tables[Int(fork.rawValue)] }

    private init(_ fork: Fork) {
        let rows = UnsafeMutablePointer<InstructionRule>.allocate(capacity: 256)
        unsafe rows.initialize(repeating: .undefined, count: 256)
        func set(_ opcodes: ClosedRange<Int>, _ gas: Int, _ taken: Int, _ given: Int) {
            for opcode in opcodes {
                unsafe rows[opcode] = InstructionRule(
                    gas: UInt16(gas), taken: taken, change: given - taken)
            }
        }
        func set(_ opcode: Int, _ gas: Int, _ taken: Int, _ given: Int) {
            set(opcode...opcode, gas, taken, given)
        }
        Self.setComputation(fork, set, set)
        Self.setContext(fork, set, set)
        Self.setState(fork, set, set)
        unsafe self.rows = UnsafePointer(rows)
    }

    private typealias Row = (Int, Int, Int, Int) -> Void
    private typealias Rows = (ClosedRange<Int>, Int, Int, Int) -> Void

    // Each line: opcodes, gas, words taken, words given. Gas of what the instruction touches is added
    // when it runs.

    private static func setComputation(_ fork: Fork, _ row: Row, _ rows: Rows) {
        row(0x00, 0, 0, 0)  // STOP
        row(0x01, 3, 2, 1)  // ADD
        row(0x02, 5, 2, 1)  // MUL
        row(0x03, 3, 2, 1)  // SUB
        rows(0x04...0x07, 5, 2, 1)  // DIV SDIV MOD SMOD
        rows(0x08...0x09, 8, 3, 1)  // ADDMOD MULMOD
        row(0x0A, 10, 2, 1)  // EXP
        row(0x0B, 5, 2, 1)  // SIGNEXTEND
        rows(0x10...0x14, 3, 2, 1)  // LT GT SLT SGT EQ
        row(0x15, 3, 1, 1)  // ISZERO
        rows(0x16...0x18, 3, 2, 1)  // AND OR XOR
        row(0x19, 3, 1, 1)  // NOT
        rows(0x1A...0x1D, 3, 2, 1)  // BYTE SHL SHR SAR
        if fork >= .osaka { row(0x1E, 5, 1, 1) }  // CLZ (EIP-7939)
        row(0x20, 30, 2, 1)  // KECCAK256
        row(0x50, 2, 1, 0)  // POP
        row(0x51, 3, 1, 1)  // MLOAD
        rows(0x52...0x53, 3, 2, 0)  // MSTORE MSTORE8
        row(0x56, 8, 1, 0)  // JUMP
        row(0x57, 10, 2, 0)  // JUMPI
        rows(0x58...0x5A, 2, 0, 1)  // PC MSIZE GAS
        row(0x5B, 1, 0, 0)  // JUMPDEST
        if fork >= .cancun { row(0x5E, 3, 3, 0) }  // MCOPY (EIP-5656)
        if fork >= .shanghai { row(0x5F, 2, 0, 1) }  // PUSH0 (EIP-3855)
        rows(0x60...0x7F, 3, 0, 1)  // PUSH
        for depth in 1...16 {
            row(0x7F + depth, 3, depth, depth + 1)  // DUP
            row(0x8F + depth, 3, depth + 1, depth + 1)  // SWAP
        }
    }

    private static func setContext(_ fork: Fork, _ row: Row, _ rows: Rows) {
        row(0x30, 2, 0, 1)  // ADDRESS
        row(0x31, 0, 1, 1)  // BALANCE
        rows(0x32...0x34, 2, 0, 1)  // ORIGIN CALLER CALLVALUE
        row(0x35, 3, 1, 1)  // CALLDATALOAD
        row(0x36, 2, 0, 1)  // CALLDATASIZE
        row(0x37, 3, 3, 0)  // CALLDATACOPY
        row(0x38, 2, 0, 1)  // CODESIZE
        row(0x39, 3, 3, 0)  // CODECOPY
        row(0x3A, 2, 0, 1)  // GASPRICE
        row(0x3B, 0, 1, 1)  // EXTCODESIZE
        row(0x3C, 0, 4, 0)  // EXTCODECOPY
        row(0x3D, 2, 0, 1)  // RETURNDATASIZE
        row(0x3E, 3, 3, 0)  // RETURNDATACOPY
        row(0x3F, 0, 1, 1)  // EXTCODEHASH
        row(0x40, 20, 1, 1)  // BLOCKHASH
        rows(0x41...0x46, 2, 0, 1)  // COINBASE TIMESTAMP NUMBER PREVRANDAO GASLIMIT CHAINID
        row(0x47, 5, 0, 1)  // SELFBALANCE
        row(0x48, 2, 0, 1)  // BASEFEE
        if fork >= .cancun {
            row(0x49, 3, 1, 1)  // BLOBHASH (EIP-4844)
            row(0x4A, 2, 0, 1)  // BLOBBASEFEE (EIP-7516)
        }
    }

    private static func setState(_ fork: Fork, _ row: Row, _ rows: Rows) {
        row(0x54, 0, 1, 1)  // SLOAD
        row(0x55, 0, 2, 0)  // SSTORE
        if fork >= .cancun {
            row(0x5C, 100, 1, 1)  // TLOAD (EIP-1153)
            row(0x5D, 100, 2, 0)  // TSTORE
        }
        for topics in 0...4 { row(0xA0 + topics, 375 + 375 * topics, 2 + topics, 0) }  // LOG
        row(0xF0, 32_000, 3, 1)  // CREATE
        rows(0xF1...0xF2, 0, 7, 1)  // CALL CALLCODE
        row(0xF3, 0, 2, 0)  // RETURN
        row(0xF4, 0, 6, 1)  // DELEGATECALL
        row(0xF5, 32_000, 4, 1)  // CREATE2
        row(0xFA, 0, 6, 1)  // STATICCALL
        row(0xFD, 0, 2, 0)  // REVERT
        row(0xFF, 5000, 1, 0)  // SELFDESTRUCT
    }
}
