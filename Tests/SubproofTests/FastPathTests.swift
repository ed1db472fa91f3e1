import ChoraleBase
import ChoraleTypes
import Codec
import Testing

@testable import Subproof

/// Operations that a committee judges.
@Suite struct FastPathTests {
    static let context = World.committee("judged", validators: World.hundred)
    static let order = context.rules[0].order
    static let first = order.members(of: .first)
    static let everyone = order.members(of: .everyone)
    static let right = context.outputHash
    static let wrong = World.digest("another output")

    private func driver(as validator: ValidatorIndex?) -> PoolDriver {
        let driver = PoolDriver(as: validator?.position)
        driver(.commitmentIncluded(Self.context))
        return driver
    }

    private func vote(_ output: Bytes32, _ validator: ValidatorIndex) -> CommitteeVote {
        World.committeeVote(
            CommitteeVoteContent(
                operation: Self.context.operation, commitment: Self.context.commitment,
                validatorsRoot: Self.context.validators.root, outputHash: output), by: validator)
    }

    private func hear(
        _ driver: PoolDriver, _ output: Bytes32, _ voters: some Sequence<ValidatorIndex>
    ) {
        for voter in voters {
            driver(.committeeVoteReceived(VerifiedCommitteeVote(trusting: vote(output, voter))))
        }
    }

    private func isExecuting(_ driver: PoolDriver) -> Bool {
        driver.outputs.contains(.execute(operation: Self.context.operation))
    }

    private func final(_ driver: PoolDriver) -> Bytes32? {
        for case .fastPathFinal(_, let output) in driver.events { return output }
        return nil
    }

    @Test("a member executes, writes, signs, publishes") func member() {
        let member = driver(as: Self.first[0])
        #expect(isExecuting(member))
        member(.executed(operation: Self.context.operation, outputHash: Self.right))
        let vote = vote(Self.right, Self.first[0])
        #expect(member.signs == [.committeeVote(vote.content)])
        #expect(
            member.outputs.contains {
                if case .persist(let row) = $0 { row.needsSync } else { false }
            })
        member(.committeeSigned(vote))
        #expect(member.outputs.contains(.publishCommitteeVote(vote, isAgain: false)))
        member.wait(2000)
        #expect(member.outputs.contains(.publishCommitteeVote(vote, isAgain: true)))
        #expect(!isExecuting(driver(as: Self.everyone[60])))
    }

    @Test("justified by 22 of 32, final when the window ends without a dispute") func window() {
        let observer = driver(as: nil)
        hear(observer, Self.right, Self.first.prefix(21))
        #expect(observer.pool.fastPathCertificate(of: Self.context.operation) == nil)
        hear(observer, Self.right, [Self.first[21]])
        #expect(
            observer.events == [
                .justified(operation: Self.context.operation, outputHash: Self.right, .first)
            ])
        observer.wait(31_999)
        #expect(final(observer) == nil)
        observer.wait(1)
        #expect(final(observer) == Self.right)
    }

    @Test("a stall asks 128, then everyone") func stall() {
        let member = driver(as: Self.everyone[40])
        member.wait(4000)
        #expect(isExecuting(member))
    }

    @Test("a dispute asks everyone, who decide at once") func dispute() {
        let last = driver(as: Self.everyone[99])
        hear(last, Self.right, Self.first.prefix(22))
        hear(last, Self.wrong, [Self.everyone[80]])
        #expect(last.events.contains(.disputed(operation: Self.context.operation)))
        #expect(isExecuting(last))
        last.wait(40_000)
        #expect(final(last) == nil, "the window does not end a dispute")
        hear(last, Self.right, Self.everyone[22..<66])
        #expect(final(last) == nil)
        hear(last, Self.right, [Self.everyone[66]])
        #expect(final(last) == Self.right)
        #expect(
            last.outputs.contains(.mute(.validator(World.keyBytes[Self.everyone[80].position]))))
    }

    @Test("everyone can find that the executor was wrong, and nothing smaller can")
    func wrongExecutor() {
        let observer = driver(as: nil)
        hear(observer, Self.wrong, Self.everyone.prefix(66))
        #expect(observer.pool.fastPathCertificate(of: Self.context.operation) == nil)
        hear(observer, Self.wrong, [Self.everyone[66]])
        #expect(final(observer) == Self.wrong)
        #expect(observer.pool.fastPathCertificate(of: Self.context.operation)?.tranche == .everyone)
    }

    private func dispute(_ driver: PoolDriver) -> CommitteeVote? {
        for case .dispute(let vote) in driver.outputs { return vote }
        return nil
    }

    @Test("the chain hears of the first dispute, and of a block's everybody hears")
    func disputesForBlocks() {
        let member = driver(as: Self.everyone[90])
        hear(member, Self.right, Self.first.prefix(22))
        #expect(dispute(member) == nil)
        let vote = vote(Self.wrong, Self.everyone[80])
        hear(member, Self.wrong, [Self.everyone[80]])
        #expect(dispute(member) == vote)
        hear(member, Self.wrong, [Self.everyone[81]])
        #expect(dispute(member) == nil)

        // Long after the window, by this node's clock.
        let deaf = driver(as: Self.everyone[90])
        hear(deaf, Self.right, Self.first.prefix(22))
        deaf.wait(40_000)
        #expect(final(deaf) == Self.right)
        deaf(.disputed(operation: Self.context.operation))
        #expect(deaf.events == [.disputed(operation: Self.context.operation)])
        #expect(isExecuting(deaf))
        hear(deaf, Self.right, Self.everyone[22..<66])
        #expect(deaf.pool.fastPathCertificate(of: Self.context.operation)?.tranche == .first)
        hear(deaf, Self.right, [Self.everyone[66]])
        #expect(final(deaf) == Self.right)
        deaf(.disputed(operation: Self.context.operation))
        #expect(deaf.dropped == .duplicate)
    }

    @Test("everyone's word convicts who said otherwise, in votes and in certificates")
    func falseOutputs() {
        let observer = driver(as: nil)
        hear(observer, Self.right, Self.first.prefix(22))
        for voter in Self.everyone[32..<98] { hear(observer, Self.wrong, [voter]) }
        #expect(observer.slashed.isEmpty)
        hear(observer, Self.wrong, [Self.everyone[98]])
        #expect(final(observer) == Self.wrong)
        #expect(Set(observer.slashed.map(\.validator)) == Set(Self.first.prefix(22)))
        let evidence = observer.slashed
        // Whoever has not seen the votes believes it.
        let other = driver(as: nil)
        for piece in evidence.prefix(2) {
            other(.evidenceReceived(VerifiedSubProofEvidence(trusting: piece)))
            #expect(other.slashed == [piece])
        }
        other(.evidenceReceived(VerifiedSubProofEvidence(trusting: evidence[0])))
        #expect(other.dropped == .duplicate)
    }

    @Test("words on another commitment are nothing here") func otherCommitments() {
        let observer = driver(as: nil)
        let other = World.committeeVote(
            CommitteeVoteContent(
                operation: Self.context.operation, commitment: World.digest("before"),
                validatorsRoot: Self.context.validators.root, outputHash: Self.right),
            by: Self.first[0])
        observer(.committeeVoteReceived(VerifiedCommitteeVote(trusting: other)))
        #expect(observer.dropped == .otherProof)
        guard case .drop(.otherProof) = observer.pool.precheck(other) else {
            Issue.record("it is looked at")
            return
        }
    }

    @Test("a certificate outlives a restart") func restartWithCertificate() {
        let first = driver(as: nil)
        hear(first, Self.right, Self.first.prefix(21))
        hear(first, Self.right, [Self.first[21]])
        let rows = first.outputs.compactMap { if case .persist(let row) = $0 { row } else { nil } }
        let second = PoolDriver(as: nil)
        second(.restored(rows, floor: 0))
        second(.commitmentIncluded(Self.context))
        #expect(
            second.pool.fastPathCertificate(of: Self.context.operation)?.content.outputHash
                == Self.right)
    }

    @Test("of a thousand validators a certificate has a quorum's signatures, and fits into a block")
    func manySigners() throws {
        let context = World.committee("large", validators: World.thousand)
        let driver = PoolDriver(as: nil)
        driver(.commitmentIncluded(context))
        let content = CommitteeVoteContent(
            operation: context.operation, commitment: context.commitment,
            validatorsRoot: context.validators.root, outputHash: Self.wrong)
        for voter in context.rules[0].order.members(of: .everyone).prefix(668) {
            driver(
                .committeeVoteReceived(
                    VerifiedCommitteeVote(trusting: World.committeeVote(content, by: voter))))
        }
        let made = driver.pool.fastPathCertificate(of: context.operation)
        let certificate = try #require(made)
        #expect(certificate.tranche == .everyone && certificate.signatures.count == 667)
        #expect(certificate.sszEncoded().count < 64 << 10)
    }

    @Test("liars who name many outputs do not hide the right one") func manyOutputs() {
        let observer = driver(as: nil)
        for (number, liar) in Self.everyone[67...].enumerated() {
            hear(observer, World.digest("bogus \(number)"), [liar])
        }
        hear(observer, Self.wrong, Self.everyone.prefix(67))
        #expect(final(observer) == Self.wrong)
    }

    @Test("a member that finds another output disputes it, and is not overruled by its committee")
    func ownOutput() throws {
        let member = driver(as: Self.first[0])
        member(.executed(operation: Self.context.operation, outputHash: Self.wrong))
        var bits = ValidatorBits(count: 100)!
        for voter in Self.first[1...22] { bits[voter.position] = true }
        let certificate = FastPathCertificate(
            content: vote(Self.right, Self.first[1]).content, tranche: .first, scheme: .ed25519,
            signers: bits, signatures: (0..<22).map { _ in SignatureBytes() })!
        let verified = try VerifiedFastPathCertificate(
            trusting: certificate, rule: Self.context.rules[0])
        member(.fastPathReceived(verified))
        #expect(member.dropped == .contested)
    }

    @Test("two outputs of one validator are evidence") func equivocation() {
        let observer = driver(as: nil)
        hear(observer, Self.right, [Self.first[0]])
        hear(observer, Self.wrong, [Self.first[0]])
        #expect(observer.dropped == .equivocation)
        #expect(observer.slashed.map(\.validator) == [Self.first[0]])
        #expect(!observer.events.contains(.disputed(operation: Self.context.operation)))
    }

    @Test("after a restart the same output is signed") func restart() {
        let first = driver(as: Self.first[0])
        first(.executed(operation: Self.context.operation, outputHash: Self.right))
        let rows = first.outputs.compactMap { if case .persist(let row) = $0 { row } else { nil } }
        let second = PoolDriver(as: Self.first[0].position)
        second(.restored(rows, floor: 0))
        second(.commitmentIncluded(Self.context))
        second(.executed(operation: Self.context.operation, outputHash: Self.wrong))
        #expect(second.signs == first.signs)
    }
}
