import ChoraleBase
import ChoraleTypes
import Codec
import Execution

/// Deletes what no kept height needs, in the batch of the height that pushes it out.
///
/// A process that dies at any moment has deleted with a height or not at all, and the head says how far
/// pruning has come, so that nothing is deleted twice and nothing forgotten.
extension ChainDatabase {
    /// - Returns: how many rows of nodes go.
    func prune(
        _ next: inout ChainHead, in batch: borrowing TableBatch, of files: ChainFiles
    ) throws(StoreFailure) -> Int {
        do throws(RocksError) {
            var deleted = 0
            if next.stateRoot != nil {
                deleted += try pruneNodes(&next, in: batch, of: files)
                try pruneDiffs(&next, in: batch, of: files)
            }
            try pruneBlocks(&next, in: batch, of: files)
            return deleted
        } catch {
            throw error.failure(in: directory)
        }
    }

    // MARK: Nodes

    private func pruneNodes(
        _ next: inout ChainHead, in batch: borrowing TableBatch, of files: ChainFiles
    ) throws(RocksError) -> Int {
        // At least the parent's trie stays: deaths of this very height are not in the database yet.
        let kept = max(2, options.trieCountMax)
        var taker = RowTaker(files)
        var heights: UInt64 = 0
        while next.nextDeaths + kept <= next.height + 1, heights < options.limits.heightCountMax {
            let height = next.nextDeaths
            next.nextDeaths += 1
            heights += 1
            let key = ChainKey.journal(.deaths, height)
            guard let value = try taker.rows.value(.journal, key) else { continue }
            guard let deaths = NodeDeaths(value.span) else {
                throw RocksError(message: "Corruption: the deaths of height \(height)")
            }
            files.delete(.journal, key.span, in: batch)
            for (hash, birth) in deaths.accountNodes {
                files.delete(.node, ChainKey.node(hash, birth).span, in: batch)
            }
            taker.count += deaths.accountNodes.count
            for hash in deaths.storageNodes { _ = try taker.take(hash, in: batch) }
            if !deaths.subtries.isEmpty {
                var roots: [UInt8] = []
                for root in deaths.subtries { roots += root.bytes }
                files.put(
                    .journal, ChainKey.journal(.subtries, height).span, roots, in: batch)
            }
        }
        try takeDownSubtries(&taker, in: batch, of: files)
        counters.nodesMissing += UInt64(taker.missing)
        return taker.count
    }

    /// Goes on with tries of storage that went as a whole: some of the oldest, the rest with later heights.
    private func takeDownSubtries(
        _ taker: inout RowTaker, in batch: borrowing TableBatch, of files: ChainFiles
    ) throws(RocksError) {
        let start = ChainKey.journal(.subtries, 0)
        let cursor = files.cursor(.journal)
        guard try cursor.seek(start.span), cursor.key.first == start[0] else { return }
        let key = Array(cursor.key)
        guard var open = NodeDeaths.hashes(Span(_unsafeElements: cursor.value)) else {
            throw RocksError(message: "Corruption: the subtries that are taken down")
        }
        for _ in 0..<options.limits.subtrieNodeCountMax {
            guard let hash = open.popLast() else { break }
            guard let encoding = try taker.take(hash, in: batch) else { continue }
            do throws(RLPError) {
                // The depth is what bounds the list: sixteen for each level at most.
                try TrieNodeView(encoding).forEachReference(
                    hash: { open.append($0) }, value: { _ in })
            } catch {
                throw RocksError(message: "Corruption: node 0x\(hash) is no trie node: \(error)")
            }
        }
        guard !open.isEmpty else { return files.delete(.journal, key.span, in: batch) }
        var rest: [UInt8] = []
        for hash in open { rest += hash.bytes }
        files.put(.journal, key.span, rest, in: batch)
    }

    // MARK: Reverse diffs

    private func pruneDiffs(
        _ next: inout ChainHead, in batch: borrowing TableBatch, of files: ChainFiles
    ) throws(RocksError) {
        var heights: UInt64 = 0
        while next.oldestDiff + options.diffCountMax <= next.height,
            heights < options.limits.heightCountMax
        {
            let height = next.oldestDiff
            // That of this very height is not in the database yet: nothing to keep means one is kept.
            guard height < next.height else { return }
            next.oldestDiff += 1
            heights += 1
            let key = ChainKey.journal(.changes, height)
            guard let value = try ChainRows(files).value(.journal, key) else { continue }
            guard let changes = FlatChanges(value.span) else {
                throw RocksError(message: "Corruption: the changes of height \(height)")
            }
            files.delete(.journal, key.span, in: batch)
            for row in changes.accounts + changes.slots {
                files.delete(.history, ChainKey.history(row, height).span, in: batch)
            }
            for (account, incarnation) in changes.storages {
                files.deleteRange(
                    .slot, ChainKey.slots(account, incarnation),
                    ChainKey.slots(account, incarnation + 1), in: batch)
            }
        }
    }

    // MARK: Blocks

    private func pruneBlocks(
        _ next: inout ChainHead, in batch: borrowing TableBatch, of files: ChainFiles
    ) throws(RocksError) {
        // Whoever can be asked for a state can be asked for the 256 hashes before it.
        let kept = options.diffCountMax.addingReportingOverflow(256)
        guard pruneBlocksBelow > next.oldestBlock, !kept.overflow,
            next.height > kept.partialValue
        else { return }
        let end = min(pruneBlocksBelow, next.height - kept.partialValue)
        let rows = ChainRows(files)
        let start = next.oldestBlock
        for height in start..<max(start, min(end, start + options.limits.heightCountMax)) {
            if let (hash, id) = try rows.names(at: height) {
                files.delete(.name, ChainKey.blockHash(hash).span, in: batch)
                files.delete(.name, ChainKey.blockID(id).span, in: batch)
            }
            let key = ChainKey.block(height, .transactions)
            if let value = try rows.value(.block, key) {
                for hash in NodeDeaths.hashes(value.span) ?? [] {
                    files.delete(.transaction, hash.storage.span, in: batch)
                }
            }
            for part in ChainKey.BlockPart.allCases {
                files.delete(.block, ChainKey.block(height, part).span, in: batch)
            }
            next.oldestBlock = height + 1
        }
    }
}

/// Chooses rows of storage nodes to be deleted, none twice in a batch.
private struct RowTaker: ~Copyable {
    let rows: ChainRows
    private var taken: [Bytes32: Set<UInt64>] = [:]
    var count = 0
    var missing = 0

    init(_ files: ChainFiles) { rows = ChainRows(files) }

    /// Deletes a row of a node and gives its encoding; nil when there is none.
    mutating func take(
        _ hash: Bytes32, in batch: borrowing TableBatch
    ) throws(RocksError) -> [UInt8]? {
        guard let (birth, encoding) = try rows.row(ofNode: hash, except: taken[hash] ?? [])
        else {
            missing += 1
            return nil
        }
        taken[hash, default: []].insert(birth)
        rows.files.delete(.node, ChainKey.node(hash, birth).span, in: batch)
        count += 1
        return encoding
    }
}
