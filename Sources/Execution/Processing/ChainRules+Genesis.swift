import ChoraleBase
public import Codec

/// Why a genesis file does not say what the rules of its chain are.
public enum GenesisConfigError: Error, Hashable, Sendable {
    /// A member is missing or not what it must be.
    case member(String, expected: String)
    /// A fork begins before the one that it is built on.
    case order(String, start: UInt64, before: String, UInt64)
    /// A fork that is not known here is scheduled.
    case unknownFork(String, start: UInt64)
}

extension GenesisConfigError: CustomStringConvertible {
    public var description: String {
        switch self {
        case .member(let name, let expected): "`config.\(name)` must be \(expected)"
        case .order(let fork, let start, let before, let other):
            "`config.\(fork)` is \(start), which is before `config.\(before)`, \(other)"
        case .unknownFork(let name, let start):
            "`config.\(name)` schedules a fork at \(start) that is not known here"
        }
    }
}

extension ChainRules {
    /// The rules of a chain from its genesis file, in geth's form: `chainId`, the start of each fork
    /// from Shanghai on, `blobSchedule` and `depositContractAddress` of its member `config`.
    ///
    /// Forks before the merge are taken to hold from the beginning.
    public init(genesis: JSONValue) throws(GenesisConfigError) {
        let config = genesis["config"] ?? genesis
        guard let chainID = config["chainId"].flatMap(Self.number) else {
            throw .member("chainId", expected: "a number below 2^64")
        }
        var epochs = [Epoch(start: 0, fork: .paris, blobs: .cancun)]
        var last = (name: "", start: UInt64(0))
        for (name, fork, blobs) in Self.scheduled {
            guard let value = config["\(name)Time"], value != .null else { continue }
            guard let start = Self.number(value) else {
                throw .member("\(name)Time", expected: "seconds since 1970")
            }
            guard start >= last.start else {
                throw .order("\(name)Time", start: start, before: "\(last.name)Time", last.start)
            }
            last = (name, start)
            epochs.append(
                Epoch(
                    start: start, fork: fork ?? epochs[epochs.count - 1].fork,
                    blobs: try Self.blobs(config, name) ?? blobs ?? epochs[epochs.count - 1].blobs))
        }
        // Running such a chain by older rules would be wrong in silence.
        for name in ["amsterdam", "verkle"] {
            if let start = config["\(name)Time"].flatMap(Self.number) {
                throw .unknownFork("\(name)Time", start: start)
            }
        }
        var deposits = Address.mainnetDepositContract
        if let value = config["depositContractAddress"], value != .null {
            guard let text = value.string, let bytes = try? Hex.decode(text),
                let address = Address(bytes.span)
            else { throw .member("depositContractAddress", expected: "an address") }
            deposits = address
        }
        self.init(chainID: chainID, depositContract: deposits, epochs: epochs)
    }

    /// Names of forks in genesis files, in order; nil where a fork changes nothing but blobs.
    private static let scheduled: [(String, Fork?, BlobSchedule?)] =
        [
            ("shanghai", .shanghai, nil), ("cancun", .cancun, .cancun),
            ("prague", .prague, .prague), ("osaka", .osaka, nil), ("bpo1", nil, .bpo1),
            ("bpo2", nil, .bpo2), ("bpo3", nil, nil), ("bpo4", nil, nil), ("bpo5", nil, nil),
        ]

    private static func blobs(
        _ config: JSONValue, _ fork: String
    ) throws(GenesisConfigError) -> BlobSchedule? {
        guard let entry = config["blobSchedule"]?[fork], entry != .null else { return nil }
        func number(_ name: String) throws(GenesisConfigError) -> UInt64 {
            guard let value = entry[name].flatMap(Self.number) else {
                throw .member("blobSchedule.\(fork).\(name)", expected: "a number")
            }
            return value
        }
        let schedule = BlobSchedule(
            target: try number("target"), max: try number("max"),
            baseFeeUpdateFraction: try number("baseFeeUpdateFraction"))
        guard schedule.baseFeeUpdateFraction > 0 else {
            throw .member(
                "blobSchedule.\(fork).baseFeeUpdateFraction", expected: "at least 1")
        }
        guard schedule.max <= 1 << 20, schedule.target <= schedule.max else {
            throw .member(
                "blobSchedule.\(fork)", expected: "a target that is not above a max of 1048576")
        }
        return schedule
    }

    /// A JSON number, or text in hexadecimal or decimal.
    private static func number(_ value: JSONValue) -> UInt64? {
        if let number = value.uint64 { return number }
        guard let text = value.string else { return nil }
        return text.hasPrefix("0x") ? UInt64(text.dropFirst(2), radix: 16) : UInt64(text)
    }
}
