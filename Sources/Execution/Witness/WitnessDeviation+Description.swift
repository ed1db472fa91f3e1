import ChoraleBase

extension WitnessDeviation: CustomStringConvertible {
    /// A short name of the kind, for programs that count.
    public var name: String {
        switch self {
        case .threeLists: "three-lists"
        case .keys: "keys"
        case .keysNull: "keys-null"
        case .headersAsObjects: "headers-as-objects"
        case .headersWrapped: "headers-wrapped"
        case .map: "map"
        case .listMissing: "list-missing"
        case .hexCase: "hex-case"
        case .unprefixedHex: "hex-unprefixed"
        case .hexText: "hex-text"
        case .envelope: "envelope"
        case .oversize: "oversize"
        case .unsorted: "unsorted"
        case .repeated: "repeated"
        case .empty: "empty"
        case .emptyNode: "empty-node"
        case .notNode: "not-a-node"
        case .nonCanonicalNode: "non-canonical-node"
        case .oversizeCode: "oversize-code"
        case .noHeaders: "no-headers"
        case .tooManyHeaders: "too-many-headers"
        case .malformedHeader: "malformed-header"
        case .headersNewestFirst: "headers-newest-first"
        case .headersUnordered: "headers-unordered"
        case .headerGap: "header-gap"
        case .headerNotLinked: "header-not-linked"
        case .wrongParent: "wrong-parent"
        case .unused: "unused"
        case .unusedStorageRoots: "unused-storage-roots"
        case .unreachable: "unreachable"
        case .createdCodes: "created-codes"
        case .missingNode: "missing-node"
        case .missingCode: "missing-code"
        case .missingHeader: "missing-header"
        case .malformedNode: "malformed-node"
        case .blockNotExecuted: "block-not-executed"
        }
    }

    /// A sentence for people, without its full stop.
    public var description: String {
        switch self {
        case .threeLists: "three lists; engines exchange four, the fourth (keys) empty"
        case .keys(let count): "keys has \(counted(count, "entry", "entries")), which nobody needs"
        case .keysNull: "keys is null instead of absent"
        case .headersAsObjects(let count):
            "\(counted(count, "header is a JSON object", "headers are JSON objects")), not RLP"
        case .headersWrapped(let count):
            "\(counted(count, "header is a byte string", "headers are byte strings")) in RLP, "
                + "not the list that a header is"
        case .map(let part, .byBytes): "\(part.member) is an object with the bytes as names"
        case .map(let part, _): "\(part.member) is an object from hashes to bytes, not a list"
        case .listMissing(let part): "\(part.member) is not there or null, instead of an empty list"
        case .hexCase(.mixed): "hexadecimal letters of both cases, not lower case"
        case .hexCase: "hexadecimal in upper case, not lower case"
        case .unprefixedHex(let count):
            "\(counted(count, "byte string", "byte strings")) without 0x before the digits"
        case .hexText(let size): "\(size) bytes of hexadecimal text, twice what it stands for"
        case .envelope(.witnessMember): "the witness is a member of another object"
        case .envelope: "the witness is inside a JSON-RPC answer"
        case .oversize(let size, let limit): "\(size) bytes are above the limit of \(limit)"
        case .unsorted(let entries):
            "\(entries.counted) not in lexicographic order, the first \(entries.place)"
        case .repeated(let entries):
            "\(entries.counted) already there, the first \(entries.place)"
        case .empty(let entries): "\(entries.counted) empty, the first at \(entries.first)"
        case .emptyNode(let entries):
            "\(entries.counted) the empty trie's 0x80, the first at \(entries.first)"
        case .notNode(let entries, let error):
            "\(entries.counted) no trie node, the first \(entries.place)"
                + (error.map { ": \($0)" } ?? "")
        case .nonCanonicalNode(let entries, let error):
            "\(entries.counted) not canonical RLP, the first \(entries.place): \(error)"
        case .oversizeCode(let entries, let limit):
            "\(entries.counted) above the \(limit) bytes of a contract (EIP-170), the first "
                + entries.place
        case .noHeaders: "there are no headers, so no parent and no state root to start from"
        case .tooManyHeaders(let count, let limit):
            "\(count) headers; BLOCKHASH reaches back \(limit)"
        case .malformedHeader(let position, let error): "header \(position) is no header: \(error)"
        case .headersNewestFirst(let count):
            "\(count) headers from the parent back, not from the oldest to the parent"
        case .headersUnordered: "headers are neither from the oldest on nor from the newest back"
        case .headerGap(let position, let number, let before):
            "header \(position) has number \(number), after \(before): the chain has a gap"
        case .headerNotLinked(let position, let parent, let expected):
            "header \(position) has the parent hash 0x\(parent), but the header below it hashes "
                + "to 0x\(expected)"
        case .wrongParent(let found, let number, let expected):
            "the newest header (number \(number)) hashes to 0x\(found), but the block's parent is "
                + "0x\(expected)"
        case .unused(let entries) where entries.part == .headers:
            "\(entries.counted) older than the oldest that is asked for, the first \(entries.place)"
        case .unused(let entries):
            "\(entries.sized) not needed, the first \(entries.place)"
        case .unusedStorageRoots(let entries):
            "\(entries.sized) roots of storage that the block does not "
                + "look into, the first \(entries.place)"
        case .unreachable(let entries):
            "\(entries.sized) in no trie of the state before the block, "
                + "the first \(entries.place)"
        case .createdCodes(let entries):
            "\(entries.sized) created by the block itself, the first "
                + entries.place
        case .missingNode(let hash, let place, let need):
            "node 0x\(hash) is missing" + (place.map { ", at \($0)" } ?? "")
                + (need.map { "; needed by \($0)" } ?? "")
        case .missingCode(let hash, let address):
            "code 0x\(hash) is missing" + (address.map { ", of \($0)" } ?? "")
        case .missingHeader(let number):
            "the header of block \(number) is missing, whose hash BLOCKHASH asks for"
        case .malformedNode(let hash, let fault, let need):
            "node 0x\(hash) is needed and no node: \(fault)"
                + (need.map { "; needed by \($0)" } ?? "")
        case .blockNotExecuted(let failure):
            "what the block needs is not known: \(failure)"
        }
    }

    private func counted(_ count: Int, _ one: String, _ many: String) -> String {
        "\(count) \(count == 1 ? one : many)"
    }
}

extension WitnessDeviation.Entries {
    /// "3 nodes are", "1 code is".
    var counted: String { "\(count) \(count == 1 ? "\(part.singular) is" : "\(part.plural) are")" }

    /// "3 nodes (96 bytes) are".
    var sized: String {
        count == 1
            ? "1 \(part.singular) (\(size) bytes) is"
            : "\(count) \(part.plural) (\(size) bytes) are"
    }

    var place: String { "at \(first), 0x\(hash)" }
}

extension WitnessDeviation.Need: CustomStringConvertible {
    public var description: String {
        switch self {
        case .account(let address): "the account \(address)"
        case .storage(let address, let slot): "slot 0x\(slot.bytes32) of \(address)"
        case .code(let address): "the code of \(address)"
        case .change: "a change that the block makes"
        }
    }
}

extension WitnessPart {
    var singular: String {
        switch self {
        case .headers: "header"
        case .codes: "code"
        case .nodes: "node"
        case .keys: "key"
        }
    }

    var plural: String { singular + "s" }

    /// What the list is called in JSON.
    public var member: String { self == .nodes ? "state" : plural }
}
