/// Sums of scalar multiples of affine points.
///
/// A scalar and its negative cost the same, and what counts is the magnitude: an eight-bit one takes
/// two additions where a full one takes forty. Not constant time: for public data.
///
/// Specification: N. Pippenger, "On the evaluation of powers and related problems", 1976, with digits of
/// both signs.
enum MultiScalar {
    /// Σ scalar · point over as many scalars as there are points, or fewer.
    ///
    /// - Complexity: for n scalars of b bits, about b/w · (n + 2ʷ) additions, with the w that makes
    ///   this least.
    static func sum(_ scalars: ArraySlice<Scalar>, _ points: ArraySlice<AffinePoint>) -> Point {
        precondition(scalars.count <= points.count, "every scalar has a point")
        // Trailing zeros are padding.
        let magnitudes = scalars.map(SignedMagnitude.init)
        let bitCount = magnitudes.reduce(0) { max($0, $1.bitCount) }
        guard bitCount > 0 else { return .identity }
        let used = magnitudes.count { $0.bitCount > 0 }
        let width = windowWidth(termCount: used, bitCount: bitCount)
        let windowCount = (bitCount + 1 + width - 1) / width
        let digits = SignedDigits(magnitudes, width: width, windowCount: windowCount)
        var result = Point.identity
        var buckets = [Point](repeating: .identity, count: 1 << (width - 1))
        let first = points.startIndex
        for window in stride(from: windowCount - 1, through: 0, by: -1) {
            if window < windowCount - 1 {
                for _ in 0..<width { result = result.doubled() }
            }
            var highest = 0
            for term in 0..<magnitudes.count {
                let digit = digits[window, term]
                if digit == 0 { continue }
                let bucket = Int(digit.magnitude)
                if bucket > highest {
                    for index in highest..<bucket { buckets[index] = .identity }
                    highest = bucket
                }
                if digit > 0 {
                    buckets[bucket - 1] += points[first + term]
                } else {
                    buckets[bucket - 1] -= points[first + term]
                }
            }
            // Σ digit · bucket as a sum of running sums from the top.
            var running = Point.identity
            var total = Point.identity
            for index in stride(from: highest - 1, through: 0, by: -1) {
                running += buckets[index]
                total += running
            }
            if highest > 0 { result += total }
        }
        return result
    }

    /// The width, in bits, with the fewest products: each window costs seven for a term, seventeen and
    /// more for a bucket, and eight for a doubling.
    static func windowWidth(termCount: Int, bitCount: Int) -> Int {
        var (best, least) = (1, Int.max)
        for width in 1...12 {
            let windows = (bitCount + width) / width
            let cost = windows * (7 * termCount + 18 << (width - 1) + 8 * width)
            if cost < least { (best, least) = (width, cost) }
        }
        return best
    }
}

/// A scalar as the shorter of the integers s and ℓ − s, and which of the two.
private struct SignedMagnitude {
    let isNegative: Bool
    let limbs: [4 of UInt64]
    let bitCount: Int

    init(_ scalar: Scalar) {
        let own = scalar.canonical
        // From 2²⁵² on, where ℓ is but a little larger, and at other large values too, the negative is
        // shorter; at 2²⁵¹ neither is by much.
        let isNegative = own.3 &>> 59 != 0
        let value = isNegative ? (-scalar).canonical : own
        self.isNegative = isNegative
        limbs = [value.0, value.1, value.2, value.3]
        var bitCount = 0
        for index in 0..<4 where limbs[index] != 0 {
            bitCount = 64 * index + 64 - limbs[index].leadingZeroBitCount
        }
        self.bitCount = bitCount
    }

    /// `width` bits, at most 12, from a position on.
    func bits(_ position: Int, width: Int) -> Int {
        let (limb, shift) = (position >> 6, UInt64(position & 63))
        guard limb < 4 else { return 0 }
        var bits = limbs[limb] &>> shift
        if Int(shift) + width > 64, limb < 3 { bits |= limbs[limb + 1] &<< (64 - shift) }
        return Int(truncatingIfNeeded: bits) & (1 << width - 1)
    }
}

/// Scalars in radix 2ʷ with digits from −2ʷ⁻¹ to 2ʷ⁻¹.
private struct SignedDigits {
    private var storage: [Int16]
    private let termCount: Int

    init(_ magnitudes: [SignedMagnitude], width: Int, windowCount: Int) {
        termCount = magnitudes.count
        storage = [Int16](repeating: 0, count: termCount * windowCount)
        let half = 1 << (width - 1)
        for (term, magnitude) in magnitudes.enumerated() where magnitude.bitCount > 0 {
            var carry = 0
            for window in 0..<windowCount {
                var digit = magnitude.bits(window * width, width: width) + carry
                carry = 0
                if digit > half {
                    digit -= half << 1
                    carry = 1
                }
                storage[window * termCount + term] = Int16(magnitude.isNegative ? -digit : digit)
            }
            assert(carry == 0, "the windows have one bit more than the scalar")
        }
    }

    subscript(window: Int, term: Int) -> Int16 { storage[window * termCount + term] }
}
