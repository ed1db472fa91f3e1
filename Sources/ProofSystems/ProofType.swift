public import ChoraleBase
public import Codec

/// Which proof system, and of a remote prover which program, a proof belongs to.
///
/// Any number is a value: a node that does not know one abstains, because the network may know systems
/// that this version does not. Numbers 0 to 6 are those that EIP-8025's proof nodes use; Chorale's own
/// begin at 64.
///
/// Specification: EIP-8025 and the table of proof types of eth-act/zkboost; mechanisms row 0.6.
public struct ProofType: RawRepresentable, Hashable, Comparable, Sendable {
    public let rawValue: UInt8

    public init(rawValue: UInt8) { self.rawValue = rawValue }

    public static let ethrexRISCZero = Self(rawValue: 0)
    public static let ethrexSP1 = Self(rawValue: 1)
    public static let ethrexZisK = Self(rawValue: 2)
    public static let rethOpenVM = Self(rawValue: 3)
    public static let rethRISCZero = Self(rawValue: 4)
    public static let rethSP1 = Self(rawValue: 5)
    public static let rethZisK = Self(rawValue: 6)

    /// The native transparent system, over ristretto255.
    public static let spartan = Self(rawValue: 64)
    /// An SP1 program, wrapped in Groth16 over BN254.
    public static let groth16SP1 = Self(rawValue: 65)
    /// A RISC Zero program, wrapped in Groth16 over BN254.
    public static let groth16RISCZero = Self(rawValue: 66)
    /// A circuit with a Groth16 key of its own, as snarkjs and gnark make them.
    public static let groth16 = Self(rawValue: 67)
    /// An SP1 program, wrapped in PLONK over BN254.
    public static let plonkSP1 = Self(rawValue: 68)

    /// Intel SGX, DCAP quotes.
    public static let sgx = Self(rawValue: 80)
    /// Intel TDX, DCAP quotes.
    public static let tdx = Self(rawValue: 81)
    /// AMD SEV-SNP reports.
    public static let sevSNP = Self(rawValue: 82)
    /// AWS Nitro documents.
    public static let nitro = Self(rawValue: 83)

    /// The types that have a name, in order.
    public static let named: [(type: ProofType, name: String)] = [
        (.ethrexRISCZero, "ethrex-risc0"), (.ethrexSP1, "ethrex-sp1"),
        (.ethrexZisK, "ethrex-zisk"), (.rethOpenVM, "reth-openvm"),
        (.rethRISCZero, "reth-risc0"), (.rethSP1, "reth-sp1"), (.rethZisK, "reth-zisk"),
        (.spartan, "spartan"), (.groth16SP1, "groth16-sp1"), (.groth16RISCZero, "groth16-risc0"),
        (.groth16, "groth16"), (.plonkSP1, "plonk-sp1"),
        (.sgx, "sgx"), (.tdx, "tdx"), (.sevSNP, "sev-snp"), (.nitro, "nitro"),
    ]

    /// The type of a name of ``named``, as proof nodes spell it.
    public init?(name: String) {
        guard let found = Self.named.first(where: { $0.name == name }) else { return nil }
        self = found.type
    }

    /// Nil for a type that this version does not know.
    public var name: String? { Self.named.first { $0.type == self }?.name }

    /// Whether what vouches is a trusted execution environment: worth less than a proof, and overruled
    /// by one.
    public var isAttestation: Bool { (80..<96).contains(rawValue) }

    public static func < (lhs: Self, rhs: Self) -> Bool { lhs.rawValue < rhs.rawValue }
}

extension ProofType: CustomStringConvertible {
    public var description: String { name ?? "type \(rawValue)" }
}

extension ProofType: SSZEncodable, SSZDecodable {
    public static var sszFixedSize: Int? { 1 }
    public static var isSSZBasic: Bool { true }

    public func sszEncode(into bytes: inout [UInt8]) { rawValue.sszEncode(into: &bytes) }

    public func hashTreeRoot<Hash: SHA256Hashing>(_ hash: Hash.Type) -> Bytes32 {
        rawValue.hashTreeRoot(hash)
    }

    public init(ssz input: Span<UInt8>) throws(SSZError) {
        self.init(rawValue: try UInt8(ssz: input))
    }
}
