import ChoraleBase
import ChoraleTypes
import Codec
import OrderedCollections

/// Votes on one part, and our own work on it. Knows nothing of time, signers' budgets or other parts.
///
///     idle ─▶ queued ─▶ pulling ─▶ verifying ─▶ verdict ─▶ intent ─▶ voted
///                          ╰──────────┴─▶ abstained
///
/// Memory: the order and ranks, 4 bytes a validator; at most one vote a validator, until a certificate
/// takes their place.
struct PartState {
    struct HeldVote {
        let verdict: SubProofVerdict
        let signature: SignatureBytes
    }

    /// Our own work.
    enum Work: Equatable {
        case idle
        case queued
        case pulling(SubproofJobID)
        case verifying(SubproofJobID)
        /// Nobody had the proof: again at this time.
        case waiting(until: MonotonicInstant)
        case done
        /// Its prover made a bad proof before: nothing is done about it unless somebody rejects it.
        case shunned
        case abstained
    }

    let id: SubProofID
    let context: PartContext
    let rule: QuorumRule
    /// How far time has widened the circle of those asked.
    var tranche = Tranche.first
    var work = Work.idle
    var ownVerdict: SubProofVerdict?
    /// What we verified was said in a vote.
    var isSigning = false
    var ownVote: SubProofVote?
    var certificate: SubProofCertificate?
    /// Of less than everyone, while somebody rejects.
    var heldCertificate: SubProofCertificate?
    var status = HybridStatus()
    var wasContested = false
    /// Reject evidence was heard on the topic that everybody listens to.
    var hasEvidence = false
    var certificateSentAt: MonotonicInstant?
    /// When our certificate is published, unless another's comes first.
    var certificateDueAt: MonotonicInstant?
    private(set) var votes: OrderedDictionary<ValidatorIndex, HeldVote> = [:]
    /// Of valid votes, by tranche.
    private var accepting = [VoteWeight](repeating: VoteWeight(), count: Tranche.allCases.count)
    private var rejecting = VoteWeight()
    /// Who rejects and is not known to be wrong. Each sends the part to everyone.
    private(set) var standing: [ValidatorIndex] = []
    /// Who has said anything.
    private var heard: ValidatorBits

    init(id: SubProofID, context: PartContext, rule: QuorumRule) {
        self.id = id
        self.context = context
        self.rule = rule
        heard = ValidatorBits(count: rule.validators.count)!
    }

    /// Whether only everyone can decide.
    var isContested: Bool {
        !standing.isEmpty || status.needsEveryone || ownVerdict.map { !$0.isValid } ?? false
    }

    /// Who is asked now.
    var asked: Tranche { isContested ? .everyone : tranche }

    func isAsked(_ validator: ValidatorIndex) -> Bool {
        rule.order.isAsked(validator, in: asked)
    }

    // MARK: Votes

    enum Recorded {
        case counted
        /// Nothing is added to a certificate, but it was not silent.
        case noted
        case duplicate
        case notAsked
        case contradiction(VerdictEquivocation)
    }

    /// Whether a vote could matter, before anybody looks at its signature.
    func judge(_ vote: SubProofVote) -> Recorded {
        if let earlier = self.vote(of: vote.validator) {
            guard let pair = VerdictEquivocation(earlier, vote) else { return .duplicate }
            return .contradiction(pair)
        }
        if certificate?.tranche == .everyone {
            return heard[vote.validator.position] ? .duplicate : .noted
        }
        guard vote.verdict.isValid else { return .counted }
        if certificate != nil, !isContested {
            return heard[vote.validator.position] ? .duplicate : .noted
        }
        // Clocks differ: others may have asked more than we, but hardly by two steps.
        let horizon = asked.next ?? .everyone
        return rule.order.isAsked(vote.validator, in: horizon) ? .counted : .notAsked
    }

    /// - Parameter stands: whether a reject is to be taken seriously.
    mutating func record(_ vote: SubProofVote, stands: Bool) -> Recorded {
        let judged = judge(vote)
        switch judged {
        case .counted: count(vote, stands: stands)
        case .noted: heard[vote.validator.position] = true
        case .duplicate, .notAsked, .contradiction: break
        }
        return judged
    }

    private mutating func count(_ vote: SubProofVote, stands: Bool) {
        let voter = vote.validator
        heard[voter.position] = true
        votes[voter] = HeldVote(verdict: vote.verdict, signature: vote.signature)
        let stake = rule.validators.validators[voter.position].stake
        switch vote.verdict {
        case .valid:
            for tranche in Tranche.allCases where rule.order.isAsked(voter, in: tranche) {
                accepting[Int(tranche.rawValue)].add(stake)
            }
        case .reject:
            rejecting.add(stake)
            if stands { standing.append(voter) }
        }
    }

    /// What a validator said, as far as it is still here.
    func vote(of validator: ValidatorIndex) -> SubProofVote? {
        if let held = votes[validator] {
            return SubProofVote(
                content: SubProofVoteContent(
                    id: id, validatorsRoot: rule.validators.root, verdict: held.verdict),
                validator: validator, scheme: .ed25519, signature: held.signature)
        }
        return certificate?.vote(of: validator)
    }

    /// Those who reject are known to be wrong, or are not listened to. Returns whether that is new.
    mutating func dismiss(_ voter: ValidatorIndex) -> Bool {
        guard let position = standing.firstIndex(of: voter) else { return false }
        standing.remove(at: position)
        return true
    }

    /// Those whose votes our own verifier contradicts.
    var contradicted: [SubProofVote] {
        guard let ownVerdict else { return [] }
        return votes.keys.compactMap { voter in
            guard let vote = vote(of: voter) else { return nil }
            return vote.verdict.isValid == ownVerdict.isValid ? nil : vote
        }
    }

    /// Members of the first tranche that were never heard.
    var silent: [ValidatorIndex] {
        rule.order.members(of: .first).filter { !heard[$0.position] }.sorted()
    }

    // MARK: Certificates

    /// A certificate that our votes make, when there is none or one that everyone overturns.
    func certificateReady() -> SubProofCertificate? {
        if rule.rejects(rejecting), certificate?.tranche != .everyone {
            return makeCertificate(.everyone, accepts: false)
        }
        guard certificate == nil || isContested && certificate?.tranche != .everyone else {
            return nil
        }
        for tranche in Tranche.allCases where tranche == .everyone || !isContested {
            if rule.accepts(accepting[Int(tranche.rawValue)], in: tranche) {
                return makeCertificate(tranche, accepts: true)
            }
        }
        return nil
    }

    private func makeCertificate(_ tranche: Tranche, accepts: Bool) -> SubProofCertificate {
        var chosen: [ValidatorIndex] = []
        for (voter, held) in votes where held.verdict.isValid == accepts {
            if rule.order.isAsked(voter, in: tranche) { chosen.append(voter) }
        }
        chosen = rule.signers(of: chosen, in: tranche, accepts: accepts)
        var signers = ValidatorBits(count: rule.validators.count)!
        var signatures: [SignatureBytes] = []
        var reasons: [RejectReason] = []
        for voter in chosen {
            signers[voter.position] = true
            let held = votes[voter]!
            signatures.append(held.signature)
            if case .reject(let reason) = held.verdict { reasons.append(reason) }
        }
        guard
            let certificate = SubProofCertificate(
                id: id, validatorsRoot: rule.validators.root,
                verdict: accepts ? .valid : .reject(reasons), tranche: tranche, scheme: .ed25519,
                signers: signers, signatures: signatures)
        else { preconditionFailure("a quorum has signatures") }
        return certificate
    }

    enum Adopted: Equatable {
        case first
        /// It takes the place of one that said otherwise.
        case overturning
        /// It says the same with more.
        case stronger
        case held
        case nothingNew
        /// Both are everyone's.
        case conflicting
    }

    /// Takes a verified certificate, and forgets the votes.
    mutating func adopt(_ new: SubProofCertificate) -> Adopted {
        if new.tranche != .everyone, isContested {
            guard certificate == nil, heldCertificate == nil else { return .nothingNew }
            heldCertificate = new
            return .held
        }
        guard let certificate else {
            take(new)
            return .first
        }
        guard certificate.verdict.isValid == new.verdict.isValid else {
            if certificate.tranche == .everyone {
                return new.tranche == .everyone ? .conflicting : .nothingNew
            }
            take(new)
            return .overturning
        }
        guard isContested, certificate.tranche < new.tranche else { return .nothingNew }
        take(new)
        return .stronger
    }

    private mutating func take(_ certificate: SubProofCertificate) {
        for position in 0..<certificate.signers.count where certificate.signers[position] {
            heard[position] = true
        }
        self.certificate = certificate
        heldCertificate = nil
        votes = [:]
        accepting = Array(repeating: VoteWeight(), count: Tranche.allCases.count)
        rejecting = VoteWeight()
        if certificate.tranche == .everyone {
            standing = []
        } else {
            // What contests it later is counted together with it.
            for vote in certificate.votes { count(vote, stands: false) }
        }
    }
}
