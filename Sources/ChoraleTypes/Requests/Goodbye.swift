public import ChoraleBase
public import Codec

/// Why a node is about to close a connection: `/chorale/req/goodbye/1/ssz_snappy`.
///
/// A number of eight bytes, without an answer. The numbers below 128 are those of Ethereum's
/// consensus network, so that tools which know them read ours.
///
/// Specification: mechanisms §6.3.
public struct Goodbye: RawRepresentable, Hashable, Sendable {
    public static let protocolName = "goodbye"

    public let rawValue: UInt64

    public init(rawValue: UInt64) { self.rawValue = rawValue }

    public static let shutdown = Goodbye(rawValue: 1)
    /// Another network.
    public static let irrelevantNetwork = Goodbye(rawValue: 2)
    public static let fault = Goodbye(rawValue: 3)
    public static let tooManyPeers = Goodbye(rawValue: 129)
    public static let badScore = Goodbye(rawValue: 250)
    public static let banned = Goodbye(rawValue: 251)
}

extension Goodbye: CustomStringConvertible {
    public var description: String {
        switch self {
        case .shutdown: "shutdown"
        case .irrelevantNetwork: "irrelevant network"
        case .fault: "fault"
        case .tooManyPeers: "too many peers"
        case .badScore: "bad score"
        case .banned: "banned"
        default: "reason \(rawValue)"
        }
    }
}

extension Goodbye: SSZEncodable, SSZDecodable {
    public static var sszFixedSize: Int? { 8 }
    public static var isSSZBasic: Bool { true }

    public func sszEncode(into bytes: inout [UInt8]) { rawValue.sszEncode(into: &bytes) }

    public func hashTreeRoot<Hash: SHA256Hashing>(_ hash: Hash.Type) -> Bytes32 {
        rawValue.hashTreeRoot(hash)
    }

    public init(ssz input: Span<UInt8>) throws(SSZError) {
        self.init(rawValue: try UInt64(ssz: input))
    }
}
