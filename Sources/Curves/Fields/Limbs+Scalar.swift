extension Limbs {
    /// Less another integer, and whether that passed zero.
    func subtractingReportingBorrow(_ other: Self) -> (difference: Self, borrow: Bool) {
        var difference = self
        var carry: UInt64 = 1
        for index in 0..<limbCount {
            difference[index] = subtract(self[index], other[index], &carry)
        }
        return (difference, carry == 0)
    }

    /// Zero minus the integer.
    var negated: Self { Self(repeating: 0).subtractingReportingBorrow(self).difference }

    static func < (lhs: Self, rhs: Self) -> Bool {
        lhs.subtractingReportingBorrow(rhs).borrow
    }
}

extension Limbs<4> {
    /// The remainder after division by a group's order of at least 2²⁵³: at most seven subtractions.
    func reduced(modulo order: Self) -> Self {
        var remainder = self
        while true {
            let (difference, borrow) = remainder.subtractingReportingBorrow(order)
            if borrow { return remainder }
            remainder = difference
        }
    }

    /// Bits 256 to 383 of the product.
    func productShifted256(by other: Limbs<3>) -> UInt128 {
        var product = Limbs<7>(repeating: 0)
        for row in 0..<3 {
            var carry: UInt64 = 0
            for column in 0..<4 {
                product[row + column] = multiplyAdd(
                    other[row], self[column], product[row + column], &carry)
            }
            product[row + 4] = carry
        }
        return UInt128(product[4]) | UInt128(product[5]) << 64
    }
}
