public import ChoraleBase
import Codec
import Crypto

/// Where codes are found by their hash.
public protocol CodeSource {
    /// The code with this hash; nil when it is not at hand.
    ///
    /// - Throws: when the source cannot tell.
    func code(_ hash: Bytes32) throws(SourceFailure) -> Code?
}

/// The state as its tries: reads it, and applies a block's changes to it.
///
/// Nodes are taken from a source as they are needed. One of these serves one block: after
/// ``apply(_:order:)`` it is the state after the block, whose new nodes ``forEachNewNode(_:)`` gives.
public final class TrieState<Source: TrieNodeSource & CodeSource>: StateReader {
    let source: Source
    private var accounts: Trie
    private var storages: [Address: Trie] = [:]
    /// Hashes of ancestors by their number.
    private let blockHashes: [UInt64: Bytes32]
    private let limits: Trie.Limits
    private let records: Bool
    /// Nodes and bytes of all storage tries together, at most as many again as one trie may have.
    private var storageSize = Trie.Size()
    /// Nodes that were read of storage that is gone now.
    private var droppedStorages: Set<Bytes32> = []
    /// Codes that were asked for: part of the witness of what was done.
    public private(set) var resolvedCodes: Set<Bytes32> = []
    /// The lowest block whose hash was asked for.
    public private(set) var oldestBlockHash: UInt64?

    /// - Parameters:
    ///   - blockHashes: of ancestors, by their number.
    ///   - records: whether the nodes and codes that are used are noted, for a witness.
    public init(
        root: Bytes32, source: Source, blockHashes: [UInt64: Bytes32],
        limits: Trie.Limits = .state, records: Bool = true
    ) {
        self.source = source
        self.blockHashes = blockHashes
        self.limits = limits
        self.records = records
        accounts = Trie(root: root, limits: limits, records: records)
    }

    private func storage(_ root: Bytes32) -> Trie {
        Trie(root: root, limits: limits, records: records)
    }

    // MARK: Reading

    public func account(at address: Address) throws(StateError) -> Account? {
        let key = TrieKey(Keccak256.hash(address.storage.span))
        let found: Account??
        do throws(TrieError) {
            found = try accounts.account(at: key, from: source)
        } catch {
            throw StateError(error)
        }
        guard let found else { return nil }
        guard let account = found else { throw .accountMalformed(address) }
        return account
    }

    public func storage(
        at slot: UInt256, of address: Address, _ account: Account
    ) throws(StateError) -> UInt256 {
        let key = TrieKey(Keccak256.hash(slot.bytes32.storage.span))
        let found: UInt256??
        do throws(TrieError) {
            // In place: a copy taken out and put back would copy the trie.
            found = try storages[
                address, default: storage(account.storageRoot)
            ].counted(&storageSize, limits) { (trie) throws(TrieError) in
                try trie.word(at: key, from: source)
            }
        } catch {
            throw StateError(error)
        }
        guard let found else { return .zero }
        guard let value = found else { throw .slotMalformed(address, slot: slot) }
        return value
    }

    public func code(_ hash: Bytes32, of address: Address) throws(StateError) -> Code {
        if records { resolvedCodes.insert(hash) }
        return try source.neededCode(hash)
    }

    public func blockHash(_ number: UInt64) throws(StateError) -> Bytes32 {
        oldestBlockHash = min(oldestBlockHash ?? number, number)
        guard let hash = blockHashes[number] else { throw .blockHashMissing(number) }
        return hash
    }

    // MARK: Writing

    /// Applies a block's changes. Returns the root of the state after them.
    public func apply(
        _ changes: [AccountChange], order: Trie.ChangeOrder = .updatesFirst
    ) throws(StateError) -> Bytes32 {
        do throws(TrieError) {
            var entries: [Trie.Change] = []
            entries.reserveCapacity(changes.count)
            for change in changes {
                let key = Keccak256.hash(change.address.storage.span).bytes
                guard var account = change.account else {
                    entries.append(.init(key: key, value: nil))
                    droppedStorages.formUnion(storages[change.address]?.resolved ?? [])
                    storages[change.address] = nil
                    continue
                }
                account.storageRoot = try storageRoot(account, change, order)
                entries.append(.init(key: key, value: account.rlp))
            }
            try accounts.apply(entries, order: order, from: source)
            return accounts.root()
        } catch {
            throw StateError(error)
        }
    }

    private func storageRoot(
        _ account: Account, _ change: AccountChange, _ order: Trie.ChangeOrder
    ) throws(TrieError) -> Bytes32 {
        if change.isStorageCleared {
            droppedStorages.formUnion(storages[change.address]?.resolved ?? [])
            storages[change.address] = Trie(limits: limits)
        }
        guard !change.slots.isEmpty else {
            return change.isStorageCleared ? Trie.emptyRoot : account.storageRoot
        }
        let slots = change.slots.map { slot in
            Trie.Change(
                key: Keccak256.hash(slot.key.bytes32.storage.span).bytes,
                value: slot.value.isZero ? nil : slot.value.rlp)
        }
        return try storages[
            change.address, default: storage(account.storageRoot)
        ].counted(&storageSize, limits) { (trie) throws(TrieError) in
            try trie.applied(slots, order: order, from: source)
        }
    }

    /// Calls `body` with every node that the tries have now and did not take from the source.
    public func forEachNewNode(_ body: (Bytes32, [UInt8]) -> Void) {
        for address in storages.keys.sorted() { storages[address]?.forEachNewNode(body) }
        accounts.forEachNewNode(body)
    }

    /// The tries that are there, and nodes of those that are not any more: what a witness is made of.
    var recorded: (tries: [Trie], dropped: Set<Bytes32>) {
        ([accounts] + storages.values, droppedStorages)
    }

    /// Hashes of the nodes taken from the source: the rest of the witness of what was done.
    ///
    /// Two accounts may share a node.
    public var resolvedNodes: Set<Bytes32> {
        storages.values.reduce(into: Set(accounts.resolved).union(droppedStorages)) {
            $0.formUnion($1.resolved)
        }
    }
}

extension CodeSource {
    /// The code with this hash, without which nothing goes on.
    func neededCode(_ hash: Bytes32) throws(StateError) -> Code {
        let code: Code?
        do throws(SourceFailure) {
            code = try self.code(hash)
        } catch {
            throw .source(error)
        }
        guard let code else { throw .codeMissing(hash) }
        return code
    }
}

extension Trie {
    /// How much tries hold.
    fileprivate struct Size {
        var nodes = 0
        var bytes = 0
    }

    /// Does something with the trie, and adds what it holds then to what others do.
    @inline(__always)
    fileprivate mutating func counted<Result>(
        _ size: inout Size, _ limits: Limits,
        _ body: (inout Trie) throws(TrieError) -> Result
    ) throws(TrieError) -> Result {
        let before = Size(nodes: nodes.count, bytes: bytes.count)
        let result = try body(&self)
        size.nodes += nodes.count - before.nodes
        size.bytes += bytes.count - before.bytes
        guard size.nodes <= limits.nodeCountMax else {
            throw .tooManyNodes(limit: limits.nodeCountMax)
        }
        guard size.bytes <= limits.byteCountMax else {
            throw .tooLarge(limit: limits.byteCountMax)
        }
        return result
    }

    /// The account at a key: nil when there is none, nil inside when what is there is no account.
    fileprivate mutating func account(
        at key: TrieKey, from source: borrowing some TrieNodeSource
    ) throws(TrieError) -> Account?? {
        guard let entry = try find(key, from: source) else { return .none }
        return .some(Account(rlp: bytes.span.extracting(entry.range)))
    }

    /// The word at a key: nil when there is none, nil inside when what is there is no word.
    fileprivate mutating func word(
        at key: TrieKey, from source: borrowing some TrieNodeSource
    ) throws(TrieError) -> UInt256?? {
        guard let entry = try find(key, from: source) else { return .none }
        return .some(UInt256(rlp: bytes.span.extracting(entry.range)))
    }

    fileprivate mutating func applied(
        _ changes: [Change], order: ChangeOrder, from source: borrowing some TrieNodeSource
    ) throws(TrieError) -> Bytes32 {
        try apply(changes, order: order, from: source)
        return root()
    }
}

extension Account {
    /// As the account trie holds it; nil for anything else.
    init?(rlp: Span<UInt8>) {
        do throws(RLPError) {
            var fields = try RLPReader.item(rlp).list(itemCountMax: 4)
            nonce = try fields.uint64(rlp)
            balance = try fields.uint256(rlp)
            storageRoot = try fields.bytes32(rlp)
            codeHash = try fields.bytes32(rlp)
            try fields.finish()
        } catch {
            return nil
        }
    }

    var rlp: [UInt8] {
        var writer = RLPWriter()
        let list = writer.beginList()
        writer.integer(nonce)
        writer.word(balance)
        writer.digest(storageRoot)
        writer.digest(codeHash)
        writer.endList(list)
        return writer.bytes
    }
}

extension UInt256 {
    /// As a storage trie holds it: without leading zeros, and never zero.
    init?(rlp: Span<UInt8>) {
        guard let item = try? RLPReader.item(rlp), item.kind == .bytes, !item.payload.isEmpty,
            rlp[item.payload.lowerBound] != 0
        else { return nil }
        self.init(bigEndian: rlp.extracting(item.payload))
    }

    var rlp: [UInt8] {
        var writer = RLPWriter()
        writer.word(self)
        return writer.bytes
    }
}
