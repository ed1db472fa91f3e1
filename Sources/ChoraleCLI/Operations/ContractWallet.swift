import ChoraleBase
import Codec
import Crypto
import Execution
import Operations

/// An account that calls the operations contract through a node's JSON-RPC.
final class ContractWallet {
    let client: ChainClient
    let account: LoadAccount
    let chainID: UInt64

    init(_ client: ChainClient, _ account: LoadAccount) throws(Failure) {
        self.client = client
        self.account = account
        do throws(ChainClient.CallError) {
            chainID = try client.chainID()
        } catch {
            throw error.failure
        }
    }

    /// What the proposer gets of each gas, in wei.
    static let tip = UInt256(1_000_000_000)

    /// A call as the account signs it.
    ///
    /// - Parameters:
    ///   - value: in wei.
    ///   - gas: what it is expected to use. A fifth more is allowed, because the state may be another one by then.
    ///   - baseFee: of the last block. Twice as much is paid at most: five full blocks later it is still enough.
    static func transaction(
        _ call: ContractCall, value: UInt256, chainID: UInt64, nonce: UInt64, gas: UInt64,
        baseFee: UInt256
    ) -> Transaction {
        Transaction(
            kind: .dynamicFee, chainID: UInt256(chainID), nonce: nonce, maxPriorityFeePerGas: tip,
            maxFeePerGas: (baseFee << 1) &+ tip, gasLimit: gas + gas / 5,
            to: Address(OperationsContract.address), value: value, data: call.data)
    }

    /// How often another nonce is tried when the account sends from elsewhere, too.
    private static let attemptsMax = 8

    /// Signs and sends a call.
    ///
    /// - Throws: when the node says that it would fail, or does not take it.
    func send(_ call: ContractCall, value: UInt256 = .zero) throws(Failure) -> Bytes32 {
        do throws(ChainClient.CallError) {
            let gas = try client.estimateGas(
                from: account.address, to: Address(OperationsContract.address), value: value,
                data: call.data)
            guard let head = try client.block(try client.blockNumber()) else {
                throw .failed(Failure("the node does not have its last block; try again"))
            }
            var attempt = 1
            while true {
                let nonce = try client.nonce(of: account.address)
                let transaction = Self.transaction(
                    call, value: value, chainID: chainID, nonce: nonce, gas: gas,
                    baseFee: head.baseFee
                ).signed(by: account.key)
                do throws(ChainClient.CallError) {
                    return try give(transaction)
                } catch {
                    // Another process may have sent with the same nonce meanwhile.
                    guard case .refused = error, attempt < Self.attemptsMax,
                        try client.nonce(of: account.address) != nonce
                    else { throw error }
                    attempt += 1
                }
            }
        } catch {
            throw error.failure
        }
    }

    private func give(_ transaction: Transaction) throws(ChainClient.CallError) -> Bytes32 {
        let hash = try client.send(transaction.encoded)
        guard hash == transaction.hash else {
            throw .failed(
                Failure("the node calls the transaction 0x\(transaction.hash) 0x\(hash)"))
        }
        return hash
    }

    /// Waits until a transaction is in a block.
    ///
    /// - Parameters:
    ///   - seconds: how long.
    ///   - tick: called several times a second.
    func receipt(
        of hash: Bytes32, within seconds: Double, tick: () -> Void = {}
    ) throws(Failure) -> ChainClient.ReceiptSummary {
        let watch = Stopwatch()
        while true {
            do throws(ChainClient.CallError) {
                if let receipt = try client.receipt(of: hash) {
                    guard receipt.succeeded else {
                        throw .failed(
                            Failure(
                                "transaction 0x\(hash) failed in block \(receipt.block): the "
                                    + "contract refused the call"))
                    }
                    return receipt
                }
            } catch {
                throw error.failure
            }
            guard watch.seconds < seconds else {
                throw Failure(
                    "transaction 0x\(hash) is in no block after \(Human.decimal(seconds)) s; it "
                        + "still waits, and may be included later")
            }
            tick()
            Pause.short()
        }
    }

    // MARK: The contract's answers

    private func ask(_ data: [UInt8]) throws(Failure) -> [UInt8] {
        do throws(ChainClient.CallError) {
            return try client.ask(Address(OperationsContract.address), data)
        } catch {
            throw error.failure
        }
    }

    private func word(_ bytes: [UInt8], _ index: Int = 0) throws(Failure) -> UInt256 {
        guard bytes.count >= 32 * (index + 1),
            let word = Bytes32(bytes[32 * index..<32 * (index + 1)])
        else {
            throw Failure(
                "the chain has no operations contract at \(OperationsContract.address)")
        }
        return UInt256(word)
    }

    private func accountWord(_ signature: String) throws(Failure) -> UInt256 {
        var data = Array(Keccak256.hash(Array(signature.utf8)).bytes.prefix(4))
        data += [UInt8](repeating: 0, count: 12)
        data += account.address.executionAddress.bytes
        return try word(try ask(data))
    }

    /// How many operations the account has requested.
    func requestCount() throws(Failure) -> UInt64 {
        guard let count = try accountWord("nonces(address)").uint64 else {
            throw Failure("the contract's answer is not what it must be")
        }
        return count
    }

    /// What the contract owes the account, in wei.
    func owed() throws(Failure) -> UInt256 { try accountWord("owed(address)") }

    /// What the contract knows of an operation.
    struct OperationState: Equatable {
        enum State: UInt64 {
            case unknown = 0
            case requested = 1
            case settled = 2
            case expired = 3
        }

        var state: State
        var requester: Address
        var fee: UInt256
        var lastBlock: UInt64
    }

    func operation(_ id: Bytes32) throws(Failure) -> OperationState {
        let answer = try ask(ContractCall.operation(id).data)
        guard let state = try word(answer).uint64.flatMap(OperationState.State.init(rawValue:)),
            let lastBlock = try word(answer, 3).uint64
        else { throw Failure("the contract's answer is not what it must be") }
        return OperationState(
            state: state, requester: Address(try word(answer, 1)), fee: try word(answer, 2),
            lastBlock: lastBlock)
    }

    /// What is stored of a settled operation's output; nil when it is not, or too long to be.
    func output(_ id: Bytes32) -> [UInt8]? {
        guard let answer = try? ask(ContractCall.output(id).data),
            let size = try? word(answer, 1).uint64, size <= OperationsContract.storedOutputMax,
            answer.count >= 64 + Int(size)
        else { return nil }
        return Array(answer[64..<64 + Int(size)])
    }

    /// The operation that a request's receipt tells of.
    static func operation(in receipt: ChainClient.ReceiptSummary) -> Bytes32? {
        for log in receipt.logs where log.address == Address(OperationsContract.address) {
            if case .requested(let request)? = try? ContractEvent(
                ContractLog(topics: log.topics, data: log.data))
            {
                return request.operation
            }
        }
        return nil
    }
}

extension Address {
    init(_ address: ExecutionAddress) {
        guard let converted = Address(address.bytes.span) else {
            preconditionFailure("20 bytes are an address")
        }
        self = converted
    }

    var executionAddress: ExecutionAddress {
        guard let address = ExecutionAddress(storage.span.copied()) else {
            preconditionFailure("an address has 20 bytes")
        }
        return address
    }
}
