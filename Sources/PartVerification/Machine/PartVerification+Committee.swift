import Chain
import ChoraleBase
import ChoraleTypes
import Crypto
import Operations
import OrderedCollections
import Subproof

/// Operations that no proof fits: executed here again when the pool asks, and what their committees say, for blocks.
extension PartVerification {
    // MARK: Executing

    mutating func execute(_ name: Bytes32, _ now: Now, _ outputs: inout [PartOutput]) {
        guard watched[name] != nil else {
            answers.append(.executed(operation: name, outputHash: nil))
            return
        }
        watched[name]?.isExecuting = true
        gather(name, &outputs)
        proceed(name, now, &outputs)
    }

    /// Tells the pool what executing has shown, or comes back when the bodies may be here.
    mutating func answerExecution(_ name: Bytes32, _ preparation: Preparation, _ now: Now) {
        let outputHash: Bytes32?
        switch preparation {
        case .ready(.judged(let hash), _): outputHash = hash
        case .ready, .unsupported, .faulty: outputHash = nil
        case .gathering(_, isReading: true), .working: return
        case .idle, .gathering(_, isReading: false): return retryLater(now)
        }
        watched[name]?.isExecuting = false
        let said = configuration.fault == .rejecting ? outputHash.map(Self.otherOutput) : outputHash
        answers.append(.executed(operation: name, outputHash: said))
    }

    /// What a validator names that is wrong on purpose.
    private static func otherOutput(than hash: Bytes32) -> Bytes32 { SHA256.hash(hash.bytes) }

    // MARK: For blocks

    /// Offers a certificate that is new here.
    mutating func offer(_ certificate: FastPathCertificate, _ outputs: inout [PartOutput]) {
        let name = certificate.operation
        guard watched[name] != nil else { return }
        watched[name]?.fastPath = (certificate, head.height)
        if !isOnChain(certificate) { outputs.append(.includeFastPath(certificate)) }
    }

    /// Offers a dispute.
    mutating func offer(_ vote: CommitteeVote, _ outputs: inout [PartOutput]) {
        guard watched[vote.operation] != nil else { return }
        watched[vote.operation]?.dispute = (vote, head.height)
        if !isOnChain(vote) { outputs.append(.dispute(vote)) }
    }

    /// Offers again what no block has.
    mutating func offerCommittees(_ outputs: inout [PartOutput]) {
        let wait = configuration.waits.includeHeights
        for (name, operation) in watched {
            if let offer = operation.fastPath, head.height >= offer.offeredAt + wait,
                !isOnChain(offer.certificate)
            {
                watched[name]?.fastPath?.offeredAt = head.height
                outputs.append(.includeFastPath(offer.certificate))
            }
            if let offer = operation.dispute, head.height >= offer.offeredAt + wait,
                !isOnChain(offer.vote)
            {
                watched[name]?.dispute?.offeredAt = head.height
                outputs.append(.dispute(offer.vote))
            }
        }
    }

    /// Everyone is asked when a block has a dispute, whoever has heard the vote.
    mutating func hearDisputes(_ now: Now, _ outputs: inout [PartOutput]) {
        for (name, operation) in watched
        where operation.stage == .open && operation.kind.policy == .committee
            && head.operations.operations[name]?.isFrozen == true
        {
            guard let info = pool.committee(of: name), !info.isDisputed,
                info.certifiedBy != .everyone
            else { continue }
            tell(.disputed(operation: name), now, &outputs)
        }
    }

    private func isOnChain(_ certificate: FastPathCertificate) -> Bool {
        switch head.operations.operations[certificate.operation]?.status {
        case .committed: false
        case .justified, .frozen: certificate.tranche != .everyone
        case .requested, .certified, .settled, .expired, nil: true
        }
    }

    private func isOnChain(_ dispute: CommitteeVote) -> Bool {
        switch head.operations.operations[dispute.operation]?.status {
        case .committed, .justified: false
        case .requested, .certified, .frozen, .settled, .expired, nil: true
        }
    }
}
