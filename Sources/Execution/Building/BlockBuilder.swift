public import ChoraleBase
import Codec

/// Why a transaction is not in the block that is being made.
public enum BuildingRefusal: Error, Hashable, Sendable {
    /// It could be in no block on this state, or not in what is left of this one.
    case rejected(TransactionRejection)
    /// The block would have more bytes than it may.
    case size(Int, limit: Int)
    /// Executing it needs a larger witness than the block may have.
    case witness(Int, limit: Int)
    /// It has a log by which the block would be invalid (EIP-6110).
    case depositLayout
    /// It has logs that whoever makes the block does not take.
    case logs
}

/// A block that came out of a ``BlockBuilder``.
public struct BuiltBlock: Sendable {
    public var block: Block
    /// Of the transactions.
    public var senders: [Address]
    public var outcome: BlockOutcome
    /// Of the execution that made the block, in canonical order: exactly what executing the block needs.
    public var witness: Witness
    /// Trie nodes that the state after the block has and the one before did not, with their hashes.
    public var newNodes: [(hash: Bytes32, encoding: [UInt8])]
    /// Codes that were created.
    public var newCodes: [Code]
}

/// Makes a block: tries transactions one after the other and keeps those that fit. Each is executed once,
/// and that execution gives the block, the changes of the state and the witness together.
///
/// A transaction that is refused leaves nothing behind, neither in the state nor in the witness.
///
/// Specification: yellow paper 4.4, 11; Ethereum execution APIs, `engine_getPayload`.
public struct BlockBuilder<Source: TrieNodeSource & CodeSource>: ~Copyable {
    public struct Limits: Hashable, Sendable {
        /// Bytes of the block's encoding.
        public var sizeMax: Int
        /// Bytes of the nodes and codes in its witness. There may be a few more: neighbours of entries that
        /// are removed from a trie, and slots that system contracts read at the end.
        public var witnessSizeMax: Int

        public init(sizeMax: Int = 4 << 20, witnessSizeMax: Int = 14 << 20) {
            self.sizeMax = sizeMax
            self.witnessSizeMax = witnessSizeMax
        }
    }

    private let parent: Header
    private let header: Header
    private let withdrawals: [Withdrawal]?
    private let epoch: ChainRules.Epoch
    private let rules: ChainRules
    private let state: TrieState<Source>
    private let limits: Limits
    private var machine: Machine
    private var tally: BlockTally
    private var transactions: [Transaction] = []
    private var senders: [Address] = []
    /// Bytes of the block at most, with what has been taken.
    private var size: Int

    /// - Parameter state: the parent's; it keeps the record of what is read.
    public init(
        after parent: Header, _ attributes: BlockAttributes, _ rules: ChainRules,
        state: TrieState<Source>, limits: Limits = Limits()
    ) throws(BlockFailure) {
        // Checked before anything is stored: what cannot be copied is not left half made.
        let epoch = rules.epoch(at: attributes.timestamp)
        let header = parent.next(attributes, epoch)
        do throws(BlockRejection) {
            try header.check(after: parent, epoch)
        } catch {
            throw .rejected(error)
        }
        var machine = Machine(reader: state, header, epoch, rules)
        try machine.begin(header, epoch)
        let withdrawals = epoch.fork >= .shanghai ? attributes.withdrawals : nil
        // What the end of the block needs is in the record before the transactions fill it.
        do throws(StateError) {
            for withdrawal in withdrawals ?? [] {
                try machine.state.load(machine.state.account(withdrawal.address.word))
            }
            if epoch.fork >= .prague {
                for contract in [Address.withdrawalRequests, .consolidationRequests] {
                    _ = try machine.state.code(of: machine.state.account(contract.word))
                }
            }
        } catch {
            throw .state(error)
        }
        // Headers of lists, and every number that is not known yet at its longest.
        var size = header.encoded.count + 64
        for withdrawal in withdrawals ?? [] { size += withdrawal.encoded.count + 4 }

        self.parent = parent
        self.header = header
        self.withdrawals = withdrawals
        self.epoch = epoch
        self.rules = rules
        self.state = state
        self.limits = limits
        self.machine = machine
        self.size = size
        tally = BlockTally(header, epoch)
    }

    /// Gas that is left for transactions.
    public var gasLeft: UInt64 { tally.allowance.gas }
    /// Wei a gas that is burned.
    public var baseFee: UInt256 { header.baseFeePerGas ?? .zero }
    public var transactionCount: Int { transactions.count }

    /// Tries a transaction. Returns why it is not in the block, or nil when it is.
    ///
    /// - Parameters:
    ///   - sender: who signed, which is not checked here.
    ///   - admits: whether a transaction with these logs may stay: for rules that are not those of execution.
    /// - Throws: when the state cannot answer; the builder is of no use then.
    public mutating func add(
        _ transaction: Transaction, sender: Address, admits: ([Log]) -> Bool = { _ in true }
    ) throws(StateError) -> BuildingRefusal? {
        let encodedSize = transaction.encoded.count + 9
        let sizeMax =
            epoch.fork >= .osaka
            ? min(limits.sizeMax, BlockExecution.blockSizeMax) : limits.sizeMax
        guard size + encodedSize <= sizeMax else {
            return .size(size + encodedSize, limit: sizeMax)
        }
        let mark = (machine.state.loads.mark, state.recordMark)
        let attempt: TransactionAttempt
        do throws(ExecutionError) {
            attempt = try machine.attempt(
                transaction, sender: sender, allowance: tally.allowance)
        } catch {
            switch error {
            case .rejected(let rejection):
                abandon(mark)
                return .rejected(rejection)
            case .state(let error): throw error
            }
        }
        let logs = machine.state.logs.take()
        if let refusal = refusal(logs) ?? (admits(logs) ? nil : .logs) {
            abandon(mark)
            return refusal
        }
        machine.state.endTransaction()
        tally.add(
            transaction,
            TransactionOutcome(
                succeeded: attempt.succeeded, gasUsed: attempt.gasUsed, logs: logs))
        transactions.append(transaction)
        senders.append(sender)
        size += encodedSize
        return nil
    }

    /// Why what has just run cannot stay.
    private borrowing func refusal(_ logs: [Log]) -> BuildingRefusal? {
        guard state.witnessSize <= limits.witnessSizeMax else {
            return .witness(state.witnessSize, limit: limits.witnessSizeMax)
        }
        guard epoch.fork >= .prague else { return nil }
        var deposits: [UInt8] = []
        for log in logs where log.address == rules.depositContract {
            guard (try? ExecutionRequests.appendDeposit(log, to: &deposits)) != nil else {
                return .depositLayout
            }
        }
        return nil
    }

    private mutating func abandon(_ mark: (StateLoads.Mark, TrieState<Source>.RecordMark)) {
        machine.state.abandonTransaction(mark.0)
        state.forgetRecord(since: mark.1)
    }

    /// Ends the block.
    ///
    /// - Parameter ancestors: encodings of headers by their number, at least from the parent down to the
    ///   oldest whose hash was asked for.
    public consuming func finish(ancestors: [UInt64: [UInt8]]) throws(BlockFailure) -> BuiltBlock {
        let outcome = try machine.finish(tally, withdrawals, epoch, rules)
        var block = Block(
            header: header, transactions: transactions, ommers: [], withdrawals: withdrawals)
        block.header.transactionsRoot = Trie.root(ofList: transactions.map { $0.encoded })
        block.header.receiptsRoot = outcome.receiptsRoot
        block.header.bloom = outcome.bloom.bytes
        block.header.gasUsed = outcome.gasUsed
        if epoch.fork >= .cancun { block.header.blobGasUsed = outcome.blobGasUsed }
        if epoch.fork >= .prague {
            block.header.requestsHash = ExecutionRequests.hash(outcome.requests)
        }
        var built = BuiltBlock(
            block: block, senders: senders, outcome: outcome, witness: Witness(), newNodes: [],
            newCodes: outcome.changes.compactMap { $0.code })
        do throws(StateError) {
            built.block.header.stateRoot = try state.apply(outcome.changes)
            built.witness = try state.witness(parent: parent.number, ancestors: ancestors)
        } catch {
            throw .state(error)
        }
        var nodes: [(hash: Bytes32, encoding: [UInt8])] = []
        state.forEachNewNode { nodes.append(($0, $1)) }
        built.newNodes = nodes
        return built
    }
}
