import ChoraleBase

/// Makes witnesses: executes a block once, on whatever has the state, and gathers what that needed.
///
/// The witness is canonical, and complete and minimal for readers that apply changes in the same order.
public struct WitnessBuilder {
    public struct Product: Sendable {
        public var witness: Witness
        /// From the same execution.
        public var verdict: StatelessVerdict
    }

    public var rules: ChainRules
    public var order: Trie.ChangeOrder

    /// - Parameter order: of the readers; see ``Trie/ChangeOrder/version``.
    public init(rules: ChainRules, order: Trie.ChangeOrder = .updatesFirst) {
        self.rules = rules
        self.order = order
    }

    /// The witness of a block from a source of its parent's state.
    ///
    /// - Parameters:
    ///   - size: of the block's encoding, in bytes.
    ///   - ancestors: encodings of headers by their number, from the parent down as far as there are, to
    ///     256. Their hashes answer BLOCKHASH.
    /// - Throws: ``StatelessFailure/rejected(_:)`` for a block that breaks a rule,
    ///   ``StatelessFailure/incomplete(_:)`` where the source misses something or fails.
    public func build(
        _ block: Block, size: Int, ancestors: [UInt64: [UInt8]],
        from source: some TrieNodeSource & CodeSource
    ) throws(StatelessFailure) -> Product {
        try run(block, size: size, ancestors, source) { _, _ in }
    }

    /// The witness of a block on a state in memory, which then is the state after it.
    public func advance(
        _ store: inout StateStore, by block: Block, size: Int, ancestors: [UInt64: [UInt8]]
    ) throws(StatelessFailure) -> Product {
        var next = store
        let product = try run(block, size: size, ancestors, store) {
            next.insert($0, $1.outcome.changes, root: $1.roots.stateRoot)
        }
        store = next
        return product
    }

    /// The smallest witness of a block that is inside a larger one.
    ///
    /// - Throws: what executing from the larger one throws.
    public func minimal(
        _ witness: Witness, for block: Block, size: Int, codeCache: CodeCache = CodeCache()
    ) throws(StatelessFailure) -> Product {
        let execution = StatelessExecution(
            rules: rules, order: order, gasMax: .max, codeCache: codeCache)
        let trace = StatelessTrace()
        let verdict = try execution.verdict(
            block, size: size, witness, senders: nil, watch: trace)
        guard let state = trace.state, let parent = trace.parent else {
            preconditionFailure("an execution that succeeded had a state and a parent")
        }
        var ancestors: [UInt64: [UInt8]] = [:]
        for (number, part) in zip(witness.headerNumbers, witness.headers) {
            if let number { ancestors[number] = witness[part] }
        }
        return Product(
            witness: try Self.witness(state, parent.number, ancestors), verdict: verdict)
    }

    // MARK: Parts

    private func run<Source: TrieNodeSource & CodeSource>(
        _ block: Block, size: Int, _ ancestors: [UInt64: [UInt8]], _ source: Source,
        _ finish: (TrieState<Source>, StatelessVerdict) -> Void
    ) throws(StatelessFailure) -> Product {
        let headers = ancestors.sorted { $0.key < $1.key }.map(\.value)
        let chain: AncestorHeaders
        do throws(WitnessError) {
            chain = try AncestorHeaders(
                Witness(headers: headers, codes: [], nodes: []),
                parentHash: block.header.parentHash)
        } catch {
            throw .witness(error)
        }
        let state = TrieState(
            root: chain.parent.stateRoot, source: source, blockHashes: chain.hashes)
        let outcome: BlockOutcome
        do throws(BlockFailure) {
            outcome = try BlockExecution.run(
                block, size: size, after: chain.parent, rules, reader: state)
        } catch {
            switch error {
            case .rejected(let rejection): throw .rejected(rejection)
            case .state(let error): throw .incomplete(error)
            }
        }
        let root: Bytes32
        do throws(StateError) {
            root = try state.apply(outcome.changes, order: order)
        } catch {
            throw .incomplete(error)
        }
        let verdict = StatelessVerdict(
            roots: .init(
                stateRoot: root, receiptsRoot: outcome.receiptsRoot, gasUsed: outcome.gasUsed),
            outcome: outcome,
            usage: .init(nodes: state.resolvedNodes.count, codes: state.resolvedCodes.count))
        let witness = try Self.witness(state, chain.parent.number, ancestors)
        finish(state, verdict)
        return Product(witness: witness, verdict: verdict)
    }

    private static func witness<Source>(
        _ state: TrieState<Source>, _ parent: UInt64, _ ancestors: [UInt64: [UInt8]]
    ) throws(StatelessFailure) -> Witness {
        do throws(StateError) {
            return try state.witness(parent: parent, ancestors: ancestors)
        } catch {
            throw .incomplete(error)
        }
    }
}

extension Trie.ChangeOrder {
    /// The byte before a witness that says for which order it is complete.
    ///
    /// A witness of version 1 may miss what a reader of version 0 needs, and have less.
    public var version: UInt8 {
        switch self {
        case .deletionsFirst: 0
        case .updatesFirst: 1
        }
    }

    /// nil for a version that is not known.
    public init?(version: UInt8) {
        switch version {
        case 0: self = .deletionsFirst
        case 1: self = .updatesFirst
        default: return nil
        }
    }
}
