public import ChoraleBase
import Crypto

extension StateStore.Entry {
    /// The account as the state has it, its storage root computed from its slots.
    ///
    /// - Parameter node: receives the nodes of the storage trie, as ``TrieBuilder`` gives them.
    public func account(node: (Bytes32, [UInt8]) -> Void = { _, _ in }) -> Account {
        var slots: [(key: Bytes32, value: UInt256)] = []
        for (key, value) in storage where !value.isZero {
            slots.append((Keccak256.hash(key.bytes32.bytes), value))
        }
        slots.sort { $0.key < $1.key }
        let root = TrieBuilder.build(
            count: slots.count, key: { slots[$0].key }, value: { slots[$0].value.rlp }, node: node)
        return Account(
            nonce: nonce, balance: balance, storageRoot: root,
            codeHash: code.isEmpty ? Account.emptyCodeHashBytes : Keccak256.hash(code))
    }
}

extension Account {
    /// As the account trie holds it: RLP of nonce, balance, storage root and code hash.
    public var encoded: [UInt8] { rlp }
}
