/// What calls may cost this node.
public struct EthereumLimits: Hashable, Sendable {
    /// Gas of `eth_call` and `eth_estimateGas`: geth's `--rpc.gascap`. About a second of a worker.
    public var callGasMax: UInt64 = 50_000_000
    /// Blocks that one `eth_getLogs` looks at. A header's bloom is 256 bytes, so 2.5 MB at most are read in
    /// vain.
    public var logBlockCountMax: UInt64 = 10_000
    /// Logs in one answer.
    public var logCountMax = 10_000
    /// Bytes of topics and data in one answer; in hexadecimal they are twice as many.
    public var logSizeMax = 8 << 20
    /// Addresses of a filter, and alternatives of each topic: geth has 1000.
    public var logAlternativesMax = 1000
    /// Blocks of one `eth_feeHistory`, as in geth.
    public var feeHistoryCountMax: UInt64 = 1024
    /// Percentiles of one `eth_feeHistory`, as in geth.
    public var feePercentileCountMax = 100
    /// Calls in one batch. geth has 1000.
    public var batchCountMax = 100
    /// Bytes of the answers of one batch after which the rest is refused. geth has 25 MB.
    public var batchSizeMax = 25 << 20
    /// Accounts and slots that a call may override.
    public var overrideCountMax = 10_000
    /// What `eth_maxPriorityFeePerGas` says when there is nothing to learn from, in wei a gas.
    public var tipDefault: UInt64 = 1_000_000
    /// What it says at most, as in geth.
    public var tipMax: UInt64 = 500_000_000_000

    public init() {}
}
