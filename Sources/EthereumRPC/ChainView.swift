public import ChoraleBase
public import Execution
public import TransactionPool

/// Names of blocks.
public enum BlockTag: String, CaseIterable, Hashable, Sendable {
    case earliest
    /// Committed last.
    case latest
    /// Checked by more than two thirds of the stake.
    case safe
    case finalized
    /// What the next block would build on: here the committed state, and nonces with those in the pool.
    case pending
}

/// A block of the chain.
public struct ChainBlock: Sendable {
    public var block: Block
    public var hash: Bytes32
    /// Of its encoding, in bytes.
    public var size: Int
    /// Of its transactions; nil to recover them.
    public var senders: [Address]?

    public init(block: Block, hash: Bytes32, size: Int, senders: [Address]? = nil) {
        self.block = block
        self.hash = hash
        self.size = size
        self.senders = senders
    }
}

/// Why the chain could not be read.
public enum ChainFailure: Error, Hashable, Sendable {
    /// In the words of what keeps it.
    case unavailable(String)
    /// It was there once; what is kept begins at `oldest`, where that is known.
    case pruned(number: UInt64, oldest: UInt64?)
    case state(StateError)
}

extension ChainFailure: CustomStringConvertible {
    public var description: String {
        switch self {
        case .unavailable(let detail): "the chain could not be read: \(detail)"
        case .pruned(let number, nil): "pruned history unavailable: block \(number)"
        case .pruned(let number, let oldest?):
            "pruned history unavailable: block \(number), the oldest is \(oldest)"
        case .state(let error): "\(error)"
        }
    }
}

/// How far a node that is behind has come.
public struct SyncProgress: Hashable, Sendable {
    public var starting: UInt64
    public var current: UInt64
    public var highest: UInt64

    public init(starting: UInt64, current: UInt64, highest: UInt64) {
        self.starting = starting
        self.current = current
        self.highest = highest
    }
}

/// What calls are answered from: committed blocks, the state after them, and the pool.
///
/// Read by a worker, which may wait for a disk, and in `submit` for the thread that owns the pool. One call
/// asks several times; what was committed never changes, so its answers fit together.
public protocol ChainView: AnyObject {
    var rules: ChainRules { get }
    /// For `web3_clientVersion`, as in `Chorale/v0.1.0/linux-x86_64`.
    var clientVersion: String { get }
    var peerCount: Int { get }
    var isListening: Bool { get }
    /// nil when it is not behind.
    var syncing: SyncProgress? { get }

    /// The number of the block with this name; nil when there is none yet. Never asked for `pending`.
    func number(of tag: BlockTag) throws(ChainFailure) -> UInt64?
    /// The number of the committed block with this hash.
    func number(of hash: Bytes32) throws(ChainFailure) -> UInt64?
    /// The header of a committed block and its hash; nil when there is none.
    func header(at number: UInt64) throws(ChainFailure) -> (header: Header, hash: Bytes32)?
    func block(at number: UInt64) throws(ChainFailure) -> ChainBlock?
    /// Receipts of a committed block, in order; nil when there is no such block.
    func receipts(at number: UInt64) throws(ChainFailure) -> [Receipt]?
    /// Where a transaction was included.
    func location(of transaction: Bytes32) throws(ChainFailure) -> (number: UInt64, index: Int)?
    /// The state after a committed block. Its `blockHash` answers for the 256 blocks below.
    func state(after number: UInt64) throws(ChainFailure) -> any StateReader
    /// What executing a committed block needs; nil when it is not kept and cannot be made.
    func witness(of number: UInt64) throws(ChainFailure) -> Witness?

    /// A transaction that waits.
    func pooled(_ hash: Bytes32) -> PooledTransaction?
    /// As ``TransactionPool/TransactionPool/pendingNonce(of:)``.
    func pendingNonce(of sender: Address) -> UInt64?
    /// Gives a transaction to the pool as a local one. Returns its hash.
    func submit(_ encoding: [UInt8]) throws(PoolRejection) -> Bytes32
}
