import ChoraleBase
import Synchronization
import Testing

@testable import Telemetry

/// A reader that takes as many bytes as the test allows, and a clock that the test moves.
private final class TestReader: Sendable {
    private struct State {
        var taken: [UInt8] = []
        var room = Int.max
        var time = WallTime(milliseconds: 1_795_255_445_678)
    }

    private let state = Mutex(State())

    var lines: [String] {
        String(decoding: state.withLock { $0.taken }, as: UTF8.self)
            .split(separator: "\n").map(String.init)
    }

    func allow(_ count: Int) { state.withLock { $0.room = count } }
    func advance(milliseconds: Int64) { state.withLock { $0.time.milliseconds += milliseconds } }

    func logger(
        _ level: LogLevel = .info,
        _ format: LogFormat = .text,
        _ limits: LogLimits = LogLimits()
    ) -> Logger {
        let sink = LogSink { bytes in
            self.state.withLock { state in
                let count = min(bytes.count, state.room)
                state.room -= count
                for index in 0..<count { state.taken.append(bytes[index]) }
                return count
            }
        }
        return Logger(level: level, format: format, limits: limits, sink: sink) {
            self.state.withLock { $0.time }
        }
    }
}

@Suite struct LoggerTests {
    private let reader = TestReader()

    @Test func textIsAligned() {
        let logger = reader.logger(.trace)
        logger.info("connected", [.peer: "12D3", .count: 3])
        logger.error("out of room")
        logger.warning("slow disk", [.path: "/a b", LogKey("lag"): 0.5, LogKey("sync"): true])
        #expect(
            reader.lines == [
                "2026-11-21T10:04:05.678Z info    connected                            "
                    + "peer=12D3 count=3",
                "2026-11-21T10:04:05.678Z error   out of room",
                "2026-11-21T10:04:05.678Z warning slow disk                            "
                    + #"path="/a b" lag=0.5 sync=true"#,
            ])
    }

    @Test func jsonIsOneObjectALine() {
        let logger = reader.logger(.info, .json)
        logger.info("connected", [.peer: "a\"b", .count: -3, LogKey("lag"): .real(.nan)])
        #expect(
            reader.lines == [
                #"{"time":"2026-11-21T10:04:05.678Z","level":"info","message":"connected","#
                    + #""peer":"a\"b","count":-3,"lag":"nan"}"#
            ])
    }

    @Test(
        arguments: [
            ("", #""""#), ("plain", "plain"), ("a b", #""a b""#), ("a=b", #""a=b""#),
            ("a\"b", #""a\"b""#), ("a\\b", #""a\\b""#), ("a\nb", #""a\nb""#),
            ("\u{1B}[2J", #""\u001b[2J""#), ("\u{7F}", #""\u007f""#), ("\u{9B}m", #""\u009bm""#),
            ("\u{202E}gnp", #""\u202egnp""#), ("\u{2028}", #""\u2028""#), ("ü→", "ü→"),
            ("a\u{A0}b", "\"a\u{A0}b\""), ("\r\n", #""\r\n""#), ("\0", #""\u0000""#),
        ] as [(String, String)])
    func valuesOfStrangersStayInTheirPlace(value: String, written: String) {
        let logger = reader.logger()
        logger.info("m", [.peer: .text(value)])
        let line = reader.lines.first ?? ""
        #expect(reader.lines.count == 1)
        #expect(line.hasSuffix(" peer=" + written))
    }

    @Test func longValuesAreCutBetweenCharacters() {
        var limits = LogLimits()
        limits.valueSizeMax = 4
        let logger = reader.logger(.info, .text, limits)
        logger.info("m", [.peer: "abcd", .topic: "abcde", .reason: "aüüü"])
        #expect(reader.lines.first?.hasSuffix(" peer=abcd topic=abcd… reason=aü…") == true)
    }

    @Test(arguments: LogLevel.allCases) func aLevelIncludesTheLessTalkativeOnes(level: LogLevel) {
        let logger = reader.logger(level)
        for other in LogLevel.allCases { logger.log(other, "m") }
        let included = LogLevel.allCases.prefix { $0 <= level }
        #expect(reader.lines.count == included.count)
        #expect(LogLevel.allCases.filter(logger.isEnabled) == Array(included))
    }

    @Test func repetitionsAreLeftOutAndCounted() {
        var limits = LogLimits()
        limits.repetitionCountMax = 2
        let logger = reader.logger(.debug, .text, limits)
        for _ in 0..<5 {
            logger.warning("again")
            logger.debug("again")
        }
        logger.warning("other")
        #expect(reader.lines.filter { $0.contains("warning again") }.count == 2)
        #expect(reader.lines.filter { $0.contains("debug   again") }.count == 5)
        #expect(reader.lines.filter { $0.contains("other") }.count == 1)
        reader.advance(milliseconds: 9_999)
        logger.warning("again")
        #expect(logger.counters.linesOmitted == 4)
        reader.advance(milliseconds: 1)
        logger.warning("again")
        #expect(reader.lines.last?.hasSuffix(" omitted=4") == true)
        logger.warning("again")
        #expect(reader.lines.last?.contains("omitted") == false)
        // 5 debug, 2 + 2 again, 1 other.
        #expect(logger.counters.linesWritten == 10)
    }

    @Test func aClockThatStepsBackDoesNotSilenceAMessage() {
        var limits = LogLimits()
        limits.repetitionCountMax = 1
        let logger = reader.logger(.info, .text, limits)
        logger.info("m")
        logger.info("m")
        reader.advance(milliseconds: -3_600_000)
        logger.info("m")
        #expect(reader.lines.count == 2)
    }

    @Test func whatASlowReaderCannotTakeIsDroppedAndReported() {
        var limits = LogLimits()
        limits.bufferSizeMax = 100
        let logger = reader.logger(.debug, .text, limits)
        reader.allow(10)
        for _ in 0..<6 { logger.debug("hello") }
        // Each line has 39 bytes: 10 are taken, and 100 kept.
        #expect(logger.counters.linesWritten == 2)
        #expect(logger.counters.linesDropped == 4)
        let isEmpty = logger.flush()
        #expect(!isEmpty)
        reader.allow(.max)
        let isEmptyNow = logger.flush()
        #expect(isEmptyNow)
        #expect(reader.lines.count == 3)
        #expect(reader.lines.last?.contains("log lines dropped") == true)
        #expect(reader.lines.last?.hasSuffix(" count=4") == true)
        logger.debug("hello")
        #expect(reader.lines.count == 4)
    }

    @Test(
        arguments: [
            (0, "1970-01-01T00:00:00.000Z"), (-1, "1969-12-31T23:59:59.999Z"),
            (951_782_400_000, "2000-02-29T00:00:00.000Z"),
            (951_868_799_999, "2000-02-29T23:59:59.999Z"),
            (951_868_800_000, "2000-03-01T00:00:00.000Z"),
            (4_107_542_400_000, "2100-03-01T00:00:00.000Z"),
            (4_107_456_000_000, "2100-02-28T00:00:00.000Z"),
            (1_735_689_599_000, "2024-12-31T23:59:59.000Z"),
            (-62_135_596_800_000, "0001-01-01T00:00:00.000Z"),
        ] as [(Int64, String)])
    func timesAreWrittenInUTC(milliseconds: Int64, text: String) {
        #expect(LogLine.timestamp(WallTime(milliseconds: milliseconds)) == text)
    }
}
