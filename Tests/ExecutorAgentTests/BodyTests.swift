import ChoraleBase
import ChoraleTypes
import Codec
import Crypto
import Inference
import OperationKinds
import Operations
import Testing

@testable import ExecutorAgent

/// Bodies that come late, never, or are not what they should be.
@Suite struct BodyTests {
    static let name = OperationChain.name("op")

    static func primary(_ requests: [OperationRequest]) throws -> (World, ExecutorNode) {
        var world = try World()
        world.chain = try OperationChain(executors: 0..<1)
        try world.chain.request(requests)
        let node = world.add(0)
        return (world, node)
    }

    @Test func bodiesThatComeLateAreTakenAtOnce() throws {
        let (_, node) = try Self.primary([Sample.small.request()])
        #expect(node.agent.info().jobs.map(\.state) == ["missing"])
        let (input, model) = (Sample.small.inputRoot, Sample.small.input.modelFile.root)
        node.fetch([input: Sample.small.body])
        node.run()
        #expect(node.agent.info().jobs.map(\.state) == ["missing"])
        #expect(node.proving.isEmpty)
        // Others do not concern it.
        node.fetch([SHA256.hash([1]): [1]])
        node.run()
        #expect(node.agent.info().jobs.map(\.state) == ["missing"])
        node.fetch([model: Sample.small.modelFile])
        node.run()
        #expect(node.commitments.count == 1)
    }

    @Test func bodiesAreLookedForAgainEverMoreRarely() throws {
        let (_, node) = try Self.primary([Sample.small.request()])
        var waits: [Duration] = []
        for _ in 0..<6 {
            let before = node.now
            #expect(node.wait())
            waits.append(before.duration(to: node.now))
        }
        #expect(waits == [5, 10, 20, 40, 80, 80].map { .seconds($0) })
        node.bodies = Sample.small.bodies
        #expect(node.wait())
        #expect(node.commitments.count == 1)
    }

    /// It came between the question and its answer.
    @Test func aBodyThatComesMeanwhileIsNotMissed() throws {
        var world = try World()
        world.chain = try OperationChain(executors: 0..<1)
        try world.chain.request([Sample.small.request()])
        let node = ExecutorNode(0)
        node.start(world.chain)
        // Start and scan: the input was asked for, and is not here.
        node.run(steps: 2)
        node.fetch([Sample.small.inputRoot: Sample.small.body], ahead: true)
        node.run()
        #expect(node.agent.info().jobs.map(\.state) == ["missing"])
        #expect(node.wait())
        node.run(steps: 1)
        node.fetch([Sample.small.input.modelFile.root: Sample.small.modelFile], ahead: true)
        node.run()
        #expect(node.commitments.count == 1)
    }

    @Test func anAnswerThatNeverComesIsAskedForAgain() throws {
        var world = try World()
        world.chain = try OperationChain(executors: 0..<1)
        try world.chain.request([Sample.small.request()])
        var agent = ExecutorAgent(ExecutorNode(0).configuration)
        var outputs: [ExecutorOutput] = []
        var asked: [Bytes32] = []
        func handle(_ input: ExecutorInput, _ seconds: Int64) -> Void {
            outputs = []
            agent.handle(
                input,
                now: Now(
                    instant: MonotonicInstant(nanoseconds: seconds * 1_000_000_000),
                    wall: WallTime(milliseconds: 0)), into: &outputs)
            for case .readBody(let root) in outputs { asked.append(root) }
        }
        handle(.start(world.chain.head), 0)
        guard case .store(let id, _)? = outputs.last else {
            Issue.record("no scan")
            return
        }
        handle(.stored(id, .rows([], more: false)), 0)
        #expect(asked.count == 1)
        // Early, late and repeated timeouts are harmless.
        for second in [1, 14, 15, 15, 19, 20, 21] as [Int64] { handle(.timeout, second) }
        #expect(asked == [Sample.small.inputRoot, Sample.small.inputRoot])
        // Answers to nothing are, too.
        handle(.bodyRead(root: SHA256.hash([1]), [1]), 22)
        handle(.shelved(operation: Self.name), 22)
        handle(.stored(ExecutorStoreID(999), .written), 22)
        handle(.stored(id, .rows([], more: true)), 22)
        handle(.bodyArrived(root: .zero), 22)
        #expect(outputs.isEmpty)
    }

    /// Requests are anybody's. What cannot be executed is given up, and what can is.
    @Test func garbageIsGivenUp() throws {
        func request(
            _ name: String, _ body: [UInt8], hash: Bytes32 = .zero
        ) -> OperationRequest {
            OperationRequest(
                operation: OperationChain.name(name), requester: OperationChain.address(1), kind: 1,
                inputHash: hash,
                inputRoot: body.isEmpty
                    ? .zero : ContentReference(kind: .generic, bytes: body)!.root,
                inputSize: UInt64(body.count), expiry: 40, fee: 1000)!
        }
        let junk: [UInt8] = [1, 2, 3, 4]
        let vector = Sample.small.vector
        let noModel = InferenceInput(modelFile: junk, vector: vector)!
        let short = QuantisedVector.int8([1, 2])
        let wrong = InferenceInput(modelFile: Sample.small.modelFile, vector: short)!
        let otherModel = InferenceInput(
            modelFile: Sample.other.input.modelFile, model: Sample.small.input.model,
            vector: vector.encoded())!
        func hash(_ model: [UInt8], _ vector: QuantisedVector) -> Bytes32 {
            InferenceRequest(model: SHA256.hash(model), input: vector.hash).hash
        }
        let requests = [
            request("nothing", []),
            request("junk", junk),
            request("other hash", Sample.small.body),
            request("no model", noModel.sszEncoded(), hash: hash(junk, vector)),
            request(
                "short", wrong.sszEncoded(), hash: hash(Sample.small.modelFile, short)),
            request(
                "other model", otherModel.sszEncoded(),
                hash: hash(Sample.small.modelFile, vector)),
        ]
        let (_, node) = try Self.primary(requests + [Sample.small.request()])
        let bodies: [[UInt8]] = [
            junk, Sample.small.body, noModel.sszEncoded(), wrong.sszEncoded(),
            otherModel.sszEncoded(), Sample.small.modelFile, Sample.other.modelFile,
        ]
        for body in bodies {
            node.fetch([ContentReference(kind: .generic, bytes: body)!.root: body])
            node.run()
        }
        for request in requests {
            let failures = node.events.filter {
                if case .failed(request.operation, _) = $0 { true } else { false }
            }
            #expect(failures.count == 1)
        }
        #expect(node.commitments.map(\.content.operation) == [Self.name])
        #expect(node.agent.info().failed == 6)
        #expect(node.agent.info().executed == 1)
    }

    /// Sixty-four requests of which nobody has the bodies are in nobody's way.
    @Test func whatHasNoBodiesHoldsNothingUp() throws {
        let requests = (0..<63).map { index in
            OperationRequest(
                operation: OperationChain.name("\(index)"), requester: OperationChain.address(1),
                kind: 1, inputHash: .zero, inputRoot: SHA256.hash([UInt8(index)]),
                inputSize: 100, expiry: 40, fee: 1_000_000)!
        }
        var (world, node) = try Self.primary(requests)
        #expect(node.agent.info().jobs.count == 63)
        node.bodies = Sample.small.bodies
        try world.block(
            logs: [ContractEvent.requested(Sample.small.request()).log])
        try world.block()
        #expect(node.commitments.map(\.content.operation) == [Self.name])
        #expect(node.placesMax == 2)
        #expect(node.jobsMax == 1)
        try world.pass(to: 41)
        #expect(node.agent.info().jobs.count == 1)
        #expect(node.agent.nextDeadline == nil)
    }

    /// Everybody's operations at once: two places, one job, and each gets done.
    @Test func manyAtOnceAreDoneOneAfterTheOther() throws {
        let requests = (0..<12).map {
            Sample.other.request("\($0)", expiry: UInt64(60 + ($0 * 5) % 12))
        }
        var (world, node) = try Self.primary(requests)
        node.fetch(Sample.other.bodies)
        node.run()
        let order = requests.sorted { $0.expiry < $1.expiry }.map(\.operation)
        #expect(node.commitments.map(\.content.operation) == order)
        #expect(node.placesMax == 2)
        #expect(node.jobsMax == 1)
        // Eight commitments fit into a block of the registry; the rest is said again.
        try world.block()
        #expect(world.chain.refused == Array(repeating: .tooManyItems(9, limit: 8), count: 4))
        world.chain.refused = []
        for _ in 0..<5 { try world.block() }
        #expect(requests.allSatisfy { world.chain.operation($0.operation)?.status == .committed })
        #expect(world.chain.refused.isEmpty)
        #expect(Set(node.commitments).count == 12)
    }

    @Test func severalWorkersProveAtOnce() throws {
        var world = try World()
        try world.chain.request([Sample.small.request()])
        let node = ExecutorNode(world.chain.elected(Self.name, rank: 0))
        node.configuration.workers = 3
        node.bodies = Sample.small.bodies
        node.restart(world.chain)
        node.run()
        #expect(node.jobsMax == 3)
        #expect(node.proving.count == 3)
        #expect(node.commitments.count == 1)
    }
}
