import ChoraleBase
import ChoraleTypes
import Codec
import Testing

@testable import Subproof

/// What happens when somebody says that a proof is bad, or contradicts others or itself.
@Suite struct ContestTests {
    static let context = World.operation("contest", validators: World.hundred, parts: 3)
    static let order = context.rules[0].order
    static let first = order.members(of: .first)
    static let everyone = order.members(of: .everyone)
    static let id = World.id(context, 0)

    private func driver(as validator: ValidatorIndex?) -> PoolDriver {
        let driver = PoolDriver(as: validator?.position)
        driver(.commitmentIncluded(Self.context))
        return driver
    }

    private func vote(_ verdict: SubProofVerdict, _ validator: ValidatorIndex) -> SubProofVote {
        World.vote(Self.context, 0, verdict, by: validator)
    }

    /// Hands in a certificate with the quorum it has.
    private func hear(_ driver: PoolDriver, _ certificate: SubProofCertificate?) throws {
        let verified = try VerifiedSubProofCertificate(
            trusting: #require(certificate), rule: Self.context.rules[0])
        driver(.certificateReceived(verified))
    }

    private func verify(_ driver: PoolDriver, _ outcome: ProofOutcome) {
        let job = driver.pulls.first { $0.1.id == Self.id }!.0
        driver(.bodyArrived(job))
        driver(.verified(job, outcome))
    }

    @Test("a reject sends the part to everyone at once") func reject() {
        let last = driver(as: Self.everyone[99])
        #expect(!last.pulls.contains { $0.1.id == Self.id })
        last.hear(vote(.reject(.proofFails), Self.first[3]))
        #expect(last.events.contains(.contested(Self.id)))
        #expect(last.pulls.contains { $0.1.id == Self.id })
        // And those who do not listen to the part's subnet hear it.
        #expect(
            last.outputs.contains { if case .publishEvidence(.reject) = $0 { true } else { false } }
        )
        last.hear(vote(.reject(.malformed), Self.first[4]))
        #expect(
            !last.outputs.contains { if case .publishEvidence = $0 { true } else { false } }, "once"
        )
    }

    @Test("evidence does the same, from whoever it is") func evidence() {
        let last = driver(as: Self.everyone[99])
        let claim = VoteOnProof(
            vote: vote(.reject(.proofFails), Self.everyone[77]), proofType: 64, proofSize: 40_000)!
        let evidence = SubProofEvidence.reject(RejectEvidence(claim)!)
        last(.evidenceReceived(VerifiedSubProofEvidence(trusting: evidence)))
        #expect(last.pulls.contains { $0.1.id == Self.id })
        #expect(!last.outputs.contains { if case .publishEvidence = $0 { true } else { false } })
        // About another proof than the chain's it says nothing.
        let other = VoteOnProof(vote: claim.vote, proofType: 65, proofSize: 40_000)!
        guard case .drop(.otherProof) = last.pool.precheck(.reject(RejectEvidence(other)!)) else {
            Issue.record("evidence about another type of proof")
            return
        }
    }

    @Test("while a reject stands, only everyone can certify") func onlyEveryone() throws {
        let observer = driver(as: nil)
        observer.hear(vote(.reject(.proofFails), Self.everyone[50]))
        for member in Self.first { observer.hear(vote(.valid, member)) }
        #expect(observer.pool.certificates(of: Self.context.operation).isEmpty)
        // Nor can others' certificate of less.
        try hear(observer, World.certificate(Self.context, 0, .valid, .first, by: Self.first))
        #expect(observer.dropped == .contested)
        for validator in Self.everyone[32...] where validator != Self.everyone[50] {
            observer.hear(vote(.valid, validator))
        }
        #expect(observer.pool.certificates(of: Self.context.operation).first?.tranche == .everyone)
    }

    @Test("67 of 100 reject a proof, and with it the operation") func rejected() {
        let observer = driver(as: nil)
        for validator in Self.everyone.prefix(66) {
            observer.hear(vote(.reject(.proofFails), validator))
        }
        #expect(observer.pool.certificates(of: Self.context.operation).isEmpty)
        observer.hear(vote(.reject(.malformed), Self.everyone[66]))
        #expect(observer.events.contains(.operationRejected(Self.context.operation, part: 0)))
        let certificate = observer.pool.certificates(of: Self.context.operation)[0]
        #expect(!certificate.verdict.isValid && certificate.votes.last!.verdict != .valid)
        #expect(
            observer.pool.statuses(of: Self.context.operation)?[0].level == ConfirmationLevel.none)
    }

    @Test("who rejects a good proof is found, slashed, muted, and not listened to")
    func falseReject() {
        let member = driver(as: Self.first[0])
        let job = member.pulls.first { $0.1.id == Self.id }!.0
        member.hear(vote(.reject(.proofFails), Self.first[1]))
        member(.bodyArrived(job))
        member(.verified(job, .valid))
        let claim = VoteOnProof(
            vote: vote(.reject(.proofFails), Self.first[1]), proofType: 64, proofSize: 40_000)!
        #expect(member.slashed == [.falseVerdict(FalseVerdictEvidence(claim))])
        #expect(member.outputs.contains(.mute(.validator(World.keyBytes[Self.first[1].position]))))
        // Its part is not contested any more: the first tranche certifies.
        for honest in Self.first[2..<24] { member.hear(vote(.valid, honest)) }
        #expect(member.pool.certificates(of: Self.context.operation).first?.tranche == .first)
        // And its word about another part sends nobody anywhere.
        member.hear(World.vote(Self.context, 1, .reject(.proofFails), by: Self.first[1]))
        #expect(!member.events.contains(.contested(World.id(Self.context, 1))))
    }

    @Test("who says that a bad proof is good is found as well, before and after") func falseValid()
    {
        let member = driver(as: Self.first[0])
        let job = member.pulls.first { $0.1.id == Self.id }!.0
        member.hear(vote(.valid, Self.first[1]))
        member(.bodyArrived(job))
        member(.verified(job, .invalid(.proofFails)))
        #expect(member.slashed.map(\.validator) == [Self.first[1]])
        member.hear(vote(.valid, Self.first[2]))
        #expect(member.slashed.map(\.validator) == [Self.first[2]])
        // One fault is enough.
        member.hear(World.vote(Self.context, 1, .reject(.malformed), by: Self.first[2]))
        #expect(member.slashed.isEmpty)
    }

    @Test("what our own verifier found bad is never certified good here by less than everyone")
    func ownVerdict() throws {
        let member = driver(as: Self.first[0])
        verify(member, .invalid(.proofFails))
        try hear(
            member,
            World.certificate(Self.context, 0, .valid, .first, by: Array(Self.first[1...22])))
        #expect(member.pool.certificates(of: Self.context.operation).isEmpty)
        #expect(member.slashed.count == 22, "all who signed it")
        try hear(
            member,
            World.certificate(Self.context, 0, .valid, .everyone, by: Array(Self.everyone[1...67])))
        #expect(member.events.contains(.outvoted(Self.id, own: .reject(.proofFails))))
        #expect(member.pool.certificates(of: Self.context.operation).count == 1)
    }

    @Test("a certificate that waited is taken when the reject falls") func held() throws {
        let member = driver(as: Self.first[0])
        let job = member.pulls.first { $0.1.id == Self.id }!.0
        member.hear(vote(.reject(.proofFails), Self.first[30]))
        try hear(
            member,
            World.certificate(Self.context, 0, .valid, .first, by: Array(Self.first[1...22])))
        #expect(member.dropped == .contested)
        member(.bodyArrived(job))
        member(.verified(job, .valid))
        #expect(member.events.contains(.certified(Self.id, isValid: true, .first)))
    }

    @Test("a late reject opens again what the first tranche certified, and everyone overturns it")
    func overturned() throws {
        let last = driver(as: Self.everyone[99])
        for member in Self.first.prefix(22) { last.hear(vote(.valid, member)) }
        #expect(last.events.contains(.certified(Self.id, isValid: true, .first)))
        last.hear(vote(.reject(.proofFails), Self.first[25]))
        #expect(last.pulls.contains { $0.1.id == Self.id })
        verify(last, .invalid(.proofFails))
        for validator in Self.everyone[22..<88] where validator != Self.first[25] {
            last.hear(vote(.reject(.proofFails), validator))
        }
        #expect(last.pool.certificates(of: Self.context.operation)[0].verdict.isValid)
        last.hear(vote(.reject(.proofFails), Self.everyone[88]))
        last.hear(vote(.reject(.proofFails), Self.everyone[89]))
        let certificate = last.pool.certificates(of: Self.context.operation)[0]
        #expect(!certificate.verdict.isValid)
        // Nothing less comes back.
        try hear(last, World.certificate(Self.context, 0, .valid, .first, by: Self.first))
        #expect(last.dropped == .certified)
    }

    @Test("everyone twice: whoever signed both is slashed, and an operator is told")
    func conflicting() throws {
        let observer = driver(as: nil)
        try hear(
            observer,
            World.certificate(Self.context, 0, .valid, .everyone, by: Array(Self.everyone[..<67])))
        let reasons = [RejectReason](repeating: .malformed, count: 67)
        try hear(
            observer,
            World.certificate(
                Self.context, 0, .reject(reasons), .everyone, by: Array(Self.everyone[33...99])))
        #expect(observer.events.contains(.conflicting(Self.id)))
        #expect(Set(observer.slashed.map(\.validator)) == Set(Self.everyone[33..<67]))
        #expect(observer.pool.certificates(of: Self.context.operation)[0].verdict == .valid)
    }

    @Test("two verdicts of one validator are evidence, against a certificate too")
    func equivocation() throws {
        let observer = driver(as: nil)
        observer.hear(vote(.valid, Self.first[0]))
        observer.hear(vote(.reject(.malformed), Self.first[0]))
        #expect(observer.dropped == .equivocation)
        #expect(observer.slashed.map(\.validator) == [Self.first[0]])
        #expect(!observer.events.contains(.contested(Self.id)))
        for member in Self.first[1..<23] { observer.hear(vote(.valid, member)) }
        // Its vote is not here any more but in the certificate.
        try hear(
            observer,
            World.certificate(Self.context, 0, .valid, .everyone, by: Array(Self.everyone[..<70])))
        observer.hear(vote(.reject(.malformed), Self.first[5]))
        #expect(observer.slashed.map(\.validator) == [Self.first[5]])
    }

    @Test("evidence of two verdicts mutes whoever gave them") func equivocationEvidence() {
        let observer = driver(as: nil)
        let pair = VerdictEquivocation(
            vote(.valid, Self.first[0]), vote(.reject(.malformed), Self.first[0]))!
        let verified = VerifiedSubProofEvidence(trusting: .equivocation(pair))
        observer(.evidenceReceived(verified))
        #expect(observer.slashed == [.equivocation(pair)])
        observer(.evidenceReceived(verified))
        #expect(observer.dropped == .duplicate && observer.slashed.isEmpty)
    }

    @Test("one validator's word sends us to work a few times only, unless it was right")
    func rejecterBudget() {
        var limits = SubproofLimits()
        limits.rejecterBurst = 2
        limits.worksMax = 100
        let context = World.operation("wide", validators: World.thousand, parts: 40)
        // Asked for none of the parts that it hears of.
        let member = PoolDriver(as: 500, limits: limits)
        member(.commitmentIncluded(context))
        let own = Set(member.pulls.map(\.1.id.part))
        var pulled: [SubproofJobID] = []
        let liar = ValidatorIndex(7)
        let parts = (0..<40).filter {
            !own.contains(UInt16($0)) && !context.rules[$0].order.isAsked(liar, in: .first)
        }
        for part in parts.prefix(10) {
            member.hear(World.vote(context, part, .reject(.proofFails), by: liar))
            pulled += member.pulls.map(\.0)
        }
        #expect(pulled.count == 2)
        // It was wrong: nothing more is done for it.
        member(.bodyArrived(pulled[0]))
        member(.verified(pulled[0], .valid))
        #expect(member.outputs.contains(.cancel(pulled[1])))
        #expect(member.pulls.isEmpty)
        member.wait(3000)
        #expect(member.pulls.isEmpty)
    }

    @Test("whom silence has reached verifies, whatever budget those who reject have left")
    func widenedAnyway() {
        var limits = SubproofLimits()
        limits.rejecterBurst = 1
        limits.worksMax = 100
        let context = World.operation("wide", validators: World.thousand, parts: 40)
        let member = PoolDriver(as: 500, limits: limits)
        member(.commitmentIncluded(context))
        for part in 0..<40 {
            member.hear(World.vote(context, part, .reject(.proofFails), by: ValidatorIndex(7)))
        }
        let second = (0..<40).filter {
            let order = context.rules[$0].order
            return order.isAsked(ValidatorIndex(500), in: .second)
                && !order.isAsked(ValidatorIndex(500), in: .first)
        }
        #expect(second.count > 2)
        member.wait(4000)
        #expect(
            Set(second.map { UInt16($0) }).subtracting(member.pulls.map(\.1.id.part)).count <= 1)
    }

    @Test("who was right may go on") func rightRejecter() {
        var limits = SubproofLimits()
        limits.rejecterBurst = 1
        limits.worksMax = 100
        let context = World.operation("wide", validators: World.thousand, parts: 40)
        let member = PoolDriver(as: 500, limits: limits)
        member(.commitmentIncluded(context))
        let own = Set(member.pulls.map(\.1.id.part))
        let parts = (0..<40).filter { !own.contains(UInt16($0)) }
        let honest = ValidatorIndex(7)
        member.hear(World.vote(context, parts[0], .reject(.proofFails), by: honest))
        let job = member.pulls[0].0
        member.hear(World.vote(context, parts[1], .reject(.proofFails), by: honest))
        #expect(member.pulls.isEmpty)
        member(.bodyArrived(job))
        member(.verified(job, .invalid(.proofFails)))
        #expect(member.pulls.map { Int($0.1.id.part) } == [parts[1]])
    }

    // MARK: Status

    @Test("a proof against an enclave: everyone is asked, the key is revoked") func hybrid() {
        let last = driver(as: Self.everyone[99])
        let enclave = World.digest("enclave")
        let operation = Self.context.operation
        last(
            .attested(
                operation: operation, part: 0, output: World.digest("wrong"), enclave: enclave))
        // It says nothing of what was committed to.
        #expect(last.events.isEmpty)
        for member in Self.first.prefix(21) { last.hear(vote(.valid, member)) }
        last.hear(vote(.valid, Self.first[21]))
        #expect(
            last.events.contains(
                .statusChanged(operation: operation, part: 0, .quorumVerified, isFrozen: true)))
        #expect(last.outputs.contains(.revoke(enclave: enclave)))
        #expect(last.events.contains(.disputed(operation: operation)))
        #expect(last.pulls.contains { $0.1.id == Self.id })
        #expect(last.pool.statuses(of: operation)![0].settleableOutput == nil)
        for validator in Self.everyone[22..<67] { last.hear(vote(.valid, validator)) }
        let status = last.pool.statuses(of: operation)![0]
        #expect(status.settleableOutput == World.part("contest 0").output)
        #expect(status.isFrozen && status.revokedEnclaves == [enclave])
    }
}
