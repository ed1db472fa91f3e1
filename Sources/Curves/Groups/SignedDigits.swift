/// A scalar of 128 bits as digits 0, ±1, ±3, ±5, ±7 of which at most one in four is not zero.
///
/// Where negatives are free, as in groups of points and the cyclotomic subgroup, a power then takes one
/// product in five bits and four odd powers prepared.
///
/// Specification: Handbook of Elliptic and Hyperelliptic Curve Cryptography, algorithm 9.35.
struct SignedDigits: Sendable {
    /// The scalar's bits and the carry of the highest digit.
    static var count: Int { 129 }

    private var storage = [129 of Int8](repeating: 0)

    init(_ scalar: UInt128) {
        var rest = scalar
        var position = 0
        var carry: UInt128 = 0
        while rest != 0 || carry != 0 {
            // `carry` stands for what a negative digit borrowed from this position.
            let low = (rest & 15) + carry
            if low & 1 == 0 {
                // One and a carry make nothing here and a carry there, so the carry stays what it is.
                rest >>= 1
                position += 1
                continue
            }
            let digit = Int8(low & 15)
            storage[position] = digit < 8 ? digit : digit - 16
            carry = digit < 8 ? 0 : 1
            rest >>= 4
            position += 4
        }
    }

    subscript(position: Int) -> Int8 { storage[position] }

    /// The digits of the scalar's negative.
    var negated: Self {
        var negated = self
        for position in 0..<Self.count { negated.storage[position] = -storage[position] }
        return negated
    }

    /// The highest position with a digit other than zero, or −1 for zero.
    var highest: Int {
        var position = Self.count - 1
        while position >= 0, storage[position] == 0 { position -= 1 }
        return position
    }
}
