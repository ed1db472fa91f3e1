public import ChoraleTypes
public import Consensus
public import TransactionPool

/// What a chain is started with.
public struct ChainConfiguration: Sendable {
    public var parameters: ChainParameters
    /// The validator's key; nil for whoever only follows.
    public var localKey: SigningKeyBytes?
    /// Whether the state is kept here: else others build the blocks to propose, and no transactions are taken.
    public var keepsState: Bool
    public var timing: Tendermint.Timing
    public var limits: ChainLimits
    public var pool: PoolLimits
    /// Whether other implementations are asked about each block before it is voted for.
    public var crossValidates = false
    /// Where the chain is downloaded before anything else: for a store that is empty, or has a part of that.
    public var checkpoint: CheckpointID?

    public init(parameters: ChainParameters, localKey: SigningKeyBytes?, keepsState: Bool = true) {
        self.parameters = parameters
        self.localKey = localKey
        self.keepsState = keepsState
        timing = Tendermint.Timing()
        limits = ChainLimits()
        pool = PoolLimits()
    }
}

/// What a chain may hold and do.
public struct ChainLimits: Sendable {
    /// Bodies of this size together travel inside the block's gossip message; larger ones by themselves, in
    /// chunks (mechanisms §6.2a).
    public var inlineSizeMax = 256 << 10
    /// Blocks of the height being agreed on that are held: one a round for a few rounds.
    public var heldBlocksMax = 8
    /// Bytes of them.
    public var heldSizeMax = 64 << 20
    /// Messages whose signatures are being checked.
    public var verificationsMax = 4096
    /// Of them, those that one peer brought: all votes of a round of 512 validators.
    public var verificationsPerPeerMax = 1024
    /// Transactions whose accounts are being read, and bytes of them.
    public var candidatesMax = 1024
    public var candidatesSizeMax = 8 << 20
    /// Pieces of evidence that wait for a block.
    public var evidenceMax = 64
    /// Until another peer is asked for a block that a proposal names.
    public var fetchTimeout: Duration = .milliseconds(1000)
    /// Until another peer is asked as well for a payload to propose.
    public var payloadPatience: Duration = .milliseconds(400)
    /// Rounds of a height for whose proposers payloads are built: the later ones are of a network in trouble.
    public var payloadRoundsMax: UInt32 = 32
    /// Until a peer must have sent a range of blocks.
    public var rangeTimeout: Duration = .seconds(10)
    /// Blocks asked of a peer at once.
    public var rangeCount: UInt64 = 32
    /// Bytes of blocks that came and were not applied yet, in all.
    public var syncSizeMax = 64 << 20
    /// Blocks ahead of the head that are asked for.
    public var syncAheadMax: UInt64 = 512
    /// Bytes and number of blocks applied in one task.
    public var importCount = 16
    /// Until a store that took no block is given one again.
    public var storeRetry: Duration = .seconds(2)
    /// How long a height that others have passed may be agreed on before its block is asked for.
    public var behindPatience: Duration = .milliseconds(1500)
    /// Bytes of one answer to a peer that asks for blocks, a little more when the last is large.
    public var servedSizeMax = 4 << 20
    /// Reads of blocks for peers under way.
    public var servesMax = 16
    /// Reads of checkpoints and states for peers under way: at most half a megabyte and some 20 ms each.
    public var stateServesMax = 8
    /// Parts of a state that are asked for or being written, of at most a megabyte each.
    public var downloadFlightsMax = 8
    /// Storages and codes that are known to be missing, above which no more accounts are asked for; each takes 100
    /// bytes, and answers under way may bring 40,000 more.
    public var downloadBacklogMax = 16_384
    /// How long nothing of use comes before peers are believed that say they do not have it.
    public var checkpointPatience: Duration = .seconds(45)
    /// Peers that a summary goes to.
    public var summaryPeersMax = 16
    /// Messages that wait for the validator's files, beyond which peers get no answers: 250 bytes each, but for commits.
    public var heldOutputsMax = 4096
    /// Until a block that is too far in the future is looked at again.
    public var earlyRetry: Duration = .milliseconds(200)

    public init() {}
}
