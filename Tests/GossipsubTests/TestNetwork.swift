import ChoraleBase
import Crypto
import Gossipsub
import PeerIdentity
import Testing

/// What a test says about the links between its machines.
struct LinkModel {
    /// One way, drawn per link.
    var latency: ClosedRange<Int> = 1...40  // milliseconds
    /// Of each machine's way out, in bytes a second, shared by its streams chunk by chunk.
    var uplink = 100_000_000
    var chunkSize = 16 * 1024
    /// Bytes of a frame behind the first that may wait in the socket.
    var framesAhead = 0
}

/// A stream in one direction: one frame at a time on its way out, as in a node.
final class TestStream {
    let from: Int
    let to: Int
    let latency: Duration
    var frame: [UInt8] = []
    var sent = 0
    var isActive: Bool { !frame.isEmpty }
    var isCut = false

    init(from: Int, to: Int, latency: Duration) {
        self.from = from
        self.to = to
        self.latency = latency
    }
}

final class TestNode {
    let id: PeerID
    let key: IdentityKey?
    var machine: Gossipsub
    var streams: [Int: TestStream] = [:]
    /// Streams with something on its way out, in turn.
    var ready: [Int] = []
    var isUplinkBusy = false
    var timerAt: MonotonicInstant?
    var bytesOut = 0
    var deliveries: [Gossipsub.MessageID: MonotonicInstant] = [:]
    var deliveredSize = 0
    var receipts: [Gossipsub.PublishID: Gossipsub.PublishReceipt] = [:]
    var outcomes: [Gossipsub.PublishID: Gossipsub.PublishOutcome] = [:]
    var events: [Gossipsub.Event] = []
    var connects: [PeerID] = []
    var verdict: (Gossipsub.ReceivedMessage) -> Gossipsub.Verdict? = { _ in .accept }

    init(id: PeerID, key: IdentityKey?, machine: consuming Gossipsub) {
        self.id = id
        self.key = key
        self.machine = machine
    }
}

/// Machines on a virtual network with a virtual clock. Everything follows from the seed.
final class TestNetwork {
    enum Happening {
        case input(Int, Gossipsub.Input)
        case timer(Int)
        case chunkSent(Int, Int, size: Int)
        case chunkArrived(from: Int, to: Int, received: Int, expected: Int, frame: [UInt8]?)
        case job(Int, Gossipsub.JobID, Gossipsub.SignatureCheck)
    }

    private(set) var nodes: [TestNode] = []
    private(set) var now = MonotonicInstant.zero
    var random: DeterministicRandom
    let links: LinkModel
    /// Whether a frame is lost between two machines, asked when its last chunk leaves.
    var isLost: (_ from: Int, _ to: Int, _ frame: [UInt8]) -> Bool = { _, _, _ in false }
    var validationDelay: ClosedRange<Int> = 0...3
    var checksInvariants = true
    var sendsProgress = true
    private var queue = EventQueue<Happening>()

    init(seed: UInt64, links: LinkModel = LinkModel()) {
        random = DeterministicRandom(seed: seed)
        self.links = links
    }

    var wall: Now {
        Now(
            instant: now,
            wall: WallTime(milliseconds: 1_700_000_000_000 + now.nanoseconds / 1_000_000))
    }

    static func unsignedID(_ index: Int) -> PeerID {
        var bytes: [UInt8] = [0x00, 0x24, 0x08, 0x01, 0x12, 0x20]
        bytes += SHA256.hash([UInt8(index & 255), UInt8(index >> 8), 7]).bytes
        return try! PeerID(multihash: bytes)
    }

    static func key(_ index: Int) -> IdentityKey {
        let seed = SHA256.hash([UInt8(index & 255), UInt8(index >> 8)]).bytes
        return IdentityKey(ed25519Seed: SecretBytes(copying: seed))
    }

    @discardableResult
    func addNode(
        isSigned: Bool = false,
        _ configure: (inout Gossipsub.Configuration) -> Void = { _ in }
    ) -> Int {
        let index = nodes.count
        let key = isSigned ? Self.key(index) : nil
        let id = key?.peerID ?? Self.unsignedID(index)
        var configuration = Gossipsub.Configuration(
            localPeer: id,
            signaturePolicy: key.map { .strictSign(Gossipsub.SigningKey($0)) } ?? .strictNoSign)
        configure(&configuration)
        let machine = Gossipsub(
            configuration: configuration, random: random.fork(), now: wall)
        nodes.append(TestNode(id: id, key: key, machine: machine))
        arm(index)
        return index
    }

    func connect(
        _ first: Int,
        _ second: Int,
        version: Gossipsub.Version = .v1_2,
        group: Gossipsub.AddressGroup? = nil
    ) {
        let latency = Duration.milliseconds(random.integer(in: links.latency))
        nodes[first].streams[second] = TestStream(from: first, to: second, latency: latency)
        nodes[second].streams[first] = TestStream(from: second, to: first, latency: latency)
        let one = Gossipsub.Connection(
            version: version, direction: .outbound, addressGroup: group)
        let other = Gossipsub.Connection(
            version: version, direction: .inbound, addressGroup: group)
        schedule(latency, .input(first, .peerConnected(nodes[second].id, one)))
        schedule(latency, .input(second, .peerConnected(nodes[first].id, other)))
    }

    func disconnect(_ first: Int, _ second: Int) {
        for (from, to) in [(first, second), (second, first)] {
            guard let stream = nodes[from].streams.removeValue(forKey: to) else { continue }
            stream.isCut = true
            schedule(.zero, .input(from, .peerDisconnected(nodes[to].id)))
        }
    }

    /// A connected random graph in which every machine has about `degree` links.
    func connectRandomly(degree: Int, versions: [Gossipsub.Version] = [.v1_2]) {
        let count = nodes.count
        var links = Set<Int>()
        func link(_ one: Int, _ other: Int) {
            guard one != other, links.insert(min(one, other) * count + max(one, other)).inserted
            else { return }
            connect(one, other, version: versions[(one + other) % versions.count])
        }
        for index in 1..<count { link(index, random.below(index)) }
        var attempts = 0
        while links.count < count * degree / 2, attempts < 100 * count {
            attempts += 1
            let one = random.below(count)
            let other = random.below(count)
            guard nodes[one].streams.count < degree + 1, nodes[other].streams.count < degree + 1
            else { continue }
            link(one, other)
        }
    }

    func schedule(_ delay: Duration, _ happening: Happening) {
        queue.push(now.advanced(by: delay), happening)
    }

    func input(_ node: Int, _ input: Gossipsub.Input) {
        let target = nodes[node]
        var outputs: [Gossipsub.Output] = []
        target.machine.handle(input, now: wall, into: &outputs)
        perform(node, outputs)
        if checksInvariants { check(node) }
        arm(node)
    }

    private func check(_ node: Int) {
        let fault = nodes[node].machine.checkInvariants()
        if let fault { Issue.record("node \(node) at \(now.nanoseconds): \(fault)") }
    }

    private func arm(_ node: Int) {
        guard let deadline = nodes[node].machine.nextDeadline else { return }
        if let armed = nodes[node].timerAt, armed <= deadline { return }
        nodes[node].timerAt = deadline
        queue.push(max(deadline, now), .timer(node))
    }

    func run(_ duration: Duration) {
        let end = now.advanced(by: duration)
        while let (at, happening) = queue.pop(notAfter: end) {
            now = max(now, at)
            happen(happening)
        }
        now = end
    }

    private func happen(_ happening: Happening) {
        switch happening {
        case .input(let node, let input): self.input(node, input)
        case .timer(let node):
            nodes[node].timerAt = nil
            input(node, .timeout)
        case .job(let node, let job, let check):
            input(node, .signatureChecked(job, isValid: check.run()))
        case .chunkSent(let from, let to, let size):
            nodes[from].isUplinkBusy = false
            if let stream = nodes[from].streams[to], stream.isActive { chunkLeft(stream, size) }
            pump(from)
        case .chunkArrived(let from, let to, let received, let expected, let frame):
            guard nodes[to].streams[from] != nil else { return }
            if let frame {
                input(to, .rpcReceived(nodes[from].id, Self.payload(frame)))
            } else if sendsProgress {
                input(to, .frameProgress(nodes[from].id, received: received, expected: expected))
            }
        }
    }

    static func payload(_ frame: [UInt8]) -> [UInt8] {
        let prefix = try! Varint.decode(frame.span)!
        precondition(Int(prefix.value) == frame.count - prefix.size, "a frame has its own length")
        return Array(frame[prefix.size...])
    }

    private func perform(_ node: Int, _ outputs: [Gossipsub.Output]) {
        let target = nodes[node]
        for output in outputs {
            switch output {
            case .wantsToSend(let peer):
                guard let to = nodes.firstIndex(where: { $0.id == peer }) else { continue }
                fill(node, to)
            case .checkSignature(let job, let check):
                schedule(.milliseconds(random.integer(in: validationDelay)), .job(node, job, check))
            case .deliver(let message):
                target.deliveries[message.id] = now
                target.deliveredSize += message.size
                guard message.needsVerdict, let verdict = target.verdict(message) else { continue }
                schedule(
                    .milliseconds(random.integer(in: validationDelay)),
                    .input(node, .validated(message.handle, verdict)))
            case .receipt(let id, let receipt): target.receipts[id] = receipt
            case .published(let id, let outcome): target.outcomes[id] = outcome
            case .connect(let peer, _, _): target.connects.append(peer)
            case .pauseIntake, .resumeIntake: break
            case .event(let event): target.events.append(event)
            }
        }
    }

    /// Pulls the next frame for a stream that has nothing on its way.
    private func fill(_ from: Int, _ to: Int) {
        guard let stream = nodes[from].streams[to], !stream.isActive else { return }
        var outputs: [Gossipsub.Output] = []
        let frame = nodes[from].machine.dequeue(nodes[to].id, now: wall, into: &outputs)
        if checksInvariants { check(from) }
        if let frame {
            stream.frame = frame.bytes
            stream.sent = 0
            nodes[from].bytesOut += frame.size
            nodes[from].ready.append(to)
        }
        perform(from, outputs)
        pump(from)
    }

    private func pump(_ from: Int) {
        let node = nodes[from]
        guard !node.isUplinkBusy else { return }
        while !node.ready.isEmpty {
            let to = node.ready.removeFirst()
            guard let stream = node.streams[to], stream.isActive else { continue }
            let size = min(links.chunkSize, stream.frame.count - stream.sent)
            node.isUplinkBusy = true
            let time = Duration.nanoseconds(max(1, size * 1_000_000_000 / links.uplink))
            schedule(time, .chunkSent(from, to, size: size))
            return
        }
    }

    private func chunkLeft(_ stream: TestStream, _ size: Int) {
        stream.sent += size
        let frame = stream.frame
        let isWhole = stream.sent == frame.count
        if !isWhole {
            schedule(
                stream.latency,
                .chunkArrived(
                    from: stream.from, to: stream.to, received: stream.sent,
                    expected: frame.count, frame: nil))
            nodes[stream.from].ready.append(stream.to)
            return
        }
        stream.frame = []
        if !isLost(stream.from, stream.to, frame) {
            schedule(
                stream.latency,
                .chunkArrived(
                    from: stream.from, to: stream.to, received: frame.count,
                    expected: frame.count, frame: frame))
        }
        fill(stream.from, stream.to)
    }

    // MARK: What came of it

    func deliveryCount(of id: Gossipsub.MessageID) -> Int {
        nodes.count { $0.deliveries[id] != nil }
    }

    var bytesOut: Int { nodes.reduce(0) { $0 + $1.bytesOut } }

    func messageID(_ node: Int, _ publication: Gossipsub.PublishID) -> Gossipsub.MessageID? {
        guard case .queued(let id, _, _) = nodes[node].receipts[publication] else { return nil }
        return id
    }
}

/// Happenings in order of time, and of arrival where times are equal.
struct EventQueue<Event> {
    private var heap: [(at: MonotonicInstant, number: Int, event: Event)] = []
    private var nextNumber = 0

    mutating func push(_ at: MonotonicInstant, _ event: Event) {
        heap.append((at, nextNumber, event))
        nextNumber += 1
        var child = heap.count - 1
        while child > 0, precedes(child, (child - 1) / 2) {
            heap.swapAt(child, (child - 1) / 2)
            child = (child - 1) / 2
        }
    }

    mutating func pop(notAfter end: MonotonicInstant) -> (MonotonicInstant, Event)? {
        guard let first = heap.first, first.at <= end else { return nil }
        heap.swapAt(0, heap.count - 1)
        heap.removeLast()
        var parent = 0
        while true {
            var least = parent
            for child in [2 * parent + 1, 2 * parent + 2]
            where child < heap.count && precedes(child, least) {
                least = child
            }
            if least == parent { break }
            heap.swapAt(parent, least)
            parent = least
        }
        return (first.at, first.event)
    }

    private func precedes(_ one: Int, _ other: Int) -> Bool {
        (heap[one].at, heap[one].number) < (heap[other].at, heap[other].number)
    }
}

/// A topic without signatures, named by the digest of its payload.
func digestTopic(
    _ name: Gossipsub.Topic,
    sizeMax: Int = 1 << 20,
    validation: Gossipsub.ValidationMode = .application
) -> Gossipsub.TopicParameters {
    var parameters = Gossipsub.TopicParameters(name)
    parameters.messageID = .custom { _, fields in Array(SHA256.hash(fields.data).bytes.prefix(20)) }
    parameters.sizeMax = sizeMax
    parameters.validation = validation
    return parameters
}
