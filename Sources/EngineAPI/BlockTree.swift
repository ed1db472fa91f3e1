import ChoraleBase
import Crypto
import Execution

/// Valid blocks above what is final, and their states.
///
/// Nodes and codes are found by their hash, so one store has those of all blocks; each is counted once for
/// every block that brought it, and goes with the last of these. Whatever a block's state needs is with
/// the block, its ancestors here, or the base.
///
/// Memory: `size`, bounded by whoever adds.
struct BlockTree {
    struct Entry {
        let block: Block
        let hash: Bytes32
        let header: [UInt8]
        let requests: [[UInt8]]
        let receipts: [Receipt]
        /// Of the block's transactions, in order.
        let transactionHashes: [Bytes32]
        /// Against the parent's state.
        let changes: [AccountChange]
        /// RLP; made with the block, or nil.
        var witness: [UInt8]?
        fileprivate let nodes: [Bytes32]
        /// Bytes that count: of the block, its witness and receipts, its changes, nodes and codes.
        let size: Int

        var parent: Bytes32 { block.header.parentHash }
        var number: UInt64 { block.header.number }
    }

    private(set) var entries: [Bytes32: Entry] = [:]
    private var nodes: [Bytes32: (encoding: [UInt8], count: Int)] = [:]
    private var codes: [Bytes32: (code: Code, count: Int)] = [:]
    private(set) var size = 0

    subscript(hash: Bytes32) -> Entry? { entries[hash] }

    func node(_ hash: Bytes32) -> [UInt8]? { nodes[hash]?.encoding }
    func code(_ hash: Bytes32) -> Code? { codes[hash]?.code }

    mutating func insert(_ executed: ExecutedBlock) {
        precondition(entries[executed.hash] == nil, "a block is executed once")
        var size = executed.size + (executed.witness?.count ?? 0)
        size += executed.outcome.receipts.reduce(0) { $0 + $1.heldSize }
        size += executed.outcome.changes.reduce(0) { $0 + 256 + $1.slots.count * 64 }
        for (hash, encoding) in executed.nodes {
            size += encoding.count
            nodes[hash, default: (encoding, 0)].count += 1
        }
        for code in executed.codes {
            size += code.size
            codes[code.hash.bytes32, default: (code, 0)].count += 1
        }
        entries[executed.hash] = Entry(
            block: executed.block, hash: executed.hash, header: executed.block.header.encoded,
            requests: executed.outcome.requests, receipts: executed.outcome.receipts,
            transactionHashes: executed.block.transactions.map { Keccak256.hash($0.encoded) },
            changes: executed.outcome.changes, witness: executed.witness,
            nodes: executed.nodes.map(\.hash), size: size)
        self.size += size
    }

    /// What the block added, to be given to the base.
    func addition(_ entry: Entry) -> FinalizedBlock {
        FinalizedBlock(
            block: entry.block, hash: entry.hash,
            nodes: entry.nodes.compactMap { hash in
                nodes[hash].map { (hash: hash, encoding: $0.encoding) }
            }, receipts: entry.receipts, changes: entry.changes)
    }

    mutating func remove(_ hash: Bytes32) {
        guard let entry = entries.removeValue(forKey: hash) else { return }
        size -= entry.size
        for hash in entry.nodes {
            guard let count = nodes[hash]?.count else { continue }
            if count > 1 { nodes[hash]?.count = count - 1 } else { nodes[hash] = nil }
        }
        for hash in entry.changes.compactMap({ $0.code?.hash.bytes32 }) {
            guard let count = codes[hash]?.count else { continue }
            if count > 1 { codes[hash]?.count = count - 1 } else { codes[hash] = nil }
        }
    }

    /// The block of this number on the branch that ends with a block, if it is here.
    func ancestor(of hash: Bytes32, at number: UInt64) -> Entry? {
        var next = entries[hash]
        while let entry = next, entry.number > number { next = entries[entry.parent] }
        return next.flatMap { $0.number == number ? $0 : nil }
    }
}

/// A block that was found valid, or built, by one execution.
struct ExecutedBlock {
    var block: Block
    var hash: Bytes32
    /// Of its encoding.
    var size: Int
    var outcome: BlockOutcome
    /// RLP.
    var witness: [UInt8]?
    var nodes: [(hash: Bytes32, encoding: [UInt8])]

    /// Codes that it created.
    var codes: [Code] { outcome.changes.compactMap(\.code) }
}

extension Receipt {
    /// What it takes in memory, in bytes, roughly.
    fileprivate var heldSize: Int {
        logs.reduce(320) { $0 + 96 + $1.data.count + $1.topics.count * 32 }
    }
}

/// The tree with its base under it, as states read them.
final class EngineState<Base: EngineBase>: TrieNodeSource, CodeSource {
    let base: Base
    var tree = BlockTree()

    init(_ base: Base) { self.base = base }

    func appendNode(_ hash: Bytes32, to bytes: inout [UInt8]) throws(SourceFailure) -> Bool {
        if let node = tree.node(hash) {
            bytes.append(contentsOf: node)
            return true
        }
        return try base.appendNode(hash, to: &bytes)
    }

    func code(_ hash: Bytes32) throws(SourceFailure) -> Code? {
        if let code = tree.code(hash) { return code }
        return try base.code(hash)
    }
}
