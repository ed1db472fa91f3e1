/// How often a quantity fell below each of some bounds.
///
/// Memory: one integer per bound. Observing allocates nothing.
public struct Histogram: Hashable, Sendable {
    /// Ascending upper bounds, inclusive. What exceeds the last is counted, too.
    public let bounds: [Double]
    /// How many observations fell into each bucket, one more than bounds. Not cumulative.
    public private(set) var counts: [UInt64]
    public private(set) var sum: Double = 0

    /// - Precondition: `bounds` are finite and strictly ascending.
    public init(bounds: [Double]) {
        precondition(bounds.allSatisfy(\.isFinite), "bounds are finite")
        precondition(zip(bounds, bounds.dropFirst()).allSatisfy(<), "bounds ascend")
        self.bounds = bounds
        counts = Array(repeating: 0, count: bounds.count + 1)
    }

    /// What was counted elsewhere.
    ///
    /// - Precondition: bounds as for ``init(bounds:)``, and one more count than bounds.
    public init(bounds: [Double], counts: [UInt64], sum: Double) {
        precondition(counts.count == bounds.count + 1, "a count for each bucket")
        self.init(bounds: bounds)
        self.counts = counts
        self.sum = sum
    }

    public var count: UInt64 { counts.reduce(0, &+) }

    /// - Complexity: O(log bounds).
    public mutating func observe(_ value: Double) {
        var low = 0
        var high = bounds.count
        while low < high {
            let middle = (low + high) / 2
            if bounds[middle] < value { low = middle + 1 } else { high = middle }
        }
        counts[low] &+= 1
        sum += value
    }
}
