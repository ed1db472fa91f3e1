import ChoraleBase
import Codec
import JSONRPC

/// Names of calls, as consensus clients are told.
enum EngineMethods {
    static let newPayload =
        (1...4).map { "engine_newPayloadV\($0)" }
        + (1...4).map { "engine_newPayloadWithWitnessV\($0)" }
    static let forkchoice =
        (1...3).map { "engine_forkchoiceUpdatedV\($0)" }
        + (1...3).map { "engine_forkchoiceUpdatedWithWitnessV\($0)" }
    static let getPayload = (1...5).map { "engine_getPayloadV\($0)" }
    static let stateless = (1...4).map { "engine_executeStatelessPayloadV\($0)" }
    static let bodies = [
        "engine_getPayloadBodiesByHashV1", "engine_getPayloadBodiesByRangeV1",
        "engine_getClientVersionV1",
    ]

    /// `engine_exchangeCapabilities`: the caller's are not needed for anything.
    static func exchange(_ params: JSONValue?, _ own: [String]) throws(RPCError) -> JSONValue {
        guard let names = params?.array?.first?.array, names.allSatisfy({ $0.string != nil }) else {
            throw .parameters("`engine_exchangeCapabilities` takes an array of names")
        }
        return JSONValue(own)
    }
}

/// Who this is, for `engine_getClientVersionV1`.
public struct EngineClientVersion: Hashable, Sendable {
    public var name: String
    public var version: String
    /// Four bytes in hexadecimal.
    public var commit: String

    public init(name: String = "Chorale", version: String, commit: String) {
        self.name = name
        self.version = version
        self.commit = commit
    }

    func answer(_ params: JSONValue?) throws(RPCError) -> JSONValue {
        guard params?.array?.first?.object != nil else {
            throw .parameters("`engine_getClientVersionV1` takes the caller's ClientVersionV1")
        }
        return .array([
            .object([
                "code": .string("CO"), "name": .string(name), "version": .string(version),
                "commit": .string("0x" + commit),
            ])
        ])
    }
}

/// What an engine's port answers besides ``EngineService`` or ``VerifierService``.
public enum EngineCalls {
    /// Whether a method executes statelessly, which ``StatelessService`` does.
    public static func isStateless(_ method: String) -> Bool {
        StatelessPayloadRequest.Version(method: method) != nil
    }

    /// Calls of wallets that consensus clients make too.
    ///
    /// Specification: Ethereum execution APIs, engine, "Underlying protocol".
    public static let wallets = [
        "eth_blockNumber", "eth_call", "eth_chainId", "eth_getCode", "eth_getBlockByHash",
        "eth_getBlockByNumber", "eth_getLogs", "eth_sendRawTransaction", "eth_syncing",
    ]
}
