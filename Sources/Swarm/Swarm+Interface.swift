public import ChoraleBase
public import ChoraleTypes
public import Codec
public import PeerIdentity

extension Swarm {
    /// What the swarm allows itself and others. Counts unless a unit is given.
    public struct Limits: Hashable, Sendable {
        /// Above this many peers some are let go.
        public var peerCountHigh = 160
        /// Letting go stops here.
        public var peerCountLow = 120
        /// Below this many peers, known ones are dialed unasked.
        public var peerCountTarget = 24
        /// Sockets of any state. Beyond it new ones are refused at once.
        public var socketCountMax = 512
        /// Accepted sockets without a finished handshake: each costs about 150 µs of key exchange.
        public var handshakeCountMax = 64
        /// Sockets from one address group. One household or rack, not a botnet.
        public var socketsPerGroupMax = 16
        /// Kept and closing connections of one peer; two happen whenever both sides dial.
        public var socketsPerPeerMax = 4
        /// Dials under way, and askers waiting behind them.
        public var dialCountMax = 32
        public var dialQueueMax = 256
        /// Addresses one dial may try.
        public var candidateCountMax = 16
        /// Nested `/dnsaddr` records followed.
        public var resolutionDepthMax = 3
        /// Names that one dial may ask for, all records followed together.
        public var resolutionCountMax = 24
        /// How long an open socket may shake hands before the next address is tried instead. Long enough
        /// for four round trips over a satellite.
        public var handshakePatience: Duration = .seconds(4)
        /// A new peer is not let go before this.
        public var graceInterval: Duration = .seconds(30)
        /// Whole dial, all addresses and the handshake.
        public var dialTimeout: Duration = .seconds(20)
        /// One TCP connect.
        public var connectTimeout: Duration = .seconds(8)
        /// Head start of one address over the next (RFC 8305 "Connection Attempt Delay").
        public var attemptStagger: Duration = .milliseconds(250)
        /// New inbound sockets from one group: burst, and time for one more.
        public var inboundBurst: Int64 = 32
        public var inboundInterval: Duration = .milliseconds(100)
        /// Peers lost to the network that are tried again, and for how long, whether or not others are
        /// missing: about as many as a partition takes at once, and as long as one usually lasts.
        public var lostPeerCountMax = 64
        public var lostPeerLife: Duration = .seconds(600)
        /// How often missing peers are looked for and changes are written.
        public var maintenanceInterval: Duration = .seconds(5)
        /// The same while nobody is connected: a node that starts before its bootnode should not sit
        /// idle for a whole interval after the first refusal.
        public var lonelyInterval: Duration = .seconds(1)
        public var peerStore = PeerStore.Limits()

        public init() {}
    }

    public struct Configuration: Sendable {
        public var localPeer: PeerID
        public var addressPolicy: AddressPolicy
        /// Asked first when nobody is known.
        public var bootnodes: [Bootnode]
        public var limits: Limits

        public init(
            localPeer: PeerID, addressPolicy: AddressPolicy, bootnodes: [Bootnode] = [],
            limits: Limits = Limits()
        ) {
            self.localPeer = localPeer
            self.addressPolicy = addressPolicy
            self.bootnodes = bootnodes
            self.limits = limits
        }
    }

    public enum Input: Sendable {
        /// Somebody wants to be connected to a peer. Addresses are added to those known.
        case dial(DialID, PeerID, [Multiaddr], AddressSource)
        /// An operator gave an address; the peer id inside it, if any, is required of the other side.
        case dialAddress(DialID, Multiaddr)
        case cancelDial(DialID)
        case resolved(ResolutionID, ResolutionAnswer)
        /// The driver opened a socket that `startDial` asked for.
        case connected(ConnectionID)
        /// The driver accepted a socket.
        case accepted(ConnectionID, remote: Multiaddr)
        /// A handshake finished.
        case established(ConnectionID, PeerID)
        /// The socket is gone: it never opened, was closed by either side, or its handshake failed.
        case closed(ConnectionID, DisconnectReason, detail: String)
        /// Addresses of a peer became known.
        case learned(PeerID, [Multiaddr], AddressSource)
        case learnedRecord(PeerID, sequence: UInt64, [Multiaddr], envelope: [UInt8])
        case identified(PeerID, protocols: [String], agentVersion: String)
        case hold(PeerID, ConnectionHold)
        case release(PeerID, ConnectionHold)
        /// Keeps a connection to a peer, dialing it again whenever it is lost.
        case pin(PeerID, [Multiaddr])
        case unpin(PeerID)
        case disconnect(PeerID, DisconnectReason)
        case ban(PeerID, Duration)
        /// Rows of the peer store; `isLast` ends loading and lets dialing start.
        case loaded([StoreRow], isLast: Bool)
        case shutdown
        case timeout
    }

    public enum Output: Sendable {
        /// Open a socket to an address that holds an IP address and a TCP port.
        case startDial(ConnectionID, Multiaddr, expected: PeerID?, timeout: Duration)
        case cancelDial(ConnectionID)
        case resolve(ResolutionID, ResolutionQuery)
        /// Begin the handshake as listener.
        case accept(ConnectionID)
        case close(ConnectionID, DisconnectReason)
        case peerConnected(PeerID, ConnectionID, Direction, remote: Multiaddr)
        case peerDisconnected(PeerID, DisconnectReason)
        case dialFinished(DialID, DialOutcome)
        case refused(LimitRefusal, remote: Multiaddr)
        case store([StoreWrite])
        /// Peers are missing and no known one is left to dial: look for some in the DHT.
        case wantsPeers(missing: Int)
    }

    public enum DialOutcome: Hashable, Sendable {
        case connected(PeerID, ConnectionID)
        case failed(DialFailure)
    }

    public struct Counters: Hashable, Sendable {
        public var dialsStarted: UInt64 = 0
        public var dialsSucceeded: UInt64 = 0
        public var dialsFailed: UInt64 = 0
        public var attemptsStarted: UInt64 = 0
        public var accepted: UInt64 = 0
        /// By ``LimitRefusal/Scope``, in the order of its cases.
        public var refused = [UInt64](repeating: 0, count: LimitRefusal.Scope.allCases.count)
        /// By ``DisconnectReason``, in the order of its cases. Their sum is the sockets closed.
        public var closed = [UInt64](repeating: 0, count: DisconnectReason.allCases.count)
        public var unreadableRows: UInt64 = 0
        /// Addresses refused because the policy forbids their range, or a stranger named too many.
        public var addressesForbidden: UInt64 = 0

        public init() {}
    }

    /// A connected peer.
    public struct Link: Sendable {
        public let peer: PeerID
        public let connection: ConnectionID
        public let direction: Direction
        public let remote: Multiaddr
        public let since: MonotonicInstant
        public var holds: [ConnectionHold] = []
    }
}
