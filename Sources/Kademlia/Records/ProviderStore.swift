import ChoraleBase
import Codec
import OrderedCollections
import PeerIdentity

/// One peer's announcement that it provides what a key names.
struct StoredProvider: Equatable, Sendable {
    let key: [UInt8]
    let peer: PeerID
    let addresses: [Multiaddr]
    let expiry: WallTime
    /// The network that it is counted in; nil where networks are not counted.
    var group: IPPrefix?
}

/// The provider records this node holds for the network.
///
/// Invariants:
///   1. One record per key and provider.
///   2. Records of a key, of a provider and in all are within their limits.
///   3. Room is made by what has expired, then by what is farthest from this node. Within a key the
///      network with most providers makes room, and there the earliest to expire.
///   4. No IP group has more than `providersPerGroupMax` records of a key, so that one network's
///      identities, which cost nothing, cannot drive the others out.
///
/// Memory: `providersMax` records of a key, an id and at most 1 KiB of addresses.
struct ProviderStore: Sendable {
    struct Name: Hashable, Sendable {
        let key: [UInt8]
        let peer: PeerID
    }

    struct Eviction: Equatable {
        let name: Name
        let reason: Kademlia.EvictionReason
    }

    struct Insertion: Equatable {
        var evicted: [Eviction] = []
        var refusal: Kademlia.RefusalReason?
    }

    private struct Slot {
        let provider: StoredProvider
        let generation: UInt64
    }

    private let local: KeyPoint
    private let localPeer: PeerID
    private let limits: Kademlia.Limits
    // Dictionaries are only looked up, never iterated.
    private var slots: [Name: Slot] = [:]
    /// Providers of each key in the order in which they last announced themselves.
    private var peersByKey: [[UInt8]: [PeerID]] = [:]
    private var countByPeer: [PeerID: Int] = [:]
    private var byDistance = LazyHeap<KeyPoint, Name>()
    private var byExpiry = LazyHeap<WallTime, Name>()
    private var nextGeneration: UInt64 = 1

    init(local: KeyPoint, localPeer: PeerID, limits: Kademlia.Limits) {
        self.local = local
        self.localPeer = localPeer
        self.limits = limits
    }

    var count: Int { slots.count }

    var keyCount: Int { peersByKey.count }

    /// Providers of a key, the latest to announce itself first.
    func providers(of key: [UInt8], wall: WallTime) -> [StoredProvider] {
        (peersByKey[key] ?? []).reversed().compactMap { peer in
            guard let provider = slots[Name(key: key, peer: peer)]?.provider,
                provider.expiry > wall
            else { return nil }
            return provider
        }
    }

    mutating func insert(_ provider: StoredProvider, wall: WallTime) -> Insertion {
        let name = Name(key: provider.key, peer: provider.peer)
        let isNew = slots[name] == nil
        let distance = local.distance(to: KeyPoint(key: provider.key))
        var insertion = Insertion()
        if isNew {
            if provider.peer != localPeer,
                countByPeer[provider.peer, default: 0] >= limits.providersPerPeerMax
            {
                return Insertion(refusal: .perPeerLimit)
            }
            if let crowd = crowd(against: provider) {
                let oldest = crowd.first { $0 != localPeer }
                let oldestName = oldest.map { Name(key: provider.key, peer: $0) }
                guard let oldestName, let slot = slots[oldestName],
                    slot.provider.expiry < provider.expiry
                else { return Insertion(refusal: .perKeyLimit) }
                let expired = slot.provider.expiry <= wall
                remove(oldestName)
                insertion.evicted.append(
                    Eviction(name: oldestName, reason: expired ? .expired : .farthest))
            }
            while count >= limits.providersMax {
                if let expired = oldestExpired(wall: wall) {
                    remove(expired)
                    insertion.evicted.append(Eviction(name: expired, reason: .expired))
                    continue
                }
                guard let farthest = farthest(),
                    provider.peer == localPeer || distance < farthest.priority
                else {
                    insertion.refusal = .storeFull
                    return insertion
                }
                remove(farthest.name)
                insertion.evicted.append(Eviction(name: farthest.name, reason: .farthest))
            }
        } else {
            remove(name)
        }
        let generation = nextGeneration
        nextGeneration += 1
        slots[name] = Slot(provider: provider, generation: generation)
        peersByKey[provider.key, default: []].append(provider.peer)
        countByPeer[provider.peer, default: 0] += 1
        byDistance.insert(distance, generation: generation, name: name)
        byExpiry.insert(provider.expiry, generation: generation, name: name)
        compact()
        return insertion
    }

    /// Who has to make room for one more provider of a key, the earliest announced first; nil when
    /// there is room.
    private func crowd(against provider: StoredProvider) -> [PeerID]? {
        let peers = peersByKey[provider.key] ?? []
        func group(_ peer: PeerID) -> IPPrefix? {
            slots[Name(key: provider.key, peer: peer)]?.provider.group
        }
        if let own = provider.group {
            let neighbours = peers.filter { group($0) == own }
            if neighbours.count >= limits.providersPerGroupMax { return neighbours }
        }
        guard peers.count >= limits.providersPerKeyMax else { return nil }
        var groups: OrderedDictionary<IPPrefix?, [PeerID]> = [:]
        for peer in peers { groups[group(peer), default: []].append(peer) }
        // Among equals the one whose first provider announced itself earliest.
        var fullest: [PeerID] = []
        for members in groups.values where members.count > fullest.count { fullest = members }
        return fullest
    }

    mutating func remove(_ name: Name) {
        guard slots.removeValue(forKey: name) != nil else { return }
        peersByKey[name.key]?.removeAll { $0 == name.peer }
        if peersByKey[name.key]?.isEmpty == true { peersByKey[name.key] = nil }
        let count = countByPeer[name.peer, default: 0] - 1
        countByPeer[name.peer] = count > 0 ? count : nil
    }

    /// Removes what has expired, at most `limit` records.
    mutating func removeExpired(wall: WallTime, limit: Int) -> [Name] {
        var removed: [Name] = []
        while removed.count < limit, let name = oldestExpired(wall: wall) {
            remove(name)
            removed.append(name)
        }
        compact()
        return removed
    }

    private mutating func oldestExpired(wall: WallTime) -> Name? {
        let slots = slots
        let element = byExpiry.smallest { slots[$0.name]?.generation == $0.generation }
        guard let element, element.priority <= wall else { return nil }
        return element.name
    }

    private mutating func farthest() -> LazyHeap<KeyPoint, Name>.Element? {
        let slots = slots
        return byDistance.largest { slots[$0.name]?.generation == $0.generation }
    }

    private mutating func compact() {
        let slots = slots
        byDistance.compact(liveCount: slots.count) { slots[$0.name]?.generation == $0.generation }
        byExpiry.compact(liveCount: slots.count) { slots[$0.name]?.generation == $0.generation }
    }
}
