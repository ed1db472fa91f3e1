import Codec
import EthereumRPC
import Execution
import HTTP
import JSONRPC
import Store
import Synchronization

/// Services for the workers of an RPC server: each answers one call at a time.
final class RPCWorkers: Sendable {
    private struct Idle: @unchecked Sendable {
        // @unchecked: a service is taken by one thread and put back by it.
        var services: [EthereumService] = []
    }

    private let rules: ChainRules
    private let version: String
    private let calls: NodeCalls
    private let board: ChainBoard
    private let idle = Mutex(Idle())
    private let makeReader: @Sendable () -> ChainReader

    init(
        rules: ChainRules, version: String, database: ChainDatabase, calls: NodeCalls,
        board: ChainBoard
    ) {
        self.rules = rules
        self.version = version
        self.calls = calls
        self.board = board
        // As many as a server has workers, made here because the database has one owner.
        var readers = (0..<HTTPServer.Limits().workerCount).map { _ in database.makeReader() }
        let pool = Mutex(readers)
        readers = []
        makeReader = { pool.withLock { $0.removeLast() } }
    }

    func answer(_ request: RPCRequest) throws(RPCError) -> JSONValue {
        let service =
            idle.withLock { $0.services.popLast() }
            ?? EthereumService(
                NodeChainView(
                    rules: rules, clientVersion: version, reader: makeReader(), calls: calls,
                    board: board))
        defer { idle.withLock { $0.services.append(service) } }
        return try service.answer(request)
    }
}
