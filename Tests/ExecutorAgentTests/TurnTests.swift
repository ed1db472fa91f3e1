import ChoraleBase
import Operations
import Testing

@testable import ExecutorAgent

/// Whose turn it is, and who was first.
@Suite struct TurnTests {
    static let name = OperationChain.name("op")

    /// A world with one request, and the nodes of the primary and the standbys, all with the bodies.
    static func world(ranks: [Int]) throws -> (World, [Int: ExecutorNode]) {
        var world = try World()
        try world.chain.request([Sample.small.request()])
        var nodes: [Int: ExecutorNode] = [:]
        for rank in ranks {
            let node = ExecutorNode(world.chain.elected(name, rank: rank))
            node.bodies = Sample.small.bodies
            nodes[rank] = node
            world.nodes[world.chain.elected(name, rank: rank)] = node
        }
        return (world, nodes)
    }

    @Test func aStandbyBeginsAtItsTurn() throws {
        var (world, nodes) = try Self.world(ranks: [1, 2])
        for node in nodes.values {
            node.start(world.chain)
            node.run()
        }
        // The primary is dead.
        let turn = world.chain.turn(Self.name, rank: 1)
        #expect(turn == 23)
        try world.pass(to: turn - 1)
        #expect(nodes[1]!.commitments.isEmpty)
        #expect(nodes[1]!.events == [.elected(operation: Self.name, rank: 1, turn: turn)])
        #expect(nodes[1]!.agent.info().jobs.map(\.state) == ["standby"])
        try world.block()
        #expect(nodes[1]!.commitments.count == 1)
        try world.block()
        #expect(world.chain.operation(Self.name)?.status == .committed)
        // The second need not.
        try world.pass(to: 50)
        #expect(nodes[2]!.commitments.isEmpty && nodes[2]!.proving.isEmpty)
        #expect(nodes[2]!.events == [.elected(operation: Self.name, rank: 2, turn: 43)])
        try world.settle(Self.name, by: nodes[1]!)
        #expect(nodes[1]!.events.last == .settled(operation: Self.name))
        #expect(world.chain.refused.isEmpty)
    }

    @Test func renewalsMoveTheStandbysTurn() throws {
        var (world, nodes) = try Self.world(ranks: [0, 1])
        let (primary, standby) = (nodes[0]!, nodes[1]!)
        primary.hasWorker = false
        for node in [primary, standby] {
            node.start(world.chain)
            node.run()
        }
        primary.work()
        primary.run()
        // Executed: a tenth.
        #expect(primary.renewals.map(\.content.progress) == [100])
        #expect(primary.renewals.allSatisfy { $0.isSigned(network: OperationChain.network) })
        try world.pass(to: 18)
        // It is on chain, and not said again.
        #expect(primary.renewals.count == 1)
        #expect(world.chain.operation(Self.name)?.election?.progress == 100)
        // Two parts in one block: one renewal, and the other with the next block.
        for _ in 0..<2 {
            primary.work()
            primary.run()
        }
        #expect(primary.renewals.map(\.content.progress) == [100, 400])
        try world.block()
        #expect(primary.renewals.map(\.content.progress) == [100, 400, 700])
        try world.block()
        #expect(world.chain.operation(Self.name)?.election?.progress == 700)
        // A sixth of sixty blocks from then.
        #expect(world.chain.turn(Self.name, rank: 1) == 30)
        try world.pass(to: 29)
        #expect(standby.events.count == 1)
        primary.hasWorker = true
        primary.run()
        try world.block()
        #expect(primary.commitments.count == 1)
        #expect(world.chain.operation(Self.name)?.commitment?.executor == primary.agent.key)
        #expect(standby.proving.isEmpty)
        #expect(world.chain.refused.isEmpty)
    }

    /// A renewal that was lost is said again, as long as it would count.
    @Test func aLostRenewalIsSaidAgain() throws {
        var (world, nodes) = try Self.world(ranks: [0])
        let primary = nodes[0]!
        primary.hasWorker = false
        primary.start(world.chain)
        primary.run()
        primary.work()
        primary.run()
        for _ in 0..<8 {
            primary.said = []
            try world.block()
        }
        #expect(primary.renewals.map(\.content.progress) == [100, 100, 100])
        // The standby holds the turn now: nothing would count.
        try world.pass(to: 23)
        let count = primary.renewals.count
        try world.pass(to: 40)
        #expect(primary.renewals.count == count)
        // A result still would.
        primary.hasWorker = true
        primary.run()
        #expect(primary.commitments.count == 1)
    }

    @Test func somebodyElsesCommitmentDropsTheWork() throws {
        var (world, nodes) = try Self.world(ranks: [0, 1])
        let (primary, standby) = (nodes[0]!, nodes[1]!)
        primary.hasWorker = false
        for node in [primary, standby] {
            node.start(world.chain)
            node.run()
        }
        try world.pass(to: 24)
        // The standby was first, while the primary's worker was at it.
        #expect(world.chain.operation(Self.name)?.commitment?.executor == standby.agent.key)
        #expect(primary.events.last == .dropped(operation: Self.name))
        #expect(primary.agent.info().jobs.map(\.state) == ["superseded"])
        primary.hasWorker = true
        primary.run()
        #expect(primary.proving.isEmpty && primary.commitments.isEmpty)
        // The commitment is wrong: it is the primary's turn again.
        try world.block(verdicts: [world.chain.verdict(Self.name, .rejected)])
        #expect(primary.commitments.count == 1)
        #expect(
            standby.events.last
                == .failed(operation: Self.name, "its commitment was rejected"))
        #expect(standby.agent.info().bond == nil)
        try world.block()
        #expect(world.chain.operation(Self.name)?.commitment?.executor == primary.agent.key)
        try world.settle(Self.name, by: primary)
        #expect(primary.events.last == .settled(operation: Self.name))
        #expect(standby.commitments.count == 1)
        #expect(world.chain.refused.isEmpty)
    }

    @Test func behindARejectedCommitmentTheNextOneNeedNotWait() throws {
        var (world, nodes) = try Self.world(ranks: [0, 1])
        for node in nodes.values {
            node.start(world.chain)
            node.run()
        }
        try world.block()
        #expect(
            world.chain.operation(Self.name)?.commitment?.executor == nodes[0]!.agent.key)
        try world.block(verdicts: [world.chain.verdict(Self.name, .rejected)])
        #expect(
            nodes[0]!.events.last
                == .failed(operation: Self.name, "its commitment was rejected"))
        try world.block()
        try world.block()
        #expect(
            world.chain.operation(Self.name)?.commitment?.executor == nodes[1]!.agent.key)
        // Nor does the first one try again after a restart.
        nodes[0]!.restart(world.chain)
        nodes[0]!.run()
        try world.settle(Self.name, by: nodes[1]!)
        #expect(nodes[0]!.commitments.count == 1)
        #expect(nodes[1]!.events.last == .settled(operation: Self.name))
        #expect(world.chain.refused.isEmpty)
    }

    @Test func anExecutorThatIsNoneAnyMoreStops() throws {
        var (world, nodes) = try Self.world(ranks: [0])
        let primary = nodes[0]!
        primary.hasWorker = false
        primary.start(world.chain)
        primary.run()
        let index = world.chain.elected(Self.name, rank: 0)
        try world.block(
            logs: [
                ContractEvent.executorExit(
                    key: primary.agent.key, from: OperationChain.address(100 + index)
                ).log
            ])
        #expect(primary.events.last == .dropped(operation: Self.name))
        primary.hasWorker = true
        primary.run()
        try world.pass(to: 64)
        #expect(primary.commitments.isEmpty && primary.proving.isEmpty)
        #expect(primary.agent.info().jobs.isEmpty)
    }
}
