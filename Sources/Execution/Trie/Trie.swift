// A Merkle Patricia trie as an arena.
//
// Nodes are numbered; number 0 is "nothing". A node that has not been looked at is a `stub`, its hash;
// `resolve` replaces it by what the source has under that hash, in place, so that the number stays.
// Paths and values are ranges of one byte array: nothing is allocated for a node but its place.
//
// 1. A `reference` other than `unknown` is the node's true reference in its parent: every change of a
//    node, or of one below it, sets it back to `unknown`. (`touch`)
// 2. No extension leads to anything but a branch or a stub of one, no branch has fewer than two of its
//    seventeen places taken. (`insert`, `collapse`, `read`)
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
/// Memory: about 130 bytes for each node held, plus its path and value.
public struct Trie: Sendable {
    public struct Limits: Hashable, Sendable {
        /// Bytes of paths (one a nibble) and values of all nodes held.
        public var byteCountMax: Int
        /// Nodes held, those not looked at counted.
        ///
        /// A node of 532 bytes names sixteen others.
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
        /// 64 MiB that consists of such branches names 2.1 million nodes. Tries of several accounts may
        /// share their nodes, so that a witness of a few can fill any memory: here it ends at 600 MB.
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
    /// Whether ``resolved`` is kept.
    public let records: Bool

    var nodes: [TrieNode] = [.nothing]
    var references: [TrieReference] = [.empty]
    /// Paths, one nibble a byte, and values.
    var bytes: [UInt8] = []
    var rootNode = TrieNodeID.nothing

    /// A trie without entries.
    public init(limits: Limits = Limits()) {
        self.limits = limits
        records = true
    }

    /// The trie with this root, of which nothing is read yet.
    ///
    /// - Parameter records: whether the nodes taken from the source are noted.
    public init(root: Bytes32, limits: Limits = Limits(), records: Bool = true) {
        self.limits = limits
        self.records = records
        guard root != Self.emptyRoot else { return }
        nodes.append(.stub(root, .root))
        references.append(.hash(root))
        rootNode = TrieNodeID(1)
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

    private mutating func find(
        _ key: TrieKey, from source: borrowing some TrieNodeSource
    ) throws(TrieError) -> TrieBytes? {
        var id = rootNode
        var depth = 0
        while true {
            try resolve(id, from: source)
            switch nodes[id.index] {
            case .nothing, .stub:
                return nil
            case .leaf(let path, let value):
                return path.count == key.count - depth && matches(path, key, at: depth)
                    ? value : nil
            case .extension(let path, let child):
                guard path.count <= key.count - depth, matches(path, key, at: depth) else {
                    return nil
                }
                depth += path.count
                id = child
            case .branch(let children, let value):
                guard depth < key.count else { return value.count == 0 ? nil : value }
                id = children[Int(key[depth])]
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

    /// Looks at a node: replaces a stub by what the source has.
    mutating func resolve(
        _ id: TrieNodeID, from source: borrowing some TrieNodeSource
    ) throws(TrieError) {
        guard case .stub(let hash, let place) = nodes[id.index] else { return }
        let found = try source.withNode(hash) { (encoding) throws(TrieError) -> TrieNode in
            try read(encoding, hash: hash, place)
        }
        guard let found else { throw .missing(hash) }
        nodes[id.index] = found
        if records { resolved.append(hash) }
    }

    mutating func add(
        _ node: TrieNode, _ reference: TrieReference = .unknown
    ) throws(TrieError) -> TrieNodeID {
        guard nodes.count < limits.nodeCountMax else {
            throw .tooManyNodes(limit: limits.nodeCountMax)
        }
        nodes.append(node)
        references.append(reference)
        return TrieNodeID(UInt32(nodes.count - 1))
    }

    mutating func keep(_ span: Span<UInt8>) throws(TrieError) -> TrieBytes {
        try reserve(span.count)
        let start = bytes.count
        bytes.append(contentsOf: span)
        return TrieBytes(start: start, count: span.count)
    }

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

/// The number of a node in its trie.
struct TrieNodeID: Hashable, Sendable {
    let rawValue: UInt32

    init(_ rawValue: UInt32) { self.rawValue = rawValue }

    static let nothing = TrieNodeID(0)

    var index: Int { Int(rawValue) }
}

/// A range of a trie's bytes.
struct TrieBytes: Hashable, Sendable {
    let start: Int
    let count: Int

    static let none = TrieBytes(start: 0, count: 0)

    var range: Range<Int> { start..<start + count }

    func dropping(_ prefix: Int) -> TrieBytes {
        TrieBytes(start: start + prefix, count: count - prefix)
    }

    func prefix(_ count: Int) -> TrieBytes { TrieBytes(start: start, count: count) }
}

enum TrieNode: Sendable {
    case nothing
    /// Not looked at; found at some place, which decides what it may be.
    case stub(Bytes32, StubPlace)
    case leaf(path: TrieBytes, value: TrieBytes)
    case `extension`(path: TrieBytes, child: TrieNodeID)
    case branch(children: [16 of TrieNodeID], value: TrieBytes)
}

/// Where the hash of a node that was not looked at was found.
enum StubPlace: Sendable { case root, branch, `extension` }

/// How a node stands in its parent.
enum TrieReference: Hashable, Sendable {
    /// Changed since it was last computed.
    case unknown
    case empty
    case hash(Bytes32)
    /// The encoding itself, below 32 bytes.
    case embedded(TrieBytes)
}

/// A key as nibbles.
struct TrieKey {
    private let nibbles: [UInt8]

    init(_ key: Span<UInt8>) {
        var nibbles: [UInt8] = []
        nibbles.reserveCapacity(2 * key.count)
        for index in key.indices {
            nibbles.append(key[index] >> 4)
            nibbles.append(key[index] & 15)
        }
        self.nibbles = nibbles
    }

    var count: Int { nibbles.count }

    subscript(index: Int) -> UInt8 { nibbles[index] }

}
