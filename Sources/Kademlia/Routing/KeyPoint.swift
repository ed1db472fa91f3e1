import ChoraleBase
import Crypto

/// A place in the key space: the SHA-256 of a key or of a peer id's multihash.
///
/// Held as four big-endian words, so that a distance is four instructions and comparing two of them
/// rarely more than one. Computed once where a key or peer enters the machine and kept beside it.
///
/// Specification: libp2p/specs `kad-dht/README.md`, "Distance".
struct KeyPoint: Hashable, Comparable, Sendable {
    let word0: UInt64
    let word1: UInt64
    let word2: UInt64
    let word3: UInt64

    init(word0: UInt64, word1: UInt64, word2: UInt64, word3: UInt64) {
        self.word0 = word0
        self.word1 = word1
        self.word2 = word2
        self.word3 = word3
    }

    init(digest: Bytes32) {
        let span = digest.storage.span
        word0 = span.loadBigEndian(UInt64.self, at: 0)
        word1 = span.loadBigEndian(UInt64.self, at: 8)
        word2 = span.loadBigEndian(UInt64.self, at: 16)
        word3 = span.loadBigEndian(UInt64.self, at: 24)
    }

    init(key: [UInt8]) { self.init(digest: SHA256.hash(key)) }

    /// How far two points are apart, as a point: the exclusive or.
    func distance(to other: KeyPoint) -> KeyPoint {
        KeyPoint(
            word0: word0 ^ other.word0, word1: word1 ^ other.word1,
            word2: word2 ^ other.word2, word3: word3 ^ other.word3)
    }

    /// Leading zero bits of a distance, 0 to 256; 256 only for the distance to itself.
    var leadingZeroBitCount: Int {
        if word0 != 0 { return word0.leadingZeroBitCount }
        if word1 != 0 { return 64 + word1.leadingZeroBitCount }
        if word2 != 0 { return 128 + word2.leadingZeroBitCount }
        return 192 + word3.leadingZeroBitCount
    }

    static func < (lhs: Self, rhs: Self) -> Bool {
        if lhs.word0 != rhs.word0 { return lhs.word0 < rhs.word0 }
        if lhs.word1 != rhs.word1 { return lhs.word1 < rhs.word1 }
        if lhs.word2 != rhs.word2 { return lhs.word2 < rhs.word2 }
        return lhs.word3 < rhs.word3
    }
}
