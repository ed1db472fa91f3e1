/// A seeded generator whose sequence is part of our interface.
///
/// The standard library's `shuffled`, `randomElement` and `Int.random` may change their algorithms
/// between releases, which would change every recorded simulation. These may not. Never use it for
/// a key, nonce or anything else that must be secret: those arrive from the driver as
/// `SecretBytes`.
///
/// Algorithm: xoshiro256** 1.0 (Blackman and Vigna), seeded through SplitMix64.
public struct DeterministicRandom: Hashable, Sendable {
    private var state: (UInt64, UInt64, UInt64, UInt64)

    public init(seed: UInt64) {
        var splitMix = SplitMix64(state: seed)
        state = (splitMix.next(), splitMix.next(), splitMix.next(), splitMix.next())
    }

    /// A generator independent of this one, for a part of the system that must not disturb the
    /// sequence of the others.
    public mutating func fork() -> DeterministicRandom { DeterministicRandom(seed: next()) }

    public mutating func next() -> UInt64 {
        let result = Self.rotateLeft(state.1 &* 5, by: 7) &* 9
        let shifted = state.1 << 17
        state.2 ^= state.0
        state.3 ^= state.1
        state.1 ^= state.2
        state.0 ^= state.3
        state.2 ^= shifted
        state.3 = Self.rotateLeft(state.3, by: 45)
        return result
    }

    /// A uniform integer in `0..<bound`.
    ///
    /// - Precondition: `bound >= 1`.
    public mutating func below(_ bound: Int) -> Int {
        precondition(bound >= 1, "there is no integer below \(bound)")
        let bound = UInt64(bound)
        // Lemire's multiplication with rejection: unbiased, one multiplication in the usual case.
        var product = next().multipliedFullWidth(by: bound)
        if product.low < bound {
            let threshold = (0 &- bound) % bound
            while product.low < threshold { product = next().multipliedFullWidth(by: bound) }
        }
        return Int(product.high)
    }

    /// A uniform integer in `range`.
    public mutating func integer(in range: ClosedRange<Int>) -> Int {
        range.lowerBound + below(range.upperBound - range.lowerBound + 1)
    }

    /// A uniform duration in `0..<duration`, or zero when `duration` is not positive.
    public mutating func duration(below duration: Duration) -> Duration {
        let nanoseconds = duration.wholeNanoseconds
        return nanoseconds < 1 ? .zero : .nanoseconds(below(Int(nanoseconds)))
    }

    /// True with probability `numerator / denominator`.
    public mutating func chance(_ numerator: Int, in denominator: Int) -> Bool {
        below(denominator) < numerator
    }

    /// Reorders `elements` uniformly (Fisher–Yates from the end).
    public mutating func shuffle<Element>(_ elements: inout [Element]) {
        guard elements.count > 1 else { return }
        for last in stride(from: elements.count - 1, to: 0, by: -1) {
            elements.swapAt(last, below(last + 1))
        }
    }

    /// `count` distinct elements in random order, or all of them when there are fewer.
    public mutating func sample<Element>(_ elements: [Element], count: Int) -> [Element] {
        var rest = elements
        let taken = max(0, min(count, rest.count))
        for index in 0..<taken {
            rest.swapAt(index, index + below(rest.count - index))
        }
        return Array(rest.prefix(taken))
    }

    public mutating func element<Element>(of elements: [Element]) -> Element? {
        elements.isEmpty ? nil : elements[below(elements.count)]
    }

    /// `count` bytes that need not be secret: padding, test data, opaque ping values.
    public mutating func bytes(count: Int) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(count)
        while bytes.count < count {
            var word = next()
            for _ in 0..<min(8, count - bytes.count) {
                bytes.append(UInt8(truncatingIfNeeded: word))
                word >>= 8
            }
        }
        return bytes
    }

    private static func rotateLeft(_ value: UInt64, by count: UInt64) -> UInt64 {
        (value << count) | (value >> (64 - count))
    }

    public static func == (lhs: Self, rhs: Self) -> Bool { lhs.state == rhs.state }

    public func hash(into hasher: inout Hasher) {
        hasher.combine(state.0)
        hasher.combine(state.1)
        hasher.combine(state.2)
        hasher.combine(state.3)
    }
}

private struct SplitMix64 {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }
}
