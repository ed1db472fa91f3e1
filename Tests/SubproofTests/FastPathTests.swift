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
                operation: Self.context.operation, validatorsRoot: Self.context.validators.root,
                outputHash: output), by: validator)
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
