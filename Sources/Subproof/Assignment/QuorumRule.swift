public import ChoraleTypes
public import Codec

/// How many and with how much stake: what votes are weighed in.
public struct VoteWeight: Hashable, Sendable {
    public var count: Int
    public var stake: UInt64

    public init(count: Int = 0, stake: UInt64 = 0) {
        self.count = count
        self.stake = stake
    }

    mutating func add(_ stake: UInt64) {
        count += 1
        self.stake += stake
    }
}

/// When votes on a part, or on an operation, are a quorum.
///
/// | tranche | valid | reject |
/// | --- | --- | --- |
/// | first, 32 | > 2/3 of the members and > 2/3 of their stake | never |
/// | second, 128 | > 1/2 of the members and > 1/2 of their stake | never |
/// | everyone | > 2/3 of the stake | > 2/3 of the stake |
///
/// Members are drawn by head, so heads must be counted: one rich validator that is drawn would
/// otherwise be a quorum alone. And stake must be counted too, or a stake split over many validators
/// would gain by it. With equal stakes, one bond an identity, both are the same. Everyone together is
/// the set that agreement rests on, and counts as agreement does.
///
/// Only everyone can reject, and two quorums of everyone have more than a third of the stake in common:
/// no two certificates of everyone differ unless that third signed twice, for which it is slashed. A
/// certificate of less than everyone says valid, and is void once a proof is rejected with evidence.
///
/// Specification: mechanisms row 0.12 and section 5.2.
public struct QuorumRule: Sendable {
    public let validators: ValidatorSet
    public let order: PartOrder
    /// Of each tranche.
    private let totals: [VoteWeight]

    /// - Precondition: the order is one of the set.
    public init(validators: ValidatorSet, order: PartOrder) {
        precondition(order.count == validators.count, "the order of another set")
        self.validators = validators
        self.order = order
        totals = Tranche.allCases.map { tranche in
            var total = VoteWeight()
            for member in order.members(of: tranche) {
                total.add(validators.validators[member.position].stake)
            }
            return total
        }
    }

    public func total(of tranche: Tranche) -> VoteWeight { totals[Int(tranche.rawValue)] }

    /// Whether votes of members of `tranche` suffice to say valid.
    public func accepts(_ weight: VoteWeight, in tranche: Tranche) -> Bool {
        let total = total(of: tranche)
        return switch tranche {
        case .first: 3 * weight.count > 2 * total.count && 3 * weight.stake > 2 * total.stake
        case .second: 2 * weight.count > total.count && 2 * weight.stake > total.stake
        case .everyone: validators.isQuorum(weight.stake)
        }
    }

    /// Whether votes suffice to say that a proof is bad.
    public func rejects(_ weight: VoteWeight) -> Bool { validators.isQuorum(weight.stake) }

    /// Whose votes a certificate has: what fits into gossip has everybody's, for their sake, and what does not has a
    /// quorum.
    ///
    /// - Parameters:
    ///   - voters: members of the tranche that agree, and are a quorum.
    ///   - accepts: false for a certificate that rejects.
    /// - Returns: ascending.
    func signers(
        of voters: [ValidatorIndex], in tranche: Tranche, accepts: Bool
    ) -> [ValidatorIndex] {
        let voters = voters.sorted()
        guard voters.count * 70 + 512 > SubProofCertificate.gossipSizeMax else { return voters }
        var weight = VoteWeight()
        for (index, voter) in voters.enumerated() {
            weight.add(validators.validators[voter.position].stake)
            let isEnough = accepts ? self.accepts(weight, in: tranche) : rejects(weight)
            if isEnough { return Array(voters[...index]) }
        }
        return voters
    }

    /// Whether the signers are members of the tranche, and enough.
    ///
    /// - Parameter accepts: false for a certificate that rejects.
    public func check(
        signers: ValidatorBits, tranche: Tranche, accepts: Bool
    ) throws(CertificateError) {
        guard signers.count == validators.count else {
            throw .wrongBitCount(signers.count, validators: validators.count)
        }
        guard accepts || tranche == .everyone else { throw .rejectWithoutEveryone(tranche) }
        var weight = VoteWeight()
        for position in 0..<signers.count where signers[position] {
            let validator = ValidatorIndex(position)
            guard order.isAsked(validator, in: tranche) else {
                throw .notAsked(validator, tranche)
            }
            weight.add(validators.validators[position].stake)
        }
        let isEnough = accepts ? self.accepts(weight, in: tranche) : rejects(weight)
        guard isEnough else { throw .notEnough(weight, of: total(of: tranche), tranche) }
    }
}

/// Why a certificate certifies nothing. Every case is a fault of whoever made it.
public enum CertificateError: Error, Hashable, Sendable {
    /// Another number of bits than validators.
    case wrongBitCount(Int, validators: Int)
    case rejectWithoutEveryone(Tranche)
    /// A signer that the tranche does not ask.
    case notAsked(ValidatorIndex, Tranche)
    case notEnough(VoteWeight, of: VoteWeight, Tranche)
    case signature(SubProofSignatureError)
}

extension SubProofCertificate {
    /// Checks quorum and signatures, with nothing but the validators, the part's order and the bytes.
    ///
    /// - Complexity: one signature check a signer, after they were found enough.
    public func verify(
        rule: QuorumRule, network: NetworkDigest
    ) throws(CertificateError) {
        try rule.check(signers: signers, tranche: tranche, accepts: verdict.isValid)
        do throws(SubProofSignatureError) {
            try verifySignatures(validators: rule.validators, network: network)
        } catch {
            throw .signature(error)
        }
    }
}

extension FastPathCertificate {
    /// Checks quorum and signatures, with nothing but the validators, the committee's order and the
    /// bytes.
    ///
    /// - Complexity: one signature check a signer, after they were found enough.
    public func verify(
        rule: QuorumRule, network: NetworkDigest
    ) throws(CertificateError) {
        try rule.check(signers: signers, tranche: tranche, accepts: true)
        do throws(SubProofSignatureError) {
            try verifySignatures(validators: rule.validators, network: network)
        } catch {
            throw .signature(error)
        }
    }
}
