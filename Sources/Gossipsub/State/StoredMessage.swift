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

    struct Holder: Equatable {
        let token: PeerToken
        /// Brought it, rather than saying that it has it.
        let hasDelivered: Bool
    }

    struct Request {
        let token: PeerToken
        var count: Int
    }

    let key: MessageKey
    let id: Gossipsub.MessageID
    let topic: Int
    let body: MessageBody
    let author: PeerID?
    let sequenceNumber: UInt64?
    /// Who brought it first; nil for our own.
    let source: PeerToken?
    let sourcePeer: PeerID?
    let arrivedAt: MonotonicInstant
    let trafficClass: TrafficClass
    let deadline: MonotonicInstant
    var phase: Phase
    /// Peers that are known to have it. It is never sent to them.
    var holders: [Holder] = []
    /// Peers whose queue holds it.
    var copies: [PeerToken] = []
    /// How often it was sent in answer to IWANT.
    var requests: [Request] = []
    var isInHistory = false
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

    func isHeld(by token: PeerToken) -> Bool { holders.contains { $0.token == token } }

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

    mutating func remove(_ index: Int) {
        guard let message = slots[index] else { preconditionFailure("no message at \(index)") }
        size -= Self.charge(message.body)
        slotByKey[message.key] = nil
        slots[index] = nil
        free.append(index)
    }
}
