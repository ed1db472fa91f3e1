public import ChoraleBase
public import ChoraleTypes
public import Codec
public import PeerIdentity

/// Which announcements a node takes part in spreading.
public struct AnnouncementPolicy: Hashable, Sendable {
    /// Part of what is signed.
    public var networkDigest: [UInt8]
    /// Largest body, in bytes. Other nodes may allow more, so a larger one is nobody's fault.
    public var bodySizeMax = 16 << 20
    /// The only producers allowed, or nil for all.
    public var producers: Set<PeerID>?
    /// Announcements older than this are not spread: far above any delay of gossip, and what bounds
    /// replays. Not above `Bodies.Limits.ageMax`, or what retention deletes could be replayed.
    public var ageMax: Duration = .seconds(600)
    /// How far ahead of ours a producer's clock may be.
    public var clockSkewMax: Duration = .seconds(30)

    public init(networkDigest: [UInt8]) { self.networkDigest = networkDigest }
}

/// What a check found. `reject` is the sender's fault, who should have checked as we do; `ignore` is
/// nobody's.
public enum AnnouncementVerdict: Equatable, Sendable {
    case accept(BodyAnnouncement)
    case reject(Rejection)
    case ignore(IgnoreReason)

    /// Each case is also a metric label.
    public enum Rejection: Hashable, Sendable {
        case tooLarge(size: Int, limit: Int)
        case snappy(SnappyError)
        case malformed(SSZError)
        /// The chunk roots do not lead to the root.
        case rootMismatch
        /// The key is none of its scheme.
        case keyMalformed
        case badSignature
    }

    public enum IgnoreReason: Hashable, Sendable {
        case unknownKind(BodyKind)
        case unknownScheme(SignatureScheme)
        case bodyTooLarge(size: Int, limit: Int)
        case producerNotAllowed(PeerID)
        case tooOld(issued: WallTime)
        case fromTheFuture(issued: WallTime)
    }
}

/// Everything there is to check about an announcement alone, away from the loop: one that gossip
/// brought, or one that a peer offered.
///
/// Cheap checks first, the signature last. Whether there is room for the body is for
/// ``Bodies/admission(of:now:)``.
public struct AnnouncementCheck: Sendable {
    private enum Content {
        case compressed([UInt8])
        case decoded(BodyAnnouncement)
    }

    private let content: Content
    public let policy: AnnouncementPolicy

    /// - Parameter compressed: the gossip message's data, one Snappy block.
    public init(compressed: [UInt8], policy: AnnouncementPolicy) {
        content = .compressed(compressed)
        self.policy = policy
    }

    /// Checks what was decoded already.
    public init(_ announcement: BodyAnnouncement, policy: AnnouncementPolicy) {
        content = .decoded(announcement)
        self.policy = policy
    }

    /// What to publish on the topic: the announcement in SSZ, as one Snappy block.
    public static func compressed(_ announcement: BodyAnnouncement) -> [UInt8] {
        Snappy.encode(announcement.sszEncoded().span)
    }

    public func run(wall: WallTime) -> AnnouncementVerdict {
        switch content {
        case .compressed(let bytes): run(bytes, wall: wall)
        case .decoded(let announcement): check(announcement, wall: wall)
        }
    }

    private func run(_ compressed: [UInt8], wall: WallTime) -> AnnouncementVerdict {
        let sizeMax = BodyAnnouncement.encodedSizeMax
        guard compressed.count <= Snappy.encodedSizeMax(sizeMax) else {
            return .reject(
                .tooLarge(size: compressed.count, limit: Snappy.encodedSizeMax(sizeMax)))
        }
        let bytes: [UInt8]
        do throws(SnappyError) {
            bytes = try Snappy.decode(compressed.span, sizeMax: sizeMax)
        } catch {
            return .reject(.snappy(error))
        }
        do throws(SSZError) {
            return check(try BodyAnnouncement(ssz: bytes.span), wall: wall)
        } catch {
            return .reject(.malformed(error))
        }
    }

    private func check(_ announcement: BodyAnnouncement, wall: WallTime) -> AnnouncementVerdict {
        let description = announcement.description
        guard description.kind.isKnown else { return .ignore(.unknownKind(description.kind)) }
        let scheme = description.producer.scheme
        guard scheme == .ed25519 || scheme == .secp256k1 else {
            return .ignore(.unknownScheme(scheme))
        }
        guard description.shape.size <= policy.bodySizeMax else {
            return .ignore(
                .bodyTooLarge(size: description.shape.size, limit: policy.bodySizeMax))
        }
        guard description.issued >= wall.advanced(by: .zero - policy.ageMax) else {
            return .ignore(.tooOld(issued: description.issued))
        }
        guard description.issued <= wall.advanced(by: policy.clockSkewMax) else {
            return .ignore(.fromTheFuture(issued: description.issued))
        }
        guard let producer = description.producer.peerID else { return .reject(.keyMalformed) }
        if let allowed = policy.producers, !allowed.contains(producer) {
            return .ignore(.producerNotAllowed(producer))
        }
        guard description.rootIsConsistent else { return .reject(.rootMismatch) }
        guard announcement.isSigned(inNetwork: policy.networkDigest) else {
            return .reject(.badSignature)
        }
        return .accept(announcement)
    }
}
