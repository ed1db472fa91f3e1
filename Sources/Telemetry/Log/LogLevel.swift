/// How much an operator should care.
public enum LogLevel: String, CaseIterable, Hashable, Comparable, Sendable {
    /// An operator must act.
    case error
    /// An operator may need to act.
    case warning
    /// The life of the node.
    case info
    /// Per message; also whatever a misbehaving peer does.
    case debug
    /// Per frame.
    case trace

    /// `error` is the least: a logger writes what is at most its own level.
    public static func < (lhs: Self, rhs: Self) -> Bool { lhs.rank < rhs.rank }

    private var rank: Int {
        switch self {
        case .error: 0
        case .warning: 1
        case .info: 2
        case .debug: 3
        case .trace: 4
        }
    }
}

/// The name of a value in a log line. A constant, so that lines can be searched.
public struct LogKey: Hashable, Sendable, CustomStringConvertible {
    public let description: String

    public init(_ name: StaticString) { description = name.description }

    public static let peer = LogKey("peer")
    public static let address = LogKey("address")
    public static let topic = LogKey("topic")
    public static let reason = LogKey("reason")
    public static let count = LogKey("count")
    public static let path = LogKey("path")
    public static let error = LogKey("error")
    public static let version = LogKey("version")
}

/// A value in a log line.
///
/// Text may come from a stranger: it is escaped when it is written, and cut at
/// ``LogLimits/valueSizeMax``.
public enum LogValue: Hashable, Sendable {
    case text(String)
    case integer(Int)
    case real(Double)
    case boolean(Bool)

    public init(_ value: some CustomStringConvertible) { self = .text(value.description) }

    public init(_ value: some BinaryInteger) {
        self = Int(exactly: value).map(LogValue.integer) ?? .text("\(value)")
    }
}

extension LogValue: ExpressibleByStringLiteral, ExpressibleByIntegerLiteral,
    ExpressibleByFloatLiteral, ExpressibleByBooleanLiteral
{
    public init(stringLiteral value: String) { self = .text(value) }
    public init(integerLiteral value: Int) { self = .integer(value) }
    public init(floatLiteral value: Double) { self = .real(value) }
    public init(booleanLiteral value: Bool) { self = .boolean(value) }
}

public enum LogFormat: String, CaseIterable, Hashable, Sendable { case text, json }

public struct LogLimits: Hashable, Sendable {
    /// Bytes that wait for a reader of standard error. More is dropped and counted.
    ///
    /// A thousand lines: a terminal or pipe that stalls for a moment loses nothing.
    public var bufferSizeMax = 128 << 10
    /// Bytes of one value; the rest is replaced by `…`.
    public var valueSizeMax = 1024
    /// Lines with one message within ``repetitionWindow`` before the rest is left out.
    public var repetitionCountMax = 20
    /// The first line after the window says how many were left out. Milliseconds.
    public var repetitionWindow: Int64 = 10_000
    /// Messages whose repetitions are counted. Messages are constants, so this is never reached
    /// unless there are more of them in the program.
    public var messageCountMax = 512

    public init() {}
}
