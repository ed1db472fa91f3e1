import ChoraleBase

/// The nodes that were used last, within a number of bytes.
///
/// Two generations. A node goes into the younger one, also when it is found in the older; when the
/// younger one is full it becomes the older, and what was in that is forgotten. So what is used again
/// before half the room was written over stays, without a list to keep in order: an access costs one or
/// two lookups. Their memory is taken once and used again.
///
/// Whoever chooses what is read cannot choose where it lies: `Dictionary` is seeded by the process.
struct NodeCache {
    private struct Generation {
        var places: [NodeKey: Place] = [:]
        var bytes: [UInt8] = []
        /// What counts against the limit.
        var size = 0

        mutating func removeAll() {
            places.removeAll(keepingCapacity: true)
            bytes.removeAll(keepingCapacity: true)
            size = 0
        }
    }

    private struct Place {
        let start: UInt32
        let count: UInt32
        var range: Range<Int> { Int(start)..<Int(start) + Int(count) }
    }

    /// What an entry takes beside its bytes: 32 of the key and 8 of the place, in a table that is
    /// three eighths full at worst.
    static let entrySize = 107

    private var young = Generation()
    private var old = Generation()
    private let generationSizeMax: Int

    /// - Parameter sizeMax: bytes of nodes and of what finding them takes; below 2³², and at 0 nothing is
    ///   kept.
    init(sizeMax: Int) {
        // Places have 32 bits.
        generationSizeMax = min(max(sizeMax / 2, 0), Int(UInt32.max))
    }

    /// Bytes that count against the limit.
    var size: Int { young.size + old.size }

    var count: Int { young.places.count + old.places.count }

    /// Appends a node; false when it is not here.
    mutating func append(_ hash: Bytes32, to output: inout [UInt8]) -> Bool {
        let key = NodeKey(hash)
        if let place = young.places[key] {
            output.append(contentsOf: young.bytes.span.extracting(place.range))
            return true
        }
        guard let place = old.places[key] else { return false }
        let start = output.count
        output.append(contentsOf: old.bytes.span.extracting(place.range))
        // It is in both then, until the older one goes.
        insert(key, output.span.extracting(start..<output.count))
        return true
    }

    /// Keeps a node, if it is not larger than all that may be kept.
    mutating func insert(_ hash: Bytes32, _ node: Span<UInt8>) {
        let key = NodeKey(hash)
        if young.places[key] == nil { insert(key, node) }
    }

    /// Keeps a node that is not in the younger generation.
    private mutating func insert(_ key: NodeKey, _ node: Span<UInt8>) {
        let size = node.count + Self.entrySize
        guard size <= generationSizeMax else { return }
        if young.size + size > generationSizeMax {
            swap(&young, &old)
            young.removeAll()
        }
        young.places[key] = Place(
            start: UInt32(young.bytes.count), count: UInt32(node.count))
        young.bytes.append(contentsOf: node)
        young.size += size
    }

    /// Keeps bytes in place of those with the same key and as many, if there are any.
    mutating func update(_ hash: Bytes32, _ node: Span<UInt8>) {
        let key = NodeKey(hash)
        guard let place = young.places[key] else { return insert(key, node) }
        precondition(Int(place.count) == node.count, "a node has one size")
        var bytes = young.bytes.mutableSpan
        for index in 0..<node.count { bytes[Int(place.start) + index] = node[index] }
    }
}
