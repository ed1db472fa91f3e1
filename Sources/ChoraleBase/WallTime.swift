/// A calendar time, in milliseconds since 1970-01-01T00:00:00Z.
///
/// For things that outlive a process: record expiry, block timestamps, log lines. Waiting uses
/// ``MonotonicInstant``, because wall clocks step backwards.
public struct WallTime: Hashable, Comparable, Sendable {
    public var milliseconds: Int64

    public init(milliseconds: Int64) { self.milliseconds = milliseconds }

    /// Whole seconds since the epoch, rounded down.
    public var seconds: Int64 {
        let quotient = milliseconds / 1000
        return milliseconds % 1000 < 0 ? quotient - 1 : quotient
    }

    /// Clamped at the ends of the range rather than trapping.
    public func advanced(by duration: Duration) -> WallTime {
        let (sum, overflow) = milliseconds.addingReportingOverflow(duration.wholeMilliseconds)
        guard !overflow else {
            return WallTime(milliseconds: duration < .zero ? .min : .max)
        }
        return WallTime(milliseconds: sum)
    }

    public static func < (lhs: Self, rhs: Self) -> Bool { lhs.milliseconds < rhs.milliseconds }
}

/// Both clocks, read together by a driver at the start of a turn.
///
/// `instant` never goes backwards between calls into one machine; `wall` may.
public struct Now: Hashable, Sendable {
    public var instant: MonotonicInstant
    public var wall: WallTime

    public init(instant: MonotonicInstant, wall: WallTime) {
        self.instant = instant
        self.wall = wall
    }
}
