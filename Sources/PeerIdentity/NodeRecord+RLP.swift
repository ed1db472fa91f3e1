import ChoraleBase
import Codec

extension NodeRecord {
    /// Most items of a record: a pair takes two bytes at least, and 300 bytes hold no more.
    private static let itemCountMax = sizeMax

    /// The items of the list that fills `bytes`.
    static func items(_ bytes: Span<UInt8>) throws(RLPError) -> [RLPItem] {
        var reader = try RLPReader.item(bytes).list(itemCountMax: itemCountMax)
        var items: [RLPItem] = []
        while let item = try reader.next(in: bytes) {
            // A list inside must be well-formed too: it is signed, kept and passed on.
            if item.kind == .list {
                _ = try RLPValue(bytes.extracting(item.encoding), limits: valueLimits)
            }
            items.append(item)
        }
        return items
    }

    /// No key in use holds lists deeper than two.
    private static let valueLimits = RLPValue.Limits(depthMax: 8, itemCountMax: itemCountMax)

    /// The bytes of a value that is a string, or nil for a list.
    static func string(_ encoded: [UInt8]) -> [UInt8]? {
        guard let item = try? RLPReader.item(encoded.span), item.kind == .bytes else { return nil }
        return encoded.span.extracting(item.payload).copied()
    }

    /// A number of at most 64 bits without leading zeros.
    static func integer(_ bytes: [UInt8]) -> UInt64? {
        guard bytes.count <= 8, bytes.first != 0 else { return nil }
        return bytes.reduce(0) { $0 << 8 | UInt64($1) }
    }

    static func encoded(_ string: [UInt8]) -> [UInt8] {
        var writer = RLPWriter()
        writer.bytes(string)
        return writer.bytes
    }

    /// The record, or without a signature what is signed.
    static func encode(_ signature: [UInt8]?, _ sequence: UInt64, _ pairs: [Pair]) -> [UInt8] {
        var writer = RLPWriter()
        let list = writer.beginList()
        if let signature { writer.bytes(signature) }
        writer.integer(sequence)
        for pair in pairs {
            writer.bytes(pair.key)
            writer.encoded(pair.encodedValue.span)
        }
        writer.endList(list)
        return writer.bytes
    }
}
