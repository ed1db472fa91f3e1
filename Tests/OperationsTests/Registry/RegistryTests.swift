import ChoraleBase
import ChoraleTypes
import Codec
import OrderedCollections
import Testing

@testable import Operations

@Suite struct RegistryTests {
    static let name = Fixture.root("op")

    /// An operation requested at 2 and drawn at 3, with at most until 70.
    static func drawn() throws -> Course {
        var course = try Course()
        _ = try course.block(logs: [Fixture.log(Fixture.request())])
        _ = try course.block()
        return course
    }

    /// The same, with three parts committed to by the primary at 4.
    static func committed() throws -> Course {
        var course = try drawn()
        _ = try course.block([.commitment(Fixture.commitment(by: course.elected()[0]))])
        return course
    }

    @Test func fromRequestToSettlement() throws {
        var course = try Course()
        #expect(course.registry.executors.count == 8)
        #expect(
            try course.block(logs: [Fixture.log(Fixture.request())]) == [.requested(Self.name)])
        #expect(course.operation()?.status == .requested)
        #expect(course.operation()?.election == nil)
        let drawn = try course.block()
        let keys = course.elected().map(Fixture.key)
        #expect(drawn == [.elected(Self.name, executors: keys)])
        #expect(keys.count == 3)
        let primary = course.elected()[0]
        #expect(
            try course.block([.renewal(Fixture.renewal(by: primary, progress: 400))])
                == [.renewed(Self.name, progress: 400)])
        #expect(
            try course.block([.commitment(Fixture.commitment(by: primary))])
                == [.committed(Self.name, executor: keys[0])])
        #expect(course.operation()?.status == .committed)
        #expect(course.registry.settlement(of: Self.name) == nil)
        #expect(
            try course.block([course.certified(1, by: [1, 2, 3])])
                == [.partCertified(Self.name, part: 1)])
        #expect(
            try course.block([course.certified(0, by: [2, 3]), course.certified(2, by: [3, 4])])
                == [
                    .partCertified(Self.name, part: 0), .partCertified(Self.name, part: 2),
                    .certified(Self.name),
                ])
        let settlement = try #require(course.registry.settlement(of: Self.name))
        #expect(settlement.outputHash == Fixture.root("output"))
        #expect(settlement.payments.first?.payee == Fixture.address(100 + primary))
        #expect(
            Set(settlement.payments.dropFirst().map(\.payee)) == Set((1...4).map(Fixture.address)))
        #expect(try course.block(logs: [Fixture.log(settlement)]) == [.settled(Self.name)])
        #expect(course.registry.operations.isEmpty)
        // Once.
        #expect(throws: OperationFault.settlement(Self.name)) {
            try course.block(logs: [Fixture.log(settlement)])
        }
    }

    @Test func aBlockMayCertifyAndSettle() throws {
        var course = try Self.committed()
        _ = try course.block([course.certified(1, by: [1]), course.certified(2, by: [1])])
        var after = course
        _ = try after.block([course.certified(0, by: [1])])
        let settlement = try #require(after.registry.settlement(of: Self.name))
        // Not before.
        #expect(throws: OperationFault.settlement(Self.name)) {
            try course.block(logs: [Fixture.log(settlement)])
        }
        #expect(
            try course.block([course.certified(0, by: [1])], logs: [Fixture.log(settlement)])
                == [
                    .partCertified(Self.name, part: 0), .certified(Self.name), .settled(Self.name),
                ])
    }

    // MARK: Prices

    static let prices: [(price: UInt128, committers: Int)] = [
        (0, 0), (0, 3), (1, 3), (99, 3), (100, 3), (101, 7), (Fixture.ether / 2, 32),
        (12_345_678_901_234_567, 31), (OperationsContract.feeMax, 32),
    ]

    @Test(arguments: prices.indices) func dividesAPriceToTheWei(index: Int) {
        let (price, committers) = Self.prices[index]
        let settlement = Settlement(
            operation: .zero, outputHash: .zero, outputSize: 1, price: price,
            executor: Fixture.address(200), committers: (0..<committers).map(Fixture.address))
        let sum = settlement.payments.reduce(settlement.reward) { $0 + $1.amount }
        #expect(sum == price)
        #expect(settlement.reward == price / 20)
        #expect(settlement.payments.count == committers + 1)
        for payment in settlement.payments.dropFirst() {
            #expect(payment.amount == price * 20 / 100 / UInt128(committers))
        }
        #expect(settlement.payments[0].amount >= price * 3 / 4)
        #expect(settlement.paymentWords.count == 32 * settlement.payments.count)
    }

    // MARK: Faults

    @Test func aSettlementThatDiffersIsAFault() throws {
        var course = try Self.committed()
        _ = try course.block((0..<3).map { course.certified(UInt8($0), by: [1, 2]) })
        let settlement = try #require(course.registry.settlement(of: Self.name))
        let right = Fixture.log(settlement)
        #expect(course.registry.fault(inLogs: [right]) == nil)
        // Each word of it.
        for word in 0..<4 {
            var data = right.data
            data[32 * word + 31] ^= 1
            let wrong = ContractLog(topics: right.topics, data: data)
            #expect(course.registry.fault(inLogs: [wrong]) == .settlement(Self.name))
            #expect(throws: OperationFault.settlement(Self.name)) {
                try course.block(logs: [wrong])
            }
        }
        let other = ContractLog(topics: [right.topics[0], Fixture.root("other")], data: right.data)
        #expect(course.registry.fault(inLogs: [other]) == .settlement(Fixture.root("other")))
        // Frozen again.
        _ = try course.block([course.verdict(.disputed)])
        #expect(course.registry.fault(inLogs: [right]) == .settlement(Self.name))
        #expect(
            course.registry.fault(inLogs: [ContractLog(topics: [], data: [])])
                == .log(.unknownTopic(nil)))
    }

    @Test func commitmentsFollowTheRules() throws {
        let course = try Self.drawn()
        let primary = course.elected()[0]
        let standby = course.elected()[1]
        let stranger = try #require(Fixture.keys.indices.first { !course.elected().contains($0) })
        func fault(_ commitment: ExecutionCommitment) -> OperationFault? {
            var course = course
            let found = Result { try course.block([.commitment(commitment)]) }
            guard case .failure(let error) = found else { return nil }
            return error as? OperationFault
        }
        #expect(fault(Fixture.commitment(by: primary)) == nil)
        #expect(fault(Fixture.commitment(by: primary, price: Fixture.ether)) == nil)
        #expect(
            fault(Fixture.commitment("none", by: primary))
                == .unknownOperation(Fixture.root("none")))
        for executor in [standby, stranger] {
            #expect(
                fault(Fixture.commitment(by: executor))
                    == .notItsTurn(Self.name, executor: Fixture.key(executor)))
        }
        #expect(
            fault(Fixture.commitment(by: primary, signedBy: standby))
                == .badSignature(Self.name, executor: Fixture.key(primary)))
        #expect(
            fault(Fixture.commitment(by: primary, price: Fixture.ether + 1))
                == .price(Fixture.ether + 1, fee: Fixture.ether))
        #expect(
            fault(Fixture.commitment(by: primary, size: 65_537))
                == .outputSize(65_537, limit: 65_536))
        #expect(
            fault(Fixture.commitment(by: primary, parts: (0..<17).map { Fixture.part($0) }))
                == .partCount(17, limit: 16))
        #expect(
            fault(
                Fixture.commitment(
                    by: primary, parts: [Fixture.part(0), Fixture.part(1, types: [])]))
                == .proofTypes(part: 1))
        #expect(
            fault(Fixture.commitment(by: primary, parts: [Fixture.part(0, types: [64, 66])]))
                == .proofTypes(part: 0))
        #expect(
            fault(Fixture.commitment(by: primary, parts: [Fixture.part(0, types: [64, 65])])) == nil
        )
        // Twice, in one block and in two.
        var twice = course
        let good = OperationItem.commitment(Fixture.commitment(by: primary))
        #expect(throws: OperationFault.wrongStatus(Self.name, .committed)) {
            try twice.block([good, good])
        }
        _ = try twice.block([good])
        #expect(throws: OperationFault.wrongStatus(Self.name, .committed)) {
            try twice.block([good])
        }
        #expect(throws: OperationFault.tooManyItems(9, limit: 8)) {
            try twice.block([OperationItem](repeating: good, count: 9))
        }
    }

    @Test func theStandbyFinishesWhatThePrimaryDoesNot() throws {
        var course = try Self.drawn()
        let elected = course.elected()
        let turns = try #require(course.operation()?.election?.candidates.map(\.turn))
        // A third and two thirds of the 67 heights that are left.
        #expect(turns == [3, 25, 47])
        try course.pass(to: turns[1] - 2)
        #expect(
            throws: OperationFault.notItsTurn(Self.name, executor: Fixture.key(elected[1]))
        ) {
            try course.block([.commitment(Fixture.commitment(by: elected[1]))])
        }
        // The primary is heard of once more, and not again.
        _ = try course.block([.renewal(Fixture.renewal(by: elected[0], progress: 900))])
        let moved = try #require(course.operation()?.election?.candidates[1].turn)
        #expect(moved == turns[1] - 1 + 11)
        try course.pass(to: moved - 1)
        #expect(
            try course.block([.commitment(Fixture.commitment(by: elected[1]))])
                == [.committed(Self.name, executor: Fixture.key(elected[1]))])
        #expect(throws: OperationFault.wrongStatus(Self.name, .committed)) {
            try course.block([.renewal(Fixture.renewal(by: elected[0], progress: 901))])
        }
    }

    @Test func renewalsFollowTheRules() throws {
        var course = try Self.drawn()
        let elected = course.elected()
        let renewal = Fixture.renewal(by: elected[0], progress: 5)
        #expect(
            throws: OperationFault.badSignature(Self.name, executor: Fixture.key(elected[0]))
        ) {
            try course.block([
                .renewal(Fixture.renewal(by: elected[0], progress: 5, signedBy: elected[1]))
            ])
        }
        _ = try course.block([.renewal(renewal)])
        let notItsTurn = OperationFault.notItsTurn(Self.name, executor: Fixture.key(elected[0]))
        #expect(throws: notItsTurn) { try course.block([.renewal(renewal)]) }
        #expect(
            throws: OperationFault.notItsTurn(Self.name, executor: Fixture.key(elected[1]))
        ) {
            try course.block([.renewal(Fixture.renewal(by: elected[1], progress: 6))])
        }
        _ = try course.block(logs: [Fixture.exit(elected[0])])
        #expect(throws: OperationFault.unknownExecutor(Fixture.key(elected[0]))) {
            try course.block([.renewal(Fixture.renewal(by: elected[0], progress: 6))])
        }
        #expect(throws: OperationFault.unknownExecutor(Fixture.key(elected[0]))) {
            try course.block([.commitment(Fixture.commitment(by: elected[0]))])
        }
    }

    @Test func verdictsFollowTheRules() throws {
        var course = try Self.drawn()
        #expect(throws: OperationFault.wrongStatus(Self.name, .requested)) {
            try course.block([course.certified(0, by: [1])])
        }
        course = try Self.committed()
        let other = OperationVerdict(
            operation: Self.name, commitment: Fixture.root("other"), .rejected)
        #expect(
            throws: OperationFault.otherCommitment(Self.name, commitment: Fixture.root("other"))
        ) { try course.block([.verdict(other)]) }
        #expect(throws: OperationFault.unknownPart(3, count: 3)) {
            try course.block([course.certified(3, by: [1])])
        }
        #expect(throws: OperationFault.partCertifiedTwice(Self.name, part: 0)) {
            try course.block([course.certified(0, by: [1]), course.certified(0, by: [2])])
        }
        #expect(throws: OperationFault.tooManyCommitters(1025)) {
            try course.block([course.certified(0, by: Array(0...1024))])
        }
        #expect(throws: OperationFault.wrongStatus(Self.name, .committed)) {
            try course.block([course.verdict(.resolved(isUpheld: true))])
        }
        #expect(throws: OperationFault.unknownOperation(Fixture.root("none"))) {
            try course.block([course.certified(0, by: [], of: "none")])
        }
    }

    // MARK: Wrong work

    @Test func whoWasWrongLosesItsBondAndTheNextMayCommit() throws {
        var course = try Self.committed()
        let elected = course.elected()
        _ = try course.block([course.certified(0, by: [1])])
        let culprit = Fixture.key(elected[0])
        #expect(
            try course.block([course.verdict(.rejected)])
                == [.rejected(Self.name, executor: culprit), .executorSlashed(culprit)])
        #expect(course.registry.executors[culprit] == nil)
        #expect(course.registry.slashed.contains(culprit))
        #expect(course.operation()?.status == .requested)
        _ = try course.block([.commitment(Fixture.commitment(by: elected[1]))])
        // What was certified of the first commitment is no part of the second.
        #expect(course.operation()?.commitment?.certifiedParts == 0)
        #expect(course.operation()?.commitment?.committers == [])
        // Nor does the key come back, and what it pays goes back.
        #expect(
            try course.block(logs: [Fixture.log(Fixture.registration(elected[0]))])
                == [.executorRefused(culprit)])
        #expect(course.registry.payments.map(\.amount) == [2_000_000_000])
    }

    @Test func aDisputeHoldsEverythingUp() throws {
        for isUpheld in [true, false] {
            var course = try Self.committed()
            let executor = Fixture.key(course.elected()[0])
            #expect(try course.block([course.verdict(.disputed)]) == [.frozen(Self.name)])
            #expect(throws: OperationFault.wrongStatus(Self.name, .frozen)) {
                try course.block([course.verdict(.disputed)])
            }
            // Parts are still certified; nothing is settled.
            _ = try course.block((0..<3).map { course.certified(UInt8($0), by: [1]) })
            #expect(course.operation()?.status == .frozen)
            #expect(course.registry.settlement(of: Self.name) == nil)
            let changes = try course.block([course.verdict(.resolved(isUpheld: isUpheld))])
            if isUpheld {
                #expect(changes == [.upheld(Self.name)])
                #expect(course.operation()?.status == .certified)
            } else {
                #expect(
                    changes == [
                        .rejected(Self.name, executor: executor), .executorSlashed(executor),
                    ])
                #expect(course.operation()?.status == .requested)
            }
        }
    }

    @Test(arguments: [0, 1, 2]) func whatIsOverIsForgotten(stage: Int) throws {
        var course = try stage == 0 ? Self.drawn() : Self.committed()
        if stage == 2 { _ = try course.block([course.verdict(.disputed)]) }
        try course.pass(to: 70)
        #expect(course.operation() != nil)
        #expect(try course.block() == [.expired(Self.name)])
        #expect(course.registry.operations.isEmpty)
    }

    // MARK: Requests

    @Test func requestsThatNobodyExecutesAreIgnored() throws {
        let rows: [(OperationRequest, OperationChange.IgnoredReason?)] = [
            (Fixture.request(kind: 9), .unknownKind(9)),
            (Fixture.request(inputSize: 1 << 20), nil),
            (Fixture.request(inputSize: 1 << 20 + 1), .kindLimits),
            (Fixture.request(fee: 999), .kindLimits), (Fixture.request(fee: 1000), nil),
            (Fixture.request(expiry: 21), .kindLimits), (Fixture.request(expiry: 22), nil),
            (Fixture.request(expiry: 1002), nil), (Fixture.request(expiry: 1003), .kindLimits),
            (Fixture.request(kind: 8, inputSize: 0), nil), (Fixture.request(kind: 8), .kindLimits),
            (Fixture.request(expiry: 1), .kindLimits),
        ]
        for (request, reason) in rows {
            var course = try Course(executors: 0..<1)
            let expected =
                reason.map { OperationChange.ignored(Self.name, $0) } ?? .requested(Self.name)
            #expect(try course.block(logs: [Fixture.log(request)]) == [expected])
        }
    }

    @Test func oneRequesterHasSixtyFour() throws {
        var course = try Course(executors: 0..<1)
        let logs = (0..<65).map { Fixture.log(Fixture.request("\($0)")) }
        let changes = try course.block(logs: logs)
        #expect(changes.last == .ignored(Fixture.root("64"), .requesterHasTooMany))
        #expect(course.registry.operations.count == 64)
    }

    @Test func whoPaysLeastGivesWay() throws {
        var course = try Course()
        let limit = OperationRegistry.openMax
        for index in 0..<limit {
            let more = index == 7 || index == 9 ? 0 : index + 1
            let fee = Fixture.ether + UInt128(more)
            _ = try course.block(logs: [
                Fixture.log(
                    Fixture.request(
                        "\(index)", requester: 2 + index / 64, expiry: course.height + 901, fee: fee
                    ))
            ])
        }
        // The last of them is drawn, too.
        _ = try course.block()
        #expect(course.registry.operations.count == limit)
        // As much as the least is not more.
        func extra(_ name: String, _ fee: UInt128) -> ContractLog {
            Fixture.log(
                Fixture.request(name, requester: 200, expiry: course.height + 101, fee: fee))
        }
        #expect(
            try course.block(logs: [extra("a", Fixture.ether)])
                == [.ignored(Fixture.root("a"), .full)])
        // The younger of two.
        #expect(
            try course.block(logs: [extra("b", Fixture.ether + 1)])
                == [.ignored(Fixture.root("9"), .outbid), .requested(Fixture.root("b"))])
        // What is committed to stays.
        let seven = Fixture.commitment("7", by: course.elected("7")[0])
        #expect(
            try course.block([.commitment(seven)], logs: [extra("c", Fixture.ether * 2)]).contains(
                .ignored(Fixture.root("b"), .outbid)))
        #expect(course.registry.operations.count == limit)
        let size = course.registry.sszEncoded().count
        #expect(size < 900_000, "\(size)")
    }

    @Test func waitsUntilThereIsSomebodyToDraw() throws {
        var course = try Course(executors: 0..<0)
        _ = try course.block(logs: [Fixture.log(Fixture.request())])
        _ = try course.block(logs: [
            Fixture.log(Fixture.registration(0, capabilities: [1])),
            Fixture.log(Fixture.registration(1, capabilities: [0])),
        ])
        #expect(course.operation()?.election == nil)
        _ = try course.block()
        #expect(course.elected() == [1])
        #expect(course.operation()?.election?.drawn == 4)
    }

    // MARK: Executors

    @Test func registrationsFollowTheRules() throws {
        var course = try Course(executors: 0..<0)
        func changes(_ registration: ExecutorRegistration) throws -> [OperationChange] {
            try course.block(logs: [Fixture.log(registration)])
        }
        #expect(
            try changes(Fixture.registration(0, signedBy: 1)) == [.executorRefused(Fixture.key(0))])
        #expect(try changes(Fixture.registration(0)) == [.executorJoined(Fixture.key(0))])
        // More of it, with other capabilities; not for another's address.
        _ = try changes(Fixture.registration(0, gwei: 3_000_000_000, capabilities: [5]))
        let record = try #require(course.registry.executors[Fixture.key(0)])
        #expect(record.bond == 5_000_000_000)
        #expect(record.capabilities == Capabilities([5]))
        #expect(
            try changes(Fixture.registration(0, recipient: Fixture.address(9)))
                == [.executorRefused(Fixture.key(0))])
        #expect(
            try changes(Fixture.registration(1, gwei: 1 << 63 + 1))
                == [.executorRefused(Fixture.key(1))])
        #expect(
            try changes(Fixture.registration(0, gwei: 1 << 63))
                == [.executorRefused(Fixture.key(0))])
        // What is paid back is the same to the gwei.
        #expect(
            course.registry.payments.map(\.amount)
                == [2_000_000_000, 2_000_000_000, 1 << 63 + 1, 1 << 63])
        #expect(course.registry.payments[1].recipient == Fixture.address(9))
    }

    @Test func bondsComeBackAfterTheDelayUnlessSlashed() throws {
        var course = try Course(executors: 0..<3)
        // Of somebody else: nothing.
        #expect(try course.block(logs: [Fixture.exit(0, from: Fixture.address(1))]) == [])
        #expect(
            try course.block(logs: [Fixture.exit(0), Fixture.exit(1), Fixture.exit(0)])
                == [.executorLeft(Fixture.key(0)), .executorLeft(Fixture.key(1))])
        let due = course.height + Fixture.parameters.bondDelay
        #expect(course.registry.payments.map(\.due) == [due, due])
        #expect(
            try course.block(slashed: [Fixture.key(1), Fixture.key(7)])
                == [.executorSlashed(Fixture.key(1))])
        course.height = due - 2
        _ = try course.block()
        #expect(course.payments == [])
        _ = try course.block()
        #expect(
            course.payments == [
                BondPayment(
                    key: Fixture.key(0), recipient: Fixture.address(100), amount: 2_000_000_000,
                    due: due)
            ])
        #expect(course.registry.payments == [])
        #expect(course.registry.executors.count == 1)
    }

    // MARK: Determinism

    /// A course of everything, as seeds have it: applied once with signatures checked, and once from what was
    /// stored, as somebody who joins does.
    @Test(arguments: 0..<6) func everybodyComesToTheSame(seed: UInt64) throws {
        var random = DeterministicRandom(seed: seed)
        var course = try Course()
        var counter = 0
        for _ in 0..<120 {
            var items: [OperationItem] = []
            var logs: [ContractLog] = []
            for (name, operation) in course.registry.operations {
                let height = course.height + 1
                guard operation.request.expiry >= height, let election = operation.election else {
                    continue
                }
                if let commitment = operation.commitment {
                    let part = UInt8(random.below(Int(commitment.partCount)))
                    let isNew = commitment.certifiedParts >> UInt64(part) & 1 == 0
                    if isNew, random.chance(3, in: 4) {
                        items.append(
                            .verdict(
                                OperationVerdict(
                                    operation: name, commitment: commitment.root,
                                    .partCertified(
                                        part,
                                        committers: (0..<random.below(60)).map {
                                            Fixture.address($0)
                                        }))))
                    } else if let settlement = operation.settlement, items.isEmpty {
                        logs.append(Fixture.log(settlement))
                    }
                    continue
                }
                for (index, key) in Fixture.keys.indices.map({ ($0, Fixture.key($0)) })
                where course.registry.executors[key] != nil && random.chance(1, in: 4) {
                    let label = try #require(
                        (0..<counter).map { "op \($0)" }.first { Fixture.root($0) == name })
                    if election.mayRenew(key, progress: UInt16(height), at: height) {
                        items.append(
                            .renewal(Fixture.renewal(label, by: index, progress: UInt16(height))))
                    } else if election.mayCommit(key, at: height), items.count < 8 {
                        items.append(.commitment(Fixture.commitment(label, by: index)))
                        break
                    }
                }
            }
            if random.chance(1, in: 3) {
                logs.append(
                    Fixture.log(
                        Fixture.request("op \(counter)", expiry: course.height + 1 + 40)))
                counter += 1
            }
            if random.chance(1, in: 15) { logs.append(Fixture.exit(random.below(8))) }
            if random.chance(1, in: 10) {
                logs.append(Fixture.log(Fixture.registration(random.below(8))))
            }
            let block = OperationBlock(
                height: course.height + 1, beacon: Fixture.root("beacon \(seed) \(course.height)"),
                items: items, logs: logs)
            let outcome = try course.registry.applying(block, Fixture.parameters)
            let stored = course.registry.sszEncoded()
            let again = try OperationRegistry(ssz: stored.span).applying(
                block, Fixture.parameters, signatures: .wereChecked)
            #expect(again == outcome)
            #expect(again.registry.hashTreeRoot == outcome.registry.hashTreeRoot)
            course.registry = outcome.registry
            course.height += 1
        }
        #expect(counter > 20)
    }
}
