import ChoraleBase
import Codec
import PeerIdentity
import Testing

@testable import Kademlia

/// Identities cost nothing; networks do.
@Suite struct ProviderDiversityTests {
    static let key = Array("a key".utf8)

    /// Connects a client at an address and has it announce itself.
    private static func announce(
        _ ip: IPAddress, _ bench: inout Bench
    ) -> (peer: PeerID, outputs: [Kademlia.Output]) {
        let peer = bench.peer()
        let address = Multiaddr.tcp(ip: ip, port: 4001)
        _ = bench.input(
            .peerIdentified(peer, addresses: [address], supportsServer: false, remote: ip))
        let outputs = bench.request(
            KademliaMessage(
                kind: .addProvider, key: key,
                providerPeers: [.init(id: peer, addresses: [address], connection: .connected)]),
            from: peer)
        return (peer, outputs)
    }

    private static func providers(_ bench: inout Bench) -> [PeerID] {
        let asker = bench.peer()
        let message = KademliaMessage(kind: .getProviders, key: key)
        return bench.request(message, from: asker).responses.first?.providerPeers.map(\.id) ?? []
    }

    @Test func oneNetworkCannotDriveOutTheOthers() {
        var bench = Bench()
        var honest: [PeerID] = []
        for index in 0..<5 { honest.append(Self.announce(Bench.ip(20 + index), &bench).peer) }
        var sybils: [PeerID] = []
        for index in 0..<200 {
            bench.now.wall = bench.now.wall.advanced(by: .seconds(1))
            let ip = IPAddress.ip4(IPv4Address(99, 9, UInt8(index), 1))
            let (peer, outputs) = Self.announce(ip, &bench)
            sybils.append(peer)
            // A later one of the same network takes the place of an earlier one.
            #expect(outputs.acknowledgementCount == 1)
        }
        let found = Self.providers(&bench)
        #expect(honest.allSatisfy(found.contains))
        #expect(found.filter(sybils.contains) == Array(sybils.suffix(3).reversed()))
        #expect(found.count == 8)
        let held = bench.machine.snapshot(now: bench.now).providerCount
        #expect(held == 8)
        expectBalance(bench.machine)
    }

    @Test func theFullestNetworkMakesRoomForANewOne() {
        var limits = Kademlia.Limits()
        limits.providersPerKeyMax = 6
        var bench = Bench(limits: limits)
        let first = Self.announce(Bench.ip(2), &bench).peer
        var crowd: [PeerID] = []
        for index in 0..<3 {
            bench.now.wall = bench.now.wall.advanced(by: .seconds(1))
            crowd.append(
                Self.announce(.ip4(IPv4Address(99, 9, UInt8(index), 1)), &bench).peer)
        }
        var others: [PeerID] = []
        for index in 3...5 {
            bench.now.wall = bench.now.wall.advanced(by: .seconds(1))
            others.append(Self.announce(Bench.ip(index), &bench).peer)
        }
        let found = Set(Self.providers(&bench))
        #expect(found == Set([first] + crowd.dropFirst() + others))
    }

    /// On a network of its own a node does not tell networks apart.
    @Test func privateNetworksAreNotCounted() {
        var configuration = Kademlia.Configuration.test
        configuration.addressPolicy = .local
        var bench = Bench(configuration: configuration)
        for index in 0..<12 {
            _ = Self.announce(.ip4(IPv4Address(10, 0, 0, UInt8(1 + index))), &bench)
        }
        let found = Self.providers(&bench)
        #expect(found.count == 12)
    }

    /// Twenty of forty, and not always the same twenty.
    @Test func anAnswerIsASampleOfMany() {
        var bench = Bench()
        var all: Set<PeerID> = []
        for index in 0..<40 { all.insert(Self.announce(Bench.ip(10 + index), &bench).peer) }
        var seen: Set<PeerID> = []
        for _ in 0..<16 {
            let found = Self.providers(&bench)
            #expect(found.count == 20)
            #expect(Set(found).count == 20)
            seen.formUnion(found)
        }
        #expect(seen == all)
    }
}
