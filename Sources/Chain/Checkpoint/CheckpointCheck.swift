public import ChoraleBase
public import ChoraleTypes
import Codec
import Consensus
import Crypto
public import Execution

/// Why an answer to `checkpoint` is not what was asked for. Whoever sent it made it up, or did not look.
public enum CheckpointFault: Error, Hashable, Sendable {
    /// The head has another root.
    case root(Bytes32)
    /// The block, its payload or its requests are not those that the head has.
    case block(String)
    case commit(Commit.VerifyError)
    /// A header is missing or not the parent of the one after it.
    case ancestor(index: Int)
}

extension CheckpointFault: CustomStringConvertible {
    public var description: String {
        switch self {
        case .root(let root): "a checkpoint with root 0x\(root), which nobody asked for"
        case .block(let text): "a checkpoint with another block: \(text)"
        case .commit(let error): "a checkpoint with a commit that is none: \(error)"
        case .ancestor(let index): "a checkpoint whose header \(index) is not the one before"
        }
    }
}

extension CheckpointAnswer {
    /// Sees that everything in it follows from the value that is trusted.
    ///
    /// The head by its root; the block by its name in the head, and payload and requests by the block and the
    /// execution header; the commit by signatures of the head's validators; the headers before by their hashes, from
    /// the execution header on.
    func check(_ id: CheckpointID, _ parameters: ChainParameters) throws(CheckpointFault) {
        let root = head.checkpointRoot
        guard root == id.root, head.height == id.height else { throw .root(root) }
        guard block.block.id == head.blockID, block.block.header.height == head.height,
            block.block.header.network == parameters.network
        else { throw .block("name, height or network") }
        // In whichever form: two valid ones would be two truths.
        guard block.commit == head.commit else { throw .block("two commits") }
        guard ContentReference(kind: .block, bytes: block.payload) == block.block.header.payload
        else { throw .block("the payload") }
        guard let payload = try? Block(block.payload.span), payload.header == head.header,
            payload.header.number == head.height
        else { throw .block("the execution header") }
        if let requests = head.header.requestsHash,
            ExecutionRequests.hash(block.requests) != requests
        {
            throw .block("the requests")
        }
        do throws(Commit.VerifyError) {
            try block.commit.verify(validators: head.validators, network: parameters.network)
        } catch {
            throw .commit(error)
        }
        let expected = CheckpointParts.ancestorHeights(of: head.height).count
        guard ancestors.count == expected else { throw .ancestor(index: ancestors.count) }
        var parent = head.header.parentHash
        for (index, encoding) in ancestors.enumerated() {
            guard Keccak256.hash(encoding) == parent, let header = try? Header(encoding.span),
                header.number == head.height - 1 - UInt64(index)
            else { throw .ancestor(index: index) }
            parent = header.parentHash
        }
    }
}

/// Why a part of the state is not what was asked for. Whoever sent it made it up, or did not look.
public enum StateRangeFault: Error, Hashable, Sendable {
    /// Another number of ranges or codes than were asked for.
    case count(Int, asked: Int)
    /// It ends before the end, with next to nothing.
    case tooLittle(Int)
    /// More bytes than an answer may have.
    case tooMuch(Int)
    /// It ends where nothing was asked for, or says nothing on.
    case end(Bytes32)
    case proof(RangeProofError)
    /// An entry is no account, or no word.
    case malformed(Bytes32)
    /// Another code.
    case code(Bytes32)
}

extension StateRangeFault: CustomStringConvertible {
    public var description: String {
        switch self {
        case .count(let count, let asked):
            "\(count) parts of the state where \(asked) were asked for"
        case .tooLittle(let size): "a part of the state of \(size) bytes that ends before its end"
        case .tooMuch(let size): "a part of the state of \(size) bytes"
        case .end(let key): "a part of the state that ends at 0x\(key)"
        case .proof(let error): "a part of the state that is not proven: \(error)"
        case .malformed(let key): "an entry 0x\(key) that is none"
        case .code(let hash): "another code than 0x\(hash)"
        }
    }
}
