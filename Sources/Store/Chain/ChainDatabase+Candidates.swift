import Chain
public import ChoraleBase
public import ChoraleTypes
import Codec

/// Blocks of the next height that were found valid, one row each: a number that ascends, the block's name,
/// its contents. As many places as may be kept are used in turn.
extension ChainDatabase {
    /// A block that is kept.
    struct Candidate {
        let number: UInt64
        let id: Bytes32

        static let headSize = 8 + Bytes32.size
    }

    public func keep(candidate id: Bytes32, _ contents: [UInt8]) throws(StoreFailure) {
        try recover()
        var kept = try keptCandidates()
        guard !kept.contains(where: { $0.id == id }) else { return }
        guard contents.count <= options.limits.partSizeMax else {
            throw .inputOutput(
                "block 0x\(id) has \(contents.count) bytes, not \(options.limits.partSizeMax)")
        }
        guard !isShortOfSpace else {
            throw .diskFull(path: directory, kept: options.state.database.freeSpaceMin)
        }
        let candidate = Candidate(number: (kept.last?.number ?? 0) + 1, id: id)
        var row: [UInt8] = []
        row.appendBigEndian(candidate.number)
        row += id.bytes
        row += contents
        do throws(RocksError) {
            let files = try opened()
            let batch = TableBatch()
            let place = Int(candidate.number % UInt64(BlockCandidates.countMax))
            files.put(.meta, ChainKey.candidate(place).span, row, in: batch)
            try files.write(batch, sync: true)
        } catch {
            counters.failures += 1
            let failure = error.failure(in: directory)
            // Damage does not go away by opening again.
            if error.kind != .corrupt { refusal = failure }
            throw failure
        }
        kept.append(candidate)
        if kept.count > BlockCandidates.countMax { kept.removeFirst() }
        candidateList = kept
    }

    public func candidates() throws(StoreFailure) -> [[UInt8]] {
        var contents: [[UInt8]] = []
        for candidate in try keptCandidates() {
            let place = Int(candidate.number % UInt64(BlockCandidates.countMax))
            if let row = try candidateRow(place) {
                contents.append(Array(row.dropFirst(Candidate.headSize)))
            }
        }
        return contents
    }

    /// Forgets all: their height is over.
    func dropCandidates(in batch: borrowing TableBatch, of files: ChainFiles) throws(StoreFailure) {
        for candidate in try keptCandidates() {
            let place = Int(candidate.number % UInt64(BlockCandidates.countMax))
            files.delete(.meta, ChainKey.candidate(place).span, in: batch)
        }
    }

    /// What is kept, the oldest first; read from the disk once.
    private func keptCandidates() throws(StoreFailure) -> [Candidate] {
        if let candidateList { return candidateList }
        var kept: [Candidate] = []
        for place in 0..<BlockCandidates.countMax {
            guard let row = try candidateRow(place), row.count >= Candidate.headSize,
                let id = Bytes32(row[8..<Candidate.headSize])
            else { continue }
            kept.append(
                Candidate(number: row.span.loadBigEndian(UInt64.self, at: 0), id: id))
        }
        kept.sort { $0.number < $1.number }
        candidateList = kept
        return kept
    }

    private func candidateRow(_ place: Int) throws(StoreFailure) -> [UInt8]? {
        try onRows { rows throws(RocksError) in
            try rows.value(.meta, ChainKey.candidate(place))
        }
    }
}
