public import ChoraleBase

/// Which rule a block breaks. Where a rule compares, both sides are given.
public enum BlockRejection: Error, Hashable, Sendable {
    // MARK: The header by itself
    case extraDataTooLong(Int, limit: Int)
    case gasLimitTooLow(UInt64, limit: UInt64)
    /// The limit is 2⁶³ or more.
    case gasLimitTooHigh(UInt64)
    case gasUsedAboveLimit(used: UInt64, limit: UInt64)
    case difficultyNotZero(UInt256)
    case nonceNotZero(UInt64)
    case ommers(Int)
    case ommersHash(found: Bytes32, expected: Bytes32)
    /// A field that the fork must have is not there, or one that it does not have is.
    case field(HeaderField, isThere: Bool, Fork)
    /// Bytes of the whole block (EIP-7934).
    case tooLarge(Int, limit: Int)

    // MARK: After its parent
    case parentHash(found: Bytes32, expected: Bytes32)
    case number(found: UInt64, expected: UInt64)
    case timestamp(found: UInt64, parent: UInt64)
    /// More than a 1024th away from the parent's.
    case gasLimitStep(found: UInt64, parent: UInt64)
    case baseFee(found: UInt256, expected: UInt256)
    case excessBlobGas(found: UInt64, expected: UInt64)

    // MARK: Its body
    case transactionsRoot(found: Bytes32, expected: Bytes32)
    case withdrawalsRoot(found: Bytes32, expected: Bytes32)
    case blobGasUsed(found: UInt64, expected: UInt64)
    /// The transaction at this place.
    case transaction(Int, TransactionRejection)

    // MARK: What executing it gave
    case gasUsed(found: UInt64, expected: UInt64)
    /// 256 bytes each.
    case bloom(found: [UInt8], expected: [UInt8])
    case requestsHash(found: Bytes32, expected: Bytes32)
    case stateRoot(found: Bytes32, expected: Bytes32)
    case receiptsRoot(found: Bytes32, expected: Bytes32)
    /// A system contract has no code.
    case systemContractMissing(Address)
    /// A call of a system contract failed (EIP-7002, 7251).
    case systemCallFailed(Address)
    /// A log of the deposit contract is not laid out as one (EIP-6110).
    case depositLayout
}

/// Fields of a header that came with a fork.
public enum HeaderField: Hashable, Sendable {
    case baseFee, withdrawalsRoot, blobGas, requestsHash
}

/// Why a block was not executed.
public enum BlockFailure: Error, Hashable, Sendable {
    /// It breaks a rule.
    case rejected(BlockRejection)
    /// The state, or the witness, could not answer: nothing is known about the block.
    case state(StateError)
}
