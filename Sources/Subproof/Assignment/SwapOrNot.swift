public import ChoraleBase
import Crypto

/// The swap-or-not shuffle: a permutation of `0..<count` that everybody computes alike from a seed.
///
/// Each round pairs every index with another and swaps the pair, or not, by a bit that both share.
/// So an index can be followed alone, without making the list.
///
/// Specification: consensus-specs `phase0/beacon-chain.md`, `compute_shuffled_index`, with SHA-256
/// and 90 rounds (`SHUFFLE_ROUND_COUNT`).
public enum SwapOrNot {
    public static let roundCount = 90
    /// Most indices that ``order(count:seed:)`` permutes.
    public static let countMax = 1 << 16

    /// Where `index` goes.
    ///
    /// - Precondition: `index` is in `0..<count`, and `count` at most 2^40.
    /// - Complexity: two hashes a round.
    public static func index(_ index: Int, count: Int, seed: Bytes32) -> Int {
        precondition(index >= 0 && index < count && count <= 1 << 40, "\(index) of \(count)")
        var index = index
        for round in 0..<roundCount {
            let pivot = Self.pivot(seed: seed, round: round, count: count)
            let flip = (pivot + count - index) % count
            let position = max(index, flip)
            let source = Self.source(seed: seed, round: round, block: position / 256)
            if bit(position, of: source) { index = flip }
        }
        return index
    }

    /// The whole permutation: element `i` is where `i` goes.
    ///
    /// - Precondition: `count` is in `0...countMax`.
    /// - Complexity: a hash a round and 256 indices, and half a step a round and index: for 1,000
    ///   indices what ``index(_:count:seed:)`` costs for three.
    public static func order(count: Int, seed: Bytes32) -> [UInt16] {
        precondition(count >= 0 && count <= countMax, "a permutation of \(count)")
        var order = (0..<count).map { UInt16($0) }
        guard count > 1 else { return order }
        // A round's swaps, done to the list, put the round before all that was done already: so the
        // last round comes first.
        for round in (0..<roundCount).reversed() {
            let pivot = Self.pivot(seed: seed, round: round, count: count)
            // Pairs add up to the pivot, below it and modulo the count above it. Of each pair the
            // larger index chooses the bit, so each half is walked from the middle.
            swapPairs(from: pivot / 2 + 1, through: pivot, sum: pivot, seed, round, &order)
            swapPairs(
                from: (pivot + count) / 2 + 1, through: count - 1, sum: pivot + count, seed, round,
                &order)
        }
        return order
    }

    private static func swapPairs(
        from first: Int, through last: Int, sum: Int, _ seed: Bytes32, _ round: Int,
        _ order: inout [UInt16]
    ) {
        guard first <= last else { return }
        var block = first / 256
        var source = Self.source(seed: seed, round: round, block: block)
        for position in first...last {
            if position / 256 != block {
                block = position / 256
                source = Self.source(seed: seed, round: round, block: block)
            }
            if bit(position, of: source) { order.swapAt(position, sum - position) }
        }
    }

    private static func pivot(seed: Bytes32, round: Int, count: Int) -> Int {
        var hasher = SHA256.Hasher()
        hasher.update(seed)
        hasher.update(UInt8(round))
        let hash = hasher.finish()
        let number = hash.storage.span.loadLittleEndian(UInt64.self, at: 0)
        return Int(number % UInt64(count))
    }

    private static func source(seed: Bytes32, round: Int, block: Int) -> Bytes32 {
        var hasher = SHA256.Hasher()
        hasher.update(seed)
        hasher.update(UInt8(round))
        var number: [UInt8] = []
        number.appendLittleEndian(UInt32(block))
        hasher.update(number)
        return hasher.finish()
    }

    private static func bit(_ position: Int, of source: Bytes32) -> Bool {
        source[position % 256 / 8] >> UInt8(position % 8) & 1 == 1
    }
}
