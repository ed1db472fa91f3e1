public import ChoraleBase
import Crypto

/// A whole state in memory: every node of its tries and every code, by their hashes.
///
/// For genesis states, tests and tools; a chain's state is for a disk.
public struct StateStore: TrieNodeSource, CodeSource, Sendable {
    /// One account with everything it has.
    public struct Entry: Hashable, Sendable {
        public var nonce: UInt64
        /// In wei.
        public var balance: UInt256
        public var code: [UInt8]
        /// Words of zero are the same as no entry.
        public var storage: [UInt256: UInt256]

        public init(
            nonce: UInt64 = 0, balance: UInt256 = .zero, code: [UInt8] = [],
            storage: [UInt256: UInt256] = [:]
        ) {
            self.nonce = nonce
            self.balance = balance
            self.code = code
            self.storage = storage
        }
    }

    public private(set) var nodes: [Bytes32: [UInt8]] = [:]
    public private(set) var codes: [Bytes32: Code] = [:]
    /// Root of the state that was put in last.
    public private(set) var root = Trie.emptyRoot

    /// A state without accounts.
    public init() {}

    /// The state with these accounts, as in a genesis file.
    public init(_ accounts: [Address: Entry]) throws(StateError) {
        var changes: [AccountChange] = []
        for (address, entry) in accounts {
            let code = entry.code.isEmpty ? nil : Code(entry.code)
            let slots = entry.storage.filter { !$0.value.isZero }
            changes.append(
                AccountChange(
                    address: address,
                    account: Account(
                        nonce: entry.nonce, balance: entry.balance,
                        codeHash: code?.hash.bytes32 ?? Account.emptyCodeHashBytes),
                    isChanged: true, isStorageCleared: true,
                    slots: slots.map { .init(key: $0.key, value: $0.value) }, code: code))
        }
        let state = TrieState(root: Trie.emptyRoot, source: self, blockHashes: [:])
        let root = try state.apply(changes)
        insert(state, changes, root: root)
    }

    /// Puts a state in that was made from one that is here.
    ///
    /// - Parameters:
    ///   - state: after its changes were applied.
    ///   - root: what that gave.
    public mutating func insert(
        _ state: TrieState<StateStore>, _ changes: [AccountChange], root: Bytes32
    ) {
        state.forEachNewNode { nodes[$0] = $1 }
        for case let code? in changes.map(\.code) { codes[code.hash.bytes32] = code }
        self.root = root
    }

    public func appendNode(_ hash: Bytes32, to bytes: inout [UInt8]) -> Bool {
        guard let node = nodes[hash] else { return false }
        bytes.append(contentsOf: node)
        return true
    }

    public func code(_ hash: Bytes32) -> Code? { codes[hash] }
}
