import ChoraleBase
import PeerIdentity

/// A peer for as long as one connection lasts: the slot may be used again, the serial never.
struct PeerToken: Hashable, Sendable {
    let slot: Int
    let serial: UInt64
}

/// The bytes of one message, shared by everything that holds it.
struct MessageBody: Sendable {
    /// The frame it arrived in, or an array of its own.
    let storage: [UInt8]
    /// The encoded `Message`, in canonical form.
    let range: Range<Int>
    let dataRange: Range<Int>

    /// Size of the RPC field that carries it, in bytes.
    var fieldSize: Int { GossipWire.publishFieldSize(range.count) }
}

/// One message that is being validated, kept for IWANT, or queued for a peer.
///
/// A class with one owner, the store: of a structure with so many references the compiler copies all
/// to read a few fields, for every copy that is queued.
final class StoredMessage {
    enum Phase: Equatable {
        case checking(Gossipsub.JobID)
        case validating
        case accepted(at: MonotonicInstant)
    }

    struct Request {
        let token: PeerToken
        var count: Int
    }

    // What every announcement and every copy asks for comes first, in two lines of the processor's cache.

    let key: MessageKey
    /// Peers that are known to have it. It is never sent to them. Of peers by slot, here and below: connected ones,
    /// because whoever goes is taken out (``MessageStore/forget(_:)``).
    var holders = NumberSet()
    /// Peers whose queue holds it.
    var copies = NumberSet()
    let topic: Int
    var isInHistory = false
    let trafficClass: TrafficClass
    var phase: Phase
    /// Holders that brought it, rather than saying that they have it.
    var deliverers = NumberSet()
    let id: Gossipsub.MessageID
    let body: MessageBody
    let author: PeerID?
    let sequenceNumber: UInt64?
    /// Who brought it first; nil for our own.
    let source: PeerToken?
    let sourcePeer: PeerID?
    let arrivedAt: MonotonicInstant
    let deadline: MonotonicInstant
    /// How often it was sent in answer to IWANT.
    var requests: [Request] = []
    var publication: Publication?

    init(
        key: MessageKey, id: Gossipsub.MessageID, topic: Int, body: MessageBody, author: PeerID?,
        sequenceNumber: UInt64?, source: PeerToken?, sourcePeer: PeerID?,
        arrivedAt: MonotonicInstant, trafficClass: TrafficClass, deadline: MonotonicInstant,
        phase: Phase
    ) {
        self.key = key
        self.id = id
        self.topic = topic
        self.body = body
        self.author = author
        self.sequenceNumber = sequenceNumber
        self.source = source
        self.sourcePeer = sourcePeer
        self.arrivedAt = arrivedAt
        self.trafficClass = trafficClass
        self.deadline = deadline
        self.phase = phase
    }

    struct Publication {
        let id: Gossipsub.PublishID
        /// Peers were offered the message and may ask for it while it is in history.
        var isAnnounced: Bool
        var outcome = Gossipsub.PublishOutcome()
    }

    var isAccepted: Bool {
        switch phase {
        case .accepted: true
        case .checking, .validating: false
        }
    }
}

/// All messages that are held for any reason: each once, whoever refers to it.
struct MessageStore {
    /// Charged per message beside its bytes: the record, its identifier and its table entries.
    static let overhead = 512

    private var slots: [StoredMessage?] = []
    private var free: [Int] = []
    private var slotByKey: [MessageKey: Int] = [:]
    /// Sum of the bytes charged.
    private(set) var size = 0

    var count: Int { slotByKey.count }

    func index(_ key: MessageKey) -> Int? { slotByKey[key] }

    static func charge(_ body: MessageBody) -> Int { body.storage.count + overhead }

    subscript(index: Int) -> StoredMessage {
        guard let message = slots[index] else { preconditionFailure("no message at \(index)") }
        return message
    }

    /// In order of slot.
    var all: [StoredMessage] { slots.compactMap { $0 } }

    /// False when the slot was emptied, or used again for another message.
    func contains(_ index: Int, key: MessageKey) -> Bool { slots[index]?.key == key }

    mutating func insert(_ message: StoredMessage) -> Int {
        precondition(slotByKey[message.key] == nil, "a message is stored once")
        size += Self.charge(message.body)
        let index: Int
        if let reused = free.popLast() {
            slots[reused] = message
            index = reused
        } else {
            slots.append(message)
            index = slots.count - 1
        }
        slotByKey[message.key] = index
        return index
    }

    /// A peer is gone, and its slot may be another's soon. Its copies are settled before.
    ///
    /// - Complexity: O(messages). A connection costs its handshake in any case, which is more.
    func forget(_ slot: Int) {
        for case let message? in slots {
            message.holders.remove(slot)
            message.deliverers.remove(slot)
        }
    }

    mutating func remove(_ index: Int) {
        guard let message = slots[index] else { preconditionFailure("no message at \(index)") }
        size -= Self.charge(message.body)
        slotByKey[message.key] = nil
        slots[index] = nil
        free.append(index)
    }
}
