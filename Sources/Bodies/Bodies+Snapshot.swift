public import ChoraleBase
public import ChoraleTypes
public import PeerIdentity

extension Bodies {
    /// One body as an operator sees it.
    public struct BodySnapshot: Hashable, Sendable {
        public enum Phase: String, Hashable, Sendable { case waiting, fetching, complete }

        public struct Source: Hashable, Sendable {
            public var peer: PeerID
            /// Verified bytes of chunks.
            public var bytes: Int
        }

        public var announcement: BodyAnnouncement
        public var phase: Phase
        public var isOwn: Bool
        public var received: WallTime
        public var chunksHeld: Int
        /// Where its chunks came from in this run, most bytes first.
        public var sources: [Source]
        /// From the announcement to the last chunk, or until now. Zero for own bodies and for those
        /// that were whole at the start.
        public var elapsed: Duration
        public var bytesServed: UInt64
        /// Requests under way.
        public var requests: Int

        public var root: Bytes32 { announcement.root }
        public var kind: BodyKind { announcement.description.kind }
        public var size: Int { announcement.shape.size }
        public var chunkCount: Int { announcement.shape.chunkCount }
        public var isComplete: Bool { phase == .complete }
    }

    /// The machine as an operator sees it.
    public struct Snapshot: Hashable, Sendable {
        /// In the order of their announcements.
        public var bodies: [BodySnapshot]
        /// Bytes of all bodies, whole or not.
        public var totalSize: Int
        public var cacheSize: Int
        public var requests: Int
        public var serves: Int
        /// Received and not yet stored, in bytes.
        public var unstoredSize: Int
        public var isIntakeStopped: Bool
    }
}
