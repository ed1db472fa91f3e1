public import ChoraleBase
import Codec
import Crypto

/// Why entries are not what a trie has in a range.
public enum RangeProofError: Error, Hashable, Sendable {
    /// The range ends before it begins.
    case emptyRange
    /// The key at this place is not above the one before.
    case order(Int)
    /// The key at this place is outside of the range.
    case outside(Int)
    /// The value at this place is empty.
    case emptyValue(Int)
    /// The node with this hash is needed and not among the proof.
    case missing(Bytes32)
    /// The node with this hash is none.
    case malformed(Bytes32)
    /// What the trie has below these nibbles is something else.
    case mismatch(path: [UInt8])
    /// So many nodes of the proof are of no use.
    case unused(Int)
}

extension RangeProofError: CustomStringConvertible {
    public var description: String {
        switch self {
        case .emptyRange: "the range ends before it begins"
        case .order(let index): "the key of entry \(index) is not above the one before"
        case .outside(let index): "the key of entry \(index) is outside of the range"
        case .emptyValue(let index): "entry \(index) has no value"
        case .missing(let hash): "node 0x\(hash) is needed and not in the proof"
        case .malformed(let hash): "node 0x\(hash) of the proof is no trie node"
        case .mismatch(let path):
            "what the trie has below 0x\(path.map { String($0, radix: 16) }.joined()) is something else"
        case .unused(let count): "\(count) nodes of the proof are of no use"
        }
    }
}

/// Shows that entries are all that a trie has in a range of keys, neither more nor less nor others.
///
/// Only nodes through which an edge of the range goes have to be known. Each is known by the hash that the
/// one above it has, from the root down; what hangs below them inside of the range is built from the
/// entries and must have the hash that stands there, and what is outside is not looked at. A range of the
/// whole trie needs no proof.
///
/// Keys are hashes of 32 bytes, as in the tries of a state.
public struct RangeProof: ~Copyable {
    private let first: [UInt8]
    private let last: [UInt8]
    private let entries: [(key: Bytes32, value: [UInt8])]
    private var nodes: [Bytes32: [UInt8]] = [:]
    private var path: [UInt8] = []

    /// Checks entries against a root.
    ///
    /// - Parameters:
    ///   - first: the lowest key of the range.
    ///   - last: the highest; of an answer that stops at a limit, its last entry's.
    ///   - proof: encodings of nodes, in any order, none without use.
    /// - Complexity: O(entries + proof).
    public static func verify(
        _ root: Bytes32, from first: Bytes32, through last: Bytes32,
        _ entries: [(key: Bytes32, value: [UInt8])], proof: [[UInt8]]
    ) throws(RangeProofError) {
        guard first <= last else { throw .emptyRange }
        for (index, entry) in entries.enumerated() {
            guard index == 0 || entries[index - 1].key < entry.key else { throw .order(index) }
            guard first <= entry.key, entry.key <= last else { throw .outside(index) }
            guard !entry.value.isEmpty else { throw .emptyValue(index) }
        }
        var check = RangeProof(first, last, entries)
        for node in proof { check.nodes[Keccak256.hash(node)] = node }
        guard check.nodes.count == proof.count else {
            throw .unused(proof.count - check.nodes.count)
        }
        let all = entries.indices
        if check.isInside {
            guard check.built(all) == root else { throw .mismatch(path: []) }
        } else {
            try check.check(root == Trie.emptyRoot ? .nothing : .hash(root), all)
        }
        guard check.nodes.isEmpty else { throw .unused(check.nodes.count) }
    }

    private init(
        _ first: Bytes32, _ last: Bytes32, _ entries: [(key: Bytes32, value: [UInt8])]
    ) {
        self.first = TrieBuilder.nibbles(first)
        self.last = TrieBuilder.nibbles(last)
        self.entries = entries
    }

    /// Whether every key that begins with ``path`` is in the range.
    private var isInside: Bool {
        let count = path.count
        let low = first[..<count]
        let high = last[..<count]
        let isAbove =
            low.lexicographicallyPrecedes(path)
            || (low.elementsEqual(path) && first[count...].allSatisfy { $0 == 0 })
        let isBelow =
            path.lexicographicallyPrecedes(high)
            || (high.elementsEqual(path) && last[count...].allSatisfy { $0 == 15 })
        return isAbove && isBelow
    }

    /// Whether no key that begins with ``path`` is in the range.
    private var isOutside: Bool {
        path.lexicographicallyPrecedes(first[..<path.count])
            || last[..<path.count].lexicographicallyPrecedes(path)
    }

    /// The root of a trie of entries.
    private func built(_ range: Range<Int>) -> Bytes32 {
        var builder = TrieBuilder()
        for (key, value) in entries[range] { builder.add(key, value) { _, _ in } }
        return builder.finish { _, _ in }
    }

    /// Checks what hangs at ``path``.
    ///
    /// - Parameter range: the entries whose keys begin with it.
    private mutating func check(
        _ child: TrieNodeView.Child, _ range: Range<Int>
    ) throws(RangeProofError) {
        if isOutside { return }
        switch child {
        case .nothing:
            guard range.isEmpty else { throw .mismatch(path: path) }
        case .node(let view):
            try check(view, range)
        case .hash(let hash):
            if isInside {
                var builder = TrieBuilder(depth: path.count)
                for (key, value) in entries[range] { builder.add(key, value) { _, _ in } }
                guard builder.reference({ _, _ in }) == [0xA0] + hash.bytes else {
                    throw .mismatch(path: path)
                }
                return
            }
            // Taken out: a node stands in one place, so that a proof is walked once.
            guard let encoding = nodes.removeValue(forKey: hash) else { throw .missing(hash) }
            guard let view = try? TrieNodeView(encoding) else { throw .malformed(hash) }
            try check(view, range)
        }
    }

    private mutating func check(
        _ view: TrieNodeView, _ range: Range<Int>
    ) throws(RangeProofError) {
        if let rest = view.leafPath {
            let key = path + rest
            guard key.count == 64 else { throw .mismatch(path: path) }
            let isInRange =
                !key.lexicographicallyPrecedes(first) && !last.lexicographicallyPrecedes(key)
            guard isInRange else {
                guard range.isEmpty else { throw .mismatch(path: path) }
                return
            }
            guard range.count == 1, entries[range.lowerBound].value == view.value,
                TrieBuilder.nibbles(entries[range.lowerBound].key) == key
            else { throw .mismatch(path: path) }
            return
        }
        guard path.count < 64 else { throw .mismatch(path: path) }
        var start = range.lowerBound
        for nibble in 0..<16 {
            var end = start
            while end < range.upperBound, self.nibble(of: end, at: path.count) == nibble {
                end += 1
            }
            guard let child = try? view.child(nibble) else { throw .mismatch(path: path) }
            path.append(UInt8(nibble))
            try check(child, start..<end)
            path.removeLast()
            start = end
        }
    }

    private func nibble(of entry: Int, at depth: Int) -> Int {
        let byte = entries[entry].key[depth / 2]
        return Int(depth.isMultiple(of: 2) ? byte >> 4 : byte & 15)
    }
}
