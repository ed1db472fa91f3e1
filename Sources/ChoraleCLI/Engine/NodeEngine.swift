import ChoraleBase
import Codec
import Crypto
import EngineAPI
import Execution
import HTTP
import JSONRPC
import RPCServer
import Store
import Synchronization

/// The engine port of a running node: a second opinion for whoever has the secret.
///
/// Calls run on the server's workers and read the chain through readers of their own; neither the loop nor the
/// chain's thread knows of them.
final class NodeEngine {
    private let server: RPCServer

    var address: String { server.address }

    /// - Parameters:
    ///   - address: `HOST:PORT`.
    ///   - wallets: answers the calls of wallets that consensus clients make too.
    init(
        address: String, secret: SecretBytes, virtualHosts: [String], rules: ChainRules,
        database: ChainDatabase, wallets: RPCWorkers
    ) throws(HTTPServerError) {
        let workers = Workers(rules, database, wallets)
        var options = RPCServer.Options.engine(secret)
        options.virtualHosts = virtualHosts
        server = try RPCServer(address: address, options: options) {
            request throws(RPCError) in try workers.answer(request)
        }
    }

    func stop() { server.stop() }

    /// One service for each call that runs, kept for the next.
    private final class Workers: Sendable {
        // @unchecked: a service is taken by one thread and put back by it.
        private struct Idle: @unchecked Sendable {
            var services: [VerifierService<ReaderChain>] = []
        }

        private let rules: ChainRules
        private let stateless: StatelessServices
        private let wallets: RPCWorkers
        private let idle = Mutex(Idle())
        private let readers: Mutex<[ChainReader]>

        init(_ rules: ChainRules, _ database: ChainDatabase, _ wallets: RPCWorkers) {
            self.rules = rules
            self.wallets = wallets
            stateless = StatelessServices(rules: rules, mode: .compatible)
            // As many as a server has workers, made here because the database has one owner.
            readers = Mutex(
                (0..<HTTPServer.Limits().workerCount).map { _ in database.makeReader() })
        }

        func answer(_ request: RPCRequest) throws(RPCError) -> JSONValue {
            if EngineCalls.isStateless(request.method) { return try stateless.answer(request) }
            if EngineCalls.wallets.contains(request.method) { return try wallets.answer(request) }
            let service =
                idle.withLock { $0.services.popLast() }
                ?? VerifierService(
                    ReaderChain(readers.withLock { $0.removeLast() }, rules), rules: rules,
                    version: .ofThisProgram)
            defer { idle.withLock { $0.services.append(service) } }
            return try service.answer(request)
        }
    }
}

extension EngineClientVersion {
    static let ofThisProgram = EngineClientVersion(
        version: Version.number, commit: String((Version.commit ?? "00000000").prefix(8)))
}

/// A node's chain, for one thread at a time.
private final class ReaderChain: CommittedChain {
    private let reader: ChainReader
    private let rules: ChainRules

    init(_ reader: ChainReader, _ rules: ChainRules) {
        self.reader = reader
        self.rules = rules
    }

    /// What is not kept any more is as what never was.
    private func read<Value>(
        _ body: () throws(ChainReadError) -> Value?
    ) throws(SourceFailure) -> Value? {
        do throws(ChainReadError) {
            return try body()
        } catch {
            switch error {
            case .pruned, .stateless: return nil
            case .unavailable(let detail): throw .unavailable(detail)
            }
        }
    }

    func height() throws(SourceFailure) -> UInt64 {
        try read { () throws(ChainReadError) in try reader.head()?.height } ?? 0
    }

    func number(of hash: Bytes32) throws(SourceFailure) -> UInt64? {
        try read { () throws(ChainReadError) in try reader.number(of: hash) }
    }

    func block(at number: UInt64) throws(SourceFailure) -> (block: Block, hash: Bytes32)? {
        let found = try read { () throws(ChainReadError) in try reader.payload(at: number) }
        guard let found else { return nil }
        do throws(BlockError) {
            return (try Block(found.payload.span), found.hash)
        } catch {
            throw .damaged("block \(number): \(error)")
        }
    }

    func header(at number: UInt64) throws(SourceFailure) -> (header: Header, hash: Bytes32)? {
        try read { () throws(ChainReadError) in try reader.header(at: number) }
    }

    func tries(after number: UInt64) throws(SourceFailure) -> ChainTries? {
        try read { () throws(ChainReadError) in try reader.tries(after: number) }
    }

    func witness(of number: UInt64) throws(SourceFailure) -> Witness? {
        try read { () throws(ChainReadError) in
            try reader.witness(of: number, rules: rules)
        }
    }
}
