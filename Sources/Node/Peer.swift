import ChoraleBase
import Codec
import Identify
import PeerIdentity

/// Everything `Node` keeps of a connected peer. Dropped with the connection, so that nothing of a
/// peer outlives it but what ``PeerStore`` and the gossip score remember on purpose.
final class Peer {
    let id: PeerID
    let connection: PeerConnection
    let since: MonotonicInstant
    /// What identify told, merged with later pushes.
    var identified: IdentifyMessage?
    /// Identify is over, with or without an answer.
    var isIdentifyDone = false
    var pushes: TokenBucket
    /// DHT requests refused: a burst, and two a second.
    var refusals: TokenBucket

    var isGossiping = false
    var gossipVersion: String?
    /// Ours to the peer.
    var gossipStream: Stream?
    /// The peer's to us.
    var gossipInStream: Stream?
    var gossipReopenings = 0
    /// When the peer agreed to the stream that is open now.
    var gossipNegotiatedAt: MonotonicInstant?
    /// The gossip machine has frames for this peer that were not pulled yet.
    var hasGossipToSend = false

    /// Our requests to it that wait or are under way.
    var requestCount = 0
    /// It answered our status request on the same network.
    var isSameNetwork = false
    var servesBodies = false
    var offersAnnouncements = false

    init(
        id: PeerID, connection: PeerConnection, since: MonotonicInstant, limits: NodeLimits,
        now: Now
    ) {
        self.id = id
        self.connection = connection
        self.since = since
        self.refusals = TokenBucket(
            capacity: 128, interval: .milliseconds(500), now: now.instant)
        self.pushes = TokenBucket(
            capacity: limits.pushesPerMinute, interval: .seconds(60) / limits.pushesPerMinute,
            now: now.instant)
    }

    var protocols: [String] { identified?.protocols ?? [] }

    func speaks(_ protocolID: String) -> Bool { protocols.contains(protocolID) }
}
