public import ChoraleBase
public import ChoraleTypes
public import Codec
public import Consensus

/// How far a node has come.
public struct ChainStatus: Hashable, Sendable {
    /// Last committed; 0 for the genesis.
    public var height: UInt64
    public var blockID: Bytes32
    /// Lowest height whose block is served.
    public var earliest: UInt64

    public init(height: UInt64, blockID: Bytes32, earliest: UInt64) {
        self.height = height
        self.blockID = blockID
        self.earliest = earliest
    }
}

extension ChainStatus: SSZContainer {
    public static let sszLayout = SSZLayout(UInt64.self, Bytes32.self, UInt64.self)

    public func sszFields(_ fields: inout some SSZFieldVisitor) {
        fields.visit(height)
        fields.visit(blockID)
        fields.visit(earliest)
    }

    public init(sszFields fields: inout SSZFieldReader, in input: Span<UInt8>) throws(SSZError) {
        height = try fields.next(in: input)
        blockID = try fields.next(in: input)
        earliest = try fields.next(in: input)
        guard height <= ConsensusBounds.heightMax, earliest <= height else {
            throw .invalidValue("heights \(earliest) to \(height)")
        }
    }
}

/// What validators and those who follow them tell each other, on the topic `vote` and from peer to peer.
///
/// In SSZ a union: one byte for the kind, then the content.
public enum ChainMessage: Hashable, Sendable {
    case vote(Vote)
    case proposal(Proposal)
    case commit(Commit)
    case summary(VoteSummary)
    case status(ChainStatus)

    /// Largest encoding, in bytes.
    public static let encodedSizeMax =
        1
        + max(
            Vote.encodedSizeMax, Proposal.encodedSizeMax, Commit.encodedSizeMax,
            VoteSummary.encodedSizeMax)
    /// Of those that are gossiped: votes and proposals.
    public static let gossipedSizeMax = 1 + max(Vote.encodedSizeMax, Proposal.encodedSizeMax)

    init(_ message: ConsensusMessage) {
        switch message {
        case .proposal(let proposal): self = .proposal(proposal)
        case .vote(let vote): self = .vote(vote)
        case .commit(let commit): self = .commit(commit)
        case .summary(let summary): self = .summary(summary)
        }
    }
}

extension ChainMessage: SSZEncodable, SSZDecodable {
    public static var sszFixedSize: Int? { nil }

    private var selector: UInt8 {
        switch self {
        case .vote: 0
        case .proposal: 1
        case .commit: 2
        case .summary: 3
        case .status: 4
        }
    }

    public func sszEncode(into bytes: inout [UInt8]) {
        bytes.append(selector)
        switch self {
        case .vote(let vote): vote.sszEncode(into: &bytes)
        case .proposal(let proposal): proposal.sszEncode(into: &bytes)
        case .commit(let commit): commit.sszEncode(into: &bytes)
        case .summary(let summary): summary.sszEncode(into: &bytes)
        case .status(let status): status.sszEncode(into: &bytes)
        }
    }

    public func hashTreeRoot<Hash: SHA256Hashing>(_ hash: Hash.Type) -> Bytes32 {
        let root =
            switch self {
            case .vote(let vote): vote.hashTreeRoot(hash)
            case .proposal(let proposal): proposal.hashTreeRoot(hash)
            case .commit(let commit): commit.hashTreeRoot(hash)
            case .summary(let summary): summary.hashTreeRoot(hash)
            case .status(let status): status.hashTreeRoot(hash)
            }
        // mix_in_selector
        return Hash.combine(root, selector.hashTreeRoot(hash))
    }

    public init(ssz input: Span<UInt8>) throws(SSZError) {
        guard !input.isEmpty else { throw .tooShort(found: 0, minimum: 1) }
        let value = input.extracting(1..<input.count)
        switch input[0] {
        case 0: self = .vote(try Vote(ssz: value))
        case 1: self = .proposal(try Proposal(ssz: value))
        case 2: self = .commit(try Commit(ssz: value))
        case 3: self = .summary(try VoteSummary(ssz: value))
        case 4: self = .status(try ChainStatus(ssz: value))
        case let other: throw .invalidValue("a message of kind \(other)")
        }
    }
}
