import Chain
import ChoraleBase
import Execution

@testable import Store

/// Real blocks without transactions: withdrawals change the state.
struct EmptyBlocks {
    static let rules = ChainRules.always(.shanghai, blobs: .cancun)

    private(set) var blocks: [Block] = []

    /// Writes `count` blocks, built on the database's own state.
    init(_ database: ChainDatabase, count: Int) throws {
        var entries: [Address: StateStore.Entry] = [:]
        for index in 0..<50 {
            entries[TestChain.address(index)] = StateStore.Entry(
                balance: UInt256(UInt64(index + 1)))
        }
        let store = try StateStore(entries)
        var header = TestChain.header(0, parent: .zero, root: store.root)
        header.blobGasUsed = nil
        header.excessBlobGas = nil
        header.parentBeaconRoot = nil
        let genesis = Block(header: header, transactions: [], withdrawals: [])
        blocks.append(genesis)
        try database.write(
            Self.write(
                genesis, [], store.nodes.map { ($0.key, $0.value) }), sync: false)
        for height in 1..<count {
            let parent = blocks[height - 1].header
            let withdrawals = (0..<3).map { index in
                Withdrawal(
                    index: UInt64(3 * height + index), validatorIndex: 1,
                    address: TestChain.address((7 * height + 11 * index) % 60), amount: 5)
            }
            let state = TrieState(root: parent.stateRoot, source: database, blockHashes: [:])
            let builder = try BlockBuilder(
                after: parent,
                BlockAttributes(
                    timestamp: UInt64(height), withdrawals: withdrawals,
                    gasLimitTarget: 30_000_000),
                Self.rules, state: state)
            let ancestors = Dictionary(
                blocks.map { ($0.header.number, $0.header.encoded) }
            ) { $1 }
            let built = try builder.finish(ancestors: ancestors)
            blocks.append(built.block)
            try database.write(
                Self.write(built.block, built.outcome.changes, built.newNodes), sync: false)
        }
    }

    private static func write(
        _ block: Block, _ changes: [AccountChange],
        _ nodes: [(hash: Bytes32, encoding: [UInt8])]
    ) -> BlockWrite {
        let height = block.header.number
        return BlockWrite(
            block: StoredBlock(
                height: height, blockID: TestChain.hash("block \(height)"),
                blockHash: block.header.hash, block: [], payload: block.encoded, commit: []),
            execution: ExecutionWrite(
                header: block.header, stateRoot: block.header.stateRoot, transactionHashes: [],
                receipts: [], changes: changes, newNodes: nodes),
            head: [])
    }
}
