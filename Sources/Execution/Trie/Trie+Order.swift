import ChoraleBase

// Neighbours in the order of keys, which is that of byte strings: a prefix comes before what it begins.
// Whoever hands out a state in ranges walks so.

extension Trie {
    /// Longest keys that have neighbours, in bytes: a walk takes a stack frame for every node on the way.
    static let orderedKeySizeMax = 1024

    /// The lowest key above `key`, which need not be there; nil when there is none.
    ///
    /// - Throws: ``TrieError``; ``TrieError/tooLarge(limit:)`` for a trie of keys beyond 1,024 bytes.
    public mutating func key(
        after key: Span<UInt8>, from source: borrowing some TrieNodeSource
    ) throws(TrieError) -> [UInt8]? {
        try neighbour(of: key, .after, from: source)
    }

    /// The highest key below `key`, which need not be there; nil when there is none.
    ///
    /// - Throws: as ``key(after:from:)``.
    public mutating func key(
        before key: Span<UInt8>, from source: borrowing some TrieNodeSource
    ) throws(TrieError) -> [UInt8]? {
        try neighbour(of: key, .before, from: source)
    }

    private enum Side { case before, after }

    private mutating func neighbour(
        of key: Span<UInt8>, _ side: Side, from source: borrowing some TrieNodeSource
    ) throws(TrieError) -> [UInt8]? {
        var bound: [UInt8] = []
        for index in 0..<key.count { bound += [key[index] >> 4, key[index] & 15] }
        var path: [UInt8] = []
        let root = try lookAtRoot(from: source)
        guard try seek(root, &path, bound, side, from: source) else { return nil }
        // Keys are bytes; in a trie that holds half of one nothing has a place in this order.
        guard path.count.isMultiple(of: 2) else { return nil }
        return stride(from: 0, to: path.count, by: 2).map { path[$0] << 4 | path[$0 + 1] }
    }

    /// Extends `path`, where the node stands, to the key nearest to `bound` on one side of it.
    ///
    /// - Parameter bound: nibbles, which begin with `path`; nil where any key below the node will do.
    /// - Returns: whether there is one; `path` is as before if not.
    private mutating func seek(
        _ id: TrieNodeID, _ path: inout [UInt8], _ bound: [UInt8]?, _ side: Side,
        from source: borrowing some TrieNodeSource
    ) throws(TrieError) -> Bool {
        guard path.count <= 2 * Self.orderedKeySizeMax else {
            throw .tooLarge(limit: Self.orderedKeySizeMax)
        }
        let depth = path.count
        switch nodes[id.index] {
        case .nothing:
            return false
        case .leaf(let rest, _):
            path += bytes[rest.range]
            if Self.lies(path, side, bound) { return true }
        case .extension(let rest, _):
            path += bytes[rest.range]
            // Where the paths part, all keys below lie on one side.
            let goesOn = bound?.starts(with: path) ?? true
            if goesOn || Self.lies(path, side, bound) {
                let child = try look(belowExtension: id, from: source)
                if try seek(child, &path, goesOn ? bound : nil, side, from: source) {
                    return true
                }
            }
        case .branch(let places, let value):
            // The value's own key is the path, lower than all keys below.
            if side == .after, value.count > 0, bound == nil { return true }
            let turn = bound.flatMap { depth < $0.count ? Int($0[depth]) : nil }
            for nibble in Self.nibbles(from: turn, side, isBounded: bound != nil) {
                let child = try look(at: places, nibble, from: source)
                path.append(UInt8(nibble))
                if try seek(child, &path, nibble == turn ? bound : nil, side, from: source) {
                    return true
                }
                path.removeLast()
            }
            if side == .before, value.count > 0, Self.lies(path, side, bound) { return true }
        }
        path.removeLast(path.count - depth)
        return false
    }

    private static func lies(_ path: [UInt8], _ side: Side, _ bound: [UInt8]?) -> Bool {
        guard let bound else { return true }
        return side == .after
            ? bound.lexicographicallyPrecedes(path) : path.lexicographicallyPrecedes(bound)
    }

    /// A branch's places in the order in which they are tried.
    ///
    /// - Parameters:
    ///   - turn: where the bound goes; nil where it ends at the branch.
    ///   - isBounded: whether there is a bound.
    private static func nibbles(from turn: Int?, _ side: Side, isBounded: Bool) -> [Int] {
        switch (side, turn) {
        case (.after, let turn): Array((turn ?? 0)..<16)
        case (.before, let turn?): (0...turn).reversed()
        // Everything below is above a bound that ends here.
        case (.before, nil): isBounded ? [] : (0..<16).reversed()
        }
    }
}
