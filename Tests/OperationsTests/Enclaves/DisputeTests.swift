import ChoraleBase
import ChoraleTypes
import Codec
import MadeEnclaves
import OrderedCollections
import Testing

@testable import Operations

/// An enclave that contradicts a commitment: what the registry makes of it.
@Suite struct DisputeTests {
    private static let name = Fixture.root("op")
    private static let enclave = MadeEnclave(1).platform

    /// An operation of kind 10 with three parts committed to by the primary.
    private static func committed(kind: UInt16 = 10) throws -> Course {
        var course = try Course(enclaves: Fixture.enclaves.allowed)
        _ = try course.block(logs: [Fixture.log(Fixture.request(kind: kind))])
        _ = try course.block()
        let parts = (0..<3).map { Fixture.part($0, types: kind == 10 ? [64, 83] : [64]) }
        _ = try course.block([
            .commitment(Fixture.commitment(by: course.elected()[0], parts: parts))
        ])
        return course
    }

    private static func finding(
        _ course: Course, part: UInt8 = 1, by rank: Int = 1, enclave: Bytes32 = enclave,
        commitment: Bytes32? = nil
    ) -> OperationItem {
        .contradiction(
            EnclaveFinding(
                operation: name,
                commitment: commitment ?? course.operation()?.commitment?.root ?? .zero,
                EnclaveDispute(
                    part: part, enclave: enclave, executor: Fixture.key(course.elected()[rank]),
                    output: Fixture.root("wrong")), proofs: [Fixture.proof(UInt16(part))]))
    }

    private static func certified(
        _ course: Course, _ part: UInt8, byEveryone: Bool
    ) -> OperationItem {
        course.verdict(
            .partCertified(part, committers: []),
            judged: byEveryone ? Fixture.proof(UInt16(part)) : nil)
    }

    private static func check(_ registry: OperationRegistry) throws {
        let bytes = registry.sszEncoded()
        let read = try OperationRegistry(ssz: bytes.span)
        #expect(read == registry)
    }

    @Test(arguments: [false, true]) func theProofHasTheLastWord(isCertified: Bool) throws {
        var course = try Self.committed()
        let executor = Fixture.key(course.elected()[1])
        if isCertified {
            _ = try course.block((0..<3).map { Self.certified(course, $0, byEveryone: false) })
            #expect(course.operation()?.status == .certified)
        }
        #expect(try course.block([Self.finding(course)]) == [.frozen(Self.name)])
        #expect(course.operation()?.status == .frozen)
        #expect(course.registry.settlement(of: Self.name) == nil)
        try Self.check(course.registry)
        // What fewer say, and of other parts, ends nothing.
        if !isCertified {
            _ = try course.block((0..<3).map { Self.certified(course, $0, byEveryone: false) })
        }
        _ = try course.block([Self.certified(course, 0, byEveryone: true)])
        #expect(course.operation()?.status == .frozen)
        #expect(
            try course.block([Self.certified(course, 1, byEveryone: true)]) == [
                .partJudged(Self.name, part: 1), .upheld(Self.name),
                .enclaveRevoked(Self.name, enclave: Self.enclave), .executorSlashed(executor),
            ])
        #expect(course.operation()?.status == .certified)
        #expect(course.operation()?.dispute == nil)
        #expect(course.registry.enclaves.revoked.elements == [Self.enclave])
        #expect(course.registry.executors[executor] == nil)
        #expect(course.registry.settlement(of: Self.name) != nil)
        try Self.check(course.registry)
        // It is not heard again, whoever shows it.
        #expect(throws: OperationFault.enclaveRevoked(Self.enclave)) {
            try course.block([Self.finding(course, part: 2, by: 2)])
        }
        #expect(throws: OperationFault.unknownExecutor(executor)) {
            try course.block([Self.finding(course, enclave: Fixture.root("another"))])
        }
    }

    @Test func everyoneAtOnce() throws {
        var course = try Self.committed()
        _ = try course.block([Self.finding(course)])
        #expect(
            try course.block([Self.certified(course, 1, byEveryone: true)]).prefix(2)
                == [.partCertified(Self.name, part: 1), .upheld(Self.name)])
        #expect(course.operation()?.status == .committed)
        #expect(course.operation()?.commitment?.certifiedParts == 2)
        // Another enclave may still contradict another part.
        #expect(
            try course.block([
                Self.finding(course, part: 2, by: 2, enclave: MadeEnclave(2).platform)
            ]) == [.frozen(Self.name)])
    }

    @Test func whatEveryoneHasJudgedIsNotAskedAgain() throws {
        var course = try Self.committed()
        let executor = Fixture.key(course.elected()[1])
        _ = try course.block([Self.certified(course, 1, byEveryone: true)])
        #expect(
            try course.block([Self.finding(course)]) == [
                .enclaveRevoked(Self.name, enclave: Self.enclave), .executorSlashed(executor),
            ])
        #expect(course.operation()?.status == .committed)
        // In the same block, too.
        var other = try Self.committed()
        let changes = try other.block([
            Self.certified(other, 1, byEveryone: true), Self.finding(other),
        ])
        #expect(!changes.contains(.frozen(Self.name)))
        #expect(other.registry.enclaves.revoked.count == 1)
    }

    @Test func aBadProofLeavesTheEnclaveAlone() throws {
        var course = try Self.committed()
        let culprit = Fixture.key(course.elected()[0])
        _ = try course.block([Self.finding(course)])
        #expect(
            try course.block([course.verdict(.rejected, judged: Fixture.proof(1))])
                == [.rejected(Self.name, executor: culprit), .executorSlashed(culprit)])
        #expect(course.operation()?.status == .requested && course.operation()?.dispute == nil)
        #expect(course.registry.enclaves.revoked.isEmpty)
        #expect(course.registry.executors[Fixture.key(course.elected()[1])] != nil)
        try Self.check(course.registry)
    }

    /// The executor's own enclave says otherwise than the executor.
    @Test func oneMayContradictOneself() throws {
        var course = try Self.committed()
        let executor = Fixture.key(course.elected()[0])
        _ = try course.block([Self.finding(course, by: 0)])
        #expect(
            try course.block([Self.certified(course, 1, byEveryone: true)]).last
                == .executorSlashed(executor))
        #expect(course.operation()?.commitment?.executor == executor)
    }

    @Test func whoLeavesMayStillLose() throws {
        var course = try Self.committed()
        let leaver = course.elected()[1]
        _ = try course.block(logs: [Fixture.exit(leaver)])
        _ = try course.block([Self.finding(course)])
        _ = try course.block([Self.certified(course, 1, byEveryone: true)])
        #expect(course.registry.payments.isEmpty)
        #expect(course.registry.slashed.contains(Fixture.key(leaver)))
    }

    @Test func aForgottenSetEndsIt() throws {
        var course = try Self.committed()
        _ = try course.block([Self.finding(course)])
        _ = try course.block(setsKnownFrom: course.height + 1)
        #expect(course.operation()?.status == .requested && course.operation()?.dispute == nil)
        try Self.check(course.registry)
    }

    @Test func refusals() throws {
        let course = try Self.committed()
        func fault(_ items: [OperationItem], _ change: (inout Course) throws -> Void = { _ in })
            throws -> OperationFault?
        {
            var copy = course
            try change(&copy)
            do {
                _ = try copy.block(items)
                return nil
            } catch let error as OperationFault {
                return error
            }
        }
        #expect(
            try fault([Self.finding(course, part: 3)]) == .unknownPart(3, count: 3))
        #expect(
            try fault([Self.finding(course, commitment: .zero)])
                == .otherCommitment(Self.name, commitment: .zero))
        #expect(
            try fault([Self.finding(course), Self.finding(course, part: 2, by: 2)])
                == .wrongStatus(Self.name, .frozen))
        #expect(
            try fault([Self.finding(course), Self.finding(course), Self.finding(course)])
                == .tooManyItems(3, limit: 2))
        let stranger = try #require(
            (0..<8).first { !course.elected().contains($0) }.map(Fixture.key))
        let root = try #require(course.operation()?.commitment?.root)
        #expect(
            try fault([
                .contradiction(
                    EnclaveFinding(
                        operation: Self.name, commitment: root,
                        EnclaveDispute(
                            part: 0, enclave: Self.enclave, executor: stranger, output: .zero),
                        proofs: []))
            ]) == .notItsTurn(Self.name, executor: stranger))
        #expect(
            try fault([Self.finding(course)]) { course in
                _ = try course.block([course.verdict(.rejected)])
            } == .wrongStatus(Self.name, .requested))
        let proven = try Self.committed(kind: 7)
        var copy = proven
        #expect(throws: OperationFault.notOfEnclaves(Self.name)) {
            try copy.block([Self.finding(proven)])
        }
    }

    @Test func aRegistryWithADisputeOfNothingIsNone() throws {
        var course = try Self.committed()
        _ = try course.block([Self.finding(course)])
        for change in [
            { (operation: inout OpenOperation) in operation.isFrozen = false },
            { operation in
                operation.dispute = EnclaveDispute(
                    part: 3, enclave: .zero, executor: .zero, output: .zero)
            },
        ] {
            var registry = course.registry
            guard var operation = registry.operations[Self.name] else { continue }
            change(&operation)
            registry.operations[Self.name] = operation
            let bytes = registry.sszEncoded()
            #expect(throws: SSZError.self) { _ = try OperationRegistry(ssz: bytes.span) }
        }
    }
}
