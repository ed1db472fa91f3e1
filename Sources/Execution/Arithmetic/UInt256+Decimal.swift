extension UInt256 {
    /// Decimal digits, for people.
    public var decimal: String {
        // 10¹⁹ is the largest power of ten below 2⁶⁴.
        let base = UInt256(10_000_000_000_000_000_000)
        var rest = self
        var groups: [UInt64] = []
        repeat {
            let (quotient, remainder) = rest.quotientAndRemainder(dividingBy: base)
            groups.append(remainder.l0)
            rest = quotient
        } while !rest.isZero
        var digits = String(groups.removeLast())
        for group in groups.reversed() {
            let own = String(group)
            digits += String(repeating: "0", count: 19 - own.count) + own
        }
        return digits
    }
}
