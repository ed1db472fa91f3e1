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
    /// Bytes of evidence: of a third of the largest set, twice.
    static let evidenceSizeMax = 512 << 10
    /// Pieces against one validator: of several false verdicts everyone may judge only one in time.
    static let evidenceOfValidatorMax = 4
    /// Bytes of commitments.
    static let commitmentsSizeMax = 8 << 20
    /// Contradictions, of at most 62 KiB. Of those that are left out others know.
    static let contradictionsMax = 64

    private struct Speaker: Hashable {
        let operation: Bytes32
        let executor: Bytes32
    }

    private struct Culprit: Hashable {
        /// Of the set that the index refers to.
        let root: Bytes32
        let validator: ValidatorIndex
    }

    private var renewals: OrderedDictionary<Speaker, LeaseRenewal> = [:]
    private var commitments: OrderedDictionary<Speaker, ExecutionCommitment> = [:]
    private var commitmentsSize = 0
    private var certificates: OrderedDictionary<SubProofID, SubProofCertificate> = [:]
    private var certificatesSize = 0
    /// One of each operation.
    private var fastPaths: OrderedDictionary<Bytes32, FastPathCertificate> = [:]
    private var disputes: OrderedDictionary<Bytes32, CommitteeVote> = [:]
    private var evidence: OrderedDictionary<Culprit, [SubProofEvidence]> = [:]
    private var evidenceSize = 0
    /// By what was committed to and who contradicts it: one of each executor is enough.
    private var contradictions: OrderedDictionary<Speaker, EnclaveContradiction> = [:]

    var count: Int {
        renewals.count + commitments.count + certificates.count + fastPaths.count
            + disputes.count + contradictions.count + evidence.values.reduce(0) { $0 + $1.count }
    }
    /// Bytes of what can be large.
    var size: Int { commitmentsSize + certificatesSize + evidenceSize }

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

    /// Returns whether it is new, and there was room. A certificate of everyone takes the place of one of fewer: only
    /// everyone rejects, and what everyone says voters are held to.
    mutating func add(_ certificate: SubProofCertificate) -> Bool {
        let size = certificate.sszEncoded().count
        var before = 0
        if let known = certificates[certificate.id] {
            guard known.tranche != .everyone, certificate.tranche == .everyone else {
                return false
            }
            before = known.sszEncoded().count
        }
        guard certificatesSize - before + size <= Self.certificatesSizeMax else { return false }
        certificatesSize += size - before
        certificates[certificate.id] = certificate
        return true
    }

    /// The same for a committee's.
    mutating func add(_ certificate: FastPathCertificate) -> Bool {
        let size = certificate.sszEncoded().count
        var before = 0
        if let known = fastPaths[certificate.operation] {
            guard known.tranche != .everyone, certificate.tranche == .everyone else {
                return false
            }
            before = known.sszEncoded().count
        }
        guard certificatesSize - before + size <= Self.certificatesSizeMax else { return false }
        certificatesSize += size - before
        fastPaths[certificate.operation] = certificate
        return true
    }

    /// Returns whether it is new. One is enough for an operation.
    mutating func add(_ dispute: CommitteeVote) -> Bool {
        guard disputes[dispute.operation] == nil else { return false }
        disputes[dispute.operation] = dispute
        return true
    }

    /// Returns whether it is new, and there was room.
    mutating func add(_ piece: SubProofEvidence) -> Bool {
        let size = piece.sszEncoded().count
        let culprit = Culprit(root: piece.validatorsRoot, validator: piece.validator)
        let known = evidence[culprit] ?? []
        guard evidenceSize + size <= Self.evidenceSizeMax,
            known.count < Self.evidenceOfValidatorMax, !known.contains(piece)
        else { return false }
        evidence[culprit] = known + [piece]
        evidenceSize += size
        return true
    }

    /// Returns whether it is new, and there was room.
    mutating func add(_ found: EnclaveContradiction) -> Bool {
        let content = found.statement.content
        let speaker = Speaker(operation: content.operation, executor: content.executor)
        guard contradictions[speaker] == nil, contradictions.count < Self.contradictionsMax
        else { return false }
        contradictions[speaker] = found
        return true
    }

    /// What a block may have, by kind, and the oldest first.
    func chosen() -> [ChainItem] {
        let verdictsMax = 4 * OperationRegistry.verdictsOfBlockMax
        var items: [ChainItem] = []
        for renewal in renewals.values.prefix(OperationRegistry.renewalsOfBlockMax) {
            items.append(.renewal(renewal))
        }
        for commitment in commitments.values.prefix(4 * OperationRegistry.commitmentsOfBlockMax) {
            items.append(.commitment(commitment))
        }
        for certificate in certificates.values.prefix(verdictsMax) {
            items.append(.certificate(certificate))
        }
        // All of it: what waits for a judgement is not to keep out what does not.
        for piece in evidence.values.joined() { items.append(.evidence(piece)) }
        for certificate in fastPaths.values.prefix(verdictsMax) {
            items.append(.fastPath(certificate))
        }
        for vote in disputes.values { items.append(.dispute(vote)) }
        // Each costs a verification to try.
        for found in contradictions.values.prefix(4 * OperationRegistry.contradictionsOfBlockMax) {
            items.append(.contradiction(found))
        }
        return items
    }

    /// Forgets what cannot be in a block any more.
    mutating func advance(to head: ChainHead) {
        let registry = head.operations
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
                && (entry.value.tranche != .everyone || registry.judgements[entry.key] != nil)
        }
        fastPaths.removeAll { entry in
            guard let operation = registry.operations[entry.key], operation.commitment != nil
            else { return true }
            return switch operation.status {
            case .committed: false
            case .justified, .frozen: entry.value.tranche != .everyone
            case .requested, .certified, .settled, .expired: true
            }
        }
        disputes.removeAll { entry in
            guard let operation = registry.operations[entry.key],
                operation.commitment.map({ $0.outputHash != entry.value.outputHash }) == true
            else { return true }
            return operation.status != .committed && operation.status != .justified
        }
        contradictions.removeAll { !head.mayStillContradict($0.value) }
        for (culprit, pieces) in evidence {
            let left = pieces.filter { head.mayStillSlash($0) }
            evidence[culprit] = left.isEmpty ? nil : left
        }
        evidenceSize = evidence.values.joined().reduce(0) { $0 + $1.sszEncoded().count }
        commitmentsSize = commitments.values.reduce(0) { $0 + $1.sszEncoded().count }
        certificatesSize =
            certificates.values.reduce(0) { $0 + $1.sszEncoded().count }
            + fastPaths.values.reduce(0) { $0 + $1.sszEncoded().count }
    }
}
