/// A rate limit with a burst: `capacity` tokens at most, refilled at a steady rate.
///
/// Integer arithmetic only, so that two runs with the same inputs agree.
public struct TokenBucket: Hashable, Sendable {
    /// Largest burst, in tokens.
    public let capacity: Int64
    /// Time for one token to come back.
    private let nanosecondsPerToken: Int64
    /// Tokens × `nanosecondsPerToken`, so that fractions are kept.
    private var credit: Int64
    private var refilledAt: MonotonicInstant

    /// - Parameters:
    ///   - capacity: largest burst in tokens, in `1...2^31`.
    ///   - interval: time for one token to come back, at least a nanosecond and at most an hour.
    public init(capacity: Int64, interval: Duration, now: MonotonicInstant) {
        let nanoseconds = interval.wholeNanoseconds
        precondition((1...(1 << 31)).contains(capacity), "a bucket of \(capacity) tokens")
        precondition((1...3_600_000_000_000).contains(nanoseconds), "interval out of range")
        let (_, overflow) = capacity.multipliedReportingOverflow(by: nanoseconds)
        precondition(!overflow, "capacity × interval must fit in Int64")
        self.capacity = capacity
        self.nanosecondsPerToken = nanoseconds
        self.credit = capacity * nanoseconds
        self.refilledAt = now
    }

    /// Takes `tokens` if they are there.
    ///
    /// - Returns: false, and takes nothing, when the bucket holds fewer.
    public mutating func take(_ tokens: Int64 = 1, now: MonotonicInstant) -> Bool {
        refill(now: now)
        guard tokens <= capacity, credit >= tokens * nanosecondsPerToken else { return false }
        credit -= tokens * nanosecondsPerToken
        return true
    }

    /// Tokens taken that have not come back, rounded up.
    public func used(now: MonotonicInstant) -> Int64 {
        var bucket = self
        bucket.refill(now: now)
        let missing = capacity * nanosecondsPerToken - bucket.credit
        return (missing + nanosecondsPerToken - 1) / nanosecondsPerToken
    }

    /// When `tokens` will next be there, or nil when they never will.
    public mutating func readyAt(_ tokens: Int64 = 1, now: MonotonicInstant) -> MonotonicInstant? {
        refill(now: now)
        guard tokens <= capacity else { return nil }
        let missing = tokens * nanosecondsPerToken - credit
        return missing <= 0 ? now : now.advanced(by: .nanoseconds(missing))
    }

    private mutating func refill(now: MonotonicInstant) {
        guard now > refilledAt else { return }
        let elapsed = now.nanoseconds - refilledAt.nanoseconds
        let full = capacity * nanosecondsPerToken
        credit = elapsed >= full - credit ? full : credit + elapsed
        refilledAt = now
    }
}
