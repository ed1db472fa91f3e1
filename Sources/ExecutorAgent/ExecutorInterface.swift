public import Chain
public import ChoraleBase
public import ChoraleTypes
public import Operations
public import PartVerification

/// Names a request to the store.
public struct ExecutorStoreID: Hashable, Sendable {
    public let rawValue: UInt64
    public init(_ rawValue: UInt64) { self.rawValue = rawValue }
}

/// Everything that can happen to an executor.
public enum ExecutorInput: Sendable {
    /// Comes first, once: where the chain stands. Rows of the last run follow the machine's own scan.
    case start(OperationHead)
    /// A block is final.
    case advanced(OperationHead, OperationReport)
    /// A body is here, whole.
    case bodyArrived(root: Bytes32)
    /// Answers `readBody`; nil when it is not here (any more). `bodyArrived` may follow.
    case bodyRead(root: Bytes32, [UInt8]?)
    /// Answers `run`.
    case finished(ExecutorJobResult)
    /// Answers `store`.
    case stored(ExecutorStoreID, StoreReply)
    /// Answers `shelve`: proofs are on disk and served.
    case shelved(operation: Bytes32)
    /// The driver's timer. Early, late and repeated ones are harmless.
    case timeout
}

/// Everything to be done.
public enum ExecutorOutput: Sendable {
    /// Computation that takes long: on a thread of its own. `finished` answers.
    case run(ExecutorJob)
    case store(ExecutorStoreID, StoreRequest)
    case readBody(root: Bytes32)
    /// Serve these proofs.
    case shelve(operation: Bytes32, [[UInt8]])
    /// What an enclave vouches for, for everybody.
    case attest(EnclaveStatement)
    /// The output, for everybody.
    case publishBody(BodyKind, height: UInt64, [UInt8])
    /// Progress or a commitment, for everybody and the next block.
    case say(ExecutorStatement)
    /// Tell the contract. Said again after a while, until it is settled.
    case settle(Settlement, output: [UInt8])
    case event(ExecutorEvent)
}

/// What happened, for lines and numbers.
public enum ExecutorEvent: Hashable, Sendable {
    case elected(operation: Bytes32, rank: Int, turn: UInt64)
    /// Its turn has come, or it is the primary's.
    case began(operation: Bytes32)
    case executed(operation: Bytes32, elapsed: Duration, parts: Int)
    /// Each as it is proven; of those that an earlier run had proven, too.
    case proven(operation: Bytes32, part: Int, of: Int, elapsed: Duration?)
    /// An enclave vouches for a part.
    case attested(operation: Bytes32, part: Int)
    /// It does not, and why. The proof is made without.
    case notAttested(operation: Bytes32, part: Int, String)
    case committed(operation: Bytes32)
    case settling(operation: Bytes32)
    case settled(operation: Bytes32)
    /// It cannot be done here, and why.
    case failed(operation: Bytes32, String)
    /// Not needed any more: somebody else has committed, or it is over.
    case dropped(operation: Bytes32)
}
