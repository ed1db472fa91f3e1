public import ChoraleBase
import Crypto
public import Execution

/// A block that has become final, with what it adds to the state.
public struct FinalizedBlock: Sendable {
    public var block: Block
    public var hash: Bytes32
    /// Trie nodes by the hash of their bytes.
    public var nodes: [(hash: Bytes32, encoding: [UInt8])]
    /// Of its transactions, in order.
    public var receipts: [Receipt]
    /// Against the state before it.
    public var changes: [AccountChange]
}

/// What is final: blocks and the state after the last of them. Under an engine's tree of blocks that are
/// not, in memory or on a disk.
public protocol EngineBase: AnyObject, TrieNodeSource, CodeSource {
    /// The last final block.
    var head: Header { get }

    /// A final block; nil when it is unknown, or not kept any more.
    func block(_ hash: Bytes32) throws(SourceFailure) -> Block?
    /// The hash and the header of a final block; nil when there is none, or it is not kept any more. Those of
    /// the last 256 are.
    func header(at number: UInt64) throws(SourceFailure) -> (hash: Bytes32, header: Header)?

    /// Receipts of a final block, in order; nil when they are not kept.
    func receipts(at number: UInt64) throws(SourceFailure) -> [Receipt]?
    /// Where a transaction of a final block is; nil for one that is not kept.
    func location(of transaction: Bytes32) throws(SourceFailure) -> (number: UInt64, index: Int)?
    /// The state after a final block; nil where it is not kept.
    func state(after number: UInt64) throws(SourceFailure) -> (any StateReader)?

    /// Adds a block that follows ``head``. All of it or nothing.
    func add(_ block: FinalizedBlock) throws(SourceFailure)
}

/// A base in memory, which keeps the state and the last blocks.
public final class MemoryEngineBase: EngineBase {
    private var store: StateStore
    private var nodes: [Bytes32: [UInt8]] = [:]
    private var codes: [Bytes32: Code] = [:]
    private var blocks: [Bytes32: Block] = [:]
    private var hashes: [UInt64: Bytes32] = [:]
    private var headers: [UInt64: Header] = [:]
    private var receipts: [UInt64: [Receipt]] = [:]
    private var locations: [Bytes32: (number: UInt64, index: Int)] = [:]
    private let blockCountMax: UInt64
    public private(set) var head: Header

    /// - Parameters:
    ///   - genesis: the first block, which has no transactions.
    ///   - state: that of its root.
    ///   - blockCountMax: final blocks that are kept, at least 256, which execution may ask for.
    public init(genesis: Header, state: StateStore, blockCountMax: UInt64 = 1024) {
        precondition(blockCountMax >= 256, "BLOCKHASH reaches back 256 blocks")
        store = state
        head = genesis
        self.blockCountMax = blockCountMax
        let withdrawals: [Withdrawal]? = genesis.withdrawalsRoot == nil ? nil : []
        keep(Block(header: genesis, transactions: [], withdrawals: withdrawals), genesis.hash)
    }

    private func keep(_ block: Block, _ hash: Bytes32) {
        let number = block.header.number
        blocks[hash] = block
        hashes[number] = hash
        headers[number] = block.header
        guard number >= blockCountMax, let old = hashes.removeValue(forKey: number - blockCountMax)
        else { return }
        for transaction in blocks[old]?.transactions ?? [] {
            locations[Keccak256.hash(transaction.encoded)] = nil
        }
        receipts[number - blockCountMax] = nil
        blocks[old] = nil
        headers[number - blockCountMax] = nil
    }

    public func block(_ hash: Bytes32) -> Block? { blocks[hash] }

    public func header(at number: UInt64) -> (hash: Bytes32, header: Header)? {
        guard let hash = hashes[number], let header = headers[number] else { return nil }
        return (hash, header)
    }

    public func receipts(at number: UInt64) -> [Receipt]? {
        headers[number] == nil ? nil : receipts[number] ?? []
    }

    public func location(of transaction: Bytes32) -> (number: UInt64, index: Int)? {
        locations[transaction]
    }

    public func state(after number: UInt64) -> (any StateReader)? {
        guard let header = headers[number] else { return nil }
        // Nodes stay, and so all states that have a header.
        var known: [UInt64: Bytes32] = [:]
        for ancestor in (number < 255 ? 0 : number - 255)...number {
            known[ancestor] = hashes[ancestor]
        }
        return TrieState(root: header.stateRoot, source: self, blockHashes: known, records: false)
    }

    public func add(_ block: FinalizedBlock) {
        precondition(
            block.block.header.number == head.number + 1, "final blocks follow each other")
        for (hash, encoding) in block.nodes { nodes[hash] = encoding }
        for code in block.changes.compactMap(\.code) { codes[code.hash.bytes32] = code }
        let number = block.block.header.number
        receipts[number] = block.receipts
        for (index, transaction) in block.block.transactions.enumerated() {
            locations[Keccak256.hash(transaction.encoded)] = (number, index)
        }
        keep(block.block, block.hash)
        head = block.block.header
    }

    public func appendNode(_ hash: Bytes32, to bytes: inout [UInt8]) -> Bool {
        if let node = nodes[hash] {
            bytes.append(contentsOf: node)
            return true
        }
        return store.appendNode(hash, to: &bytes)
    }

    public func code(_ hash: Bytes32) -> Code? { codes[hash] ?? store.code(hash) }
}
