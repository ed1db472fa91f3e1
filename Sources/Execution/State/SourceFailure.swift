public import ChoraleBase

/// Why a source of nodes or codes could not answer.
///
/// Not absence, and not the fault of whoever made a block or a witness: whatever was asked may be there,
/// and nothing follows for the block.
public enum SourceFailure: Error, Hashable, Sendable {
    /// It cannot be read, in the words of what keeps it.
    case unavailable(String)
    /// What is kept is damaged, in the words of what keeps it.
    case damaged(String)
    /// What is kept under this hash has another.
    case mismatch(Bytes32, found: Bytes32)
    /// What is kept under this hash has more bytes than a node, or a code, may have.
    case oversized(Bytes32, size: Int, limit: Int)
}

extension SourceFailure: CustomStringConvertible {
    /// A sentence for the operator.
    public var description: String {
        switch self {
        case .unavailable(let detail): "the state could not be read: \(detail)"
        case .damaged(let detail): "the state is damaged: \(detail)"
        case .mismatch(let hash, let found):
            "the state is damaged: what is kept as 0x\(hash) has the hash 0x\(found)"
        case .oversized(let hash, let size, let limit):
            "the state is damaged: what is kept as 0x\(hash) has \(size) bytes, not \(limit) at most"
        }
    }
}
