/// A reading of the driver's monotonic clock, in nanoseconds since the node started.
///
/// Only a driver creates one from a real clock. Tests and the simulator create them from integers.
public struct MonotonicInstant: InstantProtocol, Hashable, Sendable {
    public var nanoseconds: Int64

    /// The instant at which the driver's clock started.
    public static let zero = MonotonicInstant(nanoseconds: 0)

    public init(nanoseconds: Int64) { self.nanoseconds = nanoseconds }

    public func advanced(by duration: Duration) -> Self {
        let (sum, overflow) = nanoseconds.addingReportingOverflow(duration.wholeNanoseconds)
        // A deadline beyond the representable range is "never"; trapping on it would let a
        // configured or peer-supplied duration stop the node.
        guard !overflow else { return Self(nanoseconds: duration < .zero ? .min : .max) }
        return Self(nanoseconds: sum)
    }

    public func duration(to other: Self) -> Duration {
        .nanoseconds(other.nanoseconds - nanoseconds)
    }

    public static func < (lhs: Self, rhs: Self) -> Bool { lhs.nanoseconds < rhs.nanoseconds }
}

extension Duration {
    /// The duration in nanoseconds, rounded towards zero and clamped to what an `Int64` holds.
    public var wholeNanoseconds: Int64 {
        // In integers, because dividing two durations gives a Double.
        let (seconds, attoseconds) = components
        let (scaled, overflow) = seconds.multipliedReportingOverflow(by: 1_000_000_000)
        guard !overflow else { return seconds < 0 ? .min : .max }
        let (sum, carry) = scaled.addingReportingOverflow(attoseconds / 1_000_000_000)
        guard !carry else { return seconds < 0 ? .min : .max }
        return sum
    }

    /// The duration in whole milliseconds, rounded towards zero.
    public var wholeMilliseconds: Int64 { wholeNanoseconds / 1_000_000 }
}

/// The earlier of two deadlines, where nil means "no deadline".
public func earliest(_ first: MonotonicInstant?, _ second: MonotonicInstant?) -> MonotonicInstant? {
    guard let first else { return second }
    guard let second else { return first }
    return min(first, second)
}
