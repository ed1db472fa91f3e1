/// How late the loop is, since it started.
public struct LoopLag: Sendable {
    /// Time from the first callback after a wait until the loop waits again: how long the next event
    /// may have to wait.
    public internal(set) var turns = DurationHistogram()
    /// Time from a timer's deadline until its callback.
    public internal(set) var timerLateness = DurationHistogram()
}

/// Counts durations in buckets whose bounds grow by a quarter of a power of two.
///
/// A percentile is exact to within 25 % (3 bits of mantissa are kept). 1 KiB of memory, a dozen
/// instructions per record, and subtraction of two readings gives the interval between them.
public struct DurationHistogram: Sendable {
    /// Durations recorded, by bucket. Bounds are given by ``upperBound(ofBucket:)``.
    public private(set) var counts = [UInt64](repeating: 0, count: bucketCount)
    public private(set) var count: UInt64 = 0
    public private(set) var sumNanoseconds: UInt64 = 0
    public private(set) var maxNanoseconds: UInt64 = 0

    /// 4 buckets for each of the first 40 powers of two: up to 18 minutes.
    public static let bucketCount = 160

    public init() {}

    /// Negative durations count as zero, and longer ones than the last bound in the last bucket.
    public mutating func record(nanoseconds: Int64) {
        let value = UInt64(max(0, nanoseconds))
        counts[Self.bucket(of: value)] += 1
        count += 1
        sumNanoseconds &+= value
        maxNanoseconds = max(maxNanoseconds, value)
    }

    static func bucket(of value: UInt64) -> Int {
        guard value >= 4 else { return Int(value) }
        let exponent = 63 - value.leadingZeroBitCount
        let quarter = Int((value >> UInt64(exponent - 2)) & 3)
        return min(4 * (exponent - 1) + quarter, bucketCount - 1)
    }

    /// The largest duration, in nanoseconds, that falls into the bucket.
    public static func upperBound(ofBucket bucket: Int) -> UInt64 {
        guard bucket >= 4 else { return UInt64(bucket) }
        let exponent = UInt64(bucket / 4 + 1)
        return ((5 + UInt64(bucket % 4)) << (exponent - 2)) - 1
    }

    /// The duration that `percent` % of all records do not exceed, in nanoseconds; zero when
    /// nothing was recorded.
    public func percentile(_ percent: Int) -> UInt64 {
        guard count > 0 else { return 0 }
        let rank = max(1, (count * UInt64(min(max(percent, 0), 100)) + 99) / 100)
        var seen: UInt64 = 0
        for (bucket, inBucket) in counts.enumerated() {
            seen += inBucket
            if seen >= rank { return min(Self.upperBound(ofBucket: bucket), maxNanoseconds) }
        }
        return maxNanoseconds
    }
}
