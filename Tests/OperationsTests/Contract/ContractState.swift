import ChoraleBase
import Codec
import Crypto
import Execution
import Testing

@testable import Operations

/// A state with the contract in it, on which transactions run one after the other.
final class ContractState {
    static let chainID: UInt64 = 1337
    static let ether = UInt256(1_000_000_000_000_000_000)
    /// Of the keys 0x01…, 0x02… and 0x03…: 10^11 ether each.
    static let senders: [Address] = (1...3).map { digit in
        let key = try! Secp256k1.PrivateKey(
            SecretBytes(copying: [UInt8](repeating: UInt8(digit), count: 32)))
        return Address(key.publicKey)
    }
    static let contract = Address(OperationsContract.address.bytes.span)!

    struct Outcome {
        let succeeded: Bool
        let gasUsed: UInt64
        /// What was returned, or the reason of a revert.
        let output: [UInt8]
        let logs: [Log]
    }

    private let store: StateStore
    private let state: TrieState<StateStore>
    private(set) var root: Bytes32
    private var nonces: [Address: UInt64] = [:]

    static func address(_ digits: String) throws -> Address {
        let bytes = try Hex.decode(digits)
        let address = Address(bytes.span)
        return try #require(address)
    }

    private init(_ store: StateStore) {
        self.store = store
        root = store.root
        state = TrieState(root: store.root, source: store, blockHashes: [:], records: false)
    }

    static func with(_ codes: [(Address, [UInt8])] = []) throws -> ContractState {
        var entries: [Address: StateStore.Entry] = [:]
        for sender in senders {
            entries[sender] = .init(balance: UInt256(100_000_000_000) &* ether)
        }
        entries[contract] = .init(nonce: 1, code: OperationsContract.code)
        for (address, code) in codes { entries[address] = .init(nonce: 1, code: code) }
        return ContractState(try StateStore(entries))
    }

    func balance(_ address: Address) throws -> UInt256 {
        let account = try state.account(at: address)
        guard let account else { return .zero }
        return account.balance
    }

    /// Runs a transaction with 4,000,000 gas at the base fee, which is 7 wei.
    func run(
        block number: UInt64, sender: Address, to recipient: Address = contract,
        value: UInt256 = .zero, data: [UInt8]
    ) throws -> Outcome {
        let block = BlockContext(
            fork: .prague, chainID: Self.chainID, coinbase: Address(UInt256(0xC01)), number: number,
            timestamp: 1000 + number, gasLimit: 30_000_000, baseFee: UInt256(7), prevRandao: .zero,
            blobBaseFee: .one)
        let transaction = Transaction(
            kind: .dynamicFee, chainID: UInt256(Self.chainID), nonce: nonces[sender, default: 0],
            maxPriorityFeePerGas: .zero, maxFeePerGas: UInt256(7), gasLimit: 4_000_000,
            to: recipient, value: value, data: data)
        // As a call it says what it returns; as a transaction it stays.
        let call = try CallExecution.run(transaction, sender: sender, in: block, reader: state)
        let (outcome, changes) = try execute(transaction, sender, block)
        nonces[sender, default: 0] += 1
        root = try state.apply(changes)
        #expect(outcome.gasUsed == call.gasUsed)
        return Outcome(
            succeeded: outcome.succeeded, gasUsed: outcome.gasUsed, output: call.output,
            logs: outcome.logs)
    }

    private func execute(
        _ transaction: Transaction, _ sender: Address, _ block: BlockContext
    ) throws -> (TransactionOutcome, [AccountChange]) {
        var sequence = TransactionSequence(reader: state, block: block)
        let allowance = BlockAllowance(gas: 30_000_000, blobGas: 0)
        do throws(ExecutionError) {
            let outcome = try sequence.run(transaction, sender: sender, allowance: allowance)
            return (outcome, sequence.changes)
        } catch {
            throw error
        }
    }
}
