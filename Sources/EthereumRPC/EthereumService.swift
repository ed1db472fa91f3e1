import ChoraleBase
public import Codec
import Crypto
import Execution
public import JSONRPC

/// Answers the calls of wallets and scripts.
///
/// A function of the request and of what it reads through a ``ChainView``; no clock, no socket. For one worker
/// at a time.
///
/// Specification: Ethereum execution APIs, `eth` and `debug`; where that is silent, as geth does.
public struct EthereumService {
    /// What can be called.
    public enum Method: String, CaseIterable, Sendable {
        case accounts = "eth_accounts"
        case blockNumber = "eth_blockNumber"
        case call = "eth_call"
        case chainID = "eth_chainId"
        case estimateGas = "eth_estimateGas"
        case feeHistory = "eth_feeHistory"
        case gasPrice = "eth_gasPrice"
        case balance = "eth_getBalance"
        case blockByHash = "eth_getBlockByHash"
        case blockByNumber = "eth_getBlockByNumber"
        case blockReceipts = "eth_getBlockReceipts"
        case transactionCountByHash = "eth_getBlockTransactionCountByHash"
        case transactionCountByNumber = "eth_getBlockTransactionCountByNumber"
        case code = "eth_getCode"
        case logs = "eth_getLogs"
        case storage = "eth_getStorageAt"
        case transactionByHash = "eth_getTransactionByHash"
        case transactionCount = "eth_getTransactionCount"
        case transactionReceipt = "eth_getTransactionReceipt"
        case maxPriorityFeePerGas = "eth_maxPriorityFeePerGas"
        case sendRawTransaction = "eth_sendRawTransaction"
        case syncing = "eth_syncing"
        case executionWitness = "debug_executionWitness"
        case listening = "net_listening"
        case peerCount = "net_peerCount"
        case networkVersion = "net_version"
        case modules = "rpc_modules"
        case clientVersion = "web3_clientVersion"
        case sha3 = "web3_sha3"
    }

    let chain: any ChainView
    let limits: EthereumLimits

    public init(_ chain: any ChainView, limits: EthereumLimits = EthereumLimits()) {
        self.chain = chain
        self.limits = limits
    }

    /// Answers what came as the body of one HTTP request: a call, or a batch of them.
    ///
    /// - Returns: the body of the answer; nil when nothing is to be answered, as for notifications.
    public func answer(
        body: [UInt8], jsonLimits: JSONValue.Limits = JSONValue.Limits()
    ) -> [UInt8]? {
        RPCBody(
            limits: RPCBody.Limits(
                batchCountMax: limits.batchCountMax, batchSizeMax: limits.batchSizeMax,
                json: jsonLimits)
        ).answer(body) { (request) throws(RPCError) in try answer(request) }
    }

    /// Answers one call.
    public func answer(_ request: RPCRequest) throws(RPCError) -> JSONValue {
        guard let method = Method(rawValue: request.method) else {
            let names = Method.allCases.map(\.rawValue)
            throw RPCError(
                code: -32601,
                message: "the method \(request.method.prefix(64)) does not exist/is not available"
                    + (NearestName.of(request.method, among: names).map {
                        "; did you mean \($0)?"
                    } ?? ""))
        }
        let params = request.params
        switch method {
        case .accounts: return .array([])
        case .blockNumber: return .quantity(try latest())
        case .chainID: return .quantity(chain.rules.chainID)
        case .syncing: return syncing()
        case .listening: return .bool(chain.isListening)
        case .peerCount: return .quantity(chain.peerCount)
        case .networkVersion: return .string(String(chain.rules.chainID))
        case .clientVersion: return .string(chain.clientVersion)
        case .modules: return Self.modules
        case .sha3:
            let bytes = try RPCParameters(params, ["data"]).required(0).bytes()
            return .data(Keccak256.hash(bytes))

        case .balance: return try balance(params)
        case .transactionCount: return try transactionCount(params)
        case .code: return try code(params)
        case .storage: return try storage(params)
        case .call: return try call(params)
        case .estimateGas: return try estimateGas(params)

        case .gasPrice: return try gasPrice()
        case .maxPriorityFeePerGas: return .quantity(try suggestedTip())
        case .feeHistory: return try feeHistory(params)

        case .blockByHash, .blockByNumber: return try block(method, params)
        case .transactionCountByHash, .transactionCountByNumber:
            return try blockTransactionCount(method, params)
        case .blockReceipts: return try blockReceipts(params)
        case .transactionByHash: return try transaction(params)
        case .transactionReceipt: return try receipt(params)
        case .logs: return try logs(params)
        case .sendRawTransaction: return try send(params)
        case .executionWitness: return try witness(params)
        }
    }

    private static let modules: JSONValue = {
        var modules = JSONObject()
        for name in ["debug", "eth", "net", "rpc", "web3"] { modules[name] = .string("1.0") }
        return .object(modules)
    }()

    /// Reads the chain, whose failures are answers of their own.
    func read<Value>(
        _ body: () throws(ChainFailure) -> Value
    ) throws(RPCError) -> Value {
        do throws(ChainFailure) {
            return try body()
        } catch {
            throw RPCError(error)
        }
    }

    func latest() throws(RPCError) -> UInt64 {
        try read { () throws(ChainFailure) in try chain.number(of: .latest) } ?? 0
    }

    private func syncing() -> JSONValue {
        guard let progress = chain.syncing else { return .bool(false) }
        return .object([
            "startingBlock": .quantity(progress.starting),
            "currentBlock": .quantity(progress.current),
            "highestBlock": .quantity(progress.highest),
        ])
    }
}
