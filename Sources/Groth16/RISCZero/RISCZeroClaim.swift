public import ChoraleBase
import Crypto

/// Digests of tagged structures, which RISC Zero's claims and parameters are named by.
///
/// Specification: risc0/risc0 `risc0/binfmt/src/hash.rs`, `tagged_struct` and `tagged_list_cons`.
enum TaggedDigest {
    /// SHA-256(SHA-256(tag) ‖ digests ‖ data ‖ number of digests, u16 little-endian).
    static func of(_ tag: String, _ digests: [Bytes32], _ data: [UInt8] = []) -> Bytes32 {
        var hasher = SHA256.Hasher()
        hasher.update(SHA256.hash([UInt8](tag.utf8)))
        for digest in digests { hasher.update(digest) }
        hasher.update(data)
        hasher.update([UInt8(digests.count & 0xFF), UInt8(digests.count >> 8)])
        return hasher.finish()
    }

    /// A list, from its last element on; the empty one is zero.
    static func list(_ tag: String, _ digests: [Bytes32]) -> Bytes32 {
        digests.reversed().reduce(.zero) { of(tag, [$1, $0]) }
    }
}

/// What a receipt of RISC Zero proves: that the program of this image ended well, without assumptions,
/// and left this journal.
///
/// Specification: risc0/risc0 `ReceiptClaim::ok`.
public struct RISCZeroClaim: Hashable, Sendable {
    public let imageID: Bytes32
    /// SHA-256 of the journal.
    public let journalDigest: Bytes32

    public init(imageID: Bytes32, journalDigest: Bytes32) {
        self.imageID = imageID
        self.journalDigest = journalDigest
    }

    public init(imageID: Bytes32, journal: Span<UInt8>) {
        self.init(imageID: imageID, journalDigest: SHA256.hash(journal))
    }

    /// The state that a program that has ended is in.
    static let haltedState = TaggedDigest.of("risc0.SystemState", [.zero], [0, 0, 0, 0])

    public var digest: Bytes32 {
        let output = TaggedDigest.of("risc0.Output", [journalDigest, .zero])
        // No input; exit code "halted" and zero, each u32.
        return TaggedDigest.of(
            "risc0.ReceiptClaim", [.zero, imageID, Self.haltedState, output],
            [0, 0, 0, 0, 0, 0, 0, 0])
    }
}
