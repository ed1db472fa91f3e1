public import ChoraleBase

/// A container: a struct that says which fields it has, in the order of its specification.
///
///     struct Checkpoint: SSZContainer {
///         var epoch: UInt64
///         var root: Bytes32
///
///         static let sszLayout = SSZLayout(UInt64.self, Bytes32.self)
///
///         func sszFields(_ fields: inout some SSZFieldVisitor) {
///             fields.visit(epoch)
///             fields.visit(root)
///         }
///
///         init(sszFields fields: inout SSZFieldReader, in input: Span<UInt8>) throws(SSZError) {
///             epoch = try fields.next(in: input)
///             root = try fields.next(in: input)
///         }
///     }
///
/// The three lists are checked against each other when a value is encoded or decoded: a list that
/// disagrees with the layout traps, whatever the bytes.
public protocol SSZContainer: SSZEncodable, SSZDecodable {
    /// The types of the fields.
    static var sszLayout: SSZLayout { get }
    /// Shows each field to `fields`.
    func sszFields(_ fields: inout some SSZFieldVisitor)
    /// Reads each field. May throw ``SSZError/invalidValue(_:)`` when together they mean nothing.
    init(sszFields fields: inout SSZFieldReader, in input: Span<UInt8>) throws(SSZError)
}

/// The sizes of a container's fields.
public struct SSZLayout: Hashable, Sendable {
    /// Size of each field, nil where it varies.
    let fieldSizes: [Int?]
    /// Position of each variable field's offset in the fixed part.
    let offsetPositions: [Int]
    /// Size of what comes before the first variable field's bytes.
    public let fixedPartSize: Int

    public init<each Field: SSZType>(_ types: repeat (each Field).Type) {
        var sizes: [Int?] = []
        for type in repeat each types { sizes.append(type.sszFixedSize) }
        precondition(!sizes.isEmpty, "a container has at least one field")
        var positions: [Int] = []
        var position = 0
        for size in sizes {
            if let size {
                position += size
            } else {
                positions.append(position)
                position += SSZ.offsetSize
            }
        }
        fieldSizes = sizes
        offsetPositions = positions
        fixedPartSize = position
    }

    /// Size of every value, or nil when a field's size varies.
    public var fixedSize: Int? { offsetPositions.isEmpty ? fixedPartSize : nil }
}

/// What is shown the fields of a container.
public protocol SSZFieldVisitor {
    mutating func visit<Field: SSZEncodable>(_ field: Field)
}

extension SSZContainer {
    public static var sszFixedSize: Int? { sszLayout.fixedSize }

    public func sszEncode(into bytes: inout [UInt8]) {
        let layout = Self.sszLayout
        let start = bytes.count
        var fixed = FixedPartWriter(layout: layout, bytes: bytes)
        // The array is moved through the visitors, never copied.
        bytes = []
        sszFields(&fixed)
        precondition(fixed.index == layout.fieldSizes.count, "fields differ from the layout")
        bytes = fixed.bytes
        fixed.bytes = []
        guard layout.fixedSize == nil else { return }

        var variable = VariablePartWriter(layout: layout, start: start, bytes: bytes)
        bytes = []
        sszFields(&variable)
        bytes = variable.bytes
    }

    public func hashTreeRoot<Hash: SHA256Hashing>(_: Hash.Type) -> Bytes32 {
        var tree = RootVisitor<Hash>()
        sszFields(&tree)
        let count = Self.sszLayout.fieldSizes.count
        precondition(tree.tree.count == count, "fields differ from the layout")
        return tree.tree.root(leafLimit: count)
    }

    public init(ssz input: Span<UInt8>) throws(SSZError) {
        let layout = Self.sszLayout
        if let size = layout.fixedSize {
            try SSZ.expect(input, size: size)
        } else if input.count < layout.fixedPartSize {
            throw .tooShort(found: input.count, minimum: layout.fixedPartSize)
        }
        var reader = SSZFieldReader(layout: layout)
        try self.init(sszFields: &reader, in: input)
        precondition(reader.index == layout.fieldSizes.count, "fields differ from the layout")
    }
}

/// Hands out the fields of a container in their order.
public struct SSZFieldReader {
    private let layout: SSZLayout
    /// Of the field that comes next.
    fileprivate var index = 0
    private var position = 0
    /// Which offset comes next, and where the variable part before it began.
    private var offsetIndex = 0

    fileprivate init(layout: SSZLayout) { self.layout = layout }

    /// The next field.
    ///
    /// - Precondition: `input` is what the container's initializer was given, and `Field` is the
    ///   type that the layout names.
    public mutating func next<Field: SSZDecodable>(
        _: Field.Type = Field.self,
        in input: Span<UInt8>
    ) throws(SSZError) -> Field {
        precondition(index < layout.fieldSizes.count, "fields differ from the layout")
        precondition(
            layout.fieldSizes[index] == Field.sszFixedSize, "fields differ from the layout")
        index += 1
        if let size = Field.sszFixedSize {
            let start = position
            position += size
            return try Field(ssz: input.extracting(start..<position))
        }
        position += SSZ.offsetSize
        return try Field(ssz: input.extracting(try nextVariablePart(in: input)))
    }

    private mutating func nextVariablePart(in input: Span<UInt8>) throws(SSZError) -> Range<Int> {
        let positions = layout.offsetPositions
        let start = input.loadLittleEndian(UInt32.self, at: positions[offsetIndex])
        if offsetIndex == 0, Int(start) != layout.fixedPartSize {
            throw .firstOffset(found: start, expected: layout.fixedPartSize)
        }
        offsetIndex += 1
        guard offsetIndex < positions.count else {
            guard Int(start) <= input.count else {
                throw .offsetBeyondEnd(start, size: input.count)
            }
            return Int(start)..<input.count
        }
        let end = input.loadLittleEndian(UInt32.self, at: positions[offsetIndex])
        guard end >= start else { throw .offsetsDescend(end, after: start) }
        guard Int(end) <= input.count else { throw .offsetBeyondEnd(end, size: input.count) }
        return Int(start)..<Int(end)
    }
}

/// Writes fixed fields, and room for the offsets of the others.
private struct FixedPartWriter: SSZFieldVisitor {
    let layout: SSZLayout
    var bytes: [UInt8]
    var index = 0

    init(layout: SSZLayout, bytes: consuming [UInt8]) {
        self.layout = layout
        self.bytes = bytes
    }

    mutating func visit<Field: SSZEncodable>(_ field: Field) {
        precondition(index < layout.fieldSizes.count, "fields differ from the layout")
        precondition(
            layout.fieldSizes[index] == Field.sszFixedSize, "fields differ from the layout")
        index += 1
        if let size = Field.sszFixedSize {
            let end = bytes.count + size
            field.sszEncode(into: &bytes)
            precondition(bytes.count == end, "a field of fixed size has another size")
        } else {
            bytes.append(contentsOf: repeatElement(0, count: SSZ.offsetSize))
        }
    }
}

/// Writes variable fields, and their offsets into the room left for them.
private struct VariablePartWriter: SSZFieldVisitor {
    let layout: SSZLayout
    let start: Int
    var bytes: [UInt8]
    var offsetIndex = 0

    init(layout: SSZLayout, start: Int, bytes: consuming [UInt8]) {
        self.layout = layout
        self.start = start
        self.bytes = bytes
    }

    mutating func visit<Field: SSZEncodable>(_ field: Field) {
        guard Field.sszFixedSize == nil else { return }
        let position = start + layout.offsetPositions[offsetIndex]
        SSZ.patchOffset(&bytes, at: position, start: start)
        offsetIndex += 1
        field.sszEncode(into: &bytes)
    }
}

private struct RootVisitor<Hash: SHA256Hashing>: SSZFieldVisitor {
    var tree = SSZMerkleizer<Hash>()

    mutating func visit<Field: SSZEncodable>(_ field: Field) {
        tree.append(field.hashTreeRoot(Hash.self))
    }
}
