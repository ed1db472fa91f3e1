// A Merkle Patricia trie as an arena.
//
// Nodes are numbered; number 0 is "nothing". A node that has not been looked at is no more than the
// place of its hash among the bytes: looking at it copies its encoding there, unless the source's stock of
// nodes was copied at once (`stockUp`), and gives it a number, which its parent then holds instead
// (`look`). Paths, values and hashes are ranges of those bytes, so that reading a branch writes its
// encoding and sixteen places, and nothing for the children that nobody asks for.
//
// Several tries may lie in one arena, each with a root of its own: `rootNode` is the one that is read.
//
// 1. A `reference` other than `unknown` is the node's true reference in its parent: every change of a
//    node, or of one below it, sets it back to `unknown`. (`touch`)
// 2. No extension leads to anything but a branch, or a node not looked at, which must turn out to be one;
//    no branch has fewer than two of its seventeen places taken. (`insert`, `collapse`, `read`)
// 3. Numbers are not reused; what a change leaves behind stays until the trie is dropped. A trie lives
//    for a block, and a block changes little of it.
//
// Specification: Ethereum yellow paper, appendix D.

public import ChoraleBase
import Crypto

/// A Merkle Patricia trie whose nodes are read when they are needed.
///
/// Keys are byte strings of any one length, or of several; the tries of the state have keys of
/// 32 bytes, which are Keccak-256 hashes.
///
/// Memory: about 110 bytes for each branch looked at and 40 for any other node, plus their encodings.
public struct Trie: Sendable {
    public struct Limits: Hashable, Sendable {
        /// Bytes of encodings, paths (one a nibble), values and hashes held, below 2³¹.
        public var byteCountMax: Int
        /// Nodes held, below 2³¹.
        public var nodeCountMax: Int
        /// Bytes of one node's encoding.
        public var nodeSizeMax: Int

        public init(
            byteCountMax: Int = 1 << 30, nodeCountMax: Int = 1 << 26, nodeSizeMax: Int = 1 << 24
        ) {
            self.byteCountMax = byteCountMax
            self.nodeCountMax = nodeCountMax
            self.nodeSizeMax = nodeSizeMax
        }

        /// For all tries of a state together, as one block sees them.
        ///
        /// The largest node is a branch of sixteen hashes, with its header of three bytes. A witness of
        /// 64 MiB takes twice its size here at most. Tries of several accounts may share their nodes, so
        /// that a witness of a few can fill any memory: here it ends at 600 MB.
        public static let state = Limits(
            byteCountMax: 1 << 28, nodeCountMax: 1 << 22, nodeSizeMax: 16 * 33 + 1 + 3)
    }

    /// The root of a trie without entries: the hash of an empty RLP string.
    public static let emptyRoot = Keccak256.hash([0x80])

    public let limits: Limits
    /// Hashes of the nodes taken from the source so far, in the order of their first use.
    ///
    /// A witness for what was done with the trie consists of these. Empty when `records` is false.
    public private(set) var resolved: [Bytes32] = []
    /// Where their encodings lie in ``bytes``, which nothing changes later.
    private(set) var resolvedPlaces: [TrieBytes] = []
    /// Their numbers.
    private var resolvedNodes: [TrieNodeID] = []
    /// Bytes of these.
    private(set) var resolvedSize = 0
    /// Nodes that were taken from the source and whose use does not count (`forget`).
    private var forgotten: [TrieNodeID: (hash: Bytes32, place: TrieBytes)] = [:]
    /// Whether ``resolved`` is kept.
    public let records: Bool

    var nodes: [TrieNode] = [.nothing]
    var references: [TrieReference] = [.empty]
    /// Those of every branch, sixteen after sixteen.
    var children: [TrieNodeID] = []
    /// Encodings, paths with one nibble a byte, values, hashes.
    var bytes: [UInt8] = []
    /// What to add to a place in the source's stock, if that is among ``bytes``.
    private var stockStart: Int?
    /// Of the trie that is read and changed.
    var rootNode = TrieNodeID.nothing

    /// A trie without entries.
    public init(limits: Limits = Limits()) {
        self.init(limits: limits, records: true)
    }

    private init(limits: Limits, records: Bool) {
        precondition(
            limits.byteCountMax < 1 << 31 && limits.nodeCountMax < 1 << 31,
            "positions in a trie have 31 bits")
        self.limits = limits
        self.records = records
    }

    /// The trie with this root, of which nothing is read yet.
    ///
    /// - Parameter records: whether the nodes taken from the source are noted.
    public init(root: Bytes32, limits: Limits = Limits(), records: Bool = true) {
        self.init(limits: limits, records: records)
        rootNode = unseenRoot(root)
    }

    /// Takes over what the source has in stock. From then on the trie is for this source only.
    mutating func stockUp(_ stock: TrieStock) throws(TrieError) {
        try reserve(stock.range.count)
        // What changes and reading add is less than half as much again.
        bytes.reserveCapacity(
            min(bytes.count + stock.range.count / 2 * 3, limits.byteCountMax))
        stockStart = bytes.count - stock.range.lowerBound
        bytes.append(contentsOf: stock.bytes.span.extracting(stock.range))
        // Whoever made the stock says how many: no trie takes those below 32 bytes, but for a root.
        let takenMax = min(stock.nodeCount, stock.range.count / 32 + 1)
        let nodeCount = min(takenMax / 2 * 3, limits.nodeCountMax)
        nodes.reserveCapacity(nodeCount)
        references.reserveCapacity(nodeCount)
        children.reserveCapacity(16 * nodeCount)
        if records {
            resolved.reserveCapacity(takenMax)
            resolvedPlaces.reserveCapacity(takenMax)
            resolvedNodes.reserveCapacity(takenMax)
        }
    }

    /// A root of which nothing is read yet. Several tries may lie in one arena, each with a root.
    mutating func unseenRoot(_ root: Bytes32) -> TrieNodeID {
        guard root != Self.emptyRoot else { return .nothing }
        bytes.append(contentsOf: root.storage.span)
        return .unseen(hashAt: bytes.count - Bytes32.size)
    }

    /// Whether the trie is known to have no entries.
    public var isEmpty: Bool { rootNode == .nothing }

    // MARK: Lookup

    /// The value at `key`, or nil when the trie proves that there is none.
    ///
    /// - Throws: ``TrieError/missing(_:)`` when a node on the way is not in the source.
    public mutating func value(
        at key: Span<UInt8>, from source: borrowing some TrieNodeSource
    ) throws(TrieError) -> [UInt8]? {
        guard let range = try find(TrieKey(key), from: source) else { return nil }
        return bytes.span.extracting(range.range).copied()
    }

    /// Where the value at `key` lies in ``bytes``.
    mutating func find(
        _ key: TrieKey, from source: borrowing some TrieNodeSource
    ) throws(TrieError) -> TrieBytes? {
        var id = try lookAtRoot(from: source)
        var depth = 0
        while true {
            switch nodes[id.index] {
            case .nothing:
                return nil
            case .leaf(let path, let value):
                return path.count == key.count - depth && matches(path, key, at: depth)
                    ? value : nil
            case .extension(let path, _):
                guard path.count <= key.count - depth, matches(path, key, at: depth) else {
                    return nil
                }
                depth += path.count
                id = try look(belowExtension: id, from: source)
            case .branch(let places, let value):
                guard depth < key.count else { return value.count == 0 ? nil : value }
                id = try look(at: places, Int(key[depth]), from: source)
                depth += 1
            }
        }
    }

    private func matches(_ path: TrieBytes, _ key: TrieKey, at depth: Int) -> Bool {
        commonPrefix(path, key, at: depth) == path.count
    }

    /// How many nibbles of `path` agree with those of `key` from `depth` on.
    func commonPrefix(_ path: TrieBytes, _ key: TrieKey, at depth: Int) -> Int {
        let limit = min(path.count, key.count - depth)
        var index = 0
        while index < limit, bytes[path.start + index] == key[depth + index] { index += 1 }
        return index
    }

    // MARK: Arena

    /// The root, looked at.
    mutating func lookAtRoot(
        from source: borrowing some TrieNodeSource
    ) throws(TrieError) -> TrieNodeID {
        guard let hash = rootNode.hashStart else {
            note(rootNode)
            return rootNode
        }
        rootNode = try resolve(hash, .root, from: source)
        return rootNode
    }

    /// A branch's child, looked at.
    ///
    /// - Parameter places: where the branch's children begin.
    mutating func look(
        at places: TrieChildren, _ nibble: Int, from source: borrowing some TrieNodeSource
    ) throws(TrieError) -> TrieNodeID {
        let child = children[places.start + nibble]
        guard let hash = child.hashStart else {
            note(child)
            return child
        }
        let node = try resolve(hash, .branch, from: source)
        children[places.start + nibble] = node
        return node
    }

    /// An extension's child, looked at.
    mutating func look(
        belowExtension id: TrieNodeID, from source: borrowing some TrieNodeSource
    ) throws(TrieError) -> TrieNodeID {
        guard case .extension(let path, let child) = nodes[id.index] else {
            preconditionFailure("an extension was asked for")
        }
        guard let hash = child.hashStart else {
            note(child)
            return child
        }
        let node = try resolve(hash, .extension, from: source)
        nodes[id.index] = .extension(path: path, child: node)
        return node
    }

    /// Reads the node whose hash lies at `start`.
    private mutating func resolve(
        _ start: Int, _ place: TrieNodePlace, from source: borrowing some TrieNodeSource
    ) throws(TrieError) -> TrieNodeID {
        let hash = hash(at: start)
        let encoding = try encoding(of: hash, from: source)
        if records {
            resolved.append(hash)
            resolvedPlaces.append(encoding)
            resolvedSize += encoding.count
        }
        let node = try read(encoding, start, hash, place)
        if records { resolvedNodes.append(node) }
        return node
    }

    /// Takes nodes out of the record that came into it last: whoever used them has not been. They come
    /// back when they are used again.
    ///
    /// - Parameter count: how many of ``resolved`` stay.
    mutating func forget(after count: Int) {
        while resolved.count > count {
            let place = resolvedPlaces.removeLast()
            forgotten[resolvedNodes.removeLast()] = (resolved.removeLast(), place)
            resolvedSize -= place.count
        }
    }

    /// Hashes of all nodes taken from the source, also of those that are not in the record.
    var taken: Set<Bytes32> { Set(resolved).union(forgotten.values.lazy.map { $0.hash }) }

    /// Sees that a node that is used is in the record.
    @inline(__always)
    private mutating func note(_ node: TrieNodeID) {
        if !forgotten.isEmpty { noteAgain(node) }
    }

    private mutating func noteAgain(_ node: TrieNodeID) {
        guard let (hash, place) = forgotten.removeValue(forKey: node) else { return }
        resolved.append(hash)
        resolvedPlaces.append(place)
        resolvedNodes.append(node)
        resolvedSize += place.count
    }

    /// Sees that the node with this hash is among ``bytes``.
    private mutating func encoding(
        of hash: Bytes32, from source: borrowing some TrieNodeSource
    ) throws(TrieError) -> TrieBytes {
        if let stockStart {
            guard let place = source.place(hash) else { throw .missing(hash) }
            return TrieBytes(start: stockStart + place.lowerBound, count: place.count)
        }
        let before = bytes.count
        let isThere: Bool
        do throws(SourceFailure) {
            isThere = try source.appendNode(hash, to: &bytes)
        } catch {
            throw .source(error)
        }
        guard isThere else { throw .missing(hash) }
        try reserve(0)
        return TrieBytes(start: before, count: bytes.count - before)
    }

    func hash(at start: Int) -> Bytes32 {
        guard let hash = Bytes32(bytes.span.extracting(start..<start + Bytes32.size)) else {
            preconditionFailure("32 bytes were taken")
        }
        return hash
    }

    mutating func add(
        _ node: TrieNode, _ reference: TrieReference = .unknown
    ) throws(TrieError) -> TrieNodeID {
        guard nodes.count < limits.nodeCountMax else {
            throw .tooManyNodes(limit: limits.nodeCountMax)
        }
        nodes.append(node)
        references.append(reference)
        return TrieNodeID(nodes.count - 1)
    }

    /// A new branch.
    mutating func add(
        branch places: [16 of TrieNodeID], value: TrieBytes
    ) throws(TrieError) -> TrieNodeID {
        let start = children.count
        for index in 0..<16 { children.append(places[index]) }
        return try add(.branch(children: TrieChildren(start: start), value: value))
    }

    mutating func keep(_ span: Span<UInt8>) throws(TrieError) -> TrieBytes {
        try reserve(span.count)
        let start = bytes.count
        bytes.append(contentsOf: span)
        return TrieBytes(start: start, count: span.count)
    }

    /// Sees that `count` more bytes may be held.
    func reserve(_ count: Int) throws(TrieError) {
        guard bytes.count + count <= limits.byteCountMax else {
            throw .tooLarge(limit: limits.byteCountMax)
        }
    }

    /// Changes a node in place and forgets what was computed of it.
    mutating func touch(_ id: TrieNodeID, _ node: TrieNode) {
        nodes[id.index] = node
        references[id.index] = .unknown
    }
}

/// A node of a trie: its number, or, as long as nobody has looked at it, where its hash lies.
struct TrieNodeID: Hashable, Sendable, BitwiseCopyable {
    private let rawValue: UInt32
    private static let unseenFlag: UInt32 = 1 << 31

    init(_ number: Int) { rawValue = UInt32(truncatingIfNeeded: number) }

    private init(rawValue: UInt32) { self.rawValue = rawValue }

    static func unseen(hashAt start: Int) -> TrieNodeID {
        TrieNodeID(rawValue: UInt32(truncatingIfNeeded: start) | unseenFlag)
    }

    static let nothing = TrieNodeID(0)

    /// Where the hash lies of a node that was not looked at.
    @inline(__always)
    var hashStart: Int? {
        rawValue & Self.unseenFlag == 0 ? nil : Int(rawValue & ~Self.unseenFlag)
    }

    /// - Precondition: the node was looked at.
    @inline(__always)
    var index: Int {
        assert(rawValue & Self.unseenFlag == 0, "a node is looked at before it is used")
        return Int(rawValue)
    }
}

/// A range of a trie's bytes.
struct TrieBytes: Hashable, Sendable, BitwiseCopyable {
    private let first: UInt32
    private let size: UInt32

    // Both are below 2³¹: no trie has more bytes.
    init(start: Int, count: Int) {
        first = UInt32(truncatingIfNeeded: start)
        size = UInt32(truncatingIfNeeded: count)
    }

    static let none = TrieBytes(start: 0, count: 0)

    var start: Int { Int(first) }
    var count: Int { Int(size) }
    var range: Range<Int> { start..<start + count }

    func dropping(_ prefix: Int) -> TrieBytes {
        TrieBytes(start: start + prefix, count: count - prefix)
    }

    func prefix(_ count: Int) -> TrieBytes { TrieBytes(start: start, count: count) }
}

/// Where a branch's sixteen children are.
struct TrieChildren: Hashable, Sendable, BitwiseCopyable {
    private let number: UInt32

    init(start: Int) { number = UInt32(truncatingIfNeeded: start / 16) }

    var start: Int { 16 * Int(number) }
}

enum TrieNode: Sendable, BitwiseCopyable {
    case nothing
    case leaf(path: TrieBytes, value: TrieBytes)
    case `extension`(path: TrieBytes, child: TrieNodeID)
    case branch(children: TrieChildren, value: TrieBytes)
}

/// Where a node stands, which decides what it may be.
enum TrieNodePlace: Sendable { case root, branch, `extension` }

/// How a node stands in its parent.
enum TrieReference: Hashable, Sendable, BitwiseCopyable {
    /// Changed since it was last computed.
    case unknown
    case empty
    /// Where the hash lies.
    case hash(UInt32)
    /// The encoding itself, below 32 bytes.
    case embedded(TrieBytes)

    var isUnknown: Bool {
        if case .unknown = self { return true }
        return false
    }
}

/// A key as nibbles.
struct TrieKey {
    /// Keys of the state's tries have 32 bytes: those need no allocation.
    private var inline: [32 of UInt8] = .init(repeating: 0)
    private let long: [UInt8]
    let count: Int

    init(_ key: Span<UInt8>) {
        count = 2 * key.count
        guard key.count > 32 else {
            long = []
            for index in key.indices { inline[index] = key[index] }
            return
        }
        long = key.copied()
    }

    init(_ key: Bytes32) {
        inline = key.storage
        long = []
        count = 64
    }

    @inline(__always)
    subscript(index: Int) -> UInt8 {
        let byte = count <= 64 ? inline[index >> 1] : long[index >> 1]
        return index & 1 == 0 ? byte >> 4 : byte & 15
    }
}
