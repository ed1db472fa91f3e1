public import Codec
public import ChoraleTypes
public import Execution

/// Why a network's files do not say what its chain starts from.
///
/// The operator's or the publisher's fault: descriptions name the file, the line or the member, and
/// what must be there.
public struct GenesisError: Error, Hashable, Sendable {
    /// Where in a file.
    public enum Place: Hashable, Sendable {
        case file
        /// Of `config.yaml` or `validators.yaml`, counted from 1.
        case line(Int)
        /// Of `genesis.json`: names from the outermost on, with dots between them.
        case member(String)
    }

    public enum Reason: Hashable, Sendable {
        case missing
        case tooLarge(size: Int, limit: Int)
        case notText
        /// No file of its kind.
        case yaml(String)
        case json(JSONError)
        case unknownName(String, known: [String])
        /// A name that must be there is not.
        case nameMissing(String)
        /// A value is not what it must be.
        case value(String, expected: String)
        /// Two places of the network's files say different things.
        case contradicts(String, value: String, other: String)
        case rules(GenesisConfigError)
        /// The chain needs later rules from its first block on.
        case fork(Fork, atLeast: Fork)
        case accountTwice(Address)
        case validators(ValidatorSet.ListError)
    }

    public var file: NetworkFile
    public var place: Place
    public var reason: Reason

    init(_ file: NetworkFile, _ place: Place = .file, _ reason: Reason) {
        self.file = file
        self.place = place
        self.reason = reason
    }
}

extension GenesisError {
    /// Runs what reads JSON, and says where it failed.
    static func reading<Value>(
        _ place: Place, _ body: () throws(JSONError) -> Value
    ) throws(GenesisError) -> Value {
        do throws(JSONError) {
            return try body()
        } catch {
            throw GenesisError(.genesis, place, .json(error))
        }
    }
}

extension GenesisError: CustomStringConvertible {
    public var description: String {
        switch place {
        case .file: "\(file.rawValue): \(reason)"
        case .line(let line): "\(file.rawValue) line \(line): \(reason)"
        case .member(let path): "\(file.rawValue), `\(path)`: \(reason)"
        }
    }
}

extension GenesisError.Reason: CustomStringConvertible {
    public var description: String {
        switch self {
        case .missing: "the file is missing"
        case .tooLarge(let size, let limit): "\(size) bytes, and at most \(limit) are read"
        case .notText: "not a text in UTF-8"
        case .yaml(let reason): reason
        case .json(let error): "\(error)"
        case .unknownName(let name, let known):
            "nothing is called `\(name.prefix(64))`; there are \(known.joined(separator: ", "))"
        case .nameMissing(let name): "`\(name)` is missing"
        case .value(let value, let expected): "`\(value.prefix(80))` is not \(expected)"
        case .contradicts(let name, let value, let other):
            "\(name) is \(value) here and \(other) there"
        case .rules(let error): "\(error)"
        case .fork(let fork, let least):
            "the rules of the first block are those of \(fork); this chain needs \(least) or later, "
                + "which `\("\(least)".lowercased())Time` of 0 gives"
        case .accountTwice(let address): "\(address) is there twice"
        case .validators(let error): error.words
        }
    }
}

extension ValidatorSet.ListError {
    fileprivate var words: String {
        switch self {
        case .empty: "a chain needs at least one validator"
        case .tooMany(let count, let limit): "\(count) validators, and at most \(limit) may be"
        case .zeroStake(let index): "validator \(index) has no stake"
        case .totalStakeAbove(let limit): "all stakes together are above \(limit)"
        case .duplicateKey(let index): "validator \(index) has the key of another"
        case .unusableKey(let index): "the key of validator \(index) is no Ed25519 public key"
        }
    }
}
