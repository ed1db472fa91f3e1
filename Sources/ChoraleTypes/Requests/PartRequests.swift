public import ChoraleBase
public import Codec

/// A request for certificates of an operation's parts.
public struct CertificatesRequest: Hashable, Sendable {
    /// Most parts named by one request.
    public static let partsMax = 64

    public let operation: Bytes32
    /// None for all.
    public let parts: [UInt16]

    /// Nil when too many parts are named.
    public init?(operation: Bytes32, parts: [UInt16]) {
        guard parts.count <= Self.partsMax else { return nil }
        self.operation = operation
        self.parts = parts
    }
}

extension CertificatesRequest: SSZContainer {
    public static let sszLayout = SSZLayout(Bytes32.self, SSZList<UInt16, 64>.self)

    public func sszFields(_ fields: inout some SSZFieldVisitor) {
        guard let parts = SSZList<UInt16, 64>(parts) else {
            preconditionFailure("a request keeps to its limit")
        }
        fields.visit(operation)
        fields.visit(parts)
    }

    public init(sszFields fields: inout SSZFieldReader, in input: Span<UInt8>) throws(SSZError) {
        operation = try fields.next(in: input)
        parts = try fields.next(SSZList<UInt16, 64>.self, in: input).elements
    }
}

/// Votes for one peer, which gossip would not carry to it again.
public typealias SubProofVoteList = SSZList<SubProofVote, 64>
