public import ChoraleBase
import ChoraleTypes
import OperationKinds
import Operations
import Subproof

/// Computation that a worker does: a value with everything it needs.
public struct PartJob: Sendable {
    /// A vote or statement with those by whom it is to be judged.
    struct Check<Message: Sendable>: Sendable {
        let message: Message
        let rule: QuorumRule
        let origin: MessageOrigin
    }

    enum Work: Sendable {
        /// Who is asked about each part.
        case order(ContextRequest)
        case prepare(Bytes32, commitment: Bytes32, KindBodies)
        case verify(SubproofJobID, ProofTask)
        case votes([Check<SubProofVote>])
        case statement(Check<PartStatement>)
        case attestation(EnclaveCheck)
    }

    let work: Work
    let network: NetworkDigest

    /// Whether it may take as long as a proof's verification, so that it is not done on the loop.
    public var isLong: Bool {
        switch work {
        // 0.3 µs a validator and part.
        case .order(let request): request.orderCount * request.validators.count > 4096
        case .prepare, .verify, .attestation: true
        case .votes: false
        // 70 µs a signature.
        case .statement(let check): check.message.signatureCount > 64
        }
    }

    /// - Parameter clock: measures how long a proof takes.
    public func run(clock: @Sendable () -> MonotonicInstant) -> PartJobResult {
        switch work {
        case .order(let request):
            return PartJobResult(.ordered(request.operation, request.commitment, request.make()))
        case .prepare(let operation, let commitment, let bodies):
            do throws(KindFault) {
                return PartJobResult(
                    .prepared(operation, commitment, .success(try bodies.prepare())))
            } catch {
                return PartJobResult(.prepared(operation, commitment, .failure(error)))
            }
        case .verify(let job, let task):
            let begin = clock()
            let outcome = task.prepared.verify(task.proof, part: task.part, by: task.executor)
            return PartJobResult(.verified(job, task.id, outcome, begin.duration(to: clock())))
        case .votes(let checks): return PartJobResult(.votes(check(checks)))
        case .statement(let check):
            return PartJobResult(.statement(verify(check.message, check.rule), check.origin))
        case .attestation(let check):
            let root = ContentReference(kind: .proof, bytes: check.bytes)?.root ?? .zero
            do throws(EnclaveFault) {
                let platform = try check.parameters.platform(of: check.statement, network: network)
                return PartJobResult(.attestation(check, root, .success(platform)))
            } catch {
                return PartJobResult(.attestation(check, root, .failure(error)))
            }
        }
    }

    private func check(_ checks: [Check<SubProofVote>]) -> [CheckedVote] {
        var checker = SubProofVoteChecker(network: network)
        return checks.map { check in
            let vote = try? VerifiedSubProofVote(
                check.message, validators: check.rule.validators, checker: &checker)
            return CheckedVote(vote: vote, origin: check.origin)
        }
    }

    private func verify(_ statement: PartStatement, _ rule: QuorumRule) -> CheckedStatement? {
        switch statement {
        case .certificate(let certificate):
            (try? VerifiedSubProofCertificate(certificate, rule: rule, network: network))
                .map(CheckedStatement.certificate)
        case .fastPath(let certificate):
            (try? VerifiedFastPathCertificate(certificate, rule: rule, network: network))
                .map(CheckedStatement.fastPath)
        case .evidence(let evidence):
            (try? VerifiedSubProofEvidence(
                evidence, validators: rule.validators, network: network))
                .map(CheckedStatement.evidence)
        case .committeeVote(let vote):
            (try? VerifiedCommitteeVote(vote, validators: rule.validators, network: network))
                .map(CheckedStatement.committeeVote)
        case .vote(let vote):
            (try? VerifiedSubProofVote(vote, validators: rule.validators, network: network))
                .map(CheckedStatement.vote)
        }
    }
}

/// What a worker found.
public struct PartJobResult: Sendable {
    enum Finding: Sendable {
        /// nil: no operation can have so many parts.
        case ordered(Bytes32, Bytes32, OperationContext?)
        case prepared(Bytes32, Bytes32, Result<PreparedOperation, KindFault>)
        case verified(SubproofJobID, SubProofID, ProofOutcome, Duration)
        case votes([CheckedVote])
        /// nil: its signatures are bad, or no quorum.
        case statement(CheckedStatement?, MessageOrigin)
        /// The platform; with the statement's root as a body.
        case attestation(EnclaveCheck, Bytes32, Result<Bytes32, EnclaveFault>)
    }

    let finding: Finding

    init(_ finding: Finding) { self.finding = finding }
}

/// What a context is made of.
struct ContextRequest: Sendable {
    let operation: Bytes32
    /// Root of the commitment's content.
    let commitment: Bytes32
    let height: UInt64
    let validators: ValidatorSet
    let beacon: Bytes32
    let outputHash: Bytes32
    let method: OperationContext.Method
    let expiresAt: MonotonicInstant

    var orderCount: Int {
        switch method {
        case .parts(let parts): parts.count
        case .committee: 1
        }
    }

    func make() -> OperationContext? {
        OperationContext(
            operation: operation, commitment: commitment, height: height, validators: validators,
            beacon: beacon,
            outputHash: outputHash, method: method, expiresAt: expiresAt)
    }
}

/// One proof, ready to be verified.
struct ProofTask: Sendable {
    let id: SubProofID
    let prepared: PreparedOperation
    let proof: [UInt8]
    let part: Int
    let executor: Bytes32
}

struct CheckedVote: Sendable {
    /// nil: its signature is bad.
    let vote: VerifiedSubProofVote?
    let origin: MessageOrigin
}

enum CheckedStatement: Sendable {
    case certificate(VerifiedSubProofCertificate)
    case fastPath(VerifiedFastPathCertificate)
    case evidence(VerifiedSubProofEvidence)
    case committeeVote(VerifiedCommitteeVote)
    case vote(VerifiedSubProofVote)

    var input: SubproofInput {
        switch self {
        case .certificate(let verified): .certificateReceived(verified)
        case .fastPath(let verified): .fastPathReceived(verified)
        case .evidence(let verified): .evidenceReceived(verified)
        case .committeeVote(let verified): .committeeVoteReceived(verified)
        case .vote(let verified): .voteReceived(verified)
        }
    }
}
