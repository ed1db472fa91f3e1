import ChoraleBase
import Codec
import EthereumRPC
import JSONRPC
import Operations

/// Signs settlements and gives them to the pool: what ``Settler``'s thread does, and nobody else touches.
final class SettlementDesk: @unchecked Sendable {
    // @unchecked: the pool has one thread, and only its jobs call this.

    /// What became of one wish.
    enum Outcome: Equatable, Sendable {
        case sent(operation: Bytes32, transaction: Bytes32)
        /// The last one is on its way, or there already.
        case waiting
        case failed(operation: Bytes32, reason: String)
    }

    private let account: LoadAccount
    private let client: ChainClient
    private var wallet: ContractWallet?
    /// The last transaction of each settlement that was sent. Few: those of executions that are not over.
    private var sent: [Bytes32: Bytes32] = [:]
    private static let sentMax = 4096

    init(_ account: LoadAccount, _ client: ChainClient) {
        self.account = account
        self.client = client
    }

    func settle(_ settlement: Settlement, _ output: [UInt8]) -> Outcome {
        let operation = settlement.operation
        do throws(Failure) {
            if let last = sent[operation], try isUnderWay(last) { return .waiting }
            let wallet = try openedWallet()
            let isStored = output.count <= OperationsContract.storedOutputMax
            let hash = try wallet.send(.settle(settlement, output: isStored ? output : []))
            if sent.count >= Self.sentMax { sent = [:] }
            sent[operation] = hash
            return .sent(operation: operation, transaction: hash)
        } catch {
            return .failed(operation: operation, reason: error.message)
        }
    }

    /// The chain's number is asked for when the node answers, which is after the start.
    private func openedWallet() throws(Failure) -> ContractWallet {
        if let wallet { return wallet }
        let opened = try ContractWallet(client, account)
        wallet = opened
        return opened
    }

    /// In the pool, or in a block where it did what it was to do.
    private func isUnderWay(_ transaction: Bytes32) throws(Failure) -> Bool {
        do throws(ChainClient.CallError) {
            if let receipt = try client.receipt(of: transaction) { return receipt.succeeded }
            return try client.call("eth_getTransactionByHash", .string("0x\(transaction)")) != .null
        } catch {
            throw error.failure
        }
    }
}

extension ChainClient {
    /// Asks the node that this process is, without HTTP.
    convenience init(_ service: EthereumService) {
        self.init(name: "this node") { method, parameters throws(CallError) in
            let request: RPCRequest
            do throws(RPCRequest.Refusal) {
                request = try RPCRequest(
                    .object([
                        "jsonrpc": .string("2.0"), "id": .integer(1), "method": .string(method),
                        "params": .array(parameters),
                    ]))
            } catch {
                throw .failed(Failure("\(method): \(error.error.message)"))
            }
            do throws(RPCError) {
                return try service.answer(request)
            } catch {
                throw .refused(Refusal(code: error.code, message: error.message))
            }
        }
    }
}
