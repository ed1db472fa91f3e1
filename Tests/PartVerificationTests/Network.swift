import Attestation
import ChoraleBase
import ChoraleTypes
import Codec
import Crypto
import MadeEnclaves
import OrderedCollections
import PeerIdentity
import ProofSystems
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
        /// Executors have bonds, and are elected for operations of kind 3.
        var hasEnclaves = false
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
            try! KindRecord(
                number: 3, capability: 1, policy: .enclaveThenProof, isDeterministic: true,
                proofTypes: [64, 83], inputSizeMax: 1 << 20, outputSizeMax: 1 << 16, partsMax: 64,
                ttlMax: 4096),
            try! KindRecord(
                number: 4, capability: 1, policy: .committee, isDeterministic: true,
                proofTypes: [], inputSizeMax: 1 << 20, outputSizeMax: 1 << 16, partsMax: 1,
                ttlMax: 4096),
        ], enclaves: enclaves)
    static let enclaves = EnclaveParameters(
        rules: MadeEnclave.rules,
        allowed: [
            AllowedEnclave(
                kind: 3, AllowedMeasurement(measurement: MadeEnclave.measurement, epochs: 0...9))
        ], epochLength: 100, verifier: MadeEnclave.verifier)

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
    private(set) var registry = OperationRegistry(
        enclaves: EnclaveRegistry(allowed: enclaves.allowed))
    private(set) var blocks: [UInt64: [ExecutionCommitment]] = [:]
    private var pending: [ExecutionCommitmentContent] = []
    private var requests: [OperationRequest] = []
    private var settled: [Bytes32] = []
    var offered: [SubProofCertificate] = []
    var offeredFastPaths: [FastPathCertificate] = []
    var offeredDisputes: [CommitteeVote] = []
    var contradicted: [EnclaveContradiction] = []
    /// What blocks have changed.
    private(set) var changes: [OperationChange] = []
    /// Certificates that blocks do not take.
    var censors = false
    private(set) var onChain: [SubProofCertificate] = []
    private(set) var rejected: [Bytes32] = []
    private(set) var frozen: [Bytes32] = []

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
        if settings.hasEnclaves {
            for key in Work.executors.map(Work.publicKey) {
                registry.executors[key] = ExecutorRecord(
                    key: key, recipient: ExecutionAddress([UInt8](repeating: 2, count: 20))!,
                    bond: 1, capabilities: Capabilities([1]))
            }
        }
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

    func commit(_ work: Work, hasBodies: Bool = true) {
        commit(
            work.request, work.content, proofs: work.proofs, bodies: hasBodies ? work.bodies : [:])
    }

    /// A block with the request.
    func request(_ work: Work) { request(work.request) }

    private func request(_ request: OperationRequest) {
        requests.append(request)
        advance()
    }

    /// A block with the request, and one with the commitment.
    func commit(
        _ request: OperationRequest, _ content: ExecutionCommitmentContent, proofs: [[UInt8]],
        bodies: [Bytes32: [UInt8]]
    ) {
        if registry.operations[request.operation] == nil { self.request(request) }
        for (root, body) in bodies { self.bodies[root] = body }
        if settings.hasExecutor {
            executor.handle(.shelve(operation: request.operation, proofs))
        }
        pending.append(content)
        advance()
    }

    func advance() {
        height += 1
        var report = OperationReport(height: height, changes: [], commitments: [])
        let items = (censors ? [] : certificates() + committees()) + contradictions()
        let block = OperationBlock(
            height: height, beacon: beacon(height), items: items, logs: [])
        let outcome = try! registry.applying(block, Self.parameters, signatures: .wereChecked)
        registry = outcome.registry
        report.changes = outcome.changes
        changes += outcome.changes
        for change in outcome.changes {
            switch change {
            case .rejected(let name, _): rejected.append(name)
            case .frozen(let name): frozen.append(name)
            default: break
            }
        }
        for name in settled where registry.operations.removeValue(forKey: name) != nil {
            report.changes.append(.settled(name))
        }
        settled = []
        for request in requests {
            var operation = OpenOperation(request, height: height)
            if settings.hasEnclaves, request.kind == 3 {
                operation.election = ExecutorElection(
                    drawn: height, expiry: request.expiry,
                    candidates: Work.executors.map {
                        ExecutorElection.Candidate(
                            key: Work.publicKey($0), turn: height, isRefused: false)
                    }, progress: 0, progressOf: 0)
            }
            registry.operations[request.operation] = operation
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
                    || certificate.tranche == .everyone && registry.judgements[id] == nil
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
                            ? .partCertified(UInt8(id.part), committers: []) : .rejected,
                        judged: certificate.tranche == .everyone ? id : nil)))
            if !certificate.verdict.isValid { break }
        }
        offered = []
        return items
    }

    /// The same of committees.
    private func committees() -> [OperationItem] {
        var items: [OperationItem] = []
        var seen: Set<Bytes32> = []
        for certificate in offeredFastPaths where seen.insert(certificate.operation).inserted {
            let name = certificate.operation
            guard let commitment = registry.operations[name]?.commitment,
                commitment.root == certificate.content.commitment
            else { continue }
            let seed = PartOrder.committeeSeed(beacon: commitment.seed, operation: name)
            let rule = QuorumRule(
                validators: set, order: PartOrder(seed: seed, count: set.count))
            do {
                try certificate.verify(rule: rule, network: Self.digest)
            } catch {
                Issue.record("a committee's certificate for a block: \(error)")
                continue
            }
            let isRight = certificate.content.outputHash == commitment.outputHash
            let finding: OperationVerdict.Finding =
                !isRight
                ? .rejected
                : certificate.tranche == .everyone
                    ? .agreed(committers: []) : .justified(committers: [])
            items.append(
                .verdict(
                    OperationVerdict(operation: name, commitment: commitment.root, finding)))
        }
        for vote in offeredDisputes where !seen.contains(vote.operation) {
            guard let operation = registry.operations[vote.operation], !operation.isFrozen,
                let commitment = operation.commitment,
                commitment.root == vote.content.commitment
            else { continue }
            seen.insert(vote.operation)
            items.append(
                .verdict(
                    OperationVerdict(
                        operation: vote.operation, commitment: commitment.root, .disputed)))
        }
        offeredFastPaths = []
        offeredDisputes = []
        // Each must be one that the next block may have.
        return items.filter { item in
            let block = OperationBlock(
                height: height, beacon: beacon(height), items: [item], logs: [])
            return (try? registry.applying(block, Self.parameters, signatures: .wereChecked)) != nil
        }
    }

    /// What enclaves contradict, as a proposer takes it: one of each block.
    private func contradictions() -> [OperationItem] {
        let candidates = contradicted
        contradicted = []
        for found in candidates {
            let content = found.statement.content
            guard let commitment = registry.operations[content.operation]?.commitment,
                commitment.root == found.commitment.hashTreeRoot,
                let platform = try? Self.enclaves.platform(
                    of: found.statement, network: Self.digest),
                let proof = SubProofID(
                    operation: content.operation, part: UInt16(found.part),
                    proof: ProofName.of(
                        commitment: commitment.root, part: Int(found.part), type: 64))
            else { continue }
            let item = OperationItem.contradiction(
                EnclaveFinding(
                    operation: content.operation, commitment: commitment.root,
                    EnclaveDispute(
                        part: found.part, enclave: platform, executor: content.executor,
                        output: content.body.output), proofs: [proof]))
            let block = OperationBlock(
                height: height, beacon: beacon(height), items: [item], logs: [])
            if (try? registry.applying(block, Self.parameters)) != nil { return [item] }
        }
        return []
    }

    /// As if the contract had been told.
    func settle(_ work: Work) { settled.append(work.request.operation) }

    func isCertified(_ work: Work) -> Bool {
        registry.operations[work.request.operation]?.status == .certified
    }
}
