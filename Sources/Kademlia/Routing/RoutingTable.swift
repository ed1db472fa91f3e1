import ChoraleBase
import Codec
import PeerIdentity

/// Peers that answer, in 256 buckets by how many leading bits they share with this node.
///
/// Invariants:
///   1. A peer is in at most one bucket and there once, as an entry or as a replacement.
///   2. A bucket has at most `bucketSize` entries and `replacementsMax` replacements.
///   3. No IP group has more than `bucketGroupMax` entries in a bucket or `tableGroupMax` in all.
///   4. This node itself is in no bucket.
///
/// Memory: 256 × (k + replacements) entries of at most 1.2 KiB; in practice log2(n) buckets are used.
///
/// Specification: libp2p/specs `kad-dht/README.md`, "Kademlia routing table".
struct RoutingTable: Sendable {
    struct Entry: Sendable {
        let peer: PeerID
        let point: KeyPoint
        var addresses: [Multiaddr]
        var groups: [IPPrefix]
        /// Where its connection came from when it last answered.
        var remote: IPAddress?
        /// When it last answered a request of ours.
        var answeredAt: MonotonicInstant
        /// Requests since then that it did not answer.
        var failureCount = 0
    }

    struct Bucket: Sendable {
        /// In the order in which they last answered, the latest at the end.
        var entries: [Entry] = []
        /// Peers that answered when the bucket was full, the latest at the end.
        var replacements: [Entry] = []
        /// When a lookup last went to a key of this bucket.
        var refreshedAt: MonotonicInstant?
    }

    enum Insertion: Equatable {
        case added(bucket: Int)
        case updated(bucket: Int)
        case leftOut(Kademlia.LeftOutReason)
        case isLocal
    }

    struct Removal {
        let bucket: Int
        /// The replacement that took the place.
        let promoted: Entry?
    }

    let local: KeyPoint
    private let bucketSize: Int
    private let bucketGroupMax: Int
    private let tableGroupMax: Int
    private let replacementsMax: Int

    private(set) var buckets: [Bucket]
    private(set) var count = 0
    /// Entries per IP group. Only looked up, never iterated.
    private var countByGroup: [IPPrefix: Int] = [:]
    /// Bucket of each entry. Only looked up, never iterated.
    private var bucketByPeer: [PeerID: Int] = [:]

    init(local: KeyPoint, bucketSize: Int, limits: Kademlia.Limits) {
        precondition(bucketSize >= 1, "a bucket holds at least one peer")
        self.local = local
        self.bucketSize = bucketSize
        bucketGroupMax = limits.bucketGroupMax
        tableGroupMax = limits.tableGroupMax
        replacementsMax = limits.replacementsPerBucketMax
        buckets = Array(repeating: Bucket(), count: 256)
    }

    func contains(_ peer: PeerID) -> Bool { bucketByPeer[peer] != nil }

    func entry(_ peer: PeerID) -> Entry? {
        guard let bucket = bucketByPeer[peer] else { return nil }
        return buckets[bucket].entries.first { $0.peer == peer }
    }

    /// The deepest bucket with an entry, or nil for an empty table.
    var deepestBucket: Int? { buckets.lastIndex { !$0.entries.isEmpty } }

    /// Takes in a peer that has just answered a request.
    mutating func answered(_ entry: Entry) -> Insertion {
        let index = local.distance(to: entry.point).leadingZeroBitCount
        guard index < 256 else { return .isLocal }

        if let position = buckets[index].entries.firstIndex(where: { $0.peer == entry.peer }) {
            let old = buckets[index].entries.remove(at: position)
            count(old.groups, by: -1)
            var entry = entry
            if room(for: entry.groups, in: index) != nil {
                // It moved into a network that is full here. It keeps the place and the count of the
                // network it came with; otherwise moving would be a way around the limit.
                entry.groups = old.groups
            }
            count(entry.groups, by: 1)
            buckets[index].entries.append(entry)
            return .updated(bucket: index)
        }

        if let reason = room(for: entry.groups, in: index) { return .leftOut(reason) }
        guard buckets[index].entries.count < bucketSize else {
            // Old peers stay: those that were up for long are likely to stay up, and newcomers
            // cannot push them out.
            buckets[index].replacements.removeAll { $0.peer == entry.peer }
            buckets[index].replacements.append(entry)
            if buckets[index].replacements.count > replacementsMax {
                buckets[index].replacements.removeFirst()
            }
            return .leftOut(.bucketFull)
        }
        insert(entry, in: index)
        return .added(bucket: index)
    }

    /// Why the networks of a peer leave no room for it, or nil when they do.
    private func room(for groups: [IPPrefix], in index: Int) -> Kademlia.LeftOutReason? {
        for group in groups {
            if countByGroup[group, default: 0] >= tableGroupMax { return .tableGroupLimit }
            let inBucket = buckets[index].entries.reduce(0) {
                $0 + ($1.groups.contains(group) ? 1 : 0)
            }
            if inBucket >= bucketGroupMax { return .bucketGroupLimit }
        }
        return nil
    }

    private mutating func insert(_ entry: Entry, in index: Int) {
        assert(bucketByPeer[entry.peer] == nil, "invariant 1: the peer is in the table")
        buckets[index].replacements.removeAll { $0.peer == entry.peer }
        buckets[index].entries.append(entry)
        bucketByPeer[entry.peer] = index
        count(entry.groups, by: 1)
        count += 1
    }

    private mutating func count(_ groups: [IPPrefix], by difference: Int) {
        for group in groups {
            let sum = countByGroup[group, default: 0] + difference
            countByGroup[group] = sum == 0 ? nil : sum
        }
    }

    /// Replaces what is known of where an entry can be reached. No-op for a peer that is no entry.
    ///
    /// - Returns: whether anything changed.
    mutating func setAddresses(_ addresses: [Multiaddr], of peer: PeerID) -> Bool {
        guard let index = bucketByPeer[peer],
            let position = buckets[index].entries.firstIndex(where: { $0.peer == peer }),
            buckets[index].entries[position].addresses != addresses
        else { return false }
        buckets[index].entries[position].addresses = addresses
        return true
    }

    /// Notes a request that was not answered.
    ///
    /// An entry goes after two failures, or at once when a replacement waits: one lost answer is
    /// common, and a peer that may be dead is worth less than one that answered lately.
    mutating func failed(_ peer: PeerID) -> Removal? {
        guard let index = bucketByPeer[peer],
            let position = buckets[index].entries.firstIndex(where: { $0.peer == peer })
        else { return nil }
        buckets[index].entries[position].failureCount += 1
        let failures = buckets[index].entries[position].failureCount
        guard failures >= 2 || !buckets[index].replacements.isEmpty else { return nil }
        return remove(peer)
    }

    mutating func remove(_ peer: PeerID) -> Removal? {
        guard let index = bucketByPeer.removeValue(forKey: peer),
            let position = buckets[index].entries.firstIndex(where: { $0.peer == peer })
        else { return nil }
        let entry = buckets[index].entries.remove(at: position)
        count(entry.groups, by: -1)
        count -= 1
        // The latest to answer first; those whose network has filled up meanwhile are passed over.
        let candidate = buckets[index].replacements.lastIndex {
            room(for: $0.groups, in: index) == nil
        }
        guard let candidate else { return Removal(bucket: index, promoted: nil) }
        let promoted = buckets[index].replacements.remove(at: candidate)
        insert(promoted, in: index)
        return Removal(bucket: index, promoted: promoted)
    }

    mutating func forgetReplacement(_ peer: PeerID, point: KeyPoint) {
        let index = local.distance(to: point).leadingZeroBitCount
        guard index < 256 else { return }
        buckets[index].replacements.removeAll { $0.peer == peer }
    }

    mutating func noteRefresh(of index: Int, at instant: MonotonicInstant) {
        buckets[index].refreshedAt = instant
    }

    /// The `limit` entries closest to `point`, nearest first.
    ///
    /// - Complexity: O(m log m) for the m entries of the buckets that are needed, usually about 2k.
    func closest(to point: KeyPoint, limit: Int, excluding excluded: PeerID? = nil) -> [Entry] {
        let shared = min(255, local.distance(to: point).leadingZeroBitCount)
        var result: [Entry] = []
        result.reserveCapacity(limit)

        func take(_ segment: [Entry]) {
            let sorted =
                segment
                .filter { $0.peer != excluded }
                .map { (distance: $0.point.distance(to: point), entry: $0) }
                .sorted { $0.distance < $1.distance }
            for element in sorted {
                guard result.count < limit else { return }
                result.append(element.entry)
            }
        }
        // Peers in the point's own bucket share more bits with it than any other; those deeper share
        // exactly `shared`; each bucket before it one bit less.
        take(buckets[shared].entries)
        if result.count < limit, shared < 255 {
            take(buckets[(shared + 1)...].flatMap(\.entries))
        }
        for index in stride(from: shared - 1, through: 0, by: -1) {
            guard result.count < limit else { break }
            take(buckets[index].entries)
        }
        return result
    }

    /// Entries that have not answered since `instant`, longest silent first, at most `limit`.
    func stale(since instant: MonotonicInstant, limit: Int) -> [Entry] {
        let silent = buckets.flatMap(\.entries).filter { $0.answeredAt < instant }
        return Array(silent.sorted { $0.answeredAt < $1.answeredAt }.prefix(limit))
    }
}
