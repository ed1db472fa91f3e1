public import ChoraleBase
import Codec
public import Execution

/// Entries of a trie in the order of their keys, with what proves them (``Execution/RangeProof``).
public struct StateRange: Hashable, Sendable {
    public struct Entry: Hashable, Sendable {
        /// Hash of the address, or of the slot.
        public var key: Bytes32
        /// As the trie holds it, in RLP.
        public var value: [UInt8]

        public init(key: Bytes32, value: [UInt8]) {
            self.key = key
            self.value = value
        }
    }

    public var entries: [Entry]
    /// The entries are all from the first key that was asked for through this: the last key that was asked
    /// for where no more come.
    public var last: Bytes32
    /// Nodes on the way to the edges.
    public var proof: [[UInt8]]

    public init(entries: [Entry], last: Bytes32, proof: [[UInt8]]) {
        self.entries = entries
        self.last = last
        self.proof = proof
    }

    /// The highest key.
    public static let highest = Bytes32(storage: .init(repeating: 0xFF))

    /// Why a range could not be read, in the words of what keeps the nodes.
    public struct Failure: Error, Hashable, Sendable {
        public let detail: String

        public init(_ detail: String) { self.detail = detail }
    }

    /// Reads a range of a trie.
    ///
    /// - Parameters:
    ///   - root: of a trie all of whose nodes the source has.
    ///   - last: the highest key that is wanted, not below `first`.
    ///   - sizeMax: bytes of keys and values, at most; there is one entry at least, if any.
    /// - Complexity: O(entries), and the nodes on the way to both edges.
    public init(
        of root: Bytes32, from first: Bytes32, through last: Bytes32 = highest, sizeMax: Int,
        in source: some TrieNodeSource
    ) throws(Failure) {
        precondition(first <= last, "a range ends where it begins, or later")
        var walk = RangeWalk(source, from: first, through: last, sizeMax: sizeMax)
        let child: TrieNodeView.Child = root == Trie.emptyRoot ? .nothing : .hash(root)
        let isWhole = try walk.visit(child) != .full
        let end = isWhole ? last : walk.entries[walk.entries.count - 1].key
        // A range of everything is proven by itself.
        guard first != .zero || end != Self.highest else {
            self.init(entries: walk.entries, last: end, proof: [])
            return
        }
        var proof: [Bytes32: [UInt8]] = [:]
        for key in [first, end] { try walk.prove(key, child, &proof, first, end) }
        self.init(
            entries: walk.entries, last: end,
            proof: proof.sorted { $0.key < $1.key }.map(\.value))
    }
}

/// Goes through a trie from a key on.
private struct RangeWalk<Source: TrieNodeSource> {
    enum Step {
        case onward
        /// Behind the last key.
        case over
        /// No room for the next entry.
        case full
    }

    private let source: Source
    private let first: [UInt8]
    private let last: [UInt8]
    private let sizeMax: Int
    private var path: [UInt8] = []
    private var size = 0
    private(set) var entries: [StateRange.Entry] = []

    init(_ source: Source, from first: Bytes32, through last: Bytes32, sizeMax: Int) {
        self.source = source
        self.first = Self.nibbles(first)
        self.last = Self.nibbles(last)
        self.sizeMax = sizeMax
    }

    private static func nibbles(_ key: Bytes32) -> [UInt8] {
        key.bytes.flatMap { [$0 >> 4, $0 & 15] }
    }

    /// Takes what is below ``path``.
    mutating func visit(_ child: TrieNodeView.Child) throws(StateRange.Failure) -> Step {
        // All of it is below the first key, or above the last.
        if path.lexicographicallyPrecedes(first[..<path.count]) { return .onward }
        if last[..<path.count].lexicographicallyPrecedes(path) { return .over }
        guard let view = try view(child) else { return .onward }
        if let rest = view.leafPath {
            let nibbles = path + rest
            guard !nibbles.lexicographicallyPrecedes(first) else { return .onward }
            guard !last.lexicographicallyPrecedes(nibbles) else { return .over }
            guard nibbles.count == 64,
                let key = Bytes32((0..<32).map { nibbles[2 * $0] << 4 | nibbles[2 * $0 + 1] })
            else {
                throw StateRange.Failure("a key has \(nibbles.count) nibbles, not 64")
            }
            let value = view.value
            guard entries.isEmpty || size + 32 + value.count <= sizeMax else { return .full }
            size += 32 + value.count
            entries.append(StateRange.Entry(key: key, value: value))
            return .onward
        }
        guard path.count < 64 else {
            throw StateRange.Failure("a path has more than 64 nibbles")
        }
        for nibble in 0..<16 {
            path.append(UInt8(nibble))
            defer { path.removeLast() }
            let step = try visit(try Self.child(view, nibble))
            guard step == .onward else { return step }
        }
        return .onward
    }

    /// Adds the nodes on the way to a key through which an edge of the range goes.
    func prove(
        _ key: Bytes32, _ root: TrieNodeView.Child, _ proof: inout [Bytes32: [UInt8]],
        _ first: Bytes32, _ last: Bytes32
    ) throws(StateRange.Failure) {
        let nibbles = Self.nibbles(key)
        let (low, high) = (Self.nibbles(first), Self.nibbles(last))
        var child = root
        for depth in 0..<64 {
            // Where every key below is in the range, the entries say it all.
            let isAbove =
                !low[..<depth].elementsEqual(nibbles[..<depth])
                || low[depth...].allSatisfy { $0 == 0 }
            let isBelow =
                !high[..<depth].elementsEqual(nibbles[..<depth])
                || high[depth...].allSatisfy { $0 == 15 }
            if case .hash(let hash) = child {
                if isAbove, isBelow { return }
                var encoding: [UInt8] = []
                _ = try append(hash, to: &encoding)
                proof[hash] = encoding
            }
            guard let view = try view(child), view.leafPath == nil else { return }
            child = try Self.child(view, Int(nibbles[depth]))
        }
    }

    private func view(
        _ child: TrieNodeView.Child
    ) throws(StateRange.Failure) -> TrieNodeView? {
        switch child {
        case .nothing: return nil
        case .node(let view): return view
        case .hash(let hash):
            var encoding: [UInt8] = []
            guard try append(hash, to: &encoding) else {
                throw StateRange.Failure("node 0x\(hash) of the state is missing")
            }
            do throws(RLPError) {
                return try TrieNodeView(encoding)
            } catch {
                throw StateRange.Failure("node 0x\(hash) is no trie node: \(error)")
            }
        }
    }

    private func append(
        _ hash: Bytes32, to encoding: inout [UInt8]
    ) throws(StateRange.Failure) -> Bool {
        do throws(SourceFailure) {
            return try source.appendNode(hash, to: &encoding)
        } catch {
            throw StateRange.Failure("\(error)")
        }
    }

    private static func child(
        _ view: TrieNodeView, _ nibble: Int
    ) throws(StateRange.Failure) -> TrieNodeView.Child {
        do throws(RLPError) {
            return try view.child(nibble)
        } catch {
            throw StateRange.Failure("a trie node has a child that is none: \(error)")
        }
    }
}
