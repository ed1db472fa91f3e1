public import ChoraleBase
public import Codec

/// A node's metadata number: `/chorale/req/ping/1/ssz_snappy`. Answered with the other's.
///
/// A number above the one last seen says that the peer's ``Metadata`` changed and is worth asking
/// for.
///
/// Specification: mechanisms §6.3.
public struct PingSequence: RawRepresentable, Hashable, Comparable, Sendable {
    public static let protocolName = "ping"

    public let rawValue: UInt64

    public init(rawValue: UInt64) { self.rawValue = rawValue }

    public static func < (lhs: Self, rhs: Self) -> Bool { lhs.rawValue < rhs.rawValue }
}

extension PingSequence: SSZEncodable, SSZDecodable {
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

/// What changes about a node while it runs: the answer of `/chorale/req/metadata/1/ssz_snappy`,
/// whose request is empty.
public struct Metadata: Hashable, Sendable {
    public static let protocolName = "metadata"

    /// Rises with every change.
    public var sequence: UInt64
    /// As in ``Status``.
    public var roles: UInt8
    public var capabilities: Capabilities

    public init(sequence: UInt64, roles: UInt8, capabilities: Capabilities) {
        self.sequence = sequence
        self.roles = roles
        self.capabilities = capabilities
    }
}

extension Metadata: SSZContainer {
    public static let sszLayout = SSZLayout(UInt64.self, UInt8.self, Capabilities.self)

    public func sszFields(_ fields: inout some SSZFieldVisitor) {
        fields.visit(sequence)
        fields.visit(roles)
        fields.visit(capabilities)
    }

    public init(sszFields fields: inout SSZFieldReader, in input: Span<UInt8>) throws(SSZError) {
        sequence = try fields.next(in: input)
        roles = try fields.next(in: input)
        capabilities = try fields.next(in: input)
    }
}
