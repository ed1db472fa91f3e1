/// A set of small numbers, such as topics or peers by index: one bit each.
///
/// Numbers below 128 are inline, for a set that every stored message has.
struct NumberSet: Sendable {
    private var low: UInt64 = 0
    private var high: UInt64 = 0
    /// From 128 on.
    private var rest: [UInt64] = []
    private(set) var count = 0

    var isEmpty: Bool { count == 0 }

    private func word(_ index: Int) -> UInt64 {
        switch index {
        case 0: low
        case 1: high
        default: index - 2 < rest.count ? rest[index - 2] : 0
        }
    }

    private mutating func change(_ number: Int) {
        let bit: UInt64 = 1 << UInt64(number & 63)
        switch number >> 6 {
        case 0: low ^= bit
        case 1: high ^= bit
        case let index:
            while rest.count <= index - 2 { rest.append(0) }
            rest[index - 2] ^= bit
        }
    }

    func contains(_ number: Int) -> Bool { word(number >> 6) >> UInt64(number & 63) & 1 == 1 }

    /// - Returns: false when it was there already.
    @discardableResult
    mutating func insert(_ number: Int) -> Bool {
        guard !contains(number) else { return false }
        change(number)
        count += 1
        return true
    }

    /// - Returns: false when it was not there.
    @discardableResult
    mutating func remove(_ number: Int) -> Bool {
        guard contains(number) else { return false }
        change(number)
        count -= 1
        return true
    }

    /// In ascending order.
    var elements: [Int] {
        var elements: [Int] = []
        elements.reserveCapacity(count)
        for index in 0..<rest.count + 2 {
            var left = word(index)
            while left != 0 {
                elements.append((index << 6) + left.trailingZeroBitCount)
                left &= left - 1
            }
        }
        return elements
    }
}
