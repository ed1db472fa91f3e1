import ChoraleBase
import Codec
import Crypto
import EngineAPI
import Execution
import HTTP
import JSONRPC
import RPCServer
import Synchronization

/// Serves an ``EngineService`` over HTTP, with tokens.
///
/// Calls that change something take turns, as the specification wants them in their order; stateless
/// execution needs no turn.
final class EngineServer {
    /// The engine, which is one caller's at a time.
    // @unchecked: `service` is touched under `turn` only.
    private final class Engine: @unchecked Sendable {
        private let service: EngineService<MemoryEngineBase>
        private let stateless: StatelessServices
        private let turn = Mutex(())

        init(_ service: EngineService<MemoryEngineBase>, _ stateless: StatelessServices) {
            self.service = service
            self.stateless = stateless
        }

        func answer(_ request: RPCRequest) throws(RPCError) -> JSONValue {
            if EngineService<MemoryEngineBase>.isStateless(request.method) {
                return try stateless.answer(request)
            }
            return try turn.withLock { _ throws(RPCError) in try service.answer(request) }
        }
    }

    private let server: RPCServer

    var address: String { server.address }

    /// - Parameter address: `HOST:PORT`.
    init(
        address: String, secret: SecretBytes, genesis: EngineGenesis, virtualHosts: [String]
    ) throws(Failure) {
        let service = EngineService(
            base: MemoryEngineBase(genesis: genesis.header, state: genesis.state),
            rules: genesis.rules,
            version: .init(
                version: Version.number, commit: String((Version.commit ?? "00000000").prefix(8))))
        let engine = Engine(
            service, StatelessServices(rules: genesis.rules, mode: .compatible))
        var options = RPCServer.Options.engine(secret)
        options.virtualHosts = virtualHosts
        do throws(HTTPServerError) {
            server = try RPCServer(address: address, options: options) {
                (request) throws(RPCError) in try engine.answer(request)
            }
        } catch {
            throw Failure("cannot serve the engine API: \(error)")
        }
    }

    func stop() { server.stop() }
}
