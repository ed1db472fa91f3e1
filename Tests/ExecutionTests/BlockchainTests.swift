import ChoraleBase
import Codec
import Crypto
import Foundation
import TestSupport
import Testing

@testable import Execution

/// Ethereum's blockchain tests: chains of blocks, good and bad, from a first state.
@Suite(.enabled(if: Fixtures.root != nil, Comment(rawValue: Fixtures.absence)))
struct BlockchainTests {
    static let files = Fixtures.files(in: "blockchain")

    @Test func everyFileIsThere() { #expect(Self.files.count == 115) }

    @Test(arguments: files) func file(_ path: String) throws {
        let file = try Fixtures.json(path)
        var tally = Tally(path)
        for name in file.keys {
            let fault = try Self.fault(file[name])
            tally.count(fault == nil)
            if let fault { Issue.record("\(name): \(fault)") }
        }
        tally.report()
        #expect(tally.passed + tally.failed > 0, "nothing was read")
    }

    static let epochs: [String: [ChainRules.Epoch]] = {
        let shanghai = ChainRules.Epoch(start: 0, fork: .shanghai, blobs: .cancun)
        let cancun = ChainRules.Epoch(start: 0, fork: .cancun, blobs: .cancun)
        let prague = ChainRules.Epoch(start: 0, fork: .prague, blobs: .prague)
        let osaka = ChainRules.Epoch(start: 0, fork: .osaka, blobs: .prague)
        let bpo1 = ChainRules.Epoch(start: 0, fork: .osaka, blobs: .bpo1)
        let bpo2 = ChainRules.Epoch(start: 0, fork: .osaka, blobs: .bpo2)
        func change(_ from: ChainRules.Epoch, _ to: ChainRules.Epoch) -> [ChainRules.Epoch] {
            [from, .init(start: 15_000, fork: to.fork, blobs: to.blobs)]
        }
        return [
            "Shanghai": [shanghai], "Cancun": [cancun], "Prague": [prague], "Osaka": [osaka],
            "ShanghaiToCancunAtTime15k": change(shanghai, cancun),
            "CancunToPragueAtTime15k": change(cancun, prague),
            "PragueToOsakaAtTime15k": change(prague, osaka),
            "OsakaToBPO1AtTime15k": change(osaka, bpo1),
            "BPO1ToBPO2AtTime15k": change(bpo1, bpo2),
        ]
    }()

    /// What is wrong with how one test ran; nil if it passed.
    static func fault(_ test: JSON) throws -> String? {
        let network = try test["network"].string
        guard let epochs = epochs[network] else { return "unknown network \(network)" }
        let chainID = try test.optional("config")?["chainid"].word.l0 ?? 1
        let chain = try Chain(test, ChainRules(chainID: chainID, epochs: epochs))
        for block in try test["blocks"].array {
            let bytes = try block["rlp"].hex
            let exception = try block.optional("expectException")?.string
            do {
                try chain.append(bytes)
                if let exception { return "block taken, against \(exception)" }
            } catch BlockFailure.state(let error) {
                // The whole state is here: not to find something is never the block's fault.
                return "the state did not answer: \(error)"
            } catch {
                guard let exception else { return "block refused: \(error)" }
                guard BlockExceptions.match(exception, error) else {
                    return "refused for another reason than \(exception): \(error)"
                }
            }
        }
        guard try chain.head.hash.bytes == test["lastblockhash"].hex else {
            return "another last block"
        }
        return nil
    }

    /// A chain whose states are kept as trie nodes.
    final class Chain {
        private let rules: ChainRules
        private var store: ChainStore
        private var headers: [Bytes32: Header] = [:]
        private(set) var head: Header

        enum Fault: Error { case unknownParent, genesisRoot, otherRoots }

        init(_ test: JSON, _ rules: ChainRules) throws {
            self.rules = rules
            let state = try MemoryState(test["pre"])
            store = try ChainStore(state)
            let genesis = try test["genesisRLP"].hex
            head = try Block(genesis.span).header
            headers[head.hash] = head
            guard try state.root() == head.stateRoot else { throw Fault.genesisRoot }
        }

        func append(_ bytes: [UInt8]) throws {
            let block = try Block(bytes.span)
            guard let parent = headers[block.header.parentHash] else { throw Fault.unknownParent }
            var hashes: [UInt64: Bytes32] = [:]
            var ancestor: Header? = parent
            while let header = ancestor, hashes.count < 256 {
                hashes[header.number] = header.hash
                ancestor = headers[header.parentHash]
            }
            let state = TrieState(root: parent.stateRoot, source: store, blockHashes: hashes)
            let outcome = try BlockExecution.run(
                block, size: bytes.count, after: parent, rules, reader: state)
            let root = try state.apply(outcome.changes)
            guard root == block.header.stateRoot else {
                throw BlockRejection.stateRoot(found: block.header.stateRoot, expected: root)
            }
            guard outcome.receiptsRoot == block.header.receiptsRoot else {
                throw BlockRejection.receiptsRoot(
                    found: block.header.receiptsRoot, expected: outcome.receiptsRoot)
            }
            try replay(block, bytes, parent, state, outcome)
            state.forEachNewNode { _, node in store.nodes.add(node) }
            for case let code? in outcome.changes.map(\.code) {
                store.codes[code.hash.bytes32] = code
            }
            headers[block.header.hash] = block.header
            if block.header.number > head.number { head = block.header }
        }

        /// Records the block's witness and executes the block again from nothing else, strictly: the
        /// witness is complete, and nothing in it is without use.
        private func replay(
            _ block: Block, _ bytes: [UInt8], _ parent: Header, _ state: TrieState<ChainStore>,
            _ outcome: BlockOutcome
        ) throws {
            var ancestors: [UInt64: [UInt8]] = [:]
            var ancestor: Header? = parent
            while let header = ancestor, ancestors.count < 256 {
                ancestors[header.number] = header.encoded
                ancestor = headers[header.parentHash]
            }
            let witness = try state.witness(parent: parent.number, ancestors: ancestors)
            var withheld = block
            withheld.header.stateRoot = .zero
            withheld.header.receiptsRoot = .zero
            let execution = StatelessExecution(rules: rules, mode: .strict, gasMax: .max)
            let roots = try execution.verdict(withheld, size: bytes.count, witness).roots
            guard roots.stateRoot == block.header.stateRoot,
                roots.receiptsRoot == outcome.receiptsRoot, roots.gasUsed == outcome.gasUsed
            else { throw Fault.otherRoots }
        }
    }
}

/// Nodes and codes in memory.
struct ChainStore: TrieNodeSource, CodeSource {
    var nodes = NodeStore()
    var codes: [Bytes32: Code] = [:]

    init() {}

    /// Everything that a state is made of.
    init(_ state: MemoryState) throws {
        codes = state.codes
        let tries = TrieState(root: Trie.emptyRoot, source: ChainStore(), blockHashes: [:])
        let changes = state.entries.map { address, entry in
            AccountChange(
                address: address,
                account: Account(
                    nonce: entry.nonce, balance: entry.balance,
                    codeHash: Keccak256.hash(entry.code)),
                isChanged: true, isStorageCleared: true,
                slots: entry.storage.map { AccountChange.Slot(key: $0.key, value: $0.value) })
        }
        _ = try tries.apply(changes)
        tries.forEachNewNode { _, node in nodes.add(node) }
    }

    func withNode<Result, Failure: Error>(
        _ hash: Bytes32, _ body: (Span<UInt8>) throws(Failure) -> Result
    ) throws(Failure) -> Result? {
        try nodes.withNode(hash, body)
    }

    func code(_ hash: Bytes32) -> Code? { codes[hash] }
}
