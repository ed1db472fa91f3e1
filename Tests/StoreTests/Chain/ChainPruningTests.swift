import Chain
import ChoraleBase
import Execution
import Foundation
import Testing

@testable import Store

/// Nodes are shared and come back, and pruning must neither lose nor leave any.
@Suite struct ChainPruningTests {
    let directory: TemporaryDirectory

    init() throws { directory = try TemporaryDirectory() }

    private func open(_ options: ChainStoreOptions) throws -> ChainDatabase {
        try ChainDatabase.open(
            directory: directory.appending("chain"), network: TestChain.network, options: options)
    }

    /// The nodes that are there are those of the kept states, each no less often than it has to be.
    @Test(arguments: UInt64(0)..<16) func whatIsThereIsWhatKeptStatesHave(seed: UInt64) throws {
        var chain = TestChain(seed: seed)
        var random = DeterministicRandom(seed: seed)
        var options = ChainStoreOptions.small
        options.trieCountMax = UInt64(1 + random.below(6))
        options.diffCountMax = UInt64(random.below(12))
        options.limits.subtrieNodeCountMax = 1 + random.below(40)
        // With a small cache the births come from the disk, with a large one from memory.
        if random.chance(1, in: 2) { options.state.nodeCacheSizeMax = 4 << 10 }
        var database = try open(options)
        defer { database.close() }
        for height in UInt64(0)..<120 {
            try database.write(chain.append(), sync: false)
            if random.chance(1, in: 12) {
                database.close()
                if random.chance(1, in: 3) { options.trieCountMax = UInt64(2 + random.below(6)) }
                database = try open(options)
            }
            #expect(database.counters.nodesMissing == 0)
            let last = try #require(database.last)
            // Bounded work may be a few heights behind after the option changed.
            if options.trieCountMax >= 2, last.height > 40, height % 5 == 0 {
                #expect(last.height - last.oldestTrie <= 16)
            }
            let rows = try database.nodeRows()
            var live: Set<Bytes32> = []
            for kept in last.oldestTrie...last.height {
                live.formUnion(try chain.liveNodes(chain.roots[Int(kept)]))
            }
            let isLost = !live.isSubset(of: rows.keys)
            #expect(!isLost, "at height \(height)")
            // Tries of storage that went as a whole are taken down bit by bit.
            let isBusy = try database.rowCount(.journal, prefix: [2]) > 0
            if !isBusy {
                let leaked = Set(rows.keys).subtracting(live)
                #expect(leaked.isEmpty, "at height \(height)")
            }
        }
        // And nothing stays in the end: states without changes push everything out.
        let emptied = try emptyState(chain)
        var tail = chain
        for write in emptied.writes.dropFirst(chain.writes.count) {
            try database.write(write, sync: false)
        }
        tail = emptied
        for _ in 0..<400 where try database.rowCount(.journal, prefix: [2]) > 0 {
            try database.write(tail.appendNothing(), sync: false)
        }
        #expect(try database.nodeRows().isEmpty)
        #expect(try database.rowCount(.account) == 0)
        #expect(database.counters.nodesMissing == 0)
    }

    private func emptyState(_ chain: TestChain) throws -> TestChain {
        var chain = chain
        try chain.appendEnd()
        for _ in 0..<16 { try chain.appendNothing() }
        return chain
    }

    @Test(arguments: UInt64(100)..<108) func flatRowsSayWhatTheTriesSay(seed: UInt64) throws {
        var chain = TestChain(seed: seed)
        let database = try open(.small)
        defer { database.close() }
        let reader = database.makeReader()
        for height in UInt64(0)..<80 {
            try database.write(chain.append(), sync: false)
            guard height % 7 == 0 || height < 12 else { continue }
            let oldest = height > 9 ? height - 9 : 0
            for kept in oldest...height {
                let found = try TestChain.Contents(Opened(reader.state(after: kept)))
                #expect(try found == chain.contents(after: kept), "\(kept) of \(height)")
            }
            let tries = TrieState(
                root: chain.roots[Int(height)], source: database, blockHashes: [:])
            #expect(try TestChain.Contents(tries) == chain.contents(after: height))
            if oldest > 0 {
                #expect(throws: ChainReadError.pruned(height: oldest - 1, oldest: oldest)) {
                    try reader.state(after: oldest - 1)
                }
            }
        }
        // Reverse diffs go with their heights, and so do journals.
        #expect(try database.rowCount(.journal, prefix: [0]) <= 4)
        #expect(try database.rowCount(.journal, prefix: [1]) == 9)
        let last = try #require(database.last)
        let cursor = try database.opened().cursor(.history)
        let start: [UInt8] = []
        var isThere = try cursor.seek(start.span)
        while isThere {
            let key = Array(cursor.key)
            let height = key.span.loadBigEndian(UInt64.self, at: key.count - 8)
            #expect(height >= last.oldestDiff)
            isThere = try cursor.next()
        }
    }
}

/// A state reader of a type that is not known before.
final class Opened: StateReader {
    let state: any StateReader

    init(_ state: any StateReader) { self.state = state }

    func account(at address: Address) throws(StateError) -> Account? {
        try state.account(at: address)
    }

    func storage(
        at slot: UInt256, of address: Address, _ account: Account
    ) throws(StateError) -> UInt256 { try state.storage(at: slot, of: address, account) }

    func code(_ hash: Bytes32, of address: Address) throws(StateError) -> Code {
        try state.code(hash, of: address)
    }

    func blockHash(_ number: UInt64) throws(StateError) -> Bytes32 {
        try state.blockHash(number)
    }
}
