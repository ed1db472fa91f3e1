import ChoraleBase
import ChoraleTypes
import Codec
import Operations
import PeerIdentity
import Testing

@testable import Chain
@testable import PartVerification
@testable import Subproof

/// One machine with what is around it: a store that survives it, a signer, workers that are done at once.
final class TestNode {
    let index: Int
    let key: IdentityKey?
    let peer: PeerID
    private unowned let network: Network
    private var machine = PartMachine()
    private var run = 0
    var store = MemoryStore()
    var fault: PartConfiguration.Fault?
    var limits = PartLimits()
    var works = 16
    /// Nothing reaches it by gossip.
    var isDeaf = false
    /// Nothing of enclaves does.
    var ignoresEnclaves = false
    /// The signer's files take nothing.
    var signsNothing = false
    /// It is killed when it is to sign, before or after the signer has done so.
    var dies: Death?
    var isDown = false
    /// What it says when it is asked for a proof, instead of what it has.
    var lies: ((Bytes32) -> [UInt8])?

    enum Death { case beforeSigning, afterSigning }

    // What it did
    private(set) var signatures: [SubProofVote] = []
    private(set) var committeeSignatures: [CommitteeVote] = []
    private(set) var asked: [(peer: PeerID, request: PartRequest)] = []
    private(set) var bodiesRead: [Bytes32] = []
    private(set) var connects: [PeerID] = []
    private(set) var penalties: [(peer: PeerID, String)] = []
    private(set) var events: [PartEvent] = []
    private(set) var accusations: [SubProofEvidence] = []
    private(set) var shelved: [Bytes32] = []
    /// Of answers of others.
    private(set) var statements: [PartStatement] = []
    private(set) var verdicts: [PartMessageID: [ChainVerdict]] = [:]
    private(set) var included: [SubProofCertificate] = []
    private(set) var contradictions: [EnclaveContradiction] = []
    private var lastMessage: UInt64 = 0
    private var serves: [UInt64: (TestNode, PartRequestID)] = [:]
    private var lastServe: UInt64 = 0
    private var missing: Set<Bytes32> = []

    init(_ index: Int, key: IdentityKey?, peer: PeerID, _ network: Network) {
        self.index = index
        self.key = key
        self.peer = peer
        self.network = network
    }

    var deadline: Int? {
        isDown
            ? nil
            : machine.value.nextDeadline.map {
                max(network.milliseconds, Int(($0.nanoseconds + 999_999) / 1_000_000))
            }
    }

    var counters: PartCounters { machine.value.counters }
    var silentValidators: [ValidatorAttendance] { machine.value.silentValidators }
    func operations() -> [OperationInfo] { machine.value.operations(now: network.now) }
    func operation(_ id: Bytes32) -> OperationInfo? {
        machine.value.operation(id, now: network.now)
    }
    func assignments(_ height: UInt64) -> [AssignmentInfo] {
        machine.value.assignments(height: height)
    }

    func start() {
        var configuration = PartConfiguration(
            network: Network.digest, parameters: Network.parameters,
            localKey: key.map { BodyDescription.producer(of: $0) }, localPeer: peer,
            blockInterval: .milliseconds(Network.interval))
        configuration.fault = fault
        configuration.limits = limits
        configuration.pool.worksMax = works
        run += 1
        isDown = false
        machine = PartMachine(configuration, seed: network.settings.seed &+ UInt64(index))
        handle(.start(network.head))
    }

    /// Killed, with what was not synced.
    func crash() {
        isDown = true
        run += 1
        store.crash()
    }

    func restart() {
        start()
        for other in network.nodes where other !== self && !other.isDown {
            handle(.peerConnected(other.peer))
        }
    }

    func handle(_ input: PartInput) {
        guard !isDown else { return }
        var outputs: [PartOutput] = []
        machine.value.handle(input, now: network.now, into: &outputs)
        for output in outputs {
            guard !isDown else { return }
            perform(output)
        }
    }

    /// Later, unless it was killed meanwhile.
    private func later(_ delay: Int, _ input: @escaping () -> PartInput) {
        let run = run
        network.after(delay) { [self] in if self.run == run { handle(input()) } }
    }

    func hear(_ topic: PartTopic, _ bytes: [UInt8], from peer: PeerID) {
        guard !isDown, !isDeaf, topic != .attestation || !ignoresEnclaves else { return }
        lastMessage += 1
        let id = PartMessageID(lastMessage)
        verdicts[id] = []
        handle(.gossip(id, topic, bytes, from: peer))
    }

    func bodyCame(_ root: Bytes32) {
        if missing.contains(root) { handle(.bodyArrived(root: root)) }
    }

    private func perform(_ output: PartOutput) {
        switch output {
        case .publish(let topic, let bytes):
            for node in network.nodes where node !== self {
                network.deliver { [peer] in node.hear(topic, bytes, from: peer) }
            }
        case .verdict(let id, let verdict): verdicts[id, default: []].append(verdict)
        case .run(let job):
            later(job.isLong ? 30 : 2) { [network] in .finished(network.perform(job)) }
        case .store(let id, let request):
            let reply = store.perform(request)
            later(2) { .stored(id, reply) }
        case .sign(let requests): sign(requests)
        case .ask(let id, let peer, let request): ask(id, peer, request)
        case .connect(let peer): connects.append(peer)
        case .serveProof(let id, let proof):
            guard let (node, request) = serves.removeValue(forKey: id.rawValue) else {
                Issue.record("served twice")
                return
            }
            network.after(10) {
                if let proof { node.handle(.proofReceived(request, proof)) }
                node.handle(.requestEnded(request, proof == nil ? .unavailable : .finished))
            }
        case .serveCertificates(let id, let certificates):
            guard let (node, request) = serves.removeValue(forKey: id.rawValue) else {
                Issue.record("served twice")
                return
            }
            network.after(10) {
                for certificate in certificates {
                    node.handle(.certificateReceived(request, certificate))
                }
                node.handle(.requestEnded(request, .finished))
            }
        case .serveStatements(let id, let statements):
            guard let (node, request) = serves.removeValue(forKey: id.rawValue) else {
                Issue.record("served twice")
                return
            }
            network.after(10) {
                node.statements += statements
                for statement in statements {
                    node.handle(.statementReceived(request, statement))
                }
                node.handle(.requestEnded(request, .finished))
            }
        case .readBody(let root):
            bodiesRead.append(root)
            let body = network.bodies[root]
            if body == nil { missing.insert(root) }
            later(5) { .bodyRead(root: root, body) }
        case .readCommitments(let height):
            let commitments = network.blocks[height]
            later(5) { .commitmentsRead(height: height, commitments) }
        case .shelved(let operation): shelved.append(operation)
        case .include(let certificate):
            included.append(certificate)
            network.offered.append(certificate)
        case .includeFastPath(let certificate): network.offeredFastPaths.append(certificate)
        case .dispute(let vote): network.offeredDisputes.append(vote)
        case .accuse(let evidence): accusations.append(evidence)
        case .contradict(let found):
            contradictions.append(found)
            network.contradicted.append(found)
        case .penalize(let peer, let reason): penalties.append((peer, reason))
        case .event(let event): events.append(event)
        }
    }

    private func sign(_ requests: [PartSignRequest]) {
        guard let key else {
            Issue.record("an observer signs")
            return
        }
        if dies == .beforeSigning {
            dies = nil
            return crash()
        }
        var parts: [SignedPart] = []
        for request in requests where !signsNothing {
            #expect(isIntended(request.request))
            switch request.request {
            case .vote(let content):
                let vote = SubProofVote(
                    signing: content, as: request.validator, with: key, network: Network.digest)
                signatures.append(vote)
                parts.append(.vote(vote))
            case .committeeVote(let content):
                let vote = CommitteeVote(
                    signing: content, as: request.validator, with: key, network: Network.digest)
                committeeSignatures.append(vote)
                parts.append(.committeeVote(vote))
            }
        }
        if dies == .afterSigning {
            dies = nil
            return crash()
        }
        later(2) { .signed(parts) }
    }

    /// Whether a crash now would leave what is about to be signed.
    private func isIntended(_ request: SubproofSignRequest) -> Bool {
        let intent: SubproofRow.Content =
            switch request {
            case .vote(let content): .voteIntent(content)
            case .committeeVote(let content): .committeeIntent(content)
            }
        var copy = store
        copy.crash()
        return copy.keys(.subproof).contains { key in
            guard case .value(let value?) = copy.perform(.get(.subproof, key: key)) else {
                return false
            }
            return (try? SubproofRow(key: key.span, value: value.span))?.content
                == intent
        }
    }

    /// Asks as a peer of another kind may, besides its machine.
    func ask(_ node: TestNode, _ request: PartRequest, _ id: PartRequestID) {
        node.take(request, id, from: self)
    }

    private func ask(_ id: PartRequestID, _ peer: PeerID, _ request: PartRequest) {
        asked.append((peer, request))
        guard let node = network.node(peer), !node.isDown,
            network.random.below(100) >= network.settings.loss
        else { return later(500) { .requestEnded(id, .failed) } }
        if let lies = node.lies, case .proof(let root) = request {
            let lie = lies(root)
            later(20) { .proofReceived(id, lie) }
            return later(21) { .requestEnded(id, .finished) }
        }
        network.after(10) { [self] in node.take(request, id, from: self) }
    }

    private func take(_ request: PartRequest, _ id: PartRequestID, from node: TestNode) {
        guard !isDown else { return node.handle(.requestEnded(id, .failed)) }
        lastServe += 1
        if case .votes = request {
            node.handle(.requestEnded(id, .finished))
        } else {
            serves[lastServe] = (node, id)
        }
        handle(.serve(PartServeID(lastServe), node.peer, request))
    }
}

/// A machine that a class can have.
final class PartMachine {
    var value: PartVerification

    init(_ configuration: PartConfiguration, seed: UInt64) {
        value = PartVerification(configuration, seed: seed)
    }

    convenience init() {
        self.init(
            PartConfiguration(
                network: Network.digest, parameters: Network.parameters, localKey: nil,
                localPeer: Work.executors[0].peerID, blockInterval: .seconds(1)), seed: 0)
    }
}
