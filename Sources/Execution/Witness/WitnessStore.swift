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
        let codeHashes = parallel.pieces(of: witness.codes.count, pieceMin: 16) { range in
            Keccak256.hashes(of: Array(witness.codes[range]), in: witness.bytes.span)
        }
        for (index, part) in witness.codes.enumerated() { codes[codeHashes[index]] = part }
    }

    /// Different nodes, and different codes.
    public var nodeCount: Int { nodes.count }
    public var codeCount: Int { codes.count }
    /// Different nodes that a trie has taken.
    public private(set) var usedNodeCount = 0

    public func appendNode(_ hash: Bytes32, to bytes: inout [UInt8]) -> Bool {
        let hash = UInt256(hash)
        guard let found = nodeIndex.find(HashSeed.hash(hash), { nodes[$0].hash == hash }) else {
            return false
        }
        if !nodes[found].isUsed {
            nodes[found].isUsed = true
            usedNodeCount += 1
        }
        let all = witness.bytes
        bytes.append(contentsOf: all.span.extracting(nodes[found].start..<nodes[found].end))
        return true
    }

    public func code(_ hash: Bytes32) -> Code? {
        guard let part = codes[hash] else { return nil }
        let bytes = witness.bytes
        return codeCache.code(hash, bytes.span.extracting(part))
    }
}
