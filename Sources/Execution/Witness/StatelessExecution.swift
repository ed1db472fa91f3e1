public import ChoraleBase
import Codec

/// What a stateless execution found.
public struct StatelessVerdict: Sendable {
    /// The two roots that the block's sender withheld, and what else came out.
    public struct Roots: Hashable, Sendable {
        public var stateRoot: Bytes32
        public var receiptsRoot: Bytes32
        public var gasUsed: UInt64

        public init(stateRoot: Bytes32, receiptsRoot: Bytes32, gasUsed: UInt64) {
            self.stateRoot = stateRoot
            self.receiptsRoot = receiptsRoot
            self.gasUsed = gasUsed
        }
    }

    /// Nodes and codes that were needed, of those that the witness has.
    public struct Usage: Hashable, Sendable {
        public var nodes: Int
        public var codes: Int
    }

    public var roots: Roots
    public var outcome: BlockOutcome
    public var usage: Usage
    /// Trie nodes that the state after the block has and the witness does not, with their hashes, if
    /// ``StatelessExecution/keepsNodes``: whoever has the state before needs no second execution to have
    /// the one after.
    public var newNodes: [(hash: Bytes32, encoding: [UInt8])] = []
}

/// Why a block with its witness is invalid.
public enum StatelessFailure: Error, Hashable, Sendable {
    /// The bytes are no block.
    case block(BlockError)
    case witness(WitnessError)
    /// The block can spend more than ``StatelessExecution/gasMax``.
    case gas(UInt64, limit: UInt64)
    /// The witness does not have what execution needs.
    case incomplete(StateError)
    /// The block breaks a rule.
    case rejected(BlockRejection)
}

/// Executes blocks from nothing but themselves and a witness.
///
/// The roots of state and receipts in the block's header are not read: they may be zero, or wrong.
/// Whoever asked compares.
public struct StatelessExecution {
    /// Whether entries that were not needed, or are there twice, are an error.
    public enum Mode: Hashable, Sendable {
        /// They are ignored, as other clients do.
        case compatible
        /// They are refused: a witness has one form.
        case strict
    }

    public var rules: ChainRules
    public var mode: Mode
    public var order: Trie.ChangeOrder
    /// Gas that a block may be able to spend; those that can spend more are not executed. A transaction
    /// counts as 21,000 at least, since its signature is checked before anything is paid for.
    ///
    /// What a block can spend is the lower of its gas limit and of what its transactions ask for
    /// together. Either alone may be large in a block that is valid: transactions ask for more than they
    /// use, and whoever makes up a block makes up its parent's header too. Gas is time and memory: this
    /// much, some eighteen times what blocks of today have, is seconds, and at worst 2 GB in storage that
    /// lasts for a transaction (100 gas a slot) or in memories of frames inside each other.
    public var gasMax: UInt64
    /// Whether verdicts have ``StatelessVerdict/newNodes``.
    public var keepsNodes = false
    private let codeCache: CodeCache
    /// Recovers senders, and hashes the witness.
    private let parallel: any ParallelMap

    /// - Parameters:
    ///   - codeCache: kept from one block to the next.
    ///   - parallel: what can be done by several threads at once is; the verdict is the same.
    public init(
        rules: ChainRules, mode: Mode = .compatible, order: Trie.ChangeOrder = .updatesFirst,
        gasMax: UInt64 = 1 << 30, codeCache: CodeCache = CodeCache(),
        parallel: any ParallelMap = SequentialMap()
    ) {
        self.rules = rules
        self.mode = mode
        self.order = order
        self.gasMax = gasMax
        self.codeCache = codeCache
        self.parallel = parallel
    }

    /// Executes a block given as its encoding.
    public func verdict(
        _ encoding: Span<UInt8>, _ witness: Witness
    ) throws(StatelessFailure) -> StatelessVerdict {
        let block: Block
        do throws(BlockError) {
            block = try Block(encoding)
        } catch {
            throw .block(error)
        }
        return try verdict(block, size: encoding.count, witness)
    }

    /// - Parameters:
    ///   - size: of the block's encoding, in bytes.
    ///   - senders: of its transactions, if they are known already.
    ///   - trace: takes a line for every instruction and every message (EIP-3155), also when this
    ///     throws.
    public func verdict(
        _ block: Block, size: Int, _ witness: Witness, senders: [Address]? = nil,
        trace: TraceWriter? = nil
    ) throws(StatelessFailure) -> StatelessVerdict {
        try verdict(block, size: size, witness, senders: senders, watch: nil, trace: trace)
    }

    /// - Parameter watch: filled as far as execution comes.
    func verdict(
        _ block: Block, size: Int, _ witness: Witness, senders: [Address]?,
        watch: StatelessTrace?, trace: TraceWriter? = nil
    ) throws(StatelessFailure) -> StatelessVerdict {
        let gas = block.gasSpendable
        guard gas <= gasMax else { throw .gas(gas, limit: gasMax) }
        let ancestors: AncestorHeaders
        do throws(WitnessError) {
            ancestors = try AncestorHeaders(witness, parentHash: block.header.parentHash)
        } catch {
            throw .witness(error)
        }
        let store = WitnessStore(witness, codeCache, parallel)
        let state = TrieState(
            root: ancestors.parent.stateRoot, source: store, blockHashes: ancestors.hashes)
        let reader: any StateReader = watch?.watch(state, ancestors.parent) ?? state
        let outcome: BlockOutcome
        do throws(BlockFailure) {
            outcome = try BlockExecution.run(
                block, size: size, after: ancestors.parent, rules, reader: reader,
                senders: senders ?? block.senders(parallel), recordsAccess: watch != nil,
                trace: trace)
        } catch {
            switch error {
            case .rejected(let rejection): throw .rejected(rejection)
            case .state(let error): throw .incomplete(error)
            }
        }
        watch?.questions?.finish()
        let stateRoot: Bytes32
        do throws(StateError) {
            stateRoot = try state.apply(outcome.changes, order: order)
        } catch {
            throw .incomplete(error)
        }
        let usage = StatelessVerdict.Usage(
            nodes: store.usedNodeCount, codes: state.resolvedCodes.count)
        if mode == .strict { try requireUsed(witness, state, block.header.number) }
        var verdict = StatelessVerdict(
            roots: .init(
                stateRoot: stateRoot, receiptsRoot: outcome.receiptsRoot,
                gasUsed: outcome.gasUsed), outcome: outcome, usage: usage)
        if keepsNodes { state.forEachNewNode { verdict.newNodes.append(($0, $1)) } }
        return verdict
    }
}

extension Block {
    /// The most gas that executing the block can take; of a valid one never more than its gas limit.
    fileprivate var gasSpendable: UInt64 {
        var asked: UInt64 = 0
        for transaction in transactions {
            let (sum, overflow) = asked.addingReportingOverflow(transaction.gasLimit)
            asked = overflow ? .max : sum
        }
        // A signature is checked before anything is paid for.
        let signatures = 21_000 * UInt64(transactions.count)
        return max(min(asked, header.gasLimit), signatures)
    }
}
