import ChoraleBase
import Conformance
import Execution
import TestSupport
import Testing

@testable import Store

/// Blocks on a state that lies on a disk, and on the same in memory.
@Suite(.enabled(if: Fixtures.root != nil, Comment(rawValue: Fixtures.absence)))
struct StateExecutionTests {
    /// A database that is closed and opened again every few blocks, with a cache that holds only a part.
    private final class ReopenedDatabase: BlockTestStore {
        var database: StateDatabase
        var commits = 0

        init(_ database: StateDatabase) { self.database = database }

        func appendNode(
            _ hash: Bytes32, to bytes: inout [UInt8]
        ) throws(SourceFailure) -> Bool {
            try database.appendNode(hash, to: &bytes)
        }

        func code(_ hash: Bytes32) throws(SourceFailure) -> Code? { try database.code(hash) }

        func insert(
            _ state: TrieState<ReopenedDatabase>, _ changes: [AccountChange], header: Header
        ) throws {
            try database.commit(
                state, changes,
                head: StateHead(
                    blockNumber: header.number, blockHash: header.hash,
                    stateRoot: header.stateRoot),
                sync: false)
            commits += 1
            guard commits % 3 == 0 else { return }
            let head = database.head
            let (path, options) = (database.directory, database.options)
            database.close()
            database = try StateDatabase.open(directory: path, options: options)
            #expect(database.head == head)
        }
    }

    @Test(arguments: [
        "cancun-eip4788_beacon_root", "prague-eip7685_general_purpose_el_requests",
        "cancun-eip7516_blobgasfee", "shanghai-eip3651_warm_coinbase", "static-Shanghai",
        "paris-eip7610_create_collision", "legacy-ValidBlocks",
    ]) func chainsGiveTheSameRootsAndWitnesses(name: String) throws {
        let file = try FixtureFile.document(Fixtures.data("blockchain/\(name).json.gz"))
        let directory = try TemporaryDirectory()
        // A genesis may have what no transaction could deploy.
        var stateOptions = StateOptions.small
        stateOptions.codeSizeMax = 1 << 20
        let disk = ReopenedDatabase(
            try StateDatabase.open(
                directory: directory.appending("state"), options: stateOptions))
        defer { disk.database.close() }
        var witnessCount = 0
        for (name, fixture) in try file.members.prefix(25) {
            let test = BlockTest(name: name, fixture)
            var options = TestOptions()
            options.checksReasons = true
            options.replaysWitnesses = true
            var fromMemory: [Witness] = []
            options.witnesses = { fromMemory.append($0) }
            let memory = test.run(options)
            var fromDisk: [Witness] = []
            options.witnesses = { fromDisk.append($0) }
            let found = test.run(options) { first in
                try disk.database.add(
                    nodes: first.nodes.values, codes: first.codes.values.map(\.bytes))
                return disk
            }
            #expect(memory.fault == nil)
            #expect(found.fault == nil, "\(name)")
            #expect(found.stateRoot == memory.stateRoot)
            #expect(found.gasUsed == memory.gasUsed)
            #expect(found.refusal == memory.refusal)
            #expect(fromDisk.map { $0.rlp() } == fromMemory.map { $0.rlp() }, "\(name)")
            witnessCount += fromDisk.count
        }
        #expect(witnessCount > 0 && disk.commits > 0)
    }

    /// Real blocks on what their witnesses have of the state.
    @Test(arguments: Fixtures.files(in: "real")) func realBlocksGiveTheSameWitness(
        path: String
    ) throws {
        let example = try StatelessCase(FixtureFile.document(Fixtures.data(path)))
        let expected = try #require(example.expected)
        let directory = try TemporaryDirectory()
        let database = try StateDatabase.open(
            directory: directory.appending("state"), options: .small)
        defer { database.close() }
        let block = try Block(example.block.span)
        let ancestors = try AncestorHeaders(
            example.witness, parentHash: block.header.parentHash)
        let given = example.witness
        try database.add(
            nodes: given.nodes.map { given[$0] }, codes: given.codes.map { given[$0] },
            head: StateHead(
                blockNumber: ancestors.parent.number, blockHash: ancestors.parent.hash,
                stateRoot: ancestors.parent.stateRoot))

        var encodings: [UInt64: [UInt8]] = [:]
        for part in given.headers {
            encodings[try Header(given[part].span).number] = given[part]
        }
        func execute<Source: TrieNodeSource & CodeSource>(
            on source: Source
        ) throws -> (TrieState<Source>, BlockOutcome, Bytes32, Witness) {
            let state = TrieState(
                root: ancestors.parent.stateRoot, source: source, blockHashes: ancestors.hashes)
            let outcome = try BlockExecution.run(
                block, size: example.block.count, after: ancestors.parent, example.rules,
                reader: state)
            let root = try state.apply(outcome.changes)
            let witness = try state.witness(
                parent: ancestors.parent.number, ancestors: encodings)
            return (state, outcome, root, witness)
        }
        let (_, _, _, inMemory) = try execute(on: WitnessStore(given, CodeCache()))
        let (state, outcome, root, onDisk) = try execute(on: database)
        #expect(root == expected.stateRoot)
        #expect(outcome.receiptsRoot == expected.receiptsRoot)
        #expect(onDisk.rlp() == inMemory.rlp())

        let head = StateHead(
            blockNumber: block.header.number, blockHash: block.header.hash, stateRoot: root)
        try database.commit(state, outcome.changes, head: head)
        database.close()
        let again = try StateDatabase.open(directory: database.directory, options: .small)
        defer { again.close() }
        #expect(again.head == head)
        // What the block changed, read back. What it deleted cannot be proven everywhere: the witness
        // has no more of the state than the block needs.
        let after = TrieState(root: root, source: again, blockHashes: [:])
        for change in outcome.changes {
            guard let account = change.account else { continue }
            let found = try #require(try after.account(at: change.address))
            #expect(found.nonce == account.nonce && found.balance == account.balance)
            #expect(found.codeHash == account.codeHash)
            for slot in change.slots where !slot.value.isZero {
                #expect(
                    try after.storage(at: slot.key, of: change.address, found) == slot.value)
            }
        }
    }
}
