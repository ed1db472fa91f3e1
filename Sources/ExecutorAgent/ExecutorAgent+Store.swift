import ChoraleBase
import ChoraleTypes
import Codec
import Operations
import OrderedCollections
import PartVerification

/// The scan of what earlier runs have left, once at the start: which operations have rows.
enum RowScan: Sendable {
    case waiting
    case running(ExecutorStoreID, from: [UInt8])
    /// The disk failed: again at this time.
    case failed(from: [UInt8], until: MonotonicInstant)
    case done

    var deadline: MonotonicInstant? {
        switch self {
        case .failed(_, let until): until
        case .waiting, .running, .done: nil
        }
    }
}

/// What is kept on disk, and read again.
extension ExecutorAgent {
    // MARK: At the start

    /// Looks for the next operation that has rows: one row each, however many proofs there are.
    mutating func beginScan(from: [UInt8], into outputs: inout [ExecutorOutput]) {
        let id = store(
            .scan(.execution, from: from, to: nil, rowCountMax: 1, sizeMax: 1), into: &outputs)
        scan = .running(id, from: from)
    }

    private mutating func scanned(
        _ rows: [StoreRow], into outputs: inout [ExecutorOutput]
    ) {
        guard let row = rows.first else {
            scan = .done
            return
        }
        guard let name = Bytes32(row.key.prefix(Bytes32.size)) else {
            // Too short for any version of this program.
            _ = store(
                .write([.delete(.execution, key: row.key)], sync: false), into: &outputs)
            beginScan(from: row.key + [0], into: &outputs)
            return
        }
        if head?.operations.operations[name] != nil {
            recorded.insert(name)
        } else {
            _ = store(
                .write([ExecutionRow.deletion(of: name)], sync: false), into: &outputs)
        }
        // A key behind the last that there should be must not bring the scan back.
        let (end, next) = (ExecutionRow.end(of: name), row.key + [0])
        beginScan(from: end.lexicographicallyPrecedes(next) ? next : end, into: &outputs)
    }

    // MARK: Of one operation

    mutating func readRows(
        of name: Bytes32, _ rows: Assignment.Rows, from: [UInt8], now: MonotonicInstant,
        into outputs: inout [ExecutorOutput]
    ) {
        let id = store(
            .scan(
                .execution, from: from, to: ExecutionRow.end(of: name),
                rowCountMax: ExecutorLimits.pageRows, sizeMax: ExecutorLimits.pageSize),
            into: &outputs)
        take(
            .rows(id, rows), name, deadline: now.advanced(by: ExecutorLimits.retryInterval))
    }

    private mutating func rowsRead(
        _ name: Bytes32, _ rows: Assignment.Rows, _ page: [StoreRow], more: Bool,
        now: MonotonicInstant, into outputs: inout [ExecutorOutput]
    ) {
        var rows = rows
        for row in page {
            switch ExecutionRow(key: row.key) {
            case .proof(let part): rows.proofs[part] = row.value
            case .attestation(let part): rows.attestations[part] = row.value
            case .commitment:
                rows.commitment = RecordedCommitment(
                    row: row.value, operation: name, executor: key,
                    network: configuration.network)
            case nil: break
            }
        }
        if more, let last = page.last {
            readRows(of: name, rows, from: last.key + [0], now: now, into: &outputs)
            return
        }
        guard let record = rows.commitment else {
            readInput(of: name, rows, now: now, into: &outputs)
            return
        }
        let parts = record.commitment.content.parts.count
        let proofs = (0..<parts).compactMap { rows.proofs[$0] }
        assignments[name]?.proven = parts
        assignments[name]?.parts = parts
        guard proofs.count == parts else {
            // They were served before it was written, and still are.
            say(name, record, into: &outputs)
            return
        }
        let statements = (0..<parts).compactMap { rows.attestations[$0] }
        shelve(
            name, .shelving(proofs + statements, record, isRecorded: true), now: now,
            into: &outputs)
    }

    mutating func record(
        _ name: Bytes32, _ record: RecordedCommitment, now: MonotonicInstant,
        into outputs: inout [ExecutorOutput]
    ) {
        recorded.insert(name)
        let id = store(
            .write(
                [
                    .put(
                        .execution, key: ExecutionRow.commitment.key(of: name),
                        value: record.sszEncoded())
                ], sync: true), into: &outputs)
        take(
            .recording(id, record), name,
            deadline: now.advanced(by: ExecutorLimits.retryInterval))
    }

    /// The output of a commitment that is on chain, as an earlier run has left it.
    mutating func readOutput(
        of name: Bytes32, into outputs: inout [ExecutorOutput]
    ) -> Assignment.Committed.Output {
        .reading(
            store(.get(.execution, key: ExecutionRow.commitment.key(of: name)), into: &outputs))
    }

    // MARK: Answers

    mutating func stored(
        _ id: ExecutorStoreID, _ reply: StoreReply, now: MonotonicInstant,
        into outputs: inout [ExecutorOutput]
    ) {
        if case .running(id, let from) = scan {
            guard case .rows(let rows, _) = reply else {
                scan = .failed(
                    from: from, until: now.advanced(by: ExecutorLimits.retryInterval))
                return
            }
            scanned(rows, into: &outputs)
            return
        }
        for (name, assignment) in assignments {
            switch assignment.phase {
            case .working(.rows(id, let rows), _):
                guard case .rows(let page, let more) = reply else {
                    miss(name, nil, now: now)
                    return
                }
                rowsRead(name, rows, page, more: more, now: now, into: &outputs)
                return
            case .working(.recording(id, let record), _):
                guard case .written = reply else {
                    take(
                        .recording(nil, record), name,
                        deadline: now.advanced(by: ExecutorLimits.retryInterval))
                    return
                }
                say(name, record, into: &outputs)
                return
            case .onChain(var committed):
                guard case .reading(id) = committed.output else { continue }
                committed.output = output(in: reply, of: name, committed.outputHash)
                assignments[name]?.phase = .onChain(committed)
                settleNow(name, into: &outputs)
                return
            case .idle, .missing, .working, .said, .superseded, .failed: continue
            }
        }
        // A part's row, or a deletion: when it failed, a crash costs work, and the next start deletes.
    }

    private func output(
        in reply: StoreReply, of name: Bytes32, _ hash: Bytes32
    ) -> Assignment.Committed.Output {
        guard case .value(let value) = reply else { return .unread }
        let record = value.flatMap {
            RecordedCommitment(
                row: $0, operation: name, executor: key, network: configuration.network)
        }
        guard let record, record.commitment.content.outputHash == hash else { return .lost }
        return .known(StoredOutput(record.output.bytes))
    }
}
