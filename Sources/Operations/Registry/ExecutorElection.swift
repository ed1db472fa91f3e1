public import ChoraleBase
import Crypto

/// Who may execute an operation, and from when on: one primary and two standbys.
///
/// Drawn from the beacon of the block behind the one that has the request: who requests, and who proposes
/// the block with the request, do not know it yet. By stake among those that have the capability; all
/// nodes draw the same.
///
/// Time is divided by the height of the drawing and the last height of the operation. A standby may commit
/// from a third and from two thirds of it on; whoever's turn was before still may, since a result that is
/// there is a result. Progress of whoever's turn it is moves the next one's turn to a sixth from then, at
/// most to a half and to five sixths of the whole, so that there is always time left for one more.
///
/// Specification: mechanisms rows 0.3 and 0.14.
public struct ExecutorElection: Hashable, Sendable {
    /// The primary and the standbys.
    public static let sizeMax = 3

    /// One that was drawn.
    public struct Candidate: Hashable, Sendable {
        public let key: Bytes32
        /// First height at which it may commit.
        public internal(set) var turn: UInt64
        /// It committed to what was found to be wrong, and may not again.
        public internal(set) var isRefused: Bool
    }

    /// The height whose beacon drew it.
    public let drawn: UInt64
    /// Last height at which the operation can be settled.
    public let expiry: UInt64
    /// At least one; the primary first.
    public internal(set) var candidates: [Candidate]
    /// What the last renewal said, in thousandths, and who: 0 when it was somebody before the one whose turn it is.
    public internal(set) var progress: UInt16
    var progressOf: UInt8

    /// nil when nobody has the capability.
    ///
    /// - Parameter executors: in an order that all nodes have, with distinct keys.
    /// - Complexity: O(executors).
    public init?(
        operation: Bytes32, beacon: Bytes32, capability: UInt8, among executors: [ExecutorRecord],
        drawn: UInt64, expiry: UInt64
    ) {
        let keys = Self.draw(
            operation: operation, beacon: beacon, capability: capability, among: executors)
        guard !keys.isEmpty, expiry >= drawn else { return nil }
        self.drawn = drawn
        self.expiry = expiry
        progress = 0
        progressOf = 0
        let span = expiry - drawn
        candidates = keys.enumerated().map { index, key in
            Candidate(
                key: key, turn: drawn + UInt64(index) * span / UInt64(Self.sizeMax),
                isRefused: false)
        }
    }

    /// As it was stored.
    init(
        drawn: UInt64, expiry: UInt64, candidates: [Candidate], progress: UInt16, progressOf: UInt8
    ) {
        self.drawn = drawn
        self.expiry = expiry
        self.candidates = candidates
        self.progress = progress
        self.progressOf = progressOf
    }

    /// Up to three distinct keys, each drawn from those that are left in proportion to their bonds.
    ///
    /// Number `i` of them owns the point `SHA-256(seed ‖ i) mod total`, of which the first 16 bytes count
    /// (big-endian), with `seed = SHA-256("chorale/executor-election/1" ‖ beacon ‖ operation)`. Bonds
    /// together are below 2^74, so what the remainder prefers is below 2^-54.
    static func draw(
        operation: Bytes32, beacon: Bytes32, capability: UInt8, among executors: [ExecutorRecord]
    ) -> [Bytes32] {
        let seed = SHA256.hash(
            Array("chorale/executor-election/1".utf8) + beacon.bytes + operation.bytes)
        var left = executors.filter { $0.bond > 0 && $0.capabilities.contains(capability) }
        var total = left.reduce(UInt128(0)) { $0 + UInt128($1.bond) }
        var keys: [Bytes32] = []
        while keys.count < sizeMax, !left.isEmpty {
            var hasher = SHA256.Hasher()
            hasher.update(seed)
            hasher.update(UInt8(keys.count))
            let digest = hasher.finish()
            var number: UInt128 = 0
            for index in 0..<16 { number = number << 8 | UInt128(digest[index]) }
            var point = number % total
            var index = 0
            while point >= UInt128(left[index].bond) {
                point -= UInt128(left[index].bond)
                index += 1
            }
            total -= UInt128(left[index].bond)
            keys.append(left.remove(at: index).key)
        }
        return keys
    }

    /// Position among the candidates.
    public func index(of executor: Bytes32) -> Int? {
        candidates.firstIndex { $0.key == executor }
    }

    /// Whether the executor may commit at a height, as far as its turn goes.
    public func mayCommit(_ executor: Bytes32, at height: UInt64) -> Bool {
        guard let index = index(of: executor), height <= expiry else { return false }
        return !candidates[index].isRefused && candidates[index].turn <= height
    }

    /// Whose turn it is: the last whose turn has come and who is not refused. nil before the drawing, and when
    /// all are refused.
    public func holder(at height: UInt64) -> Int? {
        candidates.lastIndex { $0.turn <= height && !$0.isRefused }
    }

    /// Whether a renewal counts.
    public func mayRenew(_ executor: Bytes32, progress: UInt16, at height: UInt64) -> Bool {
        guard height <= expiry, let index = holder(at: height),
            candidates[index].key == executor
        else { return false }
        return progress > (Int(progressOf) == index ? self.progress : 0)
    }

    /// - Precondition: it counts.
    mutating func renew(_ executor: Bytes32, progress: UInt16, at height: UInt64) {
        guard let index = index(of: executor) else { preconditionFailure("a candidate") }
        self.progress = progress
        progressOf = UInt8(index)
        guard
            let next = candidates.indices.first(where: { $0 > index && !candidates[$0].isRefused })
        else { return }
        let span = expiry - drawn
        // 1/2 for the first standby, 5/6 for the second.
        let latest = drawn + UInt64(2 * next + 1) * span / 6
        candidates[next].turn = max(
            candidates[next].turn, min(height + max(1, span / 6), latest))
    }

    /// The executor's commitment was wrong. The next one need not wait for its turn.
    mutating func refuse(_ executor: Bytes32, at height: UInt64) {
        guard let index = index(of: executor) else { return }
        candidates[index].isRefused = true
        guard
            let next = candidates.indices.first(where: { $0 > index && !candidates[$0].isRefused })
        else { return }
        candidates[next].turn = min(candidates[next].turn, height + 1)
    }
}
