import Glibc

/// CPU time of this thread: a busy machine changes little of it.
struct Stopwatch {
    private var start = now()

    var seconds: Double { Self.now() - start }

    /// Seconds since the last lap, or since the beginning.
    mutating func lap() -> Double {
        let end = Self.now()
        defer { start = end }
        return end - start
    }

    private static func now() -> Double {
        var time = timespec()
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
        return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
    }
}

/// Something came out otherwise than it must, so that its time means nothing.
struct MeasurementError: Error, CustomStringConvertible {
    let description: String

    init(_ description: String) { self.description = description }
}
