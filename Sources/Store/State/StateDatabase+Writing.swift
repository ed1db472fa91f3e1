public import ChoraleBase
public import ChoraleTypes
import Crypto
public import Execution

/// Why a state was not written. Nothing of it is there then, unless ``database(_:)`` says otherwise.
public enum StateWriteError: Error, Hashable, Sendable {
    /// A node with more bytes than ``StateOptions/nodeSizeMax``.
    case nodeTooLarge(Bytes32, size: Int, limit: Int)
    /// A code with more bytes than ``StateOptions/codeSizeMax``.
    case codeTooLarge(Bytes32, size: Int, limit: Int)
    /// The head names a root whose node is neither new nor in the database.
    case rootMissing(Bytes32)
    /// Whether the root is there could not be read.
    case source(SourceFailure)
    /// The database did not take the batch. It was not applied, or will appear whole after the next
    /// opening: a disk that fails while syncing does not say which, and ``StateDatabase/head`` will.
    case database(StoreFailure)
}

extension StateWriteError: CustomStringConvertible {
    public var description: String {
        switch self {
        case .nodeTooLarge(let hash, let size, let limit):
            "node 0x\(hash) has \(size) bytes, not \(limit) at most"
        case .codeTooLarge(let hash, let size, let limit):
            "code 0x\(hash) has \(size) bytes, not \(limit) at most"
        case .rootMissing(let root):
            "the state root 0x\(root) is neither among the new nodes nor in the database"
        case .source(let failure): "\(failure)"
        case .database(let failure): "\(failure)"
        }
    }
}

extension StateDatabase {
    private struct Row {
        let hash: Bytes32
        let bytes: [UInt8]
    }

    /// Writes what a block made of the state, and that this is the state now, in one batch.
    ///
    /// Every failed write makes RocksDB refuse further ones; whoever wants to go on closes the database
    /// and opens it again. A disk that is short of room is noticed before it comes to that.
    ///
    /// - Parameters:
    ///   - state: that read from here, after its changes were applied.
    ///   - changes: those that were applied; their new codes are written.
    ///   - head: the block's, with the root that applying the changes gave.
    ///   - sync: whether this outlives the machine, too. Without, what outlives it is the state after
    ///     some block before. The process may die at any time either way.
    public func commit(
        _ state: TrieState<some TrieNodeSource & CodeSource>, _ changes: [AccountChange],
        head: StateHead, sync: Bool = true
    ) throws(StateWriteError) {
        var nodes: [Row] = []
        state.forEachNewNode { nodes.append(Row(hash: $0, bytes: $1)) }
        let codes = changes.compactMap(\.code).map { code in
            let bytes = code.bytes
            return Row(hash: Keccak256.hash(bytes), bytes: bytes)
        }
        try write(nodes, codes, head: head, sync: sync)
        counters.commits += 1
    }

    /// Adds nodes and codes under their hashes, and says which state the database has then, if that
    /// changes: a genesis, or what a witness has.
    ///
    /// Nodes that nothing leads to do no harm, so that a large state may come in many parts, the last one
    /// with its head.
    public func add(
        nodes: some Sequence<[UInt8]>, codes: some Sequence<[UInt8]>, head: StateHead? = nil,
        sync: Bool = true
    ) throws(StateWriteError) {
        let nodes = nodes.map { Row(hash: Keccak256.hash($0), bytes: $0) }
        let codes = codes.map { Row(hash: Keccak256.hash($0), bytes: $0) }
        try write(nodes, codes, head: head, sync: sync)
    }

    private func write(
        _ newNodes: [Row], _ newCodes: [Row], head newHead: StateHead?, sync: Bool
    ) throws(StateWriteError) {
        for row in newNodes where row.bytes.count > options.nodeSizeMax {
            throw .nodeTooLarge(row.hash, size: row.bytes.count, limit: options.nodeSizeMax)
        }
        for row in newCodes where row.bytes.count > options.codeSizeMax {
            throw .codeTooLarge(row.hash, size: row.bytes.count, limit: options.codeSizeMax)
        }
        if let root = newHead?.stateRoot, root != Trie.emptyRoot,
            !newNodes.contains(where: { $0.hash == root })
        {
            try requireRoot(root)
        }
        do throws(RocksError) {
            let files = try opened()
            if let size = FileSystem.freeSpace(at: directory), size < options.database.freeSpaceMin
            {
                throw RocksError(message: "No space left on device")
            }
            let batch = TableBatch()
            for row in newNodes { put(.node, row, in: batch, of: files) }
            for row in newCodes { put(.code, row, in: batch, of: files) }
            if let newHead {
                files.put(.meta, StateHead.key.span, newHead.bytes, in: batch)
            }
            try files.write(batch, sync: sync)
        } catch {
            throw .database(error.failure(in: directory))
        }
        // Not before: invariant 3.
        for row in newNodes { nodes.insert(row.hash, row.bytes.span) }
        if let newHead { head = newHead }
        counters.nodesWritten += UInt64(newNodes.count)
        counters.codesWritten += UInt64(newCodes.count)
        counters.bytesWritten += (newNodes + newCodes).reduce(0) { $0 + UInt64($1.bytes.count) }
    }

    private func put(
        _ family: StateFamily, _ row: Row, in batch: borrowing TableBatch, of files: StateFiles
    ) {
        files.put(family, row.hash.storage.span, row.bytes, in: batch)
    }

    private func requireRoot(_ root: Bytes32) throws(StateWriteError) {
        let isThere: Bool
        do throws(SourceFailure) {
            var node: [UInt8] = []
            isThere = try appendNode(root, to: &node)
        } catch {
            throw .source(error)
        }
        guard isThere else { throw .rootMissing(root) }
    }
}
