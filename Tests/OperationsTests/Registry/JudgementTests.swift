import ChoraleBase
import ChoraleTypes
import Codec
import OrderedCollections
import Testing

@testable import Operations

/// What everyone says, committees, and commitments that lapse.
@Suite struct JudgementTests {
    private static let name = Fixture.root("op")

    /// An operation with three parts committed to by the primary at 4.
    private static func committed() throws -> Course {
        var course = try Course()
        _ = try course.block(logs: [Fixture.log(Fixture.request())])
        _ = try course.block()
        _ = try course.block([.commitment(Fixture.commitment(by: course.elected()[0]))])
        return course
    }

    /// What is read of what is written.
    private static func stored(_ registry: OperationRegistry) throws -> OperationRegistry {
        let bytes = registry.sszEncoded()
        return try OperationRegistry(ssz: bytes.span)
    }

    private static func certified(
        _ course: Course, _ part: UInt8, by committers: [Int] = [], judged: SubProofID?
    ) -> OperationItem {
        course.verdict(
            .partCertified(part, committers: committers.map(Fixture.address)), judged: judged)
    }

    // MARK: Everyone

    @Test func onlyWhatEveryoneSaysIsRemembered() throws {
        var course = try Self.committed()
        let proof = Fixture.proof(0)
        _ = try course.block([Self.certified(course, 0, by: [1], judged: nil)])
        #expect(course.registry.judgements.isEmpty)
        // Everyone says it again: voters are held to it, and nothing else changes.
        let before = course.operation()
        #expect(
            try course.block([Self.certified(course, 0, by: [2], judged: proof)])
                == [.partJudged(Self.name, part: 0)])
        #expect(course.operation() == before)
        #expect(
            course.registry.judgements[proof]
                == ProofJudgement(proof: proof, isValid: true, height: course.height))
        for judged in [proof, nil] {
            #expect(throws: OperationFault.partCertifiedTwice(Self.name, part: 0)) {
                try course.block([Self.certified(course, 0, judged: judged)])
            }
        }
        // At once by everyone.
        #expect(
            try course.block([Self.certified(course, 1, judged: Fixture.proof(1))])
                == [.partCertified(Self.name, part: 1)])
        #expect(course.registry.judgements.count == 2)
        // What was said first stands.
        #expect(throws: OperationFault.judgedOtherwise(Self.name, part: 1)) {
            try course.block([course.verdict(.rejected, judged: Fixture.proof(1))])
        }
        #expect(course.registry.executors.count == 8)
    }

    @Test func whatWasRejectedIsRememberedAfterItsCommitment() throws {
        var course = try Self.committed()
        let proof = Fixture.proof(2)
        _ = try course.block([course.verdict(.rejected, judged: proof)])
        #expect(course.operation()?.commitment == nil)
        #expect(course.registry.judgements[proof]?.isValid == false)
        // The next commitment is about other proofs.
        let standby = course.elected()[1]
        _ = try course.block([.commitment(Fixture.commitment(by: standby))])
        _ = try course.block([
            Self.certified(course, 2, judged: Fixture.proof(2, "another"))
        ])
        #expect(throws: OperationFault.judgedOtherwise(Self.name, part: 2)) {
            var copy = try Self.committed()
            copy.registry.judgements = course.registry.judgements
            _ = try copy.block([Self.certified(copy, 2, judged: proof)])
        }
        // As stored.
        let read = try Self.stored(course.registry)
        #expect(read == course.registry)
    }

    @Test func judgementsAreForgotten() throws {
        var course = try Self.committed()
        let proof = Fixture.proof(0)
        _ = try course.block([Self.certified(course, 0, judged: proof)])
        let height = course.height
        course.height = height + OperationRegistry.judgementAgeMax - 1
        _ = try course.block()
        #expect(course.registry.judgements[proof] != nil)
        _ = try course.block()
        #expect(course.registry.judgements.isEmpty)
    }

    @Test func judgementsAreBounded() throws {
        var course = try Self.committed()
        for index in 0..<OperationRegistry.judgementsMax {
            let proof = Fixture.proof(UInt16(index % 64), "\(index)", of: "other")
            course.registry.judgements[proof] = ProofJudgement(
                proof: proof, isValid: true, height: 1)
        }
        let oldest = try #require(course.registry.judgements.keys.first)
        _ = try course.block([Self.certified(course, 0, judged: Fixture.proof(0))])
        #expect(course.registry.judgements.count == OperationRegistry.judgementsMax)
        #expect(course.registry.judgements[oldest] == nil)
        #expect(course.registry.judgements[Fixture.proof(0)] != nil)
        let bytes = course.registry.sszEncoded()
        #expect(bytes.count < 100_000)
        let read = try Self.stored(course.registry)
        #expect(read == course.registry)
        // Twice, and in another order.
        let one = try #require(course.registry.judgements.values.first)
        var broken = course.registry
        broken.judgements = [
            Fixture.proof(1): one, Fixture.proof(2): one,
        ]
        #expect(throws: SSZError.self) {
            try Self.stored(broken)
        }
        let last = try #require(course.registry.judgements.values.last)
        broken.judgements = [last.proof: last, one.proof: one]
        #expect(throws: SSZError.self) {
            try Self.stored(broken)
        }
    }

    // MARK: Sets that are forgotten

    @Test(arguments: [false, true]) func commitmentsLapse(isFrozen: Bool) throws {
        var course = try Self.committed()
        let executor = Fixture.key(course.elected()[0])
        if isFrozen { _ = try course.block([course.verdict(.disputed)]) }
        #expect(try course.block(setsKnownFrom: 4) == [])
        let election = course.operation()?.election
        #expect(
            try course.block(setsKnownFrom: 5) == [.lapsed(Self.name, executor: executor)])
        #expect(course.operation()?.status == .requested)
        #expect(course.operation()?.isFrozen == false)
        #expect(course.operation()?.election == election)
        #expect(course.registry.executors[executor] != nil)
        #expect(course.registry.slashed.isEmpty)
        #expect(try course.block(setsKnownFrom: 5) == [])
        // The same executor, and what was certified before counts for nothing.
        _ = try course.block(
            [.commitment(Fixture.commitment(by: course.elected()[0]))], setsKnownFrom: 6)
        #expect(course.operation()?.status == .committed)
        #expect(course.operation()?.commitment?.certifiedParts == 0)
    }

    @Test func whatIsCertifiedDoesNotLapse() throws {
        var course = try Self.committed()
        _ = try course.block((0..<3).map { Self.certified(course, UInt8($0), judged: nil) })
        #expect(try course.block(setsKnownFrom: course.height + 1) == [])
        #expect(course.operation()?.status == .certified)
    }

    // MARK: Committees

    private static let few: OperationVerdict.Finding = .justified(
        committers: [Fixture.address(1), Fixture.address(2)])

    @Test func justifiedIsFinalAfterTheWindow() throws {
        var course = try Self.committed()
        #expect(try course.block([course.verdict(Self.few)]) == [.justified(Self.name)])
        let height = course.height
        #expect(course.operation()?.status == .justified)
        #expect(course.registry.settlement(of: Self.name) == nil)
        #expect(throws: OperationFault.wrongStatus(Self.name, .justified)) {
            try course.block([course.verdict(Self.few)])
        }
        try course.pass(to: height + OperationRegistry.challengeWindow - 1)
        #expect(course.operation()?.status == .justified)
        let read = try Self.stored(course.registry)
        #expect(read == course.registry)
        #expect(try course.block() == [.certified(Self.name)])
        let settlement = try #require(course.registry.settlement(of: Self.name))
        #expect(settlement.payments.count == 3)
        let findings: [OperationVerdict.Finding] = [
            .disputed, .rejected, Self.few, .agreed(committers: []),
        ]
        for finding in findings {
            #expect(throws: OperationFault.wrongStatus(Self.name, .certified)) {
                try course.block([course.verdict(finding)])
            }
        }
        #expect(try course.block(logs: [Fixture.log(settlement)]) == [.settled(Self.name)])
    }

    @Test(arguments: [false, true]) func aDisputeEndsWithEveryone(isJustified: Bool) throws {
        var course = try Self.committed()
        if isJustified { _ = try course.block([course.verdict(Self.few)]) }
        #expect(try course.block([course.verdict(.disputed)]) == [.frozen(Self.name)])
        try course.pass(to: course.height + 2 * OperationRegistry.challengeWindow)
        #expect(course.operation()?.status == .frozen)
        #expect(throws: OperationFault.wrongStatus(Self.name, .frozen)) {
            try course.block([course.verdict(Self.few)])
        }
        var rejected = course
        let executor = Fixture.key(course.elected()[0])
        #expect(
            try rejected.block([rejected.verdict(.rejected)])
                == [.rejected(Self.name, executor: executor), .executorSlashed(executor)])
        #expect(
            try course.block([course.verdict(.agreed(committers: [Fixture.address(5)]))])
                == [.upheld(Self.name), .certified(Self.name)])
        #expect(course.registry.settlement(of: Self.name) != nil)
        #expect(throws: OperationFault.wrongStatus(Self.name, .certified)) {
            try course.block([course.verdict(.disputed)])
        }
    }

    @Test func everyoneAgreesAtOnce() throws {
        var course = try Self.committed()
        #expect(
            try course.block([course.verdict(.agreed(committers: [Fixture.address(5)]))])
                == [.certified(Self.name)])
        #expect(course.registry.settlement(of: Self.name)?.payments.count == 2)
        #expect(throws: OperationFault.tooManyCommitters(1025)) {
            try course.block([
                course.verdict(
                    .justified(committers: (0...1024).map { Fixture.address($0) }))
            ])
        }
    }
}
