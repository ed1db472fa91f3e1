public import ChoraleBase

/// Which state a database has: that after one block.
public struct StateHead: Hashable, Sendable {
    public var blockNumber: UInt64
    public var blockHash: Bytes32
    public var stateRoot: Bytes32

    public init(blockNumber: UInt64, blockHash: Bytes32, stateRoot: Bytes32) {
        self.blockNumber = blockNumber
        self.blockHash = blockHash
        self.stateRoot = stateRoot
    }

    /// In the family `meta`.
    static let key = Array("state_head".utf8)
    static let size = 8 + 2 * Bytes32.size

    /// As it is kept: the number, big-endian, the block's hash, the root.
    var bytes: [UInt8] {
        stride(from: 56, through: 0, by: -8).map { UInt8(truncatingIfNeeded: blockNumber >> $0) }
            + blockHash.bytes + stateRoot.bytes
    }

    init?(bytes: [UInt8]) {
        guard bytes.count == Self.size, let blockHash = Bytes32(bytes[8..<40]),
            let stateRoot = Bytes32(bytes[40...])
        else { return nil }
        self.init(
            blockNumber: bytes[..<8].reduce(0) { $0 << 8 | UInt64($1) }, blockHash: blockHash,
            stateRoot: stateRoot)
    }
}
