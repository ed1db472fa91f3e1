import ChoraleBase

/// A contract that is part of the protocol and has no code.
///
/// Specification: yellow paper, appendix E; EIP-152, 196, 197, 198, 1108, 2537, 2565, 4844, 7823, 7883,
/// 7951.
enum Precompile: UInt16 {
    case ecrecover = 1
    case sha256
    case ripemd160
    case identity
    case modexp
    case bn254Add
    case bn254Multiply
    case bn254Pairing
    case blake2f
    case pointEvaluation
    case blsG1Add
    case blsG1MultiScalar
    case blsG2Add
    case blsG2MultiScalar
    case blsPairing
    case blsMapFpToG1
    case blsMapFp2ToG2
    case p256Verify = 0x100

    /// The precompile at an address, if the fork has one there.
    @inline(__always)
    init?(at address: UInt256, fork: Fork) {
        guard address.l1 | address.l2 | address.l3 == 0, address.l0 <= 0x100, address.l0 > 0,
            let found = Precompile(rawValue: UInt16(truncatingIfNeeded: address.l0)),
            fork >= found.firstFork
        else { return nil }
        self = found
    }

    private var firstFork: Fork {
        switch rawValue {
        case 1...9: .london
        case 10: .cancun
        case 11...17: .prague
        default: .osaka
        }
    }

    /// Addresses that are warm from the start of every transaction.
    static func addresses(at fork: Fork) -> [UInt256] {
        let last: UInt64 = fork >= .prague ? 17 : fork >= .cancun ? 10 : 9
        return (1...last).map { UInt256($0) } + (fork >= .osaka ? [UInt256(0x100)] : [])
    }
}

extension Precompile {
    /// What running on `input` costs, or nil when no gas suffices.
    func gas(for input: Span<UInt8>, fork: Fork) -> UInt64? {
        let words = UInt64((input.count + 31) / 32)
        switch self {
        case .ecrecover: return 3000
        case .sha256: return 60 + 12 * words
        case .ripemd160: return 600 + 120 * words
        case .identity: return 15 + 3 * words
        case .modexp: return ModularPowerInput(input)?.gas(at: fork)
        case .bn254Add: return 150
        case .bn254Multiply: return 6000
        case .bn254Pairing: return 45_000 + 34_000 * UInt64(input.count / 192)
        case .blake2f: return Blake2F.rounds(input)
        case .pointEvaluation: return 50_000
        case .blsG1Add: return 375
        case .blsG1MultiScalar: return BLSGas.multiScalar(input.count, .g1)
        case .blsG2Add: return 600
        case .blsG2MultiScalar: return BLSGas.multiScalar(input.count, .g2)
        case .blsPairing: return 37_700 + 32_600 * UInt64(input.count / 384)
        case .blsMapFpToG1: return 5500
        case .blsMapFp2ToG2: return 23_800
        case .p256Verify: return 6900
        }
    }

    /// Appends the result to `output`. Returns false when the call fails, with all its gas.
    func run(_ input: Span<UInt8>, into output: inout Arena<UInt8>) -> Bool {
        switch self {
        case .ecrecover: HashPrecompiles.ecrecover(input, &output)
        case .sha256: HashPrecompiles.sha256(input, &output)
        case .ripemd160: HashPrecompiles.ripemd160(input, &output)
        case .identity: output.append(contentsOf: input)
        case .p256Verify: HashPrecompiles.p256Verify(input, &output)
        case .modexp:
            guard let parsed = ModularPowerInput(input) else { return false }
            output.append(contentsOf: parsed.compute(input).span)
        case .blake2f:
            return Blake2F.run(input, into: &output)
        default:
            guard let result = CurvePrecompiles.run(self, input) else { return false }
            output.append(contentsOf: result.span)
        }
        return true
    }
}
