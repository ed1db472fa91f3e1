public import ChoraleTypes
public import Operations
public import PeerIdentity

/// What an executor is told.
public struct ExecutorConfiguration: Sendable {
    /// What it does wrong on purpose, to see what others make of it.
    public enum Fault: Hashable, Sendable {
        /// Proofs of random bytes.
        case garbageProofs
        /// Another output than the execution's, in valid form.
        case wrongOutput
    }

    public var network: NetworkDigest
    public var parameters: OperationParameters
    /// Ed25519: what it is registered by, and what peers know it by.
    public var key: IdentityKey
    /// Of the fee, in percent; 100 when it is more.
    public var pricePercent: UInt8 = 90
    /// How many jobs may run at once, at least 1: each takes a thread for as long as it lasts.
    public var workers = 1
    public var fault: Fault?
    /// Has an enclave vouch for parts of kinds that want it; nil for none.
    public var attester: (any EnclaveAttester)?

    public init(network: NetworkDigest, parameters: OperationParameters, key: IdentityKey) {
        self.network = network
        self.parameters = parameters
        self.key = key
    }
}

/// What bounds an executor.
enum ExecutorLimits {
    /// Operations for which something is held in memory beyond a few hundred bytes: bodies, an execution, proofs. Each
    /// has a model of at most 16 MiB, some 50 MB of constraint systems and 32 MiB of proofs. Two, so that one is
    /// computed while the disk is waited for by the other; those whose bodies are not here hold no place.
    static let places = 2
    /// Rows of one page of an operation's rows, and their bytes.
    static let pageRows = 64
    static let pageSize = 4 << 20
    /// Blocks after which a commitment that no block has is said again.
    static let commitmentInterval: UInt64 = 4
    /// Blocks after which a renewal that no block has is said again.
    static let renewalInterval: UInt64 = 4
    /// Blocks after which a settlement that no block has is asked for again: a transaction may wait that long.
    static let settlementInterval: UInt64 = 8
    /// What is not answered in this time, or failed, is asked for again.
    static let retryInterval: Duration = .seconds(15)
    /// A body that is not here is looked for again after 5 s, then after twice as long as before, up to 80 s; at once
    /// when it is said to have come.
    static let bodyInterval: Duration = .seconds(5)
    static let bodyDoublings = 4
}
