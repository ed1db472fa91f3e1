import ChoraleBase
import Codec
import Execution
import JSONRPC
import TransactionPool

// Accounts, and transactions that come in.

extension EthereumService {
    func balance(_ params: JSONValue?) throws(RPCError) -> JSONValue {
        let params = try RPCParameters(params, ["address", "block"])
        let address = try params.required(0).address()
        let state = try state(params.optional(1))
        return .quantity(try account(address, state)?.balance ?? .zero)
    }

    func transactionCount(_ params: JSONValue?) throws(RPCError) -> JSONValue {
        let params = try RPCParameters(params, ["address", "block"])
        let address = try params.required(0).address()
        let reference = try reference(params.optional(1))
        if reference == .tag(.pending), let nonce = chain.pendingNonce(of: address) {
            return .quantity(nonce)
        }
        let state = try state(after: reference)
        return .quantity(try account(address, state)?.nonce ?? 0)
    }

    func code(_ params: JSONValue?) throws(RPCError) -> JSONValue {
        let params = try RPCParameters(params, ["address", "block"])
        let address = try params.required(0).address()
        let state = try state(params.optional(1))
        guard let account = try account(address, state), !account.hasNoCode else {
            return .data([])
        }
        return .data(
            try read { () throws(ChainFailure) in
                do throws(StateError) {
                    return try state.code(account.codeHash, of: address).bytes
                } catch {
                    throw .state(error)
                }
            })
    }

    func storage(_ params: JSONValue?) throws(RPCError) -> JSONValue {
        let params = try RPCParameters(params, ["address", "slot", "block"])
        let address = try params.required(0).address()
        let slot = try params.required(1).slot()
        let state = try state(params.optional(2))
        guard let account = try account(address, state), account.storageRoot != Trie.emptyRoot
        else { return .data(Bytes32.zero) }
        let word = try read { () throws(ChainFailure) in
            do throws(StateError) {
                return try state.storage(at: slot, of: address, account)
            } catch {
                throw .state(error)
            }
        }
        return .data(word.bytes32)
    }

    func send(_ params: JSONValue?) throws(RPCError) -> JSONValue {
        let encoding = try RPCParameters(params, ["transaction"]).required(0).bytes()
        do throws(PoolRejection) {
            return .data(try chain.submit(encoding))
        } catch {
            throw .server("\(error)")
        }
    }

    // MARK: Blocks as parameters

    /// `latest` where none is given.
    func reference(_ value: RPCValue?) throws(RPCError) -> BlockReference {
        guard let value else { return .tag(.latest) }
        return try BlockReference(value)
    }

    private func state(_ value: RPCValue?) throws(RPCError) -> any StateReader {
        try state(after: reference(value))
    }

    func state(after reference: BlockReference) throws(RPCError) -> any StateReader {
        guard let number = try chain.number(of: reference) else {
            throw .headerNotFound(reference)
        }
        return try read { () throws(ChainFailure) in try chain.state(after: number) }
    }

    private func account(
        _ address: Address, _ state: any StateReader
    ) throws(RPCError) -> Account? {
        try read { () throws(ChainFailure) in
            do throws(StateError) {
                return try state.account(at: address)
            } catch {
                throw .state(error)
            }
        }
    }
}
