import Chain
import ChoraleBase
import ChoraleTypes
import Codec
import Crypto
import Execution
import Foundation
import Node
import PeerIdentity
import Swarm
import Testing

@testable import ChoraleCLI

@Suite struct GenesisTests {
    static func plan(seed: UInt64? = 1, provers: Int = 2) -> GenesisPlan {
        GenesisPlan(
            counts: [(.validator, 2), (.executor, 1), (.prover, provers), (.observer, 1)],
            basePort: 9100, seed: seed, name: "test", genesisTime: GenesisPlan.seededTime)
    }

    static func files(_ network: GenesisNetwork) -> [String] {
        [
            network.config, network.genesis, network.validatorList, network.nodeList,
            network.bootnodes, network.bootnodeList, network.validatorConfig, network.accountList,
        ]
            + network.nodes.map { network.settings(of: $0) + "\($0.identity.peerID)" }
    }

    @Test func equalSeedsGiveEqualBytes() throws {
        let first = try Self.plan().network()
        let second = try Self.plan().network()
        #expect(Self.files(first) == Self.files(second))
        #expect(first.digest == second.digest)
        let other = try Self.plan(seed: 2).network()
        #expect(other.digest != first.digest)
        #expect(
            Set(first.nodes.map(\.identity.peerID)).isDisjoint(
                with: other.nodes.map(\.identity.peerID)))
    }

    @Test func withoutASeedKeysAreRandom() throws {
        let first = try Self.plan(seed: nil).network()
        let second = try Self.plan(seed: nil).network()
        #expect(first.digest != second.digest)
    }

    @Test func anotherProverChangesNoOtherKey() throws {
        let few = try Self.plan(provers: 1).network()
        let many = try Self.plan(provers: 3).network()
        let keys = { (network: GenesisNetwork) in
            Dictionary(uniqueKeysWithValues: network.nodes.map { ($0.name, $0.identity.peerID) })
        }
        for (name, peer) in keys(few) { #expect(keys(many)[name] == peer) }
    }

    @Test func portsAreDistinct() throws {
        let network = try Self.plan().network()
        let ports = network.nodes.flatMap { [$0.port, $0.metricsPort] }
        #expect(Set(ports).count == ports.count)
        #expect(ports.min() == 9100)
        #expect(ports.max() == 9111)
    }

    @Test func whatIsWrittenIsWhatANodeReads() throws {
        let scratch = try Scratch()
        let directory = scratch.path + "/net"
        let network = try Self.plan().network()
        try network.write(to: directory)

        let read = try NetworkDirectory.load(directory)
        #expect(read.name == "test")
        #expect(read.digest == network.digest)
        #expect(read.bootnodes.map(\.peerID) == [network.nodes[0].identity.peerID])

        for node in network.nodes {
            let home = directory + "/" + node.name
            let settings = try RunSettings.load(
                flags: [(.dataDirectory, [home])], environment: [:])
            #expect(settings.roles == node.role)
            #expect(settings.addressPolicy == .local)
            #expect(settings.networkDigest == read.shortDigest)
            #expect(settings.listenAddresses.map(\.text) == ["/ip4/127.0.0.1/tcp/\(node.port)"])
            #expect(settings.metricsAddress?.port == node.metricsPort)
            let key = try KeyFile.load(settings.keyPath)
            #expect(key.peerID == node.identity.peerID)
        }
        #expect(throws: Failure.self) { try network.write(to: directory) }
    }

    @Test func theDeploymentFileHasEveryKeyForItsOwnerOnly() throws {
        let scratch = try Scratch()
        let directory = scratch.path + "/net"
        let network = try Self.plan().network()
        try network.write(to: directory)
        let path = directory + "/validator-config.yaml"
        #expect(Files.mode(path) == 0o600)
        let text = try Files.text(path)
        let seeds = text.matches(of: /privkey: "([0-9a-f]{64})"/).compactMap { match in
            try? Hex.decode(String(match.1))
        }
        // Whoever reads the file makes the same nodes.
        let peers = seeds.map { IdentityKey(ed25519Seed: SecretBytes(copying: $0)).peerID }
        #expect(peers == network.nodes.map(\.identity.peerID))
        #expect(text.matches(of: /count: 1\n/).count == network.validators.count)
        // And nobody takes it for a list of bootnodes.
        #expect(throws: Failure.self) { try BootnodeList.load([path], source: "--bootnodes") }
    }

    /// The three files make the chain that the command printed, and no other.
    @Test func theChainIsThatOfTheFiles() throws {
        let scratch = try Scratch()
        let directory = scratch.path + "/net"
        let network = try Self.plan().network()
        try network.write(to: directory)
        let chain = try #require(try NetworkDirectory.genesis(directory))
        #expect(chain.digest == network.digest)
        #expect(chain.stateRoot == network.stateRoot)
        #expect(chain.blockHash == network.blockHash)
        #expect(chain.blockID == network.chain?.blockID)
        #expect(chain.name == "test" && chain.time == GenesisPlan.seededTime)
        #expect(chain.blockInterval == .seconds(4) && chain.epochLength == 32)
        #expect(chain.rules.chainID == 1337)
        #expect(chain.rules.depositContract == DepositContract.address)
        #expect(chain.rules.epoch(at: chain.time).fork == .prague)
        #expect(
            chain.validators.validators.map(\.key.bytes)
                == network.validators.map(\.key.publicKey.bytes))
        #expect(chain.validators.validators.allSatisfy { $0.stake == 32_000_000_000 })
        #expect(chain.feeRecipients == network.recipients.map(\.address))
        // Ten accounts with a million ether each, and five contracts.
        let accounts = Array(chain.accounts)
        #expect(
            accounts.map(\.address) == network.funded.map(\.address)
                + (SystemContracts.accounts + [SystemContracts.operations]).map(\.address))
        let million = "0xd3c21bcecceda1000000"
        #expect(accounts.prefix(10).allSatisfy { $0.entry.balance.description == million })
        #expect(
            accounts.suffix(6).map(\.entry)
                == (SystemContracts.accounts + [SystemContracts.operations]).map(\.entry))
    }

    @Test func accountsAreWrittenWithTheirKeysForTheirOwnerOnly() throws {
        let scratch = try Scratch()
        let directory = scratch.path + "/net"
        let network = try Self.plan().network()
        try network.write(to: directory)
        let path = directory + "/accounts.yaml"
        #expect(Files.mode(path) == 0o600)
        let records = try RecordListText(try Files.text(path), recordCountMax: 100).records
        #expect(records.count == 12)
        for (record, account) in zip(records, network.funded + network.recipients) {
            #expect(record["name"]?.value == account.name)
            #expect(record["address"]?.value == "\(account.address)")
            let bytes = try Hex.decode(try #require(record["privateKey"]).value)
            let key = try Secp256k1.PrivateKey(SecretBytes(copying: bytes))
            #expect(Address(key.publicKey) == account.address)
        }
    }

    @Test func aNetworkWithoutValidatorsHasAStateAndNoChain() throws {
        var plan = Self.plan()
        plan.counts = [(.prover, 2)]
        let network = try plan.network()
        #expect(network.chain == nil)
        #expect(try network.stateRoot == Self.plan().network().stateRoot)
    }

    @Test func otherAccountsAreMerged() throws {
        let scratch = try Scratch()
        let first = try Self.plan().network()
        try first.write(to: scratch.path + "/net")
        let path = try scratch.file(
            "alloc.json", #"{"0x00000000000000000000000000000000000000aa": {"balance": "5"}}"#)
        var plan = Self.plan()
        plan.alloc = try AllocFile.accounts(path)
        let network = try plan.network()
        #expect(network.stateRoot != first.stateRoot)
        #expect(network.chain?.accounts.count == 17)
        // A whole genesis file brings contracts that are there already, and accounts that must agree.
        plan.alloc = try AllocFile.accounts(scratch.path + "/net/genesis.json")
        #expect(try plan.network().stateRoot == first.stateRoot)
        plan.seed = 2
        #expect(try plan.network().chain?.accounts.count == 26)
        plan.alloc[10].entry.balance = .one
        #expect(throws: Failure.self) { try plan.network() }
        let bad = try scratch.file("bad.json", #"{"alloc": {"0x12": {}}}"#)
        do {
            _ = try AllocFile.accounts(bad)
            Issue.record("was read")
        } catch {
            #expect(error.message.contains("`0x12` is not an address of 20 bytes"))
        }
    }

    @Test func timesAreAbsoluteOrFromNow() throws {
        #expect(GenesisTime(argument: "12") == .at(12))
        #expect(GenesisTime(argument: "+12") == .fromNow(12))
        for text in ["", "+", "-1", "1.5", "+-1", "0x10", "١"] {
            #expect(GenesisTime(argument: text) == nil, "\(text)")
        }
        #expect(try GenesisTime.fromNow(30).seconds(now: 1000) == 1030)
        #expect(throws: Failure.self) { try GenesisTime.fromNow(.max).seconds(now: 1) }
    }

    @Test func aChangedFileIsNoticed() throws {
        let scratch = try Scratch()
        let directory = scratch.path + "/net"
        try Self.plan().network().write(to: directory)
        let path = directory + "/genesis.json"
        let text = try String(contentsOfFile: path, encoding: .utf8)
        try Data((text + " ").utf8).write(to: URL(fileURLWithPath: path))
        do {
            _ = try NetworkDirectory.load(directory)
            Issue.record("was read")
        } catch {
            #expect(error.message.contains("was changed"))
        }
    }

    @Test func unknownParametersAreRefused() throws {
        let scratch = try Scratch()
        let directory = scratch.path + "/net"
        try Self.plan().network().write(to: directory)
        let path = directory + "/config.yaml"
        let text = try String(contentsOfFile: path, encoding: .utf8)
        try Data((text + "GENESIS_TIM: 1\n").utf8).write(to: URL(fileURLWithPath: path))
        try FileManager.default.removeItem(atPath: directory + "/network-digest")
        do {
            _ = try NetworkDirectory.load(directory)
            Issue.record("was read")
        } catch {
            #expect(error.message.contains("did you mean `GENESIS_TIME`?"))
        }
    }

    @Test func bytesCannotMoveBetweenFiles() {
        let first = NetworkFile.digest([[1, 2], [3], []])
        let second = NetworkFile.digest([[1], [2, 3], []])
        #expect(first != second)
    }
}

@Suite struct KeyFileTests {
    @Test func createsReadsAndProtects() throws {
        let scratch = try Scratch()
        let path = scratch.path + "/a.key"
        let key = try GenesisTests.plan().network().nodes[0].identity
        try KeyFile.create(key, at: path)
        #expect(Files.mode(path) == 0o600)
        #expect(try KeyFile.load(path).peerID == key.peerID)
        #expect(try KeyFile.publicKey(path) == key.publicKey)
        // Nothing is overwritten.
        #expect(throws: Failure.self) { try KeyFile.create(key, at: path) }
        try FileManager.default.setAttributes([.posixPermissions: 0o644], ofItemAtPath: path)
        do {
            _ = try KeyFile.load(path)
            Issue.record("a key that others can read was used")
        } catch {
            #expect(error.message.contains("mode 644") && error.message.contains("chmod 600"))
        }
    }

    @Test func saysWhatIsWrong() throws {
        let scratch = try Scratch()
        do {
            _ = try KeyFile.load(scratch.path + "/none.key")
            Issue.record("read")
        } catch {
            #expect(error.message.contains("chorale init"))
        }
        let path = try scratch.file("bad.key", "hello")
        try FileManager.default.setAttributes([.posixPermissions: 0o600], ofItemAtPath: path)
        #expect(throws: Failure.self) { try KeyFile.load(path) }
    }
}
