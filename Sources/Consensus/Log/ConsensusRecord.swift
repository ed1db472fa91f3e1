import ChoraleBase
public import ChoraleTypes
import Codec

/// What a validator must remember over a crash, in the order in which it came to be.
///
/// The lock is the last precommit for a block, and so is not a record of its own.
public enum ConsensusRecord: Hashable, Sendable {
    case heightStarted(UInt64)
    case roundStarted(height: UInt64, round: UInt32)
    /// What is about to be signed.
    case proposalIntent(ProposalContent)
    /// What is about to be signed. A precommit for a block locks it (line 38).
    case voteIntent(VoteContent)
    /// > 2/3 prevoted a block in a round (lines 42 and 43).
    case valid(height: UInt64, BlockInRound)
    /// Our own messages with their signatures, so that they can be sent again.
    case proposal(Proposal)
    case vote(Vote)
    case commit(Commit)

    /// Whether it must be on disk before a later signature or message leaves.
    ///
    /// What is signed already is also in the signing state; a round that is forgotten is found again.
    public var needsSync: Bool {
        switch self {
        case .proposalIntent, .voteIntent, .valid, .commit: true
        case .heightStarted, .roundStarted, .proposal, .vote: false
        }
    }

    public var height: UInt64 {
        switch self {
        case .heightStarted(let height): height
        case .roundStarted(let height, _): height
        case .proposalIntent(let content): content.height
        case .voteIntent(let content): content.height
        case .valid(let height, _): height
        case .proposal(let proposal): proposal.height
        case .vote(let vote): vote.height
        case .commit(let commit): commit.height
        }
    }

    /// Largest payload, in bytes.
    static let payloadSizeMax = Commit.encodedSizeMax

    /// The number of the case in the log.
    var type: UInt8 {
        switch self {
        case .heightStarted: 1
        case .roundStarted: 2
        case .proposalIntent: 3
        case .voteIntent: 4
        case .valid: 5
        case .proposal: 6
        case .vote: 7
        case .commit: 8
        }
    }

    var payload: [UInt8] {
        switch self {
        case .heightStarted(let height): return height.sszEncoded()
        case .roundStarted(let height, let round):
            return height.sszEncoded() + round.sszEncoded()
        case .proposalIntent(let content): return content.sszEncoded()
        case .voteIntent(let content): return content.sszEncoded()
        case .valid(let height, let block):
            return height.sszEncoded() + block.round.sszEncoded() + block.blockID.sszEncoded()
        case .proposal(let proposal): return proposal.sszEncoded()
        case .vote(let vote): return vote.sszEncoded()
        case .commit(let commit): return commit.sszEncoded()
        }
    }

    init(type: UInt8, payload: Span<UInt8>) throws(SSZError) {
        switch type {
        case 1: self = .heightStarted(try UInt64(ssz: payload))
        case 2:
            try Self.expect(payload, size: 12)
            self = .roundStarted(
                height: payload.loadLittleEndian(UInt64.self, at: 0),
                round: payload.loadLittleEndian(UInt32.self, at: 8))
        case 3: self = .proposalIntent(try ProposalContent(ssz: payload))
        case 4: self = .voteIntent(try VoteContent(ssz: payload))
        case 5:
            try Self.expect(payload, size: 44)
            self = .valid(
                height: payload.loadLittleEndian(UInt64.self, at: 0),
                BlockInRound(
                    round: payload.loadLittleEndian(UInt32.self, at: 8),
                    blockID: try Bytes32(ssz: payload.extracting(12..<44))))
        case 6: self = .proposal(try Proposal(ssz: payload))
        case 7: self = .vote(try Vote(ssz: payload))
        case 8: self = .commit(try Commit(ssz: payload))
        default: throw .invalidValue("a record of type \(type)")
        }
    }

    private static func expect(_ payload: Span<UInt8>, size: Int) throws(SSZError) {
        guard payload.count == size else { throw .wrongSize(found: payload.count, expected: size) }
    }
}
