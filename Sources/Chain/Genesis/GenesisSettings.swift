import ChoraleBase
import Codec
import Execution
import Operations

/// What `config.yaml` of a network says.
struct GenesisSettings {
    var name = "unnamed"
    var time: UInt64 = 0
    var blockInterval: Duration = .seconds(4)
    var epochLength: UInt64 = 32
    var witnessSizeMax = 4 << 20
    /// nil when the file leaves them to `validators.yaml`.
    var validatorKeys: [[UInt8]]?
    /// By their numbers.
    var kinds: [KindRecord] = []
    var enclaves = GenesisEnclaves()

    init(_ bytes: [UInt8]) throws(GenesisError) {
        let text = try NetworkFile.config.text(bytes)
        let entries: [SettingsText.Entry]
        do throws(SettingsText.SyntaxError) {
            entries = try SettingsText(text).entries
        } catch {
            throw GenesisError(.config, .line(error.line), .yaml(error.reason))
        }
        var hasTime = false
        for entry in entries {
            switch entry.key {
            case "NETWORK_NAME": name = try Self.name(entry)
            case "GENESIS_TIME":
                // Year 9999, as far as other tools' dates go.
                time = try Self.number(entry, in: 0...253_402_300_799, "seconds since 1970")
                hasTime = true
            case "SECONDS_PER_SLOT":
                let seconds = try Self.number(entry, in: 1...3600, "seconds from 1 to 3600")
                blockInterval = .seconds(Int64(seconds))
            case "BLOCKS_PER_EPOCH":
                epochLength = try Self.number(entry, in: 1...1_000_000, "blocks from 1 to 1000000")
            case "WITNESS_SIZE_MAX":
                // Below, a block of a few transactions would not fit; above, no node could fetch it.
                witnessSizeMax = Int(
                    try Self.number(
                        entry, in: 65_536...67_108_864, "bytes from 65536 to 67108864"))
            case "GENESIS_VALIDATORS": validatorKeys = try Self.keys(entry)
            case "OPERATION_KINDS": kinds = try Self.kinds(entry)
            case "ENCLAVES": enclaves = try Self.enclaves(entry)
            case let key where ChainGenesis.settingNames.contains(key): break
            case let key:
                throw GenesisError(
                    .config, .line(entry.line),
                    .unknownName(key, known: ChainGenesis.settingNames))
            }
        }
        guard hasTime else { throw GenesisError(.config, .file, .nameMissing("GENESIS_TIME")) }
    }

    private static func scalar(
        _ entry: SettingsText.Entry, _ expected: String
    ) throws(GenesisError) -> String {
        guard !entry.isList, let value = entry.values.first else {
            throw refusal(entry, "a list or nothing", expected)
        }
        return value
    }

    private static func refusal(
        _ entry: SettingsText.Entry, _ value: String, _ expected: String
    ) -> GenesisError {
        GenesisError(
            .config, .line(entry.line), .value("\(entry.key): \(value)", expected: expected))
    }

    private static func name(_ entry: SettingsText.Entry) throws(GenesisError) -> String {
        let expected = "1 to 64 printable ASCII characters"
        let name = try scalar(entry, expected)
        guard ChainGenesis.isName(name) else { throw refusal(entry, name, expected) }
        return name
    }

    private static func number(
        _ entry: SettingsText.Entry, in range: ClosedRange<UInt64>, _ expected: String
    ) throws(GenesisError) -> UInt64 {
        let text = try scalar(entry, expected)
        guard let number = UInt64(decimal: text), range.contains(number) else {
            throw refusal(entry, text, expected)
        }
        return number
    }

    private static func kinds(_ entry: SettingsText.Entry) throws(GenesisError) -> [KindRecord] {
        guard entry.isList || entry.values.isEmpty else {
            throw refusal(entry, entry.values[0], "a list of kinds")
        }
        var kinds: [KindRecord] = []
        for value in entry.values {
            let kind: KindRecord
            do throws(GenesisKinds.EntryError) {
                kind = try GenesisKinds.kind(value)
            } catch {
                throw refusal(entry, value, "a kind of operation: \(error.reason)")
            }
            guard kind.number > kinds.last?.number ?? 0 else {
                throw refusal(entry, value, "a kind with a number above that of the one before")
            }
            kinds.append(kind)
        }
        guard kinds.count <= OperationParameters.kindsMax else {
            throw refusal(
                entry, "\(kinds.count) kinds", "\(OperationParameters.kindsMax) at most")
        }
        return kinds
    }

    private static func enclaves(
        _ entry: SettingsText.Entry
    ) throws(GenesisError) -> GenesisEnclaves {
        guard entry.isList || entry.values.isEmpty else {
            throw refusal(entry, entry.values[0], "a list of enclaves")
        }
        var enclaves = GenesisEnclaves()
        for value in entry.values {
            do throws(GenesisEnclaves.EntryError) {
                try enclaves.add(value)
            } catch {
                throw refusal(entry, value, "an enclave: \(error.reason)")
            }
        }
        return enclaves
    }

    private static func keys(_ entry: SettingsText.Entry) throws(GenesisError) -> [[UInt8]] {
        guard entry.isList || entry.values.isEmpty else {
            throw refusal(entry, entry.values[0], "a list of public keys")
        }
        var keys: [[UInt8]] = []
        for value in entry.values {
            guard let key = try? Hex.decode(value), key.count == 32 else {
                throw refusal(entry, value, "a public key of 32 bytes in hexadecimal")
            }
            keys.append(key)
        }
        return keys
    }
}

extension ChainGenesis {
    /// Names that `config.yaml` may have. Those that this type does not read are for provers.
    public static let settingNames = [
        "NETWORK_NAME", "GENESIS_TIME", "SECONDS_PER_SLOT", "BLOCKS_PER_EPOCH", "WITNESS_SIZE_MAX",
        "GENESIS_VALIDATORS", "OPERATION_KINDS", "ENCLAVES", "N_PROVERS", "REDUNDANCY",
        "TREE_TOLERANCE",
        "COMMITTEE_SIZE",
    ]

    /// Whether a network can be called so.
    public static func isName(_ text: String) -> Bool {
        (1...64).contains(text.utf8.count) && text.utf8.allSatisfy { (0x20...0x7E).contains($0) }
    }
}

extension NetworkFile {
    func text(_ bytes: [UInt8]) throws(GenesisError) -> String {
        guard bytes.count <= sizeMax else {
            throw GenesisError(self, .file, .tooLarge(size: bytes.count, limit: sizeMax))
        }
        guard let text = String(validating: bytes, as: UTF8.self) else {
            throw GenesisError(self, .file, .notText)
        }
        return text
    }
}

extension UInt64 {
    /// Decimal digits and nothing else: `UInt64.init` takes a sign, too.
    init?(decimal text: String) {
        guard text.utf8.allSatisfy({ (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }),
            let number = UInt64(text)
        else { return nil }
        self = number
    }
}
