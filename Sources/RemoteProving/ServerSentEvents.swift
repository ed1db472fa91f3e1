/// Events of a `text/event-stream`, from bytes that arrive in any pieces.
///
/// Memory: one line and one event, each at most ``Limits/eventSizeMax``.
///
/// Specification: WHATWG HTML, section 9.2.6. Of the fields only `event` and `data` are kept; comments,
/// with which servers keep a connection alive, and unknown fields are skipped.
public struct ServerSentEvents: Sendable {
    public struct Event: Hashable, Sendable {
        /// Empty when the stream does not say.
        public var name: String
        /// Lines of data, with line feeds between them.
        public var data: String
    }

    public struct Limits: Hashable, Sendable {
        /// Largest line, and largest event's data, in bytes: a failure's message in words.
        public var eventSizeMax = 16 << 10

        public init() {}
    }

    public enum StreamError: Error, Hashable, Sendable {
        case eventTooLarge(limit: Int)
        case notUTF8
    }

    private let limits: Limits
    private var line: [UInt8] = []
    private var name: [UInt8] = []
    private var data: [UInt8] = []
    private var hasData = false
    /// The last byte was a carriage return, whose line feed belongs to it.
    private var skipsLineFeed = false
    private var isAtStart = true

    public init(limits: Limits = Limits()) { self.limits = limits }

    /// Takes what has arrived.
    ///
    /// - Returns: the events that are complete with it, in order.
    public mutating func append(_ bytes: [UInt8]) throws(StreamError) -> [Event] {
        var events: [Event] = []
        for byte in bytes {
            if skipsLineFeed {
                skipsLineFeed = false
                if byte == 0x0A { continue }
            }
            switch byte {
            case 0x0A, 0x0D:
                skipsLineFeed = byte == 0x0D
                if let event = try endLine() { events.append(event) }
            default:
                guard line.count < limits.eventSizeMax else {
                    throw .eventTooLarge(limit: limits.eventSizeMax)
                }
                line.append(byte)
            }
        }
        return events
    }

    private mutating func endLine() throws(StreamError) -> Event? {
        defer { line.removeAll(keepingCapacity: true) }
        if isAtStart {
            isAtStart = false
            // A byte order mark is no part of the first line.
            if line.starts(with: [0xEF, 0xBB, 0xBF]) { line.removeFirst(3) }
        }
        guard !line.isEmpty else { return try dispatch() }
        let colon = line.firstIndex(of: 0x3A) ?? line.endIndex
        guard colon > 0 else { return nil }
        var value = line[min(colon + 1, line.endIndex)...]
        if value.first == 0x20 { value.removeFirst() }
        if line[..<colon].elementsEqual("event".utf8) {
            name = Array(value)
        } else if line[..<colon].elementsEqual("data".utf8) {
            guard data.count + value.count < limits.eventSizeMax else {
                throw .eventTooLarge(limit: limits.eventSizeMax)
            }
            if hasData { data.append(0x0A) }
            data += value
            hasData = true
        }
        return nil
    }

    private mutating func dispatch() throws(StreamError) -> Event? {
        defer {
            name.removeAll(keepingCapacity: true)
            data.removeAll(keepingCapacity: true)
            hasData = false
        }
        guard hasData else { return nil }
        guard let name = String(validating: name, as: UTF8.self),
            let data = String(validating: data, as: UTF8.self)
        else { throw .notUTF8 }
        return Event(name: name, data: data)
    }
}
