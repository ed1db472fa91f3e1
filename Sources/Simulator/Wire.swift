import ChoraleBase
import DequeModule
import Swarm

/// Which simulated host: a position in ``Simulation``'s list.
public struct HostIndex: Hashable, Comparable, Sendable {
    public let rawValue: Int

    public init(_ rawValue: Int) { self.rawValue = rawValue }

    public static func < (lhs: Self, rhs: Self) -> Bool { lhs.rawValue < rhs.rawValue }
}

/// Two hosts, whichever is named first.
public struct HostPair: Hashable, Sendable {
    public let lower: HostIndex
    public let upper: HostIndex

    public init(_ first: HostIndex, _ second: HostIndex) {
        lower = min(first, second)
        upper = max(first, second)
    }
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
    /// Bytes that one direction of a connection holds between two programs: the send buffer, the wire
    /// and the receive buffer. A writer whose reader does not read gets no further than this.
    public var socketBufferSize = 512 * 1024
    /// How long a writer bears no progress before it gives its connection up (as `DriverUV` does).
    public var writeTimeout: Duration = .seconds(10)

    public init() {}
}

/// A TCP connection between two hosts.
///
/// A class, because events refer to it while it changes with every segment. It lives as long as one
/// of the hosts has it or an event in the queue names it.
final class Wire {
    struct End {
        let host: Simulation.Host
        let connection: ConnectionID
        /// Bytes received that the machine has not consumed.
        var carry: [UInt8] = []
        /// When the last segment towards this end arrives: none may overtake it.
        var lastArrival: MonotonicInstant = .zero
        /// The program at this end has been told of the socket, or will be.
        var isOpen = true
        /// In its host's list of connections that may have something to send.
        var isReady = false
        /// Reading is paused; segments wait.
        var isPaused = false
        var waiting: Deque<[UInt8]> = []
        /// Sent towards this end over a link that is held.
        var held: [[UInt8]] = []
        /// Sent towards this end and not yet read by it, in bytes.
        var unreadSize = 0
        /// The end of input, behind what waits.
        var waitingEnd: DisconnectReason?
        /// Has filled the socket's buffer and waits for the other end to read.
        var isBlocked = false
        /// Times it was blocked and freed; a stall is judged by it.
        var blockCount = 0
        /// Closes once everything queued was sent.
        var isClosing = false
    }

    let number: UInt64
    /// 0 dialed, 1 accepted.
    private var dialed: End
    private var accepted: End
    /// Both programs know of the socket.
    var isEstablished = false
    /// A partition swallowed a segment: nothing arrives any more.
    var isCut = false

    init(number: UInt64, dialed: End, accepted: End) {
        self.number = number
        self.dialed = dialed
        self.accepted = accepted
    }

    subscript(_ side: Int) -> End {
        _read { if side == 0 { yield dialed } else { yield accepted } }
        _modify { if side == 0 { yield &dialed } else { yield &accepted } }
    }
}

/// One end of a wire, as a host's tables hold it.
struct WireEnd {
    let wire: Wire
    let side: Int
}
