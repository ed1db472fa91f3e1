import ChoraleBase
import EngineAPI
import EthereumRPC
import Execution
import TransactionPool

/// An engine's chain up to its head, as wallets see it. In the engine's turn only.
final class EngineChainView<Base: EngineBase>: ChainView {
    let rules: ChainRules
    let clientVersion = Version.client
    private let service: EngineService<Base>
    private let pool: EnginePool

    init(_ service: EngineService<Base>, _ rules: ChainRules, _ pool: EnginePool) {
        self.service = service
        self.rules = rules
        self.pool = pool
    }

    // Peers are the consensus client's.
    var peerCount: Int { 0 }
    var isListening: Bool { false }
    var syncing: SyncProgress? { nil }

    private func read<Value>(
        _ body: () throws(SourceFailure) -> Value
    ) throws(ChainFailure) -> Value {
        do throws(SourceFailure) {
            return try body()
        } catch {
            throw .unavailable("\(error)")
        }
    }

    func number(of tag: BlockTag) throws(ChainFailure) -> UInt64? {
        switch tag {
        case .earliest: 0
        case .latest, .pending: service.headNumber
        case .safe: try read { () throws(SourceFailure) in try service.safeNumber() }
        case .finalized: service.finalNumber
        }
    }

    func number(of hash: Bytes32) throws(ChainFailure) -> UInt64? {
        try read { () throws(SourceFailure) in try service.canonicalNumber(of: hash) }
    }

    func header(at number: UInt64) throws(ChainFailure) -> (header: Header, hash: Bytes32)? {
        try read { () throws(SourceFailure) in try service.canonicalHeader(at: number) }
    }

    func block(at number: UInt64) throws(ChainFailure) -> ChainBlock? {
        try read { () throws(SourceFailure) in
            try service.canonicalBlock(at: number).map {
                ChainBlock(block: $0.block, hash: $0.hash, size: $0.block.encoded.count)
            }
        }
    }

    func receipts(at number: UInt64) throws(ChainFailure) -> [Receipt]? {
        try read { () throws(SourceFailure) in try service.canonicalReceipts(at: number) }
    }

    func location(
        of transaction: Bytes32
    ) throws(ChainFailure) -> (number: UInt64, index: Int)? {
        try read { () throws(SourceFailure) in try service.canonicalLocation(of: transaction) }
    }

    func state(after number: UInt64) throws(ChainFailure) -> any StateReader {
        let found = try read { () throws(SourceFailure) in
            try service.canonicalState(after: number)
        }
        guard let found else { throw .pruned(number: number, oldest: nil) }
        return found
    }

    /// Only of blocks that were built here or asked for with a witness, until they are final.
    func witness(of number: UInt64) throws(ChainFailure) -> Witness? {
        service.heldWitness(of: number).flatMap { try? Witness(rlp: $0) }
    }

    // MARK: The pool

    func pooled(_ hash: Bytes32) -> PooledTransaction? { pool.transaction(hash) }

    func pendingNonce(of sender: Address) -> UInt64? { pool.pendingNonce(of: sender) }

    func submit(_ encoding: [UInt8]) throws(PoolRejection) -> Bytes32 {
        let state: (any StateReader)?
        do throws(SourceFailure) {
            state = try service.canonicalState(after: service.headNumber)
        } catch {
            throw .state(.source(error))
        }
        guard let state else {
            throw .state(.source(.unavailable("the state of the head is not there")))
        }
        return try pool.submit(encoding, state)
    }
}
