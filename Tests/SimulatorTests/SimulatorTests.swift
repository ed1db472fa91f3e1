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
