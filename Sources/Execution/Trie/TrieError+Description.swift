import ChoraleBase

extension TrieError: CustomStringConvertible {
    public var description: String {
        switch self {
        case .missing(let hash): "node 0x\(hash) is needed and not in the witness"
        case .source(let failure): "\(failure)"
        case .malformed(let hash, let fault): "node 0x\(hash) is no trie node: \(fault)"
        case .tooLarge(let limit): "the trie holds more than \(limit) bytes of paths and values"
        case .tooManyNodes(let limit): "the trie holds more than \(limit) nodes"
        }
    }
}

extension TrieNodeFault: CustomStringConvertible {
    public var description: String {
        switch self {
        case .rlp(let error): "\(error)"
        case .tooLarge(let size): "it has \(size) bytes, more than a node may have"
        case .itemCount(let count): "it has \(count) items, not 2 or 17"
        case .path: "its path is empty, or its flag above 3, or its padding not 0"
        case .emptyExtension: "an extension has a path of 0 nibbles, not at least 1"
        case .extensionWithoutBranch: "an extension leads to something else than a branch"
        case .emptyValue: "a leaf has a value of 0 bytes, not at least 1"
        case .sparseBranch: "a branch has fewer than 2 of its 17 places taken"
        case .reference(let size): "a reference has \(size) bytes, not 0 or 32"
        case .embeddedTooLarge(let size): "a node inside another has \(size) bytes, not below 32"
        case .notEmbedded(let size):
            "it has \(size) bytes and is not inside another, not at least 32"
        }
    }
}
