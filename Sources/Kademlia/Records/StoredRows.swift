import ChoraleBase
import ChoraleTypes
import Codec
import PeerIdentity

/// How records, providers and peers are written to the column family `dht`.
///
/// Keys begin with one letter for the kind of row. Values begin with a version byte and are
/// big-endian. Reading is total: a row that does not fit is reported and deleted.
///
/// | key | value |
/// | --- | --- |
/// | `o` ‖ key | kept value of the node's own: version, value |
/// | `P` ‖ key | the node itself provides this: version |
/// | `p` ‖ key size (2) ‖ key ‖ peer | provider: version, expiry (8), addresses |
/// | `r` ‖ key | record: version, flags, received (8), expiry (8), source, owner, value |
/// | `t` ‖ peer | peer of the routing table: version, addresses |
enum StoredRows {
    enum Row: Equatable {
        case ownValue(key: [UInt8], value: [UInt8])
        case ownProvide(key: [UInt8])
        case provider(StoredProvider)
        case record(StoredRecord)
        case tablePeer(PeerID, [Multiaddr])
    }

    static let version: UInt8 = 1

    static func key(record key: [UInt8]) -> [UInt8] { [UInt8(ascii: "r")] + key }

    static func key(ownValue key: [UInt8]) -> [UInt8] { [UInt8(ascii: "o")] + key }

    static func key(ownProvide key: [UInt8]) -> [UInt8] { [UInt8(ascii: "P")] + key }

    static func key(tablePeer peer: PeerID) -> [UInt8] { [UInt8(ascii: "t")] + peer.multihash }

    static func key(provider name: ProviderStore.Name) -> [UInt8] {
        var bytes = [UInt8(ascii: "p")]
        bytes.appendBigEndian(UInt16(clamping: name.key.count))
        return bytes + name.key + name.peer.multihash
    }

    static func put(_ row: Row) -> StoreWrite {
        var value = [version]
        let key: [UInt8]
        switch row {
        case .ownValue(let name, let held):
            key = Self.key(ownValue: name)
            value += held
        case .ownProvide(let name):
            key = Self.key(ownProvide: name)
        case .provider(let provider):
            key = Self.key(provider: .init(key: provider.key, peer: provider.peer))
            value.appendBigEndian(UInt64(bitPattern: provider.expiry.milliseconds))
            append(provider.addresses, to: &value)
        case .record(let record):
            key = Self.key(record: record.key)
            value.append(record.isEquivocal ? 1 : 0)
            value.appendBigEndian(UInt64(bitPattern: record.received.milliseconds))
            value.appendBigEndian(UInt64(bitPattern: record.expiry.milliseconds))
            append(record.source.multihash, to: &value)
            append(record.owner?.bytes ?? [], to: &value)
            value += record.value
        case .tablePeer(let peer, let addresses):
            key = Self.key(tablePeer: peer)
            append(addresses, to: &value)
        }
        return .put(.dht, key: key, value: value)
    }

    static func delete(_ key: [UInt8]) -> StoreWrite { .delete(.dht, key: key) }

    static func read(_ row: StoreRow) -> Row? {
        guard let kind = row.key.first, row.value.first == version else { return nil }
        var name = ByteReader(bytes: row.key, position: 1)
        var value = ByteReader(bytes: row.value, position: 1)
        switch kind {
        case UInt8(ascii: "o"):
            return .ownValue(key: name.rest(), value: value.rest())
        case UInt8(ascii: "P"):
            return value.isAtEnd ? .ownProvide(key: name.rest()) : nil
        case UInt8(ascii: "p"):
            guard let size = name.integer(UInt16.self), let key = name.take(Int(size)),
                let peer = try? PeerID(multihash: name.rest()),
                let expiry = value.integer(UInt64.self), let addresses = addresses(&value),
                value.isAtEnd
            else { return nil }
            return .provider(
                StoredProvider(
                    key: key, peer: peer, addresses: addresses,
                    expiry: WallTime(milliseconds: Int64(bitPattern: expiry))))
        case UInt8(ascii: "r"):
            guard let flags = value.integer(UInt8.self), flags <= 1,
                let received = value.integer(UInt64.self),
                let expiry = value.integer(UInt64.self), let sourceBytes = value.sized(),
                let source = try? PeerID(multihash: sourceBytes), let ownerBytes = value.sized()
            else { return nil }
            let owner = Bytes32(ownerBytes)
            guard owner != nil || ownerBytes.isEmpty else { return nil }
            return .record(
                StoredRecord(
                    key: name.rest(), value: value.rest(),
                    received: WallTime(milliseconds: Int64(bitPattern: received)),
                    expiry: WallTime(milliseconds: Int64(bitPattern: expiry)), source: source,
                    owner: owner, isEquivocal: flags == 1))
        case UInt8(ascii: "t"):
            guard let peer = try? PeerID(multihash: name.rest()),
                let addresses = addresses(&value), value.isAtEnd
            else { return nil }
            return .tablePeer(peer, addresses)
        default:
            return nil
        }
    }

    private static func append(_ bytes: [UInt8], to value: inout [UInt8]) {
        value.appendBigEndian(UInt16(clamping: bytes.count))
        value += bytes
    }

    private static func append(_ addresses: [Multiaddr], to value: inout [UInt8]) {
        value.append(UInt8(clamping: addresses.count))
        for address in addresses { append(address.bytes, to: &value) }
    }

    private static func addresses(_ reader: inout ByteReader) -> [Multiaddr]? {
        guard let count = reader.integer(UInt8.self) else { return nil }
        var addresses: [Multiaddr] = []
        for _ in 0..<count {
            guard let bytes = reader.sized(), let address = try? Multiaddr(bytes: bytes) else {
                return nil
            }
            addresses.append(address)
        }
        return addresses
    }
}

/// Takes bytes from the front; nil when they run out.
private struct ByteReader {
    let bytes: [UInt8]
    var position: Int

    var isAtEnd: Bool { position == bytes.count }

    mutating func take(_ count: Int) -> [UInt8]? {
        guard count <= bytes.count - position else { return nil }
        defer { position += count }
        return Array(bytes[position..<(position + count)])
    }

    mutating func integer<Value: FixedWidthInteger & UnsignedInteger>(_: Value.Type) -> Value? {
        guard let bytes = take(Value.bitWidth / 8) else { return nil }
        return bytes.span.loadBigEndian(Value.self, at: 0)
    }

    mutating func sized() -> [UInt8]? {
        guard let size = integer(UInt16.self) else { return nil }
        return take(Int(size))
    }

    mutating func rest() -> [UInt8] {
        defer { position = bytes.count }
        return Array(bytes[position...])
    }
}
