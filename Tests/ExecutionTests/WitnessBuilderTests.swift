import ChoraleBase
import Codec
import Conformance
import Crypto
import Foundation
import TestSupport
import Testing

@testable import Execution

private func parts(_ witness: Witness) -> [[[UInt8]]] {
    [witness.headers, witness.codes, witness.nodes].map { $0.map { witness[$0] } }
}

@Suite struct StateStoreTests {
    /// A state's root does not depend on how it came about.
    @Test func sameAccountsSameRoot() throws {
        let accounts: [Address: StateStore.Entry] = [
            Address(UInt256(1)): .init(nonce: 1, balance: UInt256(5)),
            Address(UInt256(2)): .init(
                code: [0x60, 0], storage: [.one: UInt256(9), UInt256(2): .zero]),
        ]
        let store = try StateStore(accounts)
        // The same by hand: each account as a leaf under the hash of its address.
        var storage = Trie()
        let key = Keccak256.hash(UInt256.one.bytes32.storage.span).bytes
        try storage.set(key.span, to: [9], from: NoTrieNodes())
        let leaves = [
            Account(nonce: 1, balance: UInt256(5)),
            Account(storageRoot: storage.root(), codeHash: Keccak256.hash([0x60, 0])),
        ]
        var trie = Trie()
        for (index, leaf) in leaves.enumerated() {
            let address = Address(UInt256(UInt64(index + 1)))
            let key = Keccak256.hash(address.storage.span).bytes
            try trie.set(key.span, to: leaf.rlp, from: NoTrieNodes())
        }
        #expect(store.root == trie.root())
        #expect(store.codes.count == 1)
        #expect(try StateStore([:]).root == Trie.emptyRoot)
    }

    /// The system call of EIP-4788 runs code that removes one of two slots and adds a third: with deletions
    /// first the branch between the two collapses, which needs the slot that stays.
    @Test func theOrderDecidesWhatIsNeeded() throws {
        func nibble(_ slot: UInt256) -> UInt8 {
            Keccak256.hash(slot.bytes32.storage.span)[0] >> 4
        }
        let (gone, kept) = (UInt256(1), UInt256(2))
        let added = try #require(
            (3..<50).map { UInt256($0) }.first {
                nibble($0) != nibble(gone) && nibble($0) != nibble(kept)
            })
        #expect(nibble(gone) != nibble(kept))
        let store = try StateStore([
            .beaconRoots: .init(
                code: [0x60, 1, 0x60, UInt8(added.l0), 0x55, 0x60, 0, 0x60, 1, 0x55],
                storage: [gone: UInt256(7), kept: UInt256(8)])
        ])
        var parent = MadeChain.header(number: 7, stateRoot: store.root)
        (parent.blobGasUsed, parent.excessBlobGas, parent.parentBeaconRoot) = (0, 0, .zero)
        var header = MadeChain.header(number: 8, parent: parent)
        (header.blobGasUsed, header.excessBlobGas, header.parentBeaconRoot) = (0, 0, .zero)
        header.baseFeePerGas = parent.baseFeeOfNext
        let block = Block(header: header, transactions: [], ommers: [], withdrawals: [])
        let rules = ChainRules.always(.cancun, blobs: .cancun)
        func built(_ order: Trie.ChangeOrder) throws -> WitnessBuilder.Product {
            try WitnessBuilder(rules: rules, order: order).build(
                block, size: block.encoded.count, ancestors: [7: parent.encoded], from: store)
        }
        let (new, old) = (try built(.updatesFirst), try built(.deletionsFirst))
        #expect(new.verdict.roots == old.verdict.roots)
        #expect(new.witness.nodes.count == 3 && old.witness.nodes.count == 4)

        // Each is complete for its own order, and one of them for both.
        func verdict(
            _ witness: Witness, _ order: Trie.ChangeOrder, _ mode: StatelessExecution.Mode
        ) throws(StatelessFailure) -> StatelessVerdict {
            try StatelessExecution(rules: rules, mode: mode, order: order).verdict(
                block, size: 1000, witness)
        }
        for product in [new, old] {
            #expect(
                try verdict(product.witness, .updatesFirst, .compatible).roots
                    == new.verdict.roots)
        }
        _ = try verdict(new.witness, .updatesFirst, .strict)
        _ = try verdict(old.witness, .deletionsFirst, .strict)
        let sibling = try #require(
            old.witness.nodes.map { old.witness[$0] }.first { node in
                !new.witness.nodes.contains { new.witness[$0] == node }
            })
        let hash = Keccak256.hash(sibling)
        #expect(throws: StatelessFailure.witness(.unused(.nodes, count: 1, first: hash))) {
            try verdict(old.witness, .updatesFirst, .strict)
        }
        #expect(throws: StatelessFailure.incomplete(.trie(.missing(hash)))) {
            try verdict(new.witness, .deletionsFirst, .compatible)
        }
        let lint = WitnessLint(
            new.witness, nil,
            .init(
                block, size: 1000, StatelessExecution(rules: rules, order: .deletionsFirst)))
        let place = TriePlace(
            account: Keccak256.hash(Address.beaconRoots.storage.span), path: [nibble(kept)])
        #expect(lint.findings.map(\.deviation) == [.missingNode(hash, place, .change)])
    }

    @Test func versions() {
        #expect(Trie.ChangeOrder.updatesFirst.version == 1)
        #expect(Trie.ChangeOrder.deletionsFirst.version == 0)
        for order in [Trie.ChangeOrder.updatesFirst, .deletionsFirst] {
            #expect(Trie.ChangeOrder(version: order.version) == order)
        }
        #expect(Trie.ChangeOrder(version: 2) == nil)
    }
}

@Suite(.enabled(if: Fixtures.root != nil, Comment(rawValue: Fixtures.absence)))
struct WitnessBuilderTests {
    /// Chains of blocks from a genesis allocation: every block's witness in both orders is complete and
    /// minimal for its order.
    @Test func chainsFromGenesis() throws {
        var blocks = 0
        let files = Fixtures.files(in: "blockchain").filter { $0.contains("withdrawals") }
        for path in files.prefix(6) {
            let file = try FixtureFile.document(Fixtures.data(path))
            for (_, test) in try file.members.prefix(12) {
                let chainID = try test.optional("config")?["chainid"].uint64 ?? 1
                let rules = try #require(
                    Networks.rules(test["network"].string, chainID: chainID))
                let chain = try Chain(test, rules)
                for entry in try test["blocks"].array {
                    guard entry.optional("expectException") == nil else { break }
                    try chain.append(entry["rlp"].bytes)
                }
                blocks += chain.blocks
            }
        }
        #expect(blocks > 20)
    }

    /// A chain on a state in memory, whose blocks' witnesses are built in both orders.
    final class Chain {
        private let rules: ChainRules
        private var store: StateStore
        private var ancestors: [UInt64: [UInt8]]
        private(set) var blocks = 0

        init(_ test: FixtureValue, _ rules: ChainRules) throws {
            self.rules = rules
            let state = try MemoryState(test["pre"])
            store = try StateStore(state.entries)
            let bytes = try test["genesisRLP"].bytes
            let genesis = try Block(bytes.span).header
            ancestors = [genesis.number: genesis.encoded]
            #expect(store.root == genesis.stateRoot)
        }

        func append(_ bytes: [UInt8]) throws {
            let block = try Block(bytes.span)
            let old = try witness(block, bytes.count, .deletionsFirst)
            let new = try WitnessBuilder(rules: rules).advance(
                &store, by: block, size: bytes.count, ancestors: ancestors)
            try requireComplete(old, .deletionsFirst, block, bytes.count, rules)
            try requireComplete(new, .updatesFirst, block, bytes.count, rules)
            let (oldNodes, newNodes) = (Self.nodes(old.witness), Self.nodes(new.witness))
            #expect(newNodes.isSubset(of: oldNodes))
            #expect(store.root == block.header.stateRoot)
            try requireFewHeaders(new.witness, ancestors, block, bytes.count, rules)
            ancestors[block.header.number] = block.header.encoded
            if ancestors.count > 256 { ancestors[block.header.number - 256] = nil }
            blocks += 1
        }

        private func witness(
            _ block: Block, _ size: Int, _ order: Trie.ChangeOrder
        ) throws -> WitnessBuilder.Product {
            try WitnessBuilder(rules: rules, order: order).build(
                block, size: size, ancestors: ancestors, from: store)
        }

        private static func nodes(_ witness: Witness) -> Set<[UInt8]> {
            Set(witness.nodes.map { witness[$0] })
        }
    }

    /// A bloated witness in, the smallest out: and the smallest of that is itself.
    @Test(arguments: Fixtures.files(in: "real")) func minimising(_ path: String) throws {
        let sample = try StatelessCase(path: path)
        let block = try Block(sample.block.span)
        let builder = WitnessBuilder(rules: sample.rules)
        let first = try builder.minimal(sample.witness, for: block, size: sample.block.count)
        #expect(first.verdict.roots == sample.expected)
        var bloated = Witness(
            headers: sample.witness.headers.map { sample.witness[$0] }.reversed(),
            codes: sample.witness.codes.map { sample.witness[$0] } + [[1, 2, 3], []],
            nodes: sample.witness.nodes.map { sample.witness[$0] } + [[0x80], [5, 5]])
        bloated.nodes += bloated.nodes.prefix(100)
        bloated.nodes.reverse()
        let second = try builder.minimal(bloated, for: block, size: sample.block.count)
        #expect(parts(second.witness) == parts(first.witness))
        #expect(first.witness.size <= sample.witness.size)
        let strict = StatelessExecution(rules: sample.rules, mode: .strict)
        _ = try strict.verdict(sample.block.span, second.witness)
    }

    /// The order of changes decides which neighbours are needed, and a lint says that it is a change that
    /// needs them.
    @Test func stressInBothOrders() throws {
        var needing = 0
        for line in try FixtureFile.lines(Fixtures.data("witness/stress.jsonl.gz")) {
            let sample = try StatelessCase(line)
            let block = try Block(sample.block.span)
            func product(_ order: Trie.ChangeOrder) throws -> WitnessBuilder.Product {
                try WitnessBuilder(rules: sample.rules, order: order).minimal(
                    sample.witness, for: block, size: sample.block.count)
            }
            let new = try product(.updatesFirst)
            guard sample.updateFirstNeeded else {
                let old = try product(.deletionsFirst)
                #expect(old.verdict.roots == new.verdict.roots)
                continue
            }
            needing += 1
            #expect(throws: StatelessFailure.self) { try product(.deletionsFirst) }
            let execution = StatelessExecution(rules: sample.rules, order: .deletionsFirst)
            let lint = WitnessLint(
                sample.witness, nil, .init(block, size: sample.block.count, execution))
            guard case .missingNode(_, .some, .change) = lint.findings.first?.deviation else {
                Issue.record("\(sample.name): \(lint.findings)")
                continue
            }
        }
        #expect(needing > 0)
    }

    // MARK: Strict mode

    /// What strict mode refuses, compatible mode takes; the error counts, and names the first.
    @Test func strictModeNamesTheFirst() throws {
        let sample = try WitnessLintVectors.sample()
        let block = try Block(sample.block.span)
        let whole = try WitnessBuilder(rules: sample.rules).minimal(
            sample.witness, for: block, size: sample.block.count
        ).witness
        let stray: [[UInt8]] = [[0xC1, 0x80], [0xC1, 0x81]]
        func parts(_ part: [Range<Int>]) -> [[UInt8]] { part.map { whole[$0] } }
        let cases: [(Witness, WitnessError)] = [
            (
                Witness(
                    headers: parts(whole.headers), codes: parts(whole.codes),
                    nodes: stray + parts(whole.nodes)),
                .unused(.nodes, count: 2, first: Keccak256.hash(stray[0]))
            ),
            (
                Witness(
                    headers: parts(whole.headers), codes: parts(whole.codes) + [[9]],
                    nodes: parts(whole.nodes)),
                .unused(.codes, count: 1, first: Keccak256.hash([9]))
            ),
            (
                Witness(
                    headers: parts(whole.headers), codes: parts(whole.codes),
                    nodes: parts(whole.nodes) + [whole[whole.nodes[4]]]),
                .repeated(.nodes, count: 1, first: Keccak256.hash(whole[whole.nodes[4]]))
            ),
            (
                Witness(
                    headers: parts(whole.headers),
                    codes: [whole[whole.codes[1]]] + parts(whole.codes),
                    nodes: parts(whole.nodes)),
                .repeated(.codes, count: 1, first: Keccak256.hash(whole[whole.codes[1]]))
            ),
        ]
        for (witness, error) in cases {
            let compatible = StatelessExecution(rules: sample.rules)
            #expect(throws: Never.self) { try compatible.verdict(sample.block.span, witness) }
            let strict = StatelessExecution(rules: sample.rules, mode: .strict)
            #expect(throws: StatelessFailure.witness(error)) {
                try strict.verdict(sample.block.span, witness)
            }
        }
    }

    // MARK: The verdict

    /// The two roots in the block are not read: whatever they are, the answer is the computed pair.
    @Test func rootsOfTheBlockAreNotRead() throws {
        let sample = try WitnessLintVectors.sample()
        var block = try Block(sample.block.span)
        let execution = StatelessExecution(rules: sample.rules)
        let truth = try execution.verdict(block, size: sample.block.count, sample.witness).roots
        #expect(truth.stateRoot == block.header.stateRoot)
        #expect(truth.receiptsRoot == block.header.receiptsRoot)
        for (state, receipts) in [
            (Bytes32.zero, Bytes32.zero), (truth.receiptsRoot, truth.stateRoot),
            (Trie.emptyRoot, Keccak256.hash([1])),
        ] {
            block.header.stateRoot = state
            block.header.receiptsRoot = receipts
            let roots = try execution.verdict(
                block, size: sample.block.count, sample.witness
            ).roots
            #expect(roots == truth)
        }
    }

    @Test func answers() throws {
        let sample = try WitnessLintVectors.sample()
        let execution = StatelessExecution(rules: sample.rules)
        let answer = StatelessAnswer(
            execution.result(sample.block.span, sample.witness), seconds: 0.25)
        #expect(answer.status == .valid && answer.validationError == nil)
        let json = JSON(
            try JSONSerialization.jsonObject(with: Data(answer.json.utf8)))
        #expect(try json["status"].string == "VALID")
        #expect(try json["stateRoot"].hex == sample.expected?.stateRoot.bytes)
        #expect(try json["receiptsRoot"].hex == sample.expected?.receiptsRoot.bytes)
        #expect(answer.json.contains("\"gasUsed\":\(answer.gasUsed),"))
        #expect(answer.json.hasSuffix("\"validationError\":null,\"seconds\":0.25}"))

        var without = sample.witness
        without.codes.removeAll()
        let refused = StatelessAnswer(
            execution.result(sample.block.span, without), seconds: 1e-7)
        #expect(refused.status == .invalid && refused.stateRoot == .zero)
        #expect(try #require(refused.validationError).contains("is needed and not in the witness"))
        _ = try JSONSerialization.jsonObject(with: Data(refused.json.utf8))
        let strange = StatelessAnswer(
            .failure(.witness(.answer("a \"quote\" \\ and\na line"))), seconds: .nan)
        let read = JSON(try JSONSerialization.jsonObject(with: Data(strange.json.utf8)))
        #expect(try read["validationError"].string.hasSuffix("a \"quote\" \\ and\na line"))
    }
}

/// A witness that was built is canonical and executes strictly in its order.
private func requireComplete(
    _ product: WitnessBuilder.Product, _ order: Trie.ChangeOrder, _ block: Block, _ size: Int,
    _ rules: ChainRules
) throws {
    let execution = StatelessExecution(
        rules: rules, mode: .strict, order: order, gasMax: .max)
    let roots = try execution.verdict(block, size: size, product.witness).roots
    #expect(roots.stateRoot == block.header.stateRoot)
    #expect(product.verdict.roots == roots)
    #expect(parts(product.witness.canonical()) == parts(product.witness))
}

/// Headers older than what is asked for are refused in strict mode, in either order.
private func requireFewHeaders(
    _ witness: Witness, _ ancestors: [UInt64: [UInt8]], _ block: Block, _ size: Int,
    _ rules: ChainRules
) throws {
    let extra = ancestors.count - witness.headers.count
    guard extra > 0 else { return }
    let all = ancestors.sorted { $0.key < $1.key }.map(\.value)
    let strict = StatelessExecution(rules: rules, mode: .strict, gasMax: .max)
    for (headers, first) in [(all, all[0]), (all.reversed(), all[extra - 1])] {
        let larger = Witness(
            headers: headers, codes: witness.codes.map { witness[$0] },
            nodes: witness.nodes.map { witness[$0] })
        let error = StatelessFailure.witness(
            .unused(.headers, count: extra, first: Keccak256.hash(first)))
        #expect(throws: error) { try strict.verdict(block, size: size, larger) }
        let lint = WitnessLint(
            larger, nil, .init(block, size: size, StatelessExecution(rules: rules)))
        #expect(
            lint.findings.contains {
                if case .unused(let entries) = $0.deviation {
                    return entries.part == .headers && entries.count == extra
                }
                return false
            })
    }
}
