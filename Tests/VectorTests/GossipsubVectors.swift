import ChoraleBase
import Codec
import Crypto
import Gossipsub
import PeerIdentity
import TestSupport
import Testing

/// Reader of `libp2p/pubsub-signed.json`.
///
/// Each message goes through a whole machine, since that is what must accept or refuse it.
enum GossipsubVectors {
    static let checkers: [String: VectorChecker] = ["libp2p/pubsub-signed.json": signedMessages]

    private static let now = Now(instant: .zero, wall: WallTime(milliseconds: 0))

    @Sendable static func signedMessages(_ path: String) throws -> Int {
        var cases = 0
        for vector in try Vectors.json(path)["vectors"].array {
            let name = Comment(rawValue: try vector["name"].string)
            let message = try vector["message"].hex
            let outcome = try receive(message, topic: try vector["topic"].string)
            if try vector["expect"].string == "accept" {
                let delivered = try #require(outcome, name)
                #expect(delivered.data == (try vector["data"].hex), name)
                #expect(delivered.author?.description == (try vector["from"].string), name)
                #expect(delivered.id.bytes == (try vector["default_message_id"].hex), name)
                var sequence: [UInt8] = []
                sequence.appendBigEndian(try #require(delivered.sequenceNumber, name))
                #expect(sequence == (try vector["seqno"].hex), name)
                try checkSigning(vector, name)
            } else {
                #expect(outcome == nil, name)
            }
            cases += 1
        }
        return cases
    }

    /// What the machine delivers when a peer sends it the message, or nil.
    private static func receive(
        _ message: [UInt8],
        topic: String
    ) throws -> Gossipsub.ReceivedMessage? {
        let key = IdentityKey(ed25519Seed: SecretBytes(copying: [UInt8](repeating: 9, count: 32)))
        let peer = try PeerID(multihash: [0x00, 0x01, 0x05])
        var machine = machine(key, topic: topic)
        var writer = ProtobufWriter()
        writer.bytes(2, message)
        var outputs: [Gossipsub.Output] = []
        let connection = Gossipsub.Connection(version: .v1_2, direction: .inbound)
        machine.handle(.peerConnected(peer, connection), now: now, into: &outputs)
        machine.handle(.subscribe(Gossipsub.Topic(topic)), now: now, into: &outputs)
        machine.handle(.rpcReceived(peer, writer.bytes), now: now, into: &outputs)
        for case .checkSignature(let job, let check) in outputs {
            machine.handle(
                .signatureChecked(job, isValid: check.run()), now: now, into: &outputs)
        }
        for case .deliver(let delivered) in outputs { return delivered }
        let dropped = machine.counters.messagesDropped
        #expect(dropped == 1, "what is not delivered is counted")
        return nil
    }

    /// Publishes the same message with the same key: what is signed, and what is sent, must be the
    /// vector's bytes. The machine counts from 1 at time zero, so the n-th message has number n.
    private static func checkSigning(_ vector: JSON, _ name: Comment) throws {
        let expected = try vector["message"].hex
        let key = try IdentityKey(protobuf: SecretBytes(copying: try vector["private_key"].hex))
        let signed = try vector["signed_bytes"].hex
        #expect(
            key.publicKey.verify(signature: try vector["signature"].hex, message: signed), name)
        let sequence = try vector["seqno"].hex.reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
        // The others have a number out of reach, or carry a key field, which we leave out.
        guard sequence == 1 else { return }
        let topic = try vector["topic"].string
        var machine = machine(key, topic: topic)
        var outputs: [Gossipsub.Output] = []
        let peer = try PeerID(multihash: [0x00, 0x01, 0x05])
        let connection = Gossipsub.Connection(version: .floodsub, direction: .inbound)
        machine.handle(.peerConnected(peer, connection), now: now, into: &outputs)
        var subscription = ProtobufWriter()
        let entry = subscription.beginMessage(1)
        subscription.bool(1, true)
        subscription.string(2, topic)
        subscription.endMessage(entry)
        machine.handle(.rpcReceived(peer, subscription.bytes), now: now, into: &outputs)
        machine.handle(
            .publish(
                Gossipsub.PublishID(1), Gossipsub.Topic(topic), data: try vector["data"].hex,
                Gossipsub.PublishOptions()), now: now, into: &outputs)
        var writer = ProtobufWriter()
        writer.bytes(2, expected)
        let frame = machine.dequeue(peer, now: now, into: &outputs)?.bytes
        #expect(frame == VarintFrame.encoded(writer.bytes), name)
    }

    private static func machine(_ key: IdentityKey, topic: String) -> Gossipsub {
        var configuration = Gossipsub.Configuration(
            localPeer: key.peerID, signaturePolicy: .strictSign(Gossipsub.SigningKey(key)))
        configuration.topics = [Gossipsub.TopicParameters(Gossipsub.Topic(topic))]
        return Gossipsub(
            configuration: configuration, random: DeterministicRandom(seed: 1), now: now)
    }
}
