import ChoraleBase
import ChoraleTypes
import Codec
import Operations
import OrderedCollections

/// What executors have said and validators have certified, and no block has yet.
///
/// Bounded by the registry: of an open operation there are at most three executors that may say something, and
/// of each its last renewal and one commitment. Certificates are one for each part, within ``certificatesSizeMax``.
struct OperationPool {
    /// Bytes of certificates.
    static let certificatesSizeMax = 8 << 20
    /// Bytes of commitments.
    static let commitmentsSizeMax = 8 << 20

    private struct Speaker: Hashable {
        let operation: Bytes32
        let executor: Bytes32
    }

    private var renewals: OrderedDictionary<Speaker, LeaseRenewal> = [:]
    private var commitments: OrderedDictionary<Speaker, ExecutionCommitment> = [:]
    private var commitmentsSize = 0
    private var certificates: OrderedDictionary<SubProofID, SubProofCertificate> = [:]
    private var certificatesSize = 0

    var count: Int { renewals.count + commitments.count + certificates.count }
    /// Bytes of what can be large.
    var size: Int { commitmentsSize + certificatesSize }

    /// Whether a statement adds nothing to what is here.
    func knows(_ statement: ExecutorStatement) -> Bool {
        let speaker = Speaker(operation: statement.operation, executor: statement.executor)
        switch statement {
        case .renewal(let renewal):
            return renewals[speaker].map { $0.content.progress >= renewal.content.progress }
                ?? false
        case .commitment: return commitments[speaker] != nil
        }
    }

    /// Returns whether it is new, and there was room.
    mutating func add(_ statement: ExecutorStatement) -> Bool {
        guard !knows(statement) else { return false }
        let speaker = Speaker(operation: statement.operation, executor: statement.executor)
        switch statement {
        case .renewal(let renewal): renewals[speaker] = renewal
        case .commitment(let commitment):
            let size = commitment.sszEncoded().count
            guard commitmentsSize + size <= Self.commitmentsSizeMax else { return false }
            commitmentsSize += size
            commitments[speaker] = commitment
        }
        return true
    }

    /// Returns whether it is new, and there was room. A certificate that rejects takes the place of one that does
    /// not: more have signed it.
    mutating func add(_ certificate: SubProofCertificate) -> Bool {
        let size = certificate.sszEncoded().count
        var before = 0
        if let known = certificates[certificate.id] {
            guard known.verdict.isValid, !certificate.verdict.isValid else { return false }
            before = known.sszEncoded().count
        }
        guard certificatesSize - before + size <= Self.certificatesSizeMax else { return false }
        certificatesSize += size - before
        certificates[certificate.id] = certificate
        return true
    }

    /// What a block may have, by kind, and the oldest first.
    func chosen() -> [ChainItem] {
        renewals.values.prefix(OperationRegistry.renewalsOfBlockMax).map { .renewal($0) }
            + commitments.values.prefix(4 * OperationRegistry.commitmentsOfBlockMax).map {
                .commitment($0)
            }
            + certificates.values.prefix(4 * OperationRegistry.verdictsOfBlockMax).map {
                .certificate($0)
            }
    }

    /// Forgets what cannot be in a block any more.
    mutating func advance(to registry: OperationRegistry) {
        func isOver(_ speaker: Speaker, progress: UInt16?) -> Bool {
            guard let operation = registry.operations[speaker.operation],
                operation.status == .requested, let election = operation.election,
                election.candidates.contains(where: {
                    $0.key == speaker.executor && !$0.isRefused
                })
            else { return true }
            return progress.map { $0 <= election.progress } ?? false
        }
        renewals.removeAll { isOver($0.key, progress: $0.value.content.progress) }
        commitments.removeAll { isOver($0.key, progress: nil) }
        certificates.removeAll { entry in
            guard let commitment = registry.operations[entry.key.operation]?.commitment else {
                return true
            }
            return entry.value.verdict.isValid
                && commitment.certifiedParts >> UInt64(entry.key.part) & 1 == 1
        }
        commitmentsSize = commitments.values.reduce(0) { $0 + $1.sszEncoded().count }
        certificatesSize = certificates.values.reduce(0) { $0 + $1.sszEncoded().count }
    }
}
