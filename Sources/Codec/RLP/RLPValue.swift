import ChoraleBase

/// An RLP item of any shape, with copies of its bytes.
///
/// For tools and for items whose shape is not declared; decoders of known messages walk an
/// ``RLPReader`` instead.
public indirect enum RLPValue: Hashable, Sendable {
    case bytes([UInt8])
    case list([RLPValue])

    public struct Limits: Hashable, Sendable {
        /// Lists inside lists, the outermost counted as one.
        ///
        /// An input of n bytes can nest n lists, and each is a stack frame of the decoder.
        public var depthMax: Int
        /// Items of all lists together, lists included.
        ///
        /// An item takes one byte of input but some forty of memory.
        public var itemCountMax: Int

        public init(depthMax: Int = 32, itemCountMax: Int = 65_536) {
            self.depthMax = depthMax
            self.itemCountMax = itemCountMax
        }
    }

    /// Decodes the item that fills `input`, everything inside included.
    public init(_ input: Span<UInt8>, limits: Limits = Limits()) throws(RLPError) {
        let item = try RLPReader.item(input)
        var itemsLeft = limits.itemCountMax
        self = try Self.value(of: item, in: input, depth: 0, limits: limits, itemsLeft: &itemsLeft)
    }

    /// The canonical encoding.
    public func encoded() -> [UInt8] {
        var writer = RLPWriter()
        write(to: &writer)
        return writer.bytes
    }

    private func write(to writer: inout RLPWriter) {
        switch self {
        case .bytes(let bytes): writer.bytes(bytes)
        case .list(let items):
            let list = writer.beginList()
            for item in items { item.write(to: &writer) }
            writer.endList(list)
        }
    }

    private static func value(
        of item: RLPItem,
        in input: Span<UInt8>,
        depth: Int,
        limits: Limits,
        itemsLeft: inout Int
    ) throws(RLPError) -> RLPValue {
        guard itemsLeft > 0 else { throw .tooManyItems(limit: limits.itemCountMax) }
        itemsLeft -= 1
        switch item.kind {
        case .bytes:
            return .bytes(input.extracting(item.payload).copied())
        case .list:
            guard depth < limits.depthMax else { throw .tooDeep(limit: limits.depthMax) }
            var reader = RLPReader(item.payload, itemCountMax: limits.itemCountMax)
            var items: [RLPValue] = []
            while let inner = try reader.next(in: input) {
                items.append(
                    try value(
                        of: inner, in: input, depth: depth + 1, limits: limits,
                        itemsLeft: &itemsLeft))
            }
            return .list(items)
        }
    }
}
