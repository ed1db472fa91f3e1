/// The column families of a chain.
///
/// Names are written to disk: never rename one, only add.
enum ChainFamily: String, TableFamily {
    /// Schema version, network, head.
    case meta
    /// Parts of the block at a height (``ChainKey/block(_:_:)``).
    case block
    /// Heights by the hashes of execution blocks and the names of consensus blocks.
    case name = "block_name"
    /// Height and index by a transaction's hash.
    case transaction
    /// Accounts of the head's state by the hashes of their addresses.
    case account = "state_account"
    /// Words of the head's state by account, incarnation and the hash of the slot.
    case slot = "state_slot"
    /// What accounts and slots were before a height, by what they are and the height.
    case history = "state_history"
    /// Trie nodes by their hash and their birth.
    case node = "state_node"
    /// Contract codes by their hash.
    case code = "state_code"
    /// What a height leaves for pruning.
    case journal

    var index: Int {
        switch self {
        case .meta: 0
        case .block: 1
        case .name: 2
        case .transaction: 3
        case .account: 4
        case .slot: 5
        case .history: 6
        case .node: 7
        case .code: 8
        case .journal: 9
        }
    }

    var tuning: TableSettings.Tuning {
        switch self {
        case .node:
            .init(
                isCompressed: false, bufferShare: 2, prefixSize: 32, expectsHits: true,
                isHashed: true)
        // An account's hash: what is looked for is the first row of a key from a height on.
        case .history: .init(prefixSize: 33, expectsHits: false, isHashed: true)
        case .transaction:
            .init(isCompressed: false, prefixSize: 32, expectsHits: false, isHashed: true)
        // In order, for whoever takes a range of them.
        case .account, .slot: .init(expectsHits: false)
        case .name, .journal: .init(isCompressed: false, expectsHits: false)
        case .meta, .block, .code: .init()
        }
    }
}

typealias ChainFiles = TableFiles<ChainFamily>
