import ChoraleBase

/// What instructions can learn of the block.
public struct BlockContext: Sendable {
    public var fork: Fork
    public var chainID: UInt64
    public var coinbase: Address
    public var number: UInt64
    /// Seconds since 1970.
    public var timestamp: UInt64
    public var gasLimit: UInt64
    /// Wei a gas.
    public var baseFee: UInt256
    /// The beacon chain's randomness (EIP-4399).
    public var prevRandao: UInt256
    /// Wei a gas of blobs (EIP-7516); one where there are no blobs.
    public var blobBaseFee: UInt256

    public init(
        fork: Fork, chainID: UInt64, coinbase: Address, number: UInt64, timestamp: UInt64,
        gasLimit: UInt64, baseFee: UInt256, prevRandao: UInt256, blobBaseFee: UInt256
    ) {
        self.fork = fork
        self.chainID = chainID
        self.coinbase = coinbase
        self.number = number
        self.timestamp = timestamp
        self.gasLimit = gasLimit
        self.baseFee = baseFee
        self.prevRandao = prevRandao
        self.blobBaseFee = blobBaseFee
    }
}

/// What instructions can learn of the transaction.
struct TransactionContext {
    /// Who signed, as a word.
    var origin = UInt256.zero
    /// Wei a gas that the sender pays.
    var gasPrice = UInt256.zero
    var blobHashes: [Bytes32] = []
}

/// Why a frame ended before its code did. All of its gas is gone.
enum FrameFailure: UInt8, Error, BitwiseCopyable {
    case outOfGas
    case stackUnderflow
    case stackOverflow
    case undefinedInstruction
    case jumpTarget
    case writeInStaticCall
    case returnDataBounds
    case initcodeTooLarge
    case codeTooLarge
    /// Code that begins with 0xEF (EIP-3541).
    case codeReserved
    case precompile
}
