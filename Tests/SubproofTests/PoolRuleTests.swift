import ChoraleBase
import ChoraleTypes
import Codec
import Testing

@testable import Subproof

/// What one machine does about each thing that can happen.
@Suite struct PoolRuleTests {
    static let context = World.operation("rules", validators: World.hundred, parts: 4)
    static let order = context.rules[0].order
    static let first = order.members(of: .first)
    /// Of rank 40: asked when the first tranche is silent.
    static let outsider = order.members(of: .everyone)[40]

    private func observer() -> PoolDriver {
        let driver = PoolDriver(as: nil)
        driver(.commitmentIncluded(Self.context))
        return driver
    }

    /// A driver whose part 0 is being verified; only this part's work is looked at.
    private func verifying(as validator: ValidatorIndex) -> (PoolDriver, SubproofJobID) {
        let driver = PoolDriver(as: validator.position)
        driver(.commitmentIncluded(Self.context))
        let job = driver.pulls.first { $0.1.id.part == 0 }!.0
        driver(.bodyArrived(job))
        return (driver, job)
    }

    private func vote(_ verdict: SubProofVerdict, _ validator: ValidatorIndex) -> SubProofVote {
        World.vote(Self.context, 0, verdict, by: validator)
    }

    // MARK: Our own share

    @Test("those asked pull, verify, write what they will sign, sign, publish") func way() throws {
        let (driver, job) = verifying(as: Self.first[0])
        #expect(driver.outputs.contains { if case .verify(job, _) = $0 { true } else { false } })
        driver(.verified(job, .valid))
        let persisted = driver.outputs.firstIndex {
            if case .persist(let row) = $0 { row.needsSync } else { false }
        }
        let signed = driver.outputs.firstIndex { if case .sign = $0 { true } else { false } }
        #expect(try #require(persisted) < #require(signed))
        let vote = vote(.valid, Self.first[0])
        #expect(driver.signs == [.vote(vote.content)])
        driver(.signed(vote))
        #expect(driver.outputs.contains(.publishVote(vote, subnet: 0, isAgain: false)))
        // Once is enough.
        driver(.signed(vote))
        #expect(driver.dropped == .late)
        driver(.verified(job, .valid))
        #expect(driver.dropped == .late)
    }

    @Test("nobody else pulls, until silence asks for more") func widening() {
        let driver = PoolDriver(as: Self.outsider.position)
        driver(.commitmentIncluded(Self.context))
        #expect(!driver.pulls.contains { $0.1.id.part == 0 })
        driver.wait(3999)
        #expect(!driver.pulls.contains { $0.1.id.part == 0 })
        driver.wait(1)
        #expect(driver.pulls.contains { $0.1.id.part == 0 })
        #expect(
            driver.events.contains(
                .expanded(operation: Self.context.operation, to: .second, parts: 4)))
    }

    @Test("an observer verifies nothing, and makes certificates") func observing() {
        let driver = observer()
        #expect(driver.pulls.isEmpty)
        for member in Self.first.prefix(22) { driver.hear(vote(.valid, member)) }
        #expect(
            driver.events.contains(.certified(World.id(Self.context, 0), isValid: true, .first)))
        #expect(driver.pool.certificates(of: Self.context.operation).count == 1)
        #expect(driver.pool.statuses(of: Self.context.operation)?[0].level == .quorumVerified)
        // Those who were asked and have heard the votes publish it; an observer waits for them.
        #expect(driver.certificates.isEmpty)
        driver.wait(1000)
        #expect(driver.certificates.count == 1)
    }

    @Test("a proof that is not understood is abstained from, never rejected") func unsupported() {
        let (driver, job) = verifying(as: Self.first[0])
        driver(.verified(job, .unsupported))
        #expect(driver.signs.isEmpty)
        #expect(driver.events == [.abstained(World.id(Self.context, 0), .unsupported)])
    }

    @Test("a proof that nobody has is asked for again, and never rejected") func unavailable() {
        let driver = PoolDriver(as: Self.first[0].position)
        driver(.commitmentIncluded(Self.context))
        let job = driver.pulls.first { $0.1.id.part == 0 }!.0
        driver(.bodyMissing(job))
        #expect(driver.signs.isEmpty && driver.pool.nextDeadline! <= World.at(1000).instant)
        driver(.bodyArrived(job))
        #expect(driver.dropped == .late)
        driver.wait(1000)
        #expect(driver.pulls.contains { $0.1.id.part == 0 })
    }

    @Test("a bad proof is rejected with evidence, everybody is told, its prover is muted")
    func bad() {
        let (driver, job) = verifying(as: Self.first[0])
        driver(.verified(job, .invalid(.proofFails)))
        let vote = vote(.reject(.proofFails), Self.first[0])
        #expect(driver.signs == [.vote(vote.content)])
        #expect(driver.outputs.contains(.mute(.prover(World.digest("prover")))))
        driver(.signed(vote))
        #expect(
            driver.outputs.contains {
                if case .publishEvidence(.reject) = $0 { true } else { false }
            })
        // What the same prover commits to later is not verified.
        driver(.commitmentIncluded(World.operation("more", validators: World.hundred, parts: 8)))
        #expect(driver.pulls.isEmpty)
        #expect(
            driver.events.contains {
                if case .abstained(_, .proverMuted) = $0 { true } else { false }
            })
        // Others' is.
        driver(
            .commitmentIncluded(
                World.operation("others", validators: World.hundred, parts: 8, prover: "other")))
        #expect(!driver.pulls.isEmpty)
    }

    @Test("a muted prover's proof is verified when somebody rejects it") func mutedProver() {
        let (driver, job) = verifying(as: Self.first[0])
        driver(.verified(job, .invalid(.proofFails)))
        let more = World.operation("more", validators: World.hundred, parts: 8)
        driver(.commitmentIncluded(more))
        let part = more.rules.firstIndex { $0.order.isAsked(Self.first[0], in: .first) }!
        let other = more.rules[part].order.members(of: .first).first { $0 != Self.first[0] }!
        driver.hear(World.vote(more, part, .reject(.malformed), by: other))
        #expect(driver.pulls.contains { $0.1.id == World.id(more, part) })
    }

    @Test("at most so many proofs are fetched at once, and so many bytes") func workLimits() {
        var limits = SubproofLimits()
        limits.worksMax = 3
        var driver = PoolDriver(as: 5, limits: limits)
        driver(.commitmentIncluded(World.operation("many", validators: World.hundred, parts: 64)))
        #expect(driver.pulls.count == 3)
        let job = driver.pulls[0].0
        driver(.bodyArrived(job))
        driver(.verified(job, .valid))
        #expect(driver.pulls.count == 1)

        limits.worksMax = 100
        limits.workSizeMax = 100_000
        driver = PoolDriver(as: 5, limits: limits)
        driver(.commitmentIncluded(World.operation("many", validators: World.hundred, parts: 64)))
        #expect(driver.pulls.count == 2, "of 40,000 bytes each")
    }

    @Test("a prover's proofs wait for its budget, and others' do not wait for them")
    func proverBudget() {
        var limits = SubproofLimits()
        limits.proverBurst = 2
        limits.worksMax = 100
        let driver = PoolDriver(as: 5, limits: limits)
        driver(.commitmentIncluded(World.operation("many", validators: World.hundred, parts: 64)))
        #expect(driver.pulls.count == 2)
        driver(
            .commitmentIncluded(
                World.operation("other", validators: World.hundred, parts: 64, prover: "other")))
        #expect(driver.pulls.count == 2)
        #expect(driver.pool.nextDeadline == World.at(50).instant)
        driver.wait(50)
        #expect(driver.pulls.count == 2, "one of each")
    }

    // MARK: Votes of others

    @Test("22 of 32 certify, 21 do not, and those who are not asked do not help") func quorum() {
        let driver = observer()
        for member in Self.first.prefix(21) { driver.hear(vote(.valid, member)) }
        for member in Self.order.members(of: .second).dropFirst(32).prefix(20) {
            driver.hear(vote(.valid, member))
        }
        #expect(driver.pool.certificates(of: Self.context.operation).isEmpty)
        driver.hear(vote(.valid, Self.first[21]))
        let certificate = driver.pool.certificates(of: Self.context.operation).first
        #expect(certificate?.tranche == .first && certificate?.signatures.count == 22)
    }

    @Test("a majority of 128 certifies as well") func second() {
        let large = World.operation("large", validators: World.thousand, parts: 1)
        let driver = PoolDriver(as: nil)
        driver(.commitmentIncluded(large))
        let members = large.rules[0].order.members(of: .second)
        // The first tranche's first 21, so that it is no quorum by itself.
        for member in Array(members[0..<21]) + members[32..<75] {
            driver.hear(World.vote(large, 0, .valid, by: member))
            #expect(driver.dropped == nil)
        }
        #expect(driver.pool.certificates(of: large.operation).isEmpty)
        driver.hear(World.vote(large, 0, .valid, by: members[75]))
        #expect(driver.pool.certificates(of: large.operation).first?.tranche == .second)
    }

    @Test("refusals", arguments: 0..<7) func refusals(row: Int) {
        let driver = observer()
        let member = Self.first[0]
        let id = World.id(Self.context, 0)
        let root = Self.context.validators.root
        func content(_ id: SubProofID?) -> SubProofVoteContent {
            SubProofVoteContent(id: id!, validatorsRoot: root, verdict: .valid)
        }
        let far = World.operation("large", validators: World.thousand, parts: 1)
        let rows: [(SubProofVote, SubproofDrop?)] = [
            (
                World.vote(
                    content(SubProofID(operation: World.digest("?"), part: 0, proof: id.proof)),
                    by: member), nil
            ),
            (
                World.vote(
                    content(SubProofID(operation: id.operation, part: 4, proof: id.proof)),
                    by: member), .otherProof
            ),
            (
                World.vote(
                    content(SubProofID(operation: id.operation, part: 0, proof: World.digest("?"))),
                    by: member), .otherProof
            ),
            (
                World.vote(
                    SubProofVoteContent(id: id, validatorsRoot: World.digest("?"), verdict: .valid),
                    by: member),
                .otherValidators
            ),
            (World.vote(content(id), by: ValidatorIndex(100)), .unknownValidator),
            (
                SubProofVote(
                    content: content(id), validator: member, scheme: .secp256k1,
                    signature: SignatureBytes()), .otherScheme
            ),
            (
                World.vote(far, 0, .valid, by: far.rules[0].order.members(of: .everyone)[500]),
                .notAsked
            ),
        ]
        let (vote, reason) = rows[row]
        if row == 6 {
            let other = PoolDriver(as: nil)
            other(.commitmentIncluded(far))
            guard case .drop(reason!) = other.pool.precheck(vote) else {
                Issue.record("not dropped")
                return
            }
            return
        }
        switch driver.pool.precheck(vote) {
        case .early: #expect(reason == nil)
        case .drop(let found): #expect(found == reason)
        case .verify: Issue.record("row \(row) is let through")
        }
    }

    @Test("a vote that comes before its operation is checked when that is here") func early() {
        let driver = PoolDriver(as: nil)
        let vote = vote(.valid, Self.first[0])
        guard case .early = driver.pool.precheck(vote) else {
            Issue.record("not early")
            return
        }
        driver(.voteEarly(vote))
        driver(.commitmentIncluded(Self.context))
        #expect(driver.outputs.contains(.verifyVote(vote)))
        driver(.operationClosed(Self.context.operation))
        driver(.commitmentIncluded(Self.context))
        #expect(!driver.outputs.contains(.verifyVote(vote)), "once")
    }

    @Test("early votes, operations and parts are bounded") func bounds() {
        var limits = SubproofLimits()
        limits.earlyVotesMax = 10
        limits.operationsMax = 2
        limits.partsMax = 9
        let driver = PoolDriver(as: nil, limits: limits)
        for number in 0..<50 { driver(.voteEarly(vote(.valid, ValidatorIndex(number)))) }
        #expect(driver.pool.early.count <= 10)
        driver(.commitmentIncluded(Self.context))
        driver(.commitmentIncluded(Self.context))
        #expect(driver.dropped == .duplicate)
        driver(.commitmentIncluded(World.operation("six", validators: World.hundred, parts: 6)))
        #expect(driver.dropped == .tooManyOperations)
        driver(.commitmentIncluded(World.operation("five", validators: World.hundred, parts: 5)))
        #expect(driver.dropped == nil)
        driver(.commitmentIncluded(World.committee("third", validators: World.hundred)))
        #expect(driver.dropped == .tooManyOperations)
    }

    @Test("when memory is full, those who are asked are still heard") func memory() {
        var limits = SubproofLimits()
        limits.votesMax = 5
        let large = World.operation("large", validators: World.thousand, parts: 1)
        let driver = PoolDriver(as: nil, limits: limits)
        driver(.commitmentIncluded(large))
        let everyone = large.rules[0].order.members(of: .everyone)
        for liar in everyone.suffix(8) {
            driver.hear(World.vote(large, 0, .reject(.malformed), by: liar))
        }
        #expect(driver.dropped == .memory && driver.pool.voteCount == 5)
        for member in everyone.prefix(32) { driver.hear(World.vote(large, 0, .valid, by: member)) }
        #expect(driver.dropped == nil && driver.pool.voteCount == 37)
        driver(.operationClosed(large.operation))
        #expect(driver.pool.voteCount == 0)
    }

    @Test("an operation that is over its time is forgotten, and the silent are named") func expiry()
    {
        let driver = observer()
        for member in Self.first.prefix(10) { driver.hear(vote(.valid, member)) }
        driver.wait(8000)
        let silent: [ValidatorIndex] = driver.outputs.reduce(into: []) { silent, output in
            if case .noShow(_, 0, let validators) = output { silent += validators }
        }
        #expect(silent == Self.first.dropFirst(10).sorted())
        driver.wait(60_000)
        #expect(driver.events.contains(.operationExpired(Self.context.operation)))
        #expect(driver.pool.nextDeadline == nil && driver.pool.voteCount == 0)
    }
}
