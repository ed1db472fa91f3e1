import Chain
import ChoraleBase
import ChoraleCLI
import ChoraleTypes
import Codec
import Crypto
import Execution
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
        FuzzTarget(
            "record-list",
            "a list of records; what is read and written again is read the same",
            sizeMax: 2048,
            seeds: {
                [
                    "---\n# c\n- name: a\n  key: \"0x01\"\n\n- name: 'b: c'  # d\n  key: x y\n",
                    "  - a: b\r\n    c: d\r\n", "[]\n",
                ].map { Array($0.utf8) }
            }, run: recordList),
        FuzzTarget(
            "json-members",
            "members of an object, walked; those that the parser of whole documents finds",
            sizeMax: 2048,
            seeds: {
                [#"{"a": {"b": [1, "}"]}, "c\n": "\"]", "d":[],"e" : null}"#, "{}"].map {
                    Array($0.utf8)
                }
            }, run: jsonMembers),
        FuzzTarget(
            "chain-genesis",
            "the three files that a chain starts from; equal files, equal chains",
            seeds: { GenesisSeeds.all }, run: chainGenesis),
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
        // These name files, and what is on this machine's disk is not part of the input.
        let namesFile = values[.directPeers]?.texts.contains { $0.hasPrefix("@") } ?? false
        guard values[.network] == nil, values[.bootnodes] == nil, !namesFile else { return }
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
    private static func recordList(_ input: [UInt8], _ findings: inout Findings) {
        let records: [RecordListText.Record]
        do throws(SettingsText.SyntaxError) {
            records = try RecordListText(text(input), recordCountMax: 16).records
        } catch {
            require(error.line >= 1 && !error.reason.isEmpty, "an error without place or words")
            return findings.note("records", size: error.reason.utf8.count)
        }
        require(records.count <= 16, "more records than are allowed")
        var again = ""
        for record in records {
            require(!record.entries.isEmpty, "a record of nothing")
            for (index, entry) in record.entries.enumerated() {
                again += index == 0 ? "- " : "  "
                again += SettingsText.quoted(entry.key) + ": "
                again += SettingsText.quoted(entry.value) + "\n"
            }
        }
        do throws(SettingsText.SyntaxError) {
            let read = try RecordListText(again, recordCountMax: 16).records
            let names = { (records: [RecordListText.Record]) in
                records.map { $0.entries.map { [$0.key, $0.value] } }
            }
            require(names(read) == names(records), "other records: \(again)")
        } catch {
            fatalError("property broken: what was written is refused: \(again): \(error)")
        }
        findings.note("records", size: records.count)
    }

    private static func jsonMembers(_ input: [UInt8], _ findings: inout Findings) {
        var found: [JSONObject.Member]? = []
        do throws(JSONError) {
            var walk = try JSONMembers(input.span)
            var end = 0
            while let member = try walk.next(input.span) {
                require(member.value.lowerBound > end, "members that overlap")
                require(!member.value.isEmpty, "a value of no bytes")
                end = member.value.upperBound
                guard let value = try? JSONValue(parsing: Array(input[member.value])) else {
                    found = nil
                    continue
                }
                found?.append(.init(member.name, value))
            }
        } catch {
            findings.note("members", size: error.description.utf8.count)
            // What this refuses, a parser refuses too, names of more than a kibibyte aside.
            guard case .object(let object)? = try? JSONValue(parsing: input) else { return }
            require(object.names.contains { $0.utf8.count > 100 }, "an object that is refused")
            return
        }
        findings.note("members", size: found?.count ?? 0)
        guard case .object(let object)? = try? JSONValue(parsing: input) else { return }
        require(found == object.members, "other members than the parser's")
    }

    private static func chainGenesis(_ input: [UInt8], _ findings: inout Findings) {
        let parts = input.split(separator: 0xFF, maxSplits: 2, omittingEmptySubsequences: false)
        var files: [NetworkFile: [UInt8]] = [:]
        for (file, part) in zip(NetworkFile.allCases, parts) { files[file] = Array(part) }
        let genesis: ChainGenesis
        do throws(GenesisError) {
            genesis = try ChainGenesis(files: files)
        } catch {
            require(error.description.hasPrefix(error.file.rawValue), "an error without a file")
            return findings.note("genesis", size: error.description.utf8.count)
        }
        var count = 0
        for account in genesis.accounts {
            require(account.change.account != nil, "an account that is none")
            count += 1
        }
        require(count == genesis.accounts.count, "\(count) accounts were walked")
        var root: Bytes32?
        genesis.accounts.forEachNode { hash, _ in root = hash }
        require(count == 0 || root == genesis.stateRoot, "the last node is not the root")
        require(genesis.feeRecipients.count == genesis.validators.count, "recipients")
        require(genesis.validators.count >= 1 && genesis.epochLength >= 1, "limits")
        let again = try? ChainGenesis(files: files)
        require(again?.blockID == genesis.blockID, "another chain of the same files")
        findings.note("genesis", size: count)
        findings.note("validators", size: genesis.validators.count)
    }
}

private enum GenesisSeeds {
    static let all: [[UInt8]] = {
        let config = """
            NETWORK_NAME: "a test"
            GENESIS_TIME: 1000
            SECONDS_PER_SLOT: 2
            BLOCKS_PER_EPOCH: 8
            WITNESS_SIZE_MAX: 1048576

            """
        let alloc = [
            "", #""00000000000000000000000000000000000000A2": {"balance": "10", "nonce": 3}"#,
            #""0x00000000000000000000000000000000000000a3": {"balance": 0, "code": "0x6000","#
                + #" "storage": {"0x0": "0x2a", "2": "7"}}, "0x00000000000000000000000000000000000000a4":"#
                + #" {"balance": "0xde0b6b3a7640000"}"#,
        ]
        let validators = """
            - index: 0
              publicKey: "0x8a88e3dd7409f195fd52db2d3cba5d72ca6709bf1d94121bf3748801b40f6f5c"
              stake: 32000000000
              feeRecipient: "0x00000000000000000000000000000000000000f0"

            """
        return alloc.map { alloc in
            let genesis =
                #"{"config": {"chainId": 1, "shanghaiTime": 0, "cancunTime": 0, "pragueTime": 0},"#
                + #" "timestamp": "0x3e8", "gasLimit": "30000000", "alloc": {"# + alloc + "}}"
            return Array(
                [config, genesis, validators].map { Array($0.utf8) }.joined(separator: [0xFF]))
        }
    }()
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
