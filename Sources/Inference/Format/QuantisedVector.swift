public import ChoraleBase
internal import Crypto

/// What goes into a model (int8) and what comes out of one (int8 or int32), as a file.
///
/// One vector has one encoding.
///
/// Specification: docs/inference.md, "Vector file".
public enum QuantisedVector: Hashable, Sendable {
    case int8([Int8])
    case int32([Int32])

    /// Why bytes are not a vector.
    public enum DecodeError: Error, Hashable, Sendable {
        case truncated(size: Int, needed: Int)
        case trailingBytes(count: Int)
        case badMagic
        case unsupportedVersion(UInt16)
        case unknownElement(UInt8)
        case reservedNotZero(UInt8)
        case count(Int)
    }

    private static let magic: [UInt8] = Array("CHQV".utf8)
    private static let headerSize = 12
    /// Size of the largest file, in bytes.
    public static let encodedSizeMax = headerSize + 4 * ModelLimits.vectorCountMax

    public var count: Int {
        switch self {
        case .int8(let values): values.count
        case .int32(let values): values.count
        }
    }

    /// The values, whatever their size.
    public var values: [Int] {
        switch self {
        case .int8(let values): values.map(Int.init)
        case .int32(let values): values.map(Int.init)
        }
    }

    /// Where the largest value is, the first of equal ones: the class, for a classifier.
    ///
    /// Not proven by anything: whoever has the proven output can take it.
    public var indexOfMaximum: Int? {
        let values = values
        return values.indices.max { (values[$0], $1) < (values[$1], $0) }
    }

    /// Decodes a whole file.
    public init(decoding file: Span<UInt8>) throws(DecodeError) {
        guard file.count >= Self.headerSize else {
            throw .truncated(size: file.count, needed: Self.headerSize)
        }
        for index in 0..<4 where file[index] != Self.magic[index] { throw .badMagic }
        let version = file.loadLittleEndian(UInt16.self, at: 4)
        guard version == 1 else { throw .unsupportedVersion(version) }
        let element = file[6]
        guard element == 1 || element == 2 else { throw .unknownElement(element) }
        guard file[7] == 0 else { throw .reservedNotZero(file[7]) }
        let count = Int(file.loadLittleEndian(UInt32.self, at: 8))
        guard (1...ModelLimits.vectorCountMax).contains(count) else { throw .count(count) }
        let size = Self.headerSize + count * (element == 1 ? 1 : 4)
        guard file.count >= size else { throw .truncated(size: file.count, needed: size) }
        guard file.count == size else { throw .trailingBytes(count: file.count - size) }
        if element == 1 {
            self = .int8((Self.headerSize..<size).map { Int8(bitPattern: file[$0]) })
        } else {
            self = .int32(
                stride(from: Self.headerSize, to: size, by: 4).map {
                    Int32(bitPattern: file.loadLittleEndian(UInt32.self, at: $0))
                })
        }
    }

    public init(decoding file: [UInt8]) throws(DecodeError) { try self.init(decoding: file.span) }

    /// The file.
    ///
    /// - Precondition: 1 to 65,536 values.
    public func encoded() -> [UInt8] {
        precondition(
            (1...ModelLimits.vectorCountMax).contains(count), "a vector has 1 to 65,536 values")
        var file = Self.magic
        file.appendLittleEndian(UInt16(1))
        switch self {
        case .int8(let values):
            file += [1, 0]
            file.appendLittleEndian(UInt32(count))
            for value in values { file.append(UInt8(bitPattern: value)) }
        case .int32(let values):
            file += [2, 0]
            file.appendLittleEndian(UInt32(count))
            for value in values { file.appendLittleEndian(UInt32(bitPattern: value)) }
        }
        return file
    }

    /// SHA-256 of the file.
    public var hash: Bytes32 { SHA256.hash(encoded()) }
}
