public import ChoraleBase
import Codec
import Crypto

/// A place in the tries of the state, by nibbles of hashed keys.
public struct TriePlace: Hashable, Sendable, CustomStringConvertible {
    /// Hash of the address whose storage it is in; nil for the trie of accounts.
    public var account: Bytes32?
    /// From the root of its trie, each below 16.
    public var path: [UInt8]

    /// The nibbles as hexadecimal digits.
    public var description: String {
        let digits = Array("0123456789abcdef")
        let path = path.isEmpty ? "the root" : String(path.map { digits[Int($0 & 15)] })
        guard let account else { return "\(path) of the account trie" }
        return "\(path) of the storage of the account that hashes to \(account)"
    }
}

/// Which of a witness's nodes lie where in the tries of the state before the block.
///
/// Walks from the state's root through every node that the witness has, each once: a subtree that two
/// accounts share is counted for the first of them in order of keys. What is not visited is in no trie of the
/// state.
///
/// Time and memory: a few hundred bytes for each node of the witness.
struct WitnessWalk {
    struct Leaf {
        /// Hash of the address.
        var key: Bytes32
        var account: Account
        /// Nodes above its leaf.
        var depth: Int
    }

    struct Visit {
        /// Which of ``leaves`` has it in its storage; −1 for the trie of accounts.
        var owner: Int
        /// Nodes above it.
        var depth: Int
    }

    /// In the order of the witness's nodes; nil for nodes that are in no trie, or that stand earlier in the
    /// witness too.
    private(set) var visits: [Visit?]
    /// Accounts whose leaves the witness has.
    private(set) var leaves: [Leaf] = []
    /// Where the node that was looked for is referred to.
    private(set) var sought: TriePlace?
    private(set) var positions: [Bytes32: Int] = [:]

    /// Nibbles of a key of 32 bytes. A path that is longer leads to no entry of the state.
    private static let pathLengthMax = 64

    private struct Open {
        var hash: Bytes32
        var owner: Int
        var depth: Int
        var path: [UInt8]
    }

    private var open: [Open] = []

    /// - Parameters:
    ///   - hashes: of the witness's nodes, in their order.
    ///   - sought: a node whose place shall be found, in the witness or not.
    init(_ witness: Witness, hashes: [Bytes32], root: Bytes32, sought: Bytes32? = nil) {
        visits = Array(repeating: nil, count: hashes.count)
        for (index, hash) in hashes.enumerated() where positions[hash] == nil {
            positions[hash] = index
        }
        let bytes = witness.bytes.span
        open.append(Open(hash: root, owner: -1, depth: 0, path: []))
        while let next = open.popLast() {
            if next.hash == sought, self.sought == nil {
                self.sought = TriePlace(
                    account: next.owner < 0 ? nil : leaves[next.owner].key, path: next.path)
            }
            guard let position = positions[next.hash], visits[position] == nil else { continue }
            visits[position] = Visit(owner: next.owner, depth: next.depth)
            let encoding = bytes.extracting(witness.nodes[position])
            do throws(RLPError) {
                try visit(RLPReader.item(encoding), encoding, next)
            } catch {
                // No node: nothing lies below it.
                continue
            }
        }
    }

    private mutating func visit(
        _ item: RLPItem, _ encoding: Span<UInt8>, _ place: Open
    ) throws(RLPError) {
        var items: [RLPItem] = []
        var reader = try item.list(itemCountMax: 17)
        while let next = try reader.next(in: encoding) { items.append(next) }
        if items.count == 17 {
            // Pushed the last first, so that accounts come in the order of their keys.
            for index in stride(from: 15, through: 0, by: -1) {
                try follow(items[index], encoding, place, [UInt8(index)])
            }
        } else if items.count == 2 {
            let compact = encoding.extracting(try items[0].bytes())
            guard compact.count > 0, compact.count <= 1 + Self.pathLengthMax / 2 else { return }
            var nibbles: [UInt8] = compact[0] & 0x10 != 0 ? [compact[0] & 15] : []
            for index in 1..<compact.count {
                nibbles.append(compact[index] >> 4)
                nibbles.append(compact[index] & 15)
            }
            if compact[0] & 0x20 == 0 {
                try follow(items[1], encoding, place, nibbles)
            } else if place.owner < 0 {
                leaf(place.path + nibbles, encoding.extracting(try items[1].bytes()), place)
            }
        }
    }

    private mutating func follow(
        _ item: RLPItem, _ encoding: Span<UInt8>, _ place: Open, _ nibbles: [UInt8]
    ) throws(RLPError) {
        guard place.path.count + nibbles.count <= Self.pathLengthMax else { return }
        var next = place
        next.path += nibbles
        switch item.kind {
        case .list:
            // Inside its parent, so on no level of its own. Its depth is bounded by the path.
            guard nibbles.count > 0 else { return }
            try visit(item, encoding, next)
        case .bytes:
            guard let hash = Bytes32(encoding.extracting(item.payload)) else { return }
            next.hash = hash
            next.depth += 1
            open.append(next)
        }
    }

    private mutating func leaf(_ path: [UInt8], _ value: Span<UInt8>, _ place: Open) {
        guard path.count == Self.pathLengthMax, let account = Account(rlp: value) else { return }
        var key = Bytes32.zero
        for index in 0..<32 { key.storage[index] = path[2 * index] << 4 | path[2 * index + 1] }
        leaves.append(Leaf(key: key, account: account, depth: place.depth))
        guard account.storageRoot != Trie.emptyRoot else { return }
        open.append(
            Open(hash: account.storageRoot, owner: leaves.count - 1, depth: 0, path: []))
    }
}
