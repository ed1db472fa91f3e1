import ChoraleBase
import Testing

@testable import Subproof

/// What is known of a part does not depend on the order in which it was learnt.
@Suite struct HybridStatusTests {
    static let (right, wrong) = (World.digest("right"), World.digest("wrong"))
    static let (one, two) = (World.digest("enclave 1"), World.digest("enclave 2"))

    struct Case: Sendable, CustomTestStringConvertible {
        let testDescription: String
        let facts: [StatusFact]
        let level: ConfirmationLevel
        let isFrozen: Bool
        let revoked: [Bytes32]
        let settleable: Bytes32?

        init(
            _ name: String, _ facts: [StatusFact], _ level: ConfirmationLevel, frozen: Bool = false,
            revoked: [Bytes32] = [], settleable: Bytes32? = nil
        ) {
            testDescription = name
            self.facts = facts
            self.level = level
            isFrozen = frozen
            self.revoked = revoked
            self.settleable = settleable
        }
    }

    static let cases = [
        Case("nothing", [], .none),
        Case(
            "an enclave alone settles nothing", [.attested(output: right, enclave: one)],
            .teeConfirmed),
        Case(
            "a quorum settles", [.certified(output: right, byEveryone: false)], .quorumVerified,
            settleable: right),
        Case(
            "all the way up",
            [
                .attested(output: right, enclave: one),
                .certified(output: right, byEveryone: false), .final(output: right),
            ], .proofFinal, settleable: right),
        Case(
            "a proof against an enclave freezes, and revokes",
            [
                .attested(output: wrong, enclave: one),
                .certified(output: right, byEveryone: false),
            ], .quorumVerified, frozen: true, revoked: [one]),
        Case(
            "everyone ends the dispute",
            [
                .attested(output: wrong, enclave: one), .attested(output: right, enclave: two),
                .certified(output: right, byEveryone: false),
                .certified(output: right, byEveryone: true), .final(output: right),
            ], .proofFinal, frozen: true, revoked: [one], settleable: right),
        Case(
            "two enclaves against each other revoke none",
            [.attested(output: wrong, enclave: one), .attested(output: right, enclave: two)],
            .teeConfirmed, frozen: true),
        Case(
            "one enclave with two outputs is revoked for the wrong one",
            [
                .attested(output: wrong, enclave: one), .attested(output: right, enclave: one),
                .final(output: right),
            ], .proofFinal, frozen: true, revoked: [one]),
        Case(
            "two proofs against each other are never settled",
            [
                .certified(output: wrong, byEveryone: true), .final(output: right),
                .attested(output: right, enclave: two),
            ], .proofFinal, frozen: true),
    ]

    @Test("the end is the same and levels ascend, whatever the order", arguments: cases)
    func everyOrder(row: Case) {
        var orders = 0
        permute(row.facts) { facts in
            orders += 1
            var status = HybridStatus()
            var path = [status]
            for fact in facts {
                status.add(fact)
                path.append(status)
            }
            // Twice is once.
            for fact in facts {
                let isNews = status.add(fact)
                #expect(!isNews)
            }
            #expect(status.level == row.level)
            #expect(status.isFrozen == row.isFrozen)
            #expect(Set(status.revokedEnclaves) == Set(row.revoked))
            #expect(status.settleableOutput == row.settleable)
            for (earlier, later) in zip(path, path.dropFirst()) {
                #expect(earlier.level <= later.level)
                #expect(!earlier.isFrozen || later.isFrozen)
                #expect(!earlier.isUnsound || later.isUnsound)
            }
        }
        #expect(orders == (1...max(1, row.facts.count)).reduce(1, *))
    }

    @Test("what is kept is bounded, and the same for every order") func bounded() {
        let facts = (0..<20).map {
            StatusFact.attested(
                output: World.digest("output \($0 % 6)"), enclave: World.digest("enclave \($0)"))
        }
        var forwards = HybridStatus()
        var backwards = HybridStatus()
        for fact in facts { forwards.add(fact) }
        for fact in facts.reversed() { backwards.add(fact) }
        #expect(forwards == backwards)
        #expect(forwards.attestations.count == HybridStatus.attestationsMax)
    }

    @Test("an enclave confirms nothing but what it says") func levelOfAnOutput() {
        var status = HybridStatus()
        status.add(.attested(output: Self.wrong, enclave: Self.one))
        #expect(status.level == .teeConfirmed)
        #expect(status.level(of: Self.right) == .none)
        #expect(status.level(of: Self.wrong) == .teeConfirmed)
        status.add(.certified(output: Self.right, byEveryone: false))
        #expect(status.level(of: Self.right) == .quorumVerified)
        #expect(status.level(of: Self.wrong) == .teeConfirmed)
        status.add(.final(output: Self.right))
        #expect(status.level(of: Self.right) == .proofFinal)
    }

    @Test("an operation is as far as the least of its parts") func operations() {
        var first = HybridStatus()
        first.add(.final(output: Self.right))
        var second = HybridStatus()
        #expect(HybridStatus.level(of: [first, second]) == .none)
        second.add(.certified(output: Self.right, byEveryone: false))
        #expect(HybridStatus.level(of: [first, second]) == .quorumVerified)
        #expect(HybridStatus.isSettleable([first, second]))
        second.add(.attested(output: Self.wrong, enclave: Self.one))
        #expect(!HybridStatus.isSettleable([first, second]))
        #expect(!HybridStatus.isSettleable([]))
    }

    /// Heap's algorithm.
    private func permute(_ facts: [StatusFact], _ body: ([StatusFact]) -> Void) {
        var facts = facts
        var counters = [Int](repeating: 0, count: facts.count)
        body(facts)
        var index = 1
        while index < facts.count {
            if counters[index] < index {
                facts.swapAt(index % 2 == 0 ? 0 : counters[index], index)
                body(facts)
                counters[index] += 1
                index = 1
            } else {
                counters[index] = 0
                index += 1
            }
        }
    }
}
