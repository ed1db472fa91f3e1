import ChoraleBase
import ChoraleTypes
import Codec
import PeerIdentity
import Subproof

/// Votes on parts: what they cost besides their signatures, and how many parts fall to a validator.
extension Micro {
    static func votes() throws {
        try votePipeline()
        for (count, listeners, goal) in [(100, 100, 22.0), (1000, 24, 2.3)] {
            let simulation = VoteSimulation(
                VoteWorld(validators: count), listeners: listeners, seed: UInt64(count))
            try simulation.run()
            report(
                "parts of 64 that each of \(count) validators verifies, mean", simulation.meanWork,
                "parts", goal: .atMost(goal))
            report(
                "parts of 64 that one of \(count) validators verifies, most",
                Double(simulation.mostWork), "parts")
        }
    }

    /// From bytes to certificates. By turns with the signatures alone, so that what else the machine does
    /// meets both.
    private static func votePipeline() throws {
        let world = VoteWorld(validators: 100)
        let context = world.context
        var encoded: [[UInt8]] = []
        for part in context.rules.indices {
            for member in context.rules[part].order.members(of: .first) {
                encoded.append(world.vote(part, by: member).sszEncoded())
            }
        }
        let signatures = try encoded.map { bytes in
            let vote = try SubProofVote(ssz: bytes.span)
            return (
                world.keys[vote.validator.position].publicKey, vote.signature.bytes,
                vote.content.signedMessage(network: VoteWorld.network)
            )
        }
        let (batch, rounds) = (32, 10)
        var (ratios, whole, rates, turns): ([Double], [Double], [Double], [Double]) = (
            [], [], [], []
        )
        for _ in 0..<rounds {
            var pool = SubproofPool(localKey: nil)
            var outputs: [SubproofOutput] = []
            pool.handle(.commitmentIncluded(context), now: VoteWorld.at(0), into: &outputs)
            outputs.removeAll()
            var checker = SubProofVoteChecker(network: VoteWorld.network)
            var (raw, worker, loop, good, certified) = (0.0, 0.0, 0.0, 0, 0)
            for start in stride(from: 0, to: encoded.count, by: batch) {
                let range = start..<min(start + batch, encoded.count)
                raw += cpuSeconds {
                    for (key, signature, message) in signatures[range]
                    where key.verify(signature: signature, message: message) { good += 1 }
                }
                var asked: [(SubProofVote, QuorumRule)] = []
                var watch = Stopwatch()
                for bytes in encoded[range] {
                    let vote = try SubProofVote(ssz: bytes.span)
                    guard case .verify(let rule) = pool.precheck(vote) else { continue }
                    asked.append((vote, rule))
                }
                loop += watch.lap()
                var verified: [VerifiedSubProofVote] = []
                _ = watch.lap()
                for (vote, rule) in asked {
                    verified.append(
                        try VerifiedSubProofVote(
                            vote, validators: rule.validators, checker: &checker))
                }
                worker += watch.lap()
                for vote in verified {
                    pool.handle(.voteReceived(vote), now: VoteWorld.at(1), into: &outputs)
                    for case .event(.certified) in outputs { certified += 1 }
                    outputs.removeAll(keepingCapacity: true)
                }
                loop += watch.lap()
            }
            guard good == encoded.count, certified == context.rules.count else {
                throw BenchError("\(good) good votes, \(certified) certificates")
            }
            ratios.append(raw / worker)
            whole.append(raw / (worker + loop))
            rates.append(Double(encoded.count) / worker)
            turns.append(loop / Double(encoded.count) * 1e6)
        }
        func median(_ values: [Double]) -> Double { values.sorted()[values.count / 2] }
        report("votes on parts checked by one worker", median(rates), "1/s")
        report(
            "the same, of its bare Ed25519 verifications", median(ratios), "×", goal: .atLeast(0.9))
        report("votes from bytes to certificates on one thread, of the same", median(whole), "×")
        report("the loop's share of a vote", median(turns), "µs")
    }
}

/// Validators of equal stake, and one operation of 64 parts.
struct VoteWorld {
    static let network: NetworkDigest = {
        guard let digest = NetworkDigest([0xBE, 0x4C, 0x41, 0x01]) else {
            preconditionFailure("four bytes")
        }
        return digest
    }()

    static func at(_ milliseconds: Int) -> Now {
        Now(
            instant: MonotonicInstant(nanoseconds: Int64(milliseconds) * 1_000_000),
            wall: WallTime(milliseconds: 1_700_000_000_000 + Int64(milliseconds)))
    }

    let keys: [IdentityKey]
    let context: OperationContext

    init(validators count: Int) {
        keys = (0..<count).map { Configurations.identity(300_000 + $0) }
        func digest(_ number: Int) -> Bytes32 {
            var bytes = [UInt8](repeating: 0, count: 32)
            bytes[0] = UInt8(truncatingIfNeeded: number)
            bytes[1] = UInt8(truncatingIfNeeded: number >> 8)
            guard let digest = Bytes32(bytes) else { preconditionFailure("32 bytes") }
            return digest
        }
        let parts = (0..<64).compactMap { part in
            PartContext(
                proof: digest(1000 + part), proofType: 64, proofSize: 40_000, prover: digest(1),
                output: digest(2000 + part))
        }
        guard
            let set = try? ValidatorSet(
                keys.map { Validator(key: BodyDescription.producer(of: $0), stake: 1) }),
            let context = OperationContext(
                operation: digest(2), commitment: digest(5), height: 7, validators: set, beacon: digest(3),
                outputHash: digest(4), method: .parts(parts),
                expiresAt: Self.at(600_000).instant)
        else { preconditionFailure("64 parts and \(count) validators") }
        self.context = context
    }

    func content(_ part: Int) -> SubProofVoteContent {
        guard case .parts(let parts) = context.method,
            let id = SubProofID(
                operation: context.operation, part: UInt16(part), proof: parts[part].proof)
        else { preconditionFailure("an operation of parts") }
        return SubProofVoteContent(
            id: id, validatorsRoot: context.validators.root, verdict: .valid)
    }

    func vote(_ part: Int, by validator: ValidatorIndex) -> SubProofVote {
        SubProofVote(
            signing: content(part), as: validator, with: keys[validator.position],
            network: Self.network)
    }
}
