import ChoraleBase
import Codec
import Crypto
import HTTP
import JSONRPC
import RPCServer

/// Serves an ``Engine`` over HTTP: consensus clients with tokens, wallets without.
final class EngineServer {
    /// Where and to whom.
    struct Ports {
        /// `HOST:PORT`.
        var address: String
        var secret: SecretBytes
        var virtualHosts: [String]
        /// nil: wallets are not served.
        var walletAddress: String?
        var walletHosts: [String]
    }

    private let server: RPCServer
    private let walletServer: RPCServer?

    var address: String { server.address }
    var walletAddress: String? { walletServer?.address }

    init(_ engine: any ServedEngine, _ ports: Ports) throws(Failure) {
        var options = RPCServer.Options.engine(ports.secret)
        options.virtualHosts = ports.virtualHosts
        let wallets: RPCServer?
        do throws(HTTPServerError) {
            server = try RPCServer(address: ports.address, options: options) {
                (request) throws(RPCError) in try engine.answer(request)
            }
        } catch {
            throw Failure("cannot serve the engine API: \(error)")
        }
        do throws(HTTPServerError) {
            var options = RPCServer.Options()
            options.virtualHosts = ports.walletHosts
            wallets = try ports.walletAddress.map { address throws(HTTPServerError) in
                try RPCServer(address: address, options: options) {
                    (request) throws(RPCError) in try engine.answerWallet(request)
                }
            }
        } catch {
            server.stop()
            throw Failure("cannot serve JSON-RPC: \(error)")
        }
        walletServer = wallets
    }

    func stop() {
        walletServer?.stop()
        server.stop()
    }
}
