import ChoraleBase
import ChoraleTypes
import Codec
import PeerIdentity

@testable import Kademlia

/// One machine on a bench: inputs by hand, outputs to look at.
struct Bench: ~Copyable {
    var machine: Kademlia
    var now = Now(
        instant: .zero, wall: WallTime(milliseconds: 1_800_000_000_000))
    let local: PeerID
    var random = DeterministicRandom(seed: 77)
    private var nextInbound: UInt64 = 1

    init(
        configuration: Kademlia.Configuration = .test, limits: Kademlia.Limits = .init(),
        seed: UInt64 = 1
    ) {
        var random = DeterministicRandom(seed: seed)
        local = TestNetwork.peer(&random)
        machine = Kademlia(
            localPeer: local, configuration: configuration, limits: limits, random: random)
        _ = input(.listenAddressesChanged([Self.address(1)]))
    }

    static func ip(_ index: Int) -> IPAddress { TestNetwork.ip(index) }

    static func address(_ index: Int) -> Multiaddr { .tcp(ip: ip(index), port: 4001) }

    mutating func input(_ input: Kademlia.Input) -> [Kademlia.Output] {
        var outputs: [Kademlia.Output] = []
        machine.handle(input, now: now, into: &outputs)
        return outputs
    }

    mutating func wait(_ duration: Duration) -> [Kademlia.Output] {
        now.instant = now.instant.advanced(by: duration)
        now.wall = now.wall.advanced(by: duration)
        return input(.timeout)
    }

    mutating func peer() -> PeerID { TestNetwork.peer(&random) }

    mutating func inboundID() -> Kademlia.InboundRequestID {
        defer { nextInbound += 1 }
        return .init(nextInbound)
    }

    /// Delivers a request and runs its validations at once.
    mutating func request(_ bytes: [UInt8], from peer: PeerID) -> [Kademlia.Output] {
        var outputs = input(.requestReceived(inboundID(), from: peer, bytes))
        outputs += runJobs(outputs)
        return outputs
    }

    mutating func request(
        _ message: KademliaMessage, from peer: PeerID
    ) -> [Kademlia.Output] {
        request(message.encoded(sizeMax: 1 << 20), from: peer)
    }

    mutating func runJobs(_ outputs: [Kademlia.Output]) -> [Kademlia.Output] {
        var pending = outputs
        var result: [Kademlia.Output] = []
        while !pending.isEmpty {
            var next: [Kademlia.Output] = []
            for output in pending {
                if case .validate(let id, let job) = output {
                    next += input(.validated(id, job.run(wall: now.wall)))
                }
            }
            result += next
            pending = next
        }
        return result
    }

    /// A peer that is connected, was probed, answered, and is in the table.
    mutating func addToTable(_ index: Int, peer: PeerID? = nil) -> PeerID {
        let peer = peer ?? self.peer()
        let outputs = input(
            .peerIdentified(
                peer, addresses: [Self.address(index)], supportsServer: true,
                remote: Self.ip(index)))
        for request in outputs.requests where request.to == peer {
            _ = input(.responseReceived(request.id, KademliaMessage(kind: .findNode).bytes))
        }
        return peer
    }

    mutating func put(_ key: [UInt8], _ value: [UInt8], from peer: PeerID) -> [Kademlia.Output] {
        var message = KademliaMessage(kind: .putValue, key: key)
        message.record = .init(key: key, value: value, timeReceived: nil)
        return request(message, from: peer)
    }
}

extension KademliaMessage {
    var bytes: [UInt8] { encoded(sizeMax: 1 << 20) }
}

struct SentRequest {
    let id: Kademlia.RPCID
    let to: PeerID
    let addresses: [Multiaddr]
    let message: KademliaMessage
    let expectsAnswer: Bool
}

extension [Kademlia.Output] {
    var requests: [SentRequest] {
        compactMap {
            guard case .sendRequest(let id, let to, let addresses, let bytes, let expects, _) = $0
            else { return nil }
            return SentRequest(
                id: id, to: to, addresses: addresses,
                message: try! KademliaMessage.decode(bytes, limits: .init(.init())),
                expectsAnswer: expects)
        }
    }

    var refusals: [Kademlia.RefusalReason] {
        compactMap { if case .refuse(_, let reason) = $0 { reason } else { nil } }
    }

    var responses: [KademliaMessage] {
        compactMap {
            guard case .respond(_, let bytes) = $0 else { return nil }
            return try! KademliaMessage.decode(bytes, limits: .init(.init()))
        }
    }

    var faults: [Kademlia.PeerFault] {
        compactMap { if case .peerFault(_, let fault) = $0 { fault } else { nil } }
    }

    var results: [Kademlia.QueryResult] {
        compactMap { if case .queryFinished(_, let result) = $0 { result } else { nil } }
    }

    var writes: [StoreWrite] {
        flatMap { if case .store(let writes) = $0 { writes } else { [StoreWrite]() } }
    }

    var events: [Kademlia.Event] {
        compactMap { if case .event(let event) = $0 { event } else { nil } }
    }

    var acknowledgementCount: Int {
        reduce(0) { if case .acknowledge = $1 { $0 + 1 } else { $0 } }
    }
}
