import ChoraleBase
import Swarm

/// Which simulated host: a position in ``Simulation``'s list.
public struct HostIndex: Hashable, Comparable, Sendable {
    public let rawValue: Int

    public init(_ rawValue: Int) { self.rawValue = rawValue }

    public static func < (lhs: Self, rhs: Self) -> Bool { lhs.rawValue < rhs.rawValue }
}

/// How the network between hosts behaves.
public struct NetworkConditions: Hashable, Sendable {
    /// One way, before jitter.
    public var latency: Duration = .milliseconds(20)
    /// Each segment is late by up to this much more, in order.
    public var jitter: Duration = .milliseconds(5)
    /// Of each host, up, in bytes a second.
    public var uplink: Int = 6_250_000
    /// Segments lost, of a thousand. TCP sends again: a lost segment is late by a round trip and a
    /// retransmission timeout of 200 ms, and what follows it on the connection waits.
    public var lossPerMille = 0

    public init() {}
}

/// A TCP connection between two hosts.
struct Wire {
    struct End {
        let host: HostIndex
        let connection: ConnectionID
        /// Bytes received that the machine has not consumed.
        var carry: [UInt8] = []
        /// When the last segment towards this end arrives: none may overtake it.
        var lastArrival: MonotonicInstant = .zero
        var isOpen = true
        /// Reading is paused; segments wait here.
        var isPaused = false
        var waiting: [[UInt8]] = []
        /// Closes once everything queued was sent.
        var isClosing = false
    }

    /// 0 dialed, 1 accepted.
    var ends: (End, End)
    /// A partition swallowed a segment: nothing arrives any more.
    var isCut = false

    subscript(_ side: Int) -> End {
        get { side == 0 ? ends.0 : ends.1 }
        set { if side == 0 { ends.0 = newValue } else { ends.1 = newValue } }
    }
}
