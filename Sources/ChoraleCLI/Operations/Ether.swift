import Execution

/// Amounts of ether as people write and read them.
enum Ether {
    private static let weiPerEther: UInt128 = 1_000_000_000_000_000_000
    private static let digitCount = 18

    /// Wei of a decimal number of ether, such as `1` or `0.25`.
    ///
    /// - Returns: nil for anything else, for more than 18 digits behind the point, and from 10^12 ether on.
    static func wei(_ text: String) -> UInt128? {
        let parts = text.split(separator: ".", maxSplits: 1, omittingEmptySubsequences: false)
        let fraction = parts.count == 2 ? parts[1] : "0"
        guard let whole = parts.first, isNumber(whole), isNumber(fraction),
            whole.utf8.count <= 12, fraction.utf8.count <= digitCount,
            let integer = UInt128(whole),
            let rest = UInt128(
                fraction + String(repeating: "0", count: digitCount - fraction.utf8.count))
        else { return nil }
        return integer * weiPerEther + rest
    }

    /// Wei as a text of digits: no sign, no spaces.
    static func digits(_ text: String) -> UInt128? {
        guard isNumber(Substring(text)), text.utf8.count <= 29 else { return nil }
        return UInt128(text)
    }

    /// `0.01 ether`; small amounts in gwei or wei.
    static func text(_ wei: UInt128) -> String {
        if wei >= 1_000_000_000_000 { return decimal(wei, digitCount) + " ether" }
        if wei >= 1000 { return decimal(wei, 9) + " gwei" }
        return "\(wei) wei"
    }

    /// All digits that are not zeros at the end.
    private static func decimal(_ number: UInt128, _ places: Int) -> String {
        var digits = String(number)
        if digits.utf8.count <= places {
            digits = String(repeating: "0", count: places + 1 - digits.utf8.count) + digits
        }
        var fraction = digits.suffix(places)
        while fraction.last == "0" { fraction.removeLast() }
        let whole = digits.dropLast(places)
        return fraction.isEmpty ? String(whole) : "\(whole).\(fraction)"
    }

    private static func isNumber(_ text: Substring) -> Bool {
        !text.isEmpty && text.utf8.allSatisfy { (0x30...0x39).contains($0) }
    }
}

extension UInt256 {
    init(wei value: UInt128) {
        self.init(0, 0, UInt64(truncatingIfNeeded: value >> 64), UInt64(truncatingIfNeeded: value))
    }
}
