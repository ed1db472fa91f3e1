import Codec

/// Everything that `chorale run` can be told: a flag, an environment variable, a line of config.yaml.
///
/// Raw values are the names of flags and keys, and never change.
package enum Setting: String, CaseIterable, Hashable {
    case dataDirectory = "data-dir"
    case network
    case networkDigest = "network-digest"
    case nodeKey = "node-key"
    case bootnodes
    case directPeers = "direct-peers"
    case role
    case listen
    case externalAddress = "external-address"
    case addressPolicy = "address-policy"
    case maxPeers = "max-peers"
    case gossipTopics = "gossip-topics"
    case gossipSigning = "gossip-signing"
    case dhtMode = "dht-mode"
    case kadProtocol = "kad-protocol"
    case choraleRequests = "chorale-requests"
    case servePerf = "serve-perf"
    case adminSocket = "admin-socket"
    case metricsAddress = "metrics-address"
    case httpAddress = "http-address"
    case rpcAddress = "rpc-address"
    case rpcHosts = "rpc-vhosts"
    case rpcOrigins = "rpc-cors"
    case engineAddress = "engine-address"
    case jwtSecret = "jwt-secret"
    case engineHosts = "engine-vhosts"
    case stateless
    case checkpoint
    case crossValidate = "cross-validate"
    case whenUnreachable = "cross-validation-unreachable"
    case executorAccount = "executor-account"
    case executorPrice = "executor-price"
    case executorAttester = "executor-attester"
    case resetSigningState = "reset-signing-state-at"
    case byzantine
    case logLevel = "log-level"
    case logFormat = "log-format"

    package var name: String { rawValue }

    /// The environment variable: `CHORALE_MAX_PEERS` for `max-peers`.
    package var variable: String {
        "CHORALE_"
            + String(
                name.map { character in character == "-" ? "_" : Character(character.uppercased()) }
            )
    }

    /// Several values: repeated flags, comma lists, YAML lists.
    package var isList: Bool {
        switch self {
        case .bootnodes, .directPeers, .role, .listen, .externalAddress, .gossipTopics, .rpcHosts,
            .rpcOrigins, .engineHosts, .crossValidate:
            true
        default: false
        }
    }

    /// Relative paths in a file are meant from the file's directory.
    package var isPath: Bool {
        switch self {
        case .dataDirectory, .network, .nodeKey, .adminSocket, .jwtSecret, .executorAccount: true
        default: false
        }
    }

    /// Where the file is follows from it, so the file cannot say it.
    package var isInFile: Bool { self != .dataDirectory }

    static let fileKeys = allCases.filter(\.isInFile).map(\.name)
}

/// The values of settings, each with where it came from.
///
/// A flag hides the environment, which hides the file, which hides the default. Lists are not merged:
/// who gives one gives all of it.
package struct SettingValues {
    package struct Value: Equatable {
        package var texts: [String]
        package var origin: Origin
    }

    package enum Origin: Equatable, CustomStringConvertible {
        case flag(Setting)
        case environment(Setting)
        case file(String, line: Int)

        package var description: String {
            switch self {
            case .flag(let setting): "--\(setting.name)"
            case .environment(let setting): setting.variable
            case .file(let path, let line): "\(path) line \(line)"
            }
        }
    }

    private var values: [Setting: Value] = [:]

    package subscript(setting: Setting) -> Value? { values[setting] }

    package init() {}

    /// Adds what is not given already: call for flags first, then the environment, then the file.
    ///
    /// An empty list is a value too: `--bootnodes ""` hides what the file says.
    mutating func add(_ setting: Setting, _ texts: [String], _ origin: Origin) {
        guard values[setting] == nil, setting.isList || !texts.isEmpty else { return }
        values[setting] = Value(texts: texts, origin: origin)
    }

    package mutating func addFlags(_ flags: [(Setting, [String])]) {
        for (setting, texts) in flags where !texts.isEmpty {
            add(setting, texts.flatMap { split($0, setting) }, .flag(setting))
        }
    }

    package mutating func addEnvironment(_ environment: [String: String]) {
        for setting in Setting.allCases {
            guard let text = environment[setting.variable] else { continue }
            // Set but empty is how shells unset for one command.
            guard !text.isEmpty else { continue }
            add(setting, split(text, setting), .environment(setting))
        }
    }

    /// - Parameter path: of the file, for messages and relative paths.
    package mutating func addFile(_ text: String, path: String) throws(Failure) {
        let entries: [SettingsText.Entry]
        do throws(SettingsText.SyntaxError) {
            entries = try SettingsText(text).entries
        } catch {
            throw .usage("\(path) line \(error.line): \(error.reason)")
        }
        let directory = Self.directory(of: path)
        for entry in entries {
            guard let setting = Setting(rawValue: entry.key), setting.isInFile else {
                throw .usage(
                    "\(path) line \(entry.line): no setting is called `\(entry.key)`"
                        + Suggestion.text(for: entry.key, among: Setting.fileKeys))
            }
            guard setting.isList || !entry.isList else {
                throw .usage(
                    "\(path) line \(entry.line): `\(entry.key)` takes one value, not a list")
            }
            var texts = entry.isList ? entry.values : entry.values.flatMap { split($0, setting) }
            if setting.isPath { texts = texts.map { Files.join(directory, $0) } }
            if setting == .bootnodes || setting == .directPeers {
                texts = texts.map { text in
                    text.hasPrefix("@")
                        ? "@" + Files.join(directory, String(text.dropFirst())) : text
                }
            }
            add(setting, texts, .file(path, line: entry.line))
        }
    }

    private func split(_ text: String, _ setting: Setting) -> [String] {
        // The name of a secret's file may follow a verifier's after a comma.
        guard setting.isList, setting != .crossValidate else { return [text] }
        return text.split(separator: ",").map { String($0.trimmed) }.filter { !$0.isEmpty }
    }

    static func directory(of path: String) -> String {
        guard let slash = path.lastIndex(of: "/") else { return "." }
        return slash == path.startIndex ? "/" : String(path[..<slash])
    }
}

extension Substring {
    /// Without spaces and tabs at the ends.
    fileprivate var trimmed: Substring {
        var rest = self
        while let first = rest.first, first == " " || first == "\t" { rest.removeFirst() }
        while let last = rest.last, last == " " || last == "\t" { rest.removeLast() }
        return rest
    }
}
