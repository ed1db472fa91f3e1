import ChoraleBase
public import PeerIdentity

extension Gossipsub {
    /// The name of a topic, compared byte for byte.
    ///
    /// Not a `String`, because Swift compares strings by meaning: two different byte sequences may be
    /// equal as text, and would then be one topic here and two everywhere else.
    public struct Topic: Hashable, Comparable, Sendable, CustomStringConvertible,
        ExpressibleByStringLiteral
    {
        public let utf8: [UInt8]

        public init(_ name: String) { utf8 = Array(name.utf8) }

        public init(utf8: [UInt8]) { self.utf8 = utf8 }

        public init(stringLiteral name: String) { self.init(name) }

        public var description: String { String(decoding: utf8, as: UTF8.self) }

        public static func < (lhs: Self, rhs: Self) -> Bool {
            lhs.utf8.lexicographicallyPrecedes(rhs.utf8)
        }
    }

    /// The identifier of a message on the wire: opaque bytes, never text.
    public struct MessageID: Hashable, Sendable, CustomStringConvertible {
        /// Longest identifier that is used or accepted, in bytes.
        ///
        /// The usual ones have 20 (hash) to 54 (peer id and sequence number). Longer ones in IHAVE,
        /// IWANT and IDONTWANT are skipped and counted.
        public static let sizeMax = 64

        public let bytes: [UInt8]

        public init(_ bytes: [UInt8]) { self.bytes = bytes }

        /// Lower-case hexadecimal.
        public var description: String { Hex.encode(bytes) }
    }

    /// Names a message inside this machine for as long as its verdict is awaited.
    public struct MessageHandle: Hashable, Sendable {
        let key: MessageKey
    }

    /// Chosen by the publisher, and repeated in everything the machine says about that publication.
    public struct PublishID: Hashable, Comparable, Sendable {
        public let rawValue: UInt64

        public init(_ rawValue: UInt64) { self.rawValue = rawValue }

        public static func < (lhs: Self, rhs: Self) -> Bool { lhs.rawValue < rhs.rawValue }
    }

    /// Names one signature check handed to a worker.
    public struct JobID: Hashable, Comparable, Sendable {
        public let rawValue: UInt64

        public init(_ rawValue: UInt64) { self.rawValue = rawValue }

        public static func < (lhs: Self, rhs: Self) -> Bool { lhs.rawValue < rhs.rawValue }
    }

    /// What the peer's end of the stream speaks.
    public enum Version: UInt8, Comparable, CaseIterable, Hashable, Sendable {
        /// `/floodsub/1.0.0`: subscriptions and messages only, no control.
        case floodsub
        case v1_0
        /// Peer exchange, back-off and scores.
        case v1_1
        /// IDONTWANT.
        case v1_2

        /// The protocol id that is negotiated.
        public var protocolID: String {
            switch self {
            case .floodsub: "/floodsub/1.0.0"
            case .v1_0: "/meshsub/1.0.0"
            case .v1_1: "/meshsub/1.1.0"
            case .v1_2: "/meshsub/1.2.0"
            }
        }

        public init?(protocolID: String) {
            guard let version = Self.allCases.first(where: { $0.protocolID == protocolID }) else {
                return nil
            }
            self = version
        }

        public static func < (lhs: Self, rhs: Self) -> Bool { lhs.rawValue < rhs.rawValue }

        /// Newest first: the order in which a dialer proposes them.
        public static let preferred: [Version] = [.v1_2, .v1_1, .v1_0]
    }

    public enum Direction: UInt8, Hashable, Sendable {
        /// They dialed us.
        case inbound
        /// We dialed them, which an attacker cannot cause: the mesh keeps a quota of these.
        case outbound
    }

    /// Peers that count as one for the colocation penalty (P6): an IPv4 address, an IPv6 prefix.
    public struct AddressGroup: Hashable, Comparable, Sendable {
        public let rawValue: UInt64

        public init(_ rawValue: UInt64) { self.rawValue = rawValue }

        public static func < (lhs: Self, rhs: Self) -> Bool { lhs.rawValue < rhs.rawValue }
    }

    /// What is known of a peer when its connection is ready for gossip.
    public struct Connection: Hashable, Sendable {
        public var version: Version
        public var direction: Direction
        /// nil: not counted for P6, as loopback and private networks should not be.
        public var addressGroup: AddressGroup?
        /// A peering agreement of the operator: always forwarded to, never in a mesh, never scored
        /// down.
        public var isDirect: Bool

        public init(
            version: Version,
            direction: Direction,
            addressGroup: AddressGroup? = nil,
            isDirect: Bool = false
        ) {
            self.version = version
            self.direction = direction
            self.addressGroup = addressGroup
            self.isDirect = isDirect
        }
    }

    /// The application's answer about a message.
    public enum Verdict: UInt8, Hashable, Sendable, CaseIterable {
        /// Valid: forwarded, and credited to whoever brought it first.
        case accept
        /// Neither good nor bad (late, not for us): not forwarded, nobody is blamed.
        case ignore
        /// Invalid: not forwarded, and everybody who brought it is charged (P4).
        case reject
    }

    /// One message as the application sees it.
    public struct ReceivedMessage: Hashable, Sendable {
        public let handle: MessageHandle
        public let id: MessageID
        public let topic: Topic
        /// Bytes that hold the payload, shared with the machine and not copied.
        public let storage: [UInt8]
        /// Where the payload lies in ``storage``.
        public let dataRange: Range<Int>
        /// Who signed it; nil in a network without signatures.
        public let author: PeerID?
        public let sequenceNumber: UInt64?
        /// Who brought it to us first.
        public let propagationSource: PeerID
        /// Whether the machine waits for `.validated` with ``handle``. False: already accepted.
        public let needsVerdict: Bool

        /// The payload in an array of its own. O(size) unless it is all of ``storage``.
        public var data: [UInt8] {
            dataRange == 0..<storage.count ? storage : Array(storage[dataRange])
        }

        public var size: Int { dataRange.count }
    }
}
