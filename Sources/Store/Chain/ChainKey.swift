import ChoraleBase

/// The keys of a chain's rows. Numbers are big-endian, so that rows come in the order of heights.
enum ChainKey {
    static let schema = Array("chain_schema".utf8)
    static let network = Array("chain_network".utf8)
    static let head = Array("chain_head".utf8)
    /// Root of a state that was imported and has no block yet.
    static let imported = Array("chain_imported".utf8)
    /// There while a state is imported.
    static let importing = Array("chain_importing".utf8)

    /// What is kept of a block, each under the block's height and a byte.
    enum BlockPart: UInt8, CaseIterable {
        /// Hash of the execution block and name of the consensus block, 64 bytes.
        case names = 0
        /// Of the execution block, in RLP.
        case header = 1
        case consensusBlock = 2
        case payload = 3
        case commit = 4
        case receipts = 5
        /// Hashes, 32 bytes each.
        case transactions = 6
    }

    /// The chain's own record at a height that others may begin at.
    static func checkpoint(_ height: UInt64) -> [UInt8] {
        Array("chain_checkpoint_".utf8) + number(height)
    }

    /// Of journals, beside ``Journal``: what is left of a download, before there is a height.
    static let downloadPrefix: UInt8 = 0x10

    static func download(_ key: [UInt8]) -> [UInt8] { [downloadPrefix] + key }

    /// A block of the next height that was found valid.
    static func candidate(_ place: Int) -> [UInt8] {
        Array("chain_candidate_".utf8) + [UInt8(place)]
    }

    static func block(_ height: UInt64, _ part: BlockPart) -> [UInt8] {
        number(height) + [part.rawValue]
    }

    static func blockHash(_ hash: Bytes32) -> [UInt8] { [0] + hash.bytes }

    static func blockID(_ id: Bytes32) -> [UInt8] { [1] + id.bytes }

    /// A word of an account's storage.
    ///
    /// - Parameter incarnation: the height at which this storage began. When an account loses its storage,
    ///   the next one has another number, so that nothing has to be deleted at once.
    static func slot(_ account: Bytes32, _ incarnation: UInt64, _ slot: Bytes32) -> [UInt8] {
        var key = slots(account, incarnation)
        key.append(contentsOf: slot.storage.span)
        return key
    }

    static func slots(_ account: Bytes32, _ incarnation: UInt64) -> [UInt8] {
        var key: [UInt8] = []
        key.reserveCapacity(72)
        key.append(contentsOf: account.storage.span)
        key.appendBigEndian(incarnation)
        return key
    }

    /// What a row of the flat state was before a height.
    ///
    /// - Parameter row: an account's key, or a slot's.
    static func history(_ row: [UInt8], _ height: UInt64) -> [UInt8] {
        var key: [UInt8] = [row.count == Bytes32.size ? 0 : 1]
        key.reserveCapacity(row.count + 9)
        key += row
        key.appendBigEndian(height)
        return key
    }

    /// - Parameter birth: a number that no other row of a node has. The latest comes first.
    static func node(_ hash: Bytes32, _ birth: UInt64) -> [UInt8] {
        var key: [UInt8] = []
        key.reserveCapacity(40)
        key.append(contentsOf: hash.storage.span)
        key.appendBigEndian(~birth)
        return key
    }

    /// What is kept for pruning, each under a byte and a height.
    enum Journal: UInt8 {
        /// ``NodeDeaths``.
        case deaths = 0
        /// ``FlatChanges``.
        case changes = 1
        /// Hashes of the roots of subtries of storage that are being taken down.
        case subtries = 2
    }

    static func journal(_ kind: Journal, _ height: UInt64) -> [UInt8] {
        [kind.rawValue] + number(height)
    }

    static func number(_ value: UInt64) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.appendBigEndian(value)
        return bytes
    }

    static func number(_ bytes: Span<UInt8>) -> UInt64? {
        bytes.count == 8 ? bytes.loadBigEndian(UInt64.self, at: 0) : nil
    }
}

/// Where a transaction was included, as it is kept: height and index, 12 bytes.
struct TransactionPlace {
    let height: UInt64
    let index: UInt32

    init(height: UInt64, index: UInt32) {
        self.height = height
        self.index = index
    }

    init?(_ bytes: Span<UInt8>) {
        guard bytes.count == 12 else { return nil }
        height = bytes.loadBigEndian(UInt64.self, at: 0)
        index = bytes.loadBigEndian(UInt32.self, at: 8)
    }

    var bytes: [UInt8] {
        var bytes: [UInt8] = []
        bytes.appendBigEndian(height)
        bytes.appendBigEndian(index)
        return bytes
    }
}
