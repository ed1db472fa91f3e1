/// Why bytes are not the CBOR that documents are written in. Offsets are in bytes, from 0.
public enum CBORError: Error, Hashable, Sendable {
    case unexpectedEnd(offset: Int)
    /// A number or a length that is not in its shortest form.
    case notShortest(offset: Int)
    /// Of indefinite length, a float, or a reserved form.
    case unsupported(UInt8, offset: Int)
    /// Another type was expected.
    case unexpectedType(UInt8, offset: Int)
    case tooLong(size: UInt64, limit: Int, offset: Int)
    case notText(offset: Int)
    case repeatedKey(offset: Int)
    case trailingBytes(offset: Int)
}

/// Walks CBOR whose structure the caller knows.
///
/// It reads what is asked for and nothing else, so that depth and work are those of the caller: there
/// is no value of any type, and no recursion. Strict: definite lengths, everything in its shortest
/// form.
///
/// Specification: RFC 8949, sections 3 and 4.2.1.
struct CBORReader {
    enum Major: UInt8 {
        case unsigned = 0, negative, bytes, text, array, map, tag, simple
    }

    let bytes: [UInt8]
    private(set) var offset = 0

    init(_ bytes: [UInt8]) { self.bytes = bytes }

    /// Throws unless everything has been read.
    func finish() throws(CBORError) {
        guard offset == bytes.count else { throw .trailingBytes(offset: offset) }
    }

    /// What comes next; nil at the end.
    var nextMajor: Major? {
        guard offset < bytes.count else { return nil }
        return Major(rawValue: bytes[offset] >> 5)
    }

    /// Reads null, if it comes next.
    mutating func takeNull() -> Bool {
        guard offset < bytes.count, bytes[offset] == 0xF6 else { return false }
        offset += 1
        return true
    }

    mutating func unsigned() throws(CBORError) -> UInt64 { try head(.unsigned) }

    mutating func tag() throws(CBORError) -> UInt64 { try head(.tag) }

    /// Number of elements that follow.
    mutating func array(countMax: Int) throws(CBORError) -> Int {
        try count(.array, limit: countMax)
    }

    /// Number of pairs that follow.
    mutating func map(countMax: Int) throws(CBORError) -> Int { try count(.map, limit: countMax) }

    mutating func byteString(sizeMax: Int) throws(CBORError) -> [UInt8] {
        Array(try string(.bytes, sizeMax: sizeMax))
    }

    mutating func text(sizeMax: Int) throws(CBORError) -> String {
        let start = offset
        guard
            let text = String(validating: try string(.text, sizeMax: sizeMax), as: UTF8.self)
        else { throw .notText(offset: start) }
        return text
    }

    private mutating func string(
        _ major: Major, sizeMax: Int
    ) throws(CBORError) -> ArraySlice<UInt8> {
        let size = try count(major, limit: sizeMax)
        guard size <= bytes.count - offset else { throw .unexpectedEnd(offset: bytes.count) }
        defer { offset += size }
        return bytes[offset..<offset + size]
    }

    private mutating func count(_ major: Major, limit: Int) throws(CBORError) -> Int {
        let start = offset
        let count = try head(major)
        guard count <= UInt64(limit) else {
            throw .tooLong(size: count, limit: limit, offset: start)
        }
        return Int(count)
    }

    /// The number in the head of the next item, which must be of this type.
    private mutating func head(_ major: Major) throws(CBORError) -> UInt64 {
        guard offset < bytes.count else { throw .unexpectedEnd(offset: offset) }
        let start = offset
        let first = bytes[start]
        guard first >> 5 == major.rawValue else { throw .unexpectedType(first, offset: start) }
        let short = first & 0x1F
        guard short >= 24 else {
            offset += 1
            return UInt64(short)
        }
        guard short <= 27 else { throw .unsupported(first, offset: start) }
        let size = 1 << Int(short - 24)
        guard size < bytes.count - start else { throw .unexpectedEnd(offset: bytes.count) }
        let value = bytes[start + 1...start + size].reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
        // Each form begins where the shorter one ends.
        let least: UInt64 = size == 1 ? 24 : 1 << (UInt64(size) * 4)
        guard value >= least else { throw .notShortest(offset: start) }
        offset = start + 1 + size
        return value
    }
}
