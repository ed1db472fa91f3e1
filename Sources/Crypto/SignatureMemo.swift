import ChoraleBase
import Synchronization

/// Signatures and proofs of a ``VRF`` that were found good, so that they are not verified again.
///
/// Whether one is good follows from key, message and signature alone: a memo changes how long an answer takes, and no
/// answer. Good ones only are kept, because they are what comes again. A driver installs one around what it
/// runs (``remembering(_:)``); without one every signature is verified.
///
/// Memory: digests of 32 bytes in two tables, some 8 MB at most.
public final class SignatureMemo: Sendable {
    /// Signatures of an operation of 64 parts by 1,000 validators, and of some blocks.
    public static let countMaxDefault = 1 << 17

    /// Digests of SHA-256: whoever made two meet could as well forge the signature.
    private struct State {
        var recent: Set<Bytes32> = []
        /// The generation before. Forgotten when the next one is full.
        var older: Set<Bytes32> = []
    }

    private let state = Mutex(State())
    /// Of both generations together.
    private let countMax: Int

    @TaskLocal static var current: SignatureMemo?

    /// - Precondition: `countMax` is at least 2.
    public init(countMax: Int = SignatureMemo.countMaxDefault) {
        precondition(countMax >= 2, "a memo of two generations")
        self.countMax = countMax
    }

    var count: Int { state.withLock { $0.recent.count + $0.older.count } }

    /// Runs `body` on this thread. What it verifies is remembered, and what is remembered not verified.
    public func remembering<Result>(_ body: () throws -> Result) rethrows -> Result {
        try Self.$current.withValue(self, operation: body)
    }

    enum Kind: UInt8 {
        case ed25519, vrf
    }

    static func digest(
        _ kind: Kind, signature: Span<UInt8>, message: Span<UInt8>, publicKey: Bytes32
    ) -> Bytes32 {
        var hasher = SHA256.Hasher()
        // Of fixed sizes but for the last.
        hasher.update(kind.rawValue)
        hasher.update(publicKey)
        hasher.update(signature)
        hasher.update(message)
        return hasher.finish()
    }

    func contains(_ digest: Bytes32) -> Bool {
        state.withLock { $0.recent.contains(digest) || $0.older.contains(digest) }
    }

    func insert(_ digest: Bytes32) {
        state.withLock { state in
            if state.recent.count >= countMax / 2 {
                state.older = state.recent
                state.recent = []
            }
            state.recent.insert(digest)
        }
    }
}
