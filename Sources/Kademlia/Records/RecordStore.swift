import ChoraleBase
import PeerIdentity

/// A value that a peer, or the node itself, asked to be kept.
struct StoredRecord: Equatable, Sendable {
    let key: [UInt8]
    let value: [UInt8]
    /// When it came; what answers say in `timeReceived`.
    let received: WallTime
    let expiry: WallTime
    /// Who brought it; the node itself for its own.
    let source: PeerID
    /// Who signed it, if it says so.
    let owner: Bytes32?
    /// Its author signed another content with the same number. It is kept so that a later number can
    /// be recognised and neither content is taken again, and is never given to anybody.
    var isEquivocal = false
}

/// The value records this node holds for the network.
///
/// Invariants:
///   1. One record per key.
///   2. Records, bytes, records of a source and of an owner are within their limits.
///   3. Room is made by what has expired first, and then by what is farthest from this node, which is
///      where the network needs this copy least.
///
/// Memory: `recordBytesMax` plus about 300 B for each of `recordsMax` records.
struct RecordStore: Sendable {
    struct Insertion: Equatable {
        /// What had to go. May be something even when the record was refused in the end: a large
        /// value can outweigh several that were farther and still find no room.
        var evicted: [Eviction] = []
        /// Why the record was not stored, or nil when it was.
        var refusal: Kademlia.RefusalReason?
    }

    struct Eviction: Equatable {
        let key: [UInt8]
        let reason: Kademlia.EvictionReason
    }

    private struct Slot {
        var record: StoredRecord
        let distance: KeyPoint
        let generation: UInt64
    }

    private let local: KeyPoint
    private let localPeer: PeerID
    private let limits: Kademlia.Limits
    // Dictionaries are only looked up, never iterated; order comes from the heaps.
    private var slots: [[UInt8]: Slot] = [:]
    private var countBySource: [PeerID: Int] = [:]
    private var keysByOwner: [Bytes32: [[UInt8]]] = [:]
    private var byDistance = LazyHeap<KeyPoint, [UInt8]>()
    private var byExpiry = LazyHeap<WallTime, [UInt8]>()
    private var nextGeneration: UInt64 = 1
    private(set) var size = 0

    init(local: KeyPoint, localPeer: PeerID, limits: Kademlia.Limits) {
        self.local = local
        self.localPeer = localPeer
        self.limits = limits
    }

    var count: Int { slots.count }

    /// What is held under a key, equivocal records included, unless it has expired.
    func held(_ key: [UInt8], wall: WallTime) -> StoredRecord? {
        guard let record = slots[key]?.record, record.expiry > wall else { return nil }
        return record
    }

    /// What may be given to others.
    func live(_ key: [UInt8], wall: WallTime) -> StoredRecord? {
        guard let record = held(key, wall: wall), !record.isEquivocal else { return nil }
        return record
    }

    mutating func insert(_ record: StoredRecord, wall: WallTime) -> Insertion {
        let replaced = slots[record.key]
        var insertion = Insertion()

        if record.source != localPeer, replaced?.record.source != record.source,
            countBySource[record.source, default: 0] >= limits.recordsPerPeerMax
        {
            return Insertion(refusal: .perPeerLimit)
        }
        if let owner = record.owner, replaced?.record.owner != record.owner {
            let keys = keysByOwner[owner, default: []]
            if keys.count >= limits.recordsPerOwnerMax {
                // The owner's soonest to end makes room, so that its later records find a place.
                let soonest = keys.min { expiry($0) < expiry($1) }
                guard let soonest, expiry(soonest) < record.expiry else {
                    return Insertion(refusal: .perOwnerLimit)
                }
                remove(soonest)
                insertion.evicted.append(Eviction(key: soonest, reason: .perOwnerLimit))
            }
        }

        let distance = replaced?.distance ?? local.distance(to: KeyPoint(key: record.key))
        let recordSize = record.key.count + record.value.count
        let replacedSize = replaced.map { $0.record.key.count + $0.record.value.count } ?? 0
        while count - (replaced == nil ? 0 : 1) >= limits.recordsMax
            || size - replacedSize + recordSize > limits.recordBytesMax
        {
            if let key = oldestExpired(wall: wall), key != record.key {
                remove(key)
                insertion.evicted.append(Eviction(key: key, reason: .expired))
                continue
            }
            guard let farthest = farthest(), farthest.name != record.key,
                record.source == localPeer || distance < farthest.priority
            else {
                insertion.refusal = .storeFull
                return insertion
            }
            remove(farthest.name)
            insertion.evicted.append(Eviction(key: farthest.name, reason: .farthest))
        }

        if replaced != nil { remove(record.key) }
        let generation = nextGeneration
        nextGeneration += 1
        slots[record.key] = Slot(record: record, distance: distance, generation: generation)
        size += recordSize
        countBySource[record.source, default: 0] += 1
        if let owner = record.owner { keysByOwner[owner, default: []].append(record.key) }
        byDistance.insert(distance, generation: generation, name: record.key)
        byExpiry.insert(record.expiry, generation: generation, name: record.key)
        compact()
        return insertion
    }

    mutating func markEquivocal(_ key: [UInt8]) { slots[key]?.record.isEquivocal = true }

    mutating func remove(_ key: [UInt8]) {
        guard let slot = slots.removeValue(forKey: key) else { return }
        size -= slot.record.key.count + slot.record.value.count
        decrease(&countBySource, slot.record.source)
        if let owner = slot.record.owner {
            keysByOwner[owner]?.removeAll { $0 == key }
            if keysByOwner[owner]?.isEmpty == true { keysByOwner[owner] = nil }
        }
    }

    private func decrease(_ counts: inout [PeerID: Int], _ peer: PeerID) {
        let count = counts[peer, default: 0] - 1
        counts[peer] = count > 0 ? count : nil
    }

    /// Removes what has expired, at most `limit` records.
    mutating func removeExpired(wall: WallTime, limit: Int) -> [[UInt8]] {
        var removed: [[UInt8]] = []
        while removed.count < limit, let key = oldestExpired(wall: wall) {
            remove(key)
            removed.append(key)
        }
        compact()
        return removed
    }

    private func expiry(_ key: [UInt8]) -> WallTime {
        slots[key]?.record.expiry ?? WallTime(milliseconds: .min)
    }

    private mutating func oldestExpired(wall: WallTime) -> [UInt8]? {
        let slots = slots
        let element = byExpiry.smallest { slots[$0.name]?.generation == $0.generation }
        guard let element, element.priority <= wall else { return nil }
        return element.name
    }

    private mutating func farthest() -> LazyHeap<KeyPoint, [UInt8]>.Element? {
        let slots = slots
        return byDistance.largest { slots[$0.name]?.generation == $0.generation }
    }

    private mutating func compact() {
        let slots = slots
        byDistance.compact(liveCount: slots.count) { slots[$0.name]?.generation == $0.generation }
        byExpiry.compact(liveCount: slots.count) { slots[$0.name]?.generation == $0.generation }
    }
}
