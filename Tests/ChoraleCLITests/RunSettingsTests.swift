import ArgumentParser
import Codec
import Crypto
import Foundation
import Node
import PartVerification
import PeerIdentity
import Swarm
import Telemetry
import Testing

@testable import ChoraleCLI

/// A directory that lasts as long as one test.
final class Scratch {
    let path: String

    init() throws {
        path =
            FileManager.default.temporaryDirectory
            .appendingPathComponent("chorale-cli-\(UUID().uuidString)").path
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    func file(_ name: String, _ text: String) throws -> String {
        let full = path + "/" + name
        try Data(text.utf8).write(to: URL(fileURLWithPath: full))
        return full
    }
}

@Suite struct RunSettingsTests {
    static let peer = IdentityKey(
        ed25519Seed: SecretBytes(copying: [UInt8](repeating: 9, count: 32))
    )
    .peerID
    static let bootnode = "/ip4/192.0.2.7/tcp/4001/p2p/\(peer)"

    /// What the settings are when each source says what is given.
    static func load(
        _ flags: [(Setting, [String])] = [], environment: [String: String] = [:], file: String = ""
    ) throws -> RunSettings {
        let scratch = try Scratch()
        _ = try scratch.file("config.yaml", file)
        return try RunSettings.load(
            flags: flags + [(.dataDirectory, [scratch.path])], environment: environment)
    }

    static func failure(
        _ flags: [(Setting, [String])] = [], environment: [String: String] = [:], file: String = ""
    ) -> Failure? {
        do {
            _ = try load(flags, environment: environment, file: file)
            return nil
        } catch {
            return error as? Failure
        }
    }

    @Test func defaults() throws {
        let settings = try Self.load()
        #expect(settings.listenAddresses.map(\.text) == [RunSettings.defaultListen])
        #expect(settings.roles == .observer)
        #expect(settings.addressPolicy == .publicNetwork)
        #expect(settings.peerCountMax == RunSettings.maxPeersDefault)
        #expect(settings.networkDigest == RunSettings.developmentDigest)
        #expect(settings.metricsAddress == nil)
        #expect(!settings.servesPerf)
        #expect(settings.adminSocket == settings.dataDirectory + "/chorale.ipc")
        #expect(settings.keyPath == settings.dataDirectory + "/identity.key")
    }

    @Test func aFlagHidesTheEnvironmentWhichHidesTheFile() throws {
        let environment = ["CHORALE_MAX_PEERS": "20", "CHORALE_ROLE": "prover"]
        let file = "max-peers: 10\nrole: validator\nlog-level: debug\n"
        #expect(try Self.load(file: file).peerCountMax == 10)
        #expect(try Self.load(environment: environment, file: file).peerCountMax == 20)
        let all = try Self.load(
            [(.maxPeers, ["30"])], environment: environment, file: file)
        #expect(all.peerCountMax == 30)
        #expect(all.roles == .prover)
        #expect(all.logLevel == .debug)
    }

    @Test func listsAreNotMerged() throws {
        let file = "listen: [/ip4/127.0.0.1/tcp/1, /ip4/127.0.0.1/tcp/2]"
        let settings = try Self.load([(.listen, ["/ip4/127.0.0.1/tcp/3"])], file: file)
        #expect(settings.listenAddresses.map(\.text) == ["/ip4/127.0.0.1/tcp/3"])
        #expect(try Self.load(file: file).listenAddresses.count == 2)
    }

    @Test func anEmptyListIsAValueAndAnEmptyVariableIsNone() throws {
        let file = "bootnodes: [\(Self.bootnode)]"
        #expect(try Self.load(file: file).bootnodes.count == 1)
        #expect(try Self.load([(.bootnodes, [""])], file: file).bootnodes.isEmpty)
        let settings = try Self.load(environment: ["CHORALE_BOOTNODES": ""], file: file)
        #expect(settings.bootnodes.count == 1)
    }

    @Test func listsTakeCommasAndRepetition() throws {
        let settings = try Self.load([(.role, ["validator,prover", "executor"])])
        #expect(settings.roles == [.validator, .prover, .executor])
    }

    @Test func everySettingHasAFlagAVariableAndAKey() throws {
        let options = try SettingOptions.parse([])
        #expect(options.given.map(\.0) == Setting.allCases)
        #expect(Setting.maxPeers.variable == "CHORALE_MAX_PEERS")
        #expect(Set(Setting.allCases.map(\.variable)).count == Setting.allCases.count)
        let switches: [Setting: (flag: String, text: String)] = [
            .choraleRequests: ("--no-chorale-requests", "false"),
            .stateless: ("--stateless", "true"),
        ]
        let flags = Setting.allCases.flatMap { setting in
            switches[setting].map { [$0.flag] } ?? ["--\(setting.name)", "x"]
        }
        for (setting, texts) in try SettingOptions.parse(flags).given {
            #expect(texts == [switches[setting]?.text ?? "x"], "\(setting.name)")
        }
    }

    struct Refusal: Sendable, CustomStringConvertible {
        let setting: Setting
        let text: String
        let words: String

        init(_ setting: Setting, _ text: String, _ words: String) {
            (self.setting, self.text, self.words) = (setting, text, words)
        }

        var description: String { "\(setting.name) \(text)" }
    }

    static let refusals = [
        Refusal(.maxPeers, "0", "a number from 1 to 10000, not `0`"),
        Refusal(.maxPeers, "many", "a number from 1 to 10000, not `many`"),
        Refusal(.role, "king", "one or more of observer, validator, executor, prover"),
        Refusal(.listen, "/ip4/1.2.3", "a multiaddr like"),
        Refusal(.listen, "/dns/a.example/tcp/1", "an IP address with a TCP port"),
        Refusal(.listen, "/ip4/1.2.3.4/udp/1/quic-v1", "an IP address with a TCP port"),
        Refusal(.externalAddress, "here", "a multiaddr like"),
        Refusal(.addressPolicy, "private", "one of public, local"),
        Refusal(.networkDigest, "12345", "four bytes in hex"),
        Refusal(.logLevel, "loud", "one of error, warning, info, debug, trace"),
        Refusal(.logFormat, "xml", "one of text, json"),
        Refusal(.servePerf, "maybe", "one of true, false"),
        Refusal(.gossipSigning, "lax", "one of strict-sign, strict-no-sign"),
        Refusal(.dhtMode, "on", "one of auto, client, server"),
        Refusal(.kadProtocol, "kad", "a protocol name"),
        Refusal(.metricsAddress, "9464", "HOST:PORT"),
        Refusal(.metricsAddress, "localhost:99999", "HOST:PORT"),
        Refusal(.metricsAddress, "::1:9464", "[::1]:9464"),
        Refusal(.bootnodes, "enode://00@1.2.3.4:1", "enode:// names a devp2p node"),
        Refusal(.bootnodes, "/ip4/1.2.3.4/tcp/1", "the address must end in /p2p/"),
        Refusal(.executorPrice, "0", "a number from 1 to 100, not `0`"),
        Refusal(.executorPrice, "90%", "a number from 1 to 100, not `90%`"),
        Refusal(.executorAttester, "/bin/attest", "KIND:0xMEASUREMENT=/PATH"),
        Refusal(.executorAttester, "sgx:0x12=/bin/attest", "KIND:0xMEASUREMENT=/PATH"),
        Refusal(.executorAttester, "sgx:@=attest", "KIND:0xMEASUREMENT=/PATH"),
        Refusal(
            .byzantine, "lazy",
            "one of off, equivocate, silent-parts, reject-parts, garbage-proofs, wrong-output"),
        Refusal(.network, "/nowhere", "is not a directory"),
    ]

    @Test(arguments: refusals) func saysWhatIsAllowedAndWhoSaidOtherwise(_ row: Refusal) {
        let byFlag = Self.failure([(row.setting, [row.text])])
        #expect(byFlag?.kind == .usage)
        #expect(byFlag?.message.contains(row.words) == true, "\(byFlag?.message ?? "accepted")")
        // Bootnodes and networks are named by where they were found instead.
        guard row.setting != .network else { return }
        #expect(byFlag?.message.contains("--\(row.setting.name)") == true)
        let byVariable = Self.failure(environment: [row.setting.variable: row.text])
        #expect(byVariable?.message.contains(row.setting.variable) == true)
        let byFile = Self.failure(file: "\n\(row.setting.name): '\(row.text)'\n")
        #expect(byFile?.message.contains("config.yaml line 2") == true)
    }

    @Test func unknownKeysNameTheNearestAndTheLine() {
        let failure = Self.failure(file: "# settings\nmax-peer: 3\n")
        #expect(failure?.message.contains("config.yaml line 2") == true)
        #expect(failure?.message.contains("did you mean `max-peers`?") == true)
        // The file cannot say where the file is.
        #expect(Self.failure(file: "data-dir: /x\n") != nil)
    }

    @Test func aListForOneValueIsRefused() {
        #expect(Self.failure(file: "max-peers: [1, 2]")?.message.contains("one value") == true)
    }

    @Test func pathsInTheFileAreMeantFromIt() throws {
        let settings = try Self.load(file: "node-key: keys/a.key\nadmin-socket: /run/a.ipc\n")
        #expect(settings.keyPath == settings.dataDirectory + "/keys/a.key")
        #expect(settings.adminSocket == "/run/a.ipc")
    }

    /// What is wrong on purpose stays on networks of one machine.
    @Test func faultsAreForLocalNetworks() throws {
        for fault in RunSettings.Byzantine.allCases where fault != .off {
            let wanted = [(Setting.byzantine, [fault.rawValue])]
            #expect(Self.failure(wanted)?.message.contains("networks of one machine") == true)
            #expect(try Self.load(wanted + [(.addressPolicy, ["local"])]).byzantine == fault)
        }
        let settings = try Self.load([
            (.byzantine, ["silent-parts"]), (.addressPolicy, ["local"]),
        ])
        #expect(settings.partFault == .silent && settings.executorFault == nil)
        #expect(try Self.load().byzantine == .off)
        #expect(try Self.load().executorPrice == 90)
        #expect(try Self.load().executorAttester == nil)
    }

    @Test func settlingNeedsAChainAndItsState() {
        let account = [(Setting.executorAccount, ["account.key"])]
        #expect(Self.failure(account)?.message.contains("needs a network with a chain") == true)
        let stateless = Self.failure(account + [(.stateless, ["true"])])
        #expect(stateless?.message.contains("needs the state") == true)
    }

    @Test func bootnodesComeFromFilesToo() throws {
        let scratch = try Scratch()
        let list = try scratch.file("boot.txt", "# ours\n\(Self.bootnode)  # frankfurt\n")
        for text in [list, "@" + list, Self.bootnode] {
            #expect(try Self.load([(.bootnodes, [text])]).bootnodes.map(\.peerID) == [Self.peer])
        }
    }

    @Test func becomesANodeConfiguration() throws {
        let identity = IdentityKey(Ed25519.PrivateKey.random())
        let own = "/ip4/192.0.2.8/tcp/4001/p2p/\(identity.peerID)"
        let settings = try Self.load([
            (.bootnodes, [Self.bootnode, own]), (.maxPeers, ["8"]), (.addressPolicy, ["local"]),
            (.networkDigest, ["0a0b0c0d"]), (.role, ["validator"]), (.gossipTopics, ["a,b"]),
            (.externalAddress, ["/ip4/198.51.100.1/tcp/4001"]), (.kadProtocol, ["/ipfs/kad/1.0.0"]),
            (.choraleRequests, ["false"]), (.directPeers, [Self.bootnode, own]),
        ])
        let configuration = settings.nodeConfiguration(identity: identity)
        // A node does not dial itself.
        #expect(configuration.bootnodes.map(\.peerID) == [Self.peer])
        #expect(configuration.directPeers.map(\.peerID) == [Self.peer])
        #expect(configuration.networkDigest == [10, 11, 12, 13])
        #expect(configuration.roles == .validator)
        #expect(configuration.gossipTopics == ["a", "b"])
        #expect(configuration.externalAddresses.map(\.text) == ["/ip4/198.51.100.1/tcp/4001"])
        #expect(configuration.kademliaProtocol == "/ipfs/kad/1.0.0")
        #expect(!configuration.speaksChorale)
        #expect(configuration.servesPerf)
        let limits = configuration.swarm
        #expect(limits.peerCountHigh == 8)
        #expect(limits.peerCountLow <= limits.peerCountHigh)
        #expect(limits.peerCountTarget <= limits.peerCountLow)
        #expect(limits.socketCountMax >= 2 * limits.peerCountHigh)
    }

    @Test(arguments: DHTMode.allCases) func anyNodeMayChooseItsPartInTheDHT(mode: DHTMode) throws {
        let identity = IdentityKey(Ed25519.PrivateKey.random())
        for listen in ["", RunSettings.defaultListen] {
            let settings = try Self.load([(.listen, [listen]), (.dhtMode, [mode.rawValue])])
            #expect(settings.nodeConfiguration(identity: identity).dhtMode == mode)
        }
    }
}
