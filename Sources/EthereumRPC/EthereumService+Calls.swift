import ChoraleBase
import Codec
import Execution
import JSONRPC

// Messages that somebody wants to try.

extension EthereumService {
    func call(_ params: JSONValue?) throws(RPCError) -> JSONValue {
        let params = try RPCParameters(
            params, ["transaction", "block", "stateOverrides", "blockOverrides"])
        let request = try CallRequest(params.required(0), chainID: chain.rules.chainID)
        let trial = try trial(
            request, reference(params.optional(1)), params.optional(2), params.optional(3))
        let gas = min(request.gas ?? limits.callGasMax, limits.callGasMax)
        let outcome = try trial.run(gas: gas)
        switch outcome.status {
        case .succeeded: return .data(outcome.output)
        case .reverted: throw Self.reverted(outcome.output)
        case .failed(let failure): throw .server("\(failure)")
        }
    }

    /// The least gas with which a transaction succeeds, or nearly.
    ///
    /// geth's search (`eth/gasestimator`): not by what execution used, because gas that a call must hold back
    /// (EIP-150) is not used, and code may look at what is left.
    func estimateGas(_ params: JSONValue?) throws(RPCError) -> JSONValue {
        let params = try RPCParameters(
            params, ["transaction", "block", "stateOverrides", "blockOverrides"])
        let request = try CallRequest(params.required(0), chainID: chain.rules.chainID)
        let trial = try trial(
            request, reference(params.optional(1)), params.optional(2), params.optional(3))
        var high = trial.context.gasLimit
        if let gas = request.gas, gas >= Self.transferGas { high = gas }
        high = min(high, limits.callGasMax)
        // EIP-7825.
        if trial.context.fork >= .osaka { high = min(high, 1 << 24) }
        if let affordable = try trial.affordableGas() { high = min(high, affordable) }

        if try trial.isTransfer(), high >= Self.transferGas,
            try trial.run(gas: Self.transferGas).status == .succeeded
        {
            return .quantity(Self.transferGas)
        }
        return .quantity(try Self.search(trial, high))
    }

    private static let transferGas: UInt64 = 21_000

    /// Above the exact number by this part of it at most: geth's `estimateGasErrorRatio`, 1.5 %.
    private static let errorPerMille: UInt64 = 15

    private static func search(_ trial: CallTrial, _ limit: UInt64) throws(RPCError) -> UInt64 {
        let first = try trial.runForSearch(gas: limit)
        guard case .ran(let outcome) = first else {
            throw .server("gas required exceeds allowance (\(limit))")
        }
        switch outcome.status {
        case .succeeded: break
        case .reverted: throw reverted(outcome.output)
        case .failed(.outOfGas): throw .server("gas required exceeds allowance (\(limit))")
        case .failed(let failure): throw .server("\(failure)")
        }
        var high = limit
        // It cannot succeed with less than what it used.
        var low = outcome.gasUsed - 1
        // Most succeed with what they use, and what they hold back of it.
        let held = outcome.gasUsed + outcome.gasRefunded + 2300
        let guess = held + (held + 62) / 63
        if guess < high {
            if try trial.runForSearch(gas: guess).succeeded { high = guess } else { low = guess }
        }
        while low + 1 < high {
            if (high - low) * 1000 < high * errorPerMille { break }
            // Most need little more than they use: the middle is often far above.
            let middle = min(low + (high - low) / 2, low * 2)
            if try trial.runForSearch(gas: middle).succeeded { high = middle } else { low = middle }
        }
        return high
    }

    // MARK: Parts

    private func trial(
        _ request: CallRequest, _ reference: BlockReference, _ stateOverrides: RPCValue?,
        _ blockOverrides: RPCValue?
    ) throws(RPCError) -> CallTrial {
        let (header, _) = try chain.header(reference)
        var context = BlockContext(header, chain.rules)
        // Nothing is paid where no price is given.
        if request.maxFee == nil { context.baseFee = .zero }
        if let blockOverrides { try context.override(blockOverrides) }
        let trial = CallTrial(
            request: request, context: context,
            state: { () throws(RPCError) in
                let state = try self.read { () throws(ChainFailure) in
                    try self.chain.state(after: header.number)
                }
                guard let stateOverrides else { return state }
                return try OverriddenState(state, stateOverrides, limits: self.limits)
            })
        return trial
    }

    /// geth's form: code 3, the reason in the message, all of the data as data.
    private static func reverted(_ output: [UInt8]) -> RPCError {
        let reason = RevertReason.text(output)
        return RPCError(
            code: 3, message: "execution reverted" + (reason.map { ": \($0)" } ?? ""),
            value: .data(output))
    }
}

/// One message on the state after one block, tried with more and less gas.
struct CallTrial {
    enum Result {
        case ran(CallExecution.Outcome)
        /// The gas does not even pay for the data.
        case intrinsicGas

        var succeeded: Bool {
            if case .ran(let outcome) = self { outcome.status == .succeeded } else { false }
        }
    }

    let request: CallRequest
    let context: BlockContext
    /// A state of its own for every run: what one reads, another need not.
    let state: () throws(RPCError) -> any StateReader

    func run(gas: UInt64) throws(RPCError) -> CallExecution.Outcome {
        switch try attempt(gas) {
        case .success(let outcome): return outcome
        case .failure(let rejection): throw .server(Self.words(rejection, request.from))
        }
    }

    func runForSearch(gas: UInt64) throws(RPCError) -> Result {
        switch try attempt(gas) {
        case .success(let outcome): return .ran(outcome)
        case .failure(.fault(.intrinsicGas)), .failure(.fault(.floorGas)): return .intrinsicGas
        case .failure(let rejection): throw .server(Self.words(rejection, request.from))
        }
    }

    private func attempt(
        _ gas: UInt64
    ) throws(RPCError) -> Swift.Result<CallExecution.Outcome, TransactionRejection> {
        let state = try state()
        do throws(ExecutionError) {
            return .success(
                try CallExecution.run(
                    request.transaction(gas: gas), sender: request.from, in: context,
                    reader: state))
        } catch {
            switch error {
            case .rejected(let rejection): return .failure(rejection)
            case .state(let error): throw RPCError(.state(error))
            }
        }
    }

    /// Gas that the sender can pay for; nil where nothing is paid.
    func affordableGas() throws(RPCError) -> UInt64? {
        guard let maxFee = request.maxFee else { return nil }
        let balance = try account(request.from)?.balance ?? .zero
        guard request.value <= balance else {
            throw .server("insufficient funds for transfer")
        }
        let gas = (balance &- request.value).quotientAndRemainder(dividingBy: maxFee).quotient
        return gas.uint64
    }

    /// Whether nothing runs: no data, to an account without code.
    func isTransfer() throws(RPCError) -> Bool {
        guard let to = request.to, request.data.isEmpty, request.accessList.isEmpty,
            request.authorizations.isEmpty
        else { return false }
        return try account(to)?.hasNoCode ?? true
    }

    private func account(_ address: Address) throws(RPCError) -> Account? {
        let state = try state()
        do throws(StateError) {
            return try state.account(at: address)
        } catch {
            throw RPCError(.state(error))
        }
    }

    /// With the words that wallets look for.
    private static func words(_ rejection: TransactionRejection, _ sender: Address) -> String {
        switch rejection {
        case .funds:
            "insufficient funds for gas * price + value: address \(sender): \(rejection)"
        case .fault(.intrinsicGas): "intrinsic gas too low: \(rejection)"
        case .fault(.floorGas): "insufficient gas for floor data gas cost: \(rejection)"
        case .maxFeeBelowBaseFee: "max fee per gas less than block base fee: \(rejection)"
        default: "\(rejection)"
        }
    }
}
