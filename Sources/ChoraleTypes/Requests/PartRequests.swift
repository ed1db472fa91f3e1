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
public struct PartVotes: Hashable, Sendable {
    /// Most votes of each kind in one message.
    public static let partsMax = 64
    public static let committeesMax = 16

    public let parts: [SubProofVote]
    public let committees: [CommitteeVote]

    /// Nil when there are more than ``partsMax`` or ``committeesMax``.
    public init?(parts: [SubProofVote], committees: [CommitteeVote]) {
        guard parts.count <= Self.partsMax, committees.count <= Self.committeesMax else {
            return nil
        }
        self.parts = parts
        self.committees = committees
    }

    public var count: Int { parts.count + committees.count }
}

extension PartVotes: SSZContainer {
    public static let sszLayout = SSZLayout(
        SSZList<SubProofVote, 64>.self, SSZList<CommitteeVote, 16>.self)

    public func sszFields(_ fields: inout some SSZFieldVisitor) {
        guard let parts = SSZList<SubProofVote, 64>(parts),
            let committees = SSZList<CommitteeVote, 16>(committees)
        else { preconditionFailure("a message keeps to its limits") }
        fields.visit(parts)
        fields.visit(committees)
    }

    public init(sszFields fields: inout SSZFieldReader, in input: Span<UInt8>) throws(SSZError) {
        parts = try fields.next(SSZList<SubProofVote, 64>.self, in: input).elements
        committees = try fields.next(SSZList<CommitteeVote, 16>.self, in: input).elements
    }
}
