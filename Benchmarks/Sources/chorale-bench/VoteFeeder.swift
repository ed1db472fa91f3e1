import ChoraleBase
import ChoraleTypes
import Codec
import Crypto
import DriverUV
import Glibc
import Node
import NodeHost
import PeerIdentity

/// A peer that has the keys of many validators of a real network, and offers their votes to one of its nodes.
///
/// It hears on the subnets what that node says of parts, and says the same with the other keys: votes as
/// good as any. Commands on a Unix socket and their answers, one line each:
///
///     dial ADDRESS    ok | failed …
///     heard           {"parts": …}: of how many parts a vote was heard
///     sign            {"votes": …}: every other validator's vote on these parts, ready to be sent
///     make COUNT      {"votes": …}: votes, rightly signed, on operations that nobody knows
///     offer RATE      {"offered": …, "refused": …, "seconds": …}: all that are ready, at that rate
final class VoteFeeder {
    private let loop: EventLoop
    private let host: NodeHost
    private let network: NetworkDigest
    private let topics: [String]
    /// Of the validators whose keys these are, by their indices; nil of those that vote themselves.
    private let keys: [IdentityKey?]
    private var client: UnixConnection?
    private var commandCount: UInt64 = 0
    private var waiting: [CommandID: (Reply) -> Void] = [:]

    private var heard: Set<SubProofVoteContent> = []
    private var signed: Set<SubProofVoteContent> = []
    private var root: Bytes32?
    /// What is on the wire: a subnet and a vote, packed.
    private var ready: [(subnet: Int, data: [UInt8])] = []
    private var offer: Offer?
    private var timer: LoopTimer?

    private struct Offer {
        let interval: Duration
        let start: MonotonicInstant
        var next: MonotonicInstant
        var place = 0
        var refused = 0
    }

    static func run(_ arguments: Arguments) throws {
        guard let path = arguments["control"], let digest = arguments["network"],
            let file = arguments["keys"]
        else { throw BenchError("--control, --network and --keys are needed") }
        ProcessMemory.boundHeap()
        let network = try Vector("--network", .string(digest)).hex
        guard let short = NetworkDigest(Array(network.prefix(4))) else {
            throw BenchError("--network has fewer than four bytes")
        }
        let text = String(decoding: try Vectors.contents(file), as: UTF8.self)
        let keys = try text.split(separator: "\n").map { line -> IdentityKey? in
            guard line != "-" else { return nil }
            let seed = try Vector(file, .string(String(line))).hex
            return IdentityKey(ed25519Seed: SecretBytes(copying: seed))
        }
        let loop = try EventLoop()
        let feeder = try VoteFeeder(loop: loop, network: short, keys: keys)
        let listener = try UnixListener(on: loop, path: path, delegate: feeder)
        let timer = LoopTimer(loop: loop) { [unowned feeder] in feeder.offerDue() }
        feeder.timer = timer
        feeder.host.start()
        loop.run()
        timer.close()
        listener.close()
    }

    private init(loop: EventLoop, network: NetworkDigest, keys: [IdentityKey?]) throws {
        self.loop = loop
        self.network = network
        self.keys = keys
        var configuration = Configurations.member(of: network, seed: 400_000)
        configuration.listenAddresses = [.tcp(ip: .ip4(.loopback), port: 0)]
        topics = (0..<SubProofBounds.subnetCount).map { configuration.topic("subproof_vote_\($0)") }
        host = try NodeHost(loop: loop, configuration: configuration, store: MemoryStore())
        host.onEvent = { [unowned self] event in note(event) }
        host.onReply = { [unowned self] id, reply, isLast in
            if case .message(let message) = reply { return hear(message.data) }
            if isLast { waiting.removeValue(forKey: id)?(reply) }
        }
    }

    private func note(_ event: NodeEvent) {
        switch event {
        case .listening(let address):
            Program.say("{\"address\": \"\(address.text)/p2p/\(host.localPeer)\"}")
        case .started:
            for topic in topics { ask(.subscribe(topic: topic)) { _ in } }
        case .listenFailed(_, let reason): Program.fail("chorale-bench: \(reason)")
        default: break
        }
    }

    private func hear(_ data: [UInt8]) {
        guard let bytes = try? Snappy.decode(data.span, sizeMax: 1024),
            let vote = try? SubProofVote(ssz: bytes.span), vote.verdict.isValid
        else { return }
        root = vote.content.validatorsRoot
        heard.insert(vote.content)
    }

    private func ask(_ command: Command, then: @escaping (Reply) -> Void) {
        commandCount += 1
        let id = CommandID(commandCount)
        waiting[id] = then
        host.perform(command, as: id)
    }

    private func answer(_ text: String) { _ = client?.send(Array(text.utf8)) }

    // MARK: Commands

    private func obey(_ line: String) {
        let words = line.split(separator: " ").map(String.init)
        let number = words.count == 2 ? Int(words[1]) : nil
        switch (words.first, words.count) {
        case ("dial", 2):
            guard let address = try? Multiaddr(words[1]) else { return answer("failed: address") }
            ask(.addPeer(address)) { [unowned self] reply in
                if case .failed(let failure) = reply {
                    answer("failed: \(failure.message)")
                } else {
                    answer("ok")
                }
            }
        case ("heard", 1): answer("{\"parts\": \(heard.count)}")
        case ("sign", 1):
            for content in heard.subtracting(signed).sorted(by: { $0.id < $1.id }) {
                sign(content)
            }
            signed = heard
            answer("{\"votes\": \(ready.count)}")
        case ("make", 2):
            guard let number else { return answer("failed: a number is missing") }
            makeUnknown(number)
            answer("{\"votes\": \(ready.count)}")
        case ("offer", 2):
            guard let number, number > 0, !ready.isEmpty else { return answer("failed: nothing") }
            let now = loop.readClocks().instant
            offer = Offer(
                interval: .nanoseconds(1_000_000_000 / number), start: now, next: now)
            offerDue()
        default: answer("failed: unknown command \(line)")
        }
    }

    private func sign(_ content: SubProofVoteContent) {
        for (index, key) in keys.enumerated() {
            guard let key else { continue }
            let vote = SubProofVote(
                signing: content, as: ValidatorIndex(index), with: key, network: network)
            ready.append(
                (Int(content.id.part) % topics.count, Snappy.encode(vote.sszEncoded().span)))
        }
    }

    private func makeUnknown(_ count: Int) {
        var random = DeterministicRandom(seed: UInt64(ready.count) + 1)
        func digest() -> Bytes32 {
            guard let digest = Bytes32(random.bytes(count: 32)) else {
                preconditionFailure("32 bytes")
            }
            return digest
        }
        let end = ready.count + count
        while ready.count < end {
            let operation = digest()
            for part in 0..<SubProofBounds.subnetCount where ready.count < end {
                guard
                    let id = SubProofID(
                        operation: operation, part: UInt16(part), proof: digest())
                else { preconditionFailure("a part below the limit") }
                sign(
                    SubProofVoteContent(
                        id: id, validatorsRoot: root ?? digest(), verdict: .valid))
            }
        }
        ready.removeLast(ready.count - end)
    }

    private func offerDue() {
        guard var due = offer else { return }
        let now = loop.readClocks().instant
        while due.place < ready.count, due.next <= now {
            let (subnet, data) = ready[due.place]
            ask(.publish(topic: topics[subnet], data: data)) { [unowned self] reply in
                if case .published = reply { return }
                offer?.refused += 1
            }
            due.place += 1
            due.next = due.next.advanced(by: due.interval)
            // Answers come at once, and count.
            due.refused = offer?.refused ?? due.refused
        }
        offer = due
        guard due.place < ready.count else {
            offer = nil
            let seconds = due.start.duration(to: now).inSeconds
            answer(
                "{\"offered\": \(due.place), \"refused\": \(due.refused), \"seconds\": \(seconds)}")
            ready.removeAll()
            return
        }
        // A handful at a time: a timer for each would be most of the work.
        timer?.schedule(at: max(due.next, now.advanced(by: .milliseconds(1))))
    }
}

extension VoteFeeder: UnixListenerDelegate, UnixConnectionDelegate {
    func listener(
        _ listener: UnixListener, didAccept connection: UnixConnection
    ) -> (any UnixConnectionDelegate)? {
        client = connection
        return self
    }

    func connectionDidOpen(_ connection: UnixConnection) {}

    func connection(_ connection: UnixConnection, didReceive line: [UInt8]) {
        obey(String(decoding: line, as: UTF8.self))
    }

    func connectionDidDrain(_ connection: UnixConnection) {}

    /// The harness is gone, however it ended: so is this process.
    func connectionDidClose(_ connection: UnixConnection, reason: TransportCloseReason) { exit(0) }
}
