/// A signed integer of `limbCount` limbs of 62 bits, least significant first; the last limb has the
/// sign. The two spare bits hold what sums carry.
struct Signed62<let limbCount: Int>: Sendable {
    private var limbs = [limbCount of Int64](repeating: 0)

    static var mask: UInt64 { .max >> 2 }

    init() {}

    /// An unsigned integer with room for a sign above it.
    init(_ words: some LimbArray) {
        let wordCount = type(of: words).count
        precondition(62 * limbCount > 64 * wordCount, "the limbs hold the words and a sign")
        for index in 0..<limbCount {
            let (word, shift) = (62 * index).quotientAndRemainder(dividingBy: 64)
            guard word < wordCount else { break }
            var bits = words[word] &>> UInt64(shift)
            // Two bits of the word below are left for each limb passed.
            if shift > 0, word + 1 < wordCount { bits |= words[word + 1] &<< UInt64(64 - shift) }
            limbs[index] = Int64(truncatingIfNeeded: bits & Self.mask)
        }
    }

    /// The integer as words. It is not negative, its limbs are carried, and it fits.
    func words<Words: LimbArray>(_: Words.Type) -> Words {
        var words = Words(repeating: 0)
        for index in 0..<Words.count {
            let (limb, shift) = (64 * index).quotientAndRemainder(dividingBy: 62)
            let low = UInt64(truncatingIfNeeded: limbs[limb]) &>> UInt64(shift)
            let high = UInt64(truncatingIfNeeded: limbs[limb + 1]) &<< UInt64(62 - shift)
            words[index] = low | high
        }
        return words
    }

    subscript(index: Int) -> Int64 {
        @inline(__always) get { limbs[index] }
        @inline(__always) set { limbs[index] = newValue }
    }

    var isNegative: Bool { limbs[limbCount - 1] < 0 }

    func isZero(limbs count: Int) -> Bool {
        for index in 0..<count where limbs[index] != 0 { return false }
        return true
    }

    mutating func add(_ other: Self) {
        for index in 0..<limbCount { limbs[index] &+= other.limbs[index] }
    }

    mutating func negate() {
        for index in 0..<limbCount { limbs[index] = 0 &- limbs[index] }
    }

    /// Brings every limb but the last into 0 ..< 2⁶².
    mutating func carry() {
        for index in 0..<limbCount - 1 {
            limbs[index + 1] &+= limbs[index] &>> 62
            limbs[index] &= Int64(truncatingIfNeeded: Self.mask)
        }
    }
}

/// Sixty-two division steps at once: (f, g) becomes (u·f + v·g, q·f + r·g)/2⁶².
///
/// The sums |u| + |v| and |q| + |r| are at most 2⁶².
private struct DivisionSteps {
    private(set) var u: Int64 = 1
    private(set) var v: Int64 = 0
    private(set) var q: Int64 = 0
    private(set) var r: Int64 = 1

    /// The steps that the lowest bits of f, which is odd, and g decide.
    ///
    /// - Parameter eta: minus the δ of the paper, carried from one call to the next.
    init(eta: inout Int64, f lowF: Int64, g lowG: Int64) {
        var f = UInt64(bitPattern: lowF)
        var g = UInt64(bitPattern: lowG)
        var left: Int64 = 62
        while true {
            // One step for each zero below the first bit that is set, or for all that are left.
            let zeros = Int64((g | (.max &<< UInt64(left))).trailingZeroBitCount)
            g &>>= UInt64(zeros)
            u &<<= zeros
            v &<<= zeros
            eta &-= zeros
            left &-= zeros
            if left == 0 { return }
            // Both are odd. A multiple of f clears several low bits of g: up to six or four, and no
            // more than the steps up to the next exchange, or those that are left.
            let factor: UInt64
            if eta < 0 {
                eta = 0 &- eta
                (f, g) = (g, 0 &- f)
                (u, q) = (q, 0 &- u)
                (v, r) = (r, 0 &- v)
                let bits = UInt64(min(min(eta &+ 1, left), 6))
                // f·(f² − 2) is −f⁻¹ modulo 2⁶.
                factor = (f &* g &* (f &* f &- 2)) & (.max &>> (64 &- bits))
            } else {
                let bits = UInt64(min(min(eta &+ 1, left), 4))
                // f + 8·(bit 2 of f + 1) is f⁻¹ modulo 2⁴.
                let inverse = f &+ (((f &+ 1) & 4) &<< 1)
                factor = ((0 &- inverse) &* g) & (.max &>> (64 &- bits))
            }
            g &+= f &* factor
            q &+= u &* Int64(truncatingIfNeeded: factor)
            r &+= v &* Int64(truncatingIfNeeded: factor)
        }
    }

    /// a·x + b·y + c as 128 bits.
    @inline(__always)
    private func sum(_ a: Int64, _ x: Int64, _ b: Int64, _ y: Int64, _ c: Int128) -> Int128 {
        Int128(a) &* Int128(x) &+ Int128(b) &* Int128(y) &+ c
    }

    @inline(__always)
    private func low(_ total: Int128) -> Int64 {
        Int64(truncatingIfNeeded: UInt64(truncatingIfNeeded: total) & (.max >> 2))
    }

    /// Applies the steps to f and g, of which the lowest `count` limbs are in use. The division is
    /// exact.
    func apply<let limbCount: Int>(
        _ f: inout Signed62<limbCount>, _ g: inout Signed62<limbCount>, limbs count: Int
    ) {
        var totalF = sum(u, f[0], v, g[0], 0) &>> 62
        var totalG = sum(q, f[0], r, g[0], 0) &>> 62
        for index in 1..<count {
            let (fLimb, gLimb) = (f[index], g[index])
            totalF = sum(u, fLimb, v, gLimb, totalF)
            totalG = sum(q, fLimb, r, gLimb, totalG)
            f[index - 1] = low(totalF)
            g[index - 1] = low(totalG)
            totalF &>>= 62
            totalG &>>= 62
        }
        f[count - 1] = Int64(truncatingIfNeeded: totalF)
        g[count - 1] = Int64(truncatingIfNeeded: totalG)
    }

    /// Applies the steps to d and e modulo the modulus: multiples of it make the division exact.
    ///
    /// Both stay between minus twice the modulus and the modulus.
    func apply<let limbCount: Int>(
        _ d: inout Signed62<limbCount>, _ e: inout Signed62<limbCount>,
        modulus: Signed62<limbCount>, inverse: UInt64
    ) {
        // The modulus once more for a negative operand keeps the range; then what clears 62 bits.
        var timesD = (d.isNegative ? u : 0) &+ (e.isNegative ? v : 0)
        var timesE = (d.isNegative ? q : 0) &+ (e.isNegative ? r : 0)
        var totalD = sum(u, d[0], v, e[0], 0)
        var totalE = sum(q, d[0], r, e[0], 0)
        timesD &-= clearing(totalD, timesD, inverse)
        timesE &-= clearing(totalE, timesE, inverse)
        totalD = (totalD &+ Int128(modulus[0]) &* Int128(timesD)) &>> 62
        totalE = (totalE &+ Int128(modulus[0]) &* Int128(timesE)) &>> 62
        for index in 1..<limbCount {
            let (dLimb, eLimb) = (d[index], e[index])
            totalD = sum(u, dLimb, v, eLimb, totalD) &+ Int128(modulus[index]) &* Int128(timesD)
            totalE = sum(q, dLimb, r, eLimb, totalE) &+ Int128(modulus[index]) &* Int128(timesE)
            d[index - 1] = low(totalD)
            e[index - 1] = low(totalE)
            totalD &>>= 62
            totalE &>>= 62
        }
        d[limbCount - 1] = Int64(truncatingIfNeeded: totalD)
        e[limbCount - 1] = Int64(truncatingIfNeeded: totalE)
    }

    /// How many times the modulus to take away so that the lowest 62 bits vanish.
    @inline(__always)
    private func clearing(_ total: Int128, _ times: Int64, _ inverse: UInt64) -> Int64 {
        low(Int128(inverse &* UInt64(truncatingIfNeeded: total) &+ UInt64(bitPattern: times)))
    }
}

extension Signed62 {
    /// The inverse of an integer modulo an odd prime above it, between zero and the prime; zero for
    /// zero.
    ///
    /// - Parameter negatedInverse: −prime⁻¹ modulo 2⁶⁴.
    /// - Complexity: nine or ten rounds of 62 steps for a prime of 254 bits, thirteen or fourteen
    ///   for one of 381; an eighth of the multiplications that Fermat's power takes.
    ///
    /// Specification: Bernstein and Yang, "Fast constant-time gcd computation and modular
    /// inversion", 2019, in the variable-time form of Wuille and Dettman for libsecp256k1
    /// (`doc/safegcd_implementation.md` there), which starts with δ = 1.
    static func inverse(of value: Self, modulo prime: Self, negatedInverse: UInt64) -> Self {
        let primeInverse = 0 &- negatedInverse
        // With x the value: d·x ≡ f and e·x ≡ g modulo the prime, up to a common power of two that
        // every round removes.
        var (d, e) = (Self(), Self())
        e[0] = 1
        var (f, g) = (prime, value)
        var eta: Int64 = -1
        var count = limbCount
        while !g.isZero(limbs: count) {
            let steps = DivisionSteps(eta: &eta, f: f[0], g: g[0])
            steps.apply(&d, &e, modulus: prime, inverse: primeInverse)
            steps.apply(&f, &g, limbs: count)
            count = shrink(&f, &g, limbs: count)
        }
        // f is now 1 or −1 (or the prime, for zero).
        if d.isNegative { d.add(prime) }
        if f[count - 1] < 0 { d.negate() }
        d.carry()
        if d.isNegative { d.add(prime) }
        d.carry()
        return d
    }

    /// Drops the highest limb in use when in both numbers it is but the sign of the one below.
    private static func shrink(_ f: inout Self, _ g: inout Self, limbs count: Int) -> Int {
        guard count > 1 else { return count }
        let (topF, topG) = (f[count - 1], g[count - 1])
        guard topF == topF &>> 63, topG == topG &>> 63 else { return count }
        f[count - 2] |= topF &<< 62
        g[count - 2] |= topG &<< 62
        return count - 1
    }
}
