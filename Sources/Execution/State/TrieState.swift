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
///
/// All tries lie in one arena, so that the hundreds of small ones of a block's contracts cost no
/// memory of their own, and one limit holds for all.
public final class TrieState<Source: TrieNodeSource & CodeSource>: StateReader {
    let source: Source
    /// That of the accounts is the one that it stands at, but inside of ``atStorage(of:_:_:)``.
    private(set) var tries: Trie
    private var storageRoots: [Address: TrieNodeID] = [:]
    /// Hashes of ancestors by their number.
    private let blockHashes: [UInt64: Bytes32]
    private let records: Bool
    /// Codes that were asked for: part of the witness of what was done.
    public private(set) var resolvedCodes: Set<Bytes32> = []
    /// The same in the order of their first use, with their sizes.
    private var codeRecord: [(hash: Bytes32, size: Int)] = []
    private var resolvedCodeSize = 0
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
        self.records = records
        tries = Trie(root: root, limits: limits, records: records)
        // A stock beyond the limits is not taken over; then what is read of it meets them.
        if let stock = source.stock { try? tries.stockUp(stock) }
    }

    /// Does something with the trie of an account's storage.
    @inline(__always)
    private func atStorage<Result>(
        of address: Address, _ root: Bytes32,
        _ body: (inout Trie) throws(TrieError) -> Result
    ) throws(TrieError) -> Result {
        let known = storageRoots[address]
        let accounts = tries.rootNode
        tries.rootNode = known ?? tries.unseenRoot(root)
        defer {
            if tries.rootNode != known { storageRoots[address] = tries.rootNode }
            tries.rootNode = accounts
        }
        return try body(&tries)
    }

    // MARK: Reading

    public func account(at address: Address) throws(StateError) -> Account? {
        let key = TrieKey(Keccak256.hash(address.storage.span))
        let found: Account??
        do throws(TrieError) {
            found = try tries.account(at: key, from: source)
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
            found = try atStorage(of: address, account.storageRoot) { (trie) throws(TrieError) in
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
        let code = try source.neededCode(hash)
        if records, resolvedCodes.insert(hash).inserted {
            codeRecord.append((hash, code.size))
            resolvedCodeSize += code.size
        }
        return code
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
        let keys = ChangedKeys(changes)
        do throws(TrieError) {
            var storages: [TrieNodeID] = []
            for (index, change) in changes.enumerated() where change.account != nil {
                if let root = try applySlots(of: change, keys.slots[index], order) {
                    storages.append(root)
                }
            }
            // All storages at once: many small tries fill what hashes several nodes together.
            tries.refer(to: storages)

            var accounts = TrieBatch()
            for (index, change) in changes.enumerated() {
                guard var account = change.account else {
                    accounts.append(keys.accounts[index], nil)
                    storageRoots[change.address] = nil
                    continue
                }
                account.storageRoot = storageRoot(of: change, account)
                accounts.append(keys.accounts[index], account.rlp)
            }
            try tries.apply(accounts, order: order, from: source)
            return tries.root()
        } catch {
            throw StateError(error)
        }
    }

    /// Returns the root node of the account's storage, if a slot was changed.
    private func applySlots(
        of change: AccountChange, _ keys: ArraySlice<Bytes32>, _ order: Trie.ChangeOrder
    ) throws(TrieError) -> TrieNodeID? {
        if change.isStorageCleared { storageRoots[change.address] = .nothing }
        guard let account = change.account, !change.slots.isEmpty else { return nil }
        var slots = TrieBatch()
        for (key, slot) in zip(keys, change.slots) {
            slots.append(key, slot.value.isZero ? nil : slot.value.rlp)
        }
        return try atStorage(of: change.address, account.storageRoot) {
            (trie) throws(TrieError) in
            try trie.apply(slots, order: order, from: source)
            return trie.rootNode
        }
    }

    private func storageRoot(of change: AccountChange, _ account: Account) -> Bytes32 {
        guard !change.slots.isEmpty || change.isStorageCleared,
            let root = storageRoots[change.address]
        else { return account.storageRoot }
        return tries.root(of: root)
    }

    /// Calls `body` with every node that the tries have now and did not take from the source.
    public func forEachNewNode(_ body: (Bytes32, [UInt8]) -> Void) {
        let known = tries.taken
        let accounts = tries.rootNode
        defer { tries.rootNode = accounts }
        for (_, root) in storageRoots.sorted(by: { $0.key < $1.key }) {
            tries.rootNode = root
            tries.forEachNewNode(known: known, body)
        }
        tries.rootNode = accounts
        tries.forEachNewNode(known: known, body)
    }

    /// Bytes of the nodes and codes of which the witness of what was done until now consists, those that
    /// two accounts share counted twice.
    public var witnessSize: Int { tries.resolvedSize + resolvedCodeSize }

    /// How much has been recorded.
    struct RecordMark {
        fileprivate let nodes: Int
        fileprivate let codes: Int
        fileprivate let oldestBlockHash: UInt64?
    }

    var recordMark: RecordMark {
        RecordMark(
            nodes: tries.resolved.count, codes: codeRecord.count,
            oldestBlockHash: oldestBlockHash)
    }

    /// Takes out of the record what came into it since: whoever read it has not been.
    func forgetRecord(since mark: RecordMark) {
        tries.forget(after: mark.nodes)
        while codeRecord.count > mark.codes {
            let (hash, size) = codeRecord.removeLast()
            resolvedCodes.remove(hash)
            resolvedCodeSize -= size
        }
        oldestBlockHash = mark.oldestBlockHash
    }

    /// Hashes of the nodes taken from the source: the rest of the witness of what was done.
    ///
    /// Two accounts may share a node.
    public var resolvedNodes: Set<Bytes32> { Set(tries.resolved) }
}

/// The hashes of what a block has changed, made together: several at once cost little more than one.
private struct ChangedKeys {
    /// One for each change.
    let accounts: ArraySlice<Bytes32>
    /// Those of the slots of each change.
    private(set) var slots: [ArraySlice<Bytes32>] = []

    init(_ changes: [AccountChange]) {
        var bytes: [UInt8] = []
        var parts: [Range<Int>] = []
        let slotCount = changes.reduce(0) { $0 + $1.slots.count }
        bytes.reserveCapacity(Address.size * changes.count + Bytes32.size * slotCount)
        parts.reserveCapacity(changes.count + slotCount)
        func add(_ preimage: Span<UInt8>) {
            bytes.append(contentsOf: preimage)
            parts.append(bytes.count - preimage.count..<bytes.count)
        }
        for change in changes { add(change.address.storage.span) }
        for change in changes {
            for slot in change.slots {
                let word = slot.key.bytes32
                add(word.storage.span)
            }
        }
        let hashes = Keccak256.hashes(of: parts, in: bytes.span)
        accounts = hashes[..<changes.count]
        slots.reserveCapacity(changes.count)
        var start = changes.count
        for change in changes {
            slots.append(hashes[start..<start + change.slots.count])
            start += change.slots.count
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
}

extension Account {
    /// As the account trie holds it; nil for anything else.
    public init?(rlp: Span<UInt8>) {
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

    /// As the account trie holds it.
    public var rlp: [UInt8] {
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
    public init?(rlp: Span<UInt8>) {
        guard let item = try? RLPReader.item(rlp), item.kind == .bytes, !item.payload.isEmpty,
            rlp[item.payload.lowerBound] != 0
        else { return nil }
        self.init(bigEndian: rlp.extracting(item.payload))
    }

    /// As a storage trie holds it.
    public var rlp: [UInt8] {
        var writer = RLPWriter()
        writer.word(self)
        return writer.bytes
    }
}
