import ChoraleBase

extension Trie {
    /// One entry as it shall be.
    public struct Change: Hashable, Sendable {
        public var key: [UInt8]
        /// nil, or empty, for no entry.
        public var value: [UInt8]?

        public init(key: [UInt8], value: [UInt8]?) {
            self.key = key
            self.value = value
        }

        var isDeletion: Bool { value?.isEmpty ?? true }
    }

    /// Which of a batch's changes come first.
    ///
    /// The resulting trie is the same. What differs is which nodes are read: a branch that loses an
    /// entry before it gains another collapses in between, which opens its sibling, so that a witness
    /// made for one order may be incomplete for the other.
    public enum ChangeOrder: Hashable, Sendable {
        /// As today's execution clients do.
        case updatesFirst
        /// As the first draft of the witness protocol says.
        case deletionsFirst

        /// What is done first, and what then.
        fileprivate var isDeletion: [Bool] {
            self == .deletionsFirst ? [true, false] : [false, true]
        }
    }

    /// Makes every entry of `changes` what it shall be.
    ///
    /// - Parameter changes: each key at most once; their order does not matter.
    /// - Complexity: O(n · depth), and one reading of each node on the way.
    public mutating func apply(
        _ changes: [Change], order: ChangeOrder = .updatesFirst,
        from source: borrowing some TrieNodeSource
    ) throws(TrieError) {
        for isDeletion in order.isDeletion {
            for change in changes where change.isDeletion == isDeletion {
                try set(change.key.span, to: change.value ?? [], from: source)
            }
        }
    }

    /// As ``apply(_:order:from:)`` for keys that are hashes.
    mutating func apply(
        _ batch: borrowing TrieBatch, order: ChangeOrder,
        from source: borrowing some TrieNodeSource
    ) throws(TrieError) {
        for isDeletion in order.isDeletion {
            for change in batch.changes where change.value.isEmpty == isDeletion {
                try set(
                    TrieKey(change.key), to: batch.bytes.span.extracting(change.value),
                    from: source)
            }
        }
    }

    /// Sets one entry; an empty value removes it.
    public mutating func set(
        _ key: Span<UInt8>, to value: [UInt8], from source: borrowing some TrieNodeSource
    ) throws(TrieError) {
        try set(TrieKey(key), to: value.span, from: source)
    }

    private mutating func set(
        _ key: TrieKey, to value: Span<UInt8>, from source: borrowing some TrieNodeSource
    ) throws(TrieError) {
        if value.isEmpty {
            let root = try lookAtRoot(from: source)
            if let node = try delete(root, key, at: 0, from: source) { rootNode = node }
        } else {
            let kept = try keep(value)
            let root = try lookAtRoot(from: source)
            if let node = try insert(root, key, at: 0, kept, from: source) { rootNode = node }
        }
    }

    // Both are given a node that was looked at and return what takes its place, or nil when nothing has
    // changed: then every reference on the way up stands. They recurse once a nibble at most.

    private mutating func insert(
        _ id: TrieNodeID, _ key: TrieKey, at depth: Int, _ value: TrieBytes,
        from source: borrowing some TrieNodeSource
    ) throws(TrieError) -> TrieNodeID? {
        switch nodes[id.index] {
        case .nothing:
            return try add(.leaf(path: try suffix(key, from: depth), value: value))

        case .leaf(let path, let old):
            let common = commonPrefix(path, key, at: depth)
            if common == path.count, depth + common == key.count {
                guard !isEqual(old, value) else { return nil }
                touch(id, .leaf(path: path, value: value))
                return id
            }
            var (places, branchValue) = Self.emptyBranch
            if common == path.count {
                branchValue = old
            } else {
                let nibble = Int(bytes[path.start + common])
                places[nibble] = try add(
                    .leaf(path: path.dropping(common + 1), value: old))
            }
            try place(value, key, at: depth + common, &places, &branchValue)
            return try below(path.prefix(common), try add(branch: places, value: branchValue))

        case .extension(let path, let child):
            let common = commonPrefix(path, key, at: depth)
            if common == path.count {
                let child = try look(belowExtension: id, from: source)
                guard
                    let new = try insert(child, key, at: depth + common, value, from: source)
                else { return nil }
                touch(id, .extension(path: path, child: new))
                return id
            }
            var (places, branchValue) = Self.emptyBranch
            let nibble = Int(bytes[path.start + common])
            places[nibble] = try below(path.dropping(common + 1), child)
            try place(value, key, at: depth + common, &places, &branchValue)
            return try below(path.prefix(common), try add(branch: places, value: branchValue))

        case .branch(let places, let old):
            guard depth < key.count else {
                guard !isEqual(old, value) else { return nil }
                touch(id, .branch(children: places, value: value))
                return id
            }
            let nibble = Int(key[depth])
            let child = try look(at: places, nibble, from: source)
            guard let new = try insert(child, key, at: depth + 1, value, from: source) else {
                return nil
            }
            children[places.start + nibble] = new
            references[id.index] = .unknown
            return id
        }
    }

    private mutating func delete(
        _ id: TrieNodeID, _ key: TrieKey, at depth: Int, from source: borrowing some TrieNodeSource
    ) throws(TrieError) -> TrieNodeID? {
        switch nodes[id.index] {
        case .nothing:
            return nil

        case .leaf(let path, _):
            guard path.count == key.count - depth,
                commonPrefix(path, key, at: depth) == path.count
            else { return nil }
            return .nothing

        case .extension(let path, _):
            guard commonPrefix(path, key, at: depth) == path.count else { return nil }
            let child = try look(belowExtension: id, from: source)
            guard let new = try delete(child, key, at: depth + path.count, from: source) else {
                return nil
            }
            return try joined(path, new)

        case .branch(let places, let old):
            var value = old
            if depth == key.count {
                guard value.count > 0 else { return nil }
                value = .none
            } else {
                let nibble = Int(key[depth])
                let child = try look(at: places, nibble, from: source)
                guard let new = try delete(child, key, at: depth + 1, from: source) else {
                    return nil
                }
                children[places.start + nibble] = new
            }
            return try collapse(id, places, value, from: source)
        }
    }

    /// The branch `id` after a change, or what replaces it when only one of its places is taken.
    private mutating func collapse(
        _ id: TrieNodeID, _ places: TrieChildren, _ value: TrieBytes,
        from source: borrowing some TrieNodeSource
    ) throws(TrieError) -> TrieNodeID {
        var only: Int?
        var count = value.count > 0 ? 1 : 0
        for index in 0..<16 where children[places.start + index] != .nothing {
            only = index
            count += 1
        }
        guard count < 2 else {
            touch(id, .branch(children: places, value: value))
            return id
        }
        guard let only else { return try add(.leaf(path: .none, value: value)) }
        let sibling = try look(at: places, only, from: source)
        return try joined(keep([UInt8(only)].span), sibling)
    }

    /// What stands for `path` followed by `child`: the two become one unless the child is a branch.
    ///
    /// The child was looked at, which is why removing an entry may need a sibling that was not touched.
    private mutating func joined(
        _ path: TrieBytes, _ child: TrieNodeID
    ) throws(TrieError) -> TrieNodeID {
        switch nodes[child.index] {
        case .leaf(let rest, let value):
            return try add(.leaf(path: try concatenation(path, rest), value: value))
        case .extension(let rest, let next):
            return try add(.extension(path: try concatenation(path, rest), child: next))
        case .branch, .nothing:
            return try add(.extension(path: path, child: child))
        }
    }

    /// `node` behind `path`, which may be empty; `node` is a branch, looked at or not.
    private mutating func below(
        _ path: TrieBytes, _ node: TrieNodeID
    ) throws(TrieError) -> TrieNodeID {
        path.count == 0 ? node : try add(.extension(path: path, child: node))
    }

    /// Puts a new value into a branch that begins `depth` nibbles down its key.
    private mutating func place(
        _ value: TrieBytes, _ key: TrieKey, at depth: Int,
        _ places: inout [16 of TrieNodeID], _ branchValue: inout TrieBytes
    ) throws(TrieError) {
        guard depth < key.count else {
            branchValue = value
            return
        }
        places[Int(key[depth])] = try add(
            .leaf(path: try suffix(key, from: depth + 1), value: value))
    }

    private static var emptyBranch: (places: [16 of TrieNodeID], value: TrieBytes) {
        (.init(repeating: .nothing), .none)
    }

    private mutating func suffix(_ key: TrieKey, from depth: Int) throws(TrieError) -> TrieBytes {
        try reserve(key.count - depth)
        let start = bytes.count
        for index in depth..<key.count { bytes.append(key[index]) }
        return TrieBytes(start: start, count: key.count - depth)
    }

    private mutating func concatenation(
        _ first: TrieBytes, _ second: TrieBytes
    ) throws(TrieError) -> TrieBytes {
        try reserve(first.count + second.count)
        let start = bytes.count
        for index in first.range { bytes.append(bytes[index]) }
        for index in second.range { bytes.append(bytes[index]) }
        return TrieBytes(start: start, count: first.count + second.count)
    }

    private func isEqual(_ first: TrieBytes, _ second: TrieBytes) -> Bool {
        first.count == second.count && bytes[first.range].elementsEqual(bytes[second.range])
    }
}

/// Changes of entries whose keys are hashes, their values in one buffer.
struct TrieBatch: ~Copyable {
    fileprivate struct Change {
        let key: Bytes32
        /// Where the value lies in ``bytes``; empty for no entry.
        let value: Range<Int>
    }

    fileprivate private(set) var changes: [Change] = []
    fileprivate private(set) var bytes: [UInt8] = []

    /// - Parameter value: nil for no entry.
    mutating func append(_ key: Bytes32, _ value: [UInt8]?) {
        let start = bytes.count
        if let value { bytes.append(contentsOf: value) }
        changes.append(Change(key: key, value: start..<bytes.count))
    }
}
