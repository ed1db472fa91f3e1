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
}

/// Why a block with its witness is invalid.
public enum StatelessFailure: Error, Hashable, Sendable {
    /// The bytes are no block.
    case block(BlockError)
    case witness(WitnessError)
    /// The transactions ask for more than ``StatelessExecution/gasMax``.
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
    /// Gas that a block's transactions may ask for together, each for 21,000 at least; blocks with more
    /// are not executed.
    ///
    /// Who makes a block makes its parent's header too, as far as anybody can tell from a witness, so
    /// the gas limit of the header bounds nothing. Gas is time and memory: this much, some eighteen
    /// times what blocks of today have, is seconds, and at worst 2 GB in storage that lasts for a
    /// transaction (100 gas a slot) or in memories of frames inside each other.
    public var gasMax: UInt64
    private let codeCache: CodeCache

    /// - Parameter codeCache: kept from one block to the next.
    public init(
        rules: ChainRules, mode: Mode = .compatible, order: Trie.ChangeOrder = .updatesFirst,
        gasMax: UInt64 = 1 << 30, codeCache: CodeCache = CodeCache()
    ) {
        self.rules = rules
        self.mode = mode
        self.order = order
        self.gasMax = gasMax
        self.codeCache = codeCache
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
        var gas: UInt64 = 0
        for transaction in block.transactions {
            // Signatures are checked before anything is paid for.
            let (sum, overflow) = gas.addingReportingOverflow(max(transaction.gasLimit, 21_000))
            gas = overflow ? .max : sum
        }
        guard gas <= gasMax else { throw .gas(gas, limit: gasMax) }
        let ancestors: AncestorHeaders
        do throws(WitnessError) {
            ancestors = try AncestorHeaders(witness, parentHash: block.header.parentHash)
        } catch {
            throw .witness(error)
        }
        let store = WitnessStore(witness, codeCache)
        let state = TrieState(
            root: ancestors.parent.stateRoot, source: store, blockHashes: ancestors.hashes)
        let reader: any StateReader = watch?.watch(state, ancestors.parent) ?? state
        let outcome: BlockOutcome
        do throws(BlockFailure) {
            outcome = try BlockExecution.run(
                block, size: size, after: ancestors.parent, rules, reader: reader,
                senders: senders, recordsAccess: watch != nil, trace: trace)
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
        return StatelessVerdict(
            roots: .init(
                stateRoot: stateRoot, receiptsRoot: outcome.receiptsRoot,
                gasUsed: outcome.gasUsed), outcome: outcome, usage: usage)
    }
}
