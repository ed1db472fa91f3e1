public import ChoraleBase
public import Codec

/// Bounds of the numbers in consensus messages.
///
/// Checked when bytes are decoded, so that no code behind can overflow by adding one.
public enum ConsensusBounds {
    /// Highest height. At a block a nanosecond this lasts 146 years.
    public static let heightMax: UInt64 = 1 << 62
    /// Highest round of a height.
    public static let roundMax: UInt32 = 1 << 31 - 1
    /// Most validators of one set: their signatures, 100 bytes each, fit into a block of 256 KiB.
    public static let validatorsMax = 1024
    /// Largest total stake. Priorities of proposers stay within three times the total, and sums over
    /// all validators are taken in 128 bits: CometBFT's bound, `MaxInt64 / 8`.
    public static let totalStakeMax: UInt64 = 1 << 60
    /// Longest signature of any scheme, in bytes.
    public static let signatureSizeMax = 96

    static func check(height: UInt64) throws(SSZError) {
        guard (1...heightMax).contains(height) else { throw .invalidValue("height \(height)") }
    }

    static func check(round: UInt32) throws(SSZError) {
        guard round <= roundMax else { throw .invalidValue("round \(round)") }
    }
}

/// The four bytes that tell networks apart.
public typealias NetworkDigest = SSZByteVector<4>

/// The bytes of a signature, of whatever scheme.
public typealias SignatureBytes = SSZByteList<96>

/// Which bits of a validator set are meant: one for each validator, in the order of the set.
public typealias ValidatorBits = SSZBitlist<1024>

/// A validator's position in the set of one height.
public struct ValidatorIndex: RawRepresentable, Hashable, Comparable, Sendable {
    public let rawValue: UInt16

    public init(rawValue: UInt16) { self.rawValue = rawValue }

    /// - Precondition: `position` is in `0..<65536`.
    public init(_ position: Int) { rawValue = UInt16(position) }

    public var position: Int { Int(rawValue) }

    public static func < (lhs: Self, rhs: Self) -> Bool { lhs.rawValue < rhs.rawValue }
}

extension ValidatorIndex: SSZEncodable, SSZDecodable {
    public static var sszFixedSize: Int? { 2 }
    public static var isSSZBasic: Bool { true }

    public func sszEncode(into bytes: inout [UInt8]) { rawValue.sszEncode(into: &bytes) }

    public func hashTreeRoot<Hash: SHA256Hashing>(_ hash: Hash.Type) -> Bytes32 {
        rawValue.hashTreeRoot(hash)
    }

    public init(ssz input: Span<UInt8>) throws(SSZError) {
        self.init(rawValue: try UInt16(ssz: input))
    }
}

/// A block's name in a vote: its root, or zero for "no block".
///
/// Zero is the root of no block that anyone can make.
struct OptionalRoot: SSZEncodable, SSZDecodable {
    static var sszFixedSize: Int? { Bytes32.size }

    let root: Bytes32?

    init(_ root: Bytes32?) { self.root = root }

    func sszEncode(into bytes: inout [UInt8]) { (root ?? .zero).sszEncode(into: &bytes) }

    func hashTreeRoot<Hash: SHA256Hashing>(_: Hash.Type) -> Bytes32 { root ?? .zero }

    init(ssz input: Span<UInt8>) throws(SSZError) {
        let root = try Bytes32(ssz: input)
        self.root = root == .zero ? nil : root
    }
}

/// Why a signed consensus message was refused. Every case is its author's fault, or that of whoever
/// sent it in the author's name.
public enum ConsensusSignatureError: Error, Hashable, Sendable {
    case unknownValidator(ValidatorIndex, count: Int)
    /// The message says another scheme than the validator's key has.
    case otherScheme(SignatureScheme, expected: SignatureScheme)
    case badSignature(ValidatorIndex)
}

/// Bytes that keep a signature for one purpose from meaning something for another.
enum ConsensusDomain {
    static func message(_ domain: String, _ network: NetworkDigest, _ root: Bytes32) -> [UInt8] {
        Array(domain.utf8) + network.bytes + root.bytes
    }
}
