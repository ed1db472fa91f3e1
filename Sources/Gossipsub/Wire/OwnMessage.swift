import ChoraleBase
import Codec
import PeerIdentity

/// A message of our own, sized before it is signed.
struct OwnMessage {
    private let data: [UInt8]
    private let topic: [UInt8]
    private let sequenceNumber: UInt64
    private let author: PeerID
    private let policy: Gossipsub.SignaturePolicy

    init(
        data: [UInt8],
        topic: [UInt8],
        sequenceNumber: UInt64,
        author: PeerID,
        policy: Gossipsub.SignaturePolicy
    ) {
        self.data = data
        self.topic = topic
        self.sequenceNumber = sequenceNumber
        self.author = author
        self.policy = policy
    }

    /// Largest signature of a key type that signs here: DER secp256k1 has 72 bytes.
    private static let signatureSizeMax = 72

    /// Size of the encoded message, in bytes; at most what ``body()`` gives is smaller.
    var size: Int {
        var size =
            ProtobufSize.bytes(GossipWire.MessageField.data, size: data.count)
            + ProtobufSize.bytes(GossipWire.MessageField.topic, size: topic.count)
        if case .strictSign(let key) = policy {
            size += ProtobufSize.bytes(GossipWire.MessageField.from, size: author.encodedSize)
            size += ProtobufSize.bytes(GossipWire.MessageField.sequenceNumber, size: 8)
            size += ProtobufSize.bytes(
                GossipWire.MessageField.signature, size: Self.signatureSizeMax)
            if let publicKey = key.publicKey {
                size += ProtobufSize.bytes(GossipWire.MessageField.key, size: publicKey.count)
            }
        }
        return size
    }

    /// Encodes and signs.
    func body() -> MessageBody {
        let prefix = MessageSignature.prefix
        // Behind the prefix, so that what is signed is one run of bytes and nothing is copied.
        var start: [UInt8] = []
        start.reserveCapacity(prefix.count + size)
        start += prefix
        var writer = ProtobufWriter(appendingTo: start)
        if case .strictSign = policy {
            writer.bytes(GossipWire.MessageField.from, author.multihash)
        }
        writer.bytes(GossipWire.MessageField.data, data)
        let dataEnd = writer.bytes.count
        if case .strictSign = policy {
            var sequence: [UInt8] = []
            sequence.appendBigEndian(sequenceNumber)
            writer.bytes(GossipWire.MessageField.sequenceNumber, sequence)
        }
        writer.bytes(GossipWire.MessageField.topic, topic)
        if case .strictSign(let key) = policy {
            writer.bytes(GossipWire.MessageField.signature, key.sign(writer.bytes))
            if let publicKey = key.publicKey {
                writer.bytes(GossipWire.MessageField.key, publicKey)
            }
        }
        return MessageBody(
            storage: writer.bytes, range: prefix.count..<writer.bytes.count,
            dataRange: dataEnd - data.count..<dataEnd)
    }
}
