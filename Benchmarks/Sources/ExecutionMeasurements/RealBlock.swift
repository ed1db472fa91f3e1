import ChoraleBase
import Crypto
import Execution

/// A real block with its witness, and the ways to execute it that are compared.
///
/// Each way is given as a function that does everything once and says how long it took, in CPU seconds
/// of this thread, and that checks the roots it finds.
struct RealBlock {
    let rules: ChainRules
    let block: [UInt8]
    let witness: [UInt8]
    let stateRoot: Bytes32
    let receiptsRoot: Bytes32
    /// What the block reads, copied from a run.
    private let flat: FlatState
    private let parent: Header
    private let senders: [Address]
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
        senders = try decoded.transactions.map { try $0.sender() }

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
    func stages() throws -> Stages {
        var stages = Stages()
        var watch = Stopwatch()
        let parts = try Witness(rlp: witness)
        let block = try Block(self.block.span)
        let ancestors = try AncestorHeaders(parts, parentHash: block.header.parentHash)
        let store = WitnessStore(parts, CodeCache())
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

    /// From RLP to the verdict, with nothing kept from an earlier block.
    func stateless() throws -> Double {
        let watch = Stopwatch()
        let verdict = try StatelessExecution(rules: rules).verdict(
            block.span, try Witness(rlp: witness))
        let seconds = watch.seconds
        try require(
            verdict.roots.stateRoot == stateRoot && verdict.roots.receiptsRoot == receiptsRoot)
        return seconds
    }

    /// The same without the state's root.
    func statelessWithoutRoot() throws -> Double {
        let watch = Stopwatch()
        let parts = try Witness(rlp: witness)
        let block = try Block(self.block.span)
        let ancestors = try AncestorHeaders(parts, parentHash: block.header.parentHash)
        let state = TrieState(
            root: ancestors.parent.stateRoot, source: WitnessStore(parts, CodeCache()),
            blockHashes: ancestors.hashes)
        let outcome = try BlockExecution.run(
            block, size: self.block.count, after: ancestors.parent, rules, reader: state)
        let seconds = watch.seconds
        try require(outcome.receiptsRoot == receiptsRoot)
        return seconds
    }

    // MARK: From a whole state in memory

    /// Block decoding, sender recovery and execution; no root of the state.
    func flatWithoutRoot() throws -> Double {
        let watch = Stopwatch()
        let block = try Block(self.block.span)
        let outcome = try BlockExecution.run(
            block, size: self.block.count, after: parent, rules, reader: flat)
        let seconds = watch.seconds
        try require(outcome.receiptsRoot == receiptsRoot)
        return seconds
    }

    /// The same with the state's root, from a trie whose nodes lie in memory under their hashes and are
    /// decoded as they are needed.
    func flatWithRoot() throws -> Double {
        let nodes = WitnessStore(try Witness(rlp: witness), CodeCache())
        let watch = Stopwatch()
        let block = try Block(self.block.span)
        let outcome = try BlockExecution.run(
            block, size: self.block.count, after: parent, rules, reader: flat)
        let state = TrieState(root: parent.stateRoot, source: nodes, blockHashes: [:])
        let root = try state.apply(outcome.changes)
        let seconds = watch.seconds
        try require(root == stateRoot && outcome.receiptsRoot == receiptsRoot)
        return seconds
    }

    // MARK: Recording

    /// Executes on tries whose nodes lie in memory.
    ///
    /// - Parameters:
    ///   - records: whether the state notes what is read.
    ///   - makesWitness: whether the witness is made of that.
    func onTries(records: Bool, makesWitness: Bool) throws -> Double {
        let parts = try Witness(rlp: witness)
        let ancestors = try AncestorHeaders(parts, parentHash: parent.hash)
        let store = WitnessStore(parts, CodeCache())
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

    private func require(_ isRight: Bool) throws {
        guard isRight else { throw MeasurementError("other roots than the block's") }
    }
}
