public import ChoraleBase
import Codec
import Crypto

/// Builds a trie from its entries in the order of their keys, and gives away each node when it is done.
///
/// Only the branches on the way to the last key are held, so that a state of any size takes a few KiB.
/// Keys are hashes of 32 bytes, as in the tries of a state.
///
/// Specification: Ethereum yellow paper, appendix D.
public struct TrieBuilder: ~Copyable {
    private struct Branch {
        /// Nibbles of the key before it.
        let depth: Int
        /// How each child stands in it, in RLP; empty for none.
        var children = [[UInt8]](repeating: [], count: 16)
    }

    /// Of the trie that is built: how many nibbles lie above it.
    private let depth: Int
    private var open: [Branch] = []
    /// The key that came last, as nibbles, and its value; they have no place yet.
    private var lastKey: [UInt8] = []
    private var lastValue: [UInt8] = []

    public init() { self.init(depth: 0) }

    /// - Parameter depth: nibbles that all keys share and that lie above what is built.
    init(depth: Int) { self.depth = depth }

    /// Adds an entry. Calls `body` with nodes that nothing can change any more.
    ///
    /// - Precondition: the key is above the one before; the value is not empty.
    public mutating func add(
        _ key: Bytes32, _ value: [UInt8], _ body: (Bytes32, [UInt8]) -> Void
    ) {
        precondition(!value.isEmpty, "an entry has a value")
        let nibbles = Self.nibbles(key)
        if !lastKey.isEmpty {
            var common = depth
            while common < 64, nibbles[common] == lastKey[common] { common += 1 }
            precondition(
                common < 64 && nibbles[common] > lastKey[common], "keys come in their order")
            placeLast(above: common, body)
        }
        lastKey = nibbles
        lastValue = value
    }

    /// The root. Calls `body` with the nodes that are left, the root last.
    public consuming func finish(_ body: (Bytes32, [UInt8]) -> Void) -> Bytes32 {
        guard let encoding = close(body) else { return Trie.emptyRoot }
        let root = Keccak256.hash(encoding)
        body(root, encoding)
        return root
    }

    /// How what was built stands in the node above it, in RLP; nil when there are no entries.
    consuming func reference(_ body: (Bytes32, [UInt8]) -> Void) -> [UInt8]? {
        close(body).map { Self.reference($0, body) }
    }

    /// The encoding of what was built; nil when there are no entries.
    private mutating func close(
        _ body: (Bytes32, [UInt8]) -> Void
    ) -> [UInt8]? {
        guard !lastKey.isEmpty else { return nil }
        guard let top = open.last else {
            return Self.leaf(lastKey[depth...], lastValue)
        }
        open[open.count - 1].children[Int(lastKey[top.depth])] = Self.reference(
            Self.leaf(lastKey[(top.depth + 1)...], lastValue), body)
        while open.count > 1 { closeBranch(to: open[open.count - 2].depth, body) }
        let encoding = Self.branch(open[0].children)
        guard open[0].depth > depth else { return encoding }
        let child = Self.reference(encoding, body)
        return Self.extension(lastKey[depth..<open[0].depth], child)
    }

    /// Gives the last entry a place, and closes the branches that the next key does not go through.
    ///
    /// - Parameter common: nibbles that the two keys share.
    private mutating func placeLast(above common: Int, _ body: (Bytes32, [UInt8]) -> Void) {
        if (open.last?.depth ?? -1) < common { open.append(Branch(depth: common)) }
        let place = open[open.count - 1].depth
        open[open.count - 1].children[Int(lastKey[place])] = Self.reference(
            Self.leaf(lastKey[(place + 1)...], lastValue), body)
        while let top = open.last, top.depth > common {
            let below = open.count > 1 ? open[open.count - 2].depth : -1
            if below < common { open.insert(Branch(depth: common), at: open.count - 1) }
            closeBranch(to: max(below, common), body)
        }
    }

    /// Puts the deepest branch into the one before it, which begins at `place`.
    private mutating func closeBranch(to place: Int, _ body: (Bytes32, [UInt8]) -> Void) {
        let branch = open.removeLast()
        var reference = Self.reference(Self.branch(branch.children), body)
        let path = lastKey[(place + 1)..<branch.depth]
        if !path.isEmpty { reference = Self.reference(Self.extension(path, reference), body) }
        open[open.count - 1].children[Int(lastKey[place])] = reference
    }

    // MARK: Encodings

    static func nibbles(_ key: Bytes32) -> [UInt8] {
        var nibbles: [UInt8] = []
        nibbles.reserveCapacity(64)
        for index in 0..<Bytes32.size { nibbles += [key[index] >> 4, key[index] & 15] }
        return nibbles
    }

    /// A node as it stands in another.
    static func reference(_ encoding: [UInt8], _ body: (Bytes32, [UInt8]) -> Void) -> [UInt8] {
        guard encoding.count >= 32 else { return encoding }
        let hash = Keccak256.hash(encoding)
        body(hash, encoding)
        return [0xA0] + hash.bytes
    }

    static func leaf(_ path: ArraySlice<UInt8>, _ value: [UInt8]) -> [UInt8] {
        var writer = RLPWriter()
        let list = writer.beginList()
        writer.bytes(compact(path, isLeaf: true))
        writer.bytes(value)
        writer.endList(list)
        return writer.bytes
    }

    static func `extension`(_ path: ArraySlice<UInt8>, _ child: [UInt8]) -> [UInt8] {
        var writer = RLPWriter()
        let list = writer.beginList()
        writer.bytes(compact(path, isLeaf: false))
        writer.encoded(child.span)
        writer.endList(list)
        return writer.bytes
    }

    static func branch(_ children: [[UInt8]]) -> [UInt8] {
        var writer = RLPWriter()
        let list = writer.beginList()
        for child in children { writer.encoded((child.isEmpty ? [0x80] : child).span) }
        writer.bytes([])
        writer.endList(list)
        return writer.bytes
    }

    /// A path in hex-prefix form.
    static func compact(_ path: ArraySlice<UInt8>, isLeaf: Bool) -> [UInt8] {
        let isOdd = path.count & 1 == 1
        let flag: UInt8 = (isLeaf ? 0x20 : 0) | (isOdd ? 0x10 : 0)
        var bytes = [isOdd ? flag | path[path.startIndex] : flag]
        for index in stride(from: path.startIndex + (isOdd ? 1 : 0), to: path.endIndex, by: 2) {
            bytes.append(path[index] << 4 | path[index + 1])
        }
        return bytes
    }
}

extension TrieBuilder {
    /// Builds the trie of entries that are at hand and returns its root.
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
        var builder = TrieBuilder()
        for index in 0..<count { builder.add(key(index), try value(index), node) }
        return builder.finish(node)
    }
}
