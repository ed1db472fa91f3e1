public import ChoraleBase
import Crypto

/// The files that make a network what it is: its digest is made of their bytes.
public enum NetworkFile: String, CaseIterable, Hashable, Sendable {
    case config = "config.yaml"
    case genesis = "genesis.json"
    case validators = "validators.yaml"

    /// Most bytes that are read.
    public var sizeMax: Int {
        switch self {
        case .config: 64 << 10
        // 1,024 validators of some 300 bytes.
        case .validators: 1 << 20
        // Two million accounts of some 100 bytes.
        case .genesis: 256 << 20
        }
    }

    /// The digest of a network, whose first four bytes are in topics, requests and signatures.
    ///
    /// Each file is hashed by itself first, so that bytes cannot move from one to another.
    ///
    /// - Parameter contents: of the files, in the order of the cases.
    public static func digest(_ contents: [[UInt8]]) -> Bytes32 {
        var hasher = SHA256.Hasher()
        hasher.update(Array("chorale/network/1".utf8))
        for content in contents { hasher.update(SHA256.hash(content)) }
        return hasher.finish()
    }
}
