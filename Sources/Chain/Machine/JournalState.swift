import ChoraleBase
import ChoraleTypes
import Codec
import Consensus

/// What is on its way to the validator's files, and what waits until it is there.
struct JournalState {
    /// Of the present turn.
    var records: [ConsensusRecord] = []
    var requests: [SignRequest] = []
    private var nextID: UInt64 = 1
    /// The last order whose records must be synced before more leaves; nil when all are.
    private var unsynced: UInt64?
    /// What leaves when an order has been answered, in order.
    private var held: [(after: UInt64, output: ChainOutput)] = []
    /// The last order was not carried out: nothing is signed until one is.
    var hasFailed = false

    /// What an output must wait for; nil: for nothing.
    var gate: UInt64? {
        records.contains(where: \.needsSync) ? nextID : unsynced
    }

    var heldCount: Int { held.count }

    mutating func hold(_ output: ChainOutput, after id: UInt64) { held.append((id, output)) }

    /// The turn's order; nil when there is nothing to write or to sign.
    mutating func takeOrder() -> JournalOrder? {
        guard !records.isEmpty || !requests.isEmpty else { return nil }
        let needsSync = records.contains(where: \.needsSync)
        let order = JournalOrder(
            id: nextID, records: records, requests: requests, needsSync: needsSync)
        if needsSync { unsynced = nextID }
        nextID += 1
        records = []
        requests = []
        return order
    }

    /// Orders are answered in their order. Returns what may leave now.
    mutating func answered(_ id: UInt64) -> [ChainOutput] {
        if let last = unsynced, last <= id { unsynced = nil }
        let count = held.prefix { $0.after <= id }.count
        defer { held.removeFirst(count) }
        return held.prefix(count).map(\.output)
    }
}

extension Chain {
    /// Gives an output to the driver, or holds it until what it rests on is on the disk.
    mutating func emit(_ output: ChainOutput, into outputs: inout [ChainOutput]) {
        if let gate = journal.gate {
            // Peers make these. A disk that stands still must not make them pile up: they ask again.
            if case .send = output, journal.heldCount >= limits.heldOutputsMax {
                counters.answersShed += 1
                return
            }
            journal.hold(output, after: gate)
        } else {
            outputs.append(output)
        }
    }

    /// One order a turn, so that one sync serves all of it.
    mutating func flushJournal(into outputs: inout [ChainOutput]) {
        if let order = journal.takeOrder() { outputs.append(.journal(order)) }
    }

    mutating func journaled(
        _ answer: JournalAnswer, now: Now, into outputs: inout [ChainOutput]
    ) {
        if let failure = answer.failure {
            // What could not be written must not have left: what waits for it never does.
            _ = journal.answered(answer.id)
            if !journal.hasFailed { outputs.append(.event(.signingStopped(failure))) }
            journal.hasFailed = true
            return
        }
        if journal.hasFailed {
            journal.hasFailed = false
            outputs.append(.event(.signingResumed))
        }
        outputs += journal.answered(answer.id)
        for signed in answer.signed {
            guard let signature = signed.signature else {
                counters.signaturesRefused += 1
                continue
            }
            take(signed, signature, into: &outputs)
        }
    }

    private mutating func take(
        _ signed: JournalAnswer.Signed, _ signature: SignatureBytes,
        into outputs: inout [ChainOutput]
    ) {
        let request = signed.request
        let height = request.position.height
        guard let key = configuration.localKey,
            let index = head.validators(at: height)?.index(of: key)
        else { return }
        switch request {
        case .vote(let content):
            let vote = Vote(
                content: content, validator: index, scheme: key.scheme, signature: signature)
            guard !signed.isContradiction else {
                outputs.append(.publish(.vote, ChainMessage.vote(vote).sszEncoded()))
                return
            }
            consensusInputs.append(.voteSigned(vote))
        case .proposal(let content):
            let proposal = Proposal(
                content: content, proposer: index, scheme: key.scheme, signature: signature)
            consensusInputs.append(.proposalSigned(proposal))
        }
    }
}
