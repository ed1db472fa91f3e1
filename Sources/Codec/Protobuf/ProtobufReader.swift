import ChoraleBase

/// One field of a protobuf message: its number and where or what its value is.
public struct ProtobufField: Hashable, Sendable {
    public enum Value: Hashable, Sendable {
        /// Wire type 0. Signed types, enumerations and booleans arrive here too.
        case varint(UInt64)
        /// Wire type 1.
        case fixed64(UInt64)
        /// Wire type 2: where the bytes lie in the span the reader walks, never outside it.
        case bytes(Range<Int>)
        /// Wire type 5.
        case fixed32(UInt32)
    }

    /// The number of the field, in `1...2^29 - 1`.
    public let number: UInt32
    public let value: Value

    @inlinable
    public init(number: UInt32, value: Value) {
        self.number = number
        self.value = value
    }

    /// The value of an integer field.
    ///
    /// - Throws: ``ProtobufError/wrongWireType(field:)`` when the peer sent another wire type.
    @inlinable
    public func varint() throws(ProtobufError) -> UInt64 {
        guard case .varint(let value) = value else { throw .wrongWireType(field: number) }
        return value
    }

    /// The value of a boolean field. Every integer but zero is true, as in every implementation.
    ///
    /// - Throws: ``ProtobufError/wrongWireType(field:)`` when the peer sent another wire type.
    @inlinable
    public func bool() throws(ProtobufError) -> Bool { try varint() != 0 }

    /// Where the value of a bytes, string or message field lies.
    ///
    /// - Throws: ``ProtobufError/wrongWireType(field:)`` when the peer sent another wire type.
    @inlinable
    public func bytes() throws(ProtobufError) -> Range<Int> {
        guard case .bytes(let range) = value else { throw .wrongWireType(field: number) }
        return range
    }
}

/// Why a protobuf message was refused. Every case is its author's fault.
public enum ProtobufError: Error, Hashable, Sendable {
    /// The message ends inside a field's tag, integer or length.
    case truncated
    /// A varint of more than ten bytes, or of more than 64 bits.
    case varintTooLong
    /// A shorter encoding of the same integer exists. Only in ``ProtobufReader/Form/deterministic``.
    case varintNotMinimal
    case fieldNumberZero
    case fieldNumberTooLarge(UInt64)
    /// Wire types 3 and 4. No protocol here has groups, and skipping them needs a stack.
    case group(field: UInt32)
    /// Wire types 6 and 7, which mean nothing.
    case unknownWireType(UInt8, field: UInt32)
    /// A length-delimited field claims more bytes than the message has left.
    case lengthBeyondEnd(field: UInt32, length: UInt64, remaining: Int)
    case tooManyFields(limit: Int)
    /// A field's number is below its predecessor's. Only in ``ProtobufReader/Form/deterministic``.
    case fieldsOutOfOrder(field: UInt32, after: UInt32)
    /// A known field has a wire type that its declaration does not allow.
    case wrongWireType(field: UInt32)
    /// A field that its declaration requires is absent. For decoders built on the reader.
    case missingField(UInt32)
    /// A field that may appear once appears again. For decoders built on the reader.
    case repeatedField(UInt32)
}

/// Walks the fields of one protobuf message without copying or allocating.
///
/// The reader holds positions only, because a span may not outlive the buffer it views: pass the
/// same span to every call. A nested message is another reader over the range of its field.
///
///     var reader = ProtobufReader(input)
///     while let field = try reader.next(in: input) {
///         switch field.number {
///         case 1: name = try field.bytes()
///         default: break  // unknown fields are skipped
///         }
///     }
///
/// Cost: O(size of the tag) per field whatever the length of the value; no allocation.
///
/// Specification: protobuf.dev, "Encoding".
public struct ProtobufReader: Sendable {
    /// Which encodings of a message are accepted.
    public enum Form: Hashable, Sendable {
        /// All that protobuf allows: integers need not be minimal, fields come in any order.
        case any
        /// Minimal integers and ascending field numbers, for what is hashed or compared.
        ///
        /// libp2p peer-ids: "Keys are encoded deterministically". Unknown and missing fields are for
        /// the caller to refuse, who knows the declaration.
        case deterministic
    }

    public struct Limits: Hashable, Sendable {
        /// Fields of one message, unknown ones included.
        ///
        /// A field takes two bytes at least, so the size of the message bounds the work already.
        /// The limit is for callers who do or keep something for each.
        public var fieldCountMax: Int

        /// - Parameter fieldCountMax: by default 65,536: above the largest honest message (a gossip
        ///   RPC of 5,000 ids or publications) by an order of magnitude.
        @inlinable
        public init(fieldCountMax: Int = 65_536) { self.fieldCountMax = fieldCountMax }
    }

    /// First byte not yet read.
    public private(set) var position: Int
    /// Where the message ends.
    public let end: Int

    private let form: Form
    private var fieldsLeft: Int
    private let fieldCountMax: Int
    private var lastNumber: UInt32 = 0

    /// - Parameters:
    ///   - range: where the message lies in the span that will be passed to ``next(in:)``.
    ///   - form: which encodings are accepted.
    public init(_ range: Range<Int>, form: Form = .any, limits: Limits = Limits()) {
        position = range.lowerBound
        end = range.upperBound
        self.form = form
        fieldsLeft = limits.fieldCountMax
        fieldCountMax = limits.fieldCountMax
    }

    /// A reader for a message that fills `input`.
    public init(_ input: Span<UInt8>, form: Form = .any, limits: Limits = Limits()) {
        self.init(0..<input.count, form: form, limits: limits)
    }

    /// The next field, or nil at the end of the message.
    ///
    /// After an error the message is refused as a whole; do not call again.
    ///
    /// - Precondition: `input` is the span that the reader's range refers to.
    public mutating func next(in input: Span<UInt8>) throws(ProtobufError) -> ProtobufField? {
        precondition(end <= input.count, "the message lies outside the span")
        guard position < end else { return nil }
        guard fieldsLeft > 0 else { throw .tooManyFields(limit: fieldCountMax) }
        fieldsLeft -= 1

        let tag = try readVarint(input)
        let wide = tag >> 3
        guard wide != 0 else { throw .fieldNumberZero }
        guard wide <= 0x1FFF_FFFF else { throw .fieldNumberTooLarge(wide) }
        let number = UInt32(truncatingIfNeeded: wide)
        if form == .deterministic {
            guard number >= lastNumber else {
                throw .fieldsOutOfOrder(field: number, after: lastNumber)
            }
            lastNumber = number
        }

        switch UInt8(truncatingIfNeeded: tag & 7) {
        case 0:
            return ProtobufField(number: number, value: .varint(try readVarint(input)))
        case 1:
            guard end - position >= 8 else { throw .truncated }
            let value = input.loadLittleEndian(UInt64.self, at: position)
            position += 8
            return ProtobufField(number: number, value: .fixed64(value))
        case 2:
            let length = try readVarint(input)
            let remaining = end - position
            guard length <= UInt64(remaining) else {
                throw .lengthBeyondEnd(field: number, length: length, remaining: remaining)
            }
            let start = position
            position = start + Int(length)
            return ProtobufField(number: number, value: .bytes(start..<position))
        case 5:
            guard end - position >= 4 else { throw .truncated }
            let value = input.loadLittleEndian(UInt32.self, at: position)
            position += 4
            return ProtobufField(number: number, value: .fixed32(value))
        case 3, 4:
            throw .group(field: number)
        case let type:
            throw .unknownWireType(type, field: number)
        }
    }

    /// Reads an unsigned LEB128 of at most 64 bits.
    ///
    /// Protobuf integers fill 64 bits and need not be minimal, so `ChoraleBase.Varint` does not fit.
    private mutating func readVarint(_ input: Span<UInt8>) throws(ProtobufError) -> UInt64 {
        guard position < end else { throw .truncated }
        let first = input[position]
        position += 1
        // Nearly every tag and most lengths of a gossip message are one byte.
        if first < 0x80 { return UInt64(first) }

        var value = UInt64(first & 0x7F)
        var shift: UInt64 = 7
        while true {
            guard position < end else { throw .truncated }
            let byte = input[position]
            position += 1
            // The tenth byte carries bit 63 alone. Readers that drop the bits above disagree with
            // readers that refuse them, so two peers could see different messages: refuse.
            if shift == 63, byte > 1 { throw .varintTooLong }
            value |= UInt64(byte & 0x7F) << shift
            if byte < 0x80 {
                if byte == 0, form == .deterministic { throw .varintNotMinimal }
                return value
            }
            shift += 7
        }
    }
}
