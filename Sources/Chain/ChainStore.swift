public import ChoraleBase
public import ChoraleTypes
public import Execution

/// A committed block as it is kept.
public struct StoredBlock: Hashable, Sendable {
    /// 0 is the genesis, which has no consensus block and no commit.
    public var height: UInt64
    /// Of the consensus block; of the genesis its own name.
    public var blockID: Bytes32
    /// Of the execution block in ``payload``.
    public var blockHash: Bytes32
    /// A `ConsensusBlock` in SSZ; empty for the genesis.
    public var block: [UInt8]
    /// An execution block in RLP. Its number is ``height``.
    public var payload: [UInt8]
    /// The `Commit` in SSZ by which the block is final; empty for the genesis.
    public var commit: [UInt8]

    public init(
        height: UInt64, blockID: Bytes32, blockHash: Bytes32, block: [UInt8], payload: [UInt8],
        commit: [UInt8]
    ) {
        self.height = height
        self.blockID = blockID
        self.blockHash = blockHash
        self.block = block
        self.payload = payload
        self.commit = commit
    }
}

/// What executing a block made of the state, and what readers will ask for.
public struct ExecutionWrite: Sendable {
    /// Of the execution block.
    public var header: Header
    /// After the block.
    public var stateRoot: Bytes32
    /// Of the block's transactions, in order.
    public var transactionHashes: [Bytes32]
    /// Of the same; nil where the block was not executed, with a checkpoint.
    public var receipts: [Receipt]?
    /// Net changes against the block before.
    public var changes: [AccountChange]
    /// Trie nodes that this state has and the one before did not, with their hashes.
    public var newNodes: [(hash: Bytes32, encoding: [UInt8])]

    public init(
        header: Header, stateRoot: Bytes32, transactionHashes: [Bytes32], receipts: [Receipt]?,
        changes: [AccountChange], newNodes: [(hash: Bytes32, encoding: [UInt8])]
    ) {
        self.header = header
        self.stateRoot = stateRoot
        self.transactionHashes = transactionHashes
        self.receipts = receipts
        self.changes = changes
        self.newNodes = newNodes
    }
}

/// Everything that one height adds: it is written whole or not at all.
public struct BlockWrite: Sendable {
    public var block: StoredBlock
    /// nil where no state is kept.
    public var execution: ExecutionWrite?
    /// The new value of ``ChainStore/head``.
    public var head: [UInt8]
    /// Encodings of the headers before the first height of a store that begins at a checkpoint, the parent's
    /// first: what BLOCKHASH asks for. Later heights bring none.
    public var ancestors: [[UInt8]] = []

    public init(block: StoredBlock, execution: ExecutionWrite?, head: [UInt8]) {
        self.block = block
        self.execution = execution
        self.head = head
    }
}

/// Blocks that wait for agreement.
public enum BlockCandidates {
    /// Most of them: one a round, for more rounds than a height is likely to take.
    public static let countMax = 16
}

/// Where committed blocks and the state after the last of them are kept.
///
/// Owned by one thread, which may wait for a disk. As a source of nodes and codes it answers for the
/// state after the last block written.
public protocol ChainStore: AnyObject, TrieNodeSource, CodeSource {
    /// What was given with the last block; nil when there is not even a genesis.
    var head: [UInt8]? { get }

    /// Adds the next height: all of it or nothing, at once on the disk when `sync` says so.
    ///
    /// - Precondition: `block.height` is one above the last, or anything in an empty store.
    func write(_ write: BlockWrite, sync: Bool) throws(StoreFailure)

    /// Brings to the disk whatever was written without a sync.
    func sync() throws(StoreFailure)

    /// Keeps a block that was found valid and may yet become final, at once on the disk: whoever votes for it has
    /// it after any crash, and so somebody has it whatever happens to all.
    ///
    /// - Parameter contents: a ``BlockContents`` in SSZ, for the height after the last block. The next
    ///   ``write(_:sync:)`` forgets it; of more than ``BlockCandidates/countMax`` the oldest goes.
    func keep(candidate id: Bytes32, _ contents: [UInt8]) throws(StoreFailure)

    /// What is kept so, the oldest first.
    func candidates() throws(StoreFailure) -> [[UInt8]]

    /// The block at a height; nil when it is not here, or not any more.
    func block(at height: UInt64) throws(StoreFailure) -> StoredBlock?

    /// The height of the committed consensus block with this name.
    func height(of blockID: Bytes32) throws(StoreFailure) -> UInt64?

    /// The lowest height whose block is here; nil in an empty store.
    var earliest: UInt64? { get }

    /// The encoding of the execution header at a height: of a block that is here, or one of
    /// ``BlockWrite/ancestors``.
    func header(at height: UInt64) throws(StoreFailure) -> [UInt8]?

    /// What ``head`` was at a height, for the last few multiples of ``CheckpointID/interval``.
    func checkpoint(at height: UInt64) throws(StoreFailure) -> [UInt8]?
}
