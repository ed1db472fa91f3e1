public import ChoraleBase
public import ChoraleTypes
import Codec
import OrderedCollections
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
        /// Bytes of the chunks held.
        public var totalSize: Int
        public var cacheSize: Int
        public var requests: Int
        public var serves: Int
        /// Received and not yet stored, in bytes.
        public var unstoredSize: Int
        /// Own bodies on their way to the store, in bytes.
        public var publishingSize: Int
        public var isIntakeStopped: Bool
    }
}

extension Bodies {
    /// What is held and under way.
    public func snapshot(now: Now) -> Snapshot {
        Snapshot(
            bodies: bodies.values.map { snapshot(of: $0, now: now.instant) }, totalSize: totalSize,
            cacheSize: cache.size, requests: requests.count, serves: serves.count,
            unstoredSize: unstoredSize, publishingSize: publishingSize,
            isIntakeStopped: isIntakeStopped)
    }

    /// One body, or nil when it is not known.
    public func snapshot(of root: Bytes32, now: Now) -> BodySnapshot? {
        bodies[root].map { snapshot(of: $0, now: now.instant) }
    }

    private func snapshot(of body: Body, now: MonotonicInstant) -> BodySnapshot {
        let phase: BodySnapshot.Phase =
            switch body.phase {
            case .waiting: .waiting
            case .fetching: .fetching
            case .complete: .complete
            }
        let sources = body.sources.elements
            .sorted { ($1.value, $0.key) < ($0.value, $1.key) }
            .map { BodySnapshot.Source(peer: $0.key, bytes: $0.value) }
        return BodySnapshot(
            announcement: body.announcement, phase: phase, isOwn: body.isOwn,
            received: body.received, chunksHeld: body.held.setCount, sources: sources,
            elapsed: body.startedAt.duration(to: body.finishedAt ?? now),
            bytesServed: body.bytesServed,
            requests: requests.values.lazy.filter { $0.root == body.root }.count)
    }
}
