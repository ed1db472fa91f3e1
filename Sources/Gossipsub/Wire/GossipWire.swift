import ChoraleBase
import Codec

/// Field numbers, sizes and the decoder of gossipsub's RPC.
///
/// Specification: libp2p/specs `pubsub/README.md` "The RPC", `gossipsub-v1.1.md` "Protobuf",
/// `gossipsub-v1.2.md` "Protobuf".
enum GossipWire {
    enum RPCField {
        static let subscriptions: UInt32 = 1
        static let publish: UInt32 = 2
        static let control: UInt32 = 3
    }

    enum MessageField {
        static let from: UInt32 = 1
        static let data: UInt32 = 2
        static let sequenceNumber: UInt32 = 3
        static let topic: UInt32 = 4
        static let signature: UInt32 = 5
        static let key: UInt32 = 6
    }

    enum ControlField {
        static let ihave: UInt32 = 1
        static let iwant: UInt32 = 2
        static let graft: UInt32 = 3
        static let prune: UInt32 = 4
        static let dontWant: UInt32 = 5
    }

    /// A peer named in a PRUNE.
    struct PeerInfo {
        let peer: [UInt8]
        let record: [UInt8]?
    }

    /// Size of the RPC field that holds a message of `size` bytes.
    static func publishFieldSize(_ size: Int) -> Int {
        ProtobufSize.bytes(RPCField.publish, size: size)
    }
}

/// One message of an RPC, as positions in the frame.
struct MessageView {
    /// The encoded `Message`.
    let range: Range<Int>
    var from: Range<Int>?
    var data: Range<Int>?
    var sequenceNumber: Range<Int>?
    var topic: Range<Int>?
    var signature: Range<Int>?
    var key: Range<Int>?
    /// Whether it is encoded as everybody would encode it again: each field at most once, in order,
    /// with minimal integers, and none that is unknown. Others verify what they encode themselves, so
    /// only this form may be passed on as it came.
    var isCanonical = true

    init(_ range: Range<Int>, in frame: Span<UInt8>) throws(ProtobufError) {
        self.range = range
        var reader = ProtobufReader(range)
        var last: UInt32 = 0
        var size = 0
        while let field = try reader.next(in: frame) {
            if field.number <= last { isCanonical = false }
            last = field.number
            switch field.number {
            case GossipWire.MessageField.from: from = try field.bytes()
            case GossipWire.MessageField.data: data = try field.bytes()
            case GossipWire.MessageField.sequenceNumber: sequenceNumber = try field.bytes()
            case GossipWire.MessageField.topic: topic = try field.bytes()
            case GossipWire.MessageField.signature: signature = try field.bytes()
            case GossipWire.MessageField.key: key = try field.bytes()
            default:
                isCanonical = false
                continue
            }
            size += ProtobufSize.bytes(field.number, size: try field.bytes().count)
        }
        if size != range.count { isCanonical = false }
    }

    /// Appends the canonical encoding.
    func encode(from frame: Span<UInt8>) -> [UInt8] {
        var writer = ProtobufWriter(reservingCapacity: range.count)
        let fields: [(UInt32, Range<Int>?)] = [
            (GossipWire.MessageField.from, from), (GossipWire.MessageField.data, data),
            (GossipWire.MessageField.sequenceNumber, sequenceNumber),
            (GossipWire.MessageField.topic, topic),
            (GossipWire.MessageField.signature, signature), (GossipWire.MessageField.key, key),
        ]
        for case (let number, let value?) in fields {
            writer.bytes(number, frame.extracting(value))
        }
        return writer.bytes
    }
}

/// One RPC, as positions in its frame.
struct GossipRPC {
    struct Subscription {
        let isSubscribed: Bool
        let topic: Range<Int>
    }

    struct Announcement {
        let topic: Range<Int>
        /// Positions in ``GossipRPC/ids``.
        let ids: Range<Int>
    }

    struct Prune {
        let topic: Range<Int>
        let backoffSeconds: UInt64
        let peers: [(peer: Range<Int>, record: Range<Int>?)]
    }

    var subscriptions: [Subscription] = []
    var messages: [MessageView] = []
    var ids: [Range<Int>] = []
    var ihave: [Announcement] = []
    var iwant: [Range<Int>] = []
    var grafts: [Range<Int>] = []
    var prunes: [Prune] = []
    var dontWant: [Range<Int>] = []
    /// What was there and was left out, by limit.
    var subscriptionsSkipped = 0
    var messagesSkipped = 0
    var idsSkipped = 0
    var entriesSkipped = 0
    var unknownFields = 0

    /// Reads a whole frame, or throws at the first thing that is not protobuf as declared.
    ///
    /// Unknown fields are counted and skipped: extensions are announced that way. What exceeds a limit
    /// is counted and left out, so that the work per frame is bounded by the limits.
    init(_ frame: Span<UInt8>, limits: Gossipsub.Limits) throws(ProtobufError) {
        var reader = ProtobufReader(frame)
        while let field = try reader.next(in: frame) {
            switch field.number {
            case GossipWire.RPCField.subscriptions:
                let range = try field.bytes()
                guard subscriptions.count < limits.subscriptionsPerRPCMax else {
                    subscriptionsSkipped += 1
                    continue
                }
                try readSubscription(range, frame)
            case GossipWire.RPCField.publish:
                let range = try field.bytes()
                guard messages.count < limits.messagesPerRPCMax else {
                    messagesSkipped += 1
                    continue
                }
                messages.append(try MessageView(range, in: frame))
            case GossipWire.RPCField.control:
                try readControl(try field.bytes(), frame, limits: limits)
            default:
                unknownFields += 1
            }
        }
    }

    private mutating func readSubscription(
        _ range: Range<Int>,
        _ frame: Span<UInt8>
    ) throws(ProtobufError) {
        var reader = ProtobufReader(range)
        var isSubscribed = false
        var topic: Range<Int>?
        while let field = try reader.next(in: frame) {
            switch field.number {
            case 1: isSubscribed = try field.bool()
            case 2: topic = try field.bytes()
            default: unknownFields += 1
            }
        }
        guard let topic else { throw .missingField(2) }
        subscriptions.append(Subscription(isSubscribed: isSubscribed, topic: topic))
    }

    private mutating func readControl(
        _ range: Range<Int>,
        _ frame: Span<UInt8>,
        limits: Gossipsub.Limits
    ) throws(ProtobufError) {
        var reader = ProtobufReader(range)
        var entryCount = 0
        while let field = try reader.next(in: frame) {
            switch field.number {
            case GossipWire.ControlField.ihave, GossipWire.ControlField.iwant,
                GossipWire.ControlField.graft, GossipWire.ControlField.prune,
                GossipWire.ControlField.dontWant:
                let entry = try field.bytes()
                entryCount += 1
                guard entryCount <= limits.controlEntriesPerRPCMax else {
                    entriesSkipped += 1
                    continue
                }
                try readEntry(field.number, entry, frame, limits: limits)
            default:
                unknownFields += 1
            }
        }
    }

    private mutating func readEntry(
        _ kind: UInt32,
        _ range: Range<Int>,
        _ frame: Span<UInt8>,
        limits: Gossipsub.Limits
    ) throws(ProtobufError) {
        var reader = ProtobufReader(range)
        switch kind {
        case GossipWire.ControlField.ihave:
            var topic: Range<Int>?
            let first = ids.count
            while let field = try reader.next(in: frame) {
                switch field.number {
                case 1: topic = try field.bytes()
                case 2: Self.append(try field.bytes(), to: &ids, limits, &idsSkipped)
                default: unknownFields += 1
                }
            }
            // An IHAVE without a topic means nothing here.
            guard let topic else { return }
            ihave.append(Announcement(topic: topic, ids: first..<ids.count))
        case GossipWire.ControlField.iwant:
            while let field = try reader.next(in: frame) {
                switch field.number {
                case 1: Self.append(try field.bytes(), to: &iwant, limits, &idsSkipped)
                default: unknownFields += 1
                }
            }
        case GossipWire.ControlField.graft:
            var topic: Range<Int>?
            while let field = try reader.next(in: frame) {
                switch field.number {
                case 1: topic = try field.bytes()
                default: unknownFields += 1
                }
            }
            if let topic { grafts.append(topic) }
        case GossipWire.ControlField.prune:
            try readPrune(&reader, frame)
        default:
            while let field = try reader.next(in: frame) {
                switch field.number {
                case 1: Self.append(try field.bytes(), to: &dontWant, limits, &idsSkipped)
                default: unknownFields += 1
                }
            }
        }
    }

    private mutating func readPrune(
        _ reader: inout ProtobufReader,
        _ frame: Span<UInt8>
    ) throws(ProtobufError) {
        var topic: Range<Int>?
        var backoffSeconds: UInt64 = 0
        var peers: [(peer: Range<Int>, record: Range<Int>?)] = []
        while let field = try reader.next(in: frame) {
            switch field.number {
            case 1: topic = try field.bytes()
            case 2:
                var peer: Range<Int>?
                var record: Range<Int>?
                var inner = ProtobufReader(try field.bytes())
                while let field = try inner.next(in: frame) {
                    switch field.number {
                    case 1: peer = try field.bytes()
                    case 2: record = try field.bytes()
                    default: unknownFields += 1
                    }
                }
                // Sixty-four are more than anybody sends; the machine takes sixteen at random.
                if let peer, peers.count < 64 { peers.append((peer, record)) }
            case 3: backoffSeconds = try field.varint()
            default: unknownFields += 1
            }
        }
        guard let topic else { return }
        prunes.append(Prune(topic: topic, backoffSeconds: backoffSeconds, peers: peers))
    }

    private static func append(
        _ id: Range<Int>,
        to list: inout [Range<Int>],
        _ limits: Gossipsub.Limits,
        _ skipped: inout Int
    ) {
        guard !id.isEmpty, id.count <= Gossipsub.MessageID.sizeMax,
            list.count < limits.ihaveIDsPerHeartbeatMax
        else {
            skipped += 1
            return
        }
        list.append(id)
    }
}
