import Attestation
public import ChoraleBase
public import ChoraleTypes
public import Codec
import Crypto
public import Execution
public import Operations
import PeerIdentity

/// Everything that a chain starts from: what all of its nodes agree on before the first block.
///
/// Made from the bytes of three files, and of nothing else, so that equal files make equal chains:
///
/// | file | says |
/// | --- | --- |
/// | `config.yaml` | name, time, block interval, length of epochs, limits |
/// | `genesis.json` | rules of execution, header of block 0 and accounts, in geth's form |
/// | `validators.yaml` | validators: index, key, stake, fee recipient |
///
/// Specification: mechanisms 3.5.
public struct ChainGenesis: Sendable {
    /// Printable ASCII, at most 64 characters.
    public let name: String
    /// When the chain begins, in seconds since 1970; the time of block 0.
    public let time: UInt64
    /// Least time between blocks.
    public let blockInterval: Duration
    /// Blocks of an epoch, at whose end the set of validators changes: at least 1.
    public let epochLength: UInt64
    /// Largest witness of a block, in bytes: one that needs more is not proposed.
    public let witnessSizeMax: Int
    /// Kinds of operations, by their numbers.
    public let kinds: [KindRecord]
    /// What may vouch for parts, and how it is judged; nil when nothing may.
    public let enclaves: EnclaveParameters?
    public let execution: ExecutionGenesis
    /// Who votes on the first block. Stakes are in gwei, as deposits are.
    public let validators: ValidatorSet
    /// To whom each validator's blocks pay their fees, by its index.
    public let feeRecipients: [Address]
    /// Of the three files.
    public let digest: Bytes32
    /// The name of block 0, which has no consensus block:
    /// `SHA-256("chorale/genesis/1" ‖ digest ‖ execution block hash)`.
    public let blockID: Bytes32
    /// The beacon value before the first block.
    public let beaconValue: Bytes32

    /// What all nodes agree on about operations. An executor's bond stays for as long as anything that it may have
    /// committed to can be open, and two epochs more.
    public var operations: OperationParameters {
        let longest = kinds.map(\.ttlMax).max() ?? 0
        do throws(OperationParameters.ParameterError) {
            return try OperationParameters(
                network: network, kinds: kinds, bondDelay: longest + 2 * epochLength + 1,
                enclaves: enclaves)
        } catch {
            preconditionFailure("kinds were checked when they were read: \(error)")
        }
    }

    /// The first four bytes of ``digest``: what messages say.
    public var network: NetworkDigest { Self.network(digest) }

    public var rules: ChainRules { execution.rules }
    public var header: Header { execution.header }
    public var stateRoot: Bytes32 { execution.stateRoot }
    public var blockHash: Bytes32 { execution.blockHash }
    public var accounts: GenesisAccounts { execution.accounts }

    /// - Parameter files: the contents of the files; others are not looked at.
    public init(files: [NetworkFile: [UInt8]]) throws(GenesisError) {
        var contents: [[UInt8]] = []
        for file in NetworkFile.allCases {
            guard let content = files[file] else { throw GenesisError(file, .file, .missing) }
            contents.append(content)
        }
        let config = try GenesisSettings(contents[0])
        let list = try GenesisValidators(contents[2])
        if let keys = config.validatorKeys, keys != list.validators.map(\.key.bytes) {
            throw GenesisError(
                .validators, .file,
                .contradicts(
                    "the list of public keys", value: "another",
                    other: "GENESIS_VALIDATORS of config.yaml"))
        }
        do throws(ValidatorSet.ListError) {
            validators = try ValidatorSet(list.validators)
        } catch {
            throw GenesisError(.validators, .file, .validators(error))
        }
        execution = try ExecutionGenesis(contents[1])
        try Self.check(execution, config)
        name = config.name
        time = config.time
        blockInterval = config.blockInterval
        epochLength = config.epochLength
        witnessSizeMax = config.witnessSizeMax
        kinds = config.kinds
        enclaves = config.enclaves.parameters(
            from: config.time, epochLength: config.epochLength)
        feeRecipients = list.feeRecipients
        digest = NetworkFile.digest(contents)
        blockID = SHA256.hash(
            Array("chorale/genesis/1".utf8) + digest.bytes + execution.blockHash.bytes)
        beaconValue = Beacon.genesis(network: Self.network(digest), genesisID: blockID)
    }

    private static func network(_ digest: Bytes32) -> NetworkDigest {
        guard let network = NetworkDigest(Array(digest.bytes.prefix(4))) else {
            preconditionFailure("four bytes of 32")
        }
        return network
    }

    /// What holds for a chain beyond what any genesis file may say.
    private static func check(
        _ execution: ExecutionGenesis, _ config: GenesisSettings
    ) throws(GenesisError) {
        let header = execution.header
        guard header.timestamp == config.time else {
            throw GenesisError(
                .genesis, .member("timestamp"),
                .contradicts(
                    "the time of block 0", value: "\(header.timestamp)",
                    other: "\(config.time) as GENESIS_TIME of config.yaml"))
        }
        // Blocks carry the parent's beacon root, which is Cancun's.
        let fork = execution.rules.epoch(at: header.timestamp).fork
        guard fork >= .cancun else {
            throw GenesisError(.genesis, .member("config"), .fork(fork, atLeast: .cancun))
        }
        // Whoever asks for an operation must find somebody who listens.
        if !config.kinds.isEmpty {
            let contract = execution.accounts.first {
                $0.address == OperationsContract.executionAddress
            }
            guard contract?.entry.code == OperationsContract.code else {
                throw GenesisError(
                    .genesis, .member("alloc"),
                    .contradicts(
                        "the account \(OperationsContract.executionAddress)",
                        value: contract == nil ? "missing" : "another code",
                        other: "OPERATION_KINDS of config.yaml, which needs the operations contract"
                    )
                )
            }
        }
        // What may vouch must have something that it may vouch for.
        for enclave in config.enclaves.allowed {
            let kind = config.kinds.first { $0.number == enclave.kind }
            guard kind?.proofTypes.contains(enclave.entry.measurement.kind.rawValue) != true else {
                continue
            }
            throw GenesisError(
                .config, .file,
                .contradicts(
                    "an entry of ENCLAVES", value: "for kind \(enclave.kind)",
                    other: kind == nil
                        ? "no such kind in OPERATION_KINDS"
                        : "OPERATION_KINDS, where its proofs are not of type "
                            + "\(enclave.entry.measurement.kind.rawValue)"))
        }
        // What no block of this chain may say, its first one may not either.
        for (name, isZero) in [
            ("number", header.number == 0), ("gasUsed", header.gasUsed == 0),
            ("parentHash", header.parentHash == .zero),
            ("difficulty", header.difficulty.isZero), ("nonce", header.nonce == 0),
        ] where !isZero {
            throw GenesisError(
                .genesis, .member(name), .value("a number", expected: "zero, as it must be here"))
        }
    }
}
