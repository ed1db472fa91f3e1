import ChoraleBase
import Crypto
import Gossipsub
import PeerIdentity

/// One machine, and peers that are played by the test: frames are typed in and read back.
final class Bench {
    static let topic: Gossipsub.Topic = "t"

    var machine: Gossipsub
    var now = MonotonicInstant.zero
    var outputs: [Gossipsub.Output] = []

    init(
        seed: UInt64 = 1,
        subscribed: Bool = true,
        _ configure: (inout Gossipsub.Configuration) -> Void = { _ in }
    ) {
        var configuration = Gossipsub.Configuration(
            localPeer: TestNetwork.unsignedID(5000), signaturePolicy: .strictNoSign)
        configuration.topics = [digestTopic(Self.topic)]
        configure(&configuration)
        machine = Gossipsub(
            configuration: configuration, random: DeterministicRandom(seed: seed),
            now: Now(instant: .zero, wall: WallTime(milliseconds: 0)))
        if subscribed { handle(.subscribe(Self.topic)) }
    }

    var clock: Now {
        Now(instant: now, wall: WallTime(milliseconds: now.nanoseconds / 1_000_000))
    }

    static func peer(_ index: Int) -> PeerID { TestNetwork.unsignedID(index) }

    func handle(_ input: Gossipsub.Input) {
        machine.handle(input, now: clock, into: &outputs)
        if let fault = machine.checkInvariants() { fatalError("invariant \(fault)") }
    }

    /// Lets time pass, with timeouts exactly when the machine asks for them.
    func run(_ duration: Duration) {
        let end = now.advanced(by: duration)
        while let deadline = machine.nextDeadline, deadline <= end {
            now = max(now, deadline)
            handle(.timeout)
        }
        now = end
    }

    /// Connects a peer that has the topic.
    func connect(
        _ index: Int,
        version: Gossipsub.Version = .v1_2,
        direction: Gossipsub.Direction = .inbound,
        group: Gossipsub.AddressGroup? = nil,
        isDirect: Bool = false,
        subscribes: Bool = true
    ) {
        handle(
            .peerConnected(
                Self.peer(index),
                Gossipsub.Connection(
                    version: version, direction: direction, addressGroup: group,
                    isDirect: isDirect)))
        if subscribes { receive(index, RPC(subscriptions: [(Self.topic, true)])) }
    }

    func receive(_ index: Int, _ rpc: RPC) {
        handle(.rpcReceived(Self.peer(index), rpc.encoded))
    }

    /// Everything that waits for a peer, as RPCs.
    func drain(_ index: Int) -> [RPC] {
        var rpcs: [RPC] = []
        while let frame = machine.dequeue(Self.peer(index), now: clock, into: &outputs) {
            rpcs.append(RPC(TestNetwork.payload(frame.bytes)))
        }
        return rpcs
    }

    func drainAll(_ indices: Range<Int>) { for index in indices { _ = drain(index) } }

    func takeOutputs() -> [Gossipsub.Output] {
        defer { outputs = [] }
        return outputs
    }

    func takeEvents() -> [Gossipsub.Event] {
        takeOutputs().compactMap { if case .event(let event) = $0 { event } else { nil } }
    }

    func takeDelivered() -> [Gossipsub.ReceivedMessage] {
        takeOutputs().compactMap { if case .deliver(let message) = $0 { message } else { nil } }
    }

    var mesh: [PeerID] { machine.meshSnapshot()[0].mesh }

    func isInMesh(_ index: Int) -> Bool { mesh.contains(Self.peer(index)) }

    func score(_ index: Int) -> Double { machine.explain(Self.peer(index), now: clock)!.total }
}

/// An RPC as a test writes and reads it: a second, independent codec beside the machine's.
struct RPC: Equatable {
    struct Prune: Equatable {
        var topic: String
        var backoff: UInt64?
        var peers: [[UInt8]] = []
        var records: [[UInt8]] = []
    }

    struct Message: Equatable {
        var from: [UInt8]?
        var data: [UInt8]?
        var sequenceNumber: [UInt8]?
        var topic: String?
        var signature: [UInt8]?
        var key: [UInt8]?

        init(_ data: [UInt8], topic: Gossipsub.Topic = Bench.topic) {
            self.data = data
            self.topic = topic.description
        }

        init() {}
    }

    struct Subscription: Equatable {
        var topic: String
        var isSubscribed: Bool
    }

    struct IHave: Equatable {
        var topic: String
        var ids: [[UInt8]]
    }

    var subscriptions: [Subscription] = []
    var messages: [Message] = []
    var ihave: [IHave] = []
    var iwant: [[UInt8]] = []
    var grafts: [String] = []
    var prunes: [Prune] = []
    var dontWant: [[UInt8]] = []

    init(
        subscriptions: [(Gossipsub.Topic, Bool)] = [],
        messages: [Message] = [],
        ihave: [[UInt8]] = [],
        iwant: [[UInt8]] = [],
        grafts: [Gossipsub.Topic] = [],
        prunes: [Prune] = [],
        dontWant: [[UInt8]] = []
    ) {
        self.subscriptions = subscriptions.map {
            Subscription(topic: $0.0.description, isSubscribed: $0.1)
        }
        self.messages = messages
        self.ihave = ihave.isEmpty ? [] : [IHave(topic: Bench.topic.description, ids: ihave)]
        self.iwant = iwant
        self.grafts = grafts.map(\.description)
        self.prunes = prunes
        self.dontWant = dontWant
    }

    var encoded: [UInt8] {
        var bytes: [UInt8] = []
        for entry in subscriptions {
            bytes += Self.field(
                1, [0x08, entry.isSubscribed ? 1 : 0] + Self.field(2, Array(entry.topic.utf8)))
        }
        for message in messages { bytes += Self.field(2, Self.encode(message)) }
        var control: [UInt8] = []
        for entry in ihave {
            control += Self.field(
                1, Self.field(1, Array(entry.topic.utf8)) + entry.ids.flatMap { Self.field(2, $0) })
        }
        if !iwant.isEmpty { control += Self.field(2, iwant.flatMap { Self.field(1, $0) }) }
        for topic in grafts { control += Self.field(3, Self.field(1, Array(topic.utf8))) }
        for prune in prunes {
            var entry = Self.field(1, Array(prune.topic.utf8))
            for (index, peer) in prune.peers.enumerated() {
                let record =
                    index < prune.records.count ? Self.field(2, prune.records[index]) : []
                entry += Self.field(2, Self.field(1, peer) + record)
            }
            if let backoff = prune.backoff { entry += [0x18] + Varint.encoded(backoff) }
            control += Self.field(4, entry)
        }
        if !dontWant.isEmpty { control += Self.field(5, dontWant.flatMap { Self.field(1, $0) }) }
        if !control.isEmpty { bytes += Self.field(3, control) }
        return bytes
    }

    static func encode(_ message: Message) -> [UInt8] {
        var bytes: [UInt8] = []
        if let from = message.from { bytes += field(1, from) }
        if let data = message.data { bytes += field(2, data) }
        if let sequenceNumber = message.sequenceNumber { bytes += field(3, sequenceNumber) }
        if let topic = message.topic { bytes += field(4, Array(topic.utf8)) }
        if let signature = message.signature { bytes += field(5, signature) }
        if let key = message.key { bytes += field(6, key) }
        return bytes
    }

    static func field(_ number: UInt8, _ bytes: [UInt8]) -> [UInt8] {
        [number << 3 | 2] + Varint.encoded(UInt64(bytes.count)) + bytes
    }

    /// Reads what the machine wrote; traps where it is not as declared.
    init(_ bytes: [UInt8]) {
        for (number, value) in Self.fields(bytes) {
            switch number {
            case 1:
                let parts = Self.fields(value)
                subscriptions.append(
                    Subscription(
                        topic: Self.text(parts[1].1), isSubscribed: parts[0].1 == [1]))
            case 2: messages.append(Self.message(value))
            case 3: readControl(value)
            default: fatalError("field \(number) of an RPC")
            }
        }
    }

    private mutating func readControl(_ bytes: [UInt8]) {
        for (kind, entry) in Self.fields(bytes) {
            let parts = Self.fields(entry)
            switch kind {
            case 1:
                ihave.append(
                    IHave(topic: Self.text(parts[0].1), ids: parts.dropFirst().map(\.1)))
            case 2: iwant += parts.map(\.1)
            case 3: grafts.append(Self.text(parts[0].1))
            case 4:
                var prune = Prune(topic: Self.text(parts[0].1))
                for (number, value) in parts.dropFirst() {
                    if number == 3 {
                        prune.backoff = value.reversed().reduce(0) { $0 << 8 | UInt64($1) }
                        continue
                    }
                    for (number, value) in Self.fields(value) {
                        if number == 1 { prune.peers.append(value) }
                        if number == 2 { prune.records.append(value) }
                    }
                }
                prunes.append(prune)
            case 5: dontWant += parts.map(\.1)
            default: fatalError("control field \(kind)")
            }
        }
    }

    private static func message(_ bytes: [UInt8]) -> Message {
        var message = Message()
        for (number, value) in fields(bytes) {
            switch number {
            case 1: message.from = value
            case 2: message.data = value
            case 3: message.sequenceNumber = value
            case 4: message.topic = text(value)
            case 5: message.signature = value
            case 6: message.key = value
            default: fatalError("message field \(number)")
            }
        }
        return message
    }

    private static func text(_ bytes: [UInt8]) -> String { String(decoding: bytes, as: UTF8.self) }

    /// Fields in order; a varint's value as little-endian bytes without leading zeros.
    private static func fields(_ bytes: [UInt8]) -> [(UInt8, [UInt8])] {
        var fields: [(UInt8, [UInt8])] = []
        var offset = 0
        while offset < bytes.count {
            let tag = bytes[offset]
            let value = try! Varint.decode(bytes.span, at: offset + 1)!
            offset += 1 + value.size
            if tag & 7 == 0 {
                var rest = value.value
                var little: [UInt8] = []
                repeat {
                    little.append(UInt8(rest & 255))
                    rest >>= 8
                } while rest > 0
                fields.append((tag >> 3, little))
            } else {
                fields.append((tag >> 3, Array(bytes[offset..<offset + Int(value.value)])))
                offset += Int(value.value)
            }
        }
        return fields
    }
}

/// The identifier that ``digestTopic(_:sizeMax:validation:)`` gives to a payload.
func digestID(_ data: [UInt8]) -> [UInt8] { Array(SHA256.hash(data).bytes.prefix(20)) }
