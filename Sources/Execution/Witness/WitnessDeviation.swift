public import ChoraleBase
public import Codec

/// How a witness differs from the one form that everybody would write of it: `state` and `codes` sorted and
/// unique, headers from the oldest to the parent, nothing that execution does not need.
///
/// Positions count from zero, in the order of the witness.
public enum WitnessDeviation: Hashable, Sendable {
    /// Entries of one list, the first of them named.
    public struct Entries: Hashable, Sendable {
        public var part: WitnessPart
        public var count: Int
        /// Bytes of them together.
        public var size: Int
        /// Position of the first.
        public var first: Int
        /// Keccak-256 of the first.
        public var hash: Bytes32
    }

    /// Who asked for what is not there.
    public enum Need: Hashable, Sendable {
        case account(Address)
        case storage(Address, slot: UInt256)
        case code(Address)
        /// A change that the block makes: removing an entry may need its neighbour.
        case change
    }

    // MARK: How it was written

    /// Three lists without `keys`, as in the first draft.
    case threeLists
    /// Addresses and slots, which nobody needs.
    case keys(count: Int)
    case keysNull
    case headersAsObjects(count: Int)
    /// Headers as byte strings inside RLP.
    case headersWrapped(count: Int)
    /// JSON objects in place of lists.
    case map(WitnessPart, WitnessForm.ListForm)
    /// JSON null, or nothing, in place of a list.
    case listMissing(WitnessPart)
    case hexCase(WitnessForm.HexCase)
    case unprefixedHex(count: Int)
    /// Hexadecimal text, which is twice as large.
    case hexText(size: Int)
    case envelope(WitnessForm.Envelope)
    /// More bytes than readers take by default.
    case oversize(Int, limit: Int)

    // MARK: Its lists

    /// Entries that are lower than the one before them.
    case unsorted(Entries)
    /// Entries that are there already.
    case repeated(Entries)
    /// Entries without a byte.
    case empty(Entries)
    /// Nodes that are the encoding of an empty trie, 0x80.
    case emptyNode(Entries)
    /// Entries that are no trie node.
    case notNode(Entries, RLPError?)
    /// Nodes whose RLP is not canonical: they hash to something that no trie refers to.
    case nonCanonicalNode(Entries, RLPError)
    /// Codes that are larger than a contract's may be (EIP-170).
    case oversizeCode(Entries, limit: Int)

    // MARK: Its headers

    case noHeaders
    case tooManyHeaders(Int, limit: Int)
    case malformedHeader(at: Int, RLPError)
    case headersNewestFirst(count: Int)
    case headersUnordered
    /// The header at this position and the one before it, in order of numbers, leave out some.
    case headerGap(at: Int, number: UInt64, after: UInt64)
    /// The header at this position is not the child of the one before it in order of numbers.
    case headerNotLinked(at: Int, parentHash: Bytes32, expected: Bytes32)
    /// The newest header is not the block's parent.
    case wrongParent(found: Bytes32, number: UInt64, expected: Bytes32)

    // MARK: What the block makes of it

    /// Not needed, though in the tries.
    case unused(Entries)
    /// Roots of storage that was not looked into.
    case unusedStorageRoots(Entries)
    /// Nodes that no walk from the state's root meets.
    case unreachable(Entries)
    /// Codes that the block itself creates.
    case createdCodes(Entries)
    case missingNode(Bytes32, TriePlace?, Need?)
    case missingCode(Bytes32, Address?)
    case missingHeader(UInt64)
    /// A node that is needed and is none.
    case malformedNode(Bytes32, TrieNodeFault, Need?)
    /// The block itself breaks a rule, so that nothing is known about what it needs.
    case blockNotExecuted(StatelessFailure)

    public enum Severity: Int, Comparable, Hashable, Sendable {
        /// Of interest; nobody has to change anything.
        case note
        /// Not the canonical form; it can be verified all the same.
        case warning
        /// The block cannot be verified with this witness.
        case error

        public static func < (lhs: Self, rhs: Self) -> Bool { lhs.rawValue < rhs.rawValue }
    }

    public var severity: Severity {
        switch self {
        case .hexText, .envelope: .note
        case .threeLists, .keys, .keysNull, .headersAsObjects, .headersWrapped, .map, .listMissing,
            .hexCase, .unprefixedHex, .unsorted, .repeated, .empty, .emptyNode, .notNode,
            .nonCanonicalNode, .oversizeCode, .headersNewestFirst, .unused, .unusedStorageRoots,
            .unreachable, .createdCodes:
            .warning
        case .oversize, .noHeaders, .tooManyHeaders, .malformedHeader, .headersUnordered,
            .headerGap,
            .headerNotLinked, .wrongParent, .missingNode, .missingCode, .missingHeader,
            .malformedNode, .blockNotExecuted:
            .error
        }
    }
}
