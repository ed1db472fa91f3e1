import ChoraleBase
import ChoraleTypes
import Codec
import Crypto
import Execution

/// What a block has changed in the state, found by walking its tries before and after side by side.
///
/// From the nodes themselves, so that flat rows say what the tries say, and so that the nodes that come and
/// go are counted for each place where they stand. Nodes that are the same are not entered: the walk takes
/// what the block changed, and where a storage went as a whole, nothing.
struct TrieDifference {
    /// Where nodes come from.
    struct Source {
        /// A node of the state before, and the birth of its row.
        let old: (Bytes32) throws(StoreFailure) -> (encoding: [UInt8], birth: UInt64)
        /// A node of the state after.
        let new: (Bytes32) throws(StoreFailure) -> [UInt8]
    }

    struct Birth {
        let hash: Bytes32
        let encoding: [UInt8]
    }

    struct AccountEntry {
        let key: Bytes32
        /// As the trie holds it; nil for none.
        let old: [UInt8]?
        let new: [UInt8]?
        /// Of the storage before and after, where that is not empty.
        var oldIncarnation: UInt64?
        var newIncarnation: UInt64?
    }

    struct SlotEntry {
        let account: Bytes32
        let incarnation: UInt64
        let key: Bytes32
        /// As the trie holds it; nil for zero.
        let old: [UInt8]?
        let new: [UInt8]?
    }

    /// Nodes that stand somewhere where they did not, one for each place.
    private(set) var births: [Birth] = []
    private(set) var deaths = NodeDeaths()
    private(set) var accounts: [AccountEntry] = []
    private(set) var slots: [SlotEntry] = []
    /// Storages that went as a whole.
    private(set) var goneStorages: [(account: Bytes32, incarnation: UInt64)] = []

    private let source: Source
    private let height: UInt64
    /// Accounts whose storage of before is gone, though they may have one again.
    private let cleared: Set<Bytes32>
    /// The incarnation of an account's storage before the block.
    private let incarnation: (Bytes32) throws(StoreFailure) -> UInt64
    private var path: [UInt8] = []
    /// Whose storage is walked; nil in the trie of accounts.
    private var storage: (account: Bytes32, incarnation: UInt64)?

    /// - Parameter height: of the block, which is the incarnation of storages that begin with it.
    init(
        from oldRoot: Bytes32, to newRoot: Bytes32, height: UInt64, cleared: Set<Bytes32>,
        _ source: Source, incarnation: @escaping (Bytes32) throws(StoreFailure) -> UInt64
    ) throws(StoreFailure) {
        self.source = source
        self.height = height
        self.cleared = cleared
        self.incarnation = incarnation
        try compare(Self.root(oldRoot), Self.root(newRoot))
    }

    private static func root(_ root: Bytes32) -> TrieNodeView.Child {
        root == Trie.emptyRoot ? .nothing : .hash(root)
    }

    private mutating func compare(
        _ old: TrieNodeView.Child, _ new: TrieNodeView.Child
    ) throws(StoreFailure) {
        if case .hash(let first) = old, case .hash(let second) = new {
            return try compare(first, second)
        }
        let before: TrieNodeView?
        switch old {
        case .nothing: before = nil
        case .node(let view): before = view
        case .hash(let hash): before = try death(hash)
        }
        let after: TrieNodeView?
        switch new {
        case .nothing: after = nil
        case .node(let view): after = view
        case .hash(let hash): after = try birth(hash)
        }
        try compare(before, after)
    }

    private mutating func compare(_ old: Bytes32, _ new: Bytes32) throws(StoreFailure) {
        guard old != new else { return }
        let before = try death(old)
        try compare(before, birth(new))
    }

    private mutating func death(_ hash: Bytes32) throws(StoreFailure) -> TrieNodeView {
        let (encoding, birth) = try source.old(hash)
        if storage == nil {
            deaths.accountNodes.append((hash, birth))
        } else {
            deaths.storageNodes.append(hash)
        }
        return try Self.view(encoding, hash)
    }

    private mutating func birth(_ hash: Bytes32) throws(StoreFailure) -> TrieNodeView {
        let encoding = try source.new(hash)
        births.append(Birth(hash: hash, encoding: encoding))
        return try Self.view(encoding, hash)
    }

    private static func view(
        _ encoding: [UInt8], _ hash: Bytes32
    ) throws(StoreFailure) -> TrieNodeView {
        do throws(RLPError) {
            return try TrieNodeView(encoding)
        } catch {
            throw .corrupt("node 0x\(hash) is no trie node: \(error)")
        }
    }

    private mutating func compare(
        _ old: TrieNodeView?, _ new: TrieNodeView?
    ) throws(StoreFailure) {
        let (oldRest, newRest) = (old?.leafPath, new?.leafPath)
        if let oldRest, new == nil || oldRest == newRest {
            return try entry(oldRest, old?.value, new?.value)
        }
        if let newRest, old == nil { return try entry(newRest, nil, new?.value) }
        guard path.count < 64 else { throw .corrupt("a trie of a state is deeper than 64") }
        // A path that is not used up has one way to go on.
        let only = (old == nil ? new : new == nil ? old : nil)?.onlyNibble
        for nibble in 0..<16 where only == nil || nibble == only {
            if let old, let new {
                if old.isEqual(to: new, at: nibble) { continue }
                // Nearly all there is, without a copy of either node.
                if let first = old.hash(at: nibble), let second = new.hash(at: nibble) {
                    path.append(UInt8(nibble))
                    try compare(first, second)
                    path.removeLast()
                    continue
                }
            }
            let (before, after) = try Self.children(old, new, nibble)
            if case (.nothing, .nothing) = (before, after) { continue }
            path.append(UInt8(nibble))
            try compare(before, after)
            path.removeLast()
        }
    }

    private static func children(
        _ old: TrieNodeView?, _ new: TrieNodeView?, _ nibble: Int
    ) throws(StoreFailure) -> (TrieNodeView.Child, TrieNodeView.Child) {
        do throws(RLPError) {
            return (try old?.child(nibble) ?? .nothing, try new?.child(nibble) ?? .nothing)
        } catch {
            throw .corrupt("a trie node has a child that is none: \(error)")
        }
    }

    /// An entry that is in one of the tries, or in both.
    private mutating func entry(
        _ rest: ArraySlice<UInt8>, _ old: [UInt8]?, _ new: [UInt8]?
    ) throws(StoreFailure) {
        guard old != new else { return }
        guard path.count + rest.count == 64 else {
            let count = path.count + rest.count
            throw .corrupt("a key of a state's trie has \(count) nibbles, not 64")
        }
        var bytes = [32 of UInt8](repeating: 0)
        for (index, nibble) in path.enumerated() {
            bytes[index / 2] |= nibble << (index & 1 == 0 ? 4 : 0)
        }
        for (index, nibble) in zip(path.count..<64, rest) {
            bytes[index / 2] |= nibble << (index & 1 == 0 ? 4 : 0)
        }
        let key = Bytes32(storage: bytes)
        if let storage {
            slots.append(
                SlotEntry(
                    account: storage.account, incarnation: storage.incarnation, key: key, old: old,
                    new: new))
        } else {
            try account(key, old, new)
        }
    }

    private mutating func account(
        _ key: Bytes32, _ old: [UInt8]?, _ new: [UInt8]?
    ) throws(StoreFailure) {
        let oldRoot = try Self.storageRoot(old, of: key)
        let newRoot = try Self.storageRoot(new, of: key)
        var entry = AccountEntry(key: key, old: old, new: new)
        if oldRoot != Trie.emptyRoot { entry.oldIncarnation = try incarnation(key) }
        let isCleared = new == nil || cleared.contains(key)
        if newRoot != Trie.emptyRoot {
            let goesOn = oldRoot == newRoot || !isCleared
            entry.newIncarnation = goesOn ? entry.oldIncarnation ?? height : height
        }
        accounts.append(entry)
        guard oldRoot != newRoot else { return }
        let accountPath = path
        path = []
        defer {
            path = accountPath
            storage = nil
        }
        if isCleared, oldRoot != Trie.emptyRoot, let incarnation = entry.oldIncarnation {
            deaths.subtries.append(oldRoot)
            goneStorages.append((key, incarnation))
            storage = (key, height)
            try compare(.nothing, Self.root(newRoot))
        } else {
            storage = (key, entry.newIncarnation ?? entry.oldIncarnation ?? height)
            try compare(Self.root(oldRoot), Self.root(newRoot))
        }
    }

    private static func storageRoot(
        _ account: [UInt8]?, of key: Bytes32
    ) throws(StoreFailure) -> Bytes32 {
        guard let account else { return Trie.emptyRoot }
        guard let account = Account(rlp: account.span) else {
            throw .corrupt("the account with hash 0x\(key) is none")
        }
        return account.storageRoot
    }
}

/// An account of the flat state: what the trie holds, and the incarnation of its storage where there is one.
struct FlatAccount {
    let account: Account
    let incarnation: UInt64?

    static func bytes(_ rlp: [UInt8]?, _ incarnation: UInt64?) -> [UInt8] {
        guard var bytes = rlp else { return [] }
        if let incarnation { bytes.appendBigEndian(incarnation) }
        return bytes
    }

    /// nil for what is no account.
    init?(_ bytes: [UInt8]) {
        let span = bytes.span
        if let account = Account(rlp: span) {
            guard account.storageRoot == Trie.emptyRoot else { return nil }
            self.account = account
            incarnation = nil
        } else {
            guard bytes.count > 8,
                let account = Account(rlp: span.extracting(..<(bytes.count - 8)))
            else { return nil }
            self.account = account
            incarnation = span.loadBigEndian(UInt64.self, at: bytes.count - 8)
        }
    }
}
