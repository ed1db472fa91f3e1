public import ChoraleBase

/// Computes the root of a Merkle tree from its leaves, in order, without keeping them.
///
/// Missing leaves are zero. Holds one node per level: the roots of the complete subtrees so far,
/// like the digits of a binary counter.
///
/// Cost: one hash per leaf, and one per level at the end.
///
/// Specification: consensus-specs `ssz/simple-serialize.md`, "Merkleization".
public struct SSZMerkleizer<Hash: SHA256Hashing> {
    /// Root of the complete subtree of 2^level leaves, where bit `level` of `count` is set.
    private var subtrees: [41 of Bytes32] = .init(repeating: .zero)
    /// Leaves so far.
    public private(set) var count = 0

    public init() {}

    /// Adds the next leaf.
    public mutating func append(_ leaf: Bytes32) {
        var node = leaf
        var level = 0
        while (count >> level) & 1 == 1 {
            node = Hash.combine(subtrees[level], node)
            level += 1
        }
        subtrees[level] = node
        count += 1
    }

    /// Adds `bytes` as leaves of 32 bytes, the last one padded with zeros.
    public mutating func append(packing bytes: Span<UInt8>) {
        var start = 0
        while start < bytes.count {
            let size = min(Bytes32.size, bytes.count - start)
            var leaf = Bytes32.zero
            for index in 0..<size { leaf.storage[index] = bytes[start + index] }
            append(leaf)
            start += size
        }
    }

    /// The root of the tree that has room for `leafLimit` leaves.
    ///
    /// - Precondition: no more than `leafLimit` leaves were added; `leafLimit` is at most 2^40, the
    ///   largest list limit of the consensus specifications.
    public func root(leafLimit: Int) -> Bytes32 {
        precondition(count <= max(leafLimit, 1), "\(count) leaves in a tree of \(leafLimit)")
        let depth = leafLimit <= 1 ? 0 : Int.bitWidth - (leafLimit - 1).leadingZeroBitCount
        precondition(depth < SSZZeroHashes.levelCount, "a tree of \(leafLimit) leaves")
        guard count > 0 else { return SSZZeroHashes.roots[depth] }

        // The last leaf's subtree: complete up to its own level, completed with zeros above.
        let first = count.trailingZeroBitCount
        var node = subtrees[first]
        for level in first..<max(depth, first) {
            if level > first, (count >> level) & 1 == 1 {
                node = Hash.combine(subtrees[level], node)
            } else {
                node = Hash.combine(node, SSZZeroHashes.roots[level])
            }
        }
        return node
    }

    /// `mix_in_length`: the root of a list from the root of its elements.
    public static func mixIn(length: Int, root: Bytes32) -> Bytes32 {
        precondition(length >= 0, "a length of \(length)")
        return Hash.combine(root, UInt64(length).sszLeaf)
    }
}

/// Roots of Merkle trees all of whose leaves are zero.
public enum SSZZeroHashes {
    /// Levels 0 (a leaf) to 40.
    public static let levelCount = 41

    /// By level: `roots[0]` is zero and `roots[n + 1]` is SHA-256 of `roots[n]` twice.
    ///
    /// Constants because computing them anew would double the cost of a short list's root. A test
    /// computes them.
    public static let roots: [Bytes32] = {
        var roots = [Bytes32.zero]
        for text in table {
            guard let bytes = try? Hex.decode(text), let root = Bytes32(bytes) else {
                preconditionFailure("the table of zero roots is damaged")
            }
            roots.append(root)
        }
        precondition(roots.count == levelCount, "a root for each level")
        return roots
    }()

    private static let table = [
        "f5a5fd42d16a20302798ef6ed309979b43003d2320d9f0e8ea9831a92759fb4b",
        "db56114e00fdd4c1f85c892bf35ac9a89289aaecb1ebd0a96cde606a748b5d71",
        "c78009fdf07fc56a11f122370658a353aaa542ed63e44c4bc15ff4cd105ab33c",
        "536d98837f2dd165a55d5eeae91485954472d56f246df256bf3cae19352a123c",
        "9efde052aa15429fae05bad4d0b1d7c64da64d03d7a1854a588c2cb8430c0d30",
        "d88ddfeed400a8755596b21942c1497e114c302e6118290f91e6772976041fa1",
        "87eb0ddba57e35f6d286673802a4af5975e22506c7cf4c64bb6be5ee11527f2c",
        "26846476fd5fc54a5d43385167c95144f2643f533cc85bb9d16b782f8d7db193",
        "506d86582d252405b840018792cad2bf1259f1ef5aa5f887e13cb2f0094f51e1",
        "ffff0ad7e659772f9534c195c815efc4014ef1e1daed4404c06385d11192e92b",
        "6cf04127db05441cd833107a52be852868890e4317e6a02ab47683aa75964220",
        "b7d05f875f140027ef5118a2247bbb84ce8f2f0f1123623085daf7960c329f5f",
        "df6af5f5bbdb6be9ef8aa618e4bf8073960867171e29676f8b284dea6a08a85e",
        "b58d900f5e182e3c50ef74969ea16c7726c549757cc23523c369587da7293784",
        "d49a7502ffcfb0340b1d7885688500ca308161a7f96b62df9d083b71fcc8f2bb",
        "8fe6b1689256c0d385f42f5bbe2027a22c1996e110ba97c171d3e5948de92beb",
        "8d0d63c39ebade8509e0ae3c9c3876fb5fa112be18f905ecacfecb92057603ab",
        "95eec8b2e541cad4e91de38385f2e046619f54496c2382cb6cacd5b98c26f5a4",
        "f893e908917775b62bff23294dbbe3a1cd8e6cc1c35b4801887b646a6f81f17f",
        "cddba7b592e3133393c16194fac7431abf2f5485ed711db282183c819e08ebaa",
        "8a8d7fe3af8caa085a7639a832001457dfb9128a8061142ad0335629ff23ff9c",
        "feb3c337d7a51a6fbf00b9e34c52e1c9195c969bd4e7a0bfd51d5c5bed9c1167",
        "e71f0aa83cc32edfbefa9f4d3e0174ca85182eec9f3a09f6a6c0df6377a510d7",
        "31206fa80a50bb6abe29085058f16212212a60eec8f049fecb92d8c8e0a84bc0",
        "21352bfecbeddde993839f614c3dac0a3ee37543f9b412b16199dc158e23b544",
        "619e312724bb6d7c3153ed9de791d764a366b389af13c58bf8a8d90481a46765",
        "7cdd2986268250628d0c10e385c58c6191e6fbe05191bcc04f133f2cea72c1c4",
        "848930bd7ba8cac54661072113fb278869e07bb8587f91392933374d017bcbe1",
        "8869ff2c22b28cc10510d9853292803328be4fb0e80495e8bb8d271f5b889636",
        "b5fe28e79f1b850f8658246ce9b6a1e7b49fc06db7143e8fe0b4f2b0c5523a5c",
        "985e929f70af28d0bdd1a90a808f977f597c7c778c489e98d3bd8910d31ac0f7",
        "c6f67e02e6e4e1bdefb994c6098953f34636ba2b6ca20a4721d2b26a886722ff",
        "1c9a7e5ff1cf48b4ad1582d3f4e4a1004f3b20d8c5a2b71387a4254ad933ebc5",
        "2f075ae229646b6f6aed19a5e372cf295081401eb893ff599b3f9acc0c0d3e7d",
        "328921deb59612076801e8cd61592107b5c67c79b846595cc6320c395b46362c",
        "bfb909fdb236ad2411b4e4883810a074b840464689986c3f8a8091827e17c327",
        "55d8fb3687ba3ba49f342c77f5a1f89bec83d811446e1a467139213d640b6a74",
        "f7210d4f8e7e1039790e7bf4efa207555a10a6db1dd4b95da313aaa88b88fe76",
        "ad21b516cbc645ffe34ab5de1c8aef8cd4e7f8d2b51e8e1456adc7563cda206f",
        "6bfe8d2bcc4237b74a5047058ef455339ecd7360cb63bfbb8ee5448e6430ba04",
    ]
}
