import ChoraleBase
import ChoraleTypes
import Simulator
import StoreContract
import Testing

@Suite struct MemoryStoreTests {
    @Test(arguments: StoreContract.rows) func keepsTheContract(_ row: StoreContractRow) {
        let store = MemoryStore()
        let mismatch = row.mismatch { store.execute($0) }
        #expect(mismatch == nil)
    }

    @Test(arguments: UInt64(0)..<50) func answersLikeTheModel(seed: UInt64) {
        let store = MemoryStore()
        var model = StoreModel()
        var requests = RandomStoreRequests(seed: seed)
        for index in 0..<300 {
            let request = requests.next()
            let expected = model.execute(request)
            let reply = store.execute(request)
            #expect(reply == expected, "request \(index): \(request)")
        }
    }

    private static let all = [ColumnFamily.peer, .chunk].map {
        StoreRequest.scan($0, from: [], to: nil, rowCountMax: .max, sizeMax: .max)
    }

    /// After a crash the store is what it was after some batch between the last synced one and the
    /// last one: whole batches, in order.
    @Test(arguments: UInt64(0)..<100) func aCrashLosesASuffixOfWhatWasNotSynced(seed: UInt64) {
        let store = MemoryStore()
        var model = StoreModel()
        var random = DeterministicRandom(seed: seed)
        var requests = RandomStoreRequests(seed: seed)
        // What the rows were after each batch since the last sync, that one included.
        var allowed = [Self.all.map { model.execute($0) }]
        for _ in 0..<200 {
            let sync = random.chance(1, in: 8)
            let request = StoreRequest.write(
                (0..<random.below(5)).map { _ in requests.nextWrite() }, sync: sync)
            _ = model.execute(request)
            let reply = store.execute(request)
            #expect(reply == .written)
            if sync { allowed = [] }
            allowed.append(Self.all.map { model.execute($0) })
            guard random.chance(1, in: 10) else { continue }
            store.crash(random: &random)
            let rows = Self.all.map { store.execute($0) }
            #expect(allowed.contains(rows))
            // Go on from what survived.
            model = StoreModel()
            for (family, reply) in zip([ColumnFamily.peer, .chunk], rows) {
                guard case .rows(let rows, more: false) = reply else { continue }
                let writes = rows.map { StoreWrite.put(family, key: $0.key, value: $0.value) }
                _ = model.execute(.write(writes, sync: true))
            }
            allowed = [rows]
        }
    }

    @Test func aCrashCanLoseAllAndNothing() {
        var kept: Set<Int> = []
        for seed in UInt64(0)..<200 {
            let store = MemoryStore()
            _ = store.execute(.write([.put(.peer, key: [0], value: [])], sync: true))
            for index in UInt8(1)...3 {
                _ = store.execute(.write([.put(.peer, key: [index], value: [])], sync: false))
            }
            var random = DeterministicRandom(seed: seed)
            store.crash(random: &random)
            guard case .rows(let rows, more: false) = store.execute(Self.all[0]) else { continue }
            kept.insert(rows.count)
        }
        #expect(kept == [1, 2, 3, 4])
    }

    @Test func twoCrashesInARowLoseNothingMore() {
        for seed in UInt64(0)..<50 {
            let store = MemoryStore()
            for index in UInt8(0)..<9 {
                _ = store.execute(.write([.put(.peer, key: [index], value: [])], sync: false))
            }
            var random = DeterministicRandom(seed: seed)
            store.crash(random: &random)
            let once = store.execute(Self.all[0])
            store.crash(random: &random)
            let twice = store.execute(Self.all[0])
            #expect(once == twice)
        }
    }

    @Test func theSameSeedLosesTheSame() {
        let replies = (0..<2).map { _ in
            let store = MemoryStore()
            for index in UInt8(0)..<100 {
                _ = store.execute(.write([.put(.peer, key: [index], value: [])], sync: false))
            }
            var random = DeterministicRandom(seed: 7)
            store.crash(random: &random)
            return store.execute(Self.all[0])
        }
        #expect(replies[0] == replies[1])
    }

    /// An operating system writes back by itself after half a minute.
    @Test(arguments: UInt64(0)..<20) func whatIsOldSurvivesUnsynced(seed: UInt64) {
        let store = MemoryStore()
        _ = store.execute(.write([.put(.peer, key: [0], value: [])], sync: false))
        var random = DeterministicRandom(seed: seed)
        store.crash(now: MonotonicInstant.zero.advanced(by: .seconds(30)), random: &random)
        let left = store.execute(Self.all[0])
        #expect(left == .rows([StoreRow(key: [0], value: [])], more: false))
    }
}
