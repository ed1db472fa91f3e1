public import ChoraleBase
public import Codec

/// Why a trie could not answer. A trie that threw is no longer of use.
public enum TrieError: Error, Hashable, Sendable {
    /// The node with this hash is needed and the source does not have it.
    ///
    /// Not absence: whatever lies below the node is unknown.
    case missing(Bytes32)
    /// The source could not say whether it has a node, or gave up over it.
    ///
    /// Nothing is known then, not even that the node is missing.
    case source(SourceFailure)
    /// The node with this hash is not what a trie can contain.
    case malformed(Bytes32, TrieNodeFault)
    /// The trie would hold more bytes of paths and values than ``Trie/Limits/byteCountMax``.
    case tooLarge(limit: Int)
    /// The trie would hold more nodes than ``Trie/Limits/nodeCountMax``.
    case tooManyNodes(limit: Int)
}

/// What is wrong with the encoding of a trie node.
public enum TrieNodeFault: Error, Hashable, Sendable {
    case rlp(RLPError)
    /// Bytes of the encoding, above ``Trie/Limits/nodeSizeMax``.
    case tooLarge(Int)
    /// A node has two items or seventeen.
    case itemCount(Int)
    /// The path of a leaf or extension is empty, has an unknown flag, or a padding that is not zero.
    case path
    /// An extension without a path.
    case emptyExtension
    /// What an extension leads to is not a branch.
    case extensionWithoutBranch
    /// A leaf without a value.
    case emptyValue
    /// A branch with less than two of its seventeen places taken.
    case sparseBranch
    /// A reference that is neither empty, nor 32 bytes, nor a node.
    case reference(size: Int)
    /// A node inside another although its encoding has 32 bytes or more.
    case embeddedTooLarge(Int)
    /// A node that another names by its hash although its encoding has less than 32 bytes.
    case notEmbedded(Int)
}

/// Where a trie finds its nodes.
///
/// A source answers for the hash of bytes, never for a place in a trie, so one source serves any
/// number of tries.
public protocol TrieNodeSource {
    /// Appends the encoding whose Keccak-256 is `hash`; false, and nothing appended, when there is none.
    ///
    /// - Precondition for the implementer: the bytes hash to `hash`. Tries do not check it again.
    /// - Throws: when the source cannot tell. Never for a node that is not there.
    func appendNode(_ hash: Bytes32, to bytes: inout [UInt8]) throws(SourceFailure) -> Bool

    /// All nodes as one buffer, if most of them will be needed: a state then copies it once, instead of
    /// node by node. Never changes.
    var stock: TrieStock? { get }

    /// Where in ``stock`` the node is whose Keccak-256 is `hash`; nil when there is none.
    func place(_ hash: Bytes32) -> Range<Int>?
}

extension TrieNodeSource {
    public var stock: TrieStock? { nil }
    public func place(_ hash: Bytes32) -> Range<Int>? { nil }
}

/// A part of a buffer in which the encodings of nodes lie.
public struct TrieStock: Sendable {
    public var bytes: [UInt8]
    public var range: Range<Int>
    public var nodeCount: Int
}

/// A source without nodes, for tries that are built from nothing.
public struct NoTrieNodes: TrieNodeSource, Sendable {
    public init() {}

    public func appendNode(_ hash: Bytes32, to bytes: inout [UInt8]) -> Bool { false }
}
