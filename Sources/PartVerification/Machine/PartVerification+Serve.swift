import ChoraleBase
import ChoraleTypes
import Codec
import DequeModule
import Operations
import OrderedCollections
import PeerIdentity
import Subproof

/// What others ask, and what our own executor wants to be kept for them.
extension PartVerification {
    mutating func serve(
        _ id: PartServeID, _ peer: PeerID, _ request: PartRequest, _ now: Now,
        _ outputs: inout [PartOutput]
    ) {
        switch request {
        case .proof(let root):
            guard shelf.has(root), servesInFlight < configuration.limits.servesMax else {
                return outputs.append(.serveProof(id, nil))
            }
            servesInFlight += 1
            store(
                .get(.proof, key: ProofShelf.bodyKey(root)), for: .served(id, root: root),
                &outputs)
        case .certificates(let operation, let parts):
            serveCertificates(id, operation, parts, &outputs)
        case .statements(let operation): serveStatements(id, operation, &outputs)
        case .votes(let votes):
            totals.votesReceived += UInt64(votes.count)
            for vote in votes.parts { check(vote, from: .peer(peer), now, &outputs) }
            for vote in votes.committees {
                check(.committeeVote(vote), from: .peer(peer), &outputs)
            }
        }
    }

    mutating func servedProof(
        _ id: PartServeID, _ root: Bytes32, _ reply: StoreReply, _ outputs: inout [PartOutput]
    ) {
        servesInFlight -= 1
        guard case .value(let value) = reply else {
            return outputs.append(.serveProof(id, nil))
        }
        let proof = value.flatMap { ProofShelf.proof(inValue: $0) }
        if proof == nil {
            writes += shelf.forget(root)
        } else {
            totals.proofsServed += 1
        }
        outputs.append(.serveProof(id, proof))
    }

    // MARK: Certificates

    private mutating func serveCertificates(
        _ id: PartServeID, _ operation: Bytes32, _ parts: [UInt16],
        _ outputs: inout [PartOutput]
    ) {
        guard watched[operation] == nil,
            let height = ended.last(where: { $0.operation == operation })?.commitment?.height,
            servesInFlight < configuration.limits.servesMax
        else {
            let certificates = pool.certificates(
                of: operation, parts: parts.isEmpty ? nil : parts)
            return outputs.append(.serveCertificates(id, certificates))
        }
        // Of an operation that is over: rows of kind 3, as ``SubproofRow`` orders them.
        servesInFlight += 1
        let prefix = bytes(height) + [3] + operation.bytes
        store(
            .scan(
                .subproof, from: prefix, to: prefix + [0xFF, 0xFF], rowCountMax: 64,
                sizeMax: 4 << 20),
            for: .certificates(id, parts: parts), &outputs)
    }

    mutating func servedRows(
        _ id: PartServeID, _ parts: [UInt16], _ reply: StoreReply, _ outputs: inout [PartOutput]
    ) {
        servesInFlight -= 1
        var certificates: [SubProofCertificate] = []
        if case .rows(let rows, _) = reply {
            for row in rows {
                guard
                    case .certificate(let certificate)? =
                        (try? SubproofRow(key: row.key.span, value: row.value.span))?.content,
                    parts.isEmpty || parts.contains(certificate.id.part)
                else { continue }
                certificates.append(certificate)
            }
        }
        outputs.append(.serveCertificates(id, certificates))
    }

    // MARK: Everything that is kept of an operation

    private mutating func serveStatements(
        _ id: PartServeID, _ operation: Bytes32, _ outputs: inout [PartOutput]
    ) {
        let height =
            watched[operation]?.committed.height
            ?? ended.last { $0.operation == operation }?.commitment?.height
        guard let height, servesInFlight < configuration.limits.servesMax else {
            return outputs.append(.serveStatements(id, []))
        }
        servesInFlight += 1
        readStatements(id, PartAnswer(operation: operation, height: height), &outputs)
    }

    /// Reads rows of the next kind, or answers.
    private mutating func readStatements(
        _ id: PartServeID, _ answer: PartAnswer, _ outputs: inout [PartOutput]
    ) {
        var answer = answer
        guard let kind = answer.kindsLeft.popFirst(), answer.sizeLeft > 0 else {
            servesInFlight -= 1
            return outputs.append(.serveStatements(id, answer.statements))
        }
        let prefix = bytes(answer.height) + [kind] + answer.operation.bytes
        store(
            .scan(
                .subproof, from: prefix, to: prefix + [UInt8](repeating: 0xFF, count: 36),
                rowCountMax: PartAnswer.countMax - answer.statements.count,
                sizeMax: answer.sizeLeft),
            for: .statements(id, answer), &outputs)
    }

    mutating func statementRows(
        _ id: PartServeID, _ answer: PartAnswer, _ reply: StoreReply,
        _ outputs: inout [PartOutput]
    ) {
        var answer = answer
        if case .rows(let rows, _) = reply { answer.take(rows) }
        readStatements(id, answer, &outputs)
    }

    // MARK: Our own executor's proofs

    mutating func shelve(
        _ operation: Bytes32, _ proofs: [[UInt8]], _ outputs: inout [PartOutput]
    ) {
        shelving.removeAll { $0.operation == operation }
        // Whoever gave way asks again: it hears nothing of them.
        if shelving.count >= configuration.limits.shelvingMax { shelving.removeFirst() }
        shelving.append((operation, proofs))
        shelveWaiting(&outputs)
    }

    /// Writes what our executor has given, when it is known what there is already.
    mutating func shelveWaiting(_ outputs: inout [PartOutput]) {
        guard phase == .running else { return }
        for (operation, proofs) in shelving
        where !stores.values.contains(.shelved(operation)) {
            var rows: [StoreWrite] = []
            for proof in proofs {
                guard let root = ContentReference(kind: .proof, bytes: proof)?.root else {
                    continue
                }
                // They were made for a block that comes.
                rows += shelf.add(proof, root: root, height: head.height + 1)
            }
            store(.write(rows, sync: true), for: .shelved(operation), &outputs)
        }
    }

    mutating func shelved(
        _ operation: Bytes32, _ reply: StoreReply, _ now: Now, _ outputs: inout [PartOutput]
    ) {
        guard let index = shelving.firstIndex(where: { $0.operation == operation }) else { return }
        guard reply == .written else {
            // What was not written is not there.
            for proof in shelving[index].proofs {
                guard let root = ContentReference(kind: .proof, bytes: proof)?.root else {
                    continue
                }
                writes += shelf.forget(root)
            }
            return retryLater(now)
        }
        shelving.remove(at: index)
        outputs.append(.shelved(operation: operation))
    }
}
