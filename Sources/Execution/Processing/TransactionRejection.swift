import ChoraleBase

/// Why a transaction cannot be in a block at its place.
public enum TransactionRejection: Error, Hashable, Sendable {
    /// Whatever the state.
    case fault(TransactionFault)
    /// The signature is none.
    case signature(TransactionError)
    case nonce(found: UInt64, expected: UInt64)
    /// What the transaction may cost at most is more than the sender has; nil for over 2²⁵⁶.
    case funds(needed: UInt256?, balance: UInt256)
    /// The sender's account has code that is no delegation (EIP-3607, 7702).
    case senderHasCode
    case maxFeeBelowBaseFee(maxFee: UInt256, baseFee: UInt256)
    case maxBlobFeeBelowBaseFee(maxFee: UInt256, baseFee: UInt256)
    /// More gas than the block has left.
    case blockGas(limit: UInt64, available: UInt64)
    /// More blob gas than the block has left.
    case blobGas(used: UInt64, available: UInt64)
}

/// Why execution came to no end.
public enum ExecutionError: Error, Hashable, Sendable {
    case state(StateError)
    case rejected(TransactionRejection)
}
