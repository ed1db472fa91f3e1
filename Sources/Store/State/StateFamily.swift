/// The column families of a state.
///
/// Names are written to disk: never rename one, only add.
enum StateFamily: String, TableFamily {
    /// Schema version and head.
    case meta
    /// Encodings of trie nodes by their Keccak-256.
    case node = "state_node"
    /// Contract codes by theirs.
    case code = "state_code"

    var index: Int {
        switch self {
        case .meta: 0
        case .node: 1
        case .code: 2
        }
    }

    var tuning: TableSettings.Tuning {
        switch self {
        case .node: .init(isCompressed: false, bufferShare: 2)
        // Code shrinks to about two thirds.
        case .meta, .code: .init()
        }
    }
}

typealias StateFiles = TableFiles<StateFamily>
