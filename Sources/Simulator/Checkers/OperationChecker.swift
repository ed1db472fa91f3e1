import Crypto
import PeerIdentity
import Codec
import OrderedCollections
import Chain
import ChoraleBase
import ChoraleTypes
import Consensus
import Execution
import ExecutorAgent
import Node
import Operations
import PartVerification
import Subproof

/// What must hold of operations whatever happens (mechanisms §6, invariants e and f, and what certificates are
/// worth), from blocks, disks, and what validators' keys were used for.
final class OperationChecker {
    /// Whose key signed what about which proof, over all its lives.
    struct Place: Hashable {
        let validator: Bytes32
        let proof: SubProofID
    }

    /// A commitment, and the height of its block.
    struct Judged {
        let content: ExecutionCommitmentContent
        let height: UInt64
    }

    /// Whose key signed an output for which commitment, as a member of which set.
    struct Seat: Hashable {
        let validator: Bytes32
        let commitment: Bytes32
        let validatorsRoot: Bytes32
    }

    struct Proof {
        let executor: Bytes32
        /// Of the block with the commitment.
        let height: UInt64
        /// Whether it proves what it says, by what its executor does wrong on purpose.
        let isGood: Bool
    }

    private struct Wish {
        let outputHash: Bytes32
        var operation: Bytes32?
        var settledAt: UInt64?
    }

    let run: ScenarioRun
    let network: ChainNetwork
    /// By the hash of the input.
    private var wishes: [Bytes32: Wish] = [:]
    private var requests: [Bytes32: (request: OperationRequest, height: UInt64)] = [:]
    var proofs: [SubProofID: Proof] = [:]
    var signed: [Place: SubProofVerdict] = [:]
    var certified: [SubProofID: Bool] = [:]
    /// By root.
    var judged: [Bytes32: Judged] = [:]
    var outputs: [Seat: Bytes32] = [:]
    private var registries: [UInt64: OperationRegistry] = [:]
    private var latest: UInt64 = 0
    private let faults: [Bytes32: ExecutorConfiguration.Fault]
    /// For a test that the checks can fail: what is expected of outputs is wrong.
    var mistrustsReference = false

    /// By the contract's own books, in wei.
    private var bonded = UInt256.zero
    private var feesOpen: [Bytes32: UInt128] = [:]

    var doubleSignatures: [String] = []
    var badVerdicts: [String] = []
    var unsynced: [String] = []
    var conflicts: [String] = []
    var badCertificates: [String] = []
    private var badSettlements: [String] = []
    var badSlashes: [String] = []
    private var badRegistries: [String] = []
    private var badMutes: [String] = []

    private(set) var settledCount = 0
    private(set) var certificateCount = 0
    var disputeCount = 0
    private(set) var contradictionCount = 0
    private(set) var slashed: Set<Bytes32> = []
    var slashedValidators: Set<SigningKeyBytes> = []
    /// Commitments by executor.
    private(set) var commitments: [(operation: Bytes32, executor: Bytes32, height: UInt64)] = []
    private var waits: [UInt64] = []
    private var certificationTimes = Times()
    private var committedTimes: [Bytes32: MonotonicInstant] = [:]

    init(_ run: ScenarioRun, _ network: ChainNetwork) {
        self.run = run
        self.network = network
        let simulation = run.simulation
        var faults: [Bytes32: ExecutorConfiguration.Fault] = [:]
        for host in network.executors {
            guard let key = simulation.identity(of: host).ed25519?.publicKey else { continue }
            faults[key] = simulation.chain(of: host)?.executorFault
        }
        self.faults = faults
        network.checker.referee.onOperation = { [unowned self] in observe($0, $1) }
        let onEvent = simulation.onEvent
        simulation.onEvent = { [unowned self] host, event in
            onEvent?(host, event)
            observe(host, event)
        }
        simulation.onSignParts = { [unowned self] in observe($0, $1) }
    }

    // MARK: What is known

    /// The newest that anybody has.
    var registry: OperationRegistry { registries[latest] ?? OperationRegistry() }

    /// What executing an operation outside of all nodes gives.
    func rightOutput(of operation: Bytes32) -> Bytes32? {
        requests[operation].flatMap { wishes[$0.request.inputHash] }?.outputHash
    }

    /// Somebody will ask for this.
    func expect(_ question: OperationModel.Question) {
        wishes[question.inputHash] = Wish(
            outputHash: mistrustsReference ? question.inputHash : question.outputHash)
    }

    func isRequested(_ inputHash: Bytes32) -> Bool { wishes[inputHash]?.operation != nil }
    func operation(of inputHash: Bytes32) -> Bytes32? { wishes[inputHash]?.operation }
    func isSettled(_ operation: Bytes32) -> Bool {
        requests[operation].flatMap { wishes[$0.request.inputHash] }?.settledAt != nil
    }
    var isEverythingSettled: Bool { wishes.values.allSatisfy { $0.settledAt != nil } }
    var progress: String {
        let open = registry.operations.values.map { operation in
            let commitment = operation.commitment.map {
                ", \($0.certifiedParts.nonzeroBitCount) of \($0.partCount) parts"
            }
            return
                "\(operation.request.operation.bytes.prefix(2).map { String($0) }.joined(separator: ".")) "
                + "\(operation.status)\(commitment ?? "") until \(operation.request.expiry)"
        }
        return "\(settledCount) of \(wishes.count) at height \(latest)"
            + (open.isEmpty ? "" : ": " + open.joined(separator: "; "))
    }

    // MARK: The contract

    /// What a block's execution has logged, by the referee's own execution.
    private func observe(_ height: UInt64, _ event: ContractEvent) {
        switch event {
        case .requested(let request):
            requests[request.operation] = (request, height)
            feesOpen[request.operation] = request.fee
            if wishes[request.inputHash]?.operation == nil {
                wishes[request.inputHash]?.operation = request.operation
            }
        case .settled(let event):
            settledCount += 1
            feesOpen[event.operation] = nil
            guard let (request, requestedAt) = requests[event.operation],
                let wish = wishes[request.inputHash]
            else {
                badSettlements.append("\(event.operation) at \(height): nobody asked for it")
                return
            }
            if event.outputHash != wish.outputHash {
                badSettlements.append(
                    "\(event.operation) at \(height): output \(event.outputHash), executed "
                        + "\(wish.outputHash)")
            }
            if height > request.expiry {
                badSettlements.append("\(event.operation) at \(height), after its time")
            }
            wishes[request.inputHash]?.settledAt = height
            waits.append(height - requestedAt)
        case .expired(let operation): feesOpen[operation] = nil
        case .executorRegistered(let registration):
            bonded = bonded &+ UInt256(registration.message.amount) &* UInt256(1_000_000_000)
        case .executorExit, .owed: break
        }
    }

    // MARK: Signatures

    private func observe(_ host: HostIndex, _ asked: [PartSignRequest]) {
        guard !network.isLiar(host), let chain = run.simulation.chain(of: host),
            let key = chain.publicKey
        else { return }
        for request in asked {
            guard case .vote(let content) = request.request else {
                if case .committeeVote(let content) = request.request {
                    observe(host, key, content)
                }
                continue
            }
            let place = "\(name(host)) on part \(content.id.part)"
            if let known = signed[Place(validator: key, proof: content.id)] {
                if known != content.verdict {
                    doubleSignatures.append("\(place): \(content.verdict) after \(known)")
                }
            }
            signed[Place(validator: key, proof: content.id)] = content.verdict
            guard let proof = proofs[content.id] else {
                badVerdicts.append("\(place): a proof that no commitment names")
                continue
            }
            if content.verdict.isValid != proof.isGood {
                badVerdicts.append("\(place): \(content.verdict)")
            }
            let row = SubproofRow(height: proof.height, content: .voteIntent(content))
            let disk = run.simulation.hosts[host.rawValue].disk
            if disk.syncedValue(.subproof, row.key) != row.value {
                unsynced.append("\(place): what it is about to sign is not on its disk")
            }
        }
    }

    // MARK: Events

    func name(_ host: HostIndex) -> String { "n\(host.rawValue)" }

    private func observe(_ host: HostIndex, _ event: NodeEvent) {
        guard !network.isLiar(host) else { return }
        switch event {
        case .chain(.committed(let report)): committed(report, host)
        case .part(.pool(.certified(let id, let isValid, _))):
            note(id, isValid: isValid, "\(name(host))'s pool")
        case .part(.pool(.conflicting(let id))):
            conflicts.append("\(name(host)): two certificates of everyone, part \(id.part)")
        case .part(.muted(.prover(let key))) where faults[key] == nil:
            badMutes.append("\(name(host)) an executor that did nothing wrong")
        case .part(.muted(.validator(let key))) where !network.isLiar(key):
            badMutes.append("\(name(host)) a validator that did nothing wrong")
        default: break
        }
    }

    private func committed(_ report: CommitReport, _ host: HostIndex) {
        guard let chain = run.simulation.chain(of: host) else { return }
        if report.height > latest { first(report.height, chain) }
        guard let head = chain.processor?.head, head.height == report.height else { return }
        if let known = registries[report.height] {
            if known != head.operations {
                badRegistries.append("\(name(host)) at \(report.height)")
            }
        } else if report.height + 64 > latest {
            registries[report.height] = head.operations
            latest = max(latest, report.height)
            registries[report.height &- 64] = nil
            look(at: head.operations, "\(name(host)) at \(report.height)")
        }
    }

    private func look(at registry: OperationRegistry, _ place: String) {
        for key in registry.slashed where slashed.insert(key).inserted {
            if faults[key] == nil {
                badSlashes.append("\(place): executor \(key)")
            }
        }
        for operation in registry.operations.values where operation.status == .certified {
            if let since = committedTimes.removeValue(forKey: operation.request.operation) {
                certificationTimes.add(since.duration(to: run.simulation.now))
            }
        }
    }

    /// What a block says, when the first host has it.
    private var readHeight: UInt64 = 0

    private func first(_ height: UInt64, _ chain: HostChain) {
        guard height > readHeight else { return }
        readHeight = height
        guard let stored = try? chain.store.block(at: height),
            let sealed = try? SealedBlock(ssz: stored.block.span)
        else {
            badRegistries.append("no block at \(height) where it was committed")
            return
        }
        for item in sealed.block.body.items {
            switch try? ChainItem(item) {
            case .commitment(let commitment): read(commitment.content, height)
            case .certificate(let certificate):
                certificateCount += 1
                read(certificate, "the block \(height)")
            case .evidence(let evidence): read(evidence, "the block \(height)")
            case .fastPath(let certificate):
                certificateCount += 1
                read(certificate, "the block \(height)")
            case .dispute(let vote): read(vote, "the block \(height)")
            case .contradiction(let found):
                contradictionCount += 1
                if faults[found.statement.content.executor] == nil {
                    badCertificates.append("the block \(height): an honest enclave contradicts")
                }
            case .renewal, .log: break
            case nil: badRegistries.append("the block \(height) has an item that is none")
            }
        }
    }

    private func read(_ content: ExecutionCommitmentContent, _ height: UInt64) {
        commitments.append((content.operation, content.executor, height))
        committedTimes[content.operation] = run.simulation.now
        let root = content.hashTreeRoot
        judged[root] = Judged(content: content, height: height)
        for (part, commitment) in content.parts.enumerated() {
            let isGood =
                switch faults[content.executor] {
                case .garbageProofs: false
                // Only the last part gives something else than it says.
                case .wrongOutput: part < content.parts.count - 1
                case nil: true
                }
            for reference in commitment.proofs {
                let name = ProofName.of(commitment: root, part: part, type: reference.type)
                guard
                    let id = SubProofID(
                        operation: content.operation, part: UInt16(part), proof: name)
                else { continue }
                proofs[id] = Proof(executor: content.executor, height: height, isGood: isGood)
            }
        }
    }

    // MARK: Verdict

    /// Fees and bonds are in the contract, or were paid out of it to the wei.
    private var balanceFault: String? {
        let balance = network.checker.referee.balance(of: ChainGenesis.operationsContract)
        var expected = bonded
        for fee in feesOpen.values {
            expected = expected &+ UInt256(UInt64(truncatingIfNeeded: fee))
        }
        return balance == expected ? nil : "\(balance) wei, \(expected) expected"
    }

    func report() {
        readDisks()
        func check(_ name: String, _ faults: [String], _ detail: String) {
            run.check(
                name, faults.isEmpty,
                faults.isEmpty
                    ? detail : "\(faults.count): " + faults.prefix(5).joined(separator: "; "))
        }
        check(
            "no honest validator signs two verdicts on one proof, or outputs for one commitment",
            doubleSignatures, "\(signed.count) verdicts, \(outputs.count) outputs")
        check(
            "what an honest validator signs is so", badVerdicts,
            "\(proofs.count) proofs, \(judged.count) commitments")
        check("nothing is signed before its intent is on the disk", unsynced, "\(signed.count)")
        check(
            "no two certificates of one proof with different verdicts", conflicts,
            "\(certified.count) proofs")
        check(
            "every certificate is a quorum that signed it, and right", badCertificates,
            "\(certificateCount) in blocks")
        check("no output is settled but the right one", badSettlements, "\(settledCount) settled")
        check(
            "nobody is slashed that was honest", badSlashes,
            "\(slashed.count) executors, \(slashedValidators.count) validators")
        check("no honest signer is muted", badMutes, "none")
        check(
            "every node has the same registry at a height", badRegistries, "\(latest) heights")
        check(
            "what was paid, what is open and what is bonded is what came in",
            balanceFault.map { [$0] } ?? [], "\(bonded) wei bonded")
        let late = wishes.values.filter { $0.settledAt == nil }.count
        run.check(
            "an operation with an honest executor is settled within its time", late == 0,
            progress)
        if !waits.isEmpty {
            run.measure(
                "heights from request to settlement, on average",
                Double(waits.reduce(0, +)) / Double(waits.count), "")
            run.measure("the longest", Double(waits.max() ?? 0), "")
        }
        run.measure(
            "from commitment to certificates in a block, half", certificationTimes.percentile(50))
        run.measure("certificates in blocks", Double(certificateCount), "")
    }
}
