public import Chain
import ChoraleBase
public import ChoraleTypes
import Codec
import Crypto
import Execution

extension ChainDatabase {
    /// Adds the next height in one batch, with what is pruned for it.
    ///
    /// The first height of an empty store brings its whole state, or that was imported before
    /// (``importState()``) and is named by its root.
    ///
    /// - Precondition: as ``ChainStore``. Every height brings an execution, or none does.
    /// - Throws: `StoreFailure`. The height was not written then, or will be there whole after the files
    ///   were opened again, which the next call does: the same height may be written a second time.
    public func write(_ write: BlockWrite, sync: Bool) throws(StoreFailure) {
        do throws(StoreFailure) {
            try recover()
            if isWritten(write) { return }
            try append(write, sync: sync)
        } catch {
            counters.failures += 1
            throw error
        }
    }

    /// A write with a sync takes everything before it along: the head is written once more.
    public func sync() throws(StoreFailure) {
        do throws(StoreFailure) {
            try recover()
            guard let last else { return }
            let files = try onRows { rows throws(RocksError) in rows.files }
            let batch = TableBatch()
            files.put(.meta, ChainKey.head.span, last.bytes, in: batch)
            do throws(RocksError) {
                try files.write(batch, sync: true)
            } catch {
                let failure = error.failure(in: directory)
                if error.kind != .corrupt { refusal = failure }
                throw failure
            }
        } catch {
            counters.failures += 1
            throw error
        }
    }

    private func append(_ write: BlockWrite, sync: Bool) throws(StoreFailure) {
        let height = write.block.height
        precondition(last.map { height == $0.height + 1 } ?? true, "heights come one by one")
        precondition(
            last == nil || (last?.stateRoot == nil) == (write.execution == nil),
            "every height brings an execution, or none does")
        try checkSizes(write)
        guard !isShortOfSpace else {
            throw .diskFull(path: directory, kept: options.state.database.freeSpaceMin)
        }
        let files = try onRows { rows throws(RocksError) in rows.files }
        var next =
            last
            ?? ChainHead(
                first: height, blockHash: write.block.blockHash, blockID: write.block.blockID)
        next.height = height
        next.blockHash = write.block.blockHash
        next.blockID = write.block.blockID
        next.record = write.head

        let batch = TableBatch()
        put(write.block, in: batch, of: files)
        putCheckpoint(write, in: batch, of: files)
        var births: [TrieDifference.Birth] = []
        if let execution = write.execution {
            births = try put(execution, height, &next, in: batch, of: files)
        }
        try dropCandidates(in: batch, of: files)
        let deleted = try prune(&next, in: batch, of: files)
        files.put(.meta, ChainKey.head.span, next.bytes, in: batch)
        let size = batch.size
        do throws(RocksError) {
            try files.write(batch, sync: sync)
        } catch {
            let failure = error.failure(in: directory)
            // Damage does not go away by opening again.
            if error.kind != .corrupt { refusal = failure }
            throw failure
        }
        // Not before: invariant 3.
        var row: [UInt8] = []
        let firstBirth = next.nextBirth - UInt64(births.count)
        for index in births.indices {
            row.removeAll(keepingCapacity: true)
            row += births[index].encoding
            row.appendBigEndian(firstBirth + UInt64(index))
            nodes.update(births[index].hash, row.span)
        }
        last = next
        candidateList = []
        counters.heights += 1
        counters.bytesWritten += UInt64(size)
        counters.nodesWritten += UInt64(births.count)
        counters.nodesDeleted += UInt64(deleted)
    }

    /// Whether a write that was said to have failed has come through after all.
    private func isWritten(_ write: BlockWrite) -> Bool {
        guard let last else { return false }
        return last.height == write.block.height && last.blockHash == write.block.blockHash
            && last.blockID == write.block.blockID && last.record == write.head
    }

    private func checkSizes(_ write: BlockWrite) throws(StoreFailure) {
        let limits = options.limits
        let parts: [(String, Int, Int)] = [
            ("the consensus block", write.block.block.count, limits.partSizeMax),
            ("the payload", write.block.payload.count, limits.partSizeMax),
            ("the commit", write.block.commit.count, limits.commitSizeMax),
            ("the head", write.head.count, limits.headSizeMax),
        ]
        for (name, size, limit) in parts where size > limit {
            throw .inputOutput(
                "\(name) of height \(write.block.height) has \(size) bytes, not \(limit) at most")
        }
        guard let execution = write.execution else { return }
        guard execution.newNodes.count <= limits.nodeCountMax else {
            throw .inputOutput(
                "height \(write.block.height) brings \(execution.newNodes.count) nodes, not "
                    + "\(limits.nodeCountMax) at most")
        }
        for index in execution.newNodes.indices
        where execution.newNodes[index].encoding.count > options.state.nodeSizeMax {
            let (hash, encoding) = execution.newNodes[index]
            throw .inputOutput(
                "node 0x\(hash) has \(encoding.count) bytes, not \(options.state.nodeSizeMax)")
        }
        for case let code? in execution.changes.map(\.code)
        where code.size > options.state.codeSizeMax {
            throw .inputOutput(
                "a code has \(code.size) bytes, not \(options.state.codeSizeMax) at most")
        }
    }

    var isShortOfSpace: Bool {
        guard let size = FileSystem.freeSpace(at: directory) else { return false }
        return size < options.state.database.freeSpaceMin
    }

    // MARK: After a failure

    /// Opens the files again after a write has failed, if it is time.
    func recover() throws(StoreFailure) {
        guard let failure = refusal, !isClosed else { return }
        try reopening.admit(
            after: failure, directory: directory, isShort: isShortOfSpace, onlyDeletes: false)
        // The old ones first: they hold the lock.
        gate.close()
        nodes = NodeCache(sizeMax: options.state.nodeCacheSizeMax)
        do throws(RocksError) {
            let files = try ChainFiles(
                directory: directory, options: options.state.database)
            gate.open(files)
            // What had failed may be there now.
            last = try ChainRows(files).head()
            candidateList = nil
        } catch {
            let failure = error.failure(in: directory)
            refusal = failure
            throw failure
        }
        refusal = nil
        counters.recoveries += 1
    }

    // MARK: Rows

    private func put(
        _ block: StoredBlock, in batch: borrowing TableBatch, of files: ChainFiles
    ) {
        func put(_ part: ChainKey.BlockPart, _ value: [UInt8]) {
            files.put(.block, ChainKey.block(block.height, part).span, value, in: batch)
        }
        put(.names, block.blockHash.bytes + block.blockID.bytes)
        put(.consensusBlock, block.block)
        put(.payload, block.payload)
        put(.commit, block.commit)
        let height = ChainKey.number(block.height)
        files.put(.name, ChainKey.blockHash(block.blockHash).span, height, in: batch)
        files.put(.name, ChainKey.blockID(block.blockID).span, height, in: batch)
    }

    /// Puts what executing a block has given. Returns the nodes that were born, the last one before
    /// `next.nextBirth`, for the cache.
    private func put(
        _ execution: ExecutionWrite, _ height: UInt64, _ next: inout ChainHead,
        in batch: borrowing TableBatch, of files: ChainFiles
    ) throws(StoreFailure) -> [TrieDifference.Birth] {
        let header = execution.header.encoded
        files.put(.block, ChainKey.block(height, .header).span, header, in: batch)
        if let receipts = execution.receipts.map(Receipt.stored) {
            guard receipts.count <= options.limits.partSizeMax else {
                throw .inputOutput("the receipts of height \(height) have \(receipts.count) bytes")
            }
            files.put(.block, ChainKey.block(height, .receipts).span, receipts, in: batch)
        }
        var hashes: [UInt8] = []
        for (index, hash) in execution.transactionHashes.enumerated() {
            hashes.append(contentsOf: hash.storage.span)
            let place = TransactionPlace(height: height, index: UInt32(index))
            files.put(.transaction, hash.storage.span, place.bytes, in: batch)
        }
        files.put(.block, ChainKey.block(height, .transactions).span, hashes, in: batch)
        let before = last?.stateRoot
        next.stateRoot = execution.stateRoot
        // What another import has left goes first: rows of this height come after that.
        let imported =
            last == nil ? try takeImport(execution.stateRoot, in: batch, of: files) : nil
        for case let code? in execution.changes.map(\.code) {
            let bytes = code.bytes
            files.put(.code, Keccak256.hash(bytes).storage.span, bytes, in: batch)
        }
        if let imported {
            next.nextBirth = imported
            return []
        }
        let difference = try difference(execution, height, from: before ?? Trie.emptyRoot)
        putFlat(difference, height, in: batch, of: files)
        for index in difference.births.indices {
            let key = ChainKey.node(difference.births[index].hash, next.nextBirth)
            next.nextBirth += 1
            files.put(.node, key.span, difference.births[index].encoding, in: batch)
        }
        if last != nil {
            let deaths = difference.deaths.bytes
            files.put(.journal, ChainKey.journal(.deaths, height).span, deaths, in: batch)
        }
        return difference.births
    }

    private func difference(
        _ execution: ExecutionWrite, _ height: UInt64, from before: Bytes32
    ) throws(StoreFailure) -> TrieDifference {
        var newNodes: [NodeKey: [UInt8]] = [:]
        newNodes.reserveCapacity(execution.newNodes.count)
        for index in execution.newNodes.indices {
            newNodes[NodeKey(execution.newNodes[index].hash)] = execution.newNodes[index].encoding
        }
        let cleared = Set(
            execution.changes.filter { $0.isStorageCleared && $0.account != nil }.map {
                Keccak256.hash($0.address.storage.span)
            })
        let source = TrieDifference.Source(
            old: { [unowned self] (hash) throws(StoreFailure) in try node(hash) },
            new: { [unowned self] (hash) throws(StoreFailure) in
                if let encoding = newNodes[NodeKey(hash)] { return encoding }
                // It came back from where it stands elsewhere.
                return try node(hash).encoding
            })
        return try TrieDifference(
            from: before, to: execution.stateRoot, height: height, cleared: cleared, source
        ) { [unowned self] (key) throws(StoreFailure) in
            let row = try onRows { rows throws(RocksError) in
                try rows.value(.account, key.bytes)
            }
            guard let incarnation = row.flatMap({ FlatAccount($0) })?.incarnation else {
                throw .corrupt("the account with hash 0x\(key) has a storage without a number")
            }
            return incarnation
        }
    }

    /// A node that must be there.
    private func node(
        _ hash: Bytes32
    ) throws(StoreFailure) -> (encoding: [UInt8], birth: UInt64) {
        var encoding: [UInt8] = []
        let birth: UInt64?
        do throws(SourceFailure) {
            birth = try appendNode(hash, to: &encoding)
        } catch {
            if case .unavailable(let detail) = error { throw .inputOutput(detail) }
            throw .corrupt("\(error)")
        }
        guard let birth else { throw .corrupt("node 0x\(hash) of the state is missing") }
        return (encoding, birth)
    }

    /// Puts the flat rows that changed, and what they were.
    private func putFlat(
        _ difference: TrieDifference, _ height: UInt64, in batch: borrowing TableBatch,
        of files: ChainFiles
    ) {
        var changes = FlatChanges()
        changes.storages = difference.goneStorages
        let keepsHistory = last != nil
        for entry in difference.accounts {
            let key = entry.key.bytes
            let new = FlatAccount.bytes(entry.new, entry.newIncarnation)
            if new.isEmpty {
                files.delete(.account, key.span, in: batch)
            } else {
                files.put(.account, key.span, new, in: batch)
            }
            guard keepsHistory else { continue }
            let old = FlatAccount.bytes(entry.old, entry.oldIncarnation)
            files.put(.history, ChainKey.history(key, height).span, old, in: batch)
            changes.accounts.append(key)
        }
        for entry in difference.slots {
            let key = ChainKey.slot(entry.account, entry.incarnation, entry.key)
            if let new = entry.new {
                files.put(.slot, key.span, new, in: batch)
            } else {
                files.delete(.slot, key.span, in: batch)
            }
            guard keepsHistory else { continue }
            files.put(.history, ChainKey.history(key, height).span, entry.old ?? [], in: batch)
            changes.slots.append(key)
        }
        guard keepsHistory else { return }
        files.put(.journal, ChainKey.journal(.changes, height).span, changes.bytes, in: batch)
    }
}
