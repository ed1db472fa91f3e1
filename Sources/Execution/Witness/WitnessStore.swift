public import ChoraleBase
import Crypto

/// A witness's nodes and codes, found by the hash of their bytes.
///
/// A class, because a ``TrieState`` shares it with whoever asks afterwards what was used.
public final class WitnessStore: TrieNodeSource, CodeSource {
    private struct Entry: BitwiseCopyable {
        let hash: UInt256
        let start: Int
        let end: Int
        var isUsed = false
    }

    private let witness: Witness
    private let codeCache: CodeCache
    private var nodes = Arena<Entry>(capacity: 4096)
    private var nodeIndex: HashIndex
    private var codes: [Bytes32: Range<Int>] = [:]

    /// Hashes every part once.
    ///
    /// - Parameters:
    ///   - codeCache: kept from one block to the next.
    ///   - parallel: hashes pieces of a large witness at once.
    public init(
        _ witness: Witness, _ codeCache: CodeCache, _ parallel: any ParallelMap = SequentialMap()
    ) {
        self.witness = witness
        self.codeCache = codeCache
        nodeIndex = HashIndex(capacity: max(witness.nodes.count, 16))
        // A node of average size takes a quarter of a microsecond: pieces of a tenth of a millisecond.
        let hashes = parallel.pieces(of: witness.nodes.count, pieceMin: 512) { range in
            Keccak256.hashes(of: Array(witness.nodes[range]), in: witness.bytes.span)
        }
        for (index, part) in witness.nodes.enumerated() {
            let hash = UInt256(hashes[index])
            let key = HashSeed.hash(hash)
            guard nodeIndex.find(key, { nodes[$0].hash == hash }) == nil else { continue }
            nodeIndex.insert(key, nodes.count) { HashSeed.hash(nodes[$0].hash) }
            nodes.append(Entry(hash: hash, start: part.lowerBound, end: part.upperBound))
        }
        codes.reserveCapacity(witness.codes.count)
        // Most codes were there in an earlier block: to compare is quicker than to hash.
        var others: [Range<Int>] = []
        for part in witness.codes {
            let known = codeCache.recognized(witness.bytes.span.extracting(part))
            if let known { codes[known.hash.bytes32] = part } else { others.append(part) }
        }
        let unknown = others
        let codeHashes = parallel.pieces(of: unknown.count, pieceMin: 16) { range in
            Keccak256.hashes(of: Array(unknown[range]), in: witness.bytes.span)
        }
        for (hash, part) in zip(codeHashes, unknown) { codes[hash] = part }
    }

    /// Different nodes, and different codes.
    public var nodeCount: Int { nodes.count }
    public var codeCount: Int { codes.count }
    /// Different nodes that a trie has taken.
    public private(set) var usedNodeCount = 0

    public func appendNode(_ hash: Bytes32, to bytes: inout [UInt8]) -> Bool {
        guard let place = place(hash) else { return false }
        let all = witness.bytes
        bytes.append(contentsOf: all.span.extracting(place))
        return true
    }

    public var stock: TrieStock? {
        var range: Range<Int>?
        var size = 0
        for part in witness.nodes {
            let all = range ?? part
            range = min(all.lowerBound, part.lowerBound)..<max(all.upperBound, part.upperBound)
            size += part.count
        }
        // Where other things lie between them, the nodes are copied one by one.
        guard let range, range.count <= 2 * size else { return nil }
        return TrieStock(bytes: witness.bytes, range: range, nodeCount: nodes.count)
    }

    public func place(_ hash: Bytes32) -> Range<Int>? {
        let hash = UInt256(hash)
        guard let found = nodeIndex.find(HashSeed.hash(hash), { nodes[$0].hash == hash }) else {
            return nil
        }
        if !nodes[found].isUsed {
            nodes[found].isUsed = true
            usedNodeCount += 1
        }
        return nodes[found].start..<nodes[found].end
    }

    public func code(_ hash: Bytes32) -> Code? {
        guard let part = codes[hash] else { return nil }
        let bytes = witness.bytes
        return codeCache.code(hash, bytes.span.extracting(part))
    }
}
