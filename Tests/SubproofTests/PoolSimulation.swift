import ChoraleBase
import ChoraleTypes
import Codec
import Testing

@testable import Subproof

/// What happens in a simulated network.
struct PoolScenario: CustomStringConvertible {
    var seed: UInt64 = 1
    var validators = 100
    var parts = 64
    /// Say nothing at all.
    var silent: Set<Int> = []
    /// Say the opposite of the truth about every part, at once, whether they are asked or not.
    var liars: Set<Int> = []
    /// Of the liars, those who say one thing to one half and the other to the other.
    var twoFaced: Set<Int> = []
    /// Parts whose proof is bad.
    var bad: Set<Int> = []
    /// Of a hundred deliveries.
    var lossPercent = 0
    /// In milliseconds, after 10.
    var delay = 190
    /// Honest ones that are killed now and then, and forget what was not written.
    var crashing: Set<Int> = []
    /// Of a hundred pulls, those that find nobody the first time.
    var missingPercent = 0
    /// Do not know the type of proof.
    var ignorant: Set<Int> = []
    /// Votes come to the first so many nodes only; certificates and evidence to all.
    var listeners: Int?
    /// Until when it must be over, in milliseconds.
    var patience = 55_000

    var description: String {
        "seed \(seed), \(validators) validators × \(parts) parts, \(silent.count) silent, "
            + "\(liars.count) lying (\(twoFaced.count) two-faced), \(bad.count) bad, "
            + "\(lossPercent) % lost, \(crashing.count) crashing"
    }
}

/// A generator of events by time, ties in the order in which they were planned.
struct Agenda<Event> {
    /// By millisecond: few enough to have an entry each.
    private var slots: [[Event]] = []
    private(set) var time = 0
    private var next = 0

    mutating func add(_ event: Event, at time: Int) {
        let time = max(time, self.time)
        while slots.count <= time { slots.append([]) }
        slots[time].append(event)
    }

    mutating func removeFirst() -> Event? {
        while time < slots.count {
            if next < slots[time].count {
                next += 1
                return slots[time][next - 1]
            }
            slots[time] = []
            next = 0
            time += 1
        }
        return nil
    }
}

/// What a validator's disk holds, and the machine.
final class PoolNode {
    let index: Int
    var pool: SubproofPool
    /// What survives a crash, in the order in which it was written.
    var rows: [SubproofRow] = []
    var life = 0
    var timerAt: Int?
    var verifications = 0
    var decidedAt: Int?
    var isDone: Bool { decidedAt != nil }

    init(index: Int) {
        self.index = index
        pool = PoolSimulation.machine(index)
    }
}

/// Machines on a virtual network with a virtual clock. Everything follows from the scenario.
final class PoolSimulation {
    enum Event {
        case input(Int, life: Int, SubproofInput)
        case vote(Int, SubProofVote)
        case certificate(Int, SubProofCertificate)
        case evidence(Int, SubProofEvidence)
        case timer(Int, life: Int)
        case crash(Int)
    }

    let scenario: PoolScenario
    let context: OperationContext
    private(set) var nodes: [PoolNode] = []
    private var agenda = Agenda<Event>()
    private var random: DeterministicRandom
    private var outputs: [SubproofOutput] = []
    private var undecided = 0

    // The truth, which no node sees whole.
    private var signed: [Int: [SubProofID: SubProofVerdict]] = [:]
    private(set) var tranches: [Tranche: Int] = [:]
    private(set) var certificates: [Int: Bool] = [:]
    private(set) var slashed: Set<Int> = []
    private(set) var deliveries = 0
    private(set) var mostVotes = 0
    private(set) var restarts = 0
    private var firstTranche: [Int: Tranche] = [:]

    static func machine(_ index: Int) -> SubproofPool {
        var limits = SubproofLimits()
        limits.worksMax = 4
        return SubproofPool(localKey: World.keyBytes[index], limits: limits)
    }

    init(_ scenario: PoolScenario) {
        self.scenario = scenario
        random = DeterministicRandom(seed: scenario.seed)
        let set =
            scenario.validators == 100
            ? World.hundred
            : scenario.validators == 1000
                ? World.thousand
                : World.validators([UInt64](repeating: 1, count: scenario.validators))
        context = World.operation(
            "simulated \(scenario.seed)", validators: set, parts: scenario.parts)
        nodes = (0..<scenario.validators).map { PoolNode(index: $0) }
        for node in nodes where isHonest(node.index) {
            undecided += 1
            agenda.add(
                .input(node.index, life: 0, .commitmentIncluded(context)),
                at: random.below(300))
            if scenario.crashing.contains(node.index) {
                agenda.add(.crash(node.index), at: 20 + random.below(400))
            }
        }
        for liar in scenario.liars.sorted() { lie(liar) }
    }

    func isHonest(_ index: Int) -> Bool {
        !scenario.silent.contains(index) && !scenario.liars.contains(index)
    }

    private func truth(_ part: Int) -> SubProofVerdict {
        scenario.bad.contains(part) ? .reject(.proofFails) : .valid
    }

    private func lie(_ liar: Int) {
        for part in 0..<scenario.parts {
            let honest = truth(part)
            let lie: SubProofVerdict = honest.isValid ? .reject(.malformed) : .valid
            for to in nodes.indices where to != liar {
                let isOther = scenario.twoFaced.contains(liar) && to % 2 == 0
                let vote = World.vote(
                    context, part, isOther ? honest : lie, by: ValidatorIndex(liar))
                deliver(.vote(to, vote))
            }
        }
    }

    private func deliver(_ event: Event, at later: Int = 0) {
        if random.below(100) < scenario.lossPercent { return }
        agenda.add(event, at: agenda.time + later + 10 + random.below(max(1, scenario.delay)))
    }

    // MARK: Running

    /// Until all honest validators know the outcome, and whoever was asked first has verified.
    func run() {
        while let event = agenda.removeFirst(), agenda.time < scenario.patience {
            perform(event)
            if undecided == 0 { break }
        }
    }

    var time: Int { agenda.time }

    private func perform(_ event: Event) {
        switch event {
        case .input(let index, let life, let input):
            if nodes[index].life == life { handle(index, input) }
        case .timer(let index, let life):
            guard nodes[index].life == life, nodes[index].timerAt == agenda.time else { return }
            nodes[index].timerAt = nil
            handle(index, .timeout)
        case .vote(let index, let vote):
            deliveries += 1
            // As a node does it: most are known already.
            switch nodes[index].pool.precheck(vote) {
            case .verify: handle(index, .voteReceived(VerifiedSubProofVote(trusting: vote)))
            case .early: handle(index, .voteEarly(vote))
            case .drop(.duplicate):
                handle(index, .voteReceived(VerifiedSubProofVote(trusting: vote)))
            case .drop: break
            }
        case .certificate(let index, let certificate):
            deliveries += 1
            guard case .verify(let rule) = nodes[index].pool.precheck(certificate) else { return }
            let verified = try? VerifiedSubProofCertificate(trusting: certificate, rule: rule)
            guard let verified else { return }
            handle(index, .certificateReceived(verified))
        case .evidence(let index, let evidence):
            deliveries += 1
            guard case .verify = nodes[index].pool.precheck(evidence) else { return }
            handle(
                index, .evidenceReceived(VerifiedSubProofEvidence(trusting: evidence)))
        case .crash(let index): crash(index)
        }
    }

    private func crash(_ index: Int) {
        guard !nodes[index].isDone else { return }
        restarts += 1
        let node = nodes[index]
        node.life += 1
        node.timerAt = nil
        node.pool = Self.machine(index)
        // The chain tells a restarted node again.
        handle(index, .restored(node.rows, floor: 0))
        agenda.add(
            .input(index, life: node.life, .commitmentIncluded(context)),
            at: agenda.time + 200 + random.below(500))
        agenda.add(.crash(index), at: agenda.time + 800 + random.below(4000))
    }

    private func handle(_ index: Int, _ input: SubproofInput) {
        let node = nodes[index]
        outputs.removeAll(keepingCapacity: true)
        node.pool.handle(input, now: World.at(agenda.time), into: &outputs)
        mostVotes = max(mostVotes, node.pool.voteCount)
        for output in outputs { perform(output, of: node) }
        guard isHonest(index), let deadline = node.pool.nextDeadline else { return }
        let at = max(agenda.time + 1, Int((deadline.nanoseconds + 999_999) / 1_000_000))
        guard node.timerAt.map({ at < $0 || $0 <= agenda.time }) ?? true else { return }
        node.timerAt = at
        agenda.add(.timer(index, life: node.life), at: at)
    }

    private func perform(_ output: SubproofOutput, of node: PoolNode) {
        let (index, life) = (node.index, node.life)
        switch output {
        case .pull(let job, _):
            let isMissing = random.below(100) < scenario.missingPercent
            agenda.add(
                .input(index, life: life, isMissing ? .bodyMissing(job) : .bodyArrived(job)),
                at: agenda.time + 20 + random.below(60))
        case .verify(let job, let proof):
            node.verifications += 1
            let outcome: ProofOutcome =
                scenario.ignorant.contains(index)
                ? .unsupported
                : scenario.bad.contains(Int(proof.id.part)) ? .invalid(.proofFails) : .valid
            agenda.add(
                .input(index, life: life, .verified(job, outcome)),
                at: agenda.time + 20 + random.below(40))
        case .persist(let row): node.rows.append(row)
        case .sign(let request, let validator):
            guard case .vote(let content) = request else { return }
            #expect(validator.position == index)
            // The intent is on disk, and was never another.
            #expect(
                node.rows.contains { $0.content == .voteIntent(content) },
                "signed before it was written: \(scenario)")
            let earlier = signed[index]?[content.id]
            #expect(
                earlier == nil || earlier == content.verdict, "signed twice: \(scenario)")
            signed[index, default: [:]][content.id] = content.verdict
            agenda.add(
                .input(index, life: life, .signed(World.vote(content, by: validator))),
                at: agenda.time + random.below(3))
        case .publishVote(let vote, let subnet, _):
            #expect(subnet == Int(vote.id.part) % 64)
            for to in 0..<(scenario.listeners ?? nodes.count) where to != index && isHonest(to) {
                deliver(.vote(to, vote))
            }
        case .publishCertificate(let certificate):
            check(certificate)
            for to in nodes.indices where to != index && isHonest(to) {
                deliver(.certificate(to, certificate))
            }
        case .requestCertificates(let operation, let parts):
            let peer = random.below(nodes.count)
            guard peer != index, isHonest(peer) else { return }
            for certificate in nodes[peer].pool.certificates(of: operation, parts: parts) {
                deliver(.certificate(index, certificate))
            }
        case .publishEvidence(let evidence):
            for to in nodes.indices where to != index && isHonest(to) {
                deliver(.evidence(to, evidence))
            }
        case .slash(let evidence):
            // Nobody is slashed without a fault.
            #expect(
                scenario.liars.contains(evidence.validator.position),
                "\(evidence.validator) is honest: \(scenario)")
            slashed.insert(evidence.validator.position)
        case .event(.operationCertified(let operation)):
            #expect(operation == context.operation && scenario.bad.isEmpty)
            finish(node)
        case .event(.operationRejected(_, let part)):
            #expect(scenario.bad.contains(Int(part)), "a good proof is rejected: \(scenario)")
            finish(node)
        case .event(.outvoted), .event(.conflicting), .event(.operationExpired):
            Issue.record("\(output): \(scenario)")
        default: break
        }
    }

    private func finish(_ node: PoolNode) {
        guard !node.isDone else { return }
        node.decidedAt = agenda.time
        undecided -= 1
    }

    private func check(_ certificate: SubProofCertificate) {
        let part = Int(certificate.id.part)
        let isValid = certificate.verdict.isValid
        #expect(isValid == truth(part).isValid, "a wrong certificate of \(part): \(scenario)")
        #expect(
            certificates[part] ?? isValid == isValid, "two certificates of \(part): \(scenario)")
        if certificates[part] == nil { tranches[certificate.tranche, default: 0] += 1 }
        certificates[part] = isValid
    }

    /// Proofs verified by an honest validator, on average.
    var meanWork: Double {
        let honest = nodes.filter { isHonest($0.index) }
        return Double(honest.reduce(0) { $0 + $1.verifications }) / Double(honest.count)
    }

    var mostWork: Int { nodes.map(\.verifications).max() ?? 0 }
    var isOver: Bool { undecided == 0 }
}
