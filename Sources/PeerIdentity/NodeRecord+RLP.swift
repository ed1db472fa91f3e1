import ChoraleBase

// The little of RLP that a flat record of 300 bytes needs.
extension NodeRecord {
    /// One item of the list.
    struct Item {
        /// Header and payload.
        let encoding: Range<Int>
        let payload: Range<Int>
        let isList: Bool
    }

    /// The items of the list that fills `bytes`.
    static func items(_ bytes: Span<UInt8>) throws(RecordError) -> [Item] {
        guard let list = item(bytes, at: 0, end: bytes.count), list.isList,
            list.payload.upperBound == bytes.count
        else { throw .malformed }
        return try items(bytes, in: list.payload, depth: 0)
    }

    private static func items(
        _ bytes: Span<UInt8>,
        in range: Range<Int>,
        depth: Int
    ) throws(RecordError) -> [Item] {
        var items: [Item] = []
        var position = range.lowerBound
        while position < range.upperBound {
            guard let next = item(bytes, at: position, end: range.upperBound) else {
                throw .malformed
            }
            // A nested list must be well-formed too: it is signed, stored and passed on.
            if next.isList {
                guard depth < 8 else { throw .malformed }
                _ = try self.items(bytes, in: next.payload, depth: depth + 1)
            }
            items.append(next)
            position = next.payload.upperBound
        }
        return items
    }

    /// The item at `position`, or nil when it is not canonical or does not end before `end`.
    private static func item(_ bytes: Span<UInt8>, at position: Int, end: Int) -> Item? {
        guard position < end else { return nil }
        let first = bytes[position]
        if first < 0x80 {
            return Item(
                encoding: position..<position + 1, payload: position..<position + 1, isList: false)
        }
        let isList = first >= 0xC0
        var size = Int(first) - (isList ? 0xC0 : 0x80)
        var start = position + 1
        if size > 55 {
            // 300 bytes never need more than two bytes of length.
            let lengthSize = size - 55
            guard lengthSize <= 2, start + lengthSize <= end, bytes[start] != 0 else { return nil }
            size = (0..<lengthSize).reduce(0) { $0 << 8 | Int(bytes[start + $1]) }
            guard size > 55 else { return nil }
            start += lengthSize
        }
        guard size <= end - start else { return nil }
        // A byte below 0x80 is its own encoding, and no other is allowed.
        guard isList || size != 1 || bytes[start] >= 0x80 else { return nil }
        return Item(
            encoding: position..<start + size, payload: start..<start + size, isList: isList)
    }

    /// The bytes of a string item, or nil for a list.
    static func payload(_ item: Item, of bytes: Span<UInt8>) -> [UInt8]? {
        item.isList ? nil : bytes.extracting(item.payload).copied()
    }

    /// The bytes of a value that is a string.
    static func string(_ encoded: [UInt8]) -> [UInt8]? {
        let bytes = encoded.span
        guard let item = item(bytes, at: 0, end: bytes.count),
            item.encoding.upperBound == bytes.count
        else { return nil }
        return payload(item, of: bytes)
    }

    /// A number of at most 64 bits without leading zeros.
    static func integer(_ bytes: [UInt8]) -> UInt64? {
        guard bytes.count <= 8, bytes.first != 0 else { return nil }
        return bytes.reduce(0) { $0 << 8 | UInt64($1) }
    }

    static func encoded(_ string: [UInt8]) -> [UInt8] {
        if string.count == 1, string[0] < 0x80 { return string }
        return header(0x80, size: string.count) + string
    }

    private static func header(_ base: UInt8, size: Int) -> [UInt8] {
        if size <= 55 { return [base + UInt8(size)] }
        var length: [UInt8] = []
        length.appendBigEndian(UInt64(size))
        length.removeFirst(length.prefix(while: { $0 == 0 }).count)
        return [base + 55 + UInt8(length.count)] + length
    }

    /// The record, or without a signature what is signed.
    static func encode(_ signature: [UInt8]?, _ sequence: UInt64, _ pairs: [Pair]) -> [UInt8] {
        var number: [UInt8] = []
        number.appendBigEndian(sequence)
        number.removeFirst(number.prefix(while: { $0 == 0 }).count)
        var payload = signature.map(encoded) ?? []
        payload += encoded(number)
        for pair in pairs {
            payload += encoded(pair.key)
            payload += pair.encodedValue
        }
        return header(0xC0, size: payload.count) + payload
    }
}
