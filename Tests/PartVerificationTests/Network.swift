import ChoraleBase
import ChoraleTypes
import Codec
import Crypto
import OrderedCollections
import PeerIdentity
import Testing

@testable import Chain
@testable import Operations
@testable import PartVerification
@testable import Subproof

/// Machines, a bus between them and a chain, in simulated time. Everything follows from the seed.
final class Network {
    struct Settings {
        var validators = 4
        var seed: UInt64 = 1
        /// Of messages and answers, in percent.
        var loss = 0
        var faults: [Int: PartConfiguration.Fault] = [:]
        /// An observer that has the proofs, as the last node.
        var hasExecutor = true
        /// Proofs that a node gets or verifies at once.
        var works = 16
    }

    static let digest = NetworkDigest([5, 5, 5, 5])!
    static let interval = 1000
    static let parameters = try! OperationParameters(
        network: digest,
        kinds: [
            try! KindRecord(
                number: 1, capability: 1, policy: .proof, isDeterministic: true, proofTypes: [64],
                inputSizeMax: 1 << 20, outputSizeMax: 1 << 16, partsMax: 64, ttlMax: 4096),
            try! KindRecord(
                number: 2, capability: 2, policy: .proof, isDeterministic: true, proofTypes: [64],
                inputSizeMax: 1 << 20, outputSizeMax: 1 << 16, partsMax: 64, ttlMax: 4096),
        ])

    let settings: Settings
    let set: ValidatorSet
    let keys: [IdentityKey]
    private(set) var nodes: [TestNode] = []
    var random: DeterministicRandom
    private(set) var milliseconds = 0
    private var actions: [(at: Int, number: Int, run: () -> Void)] = []
    private var lastAction = 0

    // The chain
    private(set) var height: UInt64 = 1
    private(set) var registry = OperationRegistry()
    private(set) var blocks: [UInt64: [ExecutionCommitment]] = [:]
    private var pending: [ExecutionCommitmentContent] = []
    private var requests: [OperationRequest] = []
    private var settled: [Bytes32] = []
    var offered: [SubProofCertificate] = []
    /// Certificates that blocks do not take.
    var censors = false
    private(set) var onChain: [SubProofCertificate] = []
    private(set) var rejected: [Bytes32] = []

    /// When which body is where it is needed.
    var bodies: [Bytes32: [UInt8]] = [:]
    /// What proofs were verified to be: a proof's verdict does not depend on who asks.
    private var verdicts: [[UInt8]: ProofOutcome] = [:]
    private(set) var verifications = 0

    init(_ settings: Settings = Settings()) {
        self.settings = settings
        random = DeterministicRandom(seed: settings.seed)
        keys = (0..<settings.validators).map { Work.key("validator \($0)") }
        set = try! ValidatorSet(
            keys.map { Validator(key: BodyDescription.producer(of: $0), stake: 1) })
        for index in 0..<settings.validators {
            nodes.append(
                TestNode(index, key: keys[index], peer: Work.key("peer \(index)").peerID, self))
        }
        if settings.hasExecutor {
            nodes.append(
                TestNode(
                    settings.validators, key: nil, peer: Work.executors[0].peerID, self))
        }
        for node in nodes {
            node.fault = settings.faults[node.index]
            node.works = settings.works
            node.start()
        }
        for node in nodes {
            for other in nodes where other !== node { node.handle(.peerConnected(other.peer)) }
        }
        run(10)
    }

    var executor: TestNode { nodes[settings.validators] }
    var validators: ArraySlice<TestNode> { nodes.prefix(settings.validators) }
    var now: Now {
        Now(
            instant: MonotonicInstant(nanoseconds: Int64(milliseconds) * 1_000_000),
            wall: WallTime(milliseconds: 1_700_000_000_000 + Int64(milliseconds)))
    }
    var head: OperationHead {
        OperationHead(height: height, operations: registry, eras: [(first: 1, validators: set)])
    }

    func node(_ peer: PeerID) -> TestNode? { nodes.first { $0.peer == peer } }

    /// What a worker does. A proof is what it is whoever verifies it, and so verified once.
    func perform(_ job: PartJob) -> PartJobResult {
        guard case .verify(let id, let task) = job.work else { return job.run { .zero } }
        let key = task.proof + [UInt8(task.part)] + task.executor.bytes + task.id.proof.bytes
        let outcome =
            verdicts[key]
            ?? {
                guard case .verified(_, _, let outcome, _) = job.run(clock: { .zero }).finding
                else {
                    fatalError("a verification verifies")
                }
                verifications += 1
                return outcome
            }()
        verdicts[key] = outcome
        return PartJobResult(.verified(id, task.id, outcome, .milliseconds(30)))
    }

    // MARK: Time

    func after(_ delay: Int, _ run: @escaping () -> Void) {
        lastAction += 1
        let action = (at: milliseconds + delay, number: lastAction, run: run)
        let index = actions.firstIndex { ($0.at, $0.number) > (action.at, action.number) }
        actions.insert(action, at: index ?? actions.count)
    }

    /// Between nodes.
    func deliver(_ run: @escaping () -> Void) {
        guard random.below(100) >= settings.loss else { return }
        after(random.integer(in: 5...80), run)
    }

    func run(_ duration: Int) {
        let end = milliseconds + duration
        var steps = 0
        while true {
            let timer = nodes.compactMap(\.deadline).min() ?? Int.max
            let action = actions.first?.at ?? Int.max
            let next = min(timer, action)
            guard next <= end else { break }
            steps = next > milliseconds ? 0 : steps + 1
            guard steps < 100_000 else {
                Issue.record("a timer that stands still")
                return
            }
            milliseconds = max(milliseconds, next)
            if action <= timer {
                actions.removeFirst().run()
            } else {
                for node in nodes where node.deadline.map({ $0 <= milliseconds }) ?? false {
                    node.handle(.timeout)
                }
            }
        }
        milliseconds = end
    }

    /// Blocks, until it holds or the time is over.
    @discardableResult
    func run(blocks: Int, until isDone: () -> Bool) -> Bool {
        for _ in 0..<blocks {
            if isDone() { return true }
            run(Self.interval)
            advance()
        }
        run(100)
        return isDone()
    }

    // MARK: The chain

    /// A block with the request, and one with the commitment.
    func commit(_ work: Work, hasBodies: Bool = true) {
        if registry.operations[work.request.operation] == nil {
            requests.append(work.request)
            advance()
        }
        if hasBodies { for (root, body) in work.bodies { bodies[root] = body } }
        if settings.hasExecutor {
            executor.handle(.shelve(operation: work.request.operation, work.proofs))
        }
        pending.append(work.content)
        advance()
    }

    func advance() {
        height += 1
        var report = OperationReport(height: height, changes: [], commitments: [])
        let items = censors ? [] : certificates()
        let block = OperationBlock(
            height: height, beacon: beacon(height), items: items, logs: [])
        let outcome = try! registry.applying(block, Self.parameters, signatures: .wereChecked)
        registry = outcome.registry
        report.changes = outcome.changes
        for change in outcome.changes {
            if case .rejected(let name, _) = change { rejected.append(name) }
        }
        for name in settled where registry.operations.removeValue(forKey: name) != nil {
            report.changes.append(.settled(name))
        }
        settled = []
        for request in requests {
            registry.operations[request.operation] = OpenOperation(request, height: height)
        }
        requests = []
        for content in pending {
            report.commitments.append(
                ExecutionCommitment(
                    signing: content, with: Work.executors[0], network: Self.digest))
            registry.operations[content.operation]?.commitment = CommittedExecution(
                root: content.hashTreeRoot, height: height, seed: beacon(height),
                executor: content.executor,
                recipient: ExecutionAddress([UInt8](repeating: 2, count: 20))!,
                outputHash: content.outputHash, outputSize: content.outputSize,
                price: content.price, partCount: UInt8(content.parts.count), certifiedParts: 0,
                committers: [])
        }
        pending = []
        blocks[height] = report.commitments
        let head = head
        for node in nodes {
            after(random.integer(in: 1...20)) { node.handle(.advanced(head, report)) }
        }
    }

    private func beacon(_ height: UInt64) -> Bytes32 {
        SHA256.hash([UInt8(truncatingIfNeeded: height), 3])
    }

    /// What was offered and fits, as a proposer takes it: its signatures, too.
    private func certificates() -> [OperationItem] {
        var items: [OperationItem] = []
        var seen: Set<SubProofID> = []
        for certificate in offered where seen.insert(certificate.id).inserted {
            let id = certificate.id
            guard let commitment = registry.operations[id.operation]?.commitment,
                ProofName.of(commitment: commitment.root, part: Int(id.part), type: 64) == id.proof,
                commitment.certifiedParts >> UInt64(id.part) & 1 == 0
            else { continue }
            let seed = PartOrder.partSeed(
                beacon: commitment.seed, operation: id.operation, part: id.part)
            let rule = QuorumRule(
                validators: set, order: PartOrder(seed: seed, count: set.count))
            do {
                try certificate.verify(rule: rule, network: Self.digest)
            } catch {
                Issue.record("a certificate for a block: \(error)")
                continue
            }
            onChain.append(certificate)
            items.append(
                .verdict(
                    OperationVerdict(
                        operation: id.operation, commitment: commitment.root,
                        certificate.verdict.isValid
                            ? .partCertified(UInt8(id.part), committers: []) : .rejected)))
            if !certificate.verdict.isValid { break }
        }
        offered = []
        return items
    }

    /// As if the contract had been told.
    func settle(_ work: Work) { settled.append(work.request.operation) }

    func isCertified(_ work: Work) -> Bool {
        registry.operations[work.request.operation]?.status == .certified
    }
}
