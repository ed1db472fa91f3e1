import Chain
package import ChoraleBase
import ChoraleTypes
import Codec
package import PeerIdentity

/// A directory that describes a network: what `chorale genesis` writes and `--network` reads.
///
/// | file | holds |
/// | --- | --- |
/// | `config.yaml` | name, genesis time, limits, validators' public keys |
/// | `genesis.json` | the initial state, in geth's form |
/// | `validators.yaml` | validators: key, stake, fee recipient |
/// | `network-digest` | the digest of the three above, in hex |
/// | `bootnodes.txt`, `bootnodes.yaml`, `boot_enr.yaml`, `nodes.yaml` | nodes to join through: the first that exists is used |
package struct NetworkDirectory: Equatable {
    package var name: String
    /// SHA-256 over the files; its first four bytes are in topic and protocol names.
    package var digest: Bytes32
    package var bootnodes: [Bootnode]

    package static let digestedFiles = NetworkFile.allCases.map(\.rawValue)
    package static let digestFile = "network-digest"
    package static let bootnodeFiles = [
        "bootnodes.txt", "bootnodes.yaml", "boot_enr.yaml", "nodes.yaml",
    ]

    /// Keys that `config.yaml` may have.
    static let configKeys = ChainGenesis.settingNames

    var shortDigest: [UInt8] { Array(digest.bytes.prefix(4)) }

    /// - Throws: usage failures that name the file.
    static func load(_ path: String) throws(Failure) -> NetworkDirectory {
        guard Files.isDirectory(path) else {
            throw .usage("--network \(path) is not a directory; `chorale genesis` creates one")
        }
        var files: [String: [UInt8]] = [:]
        func read(_ file: String, sizeMax: Int) throws(Failure) {
            let full = Files.join(path, file)
            if Files.exists(full) { files[file] = try Files.read(full, sizeMax: sizeMax) }
        }
        for file in NetworkFile.allCases { try read(file.rawValue, sizeMax: file.sizeMax) }
        try read(digestFile, sizeMax: 1024)
        for file in bootnodeFiles {
            try read(file, sizeMax: 1 << 20)
            if files[file] != nil { break }
        }
        return try NetworkDirectory(files: files, path: path)
    }

    /// What the network's chain starts from; nil when nobody validates, so that there is none.
    ///
    /// - Throws: usage failures that name file, line or member.
    static func genesis(_ path: String) throws(Failure) -> ChainGenesis? {
        var files: [NetworkFile: [UInt8]] = [:]
        for file in NetworkFile.allCases {
            let full = Files.join(path, file.rawValue)
            if Files.exists(full) { files[file] = try Files.read(full, sizeMax: file.sizeMax) }
        }
        do throws(GenesisError) {
            return try ChainGenesis(files: files)
        } catch {
            if case .validators(.empty) = error.reason { return nil }
            throw .usage("\(path): \(error)")
        }
    }

    /// - Parameters:
    ///   - files: the contents of those files of the directory that exist, by name.
    ///   - path: of the directory, for messages.
    package init(files: [String: [UInt8]], path: String) throws(Failure) {
        var contents: [[UInt8]] = []
        for file in Self.digestedFiles {
            guard let content = files[file] else {
                throw .usage("\(path) describes no network: \(file) is missing")
            }
            contents.append(content)
        }
        digest = NetworkFile.digest(contents)
        if let said = files[Self.digestFile] {
            try Self.check(digest, said, Files.join(path, Self.digestFile))
        }
        name = try Self.networkName(contents[0], Files.join(path, Self.digestedFiles[0]))
        bootnodes = []
        for file in Self.bootnodeFiles {
            guard let content = files[file] else { continue }
            let full = Files.join(path, file)
            bootnodes = try BootnodeList.parse(try Self.text(content, full), source: full)
            break
        }
    }

    private static func text(_ bytes: [UInt8], _ path: String) throws(Failure) -> String {
        guard let text = String(validating: bytes, as: UTF8.self) else {
            throw .usage("\(path) is not a text in UTF-8")
        }
        return text
    }

    private static func check(
        _ digest: Bytes32, _ bytes: [UInt8], _ path: String
    ) throws(Failure) {
        let said = try text(bytes, path).filter { !$0.isWhitespace }
        guard said == digest.description else {
            throw .usage(
                "\(path) says \(said.prefix(64)), but the files hash to \(digest): "
                    + "one of \(digestedFiles.joined(separator: ", ")) was changed")
        }
    }

    private static func networkName(_ bytes: [UInt8], _ path: String) throws(Failure) -> String {
        let text = try text(bytes, path)
        let config: SettingsText
        do throws(SettingsText.SyntaxError) {
            config = try SettingsText(text)
        } catch {
            throw .usage("\(path) line \(error.line): \(error.reason)")
        }
        for entry in config.entries where !configKeys.contains(entry.key) {
            throw .usage(
                "\(path) line \(entry.line): no parameter is called `\(entry.key)`"
                    + Suggestion.text(for: entry.key, among: configKeys))
        }
        return config["NETWORK_NAME"]?.values.first ?? "unnamed"
    }
}

/// Bootnodes as flags and files give them.
package enum BootnodeList {
    /// Each entry is a multiaddr, a node record, `@` and a file, or the path of a file.
    static func load(_ entries: [String], source: String) throws(Failure) -> [Bootnode] {
        var nodes: [Bootnode] = []
        for entry in entries {
            let found: [Bootnode]
            if entry.hasPrefix("@") {
                let path = String(entry.dropFirst())
                found = try parse(try Files.text(path), source: path)
            } else if isFile(entry) {
                found = try parse(try Files.text(entry), source: entry)
            } else {
                found = try parse(entry, source: source)
            }
            for node in found where !nodes.contains(where: { $0.peerID == node.peerID }) {
                nodes.append(node)
            }
        }
        return nodes
    }

    /// A multiaddr and a path both begin with `/`; only one of them exists on disk.
    private static func isFile(_ entry: String) -> Bool {
        !entry.hasPrefix("enr:") && !entry.hasPrefix("enode:") && !entry.contains("/p2p/")
            && Files.exists(entry)
    }

    package static func parse(_ text: String, source: String) throws(Failure) -> [Bootnode] {
        let result = Bootnodes.parse(text)
        if let failure = result.failures.first {
            let more = result.failures.count > 1 ? " (and \(result.failures.count - 1) more)" : ""
            throw .usage("\(source) \(failure)\(more)")
        }
        return result.nodes
    }
}
