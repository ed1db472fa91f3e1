import ChoraleBase
import ChoraleCLI
import Codec
import Crypto
import Node
import PeerIdentity
import Swarm

extension FuzzTarget {
    static let configurationTargets: [FuzzTarget] = [
        FuzzTarget(
            "settings-text",
            "a configuration file's text; what is read and written again is read the same",
            sizeMax: 2048,
            seeds: {
                [
                    "---\n# c\nlisten:\n  - /ip4/0.0.0.0/tcp/4001\n  - \"a\\\"b\\x07\"\nrole: [a, 'b''s']\n",
                    "a: b # c\nb: \"c # \\\\ \\n\"\n\"c d\" : it's\r\ne: []\rf:\n- g\n",
                    "a: [\"b\\\"\", 'c,d', e#f]\nb: c:d\n",
                ].map { Array($0.utf8) }
            }, run: settingsText),
        FuzzTarget(
            "run-settings",
            "flags, environment and config.yaml of a node; limits kept, and a node starts with them",
            sizeMax: 2048, seeds: { SettingsSeeds.all }, run: runSettings),
        FuzzTarget(
            "network-directory",
            "the files of a network directory; the digest is that of the bytes",
            seeds: {
                let files = [
                    "NETWORK_NAME: \"a net\"\nGENESIS_TIME: 1\nGENESIS_VALIDATORS:\n  - \"0x01\"\n",
                    "{}", "a:\n  - 0\n",
                    "\(Actors.addresses[0])/p2p/\(Actors.peers[1])  # one\n",
                ]
                let joined = files.map { Array($0.utf8) }
                return [0, 1].map { [$0] + Array(joined.joined(separator: [0xFF])) }
            }, run: networkDirectory),
    ]

    private static func settingsText(_ input: [UInt8], _ findings: inout Findings) {
        let entries: [SettingsText.Entry]
        do throws(SettingsText.SyntaxError) {
            entries = try SettingsText(text(input)).entries
        } catch {
            require(error.line >= 1 && !error.reason.isEmpty, "an error without place or words")
            return findings.note("settings", size: error.reason.utf8.count)
        }
        var again = ""
        for entry in entries {
            require(entry.isList || entry.values.count <= 1, "many values that are no list")
            let values = entry.values.map(SettingsText.quoted)
            again += SettingsText.quoted(entry.key) + ":"
            // Both forms of a list, by its length.
            if !entry.isList {
                again += values.first.map { " " + $0 } ?? ""
            } else if values.count % 2 == 0 {
                again += " [" + values.joined(separator: ", ") + "]"
            } else {
                again += values.map { "\n  - " + $0 }.joined()
            }
            again += "\n"
        }
        do throws(SettingsText.SyntaxError) {
            let read = try SettingsText(again).entries
            require(read.map(\.key) == entries.map(\.key), "other names: \(again)")
            require(read.map(\.values) == entries.map(\.values), "other values: \(again)")
            require(read.map(\.isList) == entries.map(\.isList), "other lists: \(again)")
        } catch {
            fatalError("property broken: what was written is refused: \(again): \(error)")
        }
        findings.note("settings", size: entries.count)
        findings.note("values", size: entries.reduce(0) { $0 + $1.values.count })
        // Any text can be written as a value.
        let all = text(input)
        let value = try? SettingsText("a: " + SettingsText.quoted(all)).entries.first?.values
        require(value == [all], "a text that cannot be a value")
    }

    private static func runSettings(_ input: [UInt8], _ findings: inout Findings) {
        var program = Program(input)
        var values = SettingValues()
        values.addFlags([(.dataDirectory, ["/nowhere"])])
        var environment: [String: String] = [:]
        for _ in 0..<program.below(8) {
            let setting = Setting.allCases[program.below(Setting.allCases.count)]
            let value = text(program.chunk())
            if program.byte() & 1 == 0 {
                values.addFlags([(setting, [value])])
            } else {
                environment[setting.variable] = value
            }
        }
        values.addEnvironment(environment)
        let file = text(program.rest())
        do throws(Failure) {
            try values.addFile(file, path: "/nowhere/config.yaml")
        } catch {
            require(error.kind == .usage && !error.message.isEmpty, "a file that is refused")
            findings.note("settings", "file refused")
        }
        for setting in Setting.allCases {
            guard let value = values[setting] else { continue }
            require(setting.isList || value.texts.count == 1, "\(value.texts.count) values")
            require(!value.origin.description.isEmpty, "an origin without words")
        }
        // These two name files, and what is on this machine's disk is not part of the input.
        guard values[.network] == nil, values[.bootnodes] == nil else { return }
        let settings: RunSettings
        do throws(Failure) { settings = try RunSettings(values) } catch {
            require(error.kind == .usage && !error.message.isEmpty, "settings that are refused")
            return findings.note("settings", size: error.message.utf8.count)
        }
        var configuration = settings.nodeConfiguration(identity: Actors.keys[0])
        // All that is random in it.
        configuration.seed = 1
        configuration.noiseStaticKey = Actors.secret(0x44)
        var node = Node(configuration: configuration, now: .start)
        var outputs: [NodeOutput] = []
        node.handle(.start, now: .start, into: &outputs)
        node.handle(.command(.init(1), .limits), now: .start, into: &outputs)
        for case .reply(_, .limits(let limits), _) in outputs {
            require(limits.allSatisfy { $0.limit > 0 }, "a limit that lets nothing through")
        }
        findings.note("settings", size: configuration.gossipTopics.count)
        findings.note("listen", size: configuration.listenAddresses.count)
        findings.note("peers", size: configuration.swarm.peerCountHigh)
    }

    private static func networkDirectory(_ input: [UInt8], _ findings: inout Findings) {
        let options = input.first ?? 0
        let parts = input.dropFirst().split(
            separator: 0xFF, maxSplits: 4, omittingEmptySubsequences: false
        ).map { Array($0) }
        var files: [String: [UInt8]] = [:]
        for (name, content) in zip(NetworkDirectory.digestedFiles, parts) { files[name] = content }
        let names = NetworkDirectory.bootnodeFiles
        if parts.count > 3 { files[names[Int(options >> 1) % names.count]] = parts[3] }
        if parts.count > 4 { files[NetworkDirectory.digestFile] = parts[4] }
        func load(_ files: [String: [UInt8]]) throws(Failure) -> NetworkDirectory {
            try NetworkDirectory(files: files, path: "/net")
        }
        do throws(Failure) {
            let network = try load(files)
            require(network.bootnodes.count <= Bootnodes.Limits().nodeCountMax, "bootnodes")
            require(network.bootnodes.allSatisfy { !$0.addresses.isEmpty }, "no address")
            var same = files
            same[NetworkDirectory.digestFile] = Array("\(network.digest)\n".utf8)
            require(try load(same) == network, "another network with its own digest")
            same[NetworkDirectory.digestedFiles[1]]?.append(0)
            require((try? load(same)) == nil, "a changed file has the same digest")
            findings.note("network", size: network.bootnodes.count)
            findings.note("name", size: network.name.utf8.count)
        } catch {
            require(error.kind == .usage && !error.message.isEmpty, "an error without words")
            findings.note("network", size: error.message.utf8.count)
        }
    }
}

private enum SettingsSeeds {
    static let all: [[UInt8]] = [
        [0]
            + Array(
                """
                role: [validator, prover]
                listen:
                  - /ip4/127.0.0.1/tcp/4001
                address-policy: local
                max-peers: 40
                gossip-topics: [blocks, votes]
                gossip-signing: strict-sign
                dht-mode: server
                kad-protocol: /ipfs/kad/1.0.0
                metrics-address: "[::1]:9464"
                log-level: debug
                log-format: json
                network-digest: 1a2b3c4d
                """.utf8),
        program([("max-peers", "1", 0), ("role", "observer,executor", 1), ("listen", "", 0)]),
        program([
            ("metrics-address", "127.0.0.1:1", 1), ("dht-mode", "client", 0),
            ("external-address", "/ip4/8.8.8.8/tcp/1", 0), ("serve-perf", "true", 1),
        ]),
        program([("gossip-topics", "a,b", 0), ("network-digest", "0x01020304", 1)]),
    ]

    private static func program(_ settings: [(String, String, UInt8)]) -> [UInt8] {
        var bytes = [UInt8(settings.count)]
        for (name, value, origin) in settings {
            let index = Setting.allCases.firstIndex { $0.name == name } ?? 0
            bytes += [UInt8(index), UInt8(value.utf8.count)] + Array(value.utf8) + [origin]
        }
        return bytes
    }
}
