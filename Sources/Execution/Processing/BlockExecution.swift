public import ChoraleBase
import Codec
import Crypto

/// What executing a block gave, but for the state's root.
public struct BlockOutcome: Sendable {
    public var gasUsed: UInt64
    /// Zero before Cancun.
    public var blobGasUsed: UInt64
    public var receipts: [Receipt]
    public var receiptsRoot: Bytes32
    public var bloom: Bloom
    /// From Prague on: each its type and then its data (EIP-7685).
    public var requests: [[UInt8]]
    /// Net changes of the state, in order of addresses.
    public var changes: [AccountChange]
    /// What was touched when, if it was asked for.
    public var accessList: BlockAccessList?
}

/// Runs whole blocks.
///
/// Specification: yellow paper 11; EIP-2935, 4788, 4895, 6110, 7002, 7251, 7685, 7934.
public enum BlockExecution {
    /// Bytes of a whole block from Osaka on (EIP-7934): 10 MiB less a margin of 2.
    public static let blockSizeMax = 8 << 20

    /// Gas of a call that the system makes.
    static let systemCallGas: Int64 = 30_000_000

    /// Executes a block on the state of its parent, with all checks but those of the state's and the
    /// receipts' root.
    ///
    /// - Parameters:
    ///   - size: of the block's encoding, in bytes.
    ///   - senders: of the transactions, where they have been recovered already.
    ///   - recordsAccess: whether the outcome has a ``BlockAccessList``.
    ///   - isProposal: whether the block is still being made, so that its header does not say yet what
    ///     comes out: gas and blob gas used, bloom and the requests' hash are then not compared.
    ///   - trace: takes a line for every instruction and every message (EIP-3155), also when this
    ///     throws.
    public static func run(
        _ block: Block, size: Int, after parent: Header, _ rules: ChainRules,
        reader: any StateReader, senders: [Address]? = nil, recordsAccess: Bool = false,
        isProposal: Bool = false, trace: TraceWriter? = nil
    ) throws(BlockFailure) -> BlockOutcome {
        let epoch = rules.epoch(at: block.header.timestamp)
        do throws(BlockRejection) {
            try block.header.check(after: parent, epoch)
            try block.checkBody(size: size, epoch)
        } catch {
            throw .rejected(error)
        }
        var machine = Machine(reader: reader, block.header, epoch, rules)
        if recordsAccess { machine.state.accessRecord = AccessRecord() }
        machine.tracer = trace.map { LineTracer(write: $0) }
        defer { machine.tracer?.flush() }
        return try machine.run(block, epoch, rules, senders, isProposal: isProposal)
    }
}

/// What the transactions of a block have used, and what is left.
struct BlockTally {
    private(set) var receipts: [Receipt] = []
    private(set) var gasUsed: UInt64 = 0
    private(set) var allowance: BlockAllowance
    private let blobGasMax: UInt64
    var blobGasUsed: UInt64 { blobGasMax - allowance.blobGas }

    init(_ header: Header, _ epoch: ChainRules.Epoch) {
        blobGasMax = epoch.blobs.gasMax
        allowance = BlockAllowance(gas: header.gasLimit, blobGas: blobGasMax)
    }

    mutating func add(_ transaction: Transaction, _ outcome: TransactionOutcome) {
        gasUsed += outcome.gasUsed
        allowance.gas -= outcome.gasUsed
        allowance.blobGas -= transaction.blobGas
        receipts.append(
            Receipt(
                kind: transaction.kind, succeeded: outcome.succeeded, cumulativeGasUsed: gasUsed,
                logs: outcome.logs))
    }
}

extension Machine {
    /// For the block with this header.
    init(
        reader: any StateReader, _ header: Header, _ epoch: ChainRules.Epoch, _ rules: ChainRules
    ) {
        let excess = header.excessBlobGas ?? 0
        self.init(
            reader: reader,
            block: BlockContext(
                fork: epoch.fork, chainID: rules.chainID, coinbase: header.coinbase,
                number: header.number, timestamp: header.timestamp, gasLimit: header.gasLimit,
                baseFee: header.baseFeePerGas ?? .zero, prevRandao: UInt256(header.mixHash),
                blobBaseFee: epoch.fork >= .cancun ? epoch.blobs.baseFee(excess: excess) : .one))
    }

    fileprivate mutating func run(
        _ block: Block, _ epoch: ChainRules.Epoch, _ rules: ChainRules, _ senders: [Address]?,
        isProposal: Bool
    ) throws(BlockFailure) -> BlockOutcome {
        let header = block.header
        try begin(header, epoch)
        var tally = BlockTally(header, epoch)
        for (index, transaction) in block.transactions.enumerated() {
            state.accessRecord?.index += 1
            let outcome = try execute(transaction, index, senders?[index], tally.allowance)
            tally.add(transaction, outcome)
        }
        let outcome = try finish(tally, block.withdrawals, epoch, rules)
        guard !isProposal else { return outcome }
        do throws(BlockRejection) {
            try compare(outcome, with: header, epoch.fork)
        } catch {
            throw .rejected(error)
        }
        return outcome
    }

    /// What comes before the transactions.
    mutating func begin(_ header: Header, _ epoch: ChainRules.Epoch) throws(BlockFailure) {
        if epoch.fork >= .cancun, let root = header.parentBeaconRoot {
            _ = try systemCall(.beaconRoots, root.storage.span)
        }
        if epoch.fork >= .prague {
            _ = try systemCall(.blockHashHistory, header.parentHash.storage.span)
        }
    }

    /// What comes after the transactions, and what has come out.
    mutating func finish(
        _ tally: BlockTally, _ withdrawals: [Withdrawal]?, _ epoch: ChainRules.Epoch,
        _ rules: ChainRules
    ) throws(BlockFailure) -> BlockOutcome {
        state.accessRecord?.index += 1
        if let withdrawals { try credit(withdrawals) }
        let requests =
            epoch.fork >= .prague ? try requests(tally.receipts, rules.depositContract) : []
        return outcome(tally.receipts, tally.gasUsed, tally.blobGasUsed, requests)
    }

    private mutating func execute(
        _ transaction: Transaction, _ index: Int, _ sender: Address?, _ allowance: BlockAllowance
    ) throws(BlockFailure) -> TransactionOutcome {
        let signer: Address
        do throws(TransactionError) {
            if let sender { signer = sender } else { signer = try transaction.sender() }
        } catch {
            throw .rejected(.transaction(index, .signature(error)))
        }
        do throws(ExecutionError) {
            let outcome = try execute(transaction, sender: signer, allowance: allowance)
            trace(.transaction(index), gasUsed: outcome.gasUsed, pass: outcome.succeeded)
            return outcome
        } catch {
            switch error {
            case .state(let error): throw .state(error)
            case .rejected(let error): throw .rejected(.transaction(index, error))
            }
        }
    }

    private mutating func trace(_ message: TracedMessage, gasUsed: UInt64, pass: Bool) {
        guard var lines = tracer.take() else { return }
        returnData.withSpan(0..<returnData.count) {
            lines.add(message, gasUsed: gasUsed, pass: pass, output: $0)
        }
        tracer = lines
    }

    private borrowing func outcome(
        _ receipts: [Receipt], _ gasUsed: UInt64, _ blobGasUsed: UInt64, _ requests: [[UInt8]]
    ) -> BlockOutcome {
        var bloom = Bloom()
        var encodings: [[UInt8]] = []
        encodings.reserveCapacity(receipts.count)
        for receipt in receipts {
            let own = Bloom(receipt.logs)
            bloom.formUnion(own)
            encodings.append(receipt.encoded(own))
        }
        return BlockOutcome(
            gasUsed: gasUsed, blobGasUsed: blobGasUsed, receipts: receipts,
            receiptsRoot: Trie.root(ofList: encodings), bloom: bloom, requests: requests,
            changes: state.changes(), accessList: state.accessList())
    }

    /// Compares what came out with what the header says, the two roots aside.
    private borrowing func compare(
        _ outcome: BlockOutcome, with header: Header, _ fork: Fork
    ) throws(BlockRejection) {
        guard outcome.gasUsed == header.gasUsed else {
            throw .gasUsed(found: header.gasUsed, expected: outcome.gasUsed)
        }
        if fork >= .cancun, header.blobGasUsed != outcome.blobGasUsed {
            throw .blobGasUsed(found: header.blobGasUsed ?? 0, expected: outcome.blobGasUsed)
        }
        guard outcome.bloom.bytes == header.bloom else {
            throw .bloom(found: header.bloom, expected: outcome.bloom.bytes)
        }
        if fork >= .prague {
            let hash = ExecutionRequests.hash(outcome.requests)
            guard header.requestsHash == hash else {
                throw .requestsHash(found: header.requestsHash ?? .zero, expected: hash)
            }
        }
    }

    // MARK: The system

    /// Calls a system contract, whose failure is of no consequence here.
    ///
    /// - Returns: what it returned; nil when it failed.
    private mutating func systemCall(
        _ address: Address, _ input: Span<UInt8>
    ) throws(BlockFailure) -> [UInt8]? {
        do throws(StateError) {
            let contract = state.account(address.word)
            let system = state.account(Address.system.word)
            transaction = TransactionContext(origin: Address.system.word, gasPrice: block.baseFee)
            let result = try call(
                to: contract, from: system, value: .zero, input: input,
                gas: BlockExecution.systemCallGas)
            trace(
                .system(address), gasUsed: UInt64(BlockExecution.systemCallGas - result.gas),
                pass: result.status == .succeeded)
            _ = state.logs.take()
            state.endTransaction()
            guard result.status == .succeeded else { return nil }
            return returnData.withSpan(0..<returnData.count) { $0.copied() }
        } catch {
            throw .state(error)
        }
    }

    /// Calls a system contract that must be there and must not fail.
    private mutating func requiredSystemCall(
        _ address: Address
    ) throws(BlockFailure) -> [UInt8] {
        let code: Code
        do throws(StateError) {
            code = try state.code(of: state.account(address.word))
        } catch {
            throw .state(error)
        }
        guard code.size > 0 else { throw .rejected(.systemContractMissing(address)) }
        guard let output = try systemCall(address, [UInt8]().span) else {
            throw .rejected(.systemCallFailed(address))
        }
        return output
    }

    private mutating func requests(
        _ receipts: [Receipt], _ depositContract: Address
    ) throws(BlockFailure) -> [[UInt8]] {
        var deposits = [ExecutionRequests.depositType]
        do throws(BlockRejection) {
            for receipt in receipts {
                for log in receipt.logs where log.address == depositContract {
                    try ExecutionRequests.appendDeposit(log, to: &deposits)
                }
            }
        } catch {
            throw .rejected(error)
        }
        let withdrawals = try requiredSystemCall(.withdrawalRequests)
        let consolidations = try requiredSystemCall(.consolidationRequests)
        return [
            deposits, [ExecutionRequests.withdrawalType] + withdrawals,
            [ExecutionRequests.consolidationType] + consolidations,
        ].filter { $0.count > 1 }
    }

    private mutating func credit(_ withdrawals: [Withdrawal]) throws(BlockFailure) {
        do throws(StateError) {
            for withdrawal in withdrawals {
                let account = state.account(withdrawal.address.word)
                try state.load(account)
                state.touch(account)
                let amount = UInt256(withdrawal.amount) &* UInt256(1_000_000_000)
                state.setBalance(account, state.accounts[account.index].balance &+ amount)
            }
        } catch {
            throw .state(error)
        }
        state.endTransaction()
    }
}

extension Block {
    /// What can be said against the body without running it.
    func checkBody(size: Int, _ epoch: ChainRules.Epoch) throws(BlockRejection) {
        if epoch.fork >= .osaka, size > BlockExecution.blockSizeMax {
            throw .tooLarge(size, limit: BlockExecution.blockSizeMax)
        }
        guard ommers.isEmpty else { throw .ommers(ommers.count) }
        let root = Trie.root(ofList: transactions.map(\.encoded))
        guard header.transactionsRoot == root else {
            throw .transactionsRoot(found: header.transactionsRoot, expected: root)
        }
        if let withdrawalsRoot = header.withdrawalsRoot {
            let root = Trie.root(ofList: (withdrawals ?? []).map(\.encoded))
            guard withdrawals != nil, withdrawalsRoot == root else {
                throw .withdrawalsRoot(found: withdrawalsRoot, expected: root)
            }
        } else if withdrawals != nil {
            throw .field(.withdrawalsRoot, isThere: false, epoch.fork)
        }
    }
}
