import ChoraleBase
import ChoraleTypes
import DequeModule

/// Proofs that this node keeps for others: which there are, and what is to be written.
///
/// In the family `proof`:
///
/// | key | value |
/// | --- | --- |
/// | `0 ‖ height ‖ root` | size, 4 bytes big-endian |
/// | `1 ‖ root` | height, 8 bytes big-endian ‖ the proof |
///
/// Heights are those of commitments, big-endian, so that what is old is a range. What the disk has and the
/// index does not name is never read.
struct ProofShelf {
    static let indexStart: [UInt8] = [0]
    static let indexEnd: [UInt8] = [1]

    struct Place: Hashable {
        let height: UInt64
        let root: Bytes32
    }

    let sizeMax: UInt64
    let countMax: Int
    private var sizes: [Bytes32: UInt32] = [:]
    /// By height.
    private var places: Deque<Place> = []
    private(set) var size: UInt64 = 0

    init(sizeMax: UInt64, countMax: Int) {
        self.sizeMax = sizeMax
        self.countMax = countMax
    }

    var count: Int { places.count }

    func has(_ root: Bytes32) -> Bool { sizes[root] != nil }

    /// Takes a row of the index, as an earlier run wrote it; false for what is none.
    mutating func restore(_ row: StoreRow) -> Bool {
        guard row.key.count == 1 + 8 + 32, row.key[0] == 0, row.value.count == 4,
            let root = Bytes32(row.key[9...])
        else { return false }
        guard !has(root) else { return true }
        insert(
            Place(height: row.key.span.loadBigEndian(UInt64.self, at: 1), root: root),
            row.value.span.loadBigEndian(UInt32.self, at: 0))
        return true
    }

    /// What is to be written so that the proof is kept, and gives way what is oldest.
    mutating func add(_ proof: [UInt8], root: Bytes32, height: UInt64) -> [StoreWrite] {
        guard !has(root), !proof.isEmpty, UInt64(proof.count) <= sizeMax else { return [] }
        let place = Place(height: height, root: root)
        insert(place, UInt32(proof.count))
        var size: [UInt8] = []
        size.appendBigEndian(UInt32(proof.count))
        var value: [UInt8] = []
        value.reserveCapacity(8 + proof.count)
        value.appendBigEndian(height)
        value += proof
        var writes: [StoreWrite] = [
            .put(.proof, key: Self.indexKey(place), value: size),
            .put(.proof, key: Self.bodyKey(root), value: value),
        ]
        while self.size > sizeMax || places.count > countMax {
            // The new one, too, when all others are newer.
            writes += removeFirst()
        }
        return writes
    }

    /// Forgets what belongs to lower heights.
    mutating func prune(below height: UInt64) -> [StoreWrite] {
        var writes: [StoreWrite] = []
        while let first = places.first, first.height < height { writes += removeFirst() }
        return writes
    }

    /// It was named and is not there.
    mutating func forget(_ root: Bytes32) -> [StoreWrite] {
        guard let size = sizes.removeValue(forKey: root),
            let index = places.firstIndex(where: { $0.root == root })
        else { return [] }
        self.size -= UInt64(size)
        return deletion(of: places.remove(at: index))
    }

    static func bodyKey(_ root: Bytes32) -> [UInt8] { [1] + root.bytes }

    /// The proof in a row's value.
    static func proof(inValue value: [UInt8]) -> [UInt8]? {
        value.count > 8 ? Array(value[8...]) : nil
    }

    private static func indexKey(_ place: Place) -> [UInt8] {
        var key: [UInt8] = [0]
        key.appendBigEndian(place.height)
        return key + place.root.bytes
    }

    private mutating func insert(_ place: Place, _ size: UInt32) {
        // Heights ascend but for those of this moment.
        var index = places.count
        while index > 0, places[index - 1].height > place.height { index -= 1 }
        places.insert(place, at: index)
        sizes[place.root] = size
        self.size += UInt64(size)
    }

    private mutating func removeFirst() -> [StoreWrite] {
        let place = places.removeFirst()
        size -= UInt64(sizes.removeValue(forKey: place.root) ?? 0)
        return deletion(of: place)
    }

    private func deletion(of place: Place) -> [StoreWrite] {
        [
            .delete(.proof, key: Self.indexKey(place)),
            .delete(.proof, key: Self.bodyKey(place.root)),
        ]
    }
}
