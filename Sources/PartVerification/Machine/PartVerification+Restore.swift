import ChoraleBase
import ChoraleTypes
import Codec
import DequeModule
import Operations
import OrderedCollections
import Subproof

/// The start: what an earlier run wrote comes before anything else, and the beginning of it says whether anything
/// may be signed.
extension PartVerification {
    /// Behind all rows: no height is so high.
    static let floorKey: [UInt8] = [UInt8](repeating: 0xFF, count: 8) + Array("floor".utf8)
    private static let rowsEnd = [UInt8](repeating: 0xFF, count: 8)

    mutating func start(_ head: OperationHead, _ now: Now, _ outputs: inout [PartOutput]) {
        guard phase == .idle else { return }
        self.head = head
        phase = .restoring
        restore(&outputs)
    }

    /// From the beginning again, when the store has failed meanwhile: what comes twice does no harm.
    mutating func restore(_ outputs: inout [PartOutput]) {
        mustRestore = false
        store(.get(.subproof, key: Self.floorKey), for: .floor, &outputs)
    }

    /// - Parameter floor: nil when no earlier run has left one.
    mutating func floorRead(_ value: [UInt8]?, _ now: Now, _ outputs: inout [PartOutput]) {
        if let value, value.count == 8 {
            floor = value.span.loadBigEndian(UInt64.self, at: 0)
        } else {
            // No earlier run, or its rows are lost: this validator may have signed anything until now.
            floor = head.height
            store(
                .write([.put(.subproof, key: Self.floorKey, value: bytes(floor))], sync: true),
                for: .rows, &outputs)
        }
        tell(.restored([], floor: floor), now, &outputs)
        scanRows(from: [], &outputs)
    }

    private mutating func scanRows(from key: [UInt8], _ outputs: inout [PartOutput]) {
        store(
            .scan(
                .subproof, from: key, to: Self.rowsEnd, rowCountMax: 1024, sizeMax: 1 << 20),
            for: .subproofRows, &outputs)
    }

    private mutating func scanShelf(from key: [UInt8], _ outputs: inout [PartOutput]) {
        store(
            .scan(
                .proof, from: key, to: ProofShelf.indexEnd, rowCountMax: 4096, sizeMax: 1 << 20),
            for: .shelfRows, &outputs)
    }

    mutating func subproofRows(
        _ rows: [StoreRow], more: Bool, _ now: Now, _ outputs: inout [PartOutput]
    ) {
        var restored: [SubproofRow] = []
        for row in rows {
            // A row that cannot be read may have been an intent: nothing is signed up to its height.
            guard let content = try? SubproofRow(key: row.key.span, value: row.value.span) else {
                if row.key.count >= 8 {
                    floor = max(floor, row.key.span.loadBigEndian(UInt64.self, at: 0))
                }
                continue
            }
            switch content.content {
            case .certificate(let certificate):
                guard head.operations.operations[certificate.id.operation]?.commitment != nil
                else { continue }
                restored.append(content)
            case .voteIntent, .vote, .committeeIntent, .committeeVote: restored.append(content)
            case .fastPath(let certificate):
                guard head.operations.operations[certificate.operation]?.commitment != nil else {
                    continue
                }
                restored.append(content)
            case .evidence: break
            }
        }
        tell(.restored(restored, floor: floor), now, &outputs)
        if more, let last = rows.last {
            scanRows(from: last.key + [0], &outputs)
        } else {
            scanShelf(from: ProofShelf.indexStart, &outputs)
        }
    }

    mutating func shelfRows(
        _ rows: [StoreRow], more: Bool, _ now: Now, _ outputs: inout [PartOutput]
    ) {
        for row in rows where !shelf.restore(row) { writes.append(.delete(.proof, key: row.key)) }
        if more, let last = rows.last {
            return scanShelf(from: last.key + [0], &outputs)
        }
        phase = .running
        follow([], now, &outputs)
        shelveWaiting(&outputs)
    }

    /// Deletes what no open operation can need, in steps.
    mutating func prune(_ outputs: inout [PartOutput]) {
        let oldest = head.operations.operations.values.compactMap { $0.commitment?.height }.min()
        let kept = configuration.limits.heightsKept
        guard case let end = min(oldest ?? head.height, head.height), end > kept,
            case let next = end - kept, next > floor, next - floor >= max(1, kept / 64)
        else { return }
        floor = next
        writes.append(.put(.subproof, key: Self.floorKey, value: bytes(floor)))
        writes.append(
            .deleteRange(.subproof, from: bytes(UInt64(0)), to: bytes(floor + 1)))
        writes += shelf.prune(below: floor)
    }

    func bytes(_ height: UInt64) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.appendBigEndian(height)
        return bytes
    }
}
