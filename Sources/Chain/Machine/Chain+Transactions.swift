import ChoraleBase
import Execution
import PeerIdentity
import TransactionPool

/// Where a transaction that is being checked came from.
enum CandidateOrigin {
    case local(SubmissionID, [UInt8])
    case gossip(ChainGossipID, PeerID, [UInt8])

    var size: Int {
        switch self {
        case .local(_, let bytes), .gossip(_, _, let bytes): bytes.count
        }
    }
}

/// Transactions: checked by whoever has the state, kept by the pool, passed on when they are good.
extension Chain {
    mutating func submit(
        _ encoding: [UInt8], _ origin: CandidateOrigin, into outputs: inout [ChainOutput]
    ) {
        guard candidates.count < limits.candidatesMax,
            candidatesSize + encoding.count <= limits.candidatesSizeMax
        else {
            counters.transactionsShed += 1
            answer(origin, .failure(.overloaded(waiting: candidates.count)), into: &outputs)
            return
        }
        guard isStarted, configuration.keepsState else {
            let reason = isStarted ? "this node keeps no state" : "the chain is not there yet"
            answer(
                origin, .failure(.state(.source(.unavailable(reason)))), into: &outputs)
            return
        }
        let id = CandidateID(nextCandidate)
        nextCandidate += 1
        candidates[id] = origin
        candidatesSize += encoding.count
        outputs.append(.process(.checkTransaction(id, encoding: encoding)))
    }

    mutating func checked(
        _ id: CandidateID, _ result: Result<PoolCandidate, PoolRejection>, now: Now,
        into outputs: inout [ChainOutput]
    ) {
        guard let origin = candidates.removeValue(forKey: id) else { return }
        candidatesSize -= origin.size
        switch result {
        case .failure(let rejection):
            counters.transactionsRefused[rejection.reason.rawValue, default: 0] += 1
            answer(origin, .failure(rejection), into: &outputs)
        case .success(let candidate):
            let isLocal = if case .local = origin { true } else { false }
            var results: [TransactionPool.Output] = []
            pool.handle(.candidate(candidate, isLocal: isLocal), now: now, into: &results)
            for case .rejected(candidate.hash, let rejection) in results {
                counters.transactionsRefused[rejection.reason.rawValue, default: 0] += 1
                answer(origin, .failure(rejection), into: &outputs)
                return
            }
            answer(origin, .success(candidate.hash), into: &outputs)
        }
    }

    private func answer(
        _ origin: CandidateOrigin, _ result: Result<Bytes32, PoolRejection>,
        into outputs: inout [ChainOutput]
    ) {
        switch origin {
        case .local(let id, let encoding):
            if case .success = result { outputs.append(.publish(.transaction, encoding)) }
            outputs.append(.submitted(id, result))
        case .gossip(let id, _, _):
            let verdict: ChainVerdict =
                switch result {
                case .success: .accept
                case .failure(let rejection):
                    rejection.verdict == .reject ? .reject : .ignore
                }
            outputs.append(.verdict(id, verdict))
        }
    }
}
