public import ChoraleBase
public import Codec

/// Asks for announcements of bodies that the asking node has missed:
/// `/chorale/req/announcements/1/ssz_snappy`.
///
/// Gossip reaches those who are there. Whoever was down or cut off asks afterwards, and is answered
/// with up to ``RequestProtocol``'s number of ``BodyAnnouncement``s, the newest first: those that the
/// peer holds, can serve something of, and that are not in `known`.
///
/// Specification: ours, in the form of mechanisms §6.3.
public struct AnnouncementsRequest: Hashable, Sendable {
    public static let protocolName = "announcements"
    /// Most roots in a request: as many as bodies that a node holds by default, 32 KiB.
    public static let knownMax = 1024
    /// Largest encoding, in bytes: an offset and the roots.
    public static let encodedSizeMax = 4 + 32 * knownMax

    /// Roots of bodies that the asking node holds, is fetching, or does not want.
    public let known: [Bytes32]

    /// Nil when there are more than ``knownMax``.
    public init?(known: [Bytes32]) {
        guard known.count <= Self.knownMax else { return nil }
        self.known = known
    }
}

extension AnnouncementsRequest: SSZContainer {
    public static let sszLayout = SSZLayout(SSZList<Bytes32, 1024>.self)

    public func sszFields(_ fields: inout some SSZFieldVisitor) {
        guard let known = SSZList<Bytes32, 1024>(known) else {
            preconditionFailure("a request keeps to its limits")
        }
        fields.visit(known)
    }

    public init(sszFields fields: inout SSZFieldReader, in input: Span<UInt8>) throws(SSZError) {
        known = try fields.next(SSZList<Bytes32, 1024>.self, in: input).elements
    }
}
