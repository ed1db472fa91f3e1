import ChoraleBase
import Codec
import Node
import PeerIdentity
import Swarm
import Testing

@testable import Simulator

@Suite struct SimulationTests {
    @Test func twoNodesConnectIdentifyAndPing() {
        let simulation = Simulation(seed: 1)
        let first = simulation.addHost()
        let second = simulation.addHost { $0.bootnodes = [] }
        simulation.start(first)
        simulation.start(second)
        simulation.run(for: .seconds(1))
        let address = simulation.address(of: first)
        let target = try? address.appending(.p2p(simulation.peerID(of: first).multihash))
        let ping = simulation.command(second, .ping(target ?? address, count: 3))
        simulation.run(for: .seconds(5))
        let result = simulation.result(of: ping)
        #expect(result.replies.count == 3, "\(result.replies)")
        #expect(result.isFinished)
        for reply in result.replies {
            guard case .pinged(_, let peer, let roundTrip) = reply else {
                Issue.record("not a ping: \(reply)")
                continue
            }
            #expect(peer == simulation.peerID(of: first))
            #expect(roundTrip >= .milliseconds(40) && roundTrip <= .milliseconds(60))
        }
    }
}

@Suite struct TransferTests {
    /// Both measuring protocols, both ways, over a slow wire.
    @Test func perfAndBulkMoveEveryByte() throws {
        let simulation = Simulation(seed: 2)
        let first = simulation.addHost()
        let second = simulation.addHost()
        simulation.start(first)
        simulation.start(second)
        simulation.run(for: .seconds(1))
        let target = try simulation.address(of: first)
            .appending(.p2p(simulation.peerID(of: first).multihash))
        let commands = [
            simulation.command(second, .perf(target, upload: 2_000_001, download: 3_000_000)),
            simulation.command(second, .bulk(target, upload: 1_000_003, download: 2_000_005)),
            simulation.command(second, .bulk(target, upload: 0, download: 0)),
        ]
        simulation.run(for: .seconds(20))
        for command in commands {
            let result = simulation.result(of: command)
            guard result.isFinished, case .perf = result.replies.last else {
                Issue.record("not moved: \(result)")
                continue
            }
        }
    }
}
