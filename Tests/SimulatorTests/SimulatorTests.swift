import ChoraleBase
import Codec
import Node
import PeerIdentity
import Swarm
import Testing

@testable import Simulator

@Suite struct SimulationTests {
    private func pair(seed: UInt64 = 1) -> (Simulation, HostIndex, HostIndex) {
        let simulation = Simulation(seed: seed)
        let first = simulation.addHost()
        let second = simulation.addHost()
        simulation.start(first)
        simulation.start(second)
        simulation.run(for: .seconds(1))
        return (simulation, first, second)
    }

    private func target(_ simulation: Simulation, _ host: HostIndex) -> Multiaddr {
        let address = simulation.address(of: host)
        return (try? address.appending(.p2p(simulation.peerID(of: host).multihash))) ?? address
    }

    @Test func twoNodesConnectIdentifyAndPing() {
        let (simulation, first, second) = pair()
        let ping = simulation.command(second, .ping(target(simulation, first), count: 3))
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

    @Test func differentSeedsGiveDifferentTraces() {
        var digests: Set<Bytes32> = []
        for seed in [UInt64(1), 1, 2] {
            let (simulation, first, second) = pair(seed: seed)
            simulation.command(second, .addPeer(target(simulation, first)))
            simulation.run(for: .seconds(5))
            digests.insert(simulation.trace.digest)
        }
        #expect(digests.count == 2)
    }

    private func disconnects(
        _ act: (Simulation, HostIndex, HostIndex) -> Void, within limit: Duration
    ) -> [HostIndex: DisconnectReason] {
        let (simulation, first, second) = pair()
        simulation.command(second, .addPeer(target(simulation, first)))
        simulation.run(for: .seconds(2))
        var reasons: [HostIndex: DisconnectReason] = [:]
        simulation.onEvent = { host, event in
            if case .peerDisconnected(_, let reason) = event { reasons[host] = reason }
        }
        act(simulation, first, second)
        simulation.run(for: limit)
        return reasons
    }

    @Test func aCrashResetsTheSocketsOfOthers() {
        let reasons = disconnects(
            { simulation, first, _ in simulation.crash(first) }, within: .milliseconds(50))
        #expect(reasons == [HostIndex(1): .remoteReset])
    }

    @Test func aStoppedNodeClosesItsSockets() {
        let reasons = disconnects(
            { simulation, first, _ in simulation.stop(first) }, within: .seconds(5))
        #expect(reasons[HostIndex(0)] == .shutdown)
        #expect(reasons[HostIndex(1)] != nil)
    }

    /// Nothing crosses a partition, the end of a crashed host's sockets no more than bytes; both sides
    /// find out by themselves.
    @Test func aPartitionIsNoticedByTheWritersTimeout() {
        let early = disconnects({ $0.partition([[$1], [$2]]) }, within: .seconds(9))
        #expect(early.isEmpty)
        let late = disconnects({ $0.partition([[$1], [$2]]) }, within: .seconds(60))
        #expect(late == [HostIndex(0): .writeStalled, HostIndex(1): .writeStalled])
    }

    @Test func aHealedPartitionIsForgottenByNewConnections() {
        let (simulation, first, second) = pair()
        simulation.partition([[first], [second]])
        let failing = simulation.command(second, .addPeer(target(simulation, first)))
        simulation.run(for: .seconds(30))
        guard case .failed? = simulation.result(of: failing).replies.last else {
            Issue.record("\(simulation.result(of: failing))")
            return
        }
        simulation.heal()
        let working = simulation.command(second, .addPeer(target(simulation, first)))
        simulation.run(for: .seconds(2))
        guard case .added? = simulation.result(of: working).replies.last else {
            Issue.record("\(simulation.result(of: working))")
            return
        }
    }
}

/// A participant that sends numbered bytes and notes what it gets.
private final class Talker: Participant {
    let target: Multiaddr?
    var toSend: Int
    var received: [UInt8] = []
    var ended: [DisconnectReason] = []
    /// Told at the next timeout.
    var orders: [NodeOutput] = []
    var orderAt: MonotonicInstant?
    private var sent = 0

    init(target: Multiaddr? = nil, toSend: Int = 0) {
        self.target = target
        self.toSend = toSend
    }

    var nextDeadline: MonotonicInstant? { orderAt }

    func handle(_ input: NodeInput, now: Now, into outputs: inout [NodeOutput]) {
        switch input {
        case .start:
            if let target {
                outputs.append(.dial(ConnectionID(2), target, timeout: .seconds(5)))
            } else {
                outputs.append(.listen(ListenerID(0), Multiaddr.tcp(ip: .ip4(.any), port: 1)))
            }
        case .connected(let id, _, _): outputs.append(.wantsToTransmit(id))
        case .disconnected(_, let reason, _): ended.append(reason)
        case .timeout where orderAt.map { $0 <= now.instant } == true:
            outputs += orders
            orderAt = nil
        default: break
        }
    }

    func receive(
        _ id: ConnectionID, _ bytes: inout MutableSpan<UInt8>, now: Now,
        into outputs: inout [NodeOutput]
    ) -> Int {
        // Leaves a rest, which must come again in front of what follows.
        let count = bytes.count > 1 ? bytes.count - 1 : bytes.count
        for index in 0..<count { received.append(bytes[index]) }
        return count
    }

    func transmit(
        _ id: ConnectionID, into buffer: inout [UInt8], sizeMax: Int, now: Now,
        outputs: inout [NodeOutput]
    ) -> Bool {
        let count = min(sizeMax, toSend - sent)
        for index in 0..<count { buffer.append(UInt8(truncatingIfNeeded: (sent + index) / 7)) }
        sent += count
        return sent < toSend
    }
}

@Suite struct WireTests {
    private func talk(
        size: Int, conditions: NetworkConditions = NetworkConditions(),
        pausesAt pause: Duration? = nil, for duration: Duration
    ) -> (Simulation, writer: Talker, reader: Talker) {
        let simulation = Simulation(seed: 3, conditions: conditions)
        let listener = simulation.addHost()
        let dialer = simulation.addHost()
        let reader = Talker()
        let writer = Talker(target: simulation.address(of: listener), toSend: size)
        if let pause {
            reader.orders = [.pauseReading(.inbound(0))]
            reader.orderAt = MonotonicInstant.zero.advanced(by: pause)
        }
        simulation.start(listener, reader)
        simulation.run(for: .milliseconds(1))
        simulation.start(dialer, writer)
        simulation.run(for: duration)
        return (simulation, writer, reader)
    }

    private func expected(_ size: Int) -> [UInt8] {
        (0..<size).map { UInt8(truncatingIfNeeded: $0 / 7) }
    }

    @Test(arguments: [0, 50, 500])
    func bytesArriveInOrderAndUnchanged(lossPerMille: Int) {
        var conditions = NetworkConditions()
        conditions.lossPerMille = lossPerMille
        let size = 1 << 20
        let (_, _, reader) = talk(size: size, conditions: conditions, for: .seconds(120))
        // The reader never takes the last byte of what it is shown.
        #expect(reader.received == expected(size - 1))
    }

    @Test func theUplinkBoundsTheRate() {
        let (_, _, reader) = talk(size: 8 << 20, for: .seconds(1))
        // 0.94 s of 6.25 MB/s after the handshake, less what is under way.
        #expect((5_400_000...6_000_000).contains(reader.received.count))
    }

    @Test func aReaderThatPausesStopsTheWriterAndThenLosesTheConnection() {
        let conditions = NetworkConditions()
        let (simulation, writer, reader) = talk(
            size: 8 << 20, pausesAt: .milliseconds(100), for: .seconds(9))
        let traffic = simulation.traffic(of: HostIndex(1)).sent
        let read = UInt64(reader.received.count)
        #expect(traffic <= read + UInt64(conditions.socketBufferSize) + 2 * 16 * 1024)
        #expect(writer.ended.isEmpty)
        simulation.run(for: .seconds(3))
        #expect(writer.ended == [.writeStalled])
        #expect(reader.ended == [.remoteReset])
    }

    @Test func aReaderThatResumesGetsEverythingInOrder() {
        let size = 4 << 20
        let (simulation, writer, reader) = talk(
            size: size, pausesAt: .milliseconds(100), for: .seconds(5))
        reader.orders = [.resumeReading(.inbound(0))]
        reader.orderAt = simulation.now.advanced(by: .milliseconds(1))
        simulation.step(with: HostIndex(0))
        simulation.run(for: .seconds(10))
        #expect(reader.received == expected(size - 1))
        #expect(writer.ended.isEmpty)
    }
}
