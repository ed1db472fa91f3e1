import Chain
import ChoraleBase
import ChoraleTypes
import Crypto
import Execution
import Testing

@testable import Store

/// A state that comes in parts, its marks, and what a process finds that died in the middle of it.
@Suite struct ChainDownloadTests {
    let directory: TemporaryDirectory

    init() throws { directory = try TemporaryDirectory() }

    private func open(_ name: String = "copy") throws -> ChainDatabase {
        try ChainDatabase.open(
            directory: directory.appending(name), network: TestChain.network, options: .small)
    }

    private static func mark(_ key: UInt8, _ value: UInt8) -> DownloadMark {
        DownloadMark(key: [key], value: [value])
    }

    /// The parts of a state as a download has them: a few accounts or a storage each.
    private func parts(_ chain: TestChain, at height: Int) throws -> [StatePart] {
        let accounts = try StateRange(
            of: chain.roots[height], from: .zero, sizeMax: .max / 2, in: chain.store)
        var parts: [StatePart] = []
        for entry in accounts.entries {
            let decoded = Account(rlp: entry.value.span)
            let account = try #require(decoded)
            var part = StatePart()
            part.accounts = [(entry.key, account)]
            if account.codeHash != Account.emptyCodeHashBytes {
                let code = chain.store.code(account.codeHash)
                part.codes = [try #require(code).bytes]
            }
            parts.append(part)
            let slots = try StateRange(
                of: account.storageRoot, from: .zero, sizeMax: .max / 2, in: chain.store)
            guard !slots.entries.isEmpty else { continue }
            var storage = StatePart()
            storage.slots = [
                .init(
                    account: entry.key,
                    words: slots.entries.compactMap { slot in
                        UInt256(rlp: slot.value.span).map { (slot.key, $0) }
                    })
            ]
            parts.append(storage)
        }
        return parts
    }

    /// Reopened after every part: nothing is lost, and it ends as if the chain had been there all the time.
    @Test func aDownloadGoesOnAfterEveryPart() throws {
        var chain = TestChain(seed: 70)
        for _ in 0..<17 { try chain.append() }
        var database = try open()
        #expect(try database.downloadMarks() == nil)
        try database.beginDownload([Self.mark(0, 1), Self.mark(7, 9)])
        let parts = try parts(chain, at: 16)
        for (number, part) in parts.enumerated() {
            var part = part
            part.marks = [DownloadMark(key: [0], value: [UInt8(number)])]
            try database.add(part)
            database.close()
            database = try open()
            #expect(try database.downloadMarks() == [Self.mark(0, UInt8(number)), Self.mark(7, 9)])
            #expect(database.head == nil)
        }
        let code = try #require(parts.lazy.compactMap(\.codes.first).first)
        #expect(try database.hasCode(Keccak256.hash(code)))
        #expect(try !database.hasCode(Keccak256.hash([1])))
        // Building the tries may be cut off and begun again.
        #expect(try database.finishDownload() == chain.roots[16])
        database.close()
        database = try open()
        #expect(try database.downloadMarks()?.count == 2)
        #expect(try database.finishDownload() == chain.roots[16])
        var first = chain.writes[16]
        first.execution?.newNodes = []
        first.execution?.changes = []
        first.execution?.receipts = nil
        first.execution?.transactionHashes = []
        first.ancestors = try (0..<16).reversed().map { height in
            try #require(chain.writes[height].execution).header.encoded
        }
        try database.write(first, sync: true)
        #expect(try database.downloadMarks() == nil)
        #expect(try database.rowCount(.journal) == 0)
        #expect(database.earliest == 16)
        #expect(database.stateHead?.stateRoot == chain.roots[16])
        let reader = database.makeReader()
        var found = try TestChain.Contents(Opened(reader.state(after: 16)))
        #expect(try found == chain.contents(after: 16))
        #expect(try Set(database.nodeRows().keys) == chain.liveNodes(chain.roots[16]))
        // The block was not executed here: what that gives is not made up.
        #expect(throws: ChainReadError.pruned(height: 16, oldest: 17)) {
            try reader.receipts(at: 16)
        }
        #expect(throws: ChainReadError.pruned(height: 3, oldest: 16)) { try reader.block(at: 3) }
        for height in 0...16 {
            let header = try #require(chain.writes[height].execution).header
            #expect(try database.header(at: UInt64(height)) == header.encoded)
        }
        let state = try reader.state(after: 16)
        #expect(try state.blockHash(5) == chain.writes[5].block.blockHash)
        // The chain goes on, and prunes what it has.
        for _ in 0..<40 { try database.write(chain.append(), sync: false) }
        #expect(database.counters.nodesMissing == 0)
        found = try TestChain.Contents(Opened(database.makeReader().state(after: 52)))
        #expect(try found == chain.contents(after: 52))
        database.close()
    }

    @Test func whatIsGivenUpGoes() throws {
        var chain = TestChain(seed: 71)
        for _ in 0..<4 { try chain.append() }
        let database = try open()
        defer { database.close() }
        try database.beginDownload([Self.mark(1, 1)])
        for part in try parts(chain, at: 3) { try database.add(part) }
        try database.beginDownload([Self.mark(2, 2)])
        #expect(try database.downloadMarks() == [Self.mark(2, 2)])
        for family in [ChainFamily.account, .slot, .code, .node] {
            #expect(try database.rowCount(family) == 0)
        }
        for part in try parts(chain, at: 3) { try database.add(part) }
        // A genesis takes its place.
        let state = try database.importState()
        #expect(try database.downloadMarks() == nil)
        #expect(try database.rowCount(.journal) == 0)
        try state.add([(address: TestChain.address(1), entry: .init(balance: UInt256(7)))])
        let root = try state.finish()
        try database.write(
            TestChain.write(0, parent: .zero, root: root, [], [], transactionCount: 0), sync: true)
        #expect(try database.rowCount(.account) == 1)
    }

    @Test func aSlotWithoutItsAccountIsDamage() throws {
        let database = try open()
        defer { database.close() }
        try database.beginDownload([])
        var part = StatePart()
        part.slots = [
            .init(account: TestChain.hash("a"), words: [(TestChain.hash("s"), UInt256(1))])
        ]
        try database.add(part)
        #expect(throws: StoreFailure.self) { try database.finishDownload() }
    }

    /// Heads of checkpoints are kept as long as their tries, and answer for nothing else.
    @Test func checkpointsAreKeptForAWhile() throws {
        var chain = TestChain(seed: 72)
        let database = try open("source")
        defer { database.close() }
        for _ in 0...34 { try database.write(chain.append(), sync: false) }
        let kept = database.options.trieCountMax
        let reader = database.makeReader()
        for height in 0...UInt64(34) {
            let isKept = height > 0 && height.isMultiple(of: 16) && height + kept > 32
            #expect(
                try database.checkpoint(at: height)
                    == (isKept ? chain.writes[Int(height)].head : nil), "\(height)")
            let request = try #require(
                StateRangeRequest(
                    height: height, stateRoot: chain.roots[Int(height)], kind: .accounts))
            guard isKept else {
                #expect((try? reader.answer(request)) == nil)
                continue
            }
            let answer = try #require(try reader.answer(request))
            let range = try #require(answer.ranges.first)
            try RangeProof.verify(
                chain.roots[Int(height)], from: .zero, through: range.last,
                range.entries.map { ($0.key, $0.value) }, proof: range.proof)
        }
        // Another root than that of the height.
        let foreign = try #require(
            StateRangeRequest(height: 32, stateRoot: chain.roots[31], kind: .accounts))
        #expect((try? reader.answer(foreign)) == nil)
    }
}
