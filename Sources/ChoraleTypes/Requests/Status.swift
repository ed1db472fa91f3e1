public import ChoraleBase
public import Codec

/// What two nodes tell each other first: `/chorale/req/status/1/ssz_snappy`.
///
/// Asked by whoever dialed, as soon as the connection stands. Fields about a chain are zero while
/// there is none.
///
/// Specification: mechanisms §6.3.
public struct Status: Hashable, Sendable {
    public static let protocolName = "status"

    /// First four bytes of the hash of the network's genesis. Nodes of another network part.
    public var networkDigest: SSZByteVector<4>
    public var finalizedRoot: Bytes32
    public var finalizedHeight: UInt64
    public var headRoot: Bytes32
    public var headHeight: UInt64
    /// Lowest height whose block this node can still serve.
    public var earliestHeight: UInt64
    /// Bits: observer, validator, executor, prover.
    public var roles: UInt8
    public var capabilities: Capabilities
    /// Blocks whose witness is served, counted back from the head.
    public var witnessWindow: UInt64
    /// Blocks whose proofs are served, counted back from the head.
    public var proofWindow: UInt64

    public init(
        networkDigest: SSZByteVector<4>, roles: UInt8, capabilities: Capabilities
    ) {
        self.networkDigest = networkDigest
        self.finalizedRoot = .zero
        self.finalizedHeight = 0
        self.headRoot = .zero
        self.headHeight = 0
        self.earliestHeight = 0
        self.roles = roles
        self.capabilities = capabilities
        self.witnessWindow = 0
        self.proofWindow = 0
    }
}

/// What a node can be asked for. Unknown bits are carried and mean nothing.
public struct Capabilities: OptionSet, Hashable, Sendable {
    public let rawValue: UInt64

    public init(rawValue: UInt64) { self.rawValue = rawValue }

    /// Answers `chunks_by_root`.
    public static let servesChunks = Capabilities(rawValue: 1 << 0)
    /// Answers `announcements`.
    public static let offersAnnouncements = Capabilities(rawValue: 1 << 1)
}

extension Capabilities: SSZEncodable, SSZDecodable {
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

extension Status: SSZContainer {
    public static let sszLayout = SSZLayout(
        SSZByteVector<4>.self, Bytes32.self, UInt64.self, Bytes32.self, UInt64.self, UInt64.self,
        UInt8.self, Capabilities.self, UInt64.self, UInt64.self)

    public func sszFields(_ fields: inout some SSZFieldVisitor) {
        fields.visit(networkDigest)
        fields.visit(finalizedRoot)
        fields.visit(finalizedHeight)
        fields.visit(headRoot)
        fields.visit(headHeight)
        fields.visit(earliestHeight)
        fields.visit(roles)
        fields.visit(capabilities)
        fields.visit(witnessWindow)
        fields.visit(proofWindow)
    }

    public init(sszFields fields: inout SSZFieldReader, in input: Span<UInt8>) throws(SSZError) {
        networkDigest = try fields.next(in: input)
        finalizedRoot = try fields.next(in: input)
        finalizedHeight = try fields.next(in: input)
        headRoot = try fields.next(in: input)
        headHeight = try fields.next(in: input)
        earliestHeight = try fields.next(in: input)
        roles = try fields.next(in: input)
        capabilities = try fields.next(in: input)
        witnessWindow = try fields.next(in: input)
        proofWindow = try fields.next(in: input)
    }
}
