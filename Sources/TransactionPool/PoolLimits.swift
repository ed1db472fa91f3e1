/// What the pool bounds, and by how much.
public struct PoolLimits: Hashable, Sendable {
    /// Bytes of everything that waits, each transaction charged with what it takes in memory
    /// (``PooledTransaction/charge``). Some 60,000 plain transfers: minutes of full blocks.
    public var bytesMax = 64 << 20
    /// Of these, for senders whose transactions came from this node's own users. They are dropped last,
    /// so they must never be all that there is.
    public var localBytesMax = 16 << 20
    /// Bytes of one sender, charged likewise. geth has 16 slots of 32 KiB for each account.
    public var senderBytesMax = 1 << 20
    /// Transactions of one sender. geth keeps 64 of each that cannot run yet.
    public var senderCountMax = 64
    /// How far a nonce may be from the account's: what lies farther could not come to run before what is
    /// between has filled the sender's places.
    public var nonceDistanceMax: UInt64 = 64
    /// Encoded bytes of one transaction: geth's `txMaxSize`, and the bound of the topic `tx`.
    public var transactionSizeMax = 128 << 10
    /// Authorizations of one transaction (EIP-7702). Each costs a worker a recovery of 30 µs before
    /// anybody has paid for it.
    public var authorizationCountMax = 256
    /// Wei a gas for the proposer that a transaction must offer. geth's `--txpool.pricelimit` is 1.
    public var tipMin: UInt64 = 1
    /// By how much both fees must rise to replace a transaction, in percent: geth's
    /// `--txpool.pricebump`.
    public var replacementBumpPercent: UInt64 = 10
    /// Legacy transactions that are valid on every chain (before EIP-155) are refused unless this is
    /// set, as `--rpc.allow-unprotected-txs` of geth.
    public var allowsUnprotected = false
    /// How long a transaction may wait: geth's `--txpool.lifetime`.
    public var lifetime: Duration = .seconds(3 * 3600)
    /// Transactions dropped for one that comes. A large one takes the room of some hundred small ones;
    /// more would be work that nobody paid for.
    public var evictionCountMax = 512
    /// Blocks whose changed accounts are remembered: how old the account may be that comes with a
    /// transaction.
    public var headLagMax = 8

    public init() {}
}
