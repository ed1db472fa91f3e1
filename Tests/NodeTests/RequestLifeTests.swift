import ChoraleBase
import ChoraleTypes
import Codec
import Connection
import Crypto
import PeerIdentity
import RequestResponse
import Swarm
import Testing
import Yamux

@testable import Node

@Suite struct RequestLifeTests {
    private static let now = Now(instant: .zero, wall: WallTime(milliseconds: 1_800_000_000_000))

    private static func identity(_ index: Int) -> IdentityKey {
        var seed = [UInt8](repeating: 7, count: 32)
        seed[0] = UInt8(index & 0xFF)
        seed[1] = UInt8(index >> 8)
        return IdentityKey(ed25519Seed: SecretBytes(copying: seed.span))
    }

    /// Peers come, ask three things at once, and leave in any order, the waiting request first. More
    /// of them than are remembered: then one more is still answered.
    @Test func aWaitingRequestThatLeavesFreesItsPlace() throws {
        var node = Node(
            configuration: NodeConfiguration(
                identity: Self.identity(0),
                noiseStaticKey: SecretBytes(copying: [UInt8](repeating: 2, count: 32)),
                networkDigest: [1, 2, 3, 4], addressPolicy: .local, seed: 1), now: Self.now)
        let connectionID = ConnectionID(1)
        let address = Multiaddr.tcp(ip: .ip4(.loopback), port: 1)
        node.add(
            connectionID, role: .listener, local: address, remote: address,
            SecretBytes(copying: [UInt8](repeating: 3, count: 32)), now: Self.now)
        let connection = try #require(node.connections[connectionID])
        var outputs: [NodeOutput] = []
        var streamCount: UInt32 = 0

        func ask(_ peer: PeerID, _ node: inout Node) throws -> Stream {
            streamCount += 1
            let session = RequestSession(
                id: .init(UInt64(streamCount)), peer: peer, requestProtocol: .ping, role: .server)
            let stream = Stream(
                id: try #require(StreamID(streamCount)), connection: connection,
                kind: .requestServer, frameSizeMax: 0)
            stream.request = session
            node.requestSessions[session.id] = session
            node.schedule(into: &outputs, now: Self.now) { scheduler, results in
                scheduler.arrived(
                    session.id, from: peer, .ping, cost: 1, now: Self.now.instant, into: &results)
            }
            return stream
        }

        let limit = RequestScheduler<PeerID>.Limits().peerCountMax
        for number in 0..<limit {
            let peer = Self.identity(number).peerID
            let streams = [
                try ask(peer, &node), try ask(peer, &node), try ask(peer, &node),
            ]
            for index in [2, 0, 1] {
                node.requestStreamEnded(streams[index], .finished, now: Self.now, into: &outputs)
            }
        }
        #expect(node.requestSessions.isEmpty)
        let waiting = node.requestScheduler.waitingCount
        #expect(waiting == 0)
        let before = node.requestScheduler.counters
        #expect(before.served == UInt64(2 * limit) && before.inboundAbandoned == UInt64(limit))
        _ = try ask(Self.identity(limit).peerID, &node)
        let after = node.requestScheduler.counters
        #expect(after.served == before.served + 1 && after.rateLimited == 0)
    }
}
