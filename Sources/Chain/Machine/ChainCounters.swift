import Consensus

/// What a peer said that no honest one says.
public enum MessageFault: String, CaseIterable, Hashable, Sendable {
    /// No message of the chain.
    case malformed
    /// A kind of message that is not for everybody.
    case notGossiped = "not_gossiped"
    /// Not by who it says, or with bodies of another block.
    case forged
    /// Consensus says that nobody can have meant it.
    case refused
    /// Blocks that do not follow from each other, or were not asked for.
    case blocks
    /// No checkpoint and no part of a state that was asked for.
    case state
}

/// What a chain has done since the start.
public struct ChainCounters: Hashable, Sendable {
    public var blocksCommitted: UInt64 = 0
    public var blocksImported: UInt64 = 0
    public var blocksBuilt: UInt64 = 0
    public var buildsFailed: UInt64 = 0
    /// Requests of ours for a payload to propose.
    public var payloadsAsked: UInt64 = 0
    /// Of the answers, those that were invalid.
    public var payloadsRefused: UInt64 = 0
    /// Built for others.
    public var payloadsBuilt: UInt64 = 0
    public var blocksValid: UInt64 = 0
    /// By ``BlockFault/label``.
    public var blocksInvalid: [String: UInt64] = [:]
    public var blocksUndecided: UInt64 = 0
    public var blocksEarly: UInt64 = 0
    public var blocksShed: UInt64 = 0
    public var committedInvalid: UInt64 = 0
    public var commitsFailed: UInt64 = 0
    public var contentsAsked: UInt64 = 0
    public var rangesAsked: UInt64 = 0
    /// For a checkpoint and its state.
    public var downloadRequests: UInt64 = 0
    public var transactionsCommitted: UInt64 = 0
    public var gasUsed: UInt64 = 0
    /// Pieces of evidence in committed blocks.
    public var evidenceCommitted: UInt64 = 0
    /// Pieces of evidence of faults on parts of operations, in committed blocks.
    public var partEvidenceCommitted: UInt64 = 0
    public var transactionsShed: UInt64 = 0
    /// By the name of the reason.
    public var transactionsRefused: [String: UInt64] = [:]
    public var verificationsShed: UInt64 = 0
    /// Messages for single peers that were dropped while the validator's files stood still.
    public var answersShed: UInt64 = 0
    public var signaturesRefused: UInt64 = 0
    /// By ``ConsensusDrop/rawValue``.
    public var consensusDrops = [UInt64](repeating: 0, count: ConsensusDrop.allCases.count)
    public var faults: [MessageFault: UInt64] = [:]

    public init() {}
}
