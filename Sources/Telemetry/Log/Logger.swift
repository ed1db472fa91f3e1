import ChoraleBase
import Glibc
import Synchronization

/// Writes log lines to standard error without ever waiting for whoever reads it.
///
/// What the reader does not take at once is kept, up to `LogLimits.bufferSizeMax`, and written with
/// the next line or `flush`; beyond that lines are dropped, and the first one that fits again says
/// how many. Whoever owns the logger calls `flush` now and then.
///
/// Lines with the same message are limited in number per time, except for `debug` and `trace`,
/// which one asks for to see everything.
///
/// May be called from any thread.
public final class Logger: Sendable {
    public let level: LogLevel
    public let format: LogFormat
    private let limits: LogLimits
    private let sink: LogSink
    private let now: @Sendable () -> WallTime

    private struct Repetition {
        var windowStart: WallTime
        var count = 0
        var omitted: UInt64 = 0
    }

    private struct State {
        var buffer: [UInt8] = []
        var repetitions: [String: Repetition] = [:]
        /// Since the last line that said so.
        var dropped: UInt64 = 0
        var counters = LogCounters()
    }

    private let state = Mutex(State())

    public convenience init(
        level: LogLevel,
        format: LogFormat,
        limits: LogLimits = LogLimits()
    ) {
        self.init(level: level, format: format, limits: limits, sink: .standardError) {
            var time = timespec()
            clock_gettime(CLOCK_REALTIME, &time)
            return WallTime(
                milliseconds: Int64(time.tv_sec) * 1000 + Int64(time.tv_nsec) / 1_000_000)
        }
    }

    init(
        level: LogLevel,
        format: LogFormat,
        limits: LogLimits,
        sink: LogSink,
        now: @escaping @Sendable () -> WallTime
    ) {
        self.level = level
        self.format = format
        self.limits = limits
        self.sink = sink
        self.now = now
    }

    public var counters: LogCounters { state.withLock { $0.counters } }

    /// Whether lines of `level` are written, for callers whose values are expensive.
    public func isEnabled(_ level: LogLevel) -> Bool { level <= self.level }

    /// Writes one line.
    ///
    /// - Parameters:
    ///   - message: what happened, always the same words for the same thing.
    ///   - fields: the values, in the order in which they are written.
    public func log(
        _ level: LogLevel,
        _ message: StaticString,
        _ fields: @autoclosure () -> KeyValuePairs<LogKey, LogValue> = [:]
    ) {
        guard isEnabled(level) else { return }
        let time = now()
        let message = message.description
        let fields = fields()
        state.withLock { state in
            guard let omitted = admit(message, level: level, time: time, in: &state) else { return }
            var all = fields.map { ($0.key, $0.value) }
            if omitted > 0 { all.append((LogKey("omitted"), LogValue(omitted))) }
            write(LogLine(time: time, level: level, message: message, fields: all), in: &state)
        }
    }

    public func error(
        _ message: StaticString, _ fields: @autoclosure () -> KeyValuePairs<LogKey, LogValue> = [:]
    ) { log(.error, message, fields()) }

    public func warning(
        _ message: StaticString, _ fields: @autoclosure () -> KeyValuePairs<LogKey, LogValue> = [:]
    ) { log(.warning, message, fields()) }

    public func info(
        _ message: StaticString, _ fields: @autoclosure () -> KeyValuePairs<LogKey, LogValue> = [:]
    ) { log(.info, message, fields()) }

    public func debug(
        _ message: StaticString, _ fields: @autoclosure () -> KeyValuePairs<LogKey, LogValue> = [:]
    ) { log(.debug, message, fields()) }

    public func trace(
        _ message: StaticString, _ fields: @autoclosure () -> KeyValuePairs<LogKey, LogValue> = [:]
    ) { log(.trace, message, fields()) }

    /// Writes what waits, as far as that is possible without waiting.
    ///
    /// - Returns: true when nothing is left.
    @discardableResult
    public func flush() -> Bool {
        state.withLock { state in
            drain(&state)
            reportDropped(in: &state, time: now())
            return state.buffer.isEmpty
        }
    }

    /// How many lines were left out before this one; nil if this one is left out, too.
    private func admit(
        _ message: String,
        level: LogLevel,
        time: WallTime,
        in state: inout State
    ) -> UInt64? {
        guard level <= .info else { return 0 }
        if state.repetitions.count >= limits.messageCountMax, state.repetitions[message] == nil {
            state.repetitions = [:]
        }
        var repetition = state.repetitions[message] ?? Repetition(windowStart: time)
        defer { state.repetitions[message] = repetition }
        let age = time.milliseconds &- repetition.windowStart.milliseconds
        var omitted: UInt64 = 0
        // Negative when the wall clock stepped back: a new window, too.
        if !(0..<limits.repetitionWindow ~= age) {
            omitted = repetition.omitted
            repetition = Repetition(windowStart: time)
        }
        guard repetition.count < limits.repetitionCountMax else {
            repetition.omitted += 1
            state.counters.linesOmitted += 1
            return nil
        }
        repetition.count += 1
        return omitted
    }

    private func write(_ line: LogLine, in state: inout State) {
        drain(&state)
        reportDropped(in: &state, time: line.time)
        append(line, in: &state)
        drain(&state)
    }

    private func append(_ line: LogLine, in state: inout State) {
        let bytes = Array(line.encode(format, limits: limits).utf8)
        guard state.buffer.count + bytes.count <= limits.bufferSizeMax else {
            state.dropped += 1
            state.counters.linesDropped += 1
            return
        }
        state.buffer += bytes
        state.counters.linesWritten += 1
    }

    /// Says that lines are missing, where they are missing.
    private func reportDropped(in state: inout State, time: WallTime) {
        guard state.dropped > 0, state.buffer.isEmpty else { return }
        let line = LogLine(
            time: time, level: .warning, message: "log lines dropped: their reader was too slow",
            fields: [(.count, LogValue(state.dropped))])
        state.dropped = 0
        append(line, in: &state)
        drain(&state)
    }

    private func drain(_ state: inout State) {
        guard !state.buffer.isEmpty else { return }
        let count = sink.write(state.buffer.span)
        state.buffer.removeFirst(count)
    }
}

/// Each call at an enabled level is one of these. Lines about dropped lines count as written.
public struct LogCounters: Hashable, Sendable {
    public var linesWritten: UInt64 = 0
    /// Left out because the same message came too often.
    public var linesOmitted: UInt64 = 0
    /// Lost because the reader of standard error was too slow.
    public var linesDropped: UInt64 = 0

    public init() {}
}
