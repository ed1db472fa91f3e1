public import ChoraleBase
import Codec
import Execution

/// Entries of a trie in the order of their keys, with what proves them (``Execution/RangeProof``).
public struct StateRange: Hashable, Sendable {
    public struct Entry: Hashable, Sendable {
        /// Hash of the address, or of the slot.
        public var key: Bytes32
        /// As the trie holds it, in RLP.
        public var value: [UInt8]
    }

    public var entries: [Entry]
    /// The entries are all from the first key that was asked for through this: the highest key of all where
    /// none come after them.
    public var last: Bytes32
    /// Nodes on the way to the edges.
    public var proof: [[UInt8]]
}

extension ChainReader {
    /// Accounts of the state after a height, in the order of the hashes of their addresses.
    ///
    /// - Parameter sizeMax: bytes of keys and values, at most; there is one entry at least, if any.
    /// - Throws: ``ChainReadError/pruned(height:oldest:)`` when the height's tries are not kept.
    public func accounts(
        after height: UInt64, from first: Bytes32, sizeMax: Int
    ) throws(ChainReadError) -> StateRange {
        let (nodes, root) = try tries(after: height)
        return try range(nodes, root, from: first, sizeMax: sizeMax)
    }

    /// Words of an account's storage, in the order of the hashes of their slots; none for an account that
    /// is not there.
    ///
    /// - Parameters:
    ///   - account: hash of the address.
    ///   - sizeMax: as of ``accounts(after:from:sizeMax:)``.
    public func slots(
        of account: Bytes32, after height: UInt64, from first: Bytes32, sizeMax: Int
    ) throws(ChainReadError) -> StateRange {
        let (nodes, root) = try tries(after: height)
        let found = try range(nodes, root, from: account, sizeMax: 1)
        let storage = found.entries.first.flatMap {
            $0.key == account ? Account(rlp: $0.value.span)?.storageRoot : nil
        }
        return try range(nodes, storage ?? Trie.emptyRoot, from: first, sizeMax: sizeMax)
    }

    private func tries(
        after height: UInt64
    ) throws(ChainReadError) -> (SnapshotNodes, Bytes32) {
        let (snapshot, head) = try snapshot(height)
        guard height >= head.oldestTrie else {
            throw .pruned(height: height, oldest: head.oldestTrie)
        }
        do {
            let header = try snapshot.rows { rows throws(RocksError) in
                try rows.part(height, .header)
            }
            let root = try Header(header.span).stateRoot
            return (SnapshotNodes(snapshot, codes, state, options), root)
        } catch {
            throw .unavailable("the header of height \(height): \(error)")
        }
    }

    private func range(
        _ nodes: SnapshotNodes, _ root: Bytes32, from first: Bytes32, sizeMax: Int
    ) throws(ChainReadError) -> StateRange {
        do throws(RangeFailure) {
            var walk = RangeWalk(nodes, from: first, sizeMax: sizeMax)
            let child: TrieNodeView.Child = root == Trie.emptyRoot ? .nothing : .hash(root)
            let isWhole = try walk.visit(child)
            let highest = Bytes32(storage: .init(repeating: 0xFF))
            let last = isWhole ? highest : walk.entries[walk.entries.count - 1].key
            // A range of everything is proven by itself.
            guard first != .zero || last != highest else {
                return StateRange(entries: walk.entries, last: last, proof: [])
            }
            var proof: [Bytes32: [UInt8]] = [:]
            for key in [first, last] { try walk.prove(key, child, &proof, first, last) }
            return StateRange(
                entries: walk.entries, last: last,
                proof: proof.sorted { $0.key < $1.key }.map(\.value))
        } catch {
            throw .unavailable(error.detail)
        }
    }
}

private struct RangeFailure: Error {
    let detail: String
}

/// Goes through a trie from a key on.
private struct RangeWalk {
    private let nodes: SnapshotNodes
    private let first: [UInt8]
    private let sizeMax: Int
    private var path: [UInt8] = []
    private var size = 0
    private(set) var entries: [StateRange.Entry] = []

    init(_ nodes: SnapshotNodes, from first: Bytes32, sizeMax: Int) {
        self.nodes = nodes
        self.first = Self.nibbles(first)
        self.sizeMax = sizeMax
    }

    private static func nibbles(_ key: Bytes32) -> [UInt8] {
        key.bytes.flatMap { [$0 >> 4, $0 & 15] }
    }

    /// Takes what is below ``path``; false when the limit has come.
    mutating func visit(_ child: TrieNodeView.Child) throws(RangeFailure) -> Bool {
        // All of it is below the first key.
        if path.lexicographicallyPrecedes(first[..<path.count]) { return true }
        guard let view = try view(child) else { return true }
        if let rest = view.leafPath {
            let nibbles = path + rest
            guard !nibbles.lexicographicallyPrecedes(first) else { return true }
            guard nibbles.count == 64,
                let key = Bytes32((0..<32).map { nibbles[2 * $0] << 4 | nibbles[2 * $0 + 1] })
            else { throw RangeFailure(detail: "a key has \(nibbles.count) nibbles, not 64") }
            let value = view.value
            guard entries.isEmpty || size + 32 + value.count <= sizeMax else { return false }
            size += 32 + value.count
            entries.append(StateRange.Entry(key: key, value: value))
            return true
        }
        for nibble in 0..<16 {
            path.append(UInt8(nibble))
            defer { path.removeLast() }
            guard try visit(try Self.child(view, nibble)) else { return false }
        }
        return true
    }

    /// Adds the nodes on the way to a key through which an edge of the range goes.
    func prove(
        _ key: Bytes32, _ root: TrieNodeView.Child, _ proof: inout [Bytes32: [UInt8]],
        _ first: Bytes32, _ last: Bytes32
    ) throws(RangeFailure) {
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

    private func view(_ child: TrieNodeView.Child) throws(RangeFailure) -> TrieNodeView? {
        switch child {
        case .nothing: return nil
        case .node(let view): return view
        case .hash(let hash):
            var encoding: [UInt8] = []
            guard try append(hash, to: &encoding) else {
                throw RangeFailure(detail: "node 0x\(hash) of the state is missing")
            }
            do throws(RLPError) {
                return try TrieNodeView(encoding)
            } catch {
                throw RangeFailure(detail: "node 0x\(hash) is no trie node: \(error)")
            }
        }
    }

    private func append(
        _ hash: Bytes32, to encoding: inout [UInt8]
    ) throws(RangeFailure) -> Bool {
        do throws(SourceFailure) {
            return try nodes.appendNode(hash, to: &encoding)
        } catch {
            throw RangeFailure(detail: "\(error)")
        }
    }

    private static func child(
        _ view: TrieNodeView, _ nibble: Int
    ) throws(RangeFailure) -> TrieNodeView.Child {
        do throws(RLPError) {
            return try view.child(nibble)
        } catch {
            throw RangeFailure(detail: "a trie node has a child that is none: \(error)")
        }
    }
}
