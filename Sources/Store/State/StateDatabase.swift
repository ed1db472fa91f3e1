public import ChoraleBase
import Crypto
public import Execution

/// A chain's state on a disk: the nodes of its tries and the codes of its contracts, by their hashes.
///
/// A `TrieState` reads from it what a block needs, and ``commit(_:_:head:sync:)`` writes what the block
/// made of it, together with the new head, in one batch.
///
///     let state = TrieState(root: database.head.stateRoot, source: database, blockHashes: hashes)
///     let outcome = try BlockExecution.run(block, size: size, after: parent, rules, reader: state)
///     let root = try state.apply(outcome.changes)
///     try database.commit(state, outcome.changes, head: StateHead(…, stateRoot: root))
///
/// Invariants:
///   1. Under every hash lie the bytes that have it. (`commit`, `add`; checked in `read`, if
///      ``StateOptions/verifiesHashes``.)
///   2. The head's root is here, and with it the whole state below it: a batch has the new nodes and the
///      head, or neither. (RocksDB's write batch, one record of its log.)
///   3. What is in the cache is on the disk: nodes enter it after they were read or written. Otherwise a
///      block after a failed write would build on nodes that nobody has.
///
/// Nodes are only ever added, so that the state after any block that was written can be read until it
/// is pruned, which is not done here.
///
/// Not `Sendable`: one thread owns it, with the states that read from it. Reading waits for the disk.
public final class StateDatabase: TrieNodeSource, CodeSource {
    /// Where the database is.
    public let directory: String
    public let options: StateOptions
    /// nil in a new database, and after ``close()``.
    public internal(set) var head: StateHead?
    /// What was done since the opening.
    public internal(set) var counters = StateCounters()

    /// nil after ``close()``.
    var files: StateFiles?
    var nodes: NodeCache
    private let codes: CodeCache

    init(
        _ files: StateFiles, directory: String, options: StateOptions, head: StateHead?
    ) {
        self.files = files
        self.directory = directory
        self.options = options
        self.head = head
        nodes = NodeCache(sizeMax: options.nodeCacheSizeMax)
        codes = CodeCache(sizeMax: options.codeCacheSizeMax)
    }

    deinit { close() }

    /// Closes the database. Later reads and writes fail, and closing again does nothing.
    public func close() {
        guard let files else { return }
        // In this order: once the lock is free, the file belongs to whoever takes it.
        StoreHolder.withdraw(directory: directory)
        files.close()
        self.files = nil
        head = nil
        nodes = NodeCache(sizeMax: 0)
    }

    /// Bytes of nodes kept in memory, with what finding them takes.
    public var nodeCacheSize: Int { nodes.size }

    // MARK: Reading

    public func appendNode(
        _ hash: Bytes32, to bytes: inout [UInt8]
    ) throws(SourceFailure) -> Bool {
        counters.nodeReads += 1
        if nodes.append(hash, to: &bytes) {
            counters.nodeReadsFromMemory += 1
            return true
        }
        let start = bytes.count
        guard try read(.node, hash, sizeMax: options.nodeSizeMax, to: &bytes) else { return false }
        nodes.insert(hash, bytes.span.extracting(start..<bytes.count))
        return true
    }

    public func code(_ hash: Bytes32) throws(SourceFailure) -> Code? {
        counters.codeReads += 1
        if let code = codes.code(hash) { return code }
        var bytes: [UInt8] = []
        guard try read(.code, hash, sizeMax: options.codeSizeMax, to: &bytes) else { return nil }
        return codes.code(hash, bytes.span)
    }

    /// Appends what lies under a hash; false, and nothing appended, when nothing does.
    func read(
        _ family: StateFamily, _ hash: Bytes32, sizeMax: Int, to output: inout [UInt8]
    ) throws(SourceFailure) -> Bool {
        let value: PinnedValue?
        do throws(RocksError) {
            value = try opened().value(family, hash.storage.span)
        } catch {
            counters.failures += 1
            throw error.sourceFailure
        }
        guard let value else { return false }
        do throws(SourceFailure) {
            try append(value, hash, sizeMax, to: &output)
        } catch {
            counters.failures += 1
            throw error
        }
        return true
    }

    private func append(
        _ value: borrowing PinnedValue, _ hash: Bytes32, _ sizeMax: Int,
        to output: inout [UInt8]
    ) throws(SourceFailure) {
        let bytes = value.bytes
        guard bytes.count <= sizeMax else {
            throw .oversized(hash, size: bytes.count, limit: sizeMax)
        }
        if options.verifiesHashes {
            let found = Keccak256.hash(Span(_unsafeElements: bytes))
            guard found == hash else { throw .mismatch(hash, found: found) }
        }
        counters.bytesRead += UInt64(bytes.count)
        output.append(contentsOf: bytes)
    }

    func opened() throws(RocksError) -> StateFiles {
        guard let files else { throw RocksError(message: "the database \(directory) is closed") }
        return files
    }
}

extension RocksError {
    var sourceFailure: SourceFailure {
        switch kind {
        case .corrupt: .damaged(message)
        case .diskFull, .locked, .other: .unavailable(message)
        }
    }
}
