import ChoraleBase
import ChoraleTypes
import Codec
import Testing

@testable import Subproof

/// What a validator remembers of its earlier lives.
@Suite struct RestartTests {
    static let context = World.operation("restart", validators: World.hundred, parts: 1)
    static let member = context.rules[0].order.members(of: .first)[0]

    /// A driver that has verified part 0, and what it wrote.
    private func run(
        _ outcome: ProofOutcome, restored rows: [SubproofRow] = [], floor: UInt64 = 0
    ) -> (PoolDriver, [SubproofRow]) {
        let driver = PoolDriver(as: Self.member.position)
        driver(.restored(rows, floor: floor))
        driver(.commitmentIncluded(Self.context))
        let job = driver.pulls[0].0
        driver(.bodyArrived(job))
        driver(.verified(job, outcome))
        return (driver, Self.written(driver))
    }

    private static func written(_ driver: PoolDriver) -> [SubproofRow] {
        driver.outputs.compactMap { if case .persist(let row) = $0 { row } else { nil } }
    }

    @Test("killed before the signature: the same content is signed, whatever is found now")
    func intent() {
        let (first, rows) = run(.valid)
        #expect(rows.count == 1 && first.signs.count == 1)
        // As if the verifier had changed its mind.
        let (second, _) = run(.invalid(.proofFails), restored: rows)
        #expect(second.signs == first.signs)
        #expect(!Self.written(second).contains { $0.needsSync }, "it is written already")
    }

    @Test("killed after it: the same signature is published again") func signature() {
        let (first, intents) = run(.valid)
        let vote = World.vote(Self.context, 0, .valid, by: Self.member)
        first(.signed(vote))
        let rows = intents + Self.written(first)
        for rows in [rows, rows.reversed()] {
            let (second, _) = run(.invalid(.malformed), restored: rows)
            #expect(second.signs.isEmpty)
            #expect(second.outputs.contains(.publishVote(vote, subnet: 0, isAgain: false)))
        }
    }

    @Test("what is not known any more is not signed") func floor() {
        for (floor, signs) in [(UInt64(6), 1), (7, 0), (8, 0)] {
            let (driver, _) = run(.valid, floor: floor)
            #expect(driver.signs.count == signs, "floor \(floor)")
            let isSilent = driver.events.contains(
                .abstained(World.id(Self.context, 0), .signingFloor))
            #expect(isSilent == (signs == 0))
        }
    }

    @Test("certificates come back") func certificates() {
        let observer = PoolDriver(as: nil)
        observer(.commitmentIncluded(Self.context))
        var rows: [SubproofRow] = []
        for member in Self.context.rules[0].order.members(of: .first).prefix(22) {
            observer.hear(World.vote(Self.context, 0, .valid, by: member))
            rows += Self.written(observer)
        }
        let again = PoolDriver(as: nil)
        again(.restored(rows, floor: 0))
        again(.commitmentIncluded(Self.context))
        #expect(again.events.contains(.operationCertified(Self.context.operation)))
        #expect(
            again.pool.certificates(of: Self.context.operation)
                == observer.pool.certificates(of: Self.context.operation))
    }

    @Test("the guard is bounded, and forgets by falling silent") func guardIsBounded() {
        var verdicts = VerdictGuard(entriesMax: 100)
        var signed: [(VerdictGuard.Subject, UInt64)] = []
        for number in 0..<1000 {
            let height = UInt64(1 + number / 3)
            let context = World.operation("\(number)", validators: World.hundred, parts: 1)
            let subject = VerdictGuard.Subject.part(World.id(context, 0))
            guard case .sign = verdicts.decide(subject, height: height) else {
                Issue.record("refused at height \(height), floor \(verdicts.floor)")
                return
            }
            verdicts.intend(
                subject, height: height,
                .vote(World.vote(context, 0, .valid, by: Self.member).content))
            signed.append((subject, height))
            #expect(verdicts.count <= 100)
        }
        // Nothing that was signed can be signed anew.
        for (subject, height) in signed {
            if case .sign = verdicts.decide(subject, height: height) {
                Issue.record("signed twice at \(height)")
            }
        }
    }
}
