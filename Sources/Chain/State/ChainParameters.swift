public import ChoraleBase
public import ChoraleTypes
public import Codec
public import Execution
public import Operations

/// What all nodes of a chain agree on before it begins.
public struct ChainParameters: Sendable {
    /// First four bytes of the network's digest.
    public var network: NetworkDigest
    /// The name of the genesis: what the first block calls its parent.
    public var genesisID: Bytes32
    public var genesisTime: WallTime
    /// Of the genesis execution block.
    public var genesisHeader: Header
    public var rules: ChainRules
    /// Who validates from the first block on, with stake and address.
    public var validators: [RegisteredValidator]
    /// From the start of a height to the start of the next, at least. Whole seconds: execution blocks
    /// have timestamps in seconds, and each is later than its parent's.
    public var blockInterval: Duration
    /// Blocks after which the set of validators may be another.
    public var epochLength: UInt64
    /// Gas limit that proposers move the chain towards.
    public var gasLimitTarget: UInt64
    /// Largest payload in bytes.
    public var payloadSizeMax: Int
    /// Largest witness in bytes; a block that needs more is invalid (mechanisms §6.2a).
    public var witnessSizeMax: Int
    /// Least stake, in gwei, with which a validator is in the set.
    public var stakeMin: UInt64
    /// Kinds of operations, and what executors bond.
    public var operations: OperationParameters

    public init(
        network: NetworkDigest, genesisID: Bytes32, genesisTime: WallTime, genesisHeader: Header,
        rules: ChainRules, validators: [RegisteredValidator], blockInterval: Duration,
        epochLength: UInt64, gasLimitTarget: UInt64, payloadSizeMax: Int = 4 << 20,
        witnessSizeMax: Int = 4 << 20, stakeMin: UInt64 = 1,
        operations: OperationParameters? = nil
    ) {
        precondition(epochLength >= 1, "an epoch has a block")
        precondition(blockInterval >= .seconds(1), "timestamps are in seconds")
        self.network = network
        self.genesisID = genesisID
        self.genesisTime = genesisTime
        self.genesisHeader = genesisHeader
        self.rules = rules
        self.validators = validators
        self.blockInterval = blockInterval
        self.epochLength = epochLength
        self.gasLimitTarget = gasLimitTarget
        self.payloadSizeMax = payloadSizeMax
        self.witnessSizeMax = witnessSizeMax
        self.stakeMin = stakeMin
        self.operations = operations ?? .none(network)
    }

    /// How many heights back evidence is taken: an epoch, the sets of which everyone still knows.
    public var evidenceAgeMax: UInt64 { epochLength }

    /// Heights from the one at which stake is taken out to the one that pays it. The validator is in the set for
    /// an epoch at most, and what it signed there is held against it for as long as evidence is taken.
    public var withdrawalDelay: UInt64 { epochLength + evidenceAgeMax + 2 }
}
