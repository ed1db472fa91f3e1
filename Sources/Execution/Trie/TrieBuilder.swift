public import ChoraleBase
import Codec
import Crypto

/// The trie of a whole set of entries that are at hand in the order of their keys.
///
/// For what is known from its beginning to its end, such as a genesis state: nodes are made once,
/// handed out and forgotten, so that the memory is that of one path. ``Trie`` gives the same for
/// entries that come one by one.
///
/// Specification: Ethereum yellow paper, appendix D.
public enum TrieBuilder {
    /// Builds the trie and returns its root.
    ///
    /// - Parameters:
    ///   - count: of the entries.
    ///   - key: the key of each entry, ascending, no two alike.
    ///   - value: the value of each entry, not empty. Asked for once each, in order.
    ///   - node: receives the nodes that a store needs, children before parents: each that has a hash
    ///     in its parent, and the root, whatever its size.
    public static func build<Failure: Error>(
        count: Int, key: (Int) -> Bytes32, value: (Int) throws(Failure) -> [UInt8],
        node: (Bytes32, [UInt8]) -> Void
    ) throws(Failure) -> Bytes32 {
        guard count > 0 else { return Trie.emptyRoot }
        let encoding = try encoding(0..<count, depth: 0, key, value, node)
        let root = Keccak256.hash(encoding)
        node(root, encoding)
        return root
    }

    /// The node at `depth` nibbles above these entries, whose keys are alike so far.
    ///
    /// Recursion ends at 64, the nibbles of a key.
    private static func encoding<Failure: Error>(
        _ entries: Range<Int>, depth: Int, _ key: (Int) -> Bytes32,
        _ value: (Int) throws(Failure) -> [UInt8], _ node: (Bytes32, [UInt8]) -> Void
    ) throws(Failure) -> [UInt8] {
        let first = key(entries.lowerBound)
        var writer = RLPWriter()
        let list = writer.beginList()
        if entries.count == 1 {
            writer.bytes(compact(first, depth..<64, isLeaf: true))
            writer.bytes(try value(entries.lowerBound))
            writer.endList(list)
            return writer.bytes
        }
        // Between the first and the last, in order, all have in common what these two have.
        let last = key(entries.upperBound - 1)
        var turn = depth
        while turn < 64, nibble(first, turn) == nibble(last, turn) { turn += 1 }
        precondition(turn < 64 && first < last, "keys ascend")
        if turn > depth {
            writer.bytes(compact(first, depth..<turn, isLeaf: false))
            let child = try encoding(entries, depth: turn, key, value, node)
            refer(to: child, in: &writer, node)
            writer.endList(list)
            return writer.bytes
        }
        var start = entries.lowerBound
        for place in 0..<UInt8(16) {
            // The first entry behind those of this place.
            var (low, high) = (start, entries.upperBound)
            while low < high {
                let middle = low + (high - low) / 2
                if nibble(key(middle), depth) <= place { low = middle + 1 } else { high = middle }
            }
            if low == start {
                writer.bytes([])
            } else {
                let child = try encoding(start..<low, depth: depth + 1, key, value, node)
                refer(to: child, in: &writer, node)
                start = low
            }
        }
        // Keys of one length leave no value at a branch.
        writer.bytes([])
        writer.endList(list)
        return writer.bytes
    }

    /// A child in its parent: itself when it is below 32 bytes, else its hash.
    private static func refer(
        to child: [UInt8], in writer: inout RLPWriter, _ node: (Bytes32, [UInt8]) -> Void
    ) {
        guard child.count >= 32 else {
            writer.encoded(child.span)
            return
        }
        let hash = Keccak256.hash(child)
        node(hash, child)
        writer.digest(hash)
    }

    private static func nibble(_ key: Bytes32, _ index: Int) -> UInt8 {
        index & 1 == 0 ? key[index >> 1] >> 4 : key[index >> 1] & 15
    }

    /// Hex-prefix encoding (yellow paper, appendix C).
    private static func compact(_ key: Bytes32, _ part: Range<Int>, isLeaf: Bool) -> [UInt8] {
        let flag: UInt8 = isLeaf ? 0x20 : 0
        var index = part.lowerBound
        var bytes: [UInt8] = []
        if part.count & 1 == 1 {
            bytes.append(flag | 0x10 | nibble(key, index))
            index += 1
        } else {
            bytes.append(flag)
        }
        while index < part.upperBound {
            bytes.append(nibble(key, index) << 4 | nibble(key, index + 1))
            index += 2
        }
        return bytes
    }
}
