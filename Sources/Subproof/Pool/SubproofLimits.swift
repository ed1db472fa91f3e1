/// What bounds the memory and the work of a ``SubproofPool``.
public struct SubproofLimits: Hashable, Sendable {
    /// Operations that are open at once. The chain opens fewer; this is for the day it does not.
    public var operationsMax = 64
    /// Parts of all open operations. With 1,024 validators each has 6 KiB of order, ranks and flags.
    public var partsMax = 4096
    /// Votes held of all parts, each 160 bytes in memory: 40 MiB. 32 a part in quiet times; a set of
    /// 1,024 that quarrels about 250 parts fills it.
    public var votesMax = 1 << 18
    /// Votes kept until their operation's block is here: of at most 300 bytes.
    public var earlyVotesMax = 4096
    /// What our own signatures are remembered by, 400 bytes each: 64 operations of 64 parts, sixteen
    /// times over.
    public var guardEntriesMax = 1 << 16
    /// Proofs that are fetched or verified at once.
    public var worksMax = 16
    /// Their bytes: four of the largest.
    public var workSizeMax: UInt64 = 16 << 20
    /// Proofs of one prover that are verified at once without waiting.
    public var proverBurst: Int64 = 256
    /// Then one in this time: 20 a second, some cores' worth of proofs that take 50 ms.
    public var proverInterval = Duration.milliseconds(50)
    /// Parts that everybody verifies because of one validator's word. It may be wrong once, and then is
    /// not listened to; more than a few at a time are no honest validator's.
    public var rejecterBurst: Int64 = 8
    public var rejecterInterval = Duration.seconds(5)
    /// Signers whose budgets are known; of more the oldest are forgotten.
    public var signersMax = 4096
    /// Enclaves that are known to be revoked.
    public var enclavesMax = 1024
    /// Own votes that are published again in one turn.
    public var resendMax = 256

    public init() {}
}

/// How long is waited for what.
public struct SubproofTiming: Hashable, Sendable {
    /// Until the second tranche is asked, and again until everyone is (Δ): a slot of 4 s.
    public var expansionInterval = Duration.seconds(4)
    /// Until a vote on what is still open is published again.
    public var resendInterval = Duration.seconds(2)
    /// Until a proof that nobody had is asked for again.
    public var retryInterval = Duration.seconds(1)
    /// How long no work is spent on a signer that was wrong: two epochs and more, by when the chain has
    /// slashed it.
    public var muteInterval = Duration.seconds(15 * 60)
    /// From a committee's quorum to finality: 8 slots of 4 s.
    ///
    /// Specification: mechanisms row 0.13.
    public var challengeInterval = Duration.seconds(32)

    public init() {}
}

/// What a pool did. Together `accepted` and `dropped` are the messages and answers handed in.
public struct SubproofCounters: Hashable, Sendable {
    public var accepted: UInt64 = 0
    /// By ``SubproofDrop``.
    public var dropped = [UInt64](repeating: 0, count: SubproofDrop.allCases.count)
    public var operationsOpened: UInt64 = 0
    public var partsOpened: UInt64 = 0
    public var verifications: UInt64 = 0
    /// Of these, because somebody rejected.
    public var verificationsContested: UInt64 = 0
    public var verdictsValid: UInt64 = 0
    public var verdictsReject: UInt64 = 0
    public var abstentions: UInt64 = 0
    public var certificatesMade: UInt64 = 0
    public var certificatesTaken: UInt64 = 0
    public var evidenceFound: UInt64 = 0
    public var signersMuted: UInt64 = 0

    public init() {}

    mutating func drop(_ reason: SubproofDrop) { dropped[reason.rawValue] += 1 }

    public var droppedTotal: UInt64 { dropped.reduce(0, +) }
}
