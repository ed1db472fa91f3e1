import ChoraleBase
import ChoraleTypes
import Crypto
import OperationKinds
import Operations
import Testing

@testable import ExecutorAgent

/// An operation from its request to its settlement.
@Suite struct LifeTests {
    static let name = OperationChain.name("op")

    /// The digits model, proven for real: everything that validators will check is so.
    @Test func thePrimaryExecutesProvesCommitsAndSettles() throws {
        let sample = try Sample.digit(3)
        var world = try World()
        let request = sample.request()
        try world.chain.request([request])
        let index = world.chain.elected(Self.name, rank: 0)
        let node = world.add(index, bodies: sample.bodies)
        let key = OperationChain.key(index)

        // It has done everything that it can do without another block.
        let commitment = try #require(node.commitments.first)
        #expect(node.commitments.count == 1)
        #expect(commitment.isSigned(network: OperationChain.network))
        let content = commitment.content
        #expect(content.parts.count == 8)
        // 90 percent of 1001, rounded down.
        #expect(content.price == 900)
        #expect(node.published == [try sample.output])
        let prepared = try PreparedInference(
            request, input: sample.input, modelFile: sample.modelFile)
        let plan = try prepared.plan(of: content, output: try sample.output)
        let proofs = try #require(node.shelf[Self.name])
        #expect(proofs.count == 8)
        for (part, proof) in proofs.enumerated() {
            #expect(prepared.verify(proof, part: part, of: plan, by: key) == .good)
            #expect(UInt32(proof.count) == content.parts[part].proofs[0].size)
        }
        #expect(node.agent.info().jobs.map(\.state) == ["committing"])

        try world.block()
        #expect(world.chain.operation(Self.name)?.status == .committed)
        #expect(node.agent.info().jobs.map(\.state) == ["committed"])
        #expect(node.settlements.isEmpty)
        try world.settle(Self.name, by: node)
        let asked = try #require(node.settlements.first)
        #expect(node.settlements.count == 1)
        #expect(asked.output == (try sample.output))
        #expect(Keccak256.hash(asked.output) == asked.settlement.outputHash)
        #expect(world.chain.operation(Self.name) == nil)
        #expect(world.chain.refused.isEmpty)

        #expect(
            node.events
                == [
                    .elected(operation: Self.name, rank: 0, turn: 3), .began(operation: Self.name),
                    .executed(operation: Self.name, elapsed: .zero, parts: 8),
                ]
                + (0..<8).map {
                    .proven(operation: Self.name, part: $0, of: 8, elapsed: .zero)
                } + [
                    .committed(operation: Self.name), .settling(operation: Self.name),
                    .settled(operation: Self.name),
                ])
        // Nothing is left.
        #expect(node.disk.rows.isEmpty)
        #expect(node.agent.nextDeadline == nil)
        var info = ExecutorInfo(key: key)
        info.bond = 2_000_000_000
        (info.executed, info.proven, info.committed, info.settled) = (1, 8, 1, 1)
        #expect(node.agent.info() == info)
    }

    @Test func twoOperationsAtOnceAreBothDone() throws {
        var world = try World()
        // The one that expires first goes first, whichever was asked for first.
        let (late, early) = (OperationChain.name("late"), OperationChain.name("early"))
        try world.chain.request([
            Sample.small.request("late", expiry: 90), Sample.other.request("early", expiry: 60),
        ])
        for index in 0..<3 {
            world.add(
                index, bodies: Sample.small.bodies.merging(Sample.other.bodies) { $1 })
        }
        try world.block()
        #expect(world.chain.operation(late)?.status == .committed)
        #expect(world.chain.operation(early)?.status == .committed)
        for name in [late, early] {
            let node = world.nodes[world.chain.elected(name, rank: 0)]!
            try world.settle(name, by: node)
            #expect(world.chain.operation(name) == nil)
        }
        #expect(world.chain.refused.isEmpty)
        #expect(world.nodes.values.allSatisfy { $0.jobsMax <= 1 })
    }

    @Test func whatExpiresFirstGoesFirst() throws {
        var world = try World()
        world.chain = try OperationChain(executors: 0..<1)
        try world.chain.request([
            Sample.small.request("late", expiry: 90), Sample.other.request("early", expiry: 60),
        ])
        let node = world.add(
            0, bodies: Sample.small.bodies.merging(Sample.other.bodies) { $1 })
        #expect(
            node.commitments.map(\.content.operation)
                == [OperationChain.name("early"), OperationChain.name("late")])
        #expect(node.jobsMax == 1)
        #expect(node.placesMax == 2)
    }

    /// The contract stores up to 1,024 bytes; of what is longer it takes the hash.
    @Test func aLongOutputIsSettledByItsHash() throws {
        var world = try World()
        try world.chain.request([Sample.long.request()])
        let node = world.add(
            world.chain.elected(Self.name, rank: 0), bodies: Sample.long.bodies)
        #expect(node.published.first?.count ?? 0 > 1024)
        try world.block()
        try world.settle(Self.name, by: node)
        #expect(node.settlements.map(\.output) == [[]])
        #expect(world.chain.operation(Self.name) == nil)
        #expect(node.events.contains(.settled(operation: Self.name)))
    }

    @Test func whatNoBlockHasIsSaidAgain() throws {
        var world = try World()
        try world.chain.request([Sample.small.request()])
        let node = world.add(
            world.chain.elected(Self.name, rank: 0), bodies: Sample.small.bodies)
        #expect(node.commitments.count == 1)
        // Lost on its way, for eight blocks.
        for _ in 0..<8 {
            node.said = []
            try world.block()
        }
        #expect(node.commitments.count == 3)
        #expect(Set(node.commitments).count == 1)
        try world.block()
        try world.block(verdicts: world.chain.certificates(Self.name))
        #expect(node.settlements.count == 1)
        for _ in 0..<16 { try world.block() }
        #expect(node.settlements.count == 3)
        #expect(node.commitments.count == 3)
        #expect(Set(node.settlements.map(\.settlement)).count == 1)
        #expect(node.events.count { $0 == .settling(operation: Self.name) } == 1)
        // Its time is over all the same.
        try world.pass(to: 64)
        #expect(node.events.last == .dropped(operation: Self.name))
        #expect(node.disk.rows.isEmpty)
    }

    @Test func garbageIsWellFormedAndAlwaysTheSame() throws {
        var (proofs, commitments): ([[[UInt8]]], [ExecutionCommitment]) = ([], [])
        for _ in 0..<2 {
            var world = try World()
            let request = Sample.small.request()
            try world.chain.request([request])
            let index = world.chain.elected(Self.name, rank: 0)
            let node = world.add(index, bodies: Sample.small.bodies, fault: .garbageProofs)
            try world.block()
            #expect(world.chain.operation(Self.name)?.status == .committed)
            let prepared = try PreparedInference(
                request, input: Sample.small.input, modelFile: Sample.small.modelFile)
            let plan = try prepared.plan(
                of: node.commitments[0].content, output: try Sample.small.output)
            for (part, proof) in node.shelf[Self.name]!.enumerated() {
                let finding = prepared.verify(
                    proof, part: part, of: plan, by: OperationChain.key(index))
                #expect(finding != .good && finding != .bad(.otherStatement))
            }
            proofs.append(node.shelf[Self.name]!)
            commitments += node.commitments
        }
        #expect(proofs[0] == proofs[1])
        #expect(Set(commitments).count == 1)
        #expect(Set(proofs[0]).count == 3)
    }

    /// Nothing but verifying the last part's proof shows that the output is wrong.
    @Test func aWrongOutputIsWellFormedAndOnlyItsLastProofIsRefused() throws {
        var commitments: [ExecutionCommitment] = []
        for _ in 0..<2 {
            var world = try World()
            let request = Sample.small.request()
            try world.chain.request([request])
            let index = world.chain.elected(Self.name, rank: 0)
            let node = world.add(index, bodies: Sample.small.bodies, fault: .wrongOutput)
            try world.block()
            #expect(world.chain.operation(Self.name)?.status == .committed)
            let commitment = try #require(node.commitments.first)
            let output = try #require(node.published.first)
            let right = try Sample.small.output
            #expect(output.count == right.count)
            #expect(zip(output, right).count(where: { $0 != $1 }) == 1)
            #expect(commitment.content.outputHash == Keccak256.hash(output))
            let prepared = try PreparedInference(
                request, input: Sample.small.input, modelFile: Sample.small.modelFile)
            #expect(throws: KindFault.otherOutput) {
                try prepared.plan(of: commitment.content, output: right)
            }
            let plan = try prepared.plan(of: commitment.content, output: output)
            let proofs = try #require(node.shelf[Self.name])
            let findings = proofs.enumerated().map { part, proof in
                prepared.verify(proof, part: part, of: plan, by: OperationChain.key(index))
            }
            #expect(findings == [.good, .good, .bad(.proofFails)])
            commitments.append(commitment)
        }
        #expect(Set(commitments).count == 1)
    }

    @Test func kindsThatItDoesNotKnowAreOthers() throws {
        var world = try World()
        try world.chain.request([Sample.small.request("two", kind: 2)])
        for index in 0..<3 {
            let node = world.add(index, bodies: Sample.small.bodies)
            #expect(node.events.isEmpty && node.commitments.isEmpty)
            #expect(node.agent.info().jobs.isEmpty)
        }
        #expect(world.chain.operation(OperationChain.name("two"))?.election != nil)
    }

    /// A committee executes it again: there is nothing to prove, and the commitment is of one part.
    @Test func whatACommitteeJudgesIsExecutedAndCommitted() throws {
        let sample = Sample.small
        var world = try World()
        let request = sample.request(kind: 4)
        try world.chain.request([request])
        let index = world.chain.elected(Self.name, rank: 0)
        let node = world.add(index, bodies: sample.bodies)
        let content = try #require(node.commitments.first).content
        let output = try sample.output
        #expect(content.parts.map(\.proofs) == [[]])
        #expect(content.parts[0].input == request.inputHash)
        #expect(content.outputHash == Keccak256.hash(output))
        #expect(content.price == 900)
        #expect(node.published == [output])
        #expect(node.proving.isEmpty && node.renewals.isEmpty)
        let judge = try RequestedInference(
            request, input: sample.input, modelFile: sample.modelFile)
        #expect(try judge.execute().finding(of: content) == content.outputHash)

        try world.block()
        #expect(world.chain.operation(Self.name)?.status == .committed)
        try world.block(verdicts: [
            world.chain.verdict(Self.name, .agreed(committers: [OperationChain.address(7)]))
        ])
        #expect(world.chain.operation(Self.name)?.status == .certified)
        let asked = try #require(node.settlements.first)
        #expect(asked.output == output)
        // Killed after it has signed, it says the same.
        node.restart(world.chain)
        node.run()
        #expect(Set(node.commitments.map(\.content.hashTreeRoot)).count == 1)
    }

    /// An output that no block would take is not proven.
    @Test func anOutputAboveItsKindsLimitIsGivenUp() throws {
        var world = try World()
        try world.chain.request([Sample.small.request(kind: 3)])
        let node = world.add(
            world.chain.elected(Self.name, rank: 0), bodies: Sample.small.bodies)
        #expect(
            node.events.last
                == .failed(
                    operation: Self.name,
                    "an output of \(try Sample.small.output.count) bytes"))
        #expect(node.proving.isEmpty && node.commitments.isEmpty)
        #expect(node.agent.info().failed == 1)
    }
}
