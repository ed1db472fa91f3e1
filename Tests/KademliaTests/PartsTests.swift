import ChoraleBase
import ChoraleTypes
import Codec
import PeerIdentity
import Testing

@testable import Kademlia

@Suite struct RoutingTableTests {
    private func entry(_ index: Int, peer: PeerID, at seconds: Int64 = 0) -> RoutingTable.Entry {
        RoutingTable.Entry(
            peer: peer, point: KeyPoint(key: peer.multihash), addresses: [Bench.address(index)],
            groups: [Bench.ip(index).group.wide], remote: Bench.ip(index),
            answeredAt: MonotonicInstant(nanoseconds: seconds * 1_000_000_000))
    }

    private func table(_ random: inout DeterministicRandom) -> RoutingTable {
        RoutingTable(
            local: KeyPoint(key: TestNetwork.peer(&random).multihash), bucketSize: 20,
            limits: .init())
    }

    @Test func fullBucketsKeepTheOldAndReplaceTheDead() {
        var random = DeterministicRandom(seed: 1)
        var table = table(&random)
        var first: [PeerID] = []
        var leftOut: [PeerID] = []
        for index in 0..<120 {
            let peer = TestNetwork.peer(&random)
            switch table.answered(entry(index, peer: peer)) {
            case .added(0): first.append(peer)
            case .leftOut(.bucketFull):
                leftOut.append(peer)
            default: break
            }
        }
        #expect(first.count == 20)
        #expect(table.buckets[0].entries.count == 20)
        #expect(table.buckets[0].replacements.count == 5)
        let latest = table.buckets[0].replacements.last!.peer
        // A replacement waits, so one failure is enough.
        let removal = table.failed(first[3])
        #expect(removal?.promoted?.peer == latest)
        #expect(!table.contains(first[3]))
        #expect(table.contains(latest))
        #expect(leftOut.contains(latest))
    }

    @Test func withoutReplacementTheSecondFailureCounts() {
        var random = DeterministicRandom(seed: 2)
        var table = table(&random)
        let peer = TestNetwork.peer(&random)
        _ = table.answered(entry(1, peer: peer))
        #expect(table.failed(peer) == nil)
        _ = table.answered(entry(1, peer: peer))
        #expect(table.failed(peer) == nil)
        let removal = table.failed(peer)
        #expect(removal != nil)
        #expect(table.count == 0)
    }

    @Test func anIPGroupHasTwoPlacesABucketAndSixteenInAll() {
        var random = DeterministicRandom(seed: 3)
        var table = table(&random)
        var reasons: [Kademlia.LeftOutReason: Int] = [:]
        for _ in 0..<20_000 {
            let peer = TestNetwork.peer(&random)
            if case .leftOut(let reason) = table.answered(entry(7, peer: peer)) {
                reasons[reason, default: 0] += 1
            }
        }
        #expect(table.count == 16)
        for bucket in table.buckets { #expect(bucket.entries.count <= 2) }
        #expect(reasons[.bucketGroupLimit, default: 0] > 0)
        #expect(reasons[.tableGroupLimit, default: 0] > 0)
        // Removing one makes room for one.
        let leaver = table.buckets.flatMap(\.entries)[0].peer
        _ = table.remove(leaver)
        let index = table.buckets.firstIndex { $0.entries.count == 1 }
        #expect(index != nil || table.count == 15)
    }

    @Test(arguments: UInt64(0)..<8) func closestAgreesWithSortingEverything(seed: UInt64) {
        var random = DeterministicRandom(seed: seed)
        var table = table(&random)
        var peers: [PeerID] = []
        for index in 0..<150 {
            let peer = TestNetwork.peer(&random)
            if case .added = table.answered(entry(index, peer: peer)) { peers.append(peer) }
        }
        for _ in 0..<20 {
            let target = KeyPoint(key: random.bytes(count: 32))
            let sorted = peers.sorted {
                KeyPoint(key: $0.multihash).distance(to: target)
                    < KeyPoint(key: $1.multihash).distance(to: target)
            }
            let limit = random.integer(in: 1...40)
            let closest = table.closest(to: target, limit: limit).map(\.peer)
            #expect(closest == Array(sorted.prefix(limit)))
            let excluding = table.closest(to: target, limit: limit, excluding: sorted[0])
            #expect(excluding.map(\.peer) == Array(sorted.dropFirst().prefix(limit)))
        }
    }

    @Test func staleEntriesAreThoseSilentLongest() {
        var random = DeterministicRandom(seed: 4)
        var table = table(&random)
        let peers = (0..<5).map { _ in TestNetwork.peer(&random) }
        for (index, peer) in peers.enumerated() {
            _ = table.answered(entry(index, peer: peer, at: Int64(index)))
        }
        let stale = table.stale(since: MonotonicInstant(nanoseconds: 3_000_000_000), limit: 2)
        #expect(stale.map(\.peer) == Array(peers.prefix(2)))
    }
}

@Suite struct LookupTests {
    private func contact(
        _ index: Int, distance: UInt64, group: Int? = nil
    ) -> Lookup.Contact {
        var random = DeterministicRandom(seed: UInt64(index) &+ 1000)
        return Lookup.Contact(
            peer: TestNetwork.peer(&random),
            distance: KeyPoint(word0: 0, word1: 0, word2: 0, word3: distance),
            addresses: [Bench.address(index)],
            groups: [Bench.ip(group ?? index).group.wide])
    }

    private func lookup(_ seeds: [Lookup.Contact], k: Int = 4, paths: Int = 2) -> Lookup {
        Lookup(
            target: KeyPoint(key: [1]),
            parameters: .init(
                closestCount: k, concurrency: 2, pathCount: paths, groupMax: 2, contactsMax: 32,
                addressesMax: 8), seeds: seeds)
    }

    @Test func pathsShareNoPeerAndConverge() {
        var lookup = lookup((0..<4).map { contact($0, distance: UInt64(100 + $0)) })
        let first = lookup.next(budget: 100)
        #expect(first.count == 4)
        #expect(Set(first.map(\.peer)).count == 4)
        // Both paths learn of the same closer peer; it is asked once.
        let closer = contact(50, distance: 1)
        for asked in first { lookup.responded(asked.peer, groups: [], closer: [closer]) }
        let second = lookup.next(budget: 100)
        #expect(second.map(\.peer) == [closer.peer])
        #expect(!lookup.isFinished)
        lookup.responded(closer.peer, groups: [], closer: [])
        #expect(lookup.next(budget: 100).isEmpty)
        #expect(lookup.isFinished)
        #expect(lookup.closestResponded(limit: 1).map(\.peer) == [closer.peer])
    }

    @Test func aLiarLeadsOnlyItsOwnPathAstray() {
        var lookup = lookup((0..<2).map { contact($0, distance: UInt64(100 + $0)) })
        let asked = lookup.next(budget: 100)
        let lies = (0..<20).map { contact(100 + $0, distance: UInt64(1 + $0)) }
        let truth = contact(60, distance: 50)
        lookup.responded(asked[0].peer, groups: [], closer: lies)
        lookup.responded(asked[1].peer, groups: [], closer: [truth])
        let next = lookup.next(budget: 100)
        #expect(next.contains { $0.peer == truth.peer })
    }

    @Test func anIPGroupCountsTwiceAtMost() {
        var lookup = lookup(
            [contact(1, distance: 100)]
                + (10..<20).map {
                    contact($0, distance: UInt64($0), group: 7)
                }, paths: 1)
        var asked: [Lookup.Contact] = []
        while true {
            let next = lookup.next(budget: 100)
            if next.isEmpty { break }
            asked += next
            for contact in next { lookup.responded(contact.peer, groups: [], closer: []) }
        }
        #expect(asked.count == 3)
        #expect(lookup.isFinished)
        #expect(lookup.closestResponded(limit: 10).count == 3)
    }

    @Test func overduePeersAreNotWaitedForWhileThereAreOthers() {
        var lookup = lookup((0..<6).map { contact($0, distance: UInt64(1 + $0)) }, k: 4, paths: 1)
        let asked = lookup.next(budget: 100)
        #expect(asked.count == 2)
        for contact in asked { lookup.becameOverdue(contact.peer) }
        let others = lookup.next(budget: 100)
        #expect(others.count == 2)
        for contact in others { lookup.responded(contact.peer, groups: [], closer: []) }
        let rest = lookup.next(budget: 100)
        for contact in rest { lookup.responded(contact.peer, groups: [], closer: []) }
        #expect(lookup.isFinished)
        #expect(lookup.closestResponded(limit: 4).count == 4)
        // Late, and still counted.
        lookup.responded(asked[0].peer, groups: [], closer: [])
        #expect(lookup.closestResponded(limit: 1).map(\.peer) == [asked[0].peer])
    }

    @Test func anotherAddressGivesOneMoreTry() {
        var lookup = lookup(
            [contact(1, distance: 9), contact(2, distance: 10), contact(3, distance: 11)],
            paths: 1)
        let target = contact(9, distance: 0)
        var asked = lookup.next(budget: 1)
        lookup.responded(asked[0].peer, groups: [], closer: [target])
        asked = lookup.next(budget: 1)
        #expect(asked.map(\.peer) == [target.peer])
        lookup.failed(target.peer)
        var moved = target
        moved.addresses = [Bench.address(77)]
        for _ in 0..<2 {
            asked = lookup.next(budget: 1)
            #expect(asked.count == 1)
            if asked[0].peer == target.peer {
                #expect(asked[0].addresses.first == Bench.address(77))
                lookup.failed(target.peer)
            } else {
                lookup.responded(asked[0].peer, groups: [], closer: [moved])
            }
        }
        moved.addresses = [Bench.address(78)]
        while let next = lookup.next(budget: 1).first {
            #expect(next.peer != target.peer)
            lookup.responded(next.peer, groups: [], closer: [moved])
        }
        #expect(lookup.contact(target.peer)?.state == .failed)
    }

    @Test func inventionsDoNotGrowTheLookup() {
        var lookup = lookup([contact(0, distance: .max)], paths: 1)
        var number = 1
        for _ in 0..<40 {
            guard let asked = lookup.next(budget: 1).first else { break }
            let closer = (0..<20).map { offset in
                contact(number + offset, distance: UInt64(1_000_000 - number - offset))
            }
            number += 20
            lookup.responded(asked.peer, groups: [], closer: closer)
            #expect(lookup.contacts.count <= 32)
        }
    }
}

@Suite struct StoreTests {
    static let wall = WallTime(milliseconds: 1_800_000_000_000)

    private func store(
        _ change: (inout Kademlia.Limits) -> Void, local: PeerID
    ) -> RecordStore {
        var limits = Kademlia.Limits()
        change(&limits)
        return RecordStore(
            local: KeyPoint(key: local.multihash), localPeer: local, limits: limits)
    }

    private func record(
        _ key: [UInt8], size: Int = 10, life: Int64 = 1000, source: PeerID, owner: UInt8? = nil
    ) -> StoredRecord {
        StoredRecord(
            key: key, value: .init(repeating: 1, count: size), received: Self.wall,
            expiry: WallTime(milliseconds: Self.wall.milliseconds + life), source: source,
            owner: owner.map { Bytes32(storage: .init(repeating: $0)) })
    }

    @Test func expiredGoesFirstThenFarthest() {
        var random = DeterministicRandom(seed: 5)
        let (local, peer) = (TestNetwork.peer(&random), TestNetwork.peer(&random))
        var store = store({ $0.recordsMax = 10 }, local: local)
        let keys = (0..<30).map { [UInt8($0)] }
        let point = KeyPoint(key: local.multihash)
        let byDistance = keys.sorted {
            KeyPoint(key: $0).distance(to: point) < KeyPoint(key: $1).distance(to: point)
        }
        for key in byDistance[5..<15] {
            let insertion = store.insert(
                record(key, life: key == byDistance[6] ? 10 : 1000, source: peer), wall: Self.wall)
            #expect(insertion == .init())
        }
        // Farther than all that is held: refused.
        let far = store.insert(record(byDistance[20], source: peer), wall: Self.wall)
        #expect(far.refusal == .storeFull)
        let later = WallTime(milliseconds: Self.wall.milliseconds + 20)
        let first = store.insert(record(byDistance[1], source: peer), wall: later)
        #expect(first.evicted == [.init(key: byDistance[6], reason: .expired)])
        let second = store.insert(record(byDistance[2], source: peer), wall: later)
        #expect(second.evicted == [.init(key: byDistance[14], reason: .farthest)])
        #expect(store.count == 10)
    }

    @Test func bytesAreBounded() {
        var random = DeterministicRandom(seed: 6)
        let (local, peer) = (TestNetwork.peer(&random), TestNetwork.peer(&random))
        var store = store({ $0.recordBytesMax = 1000 }, local: local)
        for _ in 0..<500 {
            _ = store.insert(
                record(random.bytes(count: 8), size: random.below(400), source: peer),
                wall: Self.wall)
            #expect(store.size <= 1000)
        }
        let tooLarge = store.insert(record([1], size: 1000, source: peer), wall: Self.wall)
        #expect(tooLarge.refusal == .storeFull)
    }

    @Test func peersAndOwnersHaveTheirShare() {
        var random = DeterministicRandom(seed: 7)
        let local = TestNetwork.peer(&random)
        let (peer, other) = (TestNetwork.peer(&random), TestNetwork.peer(&random))
        var store = store(
            {
                $0.recordsPerPeerMax = 3
                $0.recordsPerOwnerMax = 2
            }, local: local)
        for key in 1...3 {
            #expect(store.insert(record([UInt8(key)], source: peer), wall: Self.wall) == .init())
        }
        let fourth = store.insert(record([4], source: peer), wall: Self.wall)
        #expect(fourth.refusal == .perPeerLimit)
        let replacing = store.insert(record([3], size: 20, source: peer), wall: Self.wall)
        #expect(replacing.refusal == nil)

        for (key, life) in [(11, 500), (12, 600)] {
            let insertion = store.insert(
                record([UInt8(key)], life: Int64(life), source: other, owner: 9),
                wall: Self.wall)
            #expect(insertion == .init())
        }
        let shorter = store.insert(
            record([13], life: 400, source: other, owner: 9), wall: Self.wall)
        #expect(shorter.refusal == .perOwnerLimit)
        let longer = store.insert(
            record([14], life: 700, source: other, owner: 9), wall: Self.wall)
        #expect(longer.evicted == [.init(key: [11], reason: .perOwnerLimit)])
    }

    /// Against a plain model: same contents after thousands of random operations.
    @Test(arguments: UInt64(0)..<4) func heapsNeverLoseAnEntry(seed: UInt64) {
        var random = DeterministicRandom(seed: seed)
        let (local, peer) = (TestNetwork.peer(&random), TestNetwork.peer(&random))
        var store = store({ $0.recordsMax = 1000 }, local: local)
        var model: [[UInt8]: WallTime] = [:]
        var wall = Self.wall
        for _ in 0..<3000 {
            wall.milliseconds += 1
            let key = [UInt8(random.below(100))]
            switch random.below(4) {
            case 0:
                store.remove(key)
                model[key] = nil
            case 1:
                for key in store.removeExpired(wall: wall, limit: 3) {
                    #expect(model[key].map { $0 <= wall } == true)
                    model[key] = nil
                }
            default:
                let expiry = wall.advanced(by: .milliseconds(random.integer(in: 1...200)))
                _ = store.insert(
                    StoredRecord(
                        key: key, value: [], received: wall, expiry: expiry, source: peer,
                        owner: nil), wall: wall)
                model[key] = expiry
            }
            #expect(store.count == model.count)
        }
        let removed = store.removeExpired(
            wall: wall.advanced(by: .seconds(10)), limit: .max)
        #expect(Set(removed) == Set(model.keys))
        #expect(store.count == 0)
        #expect(store.size == 0)
    }

    @Test func rowsReadBackAndDamageIsSeen() {
        var random = DeterministicRandom(seed: 8)
        let peer = TestNetwork.peer(&random)
        let rows: [StoredRows.Row] = [
            .ownValue(key: [1, 2], value: [3]), .ownProvide(key: [4]),
            .provider(
                StoredProvider(
                    key: [5, 6], peer: peer, addresses: [Bench.address(1), Bench.address(2)],
                    expiry: Self.wall)),
            .record(record([7], source: peer, owner: 3)), .record(record([8], source: peer)),
            .tablePeer(peer, [Bench.address(3)]),
        ]
        for row in rows {
            guard case .put(.dht, let key, let value) = StoredRows.put(row) else {
                Issue.record("not a put")
                continue
            }
            #expect(StoredRows.read(StoreRow(key: key, value: value)) == row)
            for end in 0..<value.count {
                let cut = StoredRows.read(StoreRow(key: key, value: Array(value[..<end])))
                #expect(cut != row)
            }
            for end in 0..<key.count {
                let cut = StoredRows.read(StoreRow(key: Array(key[..<end]), value: value))
                #expect(cut != row)
            }
            #expect(StoredRows.read(StoreRow(key: key, value: [2] + value.dropFirst())) == nil)
        }
    }
}

@Suite struct MessageTests {
    @Test func roundTripsAndSkipsUnknownFields() throws {
        var random = DeterministicRandom(seed: 9)
        let peer = TestNetwork.peer(&random)
        var message = KademliaMessage(kind: .getProviders, key: [1, 2, 3])
        message.record = .init(key: [1], value: [2], timeReceived: "x")
        message.closerPeers = [
            .init(
                id: peer, addresses: [Bench.address(1), Bench.address(2)],
                connection: .cannotConnect)
        ]
        message.providerPeers = [.init(id: peer, addresses: [], connection: .notConnected)]
        let limits = KademliaMessage.DecodeLimits(.init())
        let decoded = try KademliaMessage.decode(message.bytes, limits: limits)
        #expect(decoded == message)
        // py-libp2p's senderRecord, field 11, and clusterLevelRaw, field 10.
        var writer = ProtobufWriter(appendingTo: message.bytes)
        writer.bytes(11, [9, 9, 9])
        writer.varint(10, 1)
        let withMore = try KademliaMessage.decode(writer.bytes, limits: limits)
        #expect(withMore == message)
    }

    /// The bytes of a FIND_NODE for `[1, 2]`, by hand from the specification.
    @Test func encodesAsSpecified() {
        let message = KademliaMessage(kind: .findNode, key: [1, 2])
        #expect(message.bytes == [0x08, 4, 0x12, 2, 1, 2])
        var put = KademliaMessage(kind: .putValue, key: [7])
        put.record = .init(key: [7], value: [8], timeReceived: "t")
        #expect(
            put.bytes == [
                0x08, 0, 0x12, 1, 7, 0x1A, 9, 0x0A, 1, 7, 0x12, 1, 8, 0x2A, 1, 0x74,
            ])
    }

    @Test func unknownPeersAreLeftOutNotFatal() throws {
        var writer = ProtobufWriter()
        writer.varint(1, 4)
        writer.bytes(8, [0x0A, 2, 0xFF, 0xFF])
        let limits = KademliaMessage.DecodeLimits(.init())
        let decoded = try KademliaMessage.decode(writer.bytes, limits: limits)
        #expect(decoded == KademliaMessage(kind: .findNode))
        #expect(throws: KademliaMessage.DecodeError.unknownKind(6)) {
            try KademliaMessage.decode([0x08, 6], limits: limits)
        }
        let tooLarge = [UInt8](repeating: 0, count: 64 * 1024 + 1)
        #expect(throws: KademliaMessage.DecodeError.tooLarge(size: 65537, limit: 65536)) {
            try KademliaMessage.decode(tooLarge, limits: limits)
        }
    }

    @Test(
        arguments: [
            (0, "1970-01-01T00:00:00Z"), (951_782_400, "2000-02-29T00:00:00Z"),
            (1_709_251_199, "2024-02-29T23:59:59Z"), (1_709_251_200, "2024-03-01T00:00:00Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"), (-5, "1970-01-01T00:00:00Z"),
            (253_402_300_799, "9999-12-31T23:59:59Z"),
        ] as [(Int64, String)])
    func timesAreRFC3339(seconds: Int64, text: String) {
        #expect(RFC3339.text(WallTime(milliseconds: seconds * 1000)) == text)
    }
}
