import Chain
import ChoraleBase
import ChoraleTypes
import Operations
import PartVerification
import ProofSystems
import Synchronization

@testable import ExecutorAgent

/// What survives a crash.
struct Disk {
    var rows: [[UInt8]: [UInt8]] = [:]
    var isFailing = false

    mutating func reply(to request: StoreRequest) -> StoreReply {
        if isFailing { return .failed(.inputOutput("the disk is broken")) }
        switch request {
        case .write(let writes, _):
            for write in writes {
                switch write {
                case .put(.execution, let key, let value): rows[key] = value
                case .delete(.execution, let key): rows[key] = nil
                case .deleteRange(.execution, let from, let to):
                    rows = rows.filter { $0.key.precedes(from) || !$0.key.precedes(to) }
                default: preconditionFailure("another family")
                }
            }
            return .written
        case .get(.execution, let key): return .value(rows[key])
        case .scan(.execution, let from, let to, let rowCountMax, let sizeMax):
            let keys = rows.keys.filter {
                !$0.precedes(from) && (to.map($0.precedes) ?? true)
            }.sorted { $0.precedes($1) }
            var found: [StoreRow] = []
            var size = 0
            for key in keys {
                size += key.count + rows[key]!.count
                if found.count == rowCountMax || (!found.isEmpty && size > sizeMax) {
                    return .rows(found, more: true)
                }
                found.append(StoreRow(key: key, value: rows[key]!))
            }
            return .rows(found, more: false)
        default: preconditionFailure("nothing that executors ask for")
        }
    }
}

extension [UInt8] {
    fileprivate func precedes(_ other: [UInt8]) -> Bool { lexicographicallyPrecedes(other) }
}

/// Proofs that a worker of some test has made: the same job makes the same.
private let proven = Mutex<[String: [UInt8]]>([:])

/// A node with an executor: a machine, and what performs its outputs, one after the other.
final class ExecutorNode {
    var configuration: ExecutorConfiguration
    var agent: ExecutorAgent
    var disk = Disk()
    /// What has been fetched.
    var bodies: [Bytes32: [UInt8]] = [:]
    /// Where proofs are served from; on disk.
    var shelf: [Bytes32: [[UInt8]]] = [:]
    var isShelving = true
    var now = MonotonicInstant.zero
    /// Jobs that no worker has taken; `worker` says whether one does.
    var jobs: [ExecutorJob] = []
    var hasWorker = true
    private var inputs: [ExecutorInput] = []

    // What it did, over all runs.
    /// Since the last block.
    var said: [ExecutorStatement] = []
    var commitments: [ExecutionCommitment] = []
    var renewals: [LeaseRenewal] = []
    var settlements: [(settlement: Settlement, output: [UInt8])] = []
    var published: [[UInt8]] = []
    var attested: [EnclaveStatement] = []
    var events: [ExecutorEvent] = []
    /// Part proofs that were asked of workers: `operation part`.
    var proving: [String] = []
    /// Of these, those whose proof was on disk.
    var provenAgain: [String] = []
    /// Most jobs, and operations that had a place, at once.
    var jobsMax = 0
    var placesMax = 0
    /// Inputs handled.
    var steps = 0

    init(_ index: Int, fault: ExecutorConfiguration.Fault? = nil) {
        configuration = ExecutorConfiguration(
            network: OperationChain.network, parameters: OperationChain.parameters,
            key: OperationChain.keys[index])
        configuration.fault = fault
        agent = ExecutorAgent(configuration)
    }

    func start(_ chain: OperationChain) { take(.start(chain.head)) }

    func follow(_ chain: OperationChain) {
        take(.advanced(chain.head, chain.report))
    }

    /// - Parameter ahead: before what waits to be handled.
    func fetch(_ bodies: [Bytes32: [UInt8]], ahead: Bool = false) {
        for (root, body) in bodies {
            self.bodies[root] = body
            inputs.insert(.bodyArrived(root: root), at: ahead ? 0 : inputs.count)
        }
    }

    func take(_ input: ExecutorInput) { inputs.append(input) }

    /// `kill -9`, and a start at the chain's head.
    func restart(_ chain: OperationChain) {
        agent = ExecutorAgent(configuration)
        (inputs, jobs, said) = ([], [], [])
        start(chain)
    }

    /// Until there is nothing to do without time or blocks, or this many inputs were handled.
    func run(steps limit: Int = .max) {
        var left = limit
        while left > 0 {
            if inputs.isEmpty, hasWorker, !jobs.isEmpty { work() }
            guard !inputs.isEmpty else { return }
            handle(inputs.removeFirst())
            left -= 1
        }
    }

    /// One job is done.
    func work() {
        let job = jobs.removeFirst()
        inputs.append(.finished(Self.run(job)))
    }

    /// Lets time pass up to the next deadline; false when there is none.
    func wait() -> Bool {
        guard let deadline = agent.nextDeadline else { return false }
        now = max(now, deadline)
        take(.timeout)
        run()
        return true
    }

    private func handle(_ input: ExecutorInput) {
        steps += 1
        var outputs: [ExecutorOutput] = []
        agent.handle(
            input, now: Now(instant: now, wall: WallTime(milliseconds: 0)), into: &outputs)
        for output in outputs { perform(output) }
        jobsMax = max(jobsMax, agent.jobsRunning.count)
        placesMax = max(placesMax, agent.placesTaken)
    }

    private func perform(_ output: ExecutorOutput) {
        switch output {
        case .run(let job):
            if case .prove(_, let part) = job.work {
                let name = "\(job.operation) \(part)"
                proving.append(name)
                let key = ExecutionRow.proof(part: part).key(of: job.operation)
                if disk.rows[key] != nil { provenAgain.append(name) }
            }
            jobs.append(job)
        case .store(let id, let request): take(.stored(id, disk.reply(to: request)))
        case .readBody(let root): take(.bodyRead(root: root, bodies[root]))
        case .shelve(let operation, let proofs):
            guard isShelving else { return }
            shelf[operation] = proofs
            take(.shelved(operation: operation))
        case .attest(let statement): attested.append(statement)
        case .publishBody(_, _, let body): published.append(body)
        case .say(let statement):
            said.append(statement)
            switch statement {
            case .commitment(let commitment): commitments.append(commitment)
            case .renewal(let renewal): renewals.append(renewal)
            }
        case .settle(let settlement, let output): settlements.append((settlement, output))
        case .event(let event): events.append(event)
        }
    }

    /// As a worker does. Proofs that were made before are not made again, as they would be the same: of the plan, which
    /// names the operation, for that executor.
    private static func run(_ job: ExecutorJob) -> ExecutorJobResult {
        let clock: @Sendable () -> MonotonicInstant = { .zero }
        guard case .prove(let execution, let part) = job.work, job.fault == nil else {
            return job.run(clock: clock)
        }
        let name = "\(execution.plan?.root ?? .zero) \(part) \(job.executor)"
        if let proof = proven.withLock({ $0[name] }) {
            return ExecutorJobResult(
                id: job.id, operation: job.operation, elapsed: .zero,
                outcome: .proven(part, proof))
        }
        let result = job.run(clock: clock)
        if case .proven(_, let proof) = result.outcome {
            proven.withLock { $0[name] = proof }
        }
        return result
    }
}

/// A chain with some nodes.
struct World {
    var chain: OperationChain
    var nodes: [Int: ExecutorNode] = [:]

    init() throws { chain = try OperationChain() }

    /// Another block, with what nodes have said; they see it, and do what there is to do.
    mutating func block(
        verdicts: [OperationItem] = [], logs: [ContractLog] = []
    ) throws {
        var statements: [ExecutorStatement] = []
        for index in nodes.keys.sorted() {
            statements += nodes[index]!.said
            nodes[index]!.said = []
        }
        try chain.block(statements, verdicts: verdicts, logs: logs)
        for index in nodes.keys.sorted() {
            nodes[index]!.follow(chain)
            nodes[index]!.run()
        }
    }

    /// A node that starts now, with these bodies.
    @discardableResult
    mutating func add(
        _ index: Int, bodies: [Bytes32: [UInt8]] = [:], fault: ExecutorConfiguration.Fault? = nil
    ) -> ExecutorNode {
        let node = ExecutorNode(index, fault: fault)
        node.bodies = bodies
        node.start(chain)
        node.run()
        nodes[index] = node
        return node
    }

    mutating func pass(to height: UInt64) throws {
        while chain.height < height { try block() }
    }

    /// Certifies what is committed to, and takes the settlement that the node asks for.
    mutating func settle(_ name: Bytes32, by node: ExecutorNode) throws {
        try block(verdicts: chain.certificates(name))
        let settlement = node.settlements.last { $0.settlement.operation == name }
        try block(logs: settlement.map { [ContractEvent.settled($0.settlement.event).log] } ?? [])
    }
}
