public import ChoraleBase
import Codec
import Crypto

extension Trie {
    /// The root hash. What was computed before and has not changed since is not computed again.
    public mutating func root() -> Bytes32 { root(of: rootNode) }

    /// The hash of a trie of this arena.
    mutating func root(of rootNode: TrieNodeID) -> Bytes32 {
        guard rootNode != .nothing else { return Self.emptyRoot }
        if let start = rootNode.hashStart { return hash(at: start) }
        refer(to: [rootNode])
        switch references[rootNode.index] {
        case .hash(let start): return hash(at: Int(start))
        // A root is hashed however small it is.
        case .embedded(let encoding): return Keccak256.hash(bytes.span.extracting(encoding.range))
        case .unknown, .empty: return Self.emptyRoot
        }
    }

    /// Every node that is not from the source, by its hash: what a store needs to hold the trie.
    ///
    /// Nodes that a later change replaced are not among them. The root is, also when it is small.
    public mutating func forEachNewNode(_ body: (Bytes32, [UInt8]) -> Void) {
        forEachNewNode(known: taken, body)
    }

    /// - Parameter known: hashes of the nodes that are from the source.
    mutating func forEachNewNode(known: Set<Bytes32>, _ body: (Bytes32, [UInt8]) -> Void) {
        let root = root()
        guard rootNode != .nothing, rootNode.hashStart == nil else { return }
        var open = [rootNode]
        while let id = open.popLast() {
            let isRoot = id == rootNode
            switch (nodes[id.index], references[id.index]) {
            case (.nothing, _): continue
            case (_, .hash(let start)):
                let hash = hash(at: Int(start))
                guard !known.contains(hash) else { continue }
                body(hash, encoding(of: id))
            case (_, .embedded) where isRoot && !known.contains(root):
                body(root, encoding(of: id))
            case (_, .embedded), (_, .unknown), (_, .empty): break
            }
            switch nodes[id.index] {
            case .extension(_, let child):
                if child.hashStart == nil { open.append(child) }
            case .branch(let places, _):
                for child in children[places.start..<places.start + 16]
                where child != .nothing && child.hashStart == nil {
                    open.append(child)
                }
            case .nothing, .leaf: break
            }
        }
    }

    /// Computes the references of nodes, and those below them that are unknown.
    ///
    /// Level by level, the leaves first: nodes of one level do not need each other, so that they are
    /// hashed together.
    mutating func refer(to roots: [TrieNodeID]) {
        var levels: [[TrieNodeID]] = []
        for root in roots { _ = collect(root, &levels) }
        var scratch: [UInt8] = []
        var parts: [Range<Int>] = []
        var hashed: [TrieNodeID] = []
        for level in levels {
            scratch.removeAll(keepingCapacity: true)
            parts.removeAll(keepingCapacity: true)
            hashed.removeAll(keepingCapacity: true)
            for id in level {
                let start = scratch.count
                encode(id, into: &scratch)
                let size = scratch.count - start
                if size < 32 {
                    references[id.index] = .embedded(TrieBytes(start: bytes.count, count: size))
                    bytes.append(contentsOf: scratch.span.extracting(start..<start + size))
                } else {
                    parts.append(start..<start + size)
                    hashed.append(id)
                }
            }
            let hashes = Keccak256.hashes(of: parts, in: scratch.span)
            for (index, id) in hashed.enumerated() {
                references[id.index] = .hash(UInt32(bytes.count))
                bytes.append(contentsOf: hashes[index].storage.span)
            }
        }
    }

    /// Sorts the nodes whose references are unknown by how far they are above the lowest.
    ///
    /// - Returns: the level of `id`; −1 when its reference is known.
    private func collect(_ id: TrieNodeID, _ levels: inout [[TrieNodeID]]) -> Int {
        guard id.hashStart == nil, references[id.index].isUnknown else { return -1 }
        var level = 0
        switch nodes[id.index] {
        case .nothing, .leaf: break
        case .extension(_, let child): level = collect(child, &levels) + 1
        case .branch(let places, _):
            for index in places.start..<places.start + 16 where children[index] != .nothing {
                level = max(level, collect(children[index], &levels) + 1)
            }
        }
        if level == levels.count { levels.append([]) }
        levels[level].append(id)
        return level
    }

    private func encoding(of id: TrieNodeID) -> [UInt8] {
        var encoding: [UInt8] = []
        encode(id, into: &encoding)
        return encoding
    }

    /// Appends a node whose children's references are known.
    private func encode(_ id: TrieNodeID, into output: inout [UInt8]) {
        switch nodes[id.index] {
        case .nothing:
            output.append(0x80)
        case .leaf(let path, let value):
            appendListHeader(compactSize(path) + itemSize(value), to: &output)
            appendCompact(path, isLeaf: true, to: &output)
            appendItem(value, to: &output)
        case .extension(let path, let child):
            appendListHeader(compactSize(path) + referenceSize(child), to: &output)
            appendCompact(path, isLeaf: false, to: &output)
            appendReference(child, to: &output)
        case .branch(let places, let value):
            var size = itemSize(value)
            for index in places.start..<places.start + 16 { size += referenceSize(children[index]) }
            appendListHeader(size, to: &output)
            for index in places.start..<places.start + 16 {
                appendReference(children[index], to: &output)
            }
            appendItem(value, to: &output)
        }
    }

    // MARK: Items

    private func reference(_ id: TrieNodeID) -> TrieReference {
        if let start = id.hashStart { return .hash(UInt32(start)) }
        return references[id.index]
    }

    private func referenceSize(_ id: TrieNodeID) -> Int {
        switch reference(id) {
        case .hash: 33
        case .embedded(let encoding): encoding.count
        case .empty, .unknown: 1
        }
    }

    private func appendReference(_ id: TrieNodeID, to output: inout [UInt8]) {
        switch reference(id) {
        case .hash(let start):
            output.append(0xA0)
            output.append(
                contentsOf: bytes.span.extracting(Int(start)..<Int(start) + Bytes32.size))
        case .embedded(let encoding):
            output.append(contentsOf: bytes.span.extracting(encoding.range))
        case .empty, .unknown:
            output.append(0x80)
        }
    }

    private func itemSize(_ value: TrieBytes) -> Int {
        if value.count == 1, bytes[value.start] < 0x80 { return 1 }
        return RLPWriter.headerSize(value.count) + value.count
    }

    private func appendItem(_ value: TrieBytes, to output: inout [UInt8]) {
        RLPWriter.append(bytes.span.extracting(value.range), to: &output)
    }

    /// Size of a path in hex-prefix form as an RLP item.
    private func compactSize(_ path: TrieBytes) -> Int {
        let size = path.count / 2 + 1
        // The first byte is below 0x40, so alone it is its own encoding.
        return size == 1 ? 1 : RLPWriter.headerSize(size) + size
    }

    private func appendCompact(_ path: TrieBytes, isLeaf: Bool, to output: inout [UInt8]) {
        let size = path.count / 2 + 1
        if size > 1 { RLPWriter.appendHeader(.bytes, size: size, to: &output) }
        let isOdd = path.count & 1 == 1
        let flag: UInt8 = (isLeaf ? 0x20 : 0) | (isOdd ? 0x10 : 0)
        output.append(isOdd ? flag | bytes[path.start] : flag)
        var index = path.start + (isOdd ? 1 : 0)
        while index < path.range.upperBound {
            output.append(bytes[index] << 4 | bytes[index + 1])
            index += 2
        }
    }

    private func appendListHeader(_ size: Int, to output: inout [UInt8]) {
        RLPWriter.appendHeader(.list, size: size, to: &output)
    }
}
