import Chain
import ChoraleBase
import EthereumRPC
import Execution
import Node
import Store
import Synchronization
import TransactionPool

/// What the node says of itself at the moment, for threads that must not ask it each time.
final class ChainBoard: Sendable {
    struct Reading: Sendable {
        var peerCount = 0
        var isListening = false
        var sync: SyncProgress?
    }

    private let reading = Mutex(Reading())

    func publish(_ value: Reading) { reading.withLock { $0 = value } }

    var current: Reading { reading.withLock { $0 } }
}

/// The chain of a running node as calls of wallets see it: blocks and state from the database, the pool from
/// the node.
///
/// For one thread at a time; a server's workers have one each.
final class NodeChainView: ChainView {
    let rules: ChainRules
    let clientVersion: String
    private let reader: ChainReader
    private let calls: NodeCalls
    private let board: ChainBoard

    init(
        rules: ChainRules, clientVersion: String, reader: ChainReader, calls: NodeCalls,
        board: ChainBoard
    ) {
        self.rules = rules
        self.clientVersion = clientVersion
        self.reader = reader
        self.calls = calls
        self.board = board
    }

    var peerCount: Int { board.current.peerCount }
    var isListening: Bool { board.current.isListening }
    var syncing: SyncProgress? { board.current.sync }

    private func read<Value>(
        _ body: () throws(ChainReadError) -> Value
    ) throws(ChainFailure) -> Value {
        do throws(ChainReadError) {
            return try body()
        } catch {
            switch error {
            case .pruned(let height, let oldest):
                throw .pruned(number: height, oldest: oldest)
            default:
                throw .unavailable("\(error)")
            }
        }
    }

    func number(of tag: BlockTag) throws(ChainFailure) -> UInt64? {
        let reader = reader
        switch tag {
        case .earliest:
            return try read { () throws(ChainReadError) in try reader.oldest()?.block }
        // A committed block was executed, with its roots withheld, by more than two thirds of the stake
        // before they voted for it: it is safe, and with this gadget final.
        case .latest, .safe, .finalized, .pending:
            return try read { () throws(ChainReadError) in try reader.head()?.height }
        }
    }

    func number(of hash: Bytes32) throws(ChainFailure) -> UInt64? {
        try read { () throws(ChainReadError) in try reader.number(of: hash) }
    }

    func header(at number: UInt64) throws(ChainFailure) -> (header: Header, hash: Bytes32)? {
        try read { () throws(ChainReadError) in try reader.header(at: number) }
    }

    func block(at number: UInt64) throws(ChainFailure) -> ChainBlock? {
        let found = try read { () throws(ChainReadError) in try reader.payload(at: number) }
        guard let found else { return nil }
        do throws(BlockError) {
            return ChainBlock(
                block: try Block(found.payload.span), hash: found.hash, size: found.payload.count)
        } catch {
            throw .unavailable("block \(number) is damaged: \(error)")
        }
    }

    func receipts(at number: UInt64) throws(ChainFailure) -> [Receipt]? {
        try read { () throws(ChainReadError) in try reader.receipts(at: number) }
    }

    func location(
        of transaction: Bytes32
    ) throws(ChainFailure) -> (number: UInt64, index: Int)? {
        try read { () throws(ChainReadError) in try reader.location(of: transaction) }
    }

    func state(after number: UInt64) throws(ChainFailure) -> any StateReader {
        try read { () throws(ChainReadError) in try reader.state(after: number) }
    }

    func witness(of number: UInt64) throws(ChainFailure) -> Witness? {
        try read { () throws(ChainReadError) in try reader.witness(of: number, rules: rules) }
    }

    // MARK: The pool

    func pooled(_ hash: Bytes32) -> PooledTransaction? {
        guard case .pooled(let entry) = calls.call(.poolQuery(.transaction(hash))) else {
            return nil
        }
        return entry
    }

    func pendingNonce(of sender: Address) -> UInt64? {
        guard case .pendingNonce(let nonce) = calls.call(.poolQuery(.pendingNonce(sender))) else {
            return nil
        }
        return nonce
    }

    func submit(_ encoding: [UInt8]) throws(PoolRejection) -> Bytes32 {
        switch calls.call(.submitTransaction(encoding)) {
        case .transaction(.success(let hash)): return hash
        case .transaction(.failure(let rejection)): throw rejection
        case .failed(let failure): throw .state(.source(.unavailable(failure.message)))
        default: throw .state(.source(.unavailable("the node gave no answer")))
        }
    }
}
