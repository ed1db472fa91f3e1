import Glibc

/// Seconds since it was made, of a clock that only goes forward.
struct Stopwatch {
    private let start = Self.now()

    var seconds: Double { Self.now() - start }

    private static func now() -> Double {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
    }
}

enum Pause {
    /// Between two looks at something that changes within seconds.
    static func short() { usleep(250_000) }
}
