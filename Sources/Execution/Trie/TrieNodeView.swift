public import ChoraleBase
public import Codec

/// A node of a state's trie by its parts, as far down a path as one has come.
///
/// A leaf or an extension whose path is not used up is like a branch with one child.
public struct TrieNodeView: Sendable {
    public enum Child: Sendable {
        case nothing
        case hash(Bytes32)
        case node(TrieNodeView)
    }

    private enum Kind: Sendable { case branch, leaf, `extension` }

    private let bytes: [UInt8]
    private let kind: Kind
    /// Where the items' payloads lie: of a branch its children, of the others the child or the value.
    private var starts = [16 of UInt16](repeating: 0)
    private var sizes = [16 of UInt16](repeating: 0)
    /// Nibbles of a leaf's or an extension's path, and how many of them are behind.
    private let path: [UInt8]
    private var used = 0

    /// - Throws: for bytes that are no node; sizes are those of a state's tries.
    public init(_ encoding: [UInt8]) throws(RLPError) {
        guard encoding.count <= Int(UInt16.max) else {
            throw .wrongSize(found: encoding.count, expected: Int(UInt16.max))
        }
        let span = encoding.span
        if Self.findHashes(of: span, &starts, &sizes) {
            kind = .branch
            path = []
            bytes = encoding
            return
        }
        starts = [16 of UInt16](repeating: 0)
        sizes = [16 of UInt16](repeating: 0)
        let list = try RLPReader.item(span)
        var items = try list.list(itemCountMax: 17)
        let first = try items.required(in: span)
        let second = try items.required(in: span)
        if items.position == items.end {
            let compact = try first.bytes()
            guard !compact.isEmpty else { throw .truncated }
            let flag = encoding[compact.lowerBound] >> 4
            kind = flag >= 2 ? .leaf : .extension
            var nibbles: [UInt8] = []
            nibbles.reserveCapacity(2 * compact.count)
            if flag & 1 == 1 { nibbles.append(encoding[compact.lowerBound] & 15) }
            for index in compact.dropFirst() {
                nibbles.append(span[index] >> 4)
                nibbles.append(span[index] & 15)
            }
            path = nibbles
            let item = kind == .leaf ? second.payload : Self.range(second)
            // As the trie's own reading: no extension of nothing or to nothing, no leaf without a value.
            guard flag <= 3, !item.isEmpty, kind == .leaf || !nibbles.isEmpty else {
                throw .wrongSize(found: item.count, expected: Bytes32.size)
            }
            starts[0] = UInt16(item.lowerBound)
            sizes[0] = UInt16(item.count)
        } else {
            kind = .branch
            path = []
            var item = first
            for index in 0..<16 {
                if index == 1 { item = second }
                if index > 1 { item = try items.required(in: span) }
                let range = Self.range(item)
                starts[index] = UInt16(range.lowerBound)
                sizes[index] = UInt16(range.count)
            }
            _ = try items.required(in: span)
            try items.finish()
        }
        bytes = encoding
    }

    /// Finds the children of a branch that are all hashes or nothing, and that has no value: most nodes of a
    /// state are that. False for others, and for what is no node.
    private static func findHashes(
        of span: Span<UInt8>, _ starts: inout [16 of UInt16], _ sizes: inout [16 of UInt16]
    ) -> Bool {
        // Two hashes are more than a short list holds.
        guard span.count > 57 else { return false }
        var position: Int
        switch span[0] {
        case 0xF8:
            guard span.count == 2 + Int(span[1]) else { return false }
            position = 2
        case 0xF9:
            guard span[1] > 0, span.count == 3 + (Int(span[1]) << 8 | Int(span[2])) else {
                return false
            }
            position = 3
        default: return false
        }
        for index in 0..<16 {
            guard position < span.count else { return false }
            switch span[position] {
            case 0x80: sizes[index] = 0
            case 0xA0: sizes[index] = 32
            default: return false
            }
            starts[index] = UInt16(position + 1)
            position += 1 + Int(sizes[index])
        }
        return position == span.count - 1 && span[position] == 0x80
    }

    /// Of a reference: its 32 bytes, or the whole encoding of a node inside.
    private static func range(_ item: RLPItem) -> Range<Int> {
        item.kind == .list ? item.encoding : item.payload
    }

    /// The rest of a leaf's path; nil for other nodes.
    public var leafPath: ArraySlice<UInt8>? { kind == .leaf ? path[used...] : nil }

    /// The value of a leaf.
    public var value: [UInt8] { Array(bytes[range(0)]) }

    private func range(_ index: Int) -> Range<Int> {
        Int(starts[index])..<Int(starts[index]) + Int(sizes[index])
    }

    /// What lies one nibble further down.
    public func child(_ nibble: Int) throws(RLPError) -> Child {
        guard kind != .branch else { return try reference(nibble) }
        guard used < path.count else { throw .wrongSize(found: path.count, expected: 64) }
        guard Int(path[used]) == nibble else { return .nothing }
        if kind == .extension, used + 1 == path.count { return try reference(0) }
        var view = self
        view.used += 1
        return .node(view)
    }

    /// The only nibble at which something lies; nil for a branch.
    public var onlyNibble: Int? { kind == .branch || used >= path.count ? nil : Int(path[used]) }

    private func reference(_ index: Int) throws(RLPError) -> Child {
        let range = range(index)
        if range.isEmpty { return .nothing }
        if let hash = Bytes32(bytes.span.extracting(range)) { return .hash(hash) }
        return .node(try TrieNodeView(Array(bytes[range])))
    }

    /// What lies under a nibble of a branch, if it is a node by its hash.
    public func hash(at nibble: Int) -> Bytes32? {
        guard kind == .branch, sizes[nibble] == 32 else { return nil }
        return Bytes32(bytes.span.extracting(range(nibble)))
    }

    /// Whether two branches have the same at a nibble.
    public func isEqual(to other: TrieNodeView, at nibble: Int) -> Bool {
        guard kind == .branch, other.kind == .branch else { return false }
        return bytes.span.extracting(range(nibble)).isEqual(
            to: other.bytes.span.extracting(other.range(nibble)))
    }

    /// Everything that the node leads to: children by their hashes, values of leaves.
    public func forEachReference(
        hash: (Bytes32) -> Void, value: ([UInt8]) -> Void
    ) throws(RLPError) {
        switch kind {
        case .leaf:
            value(self.value)
        case .branch, .extension:
            for index in 0..<(kind == .branch ? 16 : 1) {
                switch try reference(index) {
                case .nothing: break
                case .hash(let child): hash(child)
                case .node(let view): try view.forEachReference(hash: hash, value: value)
                }
            }
        }
    }
}
