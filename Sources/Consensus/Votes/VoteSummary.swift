public import ChoraleBase
public import ChoraleTypes
public import Codec

/// Which votes somebody has: what lets others send what it lacks.
///
/// Sent by whoever makes no progress. Unsigned: it can only cost its sender votes it has already.
public struct VoteSummary: Hashable, Sendable {
    /// Largest encoding, in bytes.
    public static let encodedSizeMax = 13 + 4 + 4 + setsMax * (4 + VoteSetSummary.encodedSizeMax)
    /// Most sets of votes: both kinds of the round and of the one before, prevotes of the valid
    /// round and of the round that the proposal refers to.
    public static let setsMax = 6

    public let height: UInt64
    public let round: UInt32
    /// Of ``round``.
    public let hasProposal: Bool
    public let sets: [VoteSetSummary]

    /// Nil when there are too many sets.
    public init?(height: UInt64, round: UInt32, hasProposal: Bool, sets: [VoteSetSummary]) {
        guard sets.count <= Self.setsMax else { return nil }
        self.height = height
        self.round = round
        self.hasProposal = hasProposal
        self.sets = sets
    }
}

/// Which votes of one kind in one round somebody has.
public struct VoteSetSummary: Hashable, Sendable {
    static let encodedSizeMax = 1 + 4 + 32 + 4 + 4 + 2 * 129

    public let kind: VoteKind
    public let round: UInt32
    /// What most of them are for; nil for no block.
    public let blockID: Bytes32?
    /// Whose vote is known, whatever for.
    public let voters: ValidatorBits
    /// Whose vote for ``blockID`` is known.
    public let blockVoters: ValidatorBits

    public init(
        kind: VoteKind, round: UInt32, blockID: Bytes32?, voters: ValidatorBits,
        blockVoters: ValidatorBits
    ) {
        self.kind = kind
        self.round = round
        self.blockID = blockID
        self.voters = voters
        self.blockVoters = blockVoters
    }
}

extension VoteSetSummary: SSZContainer {
    public static let sszLayout = SSZLayout(
        VoteKind.self, UInt32.self, Bytes32.self, ValidatorBits.self, ValidatorBits.self)

    public func sszFields(_ fields: inout some SSZFieldVisitor) {
        fields.visit(kind)
        fields.visit(round)
        fields.visit(blockID ?? .zero)
        fields.visit(voters)
        fields.visit(blockVoters)
    }

    public init(sszFields fields: inout SSZFieldReader, in input: Span<UInt8>) throws(SSZError) {
        kind = try fields.next(in: input)
        round = try fields.next(in: input)
        let root = try fields.next(Bytes32.self, in: input)
        blockID = root == .zero ? nil : root
        voters = try fields.next(in: input)
        blockVoters = try fields.next(in: input)
        guard round <= ConsensusBounds.roundMax else { throw .invalidValue("round \(round)") }
    }
}

extension VoteSummary: SSZContainer {
    public static let sszLayout = SSZLayout(
        UInt64.self, UInt32.self, Bool.self, SSZList<VoteSetSummary, 6>.self)

    public func sszFields(_ fields: inout some SSZFieldVisitor) {
        guard let list = SSZList<VoteSetSummary, 6>(sets) else {
            preconditionFailure("a summary keeps to its limit")
        }
        fields.visit(height)
        fields.visit(round)
        fields.visit(hasProposal)
        fields.visit(list)
    }

    public init(sszFields fields: inout SSZFieldReader, in input: Span<UInt8>) throws(SSZError) {
        height = try fields.next(in: input)
        round = try fields.next(in: input)
        hasProposal = try fields.next(in: input)
        sets = try fields.next(SSZList<VoteSetSummary, 6>.self, in: input).elements
        guard (1...ConsensusBounds.heightMax).contains(height) else {
            throw .invalidValue("height \(height)")
        }
        guard round <= ConsensusBounds.roundMax else { throw .invalidValue("round \(round)") }
    }
}
