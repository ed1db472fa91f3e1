import Execution

/// How much memory and disk a chain may use, and how much of its past is kept.
public struct ChainStoreOptions: Hashable, Sendable {
    /// Memory, files and disk of the database, and its caches.
    public var state = StateOptions()
    /// Heights whose tries are kept, the head's among them: at least 2. Their witnesses can be made again,
    /// and their state can be proven and handed out.
    ///
    /// 128: a late reader of ranges has two minutes at one block a second, as with other clients.
    public var trieCountMax: UInt64 = 128
    /// Heights before the head whose state can be read through reverse diffs.
    ///
    /// 8,192: what contracts can look back at, too (EIP-2935). Of 1,000 transfers a height they take
    /// 2.5 GB, of a hundred a tenth of that.
    public var diffCountMax: UInt64 = 8192
    /// Blocks, receipts and locations of transactions below this height are deleted, a few with every
    /// height that is written. The last ``diffCountMax`` + 256 stay in any case.
    public var pruneBlocksBelow: UInt64 = 0
    public var limits = Limits()

    /// Of what one height may bring, in bytes or numbers.
    public struct Limits: Hashable, Sendable {
        /// Of the consensus block, the payload and the receipts, in bytes each.
        public var partSizeMax = 64 << 20
        /// Of a commit: 100,000 validators' signatures of 64 bytes.
        public var commitSizeMax = 8 << 20
        /// Of the chain's own record in the head.
        public var headSizeMax = 4 << 20
        /// New trie nodes: what 60 million gas can touch (``Trie/Limits/state``).
        public var nodeCountMax = 1 << 22
        /// Nodes of storages that went as a whole, taken down with one height.
        public var subtrieNodeCountMax = 4096
        /// Blocks and journals of old heights that are deleted with one height.
        public var heightCountMax: UInt64 = 4

        public init() {}
    }

    public init() {}
}
