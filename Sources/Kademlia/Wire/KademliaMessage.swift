import ChoraleBase
import Codec
import PeerIdentity

/// One Kademlia message, request or answer, without the length prefix of its frame.
///
/// Both directions use one protobuf message; which fields mean something depends on the type.
/// Unknown fields are skipped: py-libp2p sends `senderRecord` (field 11).
///
/// Specification: libp2p/specs `kad-dht/README.md`, "RPC messages".
struct KademliaMessage: Equatable, Sendable {
    enum Kind: UInt64, Sendable {
        case putValue = 0
        case getValue = 1
        case addProvider = 2
        case getProviders = 3
        case findNode = 4
        case ping = 5
    }

    /// How the sender stands to a peer that it names.
    enum ConnectionState: UInt64, Sendable {
        case notConnected = 0
        case connected = 1
        case canConnect = 2
        case cannotConnect = 3
    }

    struct Record: Equatable, Sendable {
        var key: [UInt8]
        var value: [UInt8]
        /// When the sender received the value, RFC 3339. Carried for others, never believed.
        var timeReceived: String?
    }

    struct Peer: Equatable, Sendable {
        var id: PeerID
        var addresses: [Multiaddr]
        var connection: ConnectionState
    }

    var kind: Kind
    var key: [UInt8] = []
    var record: Record?
    var closerPeers: [Peer] = []
    var providerPeers: [Peer] = []

    /// Why bytes are no Kademlia message. Every case is the sender's fault.
    enum DecodeError: Error, Equatable {
        case protobuf(ProtobufError)
        case tooLarge(size: Int, limit: Int)
        case unknownKind(UInt64)
    }

    struct DecodeLimits {
        var messageSizeMax: Int
        /// Peers of one list that are looked at; the rest are ignored.
        var peersMax: Int
        var addressesPerPeerMax: Int
        var addressSizeMax: Int

        init(_ limits: Kademlia.Limits) {
            messageSizeMax = limits.receivedSizeMax
            peersMax = limits.closerPeersAcceptedMax
            addressesPerPeerMax = limits.addressesPerPeerMax
            addressSizeMax = limits.addressSizeMax
        }
    }
}

extension KademliaMessage {
    /// Decodes a whole message.
    ///
    /// A peer entry that cannot be read (an unknown id, a foreign address) is left out rather than
    /// spoiling the message: a network holds peers of many versions.
    static func decode(
        _ bytes: [UInt8],
        limits: DecodeLimits
    ) throws(DecodeError) -> KademliaMessage {
        // Others send what their own limit allows (go: 4 MiB); only the frame's reader can be strict.
        guard bytes.count <= limits.messageSizeMax else {
            throw .tooLarge(size: bytes.count, limit: limits.messageSizeMax)
        }
        do {
            return try parse(bytes, limits: limits)
        } catch let error as ProtobufError {
            throw .protobuf(error)
        } catch let error as DecodeError {
            throw error
        } catch {
            preconditionFailure("parsing throws two types of errors")
        }
    }

    private static func parse(_ bytes: [UInt8], limits: DecodeLimits) throws -> KademliaMessage {
        let input = bytes.span
        var reader = ProtobufReader(input)
        // An absent type is 0, PUT_VALUE, as proto3 has it.
        var message = KademliaMessage(kind: .putValue)
        while let field = try reader.next(in: input) {
            switch field.number {
            case 1:
                let value = try field.varint()
                guard let kind = Kind(rawValue: value) else { throw DecodeError.unknownKind(value) }
                message.kind = kind
            case 2:
                message.key = input.extracting(try field.bytes()).copied()
            case 3:
                message.record = try parseRecord(try field.bytes(), in: input)
            case 8:
                let range = try field.bytes()
                guard message.closerPeers.count < limits.peersMax else { break }
                if let peer = try parsePeer(range, in: input, limits: limits) {
                    message.closerPeers.append(peer)
                }
            case 9:
                let range = try field.bytes()
                guard message.providerPeers.count < limits.peersMax else { break }
                if let peer = try parsePeer(range, in: input, limits: limits) {
                    message.providerPeers.append(peer)
                }
            default:
                break
            }
        }
        return message
    }

    private static func parseRecord(
        _ range: Range<Int>,
        in input: Span<UInt8>
    ) throws(ProtobufError) -> Record {
        var reader = ProtobufReader(range)
        var record = Record(key: [], value: [])
        while let field = try reader.next(in: input) {
            switch field.number {
            case 1: record.key = input.extracting(try field.bytes()).copied()
            case 2: record.value = input.extracting(try field.bytes()).copied()
            case 5:
                // Never interpreted, so a wrong one is kept from costing more than its own bytes.
                let text = try field.bytes()
                guard text.count <= 64 else { break }
                record.timeReceived = String(
                    decoding: input.extracting(text).copied(), as: UTF8.self)
            default: break
            }
        }
        return record
    }

    private static func parsePeer(
        _ range: Range<Int>,
        in input: Span<UInt8>,
        limits: DecodeLimits
    ) throws(ProtobufError) -> Peer? {
        var reader = ProtobufReader(range)
        var id: PeerID?
        var addresses: [Multiaddr] = []
        var connection = ConnectionState.notConnected
        while let field = try reader.next(in: input) {
            switch field.number {
            case 1:
                id = try? PeerID(multihash: input.extracting(try field.bytes()))
            case 2:
                let bytes = try field.bytes()
                guard addresses.count < limits.addressesPerPeerMax,
                    bytes.count <= limits.addressSizeMax,
                    let address = try? Multiaddr(bytes: input.extracting(bytes))
                else { break }
                addresses.append(address)
            case 3:
                connection = ConnectionState(rawValue: try field.varint()) ?? .notConnected
            default:
                break
            }
        }
        guard let id else { return nil }
        return Peer(id: id, addresses: addresses, connection: connection)
    }
}

extension KademliaMessage {
    /// Encodes the message, leaving out the last peers when it would grow above `sizeMax` bytes:
    /// providers before closer peers are kept, and the nearest of each.
    func encoded(sizeMax: Int) -> [UInt8] {
        var writer = ProtobufWriter(reservingCapacity: 512)
        // Written even when zero: py-libp2p and nim read an absent type as an error.
        writer.varint(1, kind.rawValue)
        if !key.isEmpty { writer.bytes(2, key) }
        if let record {
            let nested = writer.beginMessage(3)
            writer.bytes(1, record.key)
            writer.bytes(2, record.value)
            if let timeReceived = record.timeReceived { writer.string(5, timeReceived) }
            writer.endMessage(nested)
        }
        // The order of fields on the wire is free; closer peers come second here because a search
        // for providers can do without them and not the other way round.
        for (field, peers) in [(UInt32(9), providerPeers), (8, closerPeers)] {
            for peer in peers {
                let bytes = Self.encoded(peer)
                let size = ProtobufSize.bytes(field, size: bytes.count)
                guard writer.bytes.count + size <= sizeMax else { break }
                writer.bytes(field, bytes)
            }
        }
        return writer.bytes
    }

    private static func encoded(_ peer: Peer) -> [UInt8] {
        var writer = ProtobufWriter(reservingCapacity: 128)
        writer.bytes(1, peer.id.multihash)
        for address in peer.addresses { writer.bytes(2, address.bytes) }
        if peer.connection != .notConnected { writer.varint(3, peer.connection.rawValue) }
        return writer.bytes
    }
}
