import ChoraleBase
import ChoraleTypes
import Codec
import Crypto
import Testing

@testable import Consensus

/// A validator of the simulated network: the machine, and what its disk holds.
final class SimulatedNode {
    let index: Int
    let isHonest: Bool
    var machine: Tendermint
    /// Counts lives: what was planned for an earlier one does not happen.
    var life = 0
    var isUp = true
    let skew: Int
    /// What survives a crash.
    var log = ConsensusLog.magic
    var signingState: [UInt8]
    var chain: [Commit] = []
    var writer = ConsensusLog.Writer()
    var timerAt: Int?

    init(index: Int, isHonest: Bool, skew: Int, machine: consuming Tendermint) {
        self.index = index
        self.isHonest = isHonest
        self.skew = skew
        self.machine = machine
        signingState = SigningGuard(freshFrom: 0).record
    }
}

/// Machines on a virtual network with a virtual clock. Everything follows from the scenario.
final class Simulation {
    enum Event {
        case input(Int, life: Int, ConsensusInput)
        case message(from: Int, to: Int, ConsensusMessage)
        case timer(Int, life: Int)
        case restart(Int)
        case sync(Int, from: Int, life: Int)
        case repartition
    }

    let scenario: Scenario
    private(set) var nodes: [SimulatedNode] = []
    private(set) var now = 0
    var truth = Truth()
    var random: DeterministicRandom
    var queue = EventQueue<Event>()
    var rotations: [ProposerRotation] = []
    var invalid: Set<Bytes32> = []
    var withheld: Set<Bytes32> = []
    var side: [Int]
    private(set) var crashes = 0
    private(set) var events = 0
    private(set) var mostVotes = 0

    init(_ scenario: Scenario) {
        self.scenario = scenario
        random = DeterministicRandom(seed: scenario.seed &* 7919 &+ UInt64(scenario.count))
        side = Array(repeating: 0, count: scenario.count)
        for index in 0..<scenario.count {
            let skew =
                scenario.clockSkew == 0
                ? 0 : random.integer(in: -scenario.clockSkew...scenario.clockSkew)
            nodes.append(
                SimulatedNode(
                    index: index,
                    isHonest: scenario.faulty[index] == nil && !scenario.silent.contains(index),
                    skew: skew, machine: machine(index)))
        }
        for index in nodes.indices {
            if scenario.silent.contains(index) {
                nodes[index].isUp = false
            } else {
                startHeight(index, recovery: nil)
            }
        }
        if scenario.partitions { queue.add(.repartition, at: 200) }
    }

    var hasFaults: Bool { now < scenario.faultsUntil }

    func machine(_ index: Int) -> Tendermint {
        var timing = Tendermint.Timing()
        timing.propose = .milliseconds(400)
        timing.prevote = .milliseconds(200)
        timing.precommit = .milliseconds(200)
        timing.roundIncrement = .milliseconds(100)
        timing.timeoutMax = .seconds(4)
        timing.commitWait = .milliseconds(20)
        timing.gossipInterval = .milliseconds(300)
        return Tendermint(localKey: World.keyBytes[index], timing: timing, seed: random.next())
    }

    // MARK: The chain

    func validators(at height: UInt64) -> ValidatorSet { rotation(at: height).validators }

    func rotation(at height: UInt64) -> ProposerRotation {
        while rotations.count < Int(height) {
            let next = set(at: UInt64(rotations.count) + 1)
            rotations.append(
                rotations.last?.next(validators: next) ?? ProposerRotation(validators: next))
        }
        return rotations[Int(height) - 1]
    }

    /// Each epoch somebody else is out, and the stakes differ.
    func set(at height: UInt64) -> ValidatorSet {
        let stakes =
            scenario.stakes.isEmpty
            ? [UInt64](repeating: 1, count: scenario.count) : scenario.stakes
        guard scenario.epochLength > 0 else { return World.validators(stakes) }
        let epoch = Int(height - 1) / scenario.epochLength
        let members = (0..<scenario.count).filter {
            scenario.count < 5 || $0 != epoch % scenario.count
        }
        return try! ValidatorSet(
            members.map { member in
                Validator(
                    key: World.keyBytes[member],
                    stake: stakes[member] * 10 + UInt64((member + epoch) % 3))
            })
    }

    func context(_ height: UInt64, chain: [Commit]) -> HeightContext {
        HeightContext(
            height: height, rotation: rotation(at: height),
            nextValidators: validators(at: height + 1),
            parent: chain.last.map {
                ParentCommit(commit: $0, validators: validators(at: $0.height))
            })
    }

    func startHeight(_ index: Int, recovery: ConsensusRecovery?) {
        let chain = nodes[index].chain
        handle(
            index, .heightStarted(context(UInt64(chain.count) + 1, chain: chain), recovery))
    }

    // MARK: Running

    /// Until faults are over and everybody honest has committed enough, or time is up.
    func run() {
        var goal: UInt64?
        while let time = queue.nextTime, truth.faults.isEmpty {
            if goal == nil, time >= scenario.faultsUntil {
                goal = UInt64(nodes.map { $0.chain.count }.max() ?? 0) + scenario.heightsAfter
                side = Array(repeating: 0, count: nodes.count)
                for node in nodes where !node.isUp && !scenario.silent.contains(node.index) {
                    queue.add(.restart(node.index), at: time + 1)
                }
            }
            if let goal {
                if nodes.allSatisfy({ !$0.isHonest || $0.chain.count >= goal }) { return }
                if time > scenario.faultsUntil + scenario.healBound {
                    let heights = nodes.map { $0.chain.count }
                    truth.fail("not at height \(goal) in time: \(heights)")
                    return
                }
            }
            now = max(now, time)
            events += 1
            perform(queue.removeFirst())
        }
    }

    func perform(_ event: Event) {
        switch event {
        case .input(let index, let life, let input):
            if nodes[index].life == life, nodes[index].isUp { handle(index, input) }
        case .message(let from, let to, let message): deliver(message, from: from, to: to)
        case .timer(let index, let life):
            guard nodes[index].life == life, nodes[index].isUp, nodes[index].timerAt == now
            else { return }
            nodes[index].timerAt = nil
            handle(index, .timeout)
        case .restart(let index): restart(index)
        case .sync(let index, let other, let life):
            guard nodes[index].life == life, nodes[index].isUp,
                nodes[other].chain.count > nodes[index].chain.count
            else { return }
            nodes[index].chain = nodes[other].chain
            startHeight(index, recovery: nil)
        case .repartition:
            guard hasFaults else { return }
            for index in side.indices { side[index] = random.below(2) }
            queue.add(.repartition, at: now + random.integer(in: 300...1500))
        }
    }

    func handle(_ index: Int, _ input: ConsensusInput) {
        var outputs: [ConsensusOutput] = []
        let node = nodes[index]
        node.machine.handle(
            input, now: World.at(now + node.skew + 10_000, skew: node.skew), into: &outputs)
        let held = node.machine.voteCount
        mostVotes = max(mostVotes, held)
        if held > node.machine.limits.votesMax(validators: scenario.count) {
            truth.fail("node \(index) holds \(held) votes")
        }
        for output in outputs where !perform(output, of: node) {
            crash(node)
            return
        }
        arm(node)
    }

    func arm(_ node: SimulatedNode) {
        guard let deadline = node.machine.nextDeadline else {
            node.timerAt = nil
            return
        }
        let at = max(now, Int((deadline.nanoseconds + 999_999) / 1_000_000) - node.skew - 10_000)
        if node.timerAt == at { return }
        node.timerAt = at
        queue.add(.timer(node.index, life: node.life), at: at)
    }

    // MARK: Outputs

    /// - Returns: false when the node dies here.
    func perform(_ output: ConsensusOutput, of node: SimulatedNode) -> Bool {
        switch output {
        case .persist(let record): node.writer.append(record)
        case .sign(let request):
            guard sync(node) else { return false }
            sign(request, node)
        case .broadcast(let message):
            guard sync(node) else { return false }
            broadcast(message, node)
        case .send(let message, let peer):
            if let to = World.peers.firstIndex(of: peer) { send(message, from: node.index, to: to) }
        case .build(let height, let round, let lastCommit): build(height, round, lastCommit, node)
        case .validate(let height, _, let block):
            guard !withheld.contains(block) else { return true }
            let verdict: BlockVerdict =
                invalid.contains(block) && scenario.faulty[node.index] == nil ? .invalid : .valid
            plan(
                .blockJudged(height: height, blockID: block, verdict), node,
                in: random.integer(in: 1...30))
        case .commit(let commit):
            guard sync(node) else { return false }
            if node.isHonest {
                truth.committed(
                    commit, by: node.index, validators: validators(at: commit.height),
                    isValid: !invalid.contains(commit.blockID), signs: scenario.signs)
            }
            if commit.height == node.chain.count + 1 { node.chain.append(commit) }
            let next = context(UInt64(node.chain.count) + 1, chain: node.chain)
            plan(.heightStarted(next, nil), node, in: random.integer(in: 1...5))
        case .evidence(let piece):
            let set = validators(at: piece.height)
            let key = set[piece.validator]!.key
            let culprit = World.keyBytes.firstIndex(of: key)!
            if scenario.signs {
                do {
                    try piece.verify(validators: set, network: World.network)
                } catch {
                    truth.fail("evidence that nobody can verify: \(error)")
                }
            }
            truth.found(piece, isAgainstHonest: nodes[culprit].isHonest)
        case .peerBehind(let peer, let height):
            guard let to = World.peers.firstIndex(of: peer), height <= node.chain.count else {
                break
            }
            send(.commit(node.chain[Int(height) - 1]), from: node.index, to: to)
        case .peerAhead(let peer, _):
            guard let from = World.peers.firstIndex(of: peer), nodes[from].isUp else { break }
            queue.add(.sync(node.index, from: from, life: node.life), at: now + 50)
        case .event(.committedBlockIsInvalid(let height, _)):
            if node.isHonest { truth.fail("node \(node.index) halted at \(height)") }
        case .event: break
        }
        return true
    }

    func plan(_ input: ConsensusInput, _ node: SimulatedNode, in delay: Int) {
        queue.add(.input(node.index, life: node.life, input), at: now + delay)
    }

    /// One sync of what was collected, or death on the way.
    func sync(_ node: SimulatedNode) -> Bool {
        guard !node.writer.isEmpty else { return true }
        let bytes = node.writer.seal()
        if hasFaults, random.chance(crashRate(node), in: 1000) {
            // Part of it got there, perhaps with something else behind.
            node.log += bytes.prefix(random.below(bytes.count + 1))
            if random.chance(1, in: 3) {
                node.log += [UInt8](repeating: 0, count: random.below(40))
            }
            return false
        }
        node.log += bytes
        return true
    }

    func crashRate(_ node: SimulatedNode) -> Int {
        if case .amnesiac = scenario.faulty[node.index] { return 60 }
        return scenario.crashesPer1000
    }

    func crash(_ node: SimulatedNode) {
        crashes += 1
        node.isUp = false
        node.life += 1
        node.timerAt = nil
        queue.add(.restart(node.index), at: now + random.integer(in: 20...800))
    }

    func restart(_ index: Int) {
        let node = nodes[index]
        guard !node.isUp, !scenario.silent.contains(index) else { return }
        node.isUp = true
        node.life += 1
        if case .amnesiac = scenario.faulty[index] {
            node.log = ConsensusLog.magic
            node.signingState = SigningGuard(freshFrom: 0).record
        }
        do {
            let contents = try ConsensusLog.read(node.log.span)
            node.log =
                contents.size == 0 ? ConsensusLog.magic : Array(node.log.prefix(contents.size))
            node.writer = ConsensusLog.Writer(nextGroup: contents.nextGroup)
            let signed = try SigningGuard(record: node.signingState)
            node.machine = machine(index)
            startHeight(
                index,
                recovery: ConsensusRecovery(
                    records: contents.records,
                    lastSigned: signed.last.step == nil ? nil : signed.last))
        } catch {
            truth.fail("node \(index) cannot start: \(error)")
        }
    }

    func build(
        _ height: UInt64, _ round: UInt32, _ lastCommit: Commit?, _ node: SimulatedNode
    ) {
        if height > 1, lastCommit?.height != height - 1 {
            truth.fail("node \(node.index) builds \(height) on \(String(describing: lastCommit))")
        }
        let block = newBlock(height, round, node.index)
        switch scenario.faulty[node.index] {
        case .liar: invalid.insert(block)
        case .withholder: withheld.insert(block)
        default: break
        }
        plan(
            .blockBuilt(height: height, round: round, blockID: block), node,
            in: random.integer(in: 1...20))
    }

    func newBlock(_ height: UInt64, _ round: UInt32, _ index: Int) -> Bytes32 {
        World.block("\(height)/\(round)/\(index)/\(random.next())")
    }

    func sign(_ request: SignRequest, _ node: SimulatedNode) {
        let message = request.message(network: World.network)
        let set = validators(at: request.position.height)
        guard let validator = set.index(of: World.keyBytes[node.index]),
            var guardian = try? SigningGuard(record: node.signingState)
        else { return truth.fail("node \(node.index) cannot sign \(request)") }
        let hash = SHA256.hash(message)
        switch guardian.decide(request.position, messageHash: hash) {
        case .refuse: return
        case .sign, .reuse: break
        }
        let input: ConsensusInput
        let signature: SignatureBytes
        switch request {
        case .vote(let content):
            let vote = World.vote(
                content, by: validator, key: node.index, signs: scenario.signs)
            signature = vote.signature
            input = .voteSigned(vote)
        case .proposal(let content):
            let proposal = World.proposal(
                content, by: validator, key: node.index, signs: scenario.signs)
            signature = proposal.signature
            input = .proposalSigned(proposal)
        }
        if case .sign = guardian.decide(request.position, messageHash: hash) {
            guardian.signed(request.position, messageHash: hash, signature: signature)
            node.signingState = guardian.record
        }
        see(request, node)
        plan(input, node, in: random.integer(in: 0...3))
    }

    func see(_ request: SignRequest, _ node: SimulatedNode) {
        truth.sees(
            request, by: node.index, isHonest: node.isHonest,
            validators: validators(at: request.position.height), keys: World.keyBytes)
    }
}
