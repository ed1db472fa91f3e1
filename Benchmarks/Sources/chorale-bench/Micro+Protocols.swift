import ChoraleBase
import Codec
import Gossipsub
import Kademlia
import PeerIdentity

extension Micro {
    private static let clock = Now(
        instant: .zero, wall: WallTime(milliseconds: 1_700_000_000_000))
    private static let topic: Gossipsub.Topic = "bench"

    private static func peers(_ count: Int) -> [PeerID] {
        (0..<count).map { Configurations.identity(1000 + $0).peerID }
    }

    /// A gossip machine with one topic and peers that are subscribed to it.
    private static func gossip(_ seed: Int, _ peers: [PeerID]) -> Gossipsub {
        let identity = Configurations.identity(seed)
        var configuration = Gossipsub.Configuration(
            localPeer: identity.peerID, signaturePolicy: .strictSign(Gossipsub.SigningKey(identity))
        )
        var parameters = Gossipsub.TopicParameters(topic)
        parameters.validation = .none
        configuration.topics = [parameters]
        var machine = Gossipsub(
            configuration: configuration, random: DeterministicRandom(seed: 1), now: clock)
        var outputs: [Gossipsub.Output] = []
        machine.handle(.subscribe(topic), now: clock, into: &outputs)
        // RPC { subscriptions: [{ subscribe: true, topicid: "bench" }] }
        let name = Array(topic.description.utf8)
        let subscription: [UInt8] = [0x08, 1, 0x12, UInt8(name.count)] + name
        let rpc: [UInt8] = [0x0A, UInt8(subscription.count)] + subscription
        for peer in peers {
            machine.handle(
                .peerConnected(peer, .init(version: .v1_2, direction: .inbound)), now: clock,
                into: &outputs)
            machine.handle(.rpcReceived(peer, rpc), now: clock, into: &outputs)
        }
        return machine
    }

    /// RPCs with one signed message of `size` bytes each, as another node sends them.
    private static func messages(count: Int, size: Int) -> [[UInt8]] {
        let peers = peers(1)
        var publisher = gossip(1, peers)
        var outputs: [Gossipsub.Output] = []
        while publisher.dequeue(peers[0], now: clock, into: &outputs) != nil {}
        var random = DeterministicRandom(seed: 2)
        return (0..<count).map { index in
            publisher.handle(
                .publish(
                    Gossipsub.PublishID(UInt64(index)), topic, data: random.bytes(count: size),
                    .init()),
                now: clock, into: &outputs)
            guard let frame = publisher.dequeue(peers[0], now: clock, into: &outputs) else {
                preconditionFailure("a published message is queued for the only subscriber")
            }
            // Without its length prefix, of at most three bytes here.
            let prefix = frame.bytes.prefix { $0 >= 0x80 }.count + 1
            return Array(frame.bytes.dropFirst(prefix))
        }
    }

    /// Every copy of a message but the first: what most gossip traffic is.
    static func gossipDuplicate() {
        let rpcs = messages(count: 256, size: 1024)
        let peers = peers(8)
        var machine = gossip(3, peers)
        var outputs: [Gossipsub.Output] = []
        func receive(_ rpc: [UInt8], from peer: PeerID) {
            machine.handle(.rpcReceived(peer, rpc), now: clock, into: &outputs)
            for output in outputs {
                guard case .checkSignature(let job, let check) = output else { continue }
                var more: [Gossipsub.Output] = []
                machine.handle(
                    .signatureChecked(job, isValid: check.run()), now: clock, into: &more)
            }
            outputs.removeAll(keepingCapacity: true)
        }
        for rpc in rpcs { receive(rpc, from: peers[0]) }
        for peer in peers {
            while machine.dequeue(peer, now: clock, into: &outputs) != nil {}
        }
        let rate = perSecond(Double(rpcs.count * (peers.count - 1))) {
            for rpc in rpcs {
                for peer in peers.dropFirst() { receive(rpc, from: peer) }
            }
        }
        report("gossip, duplicate of 1 KiB", 1e9 / rate, "ns")
    }

    /// A new message: decoding, signature, relay to the mesh.
    static func gossipFirstCopy() {
        let count = 4096
        let rpcs = messages(count: count, size: 1024)
        let peers = peers(8)
        var machine = gossip(3, peers)
        var outputs: [Gossipsub.Output] = []
        let seconds = cpuSeconds {
            for rpc in rpcs {
                machine.handle(.rpcReceived(peers[0], rpc), now: clock, into: &outputs)
                var more: [Gossipsub.Output] = []
                for output in outputs {
                    guard case .checkSignature(let job, let check) = output else { continue }
                    machine.handle(
                        .signatureChecked(job, isValid: check.run()), now: clock, into: &more)
                }
                outputs.removeAll(keepingCapacity: true)
                for peer in peers {
                    while machine.dequeue(peer, now: clock, into: &outputs) != nil {}
                }
                outputs.removeAll(keepingCapacity: true)
            }
        }
        report(
            "gossip, first copy of 1 KiB with its signature", seconds / Double(count) * 1e6, "µs")
    }

    // MARK: Kademlia

    /// An answer to FIND_NODE from a table of 200 peers.
    static func kademliaAnswer() {
        var configuration = Kademlia.Configuration()
        configuration.addressPolicy = .local
        configuration.mode = .server
        var limits = Kademlia.Limits()
        limits.requestsPerSecond = 1_000_000
        limits.requestBurst = 1 << 30
        var machine = Kademlia(
            localPeer: Configurations.identity(1).peerID, configuration: configuration,
            limits: limits, random: DeterministicRandom(seed: 1))
        var outputs: [Kademlia.Output] = []
        for index in 0..<200 {
            let peer = Configurations.identity(1000 + index).peerID
            let ip = IPAddress.ip4(IPv4Address(rawValue: 0x0A00_0001 + UInt32(index) << 16))
            let address = Multiaddr.tcp(ip: ip, port: 4001)
            machine.handle(
                .peerIdentified(peer, addresses: [address], supportsServer: true, remote: ip),
                now: clock, into: &outputs)
            // A peer enters a bucket once it has answered.
            var probes = outputs
            outputs.removeAll(keepingCapacity: true)
            while let probe = probes.popLast() {
                guard case .sendRequest(let rpc, let to, _, _, _, _) = probe else { continue }
                machine.handle(
                    .responseReceived(rpc, findNodeAnswer(of: to, at: address)), now: clock,
                    into: &probes)
            }
        }
        let requests = (0..<256).map { index -> [UInt8] in
            let key = Configurations.identity(5000 + index).peerID.multihash
            return [0x08, 4, 0x12, UInt8(key.count)] + key
        }
        let requester = Configurations.identity(9000).peerID
        var number: UInt64 = 0
        var answered = 0
        let rate = perSecond(Double(requests.count)) {
            for request in requests {
                number += 1
                machine.handle(
                    .requestReceived(.init(number), from: requester, request), now: clock,
                    into: &outputs)
            }
            for output in outputs {
                if case .respond = output { answered += 1 }
            }
            outputs.removeAll(keepingCapacity: true)
        }
        precondition(answered == Int(number), "every request is answered")
        report("kad, FIND_NODE answered from \(machine.tableSize) peers", 1e6 / rate, "µs")
    }

    /// Message { type: FIND_NODE, closerPeers: [{ id, addrs }] } naming the answerer itself.
    private static func findNodeAnswer(of peer: PeerID, at address: Multiaddr) -> [UInt8] {
        let id = peer.multihash
        let entry: [UInt8] =
            [0x0A, UInt8(id.count)] + id + [0x12, UInt8(address.bytes.count)] + address.bytes
        return [0x08, 4, 0x42, UInt8(entry.count)] + entry
    }
}
