import ChoraleBase
import ChoraleTypes
import Codec
import Consensus
import Crypto
import PeerIdentity
import Testing

@testable import Chain

/// What one peer can take from all others.
@Suite struct FloodTests {
    private func chain(
        _ network: ChainNetwork, key: Int? = nil
    ) throws -> Chain {
        Chain(
            ChainConfiguration(
                parameters: network.parameters,
                localKey: key.map { ChainNetwork.bytes(ChainNetwork.validatorKey($0)) }),
            head: try ChainHead(network.parameters), seed: 1)
    }

    private static func now(_ milliseconds: Int64) -> Now {
        Now(
            instant: MonotonicInstant(nanoseconds: 1_000_000_000 + milliseconds * 1_000_000),
            wall: WallTime(milliseconds: ChainNetwork.wallOffset + milliseconds))
    }

    private static func status(_ network: ChainNetwork) -> ChainStatus {
        ChainStatus(height: 0, blockID: network.parameters.genesisID, earliest: 0)
    }

    /// A peer that repeats a vote is checked so often at once and no more; others' votes are checked meanwhile.
    @Test func onePeerDoesNotTakeAllChecks() throws {
        let network = try ChainNetwork()
        var chain = try chain(network)
        var outputs: [ChainOutput] = []
        let (loud, quiet) = (network.peer(0), network.peer(1))
        chain.handle(.start(nil), now: Self.now(0), into: &outputs)
        for peer in [loud, quiet] {
            chain.handle(
                .peerConnected(peer, Self.status(network)), now: Self.now(0), into: &outputs)
        }
        let content = VoteContent(kind: .prevote, height: 1, round: 0, blockID: nil)
        let vote = Vote(
            content: content, validator: ValidatorIndex(2), scheme: .ed25519,
            signature: try #require(SignatureBytes([UInt8](repeating: 1, count: 64))))
        outputs = []
        for _ in 0..<5000 {
            chain.handle(.message(.vote(vote), from: loud), now: Self.now(1), into: &outputs)
        }
        chain.handle(
            .gossip(ChainGossipID(1), .vote, ChainMessage.vote(vote).sszEncoded(), from: quiet),
            now: Self.now(1), into: &outputs)
        var checks: [PeerID: [ChainVerification]] = [:]
        for case .verify(let verification) in outputs {
            checks[verification.origin.peer, default: []].append(verification)
        }
        #expect(checks[loud]?.count == chain.configuration.limits.verificationsPerPeerMax)
        #expect(checks[quiet]?.count == 1)
        // With the answers there is room again.
        for verification in checks[loud] ?? [] {
            chain.handle(.verified(verification.run()), now: Self.now(2), into: &outputs)
        }
        outputs = []
        chain.handle(.message(.vote(vote), from: loud), now: Self.now(3), into: &outputs)
        let isChecked = outputs.contains { if case .verify = $0 { true } else { false } }
        #expect(isChecked)
        #expect(chain.holdings.verificationCount == 2)
    }

    /// While a validator's files stand still, what peers ask for does not pile up.
    @Test func answersDoNotPileUpBehindTheFiles() throws {
        let network = try ChainNetwork()
        var chain = try chain(network, key: 0)
        var outputs: [ChainOutput] = []
        chain.handle(.start(nil), now: Self.now(0), into: &outputs)
        let peer = network.peer(1)
        chain.handle(.peerConnected(peer, Self.status(network)), now: Self.now(0), into: &outputs)
        // Two others say a thing or two, for somebody who has nothing to be sent.
        let validators = chain.head.rotation.validators
        for number in 1..<4 {
            let key = ChainNetwork.validatorKey(number)
            let index = try #require(validators.index(of: ChainNetwork.bytes(key)))
            for kind in [VoteKind.prevote, .precommit] {
                let content = VoteContent(kind: kind, height: 1, round: 0, blockID: nil)
                let signature = try #require(
                    SignatureBytes(
                        key.sign(content.signedMessage(network: network.parameters.network))))
                let vote = Vote(
                    content: content, validator: index, scheme: .ed25519, signature: signature)
                outputs = []
                chain.handle(.message(.vote(vote), from: peer), now: Self.now(1), into: &outputs)
                for case .verify(let verification) in outputs {
                    chain.handle(.verified(verification.run()), now: Self.now(1), into: &outputs)
                }
            }
        }
        let empty = try #require(ValidatorBits(count: validators.count))
        let summary = try #require(
            VoteSummary(
                height: 1, round: 0, hasProposal: false,
                sets: [VoteKind.prevote, .precommit].map {
                    VoteSetSummary(
                        kind: $0, round: 0, blockID: nil, voters: empty, blockVoters: empty)
                }))
        // Its own nil prevote waits for the files, which never answer.
        for tick in 1..<4000 {
            outputs = []
            chain.handle(.timeout, now: Self.now(Int64(tick) * 1000), into: &outputs)
            chain.handle(
                .message(.summary(summary), from: peer), now: Self.now(Int64(tick) * 1000),
                into: &outputs)
        }
        #expect(chain.counters.answersShed > 0)
        #expect(chain.holdings.heldOutputCount <= chain.configuration.limits.heldOutputsMax + 32)
    }
}
