import ChoraleBase
import ChoraleTypes
import Codec
import Subproof

/// All validators' pools on a virtual network with a virtual clock, until each knows that every part is
/// certified: how many proofs each has verified by then.
///
/// Bodies take 20 to 80 ms to come and 20 to 60 ms to verify, messages 10 to 200 ms. Nobody is faulty:
/// docs/subproofs.md and its tests have what faults cost.
final class VoteSimulation {
    private enum Event {
        case input(Int, SubproofInput)
        case vote(Int, SubProofVote)
        case certificate(Int, SubProofCertificate)
        case timer(Int)
    }

    private final class Validator {
        var pool: SubproofPool
        var verifications = 0
        var timerAt: Int?
        var isDone = false

        init(_ pool: consuming SubproofPool) { self.pool = pool }
    }

    /// In simulated milliseconds: an operation's parts are certified within a second.
    private static let patience = 10_000

    private let world: VoteWorld
    /// Votes go to the first so many only, so that a thousand do not take a million deliveries each
    /// second; certificates go to all.
    private let listeners: Int
    private var validators: [Validator] = []
    /// By millisecond.
    private var agenda: [[Event]] = []
    private var time = 0
    private var random: DeterministicRandom
    private var undecided: Int

    init(_ world: VoteWorld, listeners: Int, seed: UInt64) {
        self.world = world
        self.listeners = listeners
        random = DeterministicRandom(seed: seed)
        undecided = world.keys.count
        validators = world.context.validators.validators.map { validator in
            Validator(SubproofPool(localKey: validator.key))
        }
        for index in validators.indices {
            plan(.input(index, .commitmentIncluded(world.context)), after: random.below(300))
        }
    }

    var meanWork: Double {
        Double(validators.reduce(0) { $0 + $1.verifications }) / Double(validators.count)
    }

    var mostWork: Int { validators.map(\.verifications).max() ?? 0 }

    func run() throws {
        while undecided > 0, time < Self.patience {
            if time < agenda.count {
                // What is planned meanwhile for the same instant comes at its end.
                var next = 0
                while next < agenda[time].count {
                    perform(agenda[time][next])
                    next += 1
                }
                agenda[time] = []
            }
            time += 1
        }
        guard undecided == 0 else {
            throw BenchError("\(undecided) validators do not know that all parts are certified")
        }
    }

    private func plan(_ event: Event, after delay: Int) {
        let at = time + delay
        while agenda.count <= at { agenda.append([]) }
        agenda[at].append(event)
    }

    private func perform(_ event: Event) {
        switch event {
        case .input(let index, let input): handle(index, input)
        case .timer(let index):
            guard validators[index].timerAt == time else { return }
            validators[index].timerAt = nil
            handle(index, .timeout)
        case .vote(let index, let vote):
            switch validators[index].pool.precheck(vote) {
            case .verify: handle(index, .voteReceived(VerifiedSubProofVote(trusting: vote)))
            case .early: handle(index, .voteEarly(vote))
            case .drop: break
            }
        case .certificate(let index, let certificate):
            guard case .verify(let rule) = validators[index].pool.precheck(certificate),
                let verified = try? VerifiedSubProofCertificate(trusting: certificate, rule: rule)
            else { return }
            handle(index, .certificateReceived(verified))
        }
    }

    private func handle(_ index: Int, _ input: SubproofInput) {
        let validator = validators[index]
        var outputs: [SubproofOutput] = []
        validator.pool.handle(input, now: VoteWorld.at(time), into: &outputs)
        for output in outputs { perform(output, of: index) }
        guard let deadline = validator.pool.nextDeadline else { return }
        let at = max(time + 1, Int((deadline.nanoseconds + 999_999) / 1_000_000))
        if let planned = validator.timerAt, planned > time, planned <= at { return }
        validator.timerAt = at
        plan(.timer(index), after: at - time)
    }

    private func perform(_ output: SubproofOutput, of index: Int) {
        switch output {
        case .pull(let job, _):
            plan(.input(index, .bodyArrived(job)), after: 20 + random.below(60))
        case .verify(let job, _):
            validators[index].verifications += 1
            plan(.input(index, .verified(job, .valid)), after: 20 + random.below(40))
        case .sign(.vote(let content), let validator):
            // Signatures are not what is measured here.
            let vote = world.unsignedVote(content, by: validator)
            plan(.input(index, .signed(vote)), after: random.below(3))
        case .publishVote(let vote, _, _):
            for to in 0..<min(listeners, validators.count) where to != index {
                plan(.vote(to, vote), after: 10 + random.below(190))
            }
        case .publishCertificate(let certificate):
            for to in validators.indices where to != index {
                plan(.certificate(to, certificate), after: 10 + random.below(190))
            }
        case .requestCertificates(let operation, let parts):
            let peer = random.below(validators.count)
            guard peer != index else { return }
            for certificate in validators[peer].pool.certificates(of: operation, parts: parts) {
                plan(.certificate(index, certificate), after: 10 + random.below(190))
            }
        case .event(.operationCertified):
            guard !validators[index].isDone else { return }
            validators[index].isDone = true
            undecided -= 1
        default: break
        }
    }
}

extension VoteWorld {
    /// With 64 bytes that stand for a signature.
    func unsignedVote(
        _ content: SubProofVoteContent, by validator: ValidatorIndex
    ) -> SubProofVote {
        guard
            let signature = SignatureBytes(
                [UInt8](repeating: UInt8(truncatingIfNeeded: validator.position), count: 64))
        else { preconditionFailure("64 bytes") }
        return SubProofVote(
            content: content, validator: validator, scheme: .ed25519, signature: signature)
    }
}
