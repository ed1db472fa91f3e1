public import ChoraleBase

/// `List[Element, limit]`: at most `limit` elements.
///
/// For lists of bytes ``SSZByteList`` is the faster type with the same encoding and root.
///
/// Here and in the other types of this module, limits and counts must be below 2^31: Swift 6.3 keeps
/// 32 bits of an integer in a type, without a word. No list of ours comes near.
public struct SSZList<Element, let limit: Int> {
    public let elements: [Element]

    public init() { elements = [] }

    /// Nil when there are more than `limit` elements.
    public init?(_ elements: [Element]) {
        guard elements.count <= limit else { return nil }
        self.elements = elements
    }
}

extension SSZList: Sendable where Element: Sendable {}
extension SSZList: Equatable where Element: Equatable {}
extension SSZList: Hashable where Element: Hashable {}

extension SSZList: SSZType where Element: SSZType {
    public static var sszFixedSize: Int? { nil }
}

extension SSZList: SSZEncodable where Element: SSZEncodable {
    public func sszEncode(into bytes: inout [UInt8]) {
        SSZElements.encode(elements, into: &bytes)
    }

    public func hashTreeRoot<Hash: SHA256Hashing>(_ hash: Hash.Type) -> Bytes32 {
        SSZMerkleizer<Hash>.mixIn(
            length: elements.count,
            root: SSZElements.root(elements, capacity: limit, hash))
    }
}

extension SSZList: SSZDecodable where Element: SSZDecodable {
    public init(ssz input: Span<UInt8>) throws(SSZError) {
        let count = try SSZElements.count(of: Element.self, in: input)
        guard count <= limit else { throw .tooManyElements(found: count, limit: limit) }
        elements = try SSZElements.decode(Element.self, count: count, from: input)
    }
}

/// `Vector[Element, count]`: exactly `count` elements.
public struct SSZVector<Element, let count: Int> {
    public let elements: [Element]

    /// Nil when there are not exactly `count` elements.
    public init?(_ elements: [Element]) {
        guard elements.count == count else { return nil }
        self.elements = elements
    }
}

extension SSZVector: Sendable where Element: Sendable {}
extension SSZVector: Equatable where Element: Equatable {}
extension SSZVector: Hashable where Element: Hashable {}

extension SSZVector: SSZType where Element: SSZType {
    public static var sszFixedSize: Int? { Element.sszFixedSize.map { $0 * count } }
}

extension SSZVector: SSZEncodable where Element: SSZEncodable {
    public func sszEncode(into bytes: inout [UInt8]) {
        SSZElements.encode(elements, into: &bytes)
    }

    public func hashTreeRoot<Hash: SHA256Hashing>(_ hash: Hash.Type) -> Bytes32 {
        SSZElements.root(elements, capacity: count, hash)
    }
}

extension SSZVector: SSZDecodable where Element: SSZDecodable {
    public init(ssz input: Span<UInt8>) throws(SSZError) {
        if let size = Element.sszFixedSize { try SSZ.expect(input, size: size * count) }
        let found = try SSZElements.count(of: Element.self, in: input)
        guard found == count else { throw .wrongSize(found: found, expected: count) }
        elements = try SSZElements.decode(Element.self, count: count, from: input)
    }
}

/// What lists and vectors share.
enum SSZElements {
    static func encode<Element: SSZEncodable>(_ elements: [Element], into bytes: inout [UInt8]) {
        if let size = Element.sszFixedSize {
            bytes.reserveCapacity(bytes.count + size * elements.count)
            for element in elements { element.sszEncode(into: &bytes) }
            return
        }
        let start = bytes.count
        bytes.append(contentsOf: repeatElement(0, count: SSZ.offsetSize * elements.count))
        for (index, element) in elements.enumerated() {
            SSZ.patchOffset(&bytes, at: start + SSZ.offsetSize * index, start: start)
            element.sszEncode(into: &bytes)
        }
    }

    static func root<Element: SSZEncodable, Hash: SHA256Hashing>(
        _ elements: [Element],
        capacity: Int,
        _ hash: Hash.Type
    ) -> Bytes32 {
        var tree = SSZMerkleizer<Hash>()
        if Element.isSSZBasic, let size = Element.sszFixedSize {
            var packed: [UInt8] = []
            encode(elements, into: &packed)
            tree.append(packing: packed.span)
            // Limits are counts of elements up to 2^40 and sizes at most 16: no overflow.
            return tree.root(leafLimit: (capacity * size + 31) / 32)
        }
        for element in elements { tree.append(element.hashTreeRoot(hash)) }
        return tree.root(leafLimit: capacity)
    }

    /// How many elements `input` holds, bounded by its size: the check that comes before anything
    /// is allocated.
    static func count<Element: SSZDecodable>(
        of _: Element.Type,
        in input: Span<UInt8>
    ) throws(SSZError) -> Int {
        guard !input.isEmpty else { return 0 }
        if let size = Element.sszFixedSize {
            precondition(size > 0, "SSZ has no types of size zero")
            guard input.count % size == 0 else {
                throw .partialElement(size: input.count, elementSize: size)
            }
            return input.count / size
        }
        guard input.count >= SSZ.offsetSize else {
            throw .tooShort(found: input.count, minimum: SSZ.offsetSize)
        }
        let first = input.loadLittleEndian(UInt32.self, at: 0)
        guard first != 0, first % UInt32(SSZ.offsetSize) == 0 else {
            throw .firstOffsetNotACount(first)
        }
        guard Int(first) <= input.count else {
            throw .offsetBeyondEnd(first, size: input.count)
        }
        return Int(first) / SSZ.offsetSize
    }

    /// - Precondition: `count` is what ``count(of:in:)`` gave.
    static func decode<Element: SSZDecodable>(
        _: Element.Type,
        count: Int,
        from input: Span<UInt8>
    ) throws(SSZError) -> [Element] {
        var elements: [Element] = []
        if let size = Element.sszFixedSize {
            elements.reserveCapacity(count)
            for index in 0..<count {
                elements.append(
                    try Element(ssz: input.extracting(index * size..<(index + 1) * size)))
            }
            return elements
        }
        // Elements may be much larger in memory than the four bytes of their offset, so the array
        // grows as they decode.
        var start = UInt32(SSZ.offsetSize * count)
        for index in 0..<count {
            let next =
                index + 1 < count
                ? input.loadLittleEndian(UInt32.self, at: SSZ.offsetSize * (index + 1))
                : UInt32(clamping: input.count)
            guard next >= start else { throw .offsetsDescend(next, after: start) }
            guard Int(next) <= input.count else {
                throw .offsetBeyondEnd(next, size: input.count)
            }
            elements.append(try Element(ssz: input.extracting(Int(start)..<Int(next))))
            start = next
        }
        return elements
    }
}
