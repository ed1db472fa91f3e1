import ChoraleBase
import ChoraleTypes
import Codec
import Crypto
import Gossipsub
import Node
import PeerIdentity
import Swarm

/// What measured nodes are started with.
enum Configurations {
    /// An identity that is the same in each run.
    static func identity(_ seed: Int) -> IdentityKey {
        var bytes = [UInt8](repeating: 0, count: 32)
        for index in 0..<8 { bytes[index] = UInt8(truncatingIfNeeded: seed >> (8 * index)) }
        return IdentityKey(ed25519Seed: SecretBytes(copying: bytes))
    }

    /// A node for loopback.
    ///
    /// Limits that protect a public node from one address group are out of the way, since all peers
    /// share 127.0.0.1. Gossip is signed, as go-libp2p's is by default, so that both do the same work.
    ///
    /// - Parameter isPlain: whether to leave out what Chorale adds to each new connection: a request
    ///   for its status and a question of the DHT.
    static func node(seed: Int, peerCountMax: Int, isPlain: Bool = false) -> NodeConfiguration {
        let identity = identity(seed)
        var configuration = NodeConfiguration(
            identity: identity, noiseStaticKey: .random(count: 32),
            networkDigest: [0xBE, 0x4C, 0x41, 0x00], addressPolicy: .local,
            seed: UInt64(truncatingIfNeeded: seed))
        configuration.gossip = Gossipsub.Configuration(
            localPeer: identity.peerID, signaturePolicy: .strictSign(Gossipsub.SigningKey(identity))
        )
        configuration.swarm.peerCountHigh = peerCountMax
        configuration.swarm.peerCountLow = peerCountMax * 3 / 4
        // The harness says who dials whom.
        configuration.swarm.peerCountTarget = 0
        configuration.swarm.socketCountMax = 4 * peerCountMax
        configuration.swarm.handshakeCountMax = 4 * peerCountMax
        configuration.swarm.socketsPerGroupMax = 4 * peerCountMax
        configuration.swarm.inboundBurst = 1 << 20
        if isPlain {
            configuration.speaksChorale = false
            // A protocol that no other node has, so that none is asked.
            configuration.kademliaProtocol = "/chorale/bench/kad/\(seed)"
        }
        return configuration
    }

    /// A node for loopback in a network that `chorale genesis` made, as `chorale run` is in it.
    static func member(of network: NetworkDigest, seed: Int) -> NodeConfiguration {
        var configuration = NodeConfiguration(
            identity: identity(seed), noiseStaticKey: .random(count: 32),
            networkDigest: network.bytes, addressPolicy: .local,
            seed: UInt64(truncatingIfNeeded: seed))
        // The harness says who dials whom.
        configuration.swarm.peerCountTarget = 0
        return configuration
    }
}
