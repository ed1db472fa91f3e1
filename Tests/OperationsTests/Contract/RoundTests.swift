import ChoraleBase
import ChoraleTypes
import Codec
import Crypto
import Execution
import OrderedCollections
import Testing

@testable import Operations

/// The contract in our machine and the registry, one answering the other.
@Suite struct RoundTests {
    /// Two chains of the same heights.
    struct Chain {
        let state: ContractState
        var course: Course

        static func start() throws -> Chain {
            let state = try ContractState.with()
            let course = try Course(executors: 0..<0)
            return Chain(state: state, course: course)
        }

        /// One transaction in a block of its own; what it logged goes to the registry.
        mutating func call(
            _ call: ContractCall, value: UInt128 = 0, sender: Int = 0, items: [OperationItem] = []
        ) throws -> (outcome: ContractState.Outcome, changes: [OperationChange]) {
            let outcome = try state.run(
                block: course.height + 1, sender: ContractState.senders[sender],
                value: UInt256(0, 0, UInt64(value >> 64), UInt64(truncatingIfNeeded: value)),
                data: call.data)
            let logs = outcome.logs.map { ContractLog(topics: $0.topics, data: $0.data) }
            return (outcome, try course.block(items, logs: logs))
        }
    }

    static func address(_ address: ExecutionAddress) -> Address { Address(address.bytes.span)! }

    @Test func anOperationFromRequestToItsOutput() throws {
        var chain = try Chain.start()
        for index in 0..<4 {
            let registration = Fixture.registration(index, gwei: 2_000_000_000)
            let (outcome, changes) = try chain.call(
                .registerExecutor(registration), value: 2 * Fixture.ether, sender: 2)
            #expect(outcome.succeeded)
            #expect(changes == [.executorJoined(Fixture.key(index))])
        }
        let request = ContractCall.request(
            kind: 7, inputHash: Fixture.root("hash"), inputRoot: Fixture.root("body"),
            inputSize: 1000, ttl: 100)
        let (requested, _) = try chain.call(request, value: Fixture.ether)
        let name = try #require(Bytes32(requested.output))
        let requester = ExecutionAddress(ContractState.senders[0].storage.span.copied())!
        #expect(
            name
                == OperationsContract.operationID(
                    chainID: ContractState.chainID, requester: requester, nonce: 0))
        let open = try #require(chain.course.registry.operations[name])
        #expect(open.request.expiry == chain.course.height + 100)
        #expect(open.request.fee == Fixture.ether)

        _ = try chain.course.block()
        let output = [UInt8]("42".utf8)
        let keys = try #require(
            chain.course.registry.operations[name]?.election?.candidates.map(\.key))
        let index = try #require((0..<4).first { Fixture.key($0) == keys[0] })
        let commitment = ExecutionCommitment(
            signing: ExecutionCommitmentContent(
                operation: name, executor: keys[0], outputHash: Keccak256.hash(output),
                outputSize: 2, outputRoot: Fixture.root("output body"), price: 1_000_000_007,
                planRoot: Fixture.root("plan"), parts: [Fixture.part(0)])!,
            with: Fixture.keys[index], network: Fixture.network)
        _ = try chain.course.block([.commitment(commitment)])
        _ = try chain.course.block([
            .verdict(
                OperationVerdict(
                    operation: name, commitment: commitment.content.hashTreeRoot,
                    .partCertified(0, committers: (1...3).map(Fixture.address))))
        ])
        let settlement = try #require(chain.course.registry.settlement(of: name))

        // Everything else is refused: by the contract, or by the registry for what the contract takes.
        var other = chain.course.registry
        other.operations[name]?.commitment = nil
        let before = try chain.state.balance(ContractState.senders[0])
        let (settled, changes) = try chain.call(.settle(settlement, output: output), sender: 1)
        #expect(settled.succeeded)
        #expect(changes == [.settled(name)])
        #expect(
            other.fault(inLogs: settled.logs.map { ContractLog(topics: $0.topics, data: $0.data) })
                == .settlement(name))

        // To the wei.
        let price: UInt64 = 1_000_000_007
        let reward = price / 20
        let each = price / 5 / 3
        #expect(
            try chain.state.balance(Self.address(Fixture.address(100 + index)))
                == UInt256(price - reward - 3 * each))
        for committer in 1...3 {
            #expect(
                try chain.state.balance(Self.address(Fixture.address(committer))) == UInt256(each))
        }
        #expect(
            try chain.state.balance(ContractState.senders[0])
                == before &+ UInt256(UInt64(Fixture.ether) - price))
        // The bonds stay.
        #expect(
            try chain.state.balance(ContractState.contract) == UInt256(8) &* ContractState.ether)

        let (view, _) = try chain.call(.output(name))
        #expect(
            view.output
                == ABIWord.encode(32) + ABIWord.encode(2) + output
                + [UInt8](repeating: 0, count: 30))
        let (hash, _) = try chain.call(.outputHash(name))
        #expect(hash.output == Keccak256.hash(output).bytes + ABIWord.encode(2))
    }

    @Test func anOperationThatNobodyExecutes() throws {
        var chain = try Chain.start()
        let request = ContractCall.request(
            kind: 7, inputHash: .zero, inputRoot: .zero, inputSize: 0, ttl: 20)
        let (requested, _) = try chain.call(request, value: 12_345, sender: 1)
        let name = try #require(Bytes32(requested.output))
        let expiry = try #require(chain.course.registry.operations[name]?.request.expiry)
        while chain.course.height < expiry { _ = try chain.course.block() }
        // Both say so at the same height.
        let before = try chain.state.balance(ContractState.senders[1])
        let (expired, changes) = try chain.call(.expire(name))
        #expect(expired.succeeded)
        #expect(changes == [.expired(name)])
        #expect(
            try chain.state.balance(ContractState.senders[1]) == before &+ UInt256(12_345))
        #expect(try chain.state.balance(ContractState.contract) == .zero)
    }

    @Test func aBlockEarlyBothStillHoldIt() throws {
        var chain = try Chain.start()
        let request = ContractCall.request(
            kind: 7, inputHash: .zero, inputRoot: .zero, inputSize: 0, ttl: 20)
        let (requested, _) = try chain.call(request, value: 12_345)
        let name = try #require(Bytes32(requested.output))
        let expiry = try #require(chain.course.registry.operations[name]?.request.expiry)
        while chain.course.height < expiry - 1 { _ = try chain.course.block() }
        let (expired, changes) = try chain.call(.expire(name))
        #expect(!expired.succeeded)
        #expect(changes == [])
        #expect(chain.course.registry.operations[name] != nil)
    }

    @Test func anExitReachesTheRegistry() throws {
        var chain = try Chain.start()
        let sender = ExecutionAddress(ContractState.senders[1].storage.span.copied())!
        _ = try chain.call(
            .registerExecutor(Fixture.registration(0, recipient: sender)), value: 2 * Fixture.ether)
        let (_, nothing) = try chain.call(.exitExecutor(key: Fixture.key(0)), sender: 0)
        #expect(nothing == [])
        let (_, left) = try chain.call(.exitExecutor(key: Fixture.key(0)), sender: 1)
        #expect(left == [.executorLeft(Fixture.key(0))])
    }
}
