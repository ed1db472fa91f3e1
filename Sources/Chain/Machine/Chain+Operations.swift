import ChoraleBase
import ChoraleTypes
import Codec
import Consensus
import Operations
import OrderedCollections
import PeerIdentity

/// What executors say, and what validators have certified, on its way into a block.
extension Chain {
    /// An executor's statement that came by gossip.
    mutating func received(
        _ statement: ExecutorStatement, _ origin: ChainVerification.Origin,
        into outputs: inout [ChainOutput]
    ) {
        guard mayBeSaid(statement), !operationPool.knows(statement) else {
            settle(origin, .ignore, into: &outputs)
            return
        }
        verify(.executor(statement), origin, head.rotation.validators, into: &outputs)
    }

    /// Its signature is good.
    mutating func verified(
        _ statement: ExecutorStatement, _ origin: ChainVerification.Origin,
        into outputs: inout [ChainOutput]
    ) {
        // Blocks may have come meanwhile.
        let isNew = mayBeSaid(statement) && operationPool.add(statement)
        settle(origin, isNew ? .accept : .ignore, into: &outputs)
        if isNew { outputs.append(.event(.executor(statement))) }
    }

    /// Of this node's own executor.
    mutating func say(_ statement: ExecutorStatement, into outputs: inout [ChainOutput]) {
        guard mayBeSaid(statement), operationPool.add(statement) else { return }
        outputs.append(.publish(.executor, statement.sszEncoded()))
        outputs.append(.event(.executor(statement)))
    }

    /// Whether the next block could have it, as far as can be said without its signature.
    private func mayBeSaid(_ statement: ExecutorStatement) -> Bool {
        guard let operation = head.operations.operations[statement.operation],
            operation.status == .requested, let election = operation.election,
            head.operations.executors[statement.executor] != nil
        else { return false }
        return switch statement {
        case .renewal(let renewal):
            election.mayRenew(
                statement.executor, progress: renewal.content.progress, at: head.height + 1)
        case .commitment: election.mayCommit(statement.executor, at: head.height + 1)
        }
    }

    /// A certificate that this node has made or checked.
    mutating func include(_ certificate: SubProofCertificate) {
        guard head.operations.operations[certificate.id.operation]?.commitment != nil else {
            return
        }
        _ = operationPool.add(certificate)
    }

    /// The same of a committee.
    mutating func include(_ certificate: FastPathCertificate) {
        guard head.operations.operations[certificate.operation]?.commitment != nil else { return }
        _ = operationPool.add(certificate)
    }

    /// A vote for another output than the executor's, that this node has made or checked.
    mutating func dispute(_ vote: CommitteeVote) {
        guard let commitment = head.operations.operations[vote.operation]?.commitment,
            commitment.outputHash != vote.outputHash
        else { return }
        _ = operationPool.add(vote)
    }

    /// An enclave that this node has checked vouches for another output than the executor's.
    mutating func contradict(_ found: EnclaveContradiction) {
        guard head.mayStillContradict(found) else { return }
        _ = operationPool.add(found)
    }

    /// A validator's fault that this node has found or checked.
    mutating func accuse(_ evidence: SubProofEvidence, into outputs: inout [ChainOutput]) {
        guard head.mayStillSlash(evidence), operationPool.add(evidence) else { return }
        outputs.append(
            .event(.partEvidence(operation: evidence.operation, evidence.validator)))
    }
}
