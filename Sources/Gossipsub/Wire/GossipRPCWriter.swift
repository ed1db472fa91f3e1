import ChoraleBase
import Codec

/// Builds one RPC of control and small messages, up to a size.
struct GossipRPCWriter {
    private var writer = ProtobufWriter()
    /// Encoded control entries, one after the other, without the `control` field around them.
    private var control = ProtobufWriter()

    /// Size of the RPC so far, in bytes; a little more than it will be.
    var size: Int { writer.bytes.count + (control.bytes.isEmpty ? 0 : control.bytes.count + 6) }

    var isEmpty: Bool { writer.bytes.isEmpty && control.bytes.isEmpty }

    mutating func subscription(_ topic: [UInt8], _ isSubscribed: Bool) {
        let size = 2 + ProtobufSize.bytes(2, size: topic.count)
        writer.messageHeader(GossipWire.RPCField.subscriptions, size: size)
        writer.bool(1, isSubscribed)
        writer.bytes(2, topic)
    }

    /// A message, already encoded.
    mutating func publish(_ message: Span<UInt8>) {
        writer.bytes(GossipWire.RPCField.publish, message)
    }

    mutating func graft(_ topic: [UInt8]) {
        control.messageHeader(
            GossipWire.ControlField.graft, size: ProtobufSize.bytes(1, size: topic.count))
        control.bytes(1, topic)
    }

    mutating func prune(
        _ topic: [UInt8],
        peers: [GossipWire.PeerInfo],
        backoffSeconds: UInt64
    ) {
        let entry = control.beginMessage(GossipWire.ControlField.prune)
        control.bytes(1, topic)
        for info in peers {
            let peer = control.beginMessage(2)
            control.bytes(1, info.peer)
            if let record = info.record { control.bytes(2, record) }
            control.endMessage(peer)
        }
        control.varint(3, backoffSeconds)
        control.endMessage(entry)
    }

    mutating func ihave(_ topic: [UInt8], _ ids: [Gossipsub.MessageID]) {
        let size = ids.reduce(ProtobufSize.bytes(1, size: topic.count)) {
            $0 + ProtobufSize.bytes(2, size: $1.bytes.count)
        }
        control.messageHeader(GossipWire.ControlField.ihave, size: size)
        control.bytes(1, topic)
        for id in ids { control.bytes(2, id.bytes) }
    }

    mutating func iwant(_ ids: [Gossipsub.MessageID]) {
        appendIDs(GossipWire.ControlField.iwant, ids)
    }

    mutating func dontWant(_ ids: [Gossipsub.MessageID]) {
        appendIDs(GossipWire.ControlField.dontWant, ids)
    }

    private mutating func appendIDs(_ field: UInt32, _ ids: [Gossipsub.MessageID]) {
        let size = ids.reduce(0) { $0 + ProtobufSize.bytes(1, size: $1.bytes.count) }
        control.messageHeader(field, size: size)
        for id in ids { control.bytes(1, id.bytes) }
    }

    /// The RPC behind its length prefix.
    consuming func frame() -> [UInt8] {
        if !control.bytes.isEmpty { writer.bytes(GossipWire.RPCField.control, control.bytes) }
        return VarintFrame.encoded(writer.bytes)
    }

    /// What goes before a message that is sent alone and not copied: the length prefix of the RPC, and
    /// the tag and length of its only field.
    static func headOfSingleMessage(size: Int) -> [UInt8] {
        var head: [UInt8] = []
        head.reserveCapacity(12)
        Varint.append(UInt64(GossipWire.publishFieldSize(size)), to: &head)
        var writer = ProtobufWriter(appendingTo: head)
        writer.messageHeader(GossipWire.RPCField.publish, size: size)
        return writer.bytes
    }
}
