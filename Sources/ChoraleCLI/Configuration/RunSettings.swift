import Chain
import ChoraleBase
import ChoraleTypes
import Codec
import CrossValidation
import Crypto
import Gossipsub
package import Node
package import PeerIdentity
import Swarm
import Telemetry

/// What `chorale run` was told, checked.
package struct RunSettings {
    struct HostPort: Equatable, CustomStringConvertible {
        var host: String
        var port: UInt16

        var description: String { host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)" }
    }

    var dataDirectory: String
    var keyPath: String
    var networkName: String
    var networkDigest: [UInt8]
    var bootnodes: [Bootnode]
    var roles: NodeRole
    var listenAddresses: [Multiaddr]
    var externalAddresses: [Multiaddr]
    var addressPolicy: AddressPolicy
    var peerCountMax: Int
    var directPeers: [Bootnode]
    var gossipTopics: [String]
    /// Whether messages are signed, as other networks want it. Chorale's own are named by their hash.
    var signsGossip: Bool
    var dhtMode: DHTMode
    /// Nil: `/chorale/kad/1.0.0/<digest>`.
    var kadProtocol: String?
    var speaksChorale: Bool
    var servesPerf: Bool
    var adminSocket: String
    /// Nil: no metrics are served.
    var metricsAddress: HostPort?
    /// Nil: no HTTP API is served.
    var httpAddress: HostPort?
    /// What the network's chain starts from; nil when there is none.
    var genesis: ChainGenesis?
    /// Nil: no JSON-RPC is served.
    var rpcAddress: HostPort?
    var rpcHosts: [String]
    var rpcOrigins: [String]
    /// Nil: no engine API is served.
    var engineAddress: HostPort?
    var engineHosts: [String]
    /// The secret that callers of the engine API need.
    var jwtSecretPath: String
    /// Whether blocks are kept without the state after them.
    var isStateless: Bool
    /// Where an empty database begins instead of the genesis.
    var checkpoint: CheckpointID?
    /// Whom to ask about a block before voting for it.
    var verifiers: [Verifier]
    var whenUnreachable: UnreachablePolicy
    var resetSigningStateAt: UInt64?
    /// What is done wrong on purpose, for tests of others.
    var byzantine: Byzantine
    /// The file with the key of the account that settles; nil when others do.
    var executorAccountPath: String?
    /// Of the fee, in percent.
    var executorPrice: Int
    /// What has an enclave vouch for what is executed; nil for nothing.
    var executorAttester: AttesterProgram?
    var logLevel: LogLevel
    var logFormat: LogFormat

    /// Of the chain's blocks and state.
    var chainDirectory: String { Files.join(dataDirectory, "chain") }
    var databaseDirectory: String { Files.join(dataDirectory, "db") }

    static let configFile = "config.yaml"
    static let keyFile = "identity.key"
    static let jwtSecretFile = "jwt.hex"
    static let socketFile = "chorale.ipc"
    static let defaultListen = "/ip4/0.0.0.0/tcp/4001"
    static let verifierCountMax = 32
    static let maxPeersRange = 1...10_000
    static let maxPeersDefault = 160
    static let executorPriceRange = 1...100
    static let executorPriceDefault = 90

    /// Flags, then the environment, then the data directory's `config.yaml`, then defaults.
    static func load(
        flags: [(Setting, [String])], environment: [String: String]
    ) throws(Failure) -> RunSettings {
        var values = SettingValues()
        values.addFlags(flags)
        values.addEnvironment(environment)
        guard let directory = values[.dataDirectory]?.texts.first else {
            throw .usage("give --data-dir, or set \(Setting.dataDirectory.variable)")
        }
        let config = Files.join(directory, configFile)
        if Files.exists(config) { try values.addFile(try Files.text(config), path: config) }
        return try RunSettings(values)
    }

    package init(_ values: SettingValues) throws(Failure) {
        let reader = SettingReader(values: values)
        guard let directory = values[.dataDirectory]?.texts.first else {
            throw .usage("give --data-dir, or set \(Setting.dataDirectory.variable)")
        }
        dataDirectory = directory
        keyPath = values[.nodeKey]?.texts.first ?? Files.join(directory, Self.keyFile)
        adminSocket = values[.adminSocket]?.texts.first ?? Files.join(directory, Self.socketFile)

        var network: NetworkDirectory?
        if let path = values[.network]?.texts.first {
            network = try NetworkDirectory.load(path)
            genesis = try NetworkDirectory.genesis(path)
        }
        let given = try reader.digest()
        if let network, let given, network.shortDigest != given {
            throw .usage(
                "the network directory's digest is \(Hex.encode(network.shortDigest)), "
                    + "and \(Setting.networkDigest.name) says \(Hex.encode(given))")
        }
        networkName = network?.name ?? "development"
        networkDigest = given ?? network?.shortDigest ?? Self.developmentDigest
        if let value = values[.bootnodes] {
            bootnodes = try BootnodeList.load(value.texts, source: "\(value.origin)")
        } else {
            bootnodes = network?.bootnodes ?? []
        }

        directPeers = []
        if let value = values[.directPeers] {
            directPeers = try BootnodeList.load(value.texts, source: "\(value.origin)")
        }

        roles = try reader.roles()
        listenAddresses = try reader.listenAddresses()
        externalAddresses = try reader.addresses(.externalAddress)
        addressPolicy = try reader.choice(
            .addressPolicy, [("public", .publicNetwork), ("local", .local)], default: .publicNetwork
        )
        peerCountMax = try reader.integer(
            .maxPeers, Self.maxPeersRange, default: Self.maxPeersDefault)
        gossipTopics = values[.gossipTopics]?.texts ?? []
        signsGossip = try reader.choice(
            .gossipSigning, [("strict-sign", true), ("strict-no-sign", false)], default: false)
        dhtMode = try reader.choice(
            .dhtMode, DHTMode.allCases.map { ($0.rawValue, $0) }, default: .auto)
        kadProtocol = try reader.protocolName(.kadProtocol)
        speaksChorale = try reader.choice(
            .choraleRequests, [("true", true), ("false", false)], default: true)
        servesPerf = try reader.choice(
            .servePerf, [("true", true), ("false", false)], default: addressPolicy == .local)
        metricsAddress = try reader.hostPort(.metricsAddress)
        httpAddress = try reader.hostPort(.httpAddress)
        rpcAddress = try reader.hostPort(.rpcAddress)
        rpcHosts = values[.rpcHosts]?.texts ?? ["localhost"]
        rpcOrigins = values[.rpcOrigins]?.texts ?? []
        engineAddress = try reader.hostPort(.engineAddress)
        engineHosts = values[.engineHosts]?.texts ?? ["localhost"]
        jwtSecretPath =
            values[.jwtSecret]?.texts.first ?? Files.join(directory, Self.jwtSecretFile)
        isStateless = try reader.choice(
            .stateless, [("true", true), ("false", false)], default: false)
        checkpoint = try reader.checkpoint()
        verifiers = try reader.verifiers()
        whenUnreachable = try reader.choice(
            .whenUnreachable, [("accept", .accept), ("refuse", .refuse)], default: .accept)
        resetSigningStateAt = try reader.height(.resetSigningState)
        executorAccountPath = values[.executorAccount]?.texts.first
        executorPrice = try reader.integer(
            .executorPrice, Self.executorPriceRange, default: Self.executorPriceDefault)
        executorAttester = try reader.attester()
        if executorAccountPath != nil, isStateless {
            throw .usage(
                "--\(Setting.executorAccount.name) needs the state, which a node with "
                    + "--\(Setting.stateless.name) does not keep")
        }
        byzantine = try reader.choice(
            .byzantine, Byzantine.allCases.map { ($0.rawValue, $0) }, default: .off)
        if byzantine != .off, addressPolicy != .local {
            throw .usage(
                "--\(Setting.byzantine.name) is for networks of one machine, with "
                    + "--\(Setting.addressPolicy.name) local")
        }
        for (setting, isGiven) in [
            (Setting.rpcAddress, rpcAddress != nil), (.crossValidate, !verifiers.isEmpty),
            (.stateless, isStateless), (.engineAddress, engineAddress != nil),
            (.checkpoint, checkpoint != nil), (.executorAccount, executorAccountPath != nil),
        ] where isGiven && genesis == nil {
            throw .usage(
                "--\(setting.name) needs a network with a chain: give --network DIR, whose "
                    + "validators.yaml names validators")
        }
        logLevel = try reader.choice(
            .logLevel, LogLevel.allCases.map { ($0.rawValue, $0) }, default: .info)
        logFormat = try reader.choice(
            .logFormat, LogFormat.allCases.map { ($0.rawValue, $0) }, default: .text)
    }

    /// Of nodes that were told no network: they find only each other.
    static let developmentDigest = Array(
        SHA256.hash(Array("chorale/network/development".utf8)).bytes.prefix(4))

    /// What a `Node` is started with.
    /// Twice the peers, because both sides may dial, and handshakes under way.
    var socketCountMax: Int { peerCountMax * 2 + Swarm.Limits().handshakeCountMax }

    package func nodeConfiguration(identity: IdentityKey) -> NodeConfiguration {
        var configuration = NodeConfiguration(
            identity: identity, noiseStaticKey: .random(count: 32), networkDigest: networkDigest,
            addressPolicy: addressPolicy, seed: SystemRandom.seed())
        configuration.listenAddresses = listenAddresses
        configuration.externalAddresses = externalAddresses
        // A bootnode is often started with the network's list, which names it too.
        configuration.bootnodes = bootnodes.filter { $0.peerID != identity.peerID }
        configuration.directPeers = directPeers.filter { $0.peerID != identity.peerID }
        configuration.roles = roles
        configuration.agentVersion = Version.agent
        configuration.gossipTopics = gossipTopics
        configuration.servesPerf = servesPerf
        configuration.speaksChorale = speaksChorale
        configuration.dhtMode = dhtMode
        if let kadProtocol { configuration.kademliaProtocol = kadProtocol }
        if signsGossip {
            configuration.gossip.signaturePolicy = .strictSign(Gossipsub.SigningKey(identity))
        }
        configuration.swarm.peerCountHigh = peerCountMax
        // Room to meet somebody better before anybody is let go.
        configuration.swarm.peerCountLow = max(1, peerCountMax * 3 / 4)
        configuration.swarm.peerCountTarget = min(
            configuration.swarm.peerCountTarget, configuration.swarm.peerCountLow)
        configuration.swarm.socketCountMax = socketCountMax
        if addressPolicy == .local {
            // A whole network on one machine comes from one address.
            configuration.swarm.socketsPerGroupMax = configuration.swarm.socketCountMax
        }
        return configuration
    }
}

/// Texts to values, with errors that say where the text came from and what would be right.
struct SettingReader {
    let values: SettingValues

    private func wrong(
        _ setting: Setting, _ text: String, expected: String
    ) -> Failure {
        let origin = values[setting]?.origin
        let place = origin.map { "\($0): " } ?? ""
        return .usage("\(place)`\(setting.name)` must be \(expected), not `\(text)`")
    }

    func integer(
        _ setting: Setting, _ range: ClosedRange<Int>, default fallback: Int
    ) throws(Failure) -> Int {
        guard let text = values[setting]?.texts.first else { return fallback }
        guard let value = Int(text), range.contains(value) else {
            throw wrong(
                setting, text, expected: "a number from \(range.lowerBound) to \(range.upperBound)")
        }
        return value
    }

    func choice<Value>(
        _ setting: Setting, _ choices: [(String, Value)], default fallback: Value
    ) throws(Failure) -> Value {
        guard let text = values[setting]?.texts.first else { return fallback }
        guard let choice = choices.first(where: { $0.0 == text }) else {
            throw wrong(
                setting, text, expected: "one of \(choices.map(\.0).joined(separator: ", "))")
        }
        return choice.1
    }

    func roles() throws(Failure) -> NodeRole {
        var roles: NodeRole = []
        let given = values[.role]?.texts ?? []
        for text in given.isEmpty ? ["observer"] : given {
            guard let role = NodeRole.named.first(where: { $0.0 == text }) else {
                let names = NodeRole.named.map(\.0).joined(separator: ", ")
                throw wrong(.role, text, expected: "one or more of \(names)")
            }
            roles.insert(role.1)
        }
        return roles
    }

    func addresses(_ setting: Setting) throws(Failure) -> [Multiaddr] {
        var addresses: [Multiaddr] = []
        for text in values[setting]?.texts ?? [] {
            do throws(Multiaddr.ParseError) {
                let address = try Multiaddr(text)
                addresses.append(address.removingPeerID ?? address)
            } catch {
                throw wrong(
                    setting, text,
                    expected: "a multiaddr like \(RunSettings.defaultListen) (\(error))")
            }
        }
        return addresses
    }

    func listenAddresses() throws(Failure) -> [Multiaddr] {
        guard values[.listen] != nil else {
            return (try? Multiaddr(RunSettings.defaultListen)).map { [$0] } ?? []
        }
        let addresses = try addresses(.listen)
        for address in addresses {
            guard let endpoint = address.tcpEndpoint, endpoint.host.ip != nil else {
                throw wrong(
                    .listen, address.text,
                    expected: "an IP address with a TCP port, like \(RunSettings.defaultListen)")
            }
        }
        return addresses
    }

    func digest() throws(Failure) -> [UInt8]? {
        guard let text = values[.networkDigest]?.texts.first else { return nil }
        guard let bytes = try? Hex.decode(text), bytes.count == 4 else {
            throw wrong(.networkDigest, text, expected: "four bytes in hex, like 1a2b3c4d")
        }
        return bytes
    }

    func protocolName(_ setting: Setting) throws(Failure) -> String? {
        guard let text = values[setting]?.texts.first else { return nil }
        guard text.hasPrefix("/"), text.utf8.allSatisfy({ (0x21...0x7e).contains($0) }) else {
            throw wrong(setting, text, expected: "a protocol name like /ipfs/kad/1.0.0")
        }
        return text
    }

    func verifiers() throws(Failure) -> [Verifier] {
        var verifiers: [Verifier] = []
        // Each has a thread and a copy of the witness for every block that is asked about.
        let given = values[.crossValidate]
        if let given, given.texts.count > RunSettings.verifierCountMax {
            throw .usage(
                "\(given.origin): \(given.texts.count) verifiers, "
                    + "\(RunSettings.verifierCountMax) at most")
        }
        for text in values[.crossValidate]?.texts ?? [] {
            do throws(Verifier.ParseError) {
                verifiers.append(try Verifier(text))
            } catch {
                let origin = values[.crossValidate]?.origin ?? .flag(.crossValidate)
                throw .usage("\(origin): \(error)")
            }
        }
        return verifiers
    }

    func attester() throws(Failure) -> AttesterProgram? {
        guard let text = values[.executorAttester]?.texts.first else { return nil }
        guard let program = AttesterProgram(text) else {
            throw wrong(.executorAttester, text, expected: AttesterProgram.form)
        }
        return program
    }

    func checkpoint() throws(Failure) -> CheckpointID? {
        guard let text = values[.checkpoint]?.texts.first else { return nil }
        guard let checkpoint = CheckpointID(text) else {
            throw wrong(
                .checkpoint, text,
                expected: "HEIGHT:0xROOT, as `chorale admin chain` of a node that you trust shows")
        }
        return checkpoint
    }

    func height(_ setting: Setting) throws(Failure) -> UInt64? {
        guard let text = values[setting]?.texts.first else { return nil }
        guard let height = UInt64(text), height <= ConsensusBounds.heightMax else {
            throw wrong(setting, text, expected: "a height of the chain")
        }
        return height
    }

    func hostPort(_ setting: Setting) throws(Failure) -> RunSettings.HostPort? {
        guard let text = values[setting]?.texts.first, text != "off" else { return nil }
        let expected = "HOST:PORT, like 127.0.0.1:9464, or `off`"
        guard let colon = text.lastIndex(of: ":"),
            let port = UInt16(text[text.index(after: colon)...])
        else { throw wrong(setting, text, expected: expected) }
        var host = String(text[..<colon])
        if host.hasPrefix("["), host.hasSuffix("]") {
            host = String(host.dropFirst().dropLast())
        } else if host.contains(":") {
            throw wrong(setting, text, expected: expected + "; write IPv6 as [::1]:9464")
        }
        guard !host.isEmpty else { throw wrong(setting, text, expected: expected) }
        return RunSettings.HostPort(host: host, port: port)
    }
}
