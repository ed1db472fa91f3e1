import ChoraleBase
import ChoraleTypes
import Codec
import Foundation
import PeerIdentity
import Testing

@testable import Subproof

/// What votes cost besides their signatures. Printed, not judged: the machine that runs tests is busy.
@Suite struct ThroughputTests {
    /// Of this thread, in seconds: other tests run beside.
    private func processorTime(_ body: () throws -> Void) rethrows -> Double {
        func now() -> Double {
            var time = timespec()
            clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
            return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
        }
        let start = now()
        try body()
        return now() - start
    }

    @Test("votes from bytes to certificates, against signatures alone, printed") func votes() throws
    {
        let context = World.operation("throughput", validators: World.hundred, parts: 64)
        var encoded: [[UInt8]] = []
        for part in 0..<64 {
            for member in context.rules[part].order.members(of: .first) {
                encoded.append(
                    World.vote(context, part, .valid, by: member, signs: true).sszEncoded())
            }
        }
        let decoded = try encoded.map { try SubProofVote(ssz: $0.span) }
        let signatures = decoded.map {
            (
                World.keys[$0.validator.position].publicKey, $0.signature.bytes,
                $0.content.signedMessage(network: World.network)
            )
        }
        var ratios: [Double] = []
        // The first rounds also load what a process loads once, and other tests run beside.
        for _ in 0..<10 {
            let driver = PoolDriver(as: nil)
            driver(.commitmentIncluded(context))
            var outputs: [SubproofOutput] = []
            var certificates = 0
            let now = World.at(1)
            var checker = SubProofVoteChecker(network: World.network)
            var (raw, worker, loop, good) = (0.0, 0.0, 0.0, 0)
            // By turns, so that what else the machine does meets all of them.
            for start in stride(from: 0, to: encoded.count, by: 32) {
                raw += processorTime {
                    for (key, signature, message) in signatures[start..<start + 32]
                    where key.verify(signature: signature, message: message) { good += 1 }
                }
                var asked: [(SubProofVote, QuorumRule)] = []
                loop += try processorTime {
                    for bytes in encoded[start..<start + 32] {
                        let vote = try SubProofVote(ssz: bytes.span)
                        guard case .verify(let rule) = driver.pool.precheck(vote) else { continue }
                        asked.append((vote, rule))
                    }
                }
                var verified: [VerifiedSubProofVote] = []
                worker += try processorTime {
                    for (vote, rule) in asked {
                        verified.append(
                            try VerifiedSubProofVote(
                                vote, validators: rule.validators, checker: &checker))
                    }
                }
                loop += processorTime {
                    for vote in verified {
                        driver.pool.handle(.voteReceived(vote), now: now, into: &outputs)
                        for case .event(.certified) in outputs { certificates += 1 }
                        outputs.removeAll(keepingCapacity: true)
                    }
                }
            }
            #expect(good == encoded.count && certificates == 64)
            let count = Double(encoded.count)
            ratios.append(raw / worker)
            guard ratios.count == 10 else { continue }
            print(
                "\(Int(count / raw)) signatures a second; a worker checks \(Int(count / worker)) votes,",
                "\(ratios.sorted()[5]) of that in the median of ten rounds; the loop spends",
                "\(loop / count * 1e6) µs a vote; on one thread all in all \(raw / (worker + loop))"
            )
        }
        #expect(ratios.max()! > 0.5, "more than half of the time goes elsewhere")
    }
}
