import ChoraleBase
import Crypto
import Execution
import Store

/// A real block on what its witness has of the state, in memory and in a database.
extension RealBlock {
    /// In CPU seconds of this thread. Codes are kept throughout.
    struct DiskTimes {
        /// Decoded, senders recovered, executed and its root found, on tries in memory.
        var memory = 0.0
        /// The same from a database that has the nodes in its cache.
        var cached = 0.0
        /// The same from one that was just opened: every node is read from RocksDB. The kernel has the
        /// files in memory.
        var cold = 0.0
        /// The same without hashing what is read.
        var unchecked = 0.0
        /// Writing the new nodes, not synced.
        var commit = 0.0
        /// Nodes that the block reads.
        var nodeCount = 0
    }

    func onDisk(folder: String) throws -> DiskTimes {
        let parts = try Witness(rlp: witness)
        let ancestors = try AncestorHeaders(parts, parentHash: parent.hash)
        var options = StateOptions()
        options.database.freeSpaceMin = 0
        var database = try StateDatabase.open(directory: folder, options: options)
        let before = StateHead(
            blockNumber: parent.number, blockHash: parent.hash, stateRoot: parent.stateRoot)
        try database.add(
            nodes: parts.nodes.map { parts[$0] }, codes: parts.codes.map { parts[$0] },
            head: before)

        var times = DiskTimes()
        // Once before, so that what comes first does not pay for what all have.
        _ = try execute(on: WitnessStore(parts, cache), ancestors.hashes)
        func opened() throws {
            database.close()
            database = try StateDatabase.open(directory: folder, options: options)
            for code in parts.codes { _ = try database.code(parts.hash(of: code)) }
        }
        options.verifiesHashes = false
        try opened()
        times.unchecked = try execute(on: database, ancestors.hashes).seconds
        options.verifiesHashes = true
        try opened()
        times.cold = try execute(on: database, ancestors.hashes).seconds
        let memory = try execute(on: WitnessStore(parts, cache), ancestors.hashes)
        times.memory = memory.seconds
        times.nodeCount = memory.state.resolvedNodes.count
        let cached = try execute(on: database, ancestors.hashes)
        times.cached = cached.seconds
        let watch = Stopwatch()
        try database.commit(cached.state, cached.changes, head: before, sync: false)
        times.commit = watch.seconds
        database.close()
        return times
    }

    private func execute<Source: TrieNodeSource & CodeSource>(
        on source: Source, _ hashes: [UInt64: Bytes32]
    ) throws -> (seconds: Double, state: TrieState<Source>, changes: [AccountChange]) {
        let watch = Stopwatch()
        let block = try Block(self.block.span)
        let state = TrieState(root: parent.stateRoot, source: source, blockHashes: hashes)
        let outcome = try BlockExecution.run(
            block, size: self.block.count, after: parent, rules, reader: state)
        let root = try state.apply(outcome.changes)
        let seconds = watch.seconds
        try require(root == stateRoot && outcome.receiptsRoot == receiptsRoot)
        return (seconds, state, outcome.changes)
    }
}

extension Witness {
    fileprivate func hash(of part: Range<Int>) -> Bytes32 { Keccak256.hash(self[part]) }
}
