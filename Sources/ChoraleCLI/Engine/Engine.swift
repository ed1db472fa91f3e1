import ChoraleBase
import Codec
import EngineAPI
import EthereumRPC
import Execution
import JSONRPC
import Synchronization

/// What a server needs of an ``Engine``, whatever is under it.
protocol ServedEngine: Sendable {
    /// A call of a consensus client.
    func answer(_ request: RPCRequest) throws(RPCError) -> JSONValue
    /// A call of a wallet.
    func answerWallet(_ request: RPCRequest) throws(RPCError) -> JSONValue
}

/// An engine with its pool and its files, which is one caller's at a time.
///
/// Calls that change something take turns, as the specification wants them in their order, and wallets wait for
/// theirs, because they read what those change; stateless execution needs no turn.
// @unchecked: everything but `stateless` is touched under `turn` only.
final class Engine<Base: EngineBase>: ServedEngine, @unchecked Sendable {
    private let service: EngineService<Base>
    private let stateless: StatelessServices
    private let wallets: EthereumService
    private let observer: Observer
    private let turn = Mutex(())

    /// - Parameter files: nil for an engine that forgets.
    init(_ base: Base, _ rules: ChainRules, files: EngineFiles?) throws(Failure) {
        let pool = EnginePool(rules, head: base.head)
        service = EngineService(
            base: base, rules: rules, version: .ofThisProgram,
            transactions: { parent, baseFee in pool.candidates(after: parent, baseFee) })
        stateless = StatelessServices(rules: rules, mode: .compatible)
        wallets = EthereumService(EngineChainView(service, rules, pool))
        observer = Observer(service, pool, files)
        service.observer = observer
        try observer.restore()
    }

    func answer(_ request: RPCRequest) throws(RPCError) -> JSONValue {
        if EngineCalls.isStateless(request.method) { return try stateless.answer(request) }
        return try turn.withLock { _ throws(RPCError) in
            if EngineCalls.wallets.contains(request.method) { return try wallets.answer(request) }
            return try service.answer(request)
        }
    }

    func answerWallet(_ request: RPCRequest) throws(RPCError) -> JSONValue {
        try turn.withLock { _ throws(RPCError) in try wallets.answer(request) }
    }

    /// Keeps what the service tells, and lets the pool follow.
    private final class Observer: EngineObserver {
        private unowned let service: EngineService<Base>
        private let pool: EnginePool
        private let files: EngineFiles?

        init(_ service: EngineService<Base>, _ pool: EnginePool, _ files: EngineFiles?) {
            self.service = service
            self.pool = pool
            self.files = files
        }

        /// Brings back what another run knew.
        func restore() throws(Failure) {
            guard let files else { return }
            // Before blocks are inserted, which does not change it.
            let choice = try files.forkchoice()
            for block in try files.blocks(above: service.finalNumber) {
                if !service.restore(block) { files.drop(block.header.number, block.header.hash) }
            }
            guard let choice else { return }
            let isRestored = service.restore(
                head: choice.head, safe: choice.safe, finalized: choice.finalized)
            if !isRestored, choice.head != .zero {
                Console.error(
                    "block 0x\(choice.head), the head, is not there: "
                        + "beginning with the last final block, \(service.finalNumber)")
            }
        }

        func inserted(_ block: Block, _ hash: Bytes32) { files?.keep(block, hash) }

        func removed(_ number: UInt64, _ hash: Bytes32) { files?.drop(number, hash) }

        func chose(
            head: Bytes32, safe: Bytes32, finalized: Bytes32, _ change: EngineHeadChange
        ) {
            files?.keep(.init(head: head, safe: safe, finalized: finalized))
            let number = service.headNumber
            guard !change.dropped.isEmpty || !change.added.isEmpty,
                let header = try? service.canonicalHeader(at: number)?.header
            else { return }
            pool.follow(change, head: header, try? service.canonicalState(after: number))
        }
    }
}
