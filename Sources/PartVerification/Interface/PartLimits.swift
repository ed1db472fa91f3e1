/// What bounds the memory and the traffic of a ``PartVerification``, besides ``Subproof/SubproofLimits``.
public struct PartLimits: Hashable, Sendable {
    /// Proofs kept on disk, in bytes; the oldest go first.
    public var shelfSizeMax: UInt64 = 1 << 30
    /// Their number: each is 80 bytes in memory.
    public var shelfCountMax = 1 << 18
    /// Votes that wait for a worker to check them, of at most 300 bytes.
    public var votesMax = 4096
    /// Votes that a worker checks at once: 5 ms.
    public var voteBatchMax = 64
    /// Certificates and evidence that wait, of at most 32 KiB, or 100 where they were asked for.
    public var statementsMax = 128
    /// Workers that check signatures at once, for votes and for all else.
    public var checkJobsMax = 4
    /// Proofs and certificates that are read for peers at once.
    public var servesMax = 64
    /// Large bodies that are in memory at once, to be prepared.
    public var preparingMax = 2
    /// Operations that are prepared, and the size of their bodies together.
    public var preparedMax = 16
    public var preparedSizeMax: UInt64 = 512 << 20
    /// Peers that are asked for one proof before it counts as missing.
    public var holdersMax = 8
    /// Peers that votes are said to again.
    public var listenersMax = 8
    /// Requests to peers that are not over.
    public var requestsMax = 1024
    /// What waits to be written before it is signed: what a disk that refuses would let grow. Beyond that nothing is
    /// signed until the next start.
    public var intentsMax = 1 << 14
    /// What our own executor wants to be kept, waiting for the disk.
    public var shelvingMax = 64
    /// Heights for which votes, certificates and proofs are kept behind the oldest open commitment.
    public var heightsKept: UInt64 = 4096
    /// Statements of enclaves that are remembered, of 200 bytes: of 4,096 parts and three executors, and to spare.
    public var attestationsMax = 1 << 14
    /// Statements that wait for a worker, of at most 48 KiB.
    public var attestationChecksMax = 64
    /// Workers that check them at once.
    public var attestationJobsMax = 2
    /// Statements that are fetched, or are to be.
    public var attestationPullsMax = 256
    /// Peers that are asked for one.
    public var attestationHoldersMax = 3
    /// Platforms that are known to be caught.
    public var enclavesMax = 1024
    /// Operations that are told about after their end.
    public var endedMax = 256

    public init() {}
}

/// How long is waited for what, besides ``Subproof/SubproofTiming``.
public struct PartTiming: Hashable, Sendable {
    /// Until another peer is asked for a proof, too.
    public var hedgeInterval = Duration.milliseconds(700)
    /// For a connection to the executor, before others are asked.
    public var connectInterval = Duration.seconds(2)
    /// For a proof and its operation's bodies, before others get their turn.
    public var pullInterval = Duration.seconds(10)
    /// For gossip to bring a statement of an enclave that a commitment names.
    public var attestationInterval = Duration.seconds(2)
    /// Until what the store or the signer refused is tried again.
    public var retryInterval = Duration.seconds(1)
    /// Heights until a certificate that no block has is offered again.
    public var includeHeights: UInt64 = 3

    public init() {}
}
