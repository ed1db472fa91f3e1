public import Chain
public import ChoraleBase
public import ChoraleTypes
import Crypto
import Execution

/// A state that comes in parts that were proven, before the first height. What is left of it is said by marks that
/// are written with each part, so that a process that dies goes on where it was.
extension ChainDatabase: DownloadStore {
    public func downloadMarks() throws(StoreFailure) -> [DownloadMark]? {
        guard last == nil else { return nil }
        return try onRows { rows throws(RocksError) in
            guard try rows.value(.meta, ChainKey.importing) == Self.downloading else { return nil }
            var marks: [DownloadMark] = []
            let cursor = rows.files.cursor(.journal)
            var isThere = try cursor.seek(ChainKey.download([]).span)
            while isThere, cursor.key.first == ChainKey.downloadPrefix {
                marks.append(
                    DownloadMark(key: Array(cursor.key.dropFirst()), value: Array(cursor.value)))
                isThere = try cursor.next()
            }
            return marks
        }
    }

    public func beginDownload(_ marks: [DownloadMark]) throws(StoreFailure) {
        precondition(last == nil, "a state is downloaded into an empty store")
        try recover()
        try writeDownload(sync: true) { files, batch in
            Self.wipeState(in: batch, of: files)
            files.put(.meta, ChainKey.importing.span, Self.downloading, in: batch)
            Self.put(marks, in: batch, of: files)
        }
        nodes = NodeCache(sizeMax: options.state.nodeCacheSizeMax)
    }

    /// Not synced: what a power cut takes is the end, and the marks with it.
    public func add(_ part: StatePart) throws(StoreFailure) {
        precondition(last == nil, "a state is downloaded into an empty store")
        try recover()
        guard !isShortOfSpace else {
            throw .diskFull(path: directory, kept: options.state.database.freeSpaceMin)
        }
        try writeDownload(sync: false) { files, batch in
            StateImport.put(part.accounts, in: batch, of: files)
            for slots in part.slots {
                StateImport.put(slots.words, of: slots.account, in: batch, of: files)
            }
            for code in part.codes {
                files.put(.code, Keccak256.hash(code).storage.span, code, in: batch)
            }
            Self.put(part.marks, in: batch, of: files)
            for key in part.gone {
                files.delete(.journal, ChainKey.download(key).span, in: batch)
            }
        }
    }

    public func hasCode(_ hash: Bytes32) throws(StoreFailure) -> Bool {
        try onRows { rows throws(RocksError) in try rows.value(.code, hash.bytes) != nil }
    }

    public func finishDownload() throws(StoreFailure) -> Bytes32 {
        try recover()
        return try StateImport(self).finish()
    }

    // MARK: Rows

    /// The value of ``ChainKey/importing`` while a state is downloaded: other imports are begun anew.
    private static let downloading: [UInt8] = [2]

    private static func put(
        _ marks: [DownloadMark], in batch: borrowing TableBatch, of files: ChainFiles
    ) {
        for mark in marks {
            files.put(.journal, ChainKey.download(mark.key).span, mark.value, in: batch)
        }
    }

    private func writeDownload(
        sync: Bool, _ body: (ChainFiles, borrowing TableBatch) -> Void
    ) throws(StoreFailure) {
        let files = try onRows { rows throws(RocksError) in rows.files }
        let batch = TableBatch()
        body(files, batch)
        do throws(RocksError) {
            try files.write(batch, sync: sync)
        } catch {
            let failure = error.failure(in: directory)
            // Damage does not go away by opening again.
            if error.kind != .corrupt { refusal = failure }
            throw failure
        }
    }
}

// MARK: Checkpoints

extension ChainDatabase {
    public var earliest: UInt64? { last?.oldestBlock }

    public func header(at height: UInt64) throws(StoreFailure) -> [UInt8]? {
        try onRows { rows throws(RocksError) in try rows.header(at: height) }
    }

    public func checkpoint(at height: UInt64) throws(StoreFailure) -> [UInt8]? {
        try onRows { rows throws(RocksError) in
            try rows.value(.meta, ChainKey.checkpoint(height))
        }
    }

    /// Keeps the head of a checkpoint as long as its tries, and the headers before the first height.
    func putCheckpoint(
        _ write: BlockWrite, in batch: borrowing TableBatch, of files: ChainFiles
    ) {
        let height = write.block.height
        if last == nil {
            files.delete(.meta, ChainKey.importing.span, in: batch)
            Self.dropDownload(in: batch, of: files)
        }
        for (index, header) in write.ancestors.enumerated() {
            let key = ChainKey.block(height - 1 - UInt64(index), .header)
            files.put(.block, key.span, header, in: batch)
            let names = Keccak256.hash(header).bytes + Bytes32.zero.bytes
            let row = ChainKey.block(height - 1 - UInt64(index), .names)
            files.put(.block, row.span, names, in: batch)
        }
        guard CheckpointID.isCheckpoint(height) else { return }
        files.put(.meta, ChainKey.checkpoint(height).span, write.head, in: batch)
        let kept = options.trieCountMax
        guard height > kept else { return }
        files.deleteRange(
            .meta, ChainKey.checkpoint(0), ChainKey.checkpoint(height - kept), in: batch)
    }
}

extension ChainRows {
    /// The encoding of the execution header at a height; nil when it is not here.
    func header(at height: UInt64) throws(RocksError) -> [UInt8]? {
        if let header = try value(.block, ChainKey.block(height, .header)) { return header }
        // Where no state is kept.
        guard let payload = try value(.block, ChainKey.block(height, .payload)) else { return nil }
        guard let block = try? Block(payload.span) else {
            throw RocksError(message: "Corruption: the payload of block \(height)")
        }
        return block.header.encoded
    }
}

// MARK: Reading beside the owner

extension ChainReader {
    /// The answer to a peer that begins at a checkpoint; nil when it is not here, or not any more.
    public func answer(_ request: CheckpointRequest) throws(ChainReadError) -> CheckpointAnswer? {
        let parts: CheckpointParts? = try read { rows throws(RocksError) in
            guard let record = try rows.value(.meta, ChainKey.checkpoint(request.height)),
                let block = try rows.block(at: request.height)
            else { return nil }
            var ancestors: [[UInt8]] = []
            for height in CheckpointParts.ancestorHeights(of: request.height) {
                guard let header = try rows.header(at: height) else { return nil }
                ancestors.append(header)
            }
            return CheckpointParts(record: record, block: block, ancestors: ancestors)
        }
        return parts.flatMap { CheckpointAnswer(request, $0) }
    }

    /// The answer to a peer that downloads a state; nil when that is not here, or not any more.
    public func answer(_ request: StateRangeRequest) throws(ChainReadError) -> StateRangeAnswer? {
        let record = try read { rows throws(RocksError) in
            try rows.value(.meta, ChainKey.checkpoint(request.height))
        }
        guard record != nil else { return nil }
        let (nodes, root) = try tries(after: request.height)
        guard root == request.stateRoot else { return nil }
        do throws(StateRange.Failure) {
            return try StateRangeAnswer(request, from: nodes)
        } catch {
            throw .unavailable(error.detail)
        }
    }
}
