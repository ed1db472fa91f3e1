public import ChoraleBase
public import ChoraleTypes
import PeerIdentity

/// Large content: announced by gossip, fetched in verified chunks from several holders, served on.
public struct Bodies: StateMachine, ~Copyable {
    public let limits: Limits
    public internal(set) var counters = Counters()
    public private(set) var nextDeadline: MonotonicInstant?

    public init(limits: Limits, seed: UInt64, now: Now) {
        self.limits = limits
    }

    public mutating func handle(_ input: Input, now: Now, into outputs: inout [Output]) {
    }

    /// Why the body would not be taken in, or nil when it would be: what decides, besides
    /// ``AnnouncementCheck``, whether gossip spreads the announcement.
    public func admission(of announcement: BodyAnnouncement, now: Now) -> Refusal? { nil }

    /// What is held and under way.
    public func snapshot(now: Now) -> Snapshot {
        Snapshot(
            bodies: [], totalSize: 0, cacheSize: 0, requests: 0, serves: 0, unstoredSize: 0,
            isIntakeStopped: false)
    }
}
