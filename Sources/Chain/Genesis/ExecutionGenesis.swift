public import ChoraleBase
public import Codec
public import Execution

/// What execution starts from: a genesis file in geth's form.
///
/// Members are those of geth's `core.Genesis`: `config`, `nonce`, `timestamp`, `extraData`, `gasLimit`,
/// `difficulty`, `mixHash`, `coinbase`, `alloc`, `number`, `gasUsed`, `parentHash`, `baseFeePerGas`,
/// `excessBlobGas`, `blobGasUsed`; what is left out is as there. Numbers are JSON numbers, hexadecimal
/// or decimal text. An unknown name is refused: it would be a setting that does nothing.
public struct ExecutionGenesis: Sendable {
    /// Who owns what.
    public let accounts: GenesisAccounts
    public let rules: ChainRules
    /// The member `config`, which gives ``rules``, for whoever must be told them.
    public let config: JSONValue
    /// Of block 0.
    public let header: Header
    /// Of ``header``.
    public let blockHash: Bytes32

    public var stateRoot: Bytes32 { accounts.stateRoot }

    private static let memberNames = [
        "config", "nonce", "timestamp", "extraData", "gasLimit", "difficulty", "mixHash",
        "coinbase", "alloc", "number", "gasUsed", "parentHash", "baseFeePerGas", "excessBlobGas",
        "blobGasUsed",
    ]

    /// Geth's `params.GenesisGasLimit`.
    private static let gasLimitDefault: UInt64 = 4_712_388
    /// EIP-1559's initial base fee: 1 gwei.
    private static let baseFeeDefault: UInt64 = 1_000_000_000

    /// - Parameter bytes: of the file.
    public init(_ bytes: [UInt8]) throws(GenesisError) {
        let limit = NetworkFile.genesis.sizeMax
        guard bytes.count <= limit else {
            throw GenesisError(.genesis, .file, .tooLarge(size: bytes.count, limit: limit))
        }
        var alloc: Range<Int>?
        var members = JSONObject()
        var walk = try GenesisError.reading(.file) { () throws(JSONError) in
            try JSONMembers(bytes.span)
        }
        while let member = try GenesisError.reading(
            .file, { () throws(JSONError) in try walk.next(bytes.span) })
        {
            guard Self.memberNames.contains(member.name) else {
                throw GenesisError(
                    .genesis, .file, .unknownName(member.name, known: Self.memberNames))
            }
            guard member.name != "alloc" || alloc == nil, members[member.name] == nil else {
                throw GenesisError(
                    .genesis, .file,
                    .json(.duplicateName(member.name, offset: member.value.lowerBound)))
            }
            guard member.name != "alloc" else {
                alloc = member.value
                continue
            }
            members[member.name] = try GenesisError.reading(.member(member.name)) {
                () throws(JSONError) in try JSONValue(parsing: Array(bytes[member.value]))
            }
        }
        guard let alloc else { throw GenesisError(.genesis, .file, .nameMissing("alloc")) }
        guard let config = members["config"] else {
            throw GenesisError(.genesis, .file, .nameMissing("config"))
        }
        self.config = config
        do throws(GenesisConfigError) {
            rules = try ChainRules(genesis: .object(["config": config]))
        } catch {
            throw GenesisError(.genesis, .file, .rules(error))
        }
        accounts = try GenesisAccounts(bytes, in: alloc)
        header = try Self.header(members, rules, accounts.stateRoot)
        blockHash = header.hash
    }

    private static func header(
        _ members: JSONObject, _ rules: ChainRules, _ stateRoot: Bytes32
    ) throws(GenesisError) -> Header {
        func value<Value>(
            _ name: String, _ read: (JSONValue) -> Value?, default absent: Value, _ expected: String
        ) throws(GenesisError) -> Value {
            guard let json = members[name], json != .null else { return absent }
            guard let value = read(json) else {
                throw GenesisError(
                    .genesis, .member(name), .value(json.shortText, expected: expected))
            }
            return value
        }
        func number(_ name: String, default absent: UInt64 = 0) throws(GenesisError) -> UInt64 {
            try value(name, \.genesisUInt64, default: absent, "a number below 2^64")
        }
        func hash(_ name: String) throws(GenesisError) -> Bytes32 {
            try value(name, \.genesisHash, default: .zero, "32 bytes in hexadecimal behind 0x")
        }
        let timestamp = try number("timestamp")
        let extraData = try value(
            "extraData", { $0.genesisBytes.flatMap { $0.count <= 32 ? $0 : nil } }, default: [],
            "at most 32 bytes in hexadecimal behind 0x")
        let gasLimit = try value(
            "gasLimit",
            { $0.genesisUInt64.flatMap { (5000..<1 << 63).contains($0) ? $0 : nil } },
            default: gasLimitDefault, "a number of gas, at least 5000 and below 2^63")
        let word = "a number below 2^256"
        return .genesis(
            fork: rules.epoch(at: timestamp).fork, stateRoot: stateRoot,
            parentHash: try hash("parentHash"),
            coinbase: try value("coinbase", \.genesisAddress, default: .zero, "an address"),
            difficulty: try value("difficulty", \.genesisWord, default: .zero, word),
            number: try number("number"), gasLimit: gasLimit, gasUsed: try number("gasUsed"),
            timestamp: timestamp, extraData: extraData, mixHash: try hash("mixHash"),
            nonce: try number("nonce"),
            baseFeePerGas: try value(
                "baseFeePerGas", \.genesisWord, default: UInt256(baseFeeDefault), word),
            blobGasUsed: try number("blobGasUsed"), excessBlobGas: try number("excessBlobGas"))
    }
}
