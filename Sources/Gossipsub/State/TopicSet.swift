/// A set of topics by index: one bit each.
struct TopicSet: Hashable, Sendable {
    private var words: [UInt64] = []
    private(set) var count = 0

    func contains(_ topic: Int) -> Bool {
        let word = topic >> 6
        return word < words.count && words[word] >> UInt64(topic & 63) & 1 == 1
    }

    /// - Returns: false when it was there already.
    @discardableResult
    mutating func insert(_ topic: Int) -> Bool {
        guard !contains(topic) else { return false }
        while words.count <= topic >> 6 { words.append(0) }
        words[topic >> 6] |= 1 << UInt64(topic & 63)
        count += 1
        return true
    }

    /// - Returns: false when it was not there.
    @discardableResult
    mutating func remove(_ topic: Int) -> Bool {
        guard contains(topic) else { return false }
        words[topic >> 6] &= ~(1 << UInt64(topic & 63))
        count -= 1
        return true
    }

    /// In ascending order.
    var elements: [Int] {
        var elements: [Int] = []
        elements.reserveCapacity(count)
        for (index, word) in words.enumerated() {
            var rest = word
            while rest != 0 {
                elements.append((index << 6) + rest.trailingZeroBitCount)
                rest &= rest - 1
            }
        }
        return elements
    }
}
