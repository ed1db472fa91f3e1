public import Chain
public import ChoraleBase
public import ChoraleTypes
import Crypto
public import Execution

/// A chain on a disk: its committed blocks, the state after the last of them, and some of its past.
///
///     open ──(a write fails)──▶ refusing ──(opened again)──▶ open
///       └─────────(close)──▶ closed ◀──(close)──┘
///
/// Invariants:
///   1. A height is there whole or not at all: block, receipts, state, reverse diff, head. (One batch.)
///   2. A node has one row for every place where it stands in the tries of the kept heights, as far as
///      tries before the last are concerned: for every place from which it has gone since. Rows are put
///      when a node comes to a place, and deleted when no kept state has it there. So there is no moment
///      at which a kept state lacks a node, and none at which a row stays for good. (`write`, `prune`.)
///   3. The node cache has the birth of a node's latest row, and nothing that is not on the disk: it is
///      changed after a write, and emptied when the files are opened again.
///   4. Flat rows say what the trie of the last height says. (`TrieDifference`)
///
/// Not `Sendable`: one thread owns it and waits for the disk. Others read through ``makeReader()``.
///
/// Memory: ``ChainStoreOptions/state`` as for a state, and one height's changes.
///
/// Specification: `docs/architecture.md`, "Storage".
public final class ChainDatabase: ChainStore {
    /// Where the database is.
    public let directory: String
    public let options: ChainStoreOptions
    /// What was done since the opening.
    public internal(set) var counters = ChainCounters()
    /// See ``ChainStoreOptions/pruneBlocksBelow``.
    public var pruneBlocksBelow: UInt64

    let gate: ChainGate
    /// nil in a new database, and after ``close()``.
    var last: ChainHead?
    /// Nodes, each followed by the birth of its latest row in eight bytes.
    var nodes: NodeCache
    let codes: CodeCache
    /// Why RocksDB takes no more writes, if it does not.
    var refusal: StoreFailure?
    var reopening = Reopening()
    var isClosed = false
    /// Blocks of the next height that are kept, the oldest first; nil until they were read.
    var candidateList: [Candidate]?

    init(
        _ files: ChainFiles, directory: String, options: ChainStoreOptions, head: ChainHead?
    ) {
        self.directory = directory
        self.options = options
        pruneBlocksBelow = options.pruneBlocksBelow
        gate = ChainGate(directory: directory, files)
        last = head
        nodes = NodeCache(sizeMax: options.state.nodeCacheSizeMax)
        codes = CodeCache(sizeMax: options.state.codeCacheSizeMax)
    }

    deinit { close() }

    /// Closes the database, after readers that are inside; later reads and writes fail. Closing again does
    /// nothing.
    public func close() {
        guard !isClosed else { return }
        isClosed = true
        // In this order: once the lock is free, the file belongs to whoever takes it.
        StoreHolder.withdraw(directory: directory)
        gate.close()
        last = nil
        nodes = NodeCache(sizeMax: 0)
    }

    /// A reader for another thread, which may outlive the database: then it says that that is closed.
    public func makeReader(_ options: ChainReader.Options = .init()) -> ChainReader {
        ChainReader(gate, state: self.options.state, options)
    }

    public var head: [UInt8]? { last?.record }

    /// The last height written; nil in an empty store.
    public var height: UInt64? { last?.height }

    /// The state after the last height; nil where no state is kept.
    public var stateHead: StateHead? {
        guard let last, let root = last.stateRoot else { return nil }
        return StateHead(blockNumber: last.height, blockHash: last.blockHash, stateRoot: root)
    }

    public func block(at height: UInt64) throws(StoreFailure) -> StoredBlock? {
        try onRows { rows throws(RocksError) in try rows.block(at: height) }
    }

    public func height(of blockID: Bytes32) throws(StoreFailure) -> UInt64? {
        try onRows { rows throws(RocksError) in try rows.number(.name, ChainKey.blockID(blockID)) }
    }

    // MARK: Nodes and codes

    public func appendNode(
        _ hash: Bytes32, to bytes: inout [UInt8]
    ) throws(SourceFailure) -> Bool {
        try appendNode(hash, to: &bytes) != nil
    }

    /// Appends a node; gives the birth of its latest row, or nil where there is none.
    func appendNode(
        _ hash: Bytes32, to bytes: inout [UInt8]
    ) throws(SourceFailure) -> UInt64? {
        counters.nodeReads += 1
        let start = bytes.count
        if nodes.append(hash, to: &bytes) {
            counters.nodeReadsFromMemory += 1
            let birth = bytes.span.loadBigEndian(UInt64.self, at: bytes.count - 8)
            bytes.removeLast(8)
            return birth
        }
        let birth: UInt64?
        do throws(RocksError) {
            birth = try ChainRows(opened()).node(
                hash, sizeMax: options.state.nodeSizeMax, to: &bytes)
        } catch {
            counters.failures += 1
            throw error.sourceFailure
        }
        guard let birth else { return nil }
        if options.state.verifiesHashes {
            let found = Keccak256.hash(bytes.span.extracting(start...))
            guard found == hash else {
                bytes.removeLast(bytes.count - start)
                counters.failures += 1
                throw .mismatch(hash, found: found)
            }
        }
        bytes.appendBigEndian(birth)
        nodes.insert(hash, bytes.span.extracting(start...))
        bytes.removeLast(8)
        return birth
    }

    public func code(_ hash: Bytes32) throws(SourceFailure) -> Code? {
        if let code = codes.code(hash) { return code }
        let bytes: [UInt8]?
        do throws(RocksError) {
            bytes = try ChainRows(opened()).value(.code, hash.bytes)
        } catch {
            counters.failures += 1
            throw error.sourceFailure
        }
        return try codes.checked(hash, bytes, options.state)
    }

    // MARK: Files

    func opened() throws(RocksError) -> ChainFiles {
        guard let files = gate.owned else {
            throw RocksError(message: "the database \(directory) is closed")
        }
        return files
    }

    func onRows<Result>(
        _ body: (ChainRows) throws(RocksError) -> Result
    ) throws(StoreFailure) -> Result {
        do throws(RocksError) {
            return try body(ChainRows(opened()))
        } catch {
            counters.failures += 1
            throw error.failure(in: directory)
        }
    }
}

extension CodeCache {
    /// The code with these bytes from a disk, if they are what they should be.
    func checked(
        _ hash: Bytes32, _ bytes: [UInt8]?, _ options: StateOptions
    ) throws(SourceFailure) -> Code? {
        guard let bytes else { return nil }
        guard bytes.count <= options.codeSizeMax else {
            throw .oversized(hash, size: bytes.count, limit: options.codeSizeMax)
        }
        if options.verifiesHashes {
            let found = Keccak256.hash(bytes)
            guard found == hash else { throw .mismatch(hash, found: found) }
        }
        return code(hash, bytes.span)
    }
}

extension ChainRows {
    func block(at height: UInt64) throws(RocksError) -> StoredBlock? {
        guard let (hash, id) = try names(at: height) else { return nil }
        return StoredBlock(
            height: height, blockID: id, blockHash: hash,
            block: try part(height, .consensusBlock), payload: try part(height, .payload),
            commit: try part(height, .commit))
    }

    /// A part of a block that is there.
    func part(
        _ height: UInt64, _ part: ChainKey.BlockPart
    ) throws(RocksError) -> [UInt8] {
        guard let value = try value(.block, ChainKey.block(height, part)) else {
            throw RocksError(message: "Corruption: block \(height) has no \(part)")
        }
        return value
    }
}

/// What a ``ChainDatabase`` has done since it was opened.
public struct ChainCounters: Hashable, Sendable {
    public var heights: UInt64 = 0
    /// Of the batches, in bytes.
    public var bytesWritten: UInt64 = 0
    public var nodeReads: UInt64 = 0
    /// Those of them that were kept in memory.
    public var nodeReadsFromMemory: UInt64 = 0
    public var nodesWritten: UInt64 = 0
    public var nodesDeleted: UInt64 = 0
    /// Nodes that were to be deleted and were not there: 0 unless the database is damaged.
    public var nodesMissing: UInt64 = 0
    /// Reads and writes that failed.
    public var failures: UInt64 = 0
    /// Times the database was opened again after a write had failed.
    public var recoveries: UInt64 = 0

    public init() {}
}
