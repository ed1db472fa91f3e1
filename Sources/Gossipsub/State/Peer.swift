import ChoraleBase
import DequeModule
import PeerIdentity

/// Everything that is known of one connected peer. When the peer goes, this goes, and what its score
/// needs stays in ``RetainedPeer``.
///
/// A class with one owner, the machine's table of slots: of a structure this large the compiler
/// copies all, a dozen references among it, to read one field through an optional.
final class Peer {
    struct Backoff {
        let topic: Int
        var expires: MonotonicInstant
    }

    struct IncomingFrame {
        var progressAt: MonotonicInstant
    }

    let id: PeerID
    let token: PeerToken
    var connection: Gossipsub.Connection
    /// Topics of our list that the peer has.
    var topics = NumberSet()
    /// Topics in whose mesh the peer is.
    var mesh = NumberSet()
    /// Hashes of topics outside our list, see ``Gossipsub/Limits/unlistedTopicsPerPeerMax``.
    var unlistedTopics: [UInt64] = []
    var score = PeerScore()
    var backoffs: [Backoff] = []
    var control = ControlQueue()
    var queue = SendQueue()
    /// Whether `wantsToSend` was said and the queue was not found empty since.
    var isSignalled = false
    /// The signed record for peer exchange.
    var record: [UInt8]?
    /// Bytes of its messages under validation.
    var pendingSize = 0
    var incomingFrame: IncomingFrame?
    /// Identifiers that it does not want, with the heartbeat until which that holds.
    var dontWant: [MessageKey: UInt64] = [:]
    var dontWantArrivals = Deque<MessageKey>()

    /// When the last offers of large messages were made.
    private var offeredAt = Deque<MonotonicInstant>()
    /// Whether the peer ever asked for something, and so understands IHAVE as we do.
    var hasAsked = false
    /// Offers that a peer which never asked let pass.
    var offersIgnored = 0

    /// Messages wanted because this peer was the first to announce them.
    var wantCount = 0
    /// Topics in whose mesh the peer was when its last connection was lost.
    var lostMesh = NumberSet()
    /// Subscription changes it may still send; nil before the first.
    var subscriptionChanges: TokenBucket?

    // Since the last heartbeat
    var ihaveMessages = 0
    var ihaveIDs = 0
    var iwantAnswers = 0
    var unknownIwants = 0
    var dontWantIDs = 0
    /// Heartbeat in which a promise of the peer was last noted.
    var promisedTick: UInt64?

    init(id: PeerID, token: PeerToken, connection: Gossipsub.Connection) {
        self.id = id
        self.token = token
        self.connection = connection
    }

    var hasFrames: Bool { !control.isEmpty || !queue.isEmpty }

    /// Offers are IHAVEs, and go, rust and nim heed ten of those in one of their heartbeats of a
    /// second: eight in 1.2 s leave room for clocks that are not ours.
    func canOffer(now: MonotonicInstant) -> Bool {
        // py-libp2p has a form of its own for identifiers in IHAVE, and never asks for ours.
        guard offersIgnored < 2 else { return false }
        guard offeredAt.count >= 8, let oldest = offeredAt.first else { return true }
        return oldest.duration(to: now) > .milliseconds(1200)
    }

    func noteOffer(now: MonotonicInstant) {
        if offeredAt.count >= 8 { offeredAt.removeFirst() }
        offeredAt.append(now)
    }

    func backoff(_ topic: Int) -> MonotonicInstant? {
        backoffs.first { $0.topic == topic }?.expires
    }

    func setBackoff(_ topic: Int, until expires: MonotonicInstant) {
        if let index = backoffs.firstIndex(where: { $0.topic == topic }) {
            backoffs[index].expires = max(backoffs[index].expires, expires)
        } else {
            backoffs.append(Backoff(topic: topic, expires: expires))
        }
    }

    func beginHeartbeat(tick: UInt64, now: MonotonicInstant) {
        ihaveMessages = 0
        ihaveIDs = 0
        iwantAnswers = 0
        unknownIwants = 0
        dontWantIDs = 0
        backoffs.removeAll { $0.expires <= now }
        while let first = dontWantArrivals.first {
            guard let until = dontWant[first], until > tick else {
                dontWant[first] = nil
                dontWantArrivals.removeFirst()
                continue
            }
            break
        }
    }

    /// - Returns: false when there is no room, or it was there already.
    func addDontWant(_ key: MessageKey, until tick: UInt64, countMax: Int) -> Bool {
        if dontWant[key] != nil { return false }
        guard dontWant.count < countMax else { return false }
        dontWant[key] = tick
        dontWantArrivals.append(key)
        return true
    }
}

/// What outlives a connection, so that reconnecting neither washes a score clean nor ends a back-off,
/// and a mesh that a partition tore grows together again.
struct RetainedPeer {
    var score: PeerScore
    var backoffs: [Peer.Backoff]
    /// Topics in whose mesh the peer was, and until when that counts.
    var mesh: NumberSet
    let meshExpires: MonotonicInstant
    let expires: MonotonicInstant
}
