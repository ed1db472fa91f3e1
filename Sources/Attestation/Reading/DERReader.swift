/// Walks the elements of DER, for the contents of certificates' extensions.
///
/// Strict: definite lengths in their shortest form, tags of one byte.
///
/// Specification: ITU-T X.690.
struct DERReader {
    /// Malformed, or not the expected element.
    struct Malformed: Error {}

    enum Tag: UInt8 {
        case integer = 0x02, octetString = 0x04, objectIdentifier = 0x06, sequence = 0x30
    }

    private var rest: ArraySlice<UInt8>

    init(_ bytes: ArraySlice<UInt8>) { rest = bytes }

    var isAtEnd: Bool { rest.isEmpty }

    /// The content of the next element, whatever its tag.
    mutating func next() throws(Malformed) -> (tag: UInt8, content: ArraySlice<UInt8>) {
        guard rest.count >= 2, let tag = rest.popFirst(), let short = rest.popFirst() else {
            throw Malformed()
        }
        guard tag & 0x1F != 0x1F else { throw Malformed() }
        var size = Int(short)
        if short >= 0x80 {
            let count = Int(short & 0x7F)
            guard (1...3).contains(count), rest.count >= count, rest.first != 0 else {
                throw Malformed()
            }
            size = rest.prefix(count).reduce(0) { $0 << 8 | Int($1) }
            guard size >= 0x80 else { throw Malformed() }
            rest.removeFirst(count)
        }
        guard size <= rest.count else { throw Malformed() }
        defer { rest.removeFirst(size) }
        return (tag, rest.prefix(size))
    }

    /// The content of the next element, which must have this tag.
    mutating func next(_ tag: Tag) throws(Malformed) -> ArraySlice<UInt8> {
        let (found, content) = try next()
        guard found == tag.rawValue else { throw Malformed() }
        return content
    }

    /// The next element as a number of at most 32 bits.
    mutating func nextUnsigned() throws(Malformed) -> UInt32 {
        let content = try next(.integer)
        guard let first = content.first, first < 0x80 else { throw Malformed() }
        let magnitude = content.dropFirst(first == 0 ? 1 : 0)
        // A zero in front is only there to keep the sign.
        guard first != 0 || content.count == 1 || (magnitude.first ?? 0) >= 0x80,
            magnitude.count <= 4
        else { throw Malformed() }
        return magnitude.reduce(0) { $0 << 8 | UInt32($1) }
    }

    /// The only element of `bytes`, a number of at most 32 bits.
    static func unsigned(_ bytes: [UInt8]) -> UInt32? {
        var reader = DERReader(bytes[...])
        guard let number = try? reader.nextUnsigned(), reader.isAtEnd else { return nil }
        return number
    }
}
