import ChoraleBase
import Crypto
import Execution

/// A real block with its witness, and the ways to execute it that are compared.
///
/// Each way does everything once, says how long it took, in CPU seconds of this thread, and checks the
/// roots it finds.
struct RealBlock {
    let rules: ChainRules
    let block: [UInt8]
    let witness: [UInt8]
    let stateRoot: Bytes32
    let receiptsRoot: Bytes32
    /// What the block reads, copied from a run.
    private let flat: FlatState
    let parent: Header
    let cache = CodeCache()
    let gasUsed: UInt64

    /// Both as RLP; the expected roots are those of the block's header.
    init(network: String, block: [UInt8], witness: [UInt8]) throws {
        guard let rules = ChainRules.named(network) else {
            throw MeasurementError("no network is called \(network)")
        }
        self.rules = rules
        self.block = block
        self.witness = witness
        let decoded = try Block(block.span)
        stateRoot = decoded.header.stateRoot
        receiptsRoot = decoded.header.receiptsRoot
        gasUsed = decoded.header.gasUsed

        let parts = try Witness(rlp: witness)
        let ancestors = try AncestorHeaders(parts, parentHash: decoded.header.parentHash)
        parent = ancestors.parent
        let state = TrieState(
            root: parent.stateRoot, source: WitnessStore(parts, CodeCache()),
            blockHashes: ancestors.hashes)
        let copying = CopyingState(state)
        _ = try BlockExecution.run(
            decoded, size: block.count, after: parent, rules, reader: copying)
        flat = copying.copy
    }

    // MARK: Stateless

    /// Stages of a stateless execution, in seconds.
    struct Stages {
        /// The witness and the block from their RLP, headers checked, every node and code hashed.
        var decode = 0.0
        var senders = 0.0
        /// All that is in ``BlockExecution``, the receipts' root included; nodes are read on the way.
        var execute = 0.0
        /// The state's root.
        var root = 0.0
        var total: Double { decode + senders + execute + root }
    }

    /// What ``StatelessExecution`` does, in its steps.
    ///
    /// - Parameter keepsCodes: whether codes are kept from an earlier block, as a node has them.
    func stages(keepsCodes: Bool) throws -> Stages {
        var stages = Stages()
        var watch = Stopwatch()
        let parts = try Witness(rlp: witness)
        let block = try Block(self.block.span)
        let ancestors = try AncestorHeaders(parts, parentHash: block.header.parentHash)
        let store = WitnessStore(parts, keepsCodes ? cache : CodeCache())
        stages.decode = watch.lap()
        let senders = try block.transactions.map { try $0.sender() }
        stages.senders = watch.lap()
        let state = TrieState(
            root: ancestors.parent.stateRoot, source: store, blockHashes: ancestors.hashes)
        let outcome = try BlockExecution.run(
            block, size: self.block.count, after: ancestors.parent, rules, reader: state,
            senders: senders)
        stages.execute = watch.lap()
        let root = try state.apply(outcome.changes)
        stages.root = watch.lap()
        try require(root == stateRoot && outcome.receiptsRoot == receiptsRoot)
        return stages
    }

    // MARK: Ways

    /// All begin with the block's RLP, recover its senders and execute it.
    enum Way: String {
        /// The verdict from the witness's RLP, nothing being kept from an earlier block.
        case stateless
        /// The same with codes kept from earlier blocks, as a node has them.
        case keepingCodes = "keeping-codes"
        /// The same without the state's root.
        case statelessWithoutRoot = "stateless-rootless"
        /// From dictionaries of accounts, slots and codes; then the state's root from tries whose nodes
        /// lie in memory under their hashes and are decoded as they are needed.
        case flat
        /// The same without the root.
        case flatWithoutRoot = "flat-rootless"
        /// With the root, from tries in memory that keep no record of what is read.
        case plain
        /// The same with a record.
        case noting
        /// With a witness made of it.
        case witness
    }

    func seconds(_ way: Way) throws -> Double {
        switch way {
        case .stateless: try stateless(CodeCache())
        case .keepingCodes: try stateless(cache)
        case .statelessWithoutRoot: try statelessWithoutRoot()
        case .flat: try fromFlatState(findsRoot: true)
        case .flatWithoutRoot: try fromFlatState(findsRoot: false)
        case .plain: try onTries(records: false, makesWitness: false)
        case .noting: try onTries(records: true, makesWitness: false)
        case .witness: try onTries(records: true, makesWitness: true)
        }
    }

    private func stateless(_ cache: CodeCache) throws -> Double {
        let watch = Stopwatch()
        let verdict = try StatelessExecution(rules: rules, codeCache: cache).verdict(
            block.span, try Witness(rlp: witness))
        let seconds = watch.seconds
        try require(
            verdict.roots.stateRoot == stateRoot && verdict.roots.receiptsRoot == receiptsRoot)
        return seconds
    }

    private func statelessWithoutRoot() throws -> Double {
        let watch = Stopwatch()
        let parts = try Witness(rlp: witness)
        let block = try Block(self.block.span)
        let ancestors = try AncestorHeaders(parts, parentHash: block.header.parentHash)
        let state = TrieState(
            root: ancestors.parent.stateRoot, source: WitnessStore(parts, cache),
            blockHashes: ancestors.hashes)
        let outcome = try BlockExecution.run(
            block, size: self.block.count, after: ancestors.parent, rules, reader: state)
        let seconds = watch.seconds
        try require(outcome.receiptsRoot == receiptsRoot)
        return seconds
    }

    private func fromFlatState(findsRoot: Bool) throws -> Double {
        let nodes = NodesByHash(store: WitnessStore(try Witness(rlp: witness), cache))
        let watch = Stopwatch()
        let block = try Block(self.block.span)
        let outcome = try BlockExecution.run(
            block, size: self.block.count, after: parent, rules, reader: flat)
        var root = stateRoot
        if findsRoot {
            let state = TrieState(root: parent.stateRoot, source: nodes, blockHashes: [:])
            root = try state.apply(outcome.changes)
        }
        let seconds = watch.seconds
        try require(root == stateRoot && outcome.receiptsRoot == receiptsRoot)
        return seconds
    }

    private func onTries(records: Bool, makesWitness: Bool) throws -> Double {
        let parts = try Witness(rlp: witness)
        let ancestors = try AncestorHeaders(parts, parentHash: parent.hash)
        let store = NodesByHash(store: WitnessStore(parts, cache))
        var encodings: [UInt64: [UInt8]] = [:]
        for header in parts.headers {
            let encoding = parts[header]
            encodings[try Header(encoding.span).number] = encoding
        }
        let watch = Stopwatch()
        let block = try Block(self.block.span)
        let state = TrieState(
            root: parent.stateRoot, source: store, blockHashes: ancestors.hashes,
            records: records)
        let outcome = try BlockExecution.run(
            block, size: self.block.count, after: parent, rules, reader: state)
        let root = try state.apply(outcome.changes)
        var recorded: Witness?
        if makesWitness {
            recorded = try state.witness(parent: parent.number, ancestors: encodings)
        }
        let seconds = watch.seconds
        try require(root == stateRoot)
        if let recorded { try require(recorded.nodes.count <= parts.nodes.count) }
        return seconds
    }

    func require(_ isRight: Bool) throws {
        guard isRight else { throw MeasurementError("other roots than the block's") }
    }
}

/// Nodes that are read one by one: a state in memory does not hand over all that it has.
private struct NodesByHash: TrieNodeSource, CodeSource {
    let store: WitnessStore

    func appendNode(_ hash: Bytes32, to bytes: inout [UInt8]) -> Bool {
        store.appendNode(hash, to: &bytes)
    }

    func code(_ hash: Bytes32) -> Code? { store.code(hash) }
}
