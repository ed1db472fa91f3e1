import ChoraleBase
import Codec
import Connection
import Crypto
import Multistream
import Node
import Noise
import PeerIdentity
import Swarm
import Yamux

/// A host that speaks Noise and Yamux like everybody, and means harm.
///
/// It dials its victims, does its kind of harm every `tick`, and dials again when it was thrown out.
final class Attacker: Participant {
    /// What an attacker does.
    enum Kind: String, CaseIterable {
        /// Subscribes to ever new topics.
        case subscriptions
        /// Announces messages that it never sends, asks for messages that nobody has, grafts itself
        /// against every PRUNE.
        case control
        /// Publishes messages that break the network's signing policy.
        case invalidMessages
        /// Publishes announcements of bodies that are none.
        case announcements
        /// Opens streams and resets them at once.
        case streams
        /// Puts invalid records and provides random keys.
        case records
        /// Sends bytes that are no handshake, and frames that are no RPC.
        case garbage
        /// Asks and asks, and never reads the answers.
        case slowReader
    }

    struct Target {
        let address: Multiaddr
        let peer: PeerID
    }

    /// One socket.
    final class Link {
        let id: ConnectionID
        let target: Target
        /// Nil for a link that does not even shake hands.
        var machine: Connection?
        var raw: [UInt8] = []
        var isUp = false
        var gossip: StreamID?
        /// Streams opened in the last tick, to be reset in this one.
        var opened: [StreamID] = []
        var tickCount = 0

        init(id: ConnectionID, target: Target) {
            self.id = id
            self.target = target
        }
    }

    static let tick: Duration = .milliseconds(100)
    static let redialInterval: Duration = .seconds(1)

    let kind: Kind
    let peer: PeerID
    let topic: String
    let announcementTopic: String
    let kademliaProtocol: String
    var random: DeterministicRandom
    private let credentials: NoiseCredentials
    private let targets: [Target]
    /// By socket, in the order they were asked for.
    private(set) var links: [Link] = []
    private var redials: [(at: MonotonicInstant, target: Target)] = []
    private var nextTickAt: MonotonicInstant = .zero
    private var nextConnection: UInt64 = 2
    private(set) var dialCount = 0

    init(
        _ kind: Kind, identity: IdentityKey, staticKey: SecretBytes, targets: [Target],
        topic: String, configuration: NodeConfiguration, seed: UInt64
    ) {
        self.kind = kind
        self.peer = identity.peerID
        self.topic = topic
        self.targets = targets
        announcementTopic = configuration.topic("witness_announce")
        kademliaProtocol = configuration.kademliaProtocol
        credentials = NoiseCredentials(identity: identity, staticKey: staticKey)
        random = DeterministicRandom(seed: seed)
    }

    var nextDeadline: MonotonicInstant? {
        var deadline = nextTickAt
        for redial in redials { deadline = min(deadline, redial.at) }
        return deadline
    }

    func handle(_ input: NodeInput, now: Now, into outputs: inout [NodeOutput]) {
        switch input {
        case .start:
            nextTickAt = now.instant.advanced(by: Self.tick)
            for target in targets { dial(target, into: &outputs) }
        case .connected(let id, _, let ephemeral):
            guard let link = link(id) else { return }
            // Every other socket of garbage is garbage from the first byte on.
            if kind == .garbage, id.rawValue.isMultiple(of: 4) {
                link.raw = random.bytes(count: 4096)
            } else {
                link.machine = makeMachine(link.target, ephemeral, now: now)
            }
            outputs.append(.wantsToTransmit(id))
        case .disconnected(let id, _, _):
            guard let index = links.firstIndex(where: { $0.id == id }) else { return }
            let link = links.remove(at: index)
            redials.append((now.instant.advanced(by: Self.redialInterval), link.target))
        case .timeout:
            while let first = redials.first, first.at <= now.instant {
                redials.removeFirst()
                dial(first.target, into: &outputs)
            }
            guard now.instant >= nextTickAt else { return }
            nextTickAt = now.instant.advanced(by: Self.tick)
            for link in links where link.isUp {
                link.tickCount += 1
                harm(link, now: now, into: &outputs)
                outputs.append(.wantsToTransmit(link.id))
            }
        default:
            break
        }
    }

    private func makeMachine(
        _ target: Target, _ ephemeral: SecretBytes, now: Now
    ) -> Connection {
        var limits = Connection.Limits()
        limits.yamux.outboundStreamsMax = 100_000
        limits.yamux.unacknowledgedStreamsMax = 100_000
        return Connection(
            role: .dialer(expected: target.peer), credentials: credentials, ephemeral: ephemeral,
            inboundProtocols: ProtocolTable(["/meshsub/1.1.0"]), limits: limits, now: now.instant)
    }

    private func link(_ id: ConnectionID) -> Link? { links.first { $0.id == id } }

    private func dial(_ target: Target, into outputs: inout [NodeOutput]) {
        let id = ConnectionID(nextConnection)
        nextConnection += 2
        dialCount += 1
        links.append(Link(id: id, target: target))
        outputs.append(.dial(id, target.address, timeout: .seconds(5)))
    }

    // MARK: Bytes

    func receive(
        _ id: ConnectionID, _ bytes: inout MutableSpan<UInt8>, now: Now,
        into outputs: inout [NodeOutput]
    ) -> Int {
        guard let link = link(id), link.machine != nil else { return bytes.count }
        var events: [Connection.Event] = []
        let consumed =
            link.machine?.receive(&bytes, now: now.instant, into: &events) ?? bytes.count
        for event in events {
            switch event {
            case .established:
                link.isUp = true
                begin(link, now: now, into: &outputs)
            case .data(let stream, let range):
                link.machine?.consumed(stream, count: range.count, now: now.instant)
            case .reset(let stream, _), .streamFailed(let stream, _), .closed(let stream):
                // Thrown off its stream it opens another.
                if stream == link.gossip { begin(link, now: now, into: &outputs) }
            case .failed:
                outputs.append(.close(id))
            default:
                break
            }
        }
        outputs.append(.wantsToTransmit(id))
        return consumed
    }

    func transmit(
        _ id: ConnectionID, into buffer: inout [UInt8], sizeMax: Int, now: Now,
        outputs: inout [NodeOutput]
    ) -> Bool {
        guard let link = link(id) else { return false }
        buffer.append(contentsOf: link.raw)
        link.raw = []
        var events: [Connection.Event] = []
        link.machine?.transmit(
            into: &buffer, sizeMax: sizeMax, now: now.instant, events: &events)
        return link.machine?.hasOutput ?? false
    }
}
