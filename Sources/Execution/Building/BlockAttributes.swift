public import ChoraleBase

/// What whoever asks for a block decides about it; the rest follows from its parent and its transactions.
///
/// Specification: Ethereum execution APIs, `PayloadAttributesV3`.
public struct BlockAttributes: Hashable, Sendable {
    /// Seconds since 1970, above the parent's.
    public var timestamp: UInt64
    public var prevRandao: Bytes32
    /// Who receives the fees.
    public var feeRecipient: Address
    /// Of no meaning before Shanghai.
    public var withdrawals: [Withdrawal]
    /// Of no meaning before Cancun.
    public var parentBeaconRoot: Bytes32
    /// Gas limit that the chain shall come to; each block may move a 1024th of the way.
    public var gasLimitTarget: UInt64
    /// At most 32 bytes.
    public var extraData: [UInt8]

    public init(
        timestamp: UInt64, prevRandao: Bytes32 = .zero, feeRecipient: Address = .zero,
        withdrawals: [Withdrawal] = [], parentBeaconRoot: Bytes32 = .zero,
        gasLimitTarget: UInt64, extraData: [UInt8] = []
    ) {
        self.timestamp = timestamp
        self.prevRandao = prevRandao
        self.feeRecipient = feeRecipient
        self.withdrawals = withdrawals
        self.parentBeaconRoot = parentBeaconRoot
        self.gasLimitTarget = gasLimitTarget
        self.extraData = extraData
    }
}

extension Header {
    /// The header of a block after this one as far as it is known before anything has run; what will come
    /// out is zero or empty.
    func next(_ attributes: BlockAttributes, _ epoch: ChainRules.Epoch) -> Header {
        let fork = epoch.fork
        var header = Header(
            parentHash: hash, ommersHash: Self.emptyOmmersHash, coinbase: attributes.feeRecipient,
            stateRoot: .zero, transactionsRoot: Trie.emptyRoot, receiptsRoot: Trie.emptyRoot,
            bloom: Bloom().bytes, difficulty: .zero, number: number &+ 1,
            gasLimit: gasLimit(towards: attributes.gasLimitTarget), gasUsed: 0,
            timestamp: attributes.timestamp, extraData: attributes.extraData,
            mixHash: attributes.prevRandao, nonce: 0, baseFeePerGas: baseFeeOfNext)
        if fork >= .shanghai {
            header.withdrawalsRoot = Trie.root(ofList: attributes.withdrawals.map { $0.encoded })
        }
        if fork >= .cancun {
            header.blobGasUsed = 0
            header.excessBlobGas = excessBlobGasOfNext(epoch)
            header.parentBeaconRoot = attributes.parentBeaconRoot
        }
        if fork >= .prague { header.requestsHash = ExecutionRequests.hash([]) }
        return header
    }

    /// The gas limit of a block after this one that is nearest to a target (yellow paper 4.4.4).
    func gasLimit(towards target: UInt64) -> UInt64 {
        let step = max(gasLimit / 1024, 1) - 1
        let target = max(target, Self.gasLimitMin)
        return target > gasLimit
            ? gasLimit + min(step, target - gasLimit) : gasLimit - min(step, gasLimit - target)
    }
}
