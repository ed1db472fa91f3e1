import ChoraleBase
import Codec
import Crypto
import Testing

@testable import Execution

/// Few bytes that ask for much memory or time.
@Suite struct HostileSizeTests {
    /// No node of a state has more than 532 bytes; a larger one would be kept once for every account
    /// that has it for its storage.
    @Test func largeNodes() throws {
        for (count, isTaken) in [(400, true), (600, false), (1 << 20, false)] {
            var store = ChainStore()
            var writer = RLPWriter()
            let list = writer.beginList()
            writer.bytes([0x20] + Keccak256.hash(UInt256.one.bytes32.bytes).bytes)
            writer.bytes([UInt8](repeating: 7, count: count))
            writer.endList(list)
            let node = writer.bytes
            store.nodes.add(node)
            let hash = Keccak256.hash(node)
            let state = TrieState(root: Trie.emptyRoot, source: store, blockHashes: [:])
            for number in 1...3 as ClosedRange<UInt64> {
                let address = Address(UInt256(number))
                let expected: StateError =
                    isTaken
                    ? .slotMalformed(address, slot: .one)
                    : .trie(.malformed(hash, .tooLarge(node.count)))
                #expect(throws: expected) {
                    try state.storage(at: .one, of: address, Account(storageRoot: hash))
                }
            }
        }
    }

    /// A trie of 64 nodes in which every path is 64 nodes long, and that any number of accounts have for
    /// their storage.
    private func deepStore() -> (ChainStore, root: Bytes32) {
        var store = ChainStore()
        var node: [UInt8] = []
        for depth in 0..<64 {
            var writer = RLPWriter()
            let list = writer.beginList()
            if depth == 0 {
                writer.bytes([0x20])
                writer.bytes([UInt8](repeating: 7, count: 32))
            } else {
                for _ in 0..<16 { writer.bytes(Keccak256.hash(node).storage.span) }
                writer.bytes([])
            }
            writer.endList(list)
            node = writer.bytes
            store.nodes.add(node)
        }
        return (store, Keccak256.hash(node))
    }

    @Test func sharedNodesAreCountedForEachAccount() throws {
        let (store, root) = deepStore()
        // 50 accounts, and the node that stands for nothing.
        let limits = Trie.Limits(nodeCountMax: 50 * 64 + 1)
        let state = TrieState(
            root: Trie.emptyRoot, source: store, blockHashes: [:], limits: limits)
        var accounts = 0
        #expect(throws: StateError.trie(.tooManyNodes(limit: 3201))) {
            for number in 1...1000 as ClosedRange<UInt64> {
                let address = Address(UInt256(number))
                _ = try state.storage(at: .one, of: address, Account(storageRoot: root))
                accounts += 1
            }
        }
        // 63 branches and a leaf for each.
        #expect(accounts == 50)
        // Changes count as lookups do.
        let other = TrieState(
            root: Trie.emptyRoot, source: store, blockHashes: [:], limits: limits)
        let changes = (1...100 as ClosedRange<UInt64>).map {
            AccountChange(
                address: Address(UInt256($0)), account: Account(nonce: 1, storageRoot: root),
                isChanged: true, isStorageCleared: false, slots: [.init(key: .one, value: .one)])
        }
        #expect(throws: StateError.trie(.tooManyNodes(limit: 3201))) {
            try other.apply(changes)
        }
    }

    /// Proper states are far from the limits: the most nodes that a witness of 64 MiB can name.
    @Test func limitsLeaveRoom() {
        let branches = Witness.Limits().sizeMax / 532
        #expect(17 * branches < Trie.Limits.state.nodeCountMax / 3 * 2)
    }

    /// Transactions that cannot pay for anything are counted before their signatures are checked.
    @Test func manyTransactions() throws {
        let block = try HostileWitnessTests.sample()
        var other = block.block
        let count = Int(StatelessExecution(rules: block.rules).gasMax / 21_000) + 1
        var free = other.transactions[0]
        free.gasLimit = 0
        other.transactions = .init(repeating: free, count: count)
        #expect(
            block.failure(nil, .compatible, block: other)
                == .gas(UInt64(count) * 21_000, limit: 1 << 30))
    }
}
