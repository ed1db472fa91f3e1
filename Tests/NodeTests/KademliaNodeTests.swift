import ChoraleBase
import ChoraleTypes
import Codec
import Crypto
import Kademlia
import PeerIdentity
import Swarm
import Testing

@testable import Node

/// A node's part in the DHT that needs no peers.
@Suite struct KademliaNodeTests {
    private static let start = Now(instant: .zero, wall: WallTime(milliseconds: 1_800_000_000_000))

    /// A node of a given key with a store of its own, driven by hand.
    private struct Driven: ~Copyable {
        var node: Node
        var now: Now
        /// The column family `dht`.
        var rows: [[UInt8]: [UInt8]]
        var validated: [ProverIdentityRecord] = []

        init(seed: UInt8, rows: [[UInt8]: [UInt8]], now: Now) {
            var configuration = NodeConfiguration(
                identity: IdentityKey(
                    ed25519Seed: SecretBytes(copying: [UInt8](repeating: seed, count: 32))),
                noiseStaticKey: SecretBytes(copying: [UInt8](repeating: 2, count: 32)),
                networkDigest: [1, 2, 3, 4], addressPolicy: .local, seed: 1)
            configuration.externalAddresses = [.tcp(ip: .ip4(.loopback), port: 4001)]
            node = Node(configuration: configuration, now: now)
            self.now = now
            self.rows = rows
            input(.start)
        }

        mutating func input(_ input: NodeInput) {
            var inputs = [input]
            while !inputs.isEmpty {
                var outputs: [NodeOutput] = []
                node.handle(inputs.removeFirst(), now: now, into: &outputs)
                for output in outputs {
                    switch output {
                    case .run(let job):
                        if case .recordValidation(_, let check) = job,
                            let record = try? ProverIdentityRules.decode(check.candidate)
                        {
                            validated.append(record)
                        }
                        inputs.append(.finished(job.run(wall: now.wall)))
                    case .store(let id, .scan(.dht, _, _, _, _)):
                        let all = rows.sorted { $0.key.lexicographicallyPrecedes($1.key) }
                            .map { StoreRow(key: $0.key, value: $0.value) }
                        inputs.append(.stored(id, .rows(all, more: false)))
                    case .store(let id, .scan):
                        inputs.append(.stored(id, .rows([], more: false)))
                    case .store(let id, .write(let writes, _)):
                        for write in writes {
                            switch write {
                            case .put(.dht, let key, let value): rows[key] = value
                            case .delete(.dht, let key): rows[key] = nil
                            default: break
                            }
                        }
                        inputs.append(.stored(id, .written))
                    default:
                        break
                    }
                }
            }
        }

        mutating func wait(_ duration: Duration) {
            now.instant = now.instant.advanced(by: duration)
            now.wall = now.wall.advanced(by: duration)
            input(.timeout)
        }

        /// Rows of the node's own values: `o` and the key.
        var ownValues: [[UInt8]: [UInt8]] { rows.filter { $0.key.first == UInt8(ascii: "o") } }
    }

    /// The promise to keep the identity published outlives the process that made it.
    @Test func aProverIdentityIsRenewedAfterARestart() throws {
        var first = Driven(seed: 1, rows: [:], now: Self.start)
        first.input(.command(CommandID(1), .publishProverIdentity))
        #expect(first.validated.count == 1)
        #expect(first.ownValues.count == 1)
        let before = try #require(first.validated.first?.content)
        let rows = first.rows

        let later = Now(instant: .zero, wall: Self.start.wall.advanced(by: .seconds(600)))
        var second = Driven(seed: 1, rows: rows, now: later)
        for _ in 0..<40 { second.wait(.seconds(1)) }
        #expect(second.ownValues.count == 1)
        let after = try #require(second.validated.first?.content)
        #expect(after.recordKey == before.recordKey)
        #expect(after.sequence > before.sequence)
        #expect(after.expiry > before.expiry)
        #expect(after.addresses == before.addresses)
    }

    /// What another key signed is not this node's to renew.
    @Test func anotherKeysIdentityIsDropped() {
        var first = Driven(seed: 1, rows: [:], now: Self.start)
        first.input(.command(CommandID(1), .publishProverIdentity))
        let rows = first.rows
        #expect(first.ownValues.count == 1)

        var other = Driven(seed: 3, rows: rows, now: Self.start)
        for _ in 0..<40 { other.wait(.seconds(1)) }
        #expect(other.ownValues.isEmpty)
        #expect(other.validated.isEmpty)
    }
}
