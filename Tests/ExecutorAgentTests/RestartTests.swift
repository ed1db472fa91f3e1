import ChoraleBase
import ChoraleTypes
import Operations
import Testing

@testable import ExecutorAgent

/// `kill -9`, and what an earlier run has left.
@Suite struct RestartTests {
    static let name = OperationChain.name("op")

    static func primary() throws -> (World, ExecutorNode) {
        var world = try World()
        try world.chain.request([Sample.small.request()])
        let node = ExecutorNode(world.chain.elected(name, rank: 0))
        node.bodies = Sample.small.bodies
        world.nodes[world.chain.elected(name, rank: 0)] = node
        node.start(world.chain)
        return (world, node)
    }

    /// How many inputs the whole of it takes.
    static func whole() throws -> Int {
        var (world, node) = try primary()
        node.run()
        try world.block()
        try world.settle(name, by: node)
        return node.steps
    }

    /// Killed before each input that it takes on its way to the settlement, and once more a little later.
    @Test func killedAtAnyPointItResumes() throws {
        let whole = try Self.whole()
        #expect(whole > 15)
        for (first, second) in (0..<whole).flatMap({ first in [1, 4].map { (first, $0) } }) {
            var (world, node) = try Self.primary()
            var kills = [first, second]
            /// Goes on until it is killed, or there is nothing to do.
            func run() {
                while let steps = kills.first {
                    let before = node.steps
                    node.run(steps: steps)
                    let taken = node.steps - before
                    if taken < steps {
                        kills[0] -= taken
                        return
                    }
                    kills.removeFirst()
                    node.restart(world.chain)
                }
                node.run()
            }
            func block(verdicts: [OperationItem] = [], logs: [ContractLog] = []) throws {
                let said = node.said
                node.said = []
                try world.chain.block(said, verdicts: verdicts, logs: logs)
                node.follow(world.chain)
                run()
            }
            run()
            for _ in 0..<3 { try block() }
            if world.chain.operation(Self.name)?.commitment == nil {
                // What was said last may have been killed with it: blocks later it is said again.
                for _ in 0..<5 { try block() }
            }
            try block(verdicts: world.chain.certificates(Self.name))
            for _ in 0..<8 where node.settlements.isEmpty { try block() }
            let settlement = try #require(node.settlements.first)
            #expect(settlement.output == (try Sample.small.output))
            try block(logs: [ContractEvent.settled(settlement.settlement.event).log])
            node.restart(world.chain)
            node.run()
            #expect(Set(node.commitments).count == 1, "killed at \(first), \(second)")
            #expect(world.chain.operation(Self.name) == nil)
            #expect(node.disk.rows.isEmpty)
            #expect(world.chain.refused.isEmpty)
            #expect(node.shelf[Self.name]?.count == 3)
            #expect(node.published.contains(try Sample.small.output))
            // What is on disk is not proven again.
            #expect(node.provenAgain.isEmpty, "killed at \(first), \(second)")
        }
    }

    /// A commitment that is signed stays the same, whatever the price would be now.
    @Test func whatWasSignedIsSaidAgainAsItWas() throws {
        let (world, node) = try Self.primary()
        node.run()
        node.configuration.pricePercent = 10
        node.restart(world.chain)
        node.run()
        #expect(node.commitments.count == 2)
        #expect(Set(node.commitments).count == 1)
        #expect(node.proving.count == 3)
        // Without the row it would have been another.
        node.disk.rows[ExecutionRow.commitment.key(of: Self.name)] = nil
        node.restart(world.chain)
        node.run()
        #expect(Set(node.commitments).count == 2)
        #expect(node.proving.count == 3)
    }

    /// Rows that are no proof of that part, of that plan, by this executor are not taken for one.
    @Test func rowsOfSomethingElseAreNotTrusted() throws {
        let (world, node) = try Self.primary()
        node.run()
        let proofs = node.shelf[Self.name]!
        func key(_ part: Int) -> [UInt8] { ExecutionRow.proof(part: part).key(of: Self.name) }
        node.disk.rows[ExecutionRow.commitment.key(of: Self.name)] = nil
        // Another part's, half a proof, and rows that no part has.
        node.disk.rows[key(0)] = proofs[1]
        node.disk.rows[key(2)] = Array(proofs[2].prefix(100))
        node.disk.rows[key(60)] = [1, 2, 3]
        node.disk.rows[Self.name.bytes + [200]] = [9]
        node.restart(world.chain)
        node.run()
        #expect(node.proving.dropFirst(3) == ["\(Self.name) 0", "\(Self.name) 2"])
        #expect(node.events.contains(.proven(operation: Self.name, part: 1, of: 3, elapsed: nil)))
        #expect(node.shelf[Self.name] == proofs)
        // A commitment to another output than the row has is none.
        var row = try #require(node.disk.rows[ExecutionRow.commitment.key(of: Self.name)])
        row[row.count - 1] ^= 1
        node.disk.rows[ExecutionRow.commitment.key(of: Self.name)] = row
        let count = node.commitments.count
        node.restart(world.chain)
        node.run()
        #expect(node.commitments.count == count + 1)
    }

    @Test func rowsOfWhatIsOverAreDeleted() throws {
        let (world, node) = try Self.primary()
        var junk: [[UInt8]: [UInt8]] = [[]: [1], [1, 2]: [3]]
        for index in 0..<5 {
            let other = OperationChain.name("over \(index)")
            for part in 0..<3 { junk[ExecutionRow.proof(part: part).key(of: other)] = [1] }
            junk[ExecutionRow.commitment.key(of: other)] = [2]
            junk[other.bytes + [255, 255, 255]] = [3]
        }
        node.disk.rows = junk
        node.restart(world.chain)
        node.run()
        let left = node.disk.rows.keys.filter { !$0.starts(with: Self.name.bytes) }
        // Behind everything that executors write, and so never in their way.
        #expect(left.allSatisfy { $0.count == 35 })
        #expect(node.commitments.count == 1)
        #expect(node.disk.rows.count - left.count == 4)
    }

    @Test func nothingIsBegunBeforeTheScan() throws {
        let (_, node) = try Self.primary()
        node.disk.isFailing = true
        node.run()
        #expect(node.events == [.elected(operation: Self.name, rank: 0, turn: 3)])
        #expect(node.wait())
        #expect(node.events.count == 1)
        node.disk.isFailing = false
        #expect(node.wait())
        #expect(node.commitments.count == 1)
    }

    @Test func nothingIsSaidThatIsNotOnDisk() throws {
        var (world, node) = try Self.primary()
        node.run(steps: 3)
        node.disk.isFailing = true
        node.run()
        #expect(node.proving.count == 3)
        #expect(node.agent.info().jobs.map(\.state) == ["storing"])
        #expect(node.disk.rows.isEmpty && node.commitments.isEmpty && node.published.isEmpty)
        for _ in 0..<3 { #expect(node.wait()) }
        try world.block()
        #expect(node.commitments.isEmpty)
        node.disk.isFailing = false
        #expect(node.wait())
        #expect(node.commitments.count == 1)
        // Its parts could not be written: served they are, so after a restart it is said as before.
        #expect(node.disk.rows.count == 1)
        node.restart(world.chain)
        node.run()
        #expect(node.commitments.count == 2 && Set(node.commitments).count == 1)
        #expect(node.proving.count == 3)
        try world.block()
        #expect(world.chain.operation(Self.name)?.status == .committed)
    }

    @Test func rowsThatCannotBeReadAreReadLater() throws {
        var (world, node) = try Self.primary()
        node.run()
        node.restart(world.chain)
        // The scan's answers are there, those of the operation's rows fail.
        node.run(steps: 2)
        node.disk.isFailing = true
        node.run()
        #expect(node.agent.info().jobs.map(\.state) == ["missing"])
        node.disk.isFailing = false
        #expect(node.wait())
        #expect(node.commitments.count == 2 && Set(node.commitments).count == 1)
        // The same for an output that a settlement waits for.
        try world.block()
        #expect(world.chain.operation(Self.name)?.status == .committed)
        node.disk.isFailing = true
        node.restart(world.chain)
        node.run()
        try world.block(verdicts: world.chain.certificates(Self.name))
        #expect(node.settlements.isEmpty)
        node.disk.isFailing = false
        try world.block()
        #expect(node.settlements.map(\.output) == [try Sample.small.output])
    }

    @Test func proofsAreShelvedAgainUntilTheyAre() throws {
        let (_, node) = try Self.primary()
        node.isShelving = false
        node.run()
        #expect(node.commitments.isEmpty)
        #expect(node.wait())
        #expect(node.commitments.isEmpty)
        node.isShelving = true
        #expect(node.wait())
        #expect(node.commitments.count == 1)
    }

    /// The output is lost with the disk: others can settle, this node does not try with another.
    @Test func withoutTheOutputItDoesNotSettle() throws {
        var (world, node) = try Self.primary()
        node.run()
        try world.block()
        node.disk.rows = [:]
        node.restart(world.chain)
        node.run()
        try world.block(verdicts: world.chain.certificates(Self.name))
        try world.block()
        #expect(node.settlements.isEmpty)
    }
}
