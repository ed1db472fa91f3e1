import ChoraleBase

/// What a chain's database knows of itself, written with every height.
struct ChainHead {
    var height: UInt64
    var blockHash: Bytes32
    var blockID: Bytes32
    /// Root of the state after the block; nil where no state is kept.
    var stateRoot: Bytes32?
    /// The next row of a node has this.
    var nextBirth: UInt64
    /// The lowest height whose deaths are still to be carried out: tries from the height before it on are
    /// whole.
    var nextDeaths: UInt64
    /// The lowest height whose reverse diff is kept: states from the height before it on can be read.
    var oldestDiff: UInt64
    /// The lowest height whose block is kept.
    var oldestBlock: UInt64
    /// The chain's own.
    var record: [UInt8]

    static let fixedSize = 8 * 5 + 32 * 3 + 1

    init(first height: UInt64, blockHash: Bytes32, blockID: Bytes32) {
        self.height = height
        self.blockHash = blockHash
        self.blockID = blockID
        stateRoot = nil
        nextBirth = 0
        nextDeaths = height + 1
        oldestDiff = height + 1
        oldestBlock = height
        record = []
    }

    init?(_ bytes: Span<UInt8>) {
        guard bytes.count >= Self.fixedSize, bytes[40] < 2,
            let blockHash = Bytes32(bytes.extracting(41..<73)),
            let blockID = Bytes32(bytes.extracting(73..<105)),
            let root = Bytes32(bytes.extracting(105..<137))
        else { return nil }
        height = bytes.loadBigEndian(UInt64.self, at: 0)
        nextBirth = bytes.loadBigEndian(UInt64.self, at: 8)
        nextDeaths = bytes.loadBigEndian(UInt64.self, at: 16)
        oldestDiff = bytes.loadBigEndian(UInt64.self, at: 24)
        oldestBlock = bytes.loadBigEndian(UInt64.self, at: 32)
        stateRoot = bytes[40] == 1 ? root : nil
        self.blockHash = blockHash
        self.blockID = blockID
        record = bytes.extracting(137...).copied()
    }

    var bytes: [UInt8] {
        var bytes: [UInt8] = []
        for number in [height, nextBirth, nextDeaths, oldestDiff, oldestBlock] {
            bytes.appendBigEndian(number)
        }
        bytes.append(stateRoot == nil ? 0 : 1)
        for hash in [blockHash, blockID, stateRoot ?? .zero] {
            bytes.append(contentsOf: hash.storage.span)
        }
        return bytes + record
    }

    /// The lowest height whose tries are whole.
    var oldestTrie: UInt64 { nextDeaths - 1 }

    /// The lowest height after which the flat state can be read.
    var oldestState: UInt64 { oldestDiff - 1 }
}
