public import ChoraleBase
public import Codec
import Crypto

/// SHA-256 for Merkle trees: `Codec` brings the trees, this the hash.
public enum RootHash: SHA256Hashing {
    public static func combine(_ left: Bytes32, _ right: Bytes32) -> Bytes32 {
        var hasher = SHA256.Hasher()
        hasher.update(left)
        hasher.update(right)
        return hasher.finish()
    }
}

extension SSZEncodable {
    /// `hash_tree_root` by SHA-256.
    public var hashTreeRoot: Bytes32 { hashTreeRoot(RootHash.self) }
}
