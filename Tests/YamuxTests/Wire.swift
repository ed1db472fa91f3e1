import ChoraleBase

@testable import Yamux

typealias Event = YamuxSession.Event
typealias SessionError = YamuxSession.SessionError

func id(_ value: UInt32) -> StreamID { StreamID(value)! }

/// Frames as a peer would write them, also those that no honest one writes.
enum Wire {
    static func frame(
        type: UInt8, flags: UInt16 = 0, stream: UInt32 = 0, length: UInt32 = 0,
        payload: [UInt8] = []
    ) -> [UInt8] {
        var bytes: [UInt8] = [0, type]
        bytes.appendBigEndian(flags)
        bytes.appendBigEndian(stream)
        bytes.appendBigEndian(length)
        return bytes + payload
    }

    static let syn: UInt16 = 1
    static let ack: UInt16 = 2
    static let fin: UInt16 = 4
    static let rst: UInt16 = 8

    static func data(_ stream: UInt32, _ flags: UInt16 = 0, _ payload: [UInt8] = []) -> [UInt8] {
        frame(
            type: 0, flags: flags, stream: stream, length: UInt32(payload.count), payload: payload)
    }

    static func window(_ stream: UInt32, _ flags: UInt16 = 0, _ delta: UInt32 = 0) -> [UInt8] {
        frame(type: 1, flags: flags, stream: stream, length: delta)
    }

    static func ping(_ flags: UInt16, _ value: UInt32) -> [UInt8] {
        frame(type: 2, flags: flags, length: value)
    }

    static func goAway(_ code: UInt32) -> [UInt8] { frame(type: 3, length: code) }

    /// What a session wrote, frame by frame.
    static func frames(_ bytes: [UInt8]) -> [(header: YamuxHeader, payload: [UInt8])] {
        var frames: [(YamuxHeader, [UInt8])] = []
        var rest = bytes[...]
        while !rest.isEmpty {
            let header = try! YamuxHeader.decode(Array(rest.prefix(12)).span, payloadSizeMax: .max)!
            rest = rest.dropFirst(12)
            var payload: [UInt8] = []
            if case .data(_, _, let length) = header {
                payload = Array(rest.prefix(Int(length)))
                rest = rest.dropFirst(Int(length))
            }
            frames.append((header, payload))
        }
        return frames
    }

    static func headers(_ bytes: [UInt8]) -> [YamuxHeader] { frames(bytes).map(\.header) }
}

/// One session, its time, and everything it has reported.
///
/// A class so that calls may stand inside `#expect`.
final class End {
    var session: YamuxSession
    var now: MonotonicInstant
    var events: [Event] = []

    init(_ role: YamuxSession.Role, limits: YamuxLimits = YamuxLimits()) {
        now = .zero
        session = YamuxSession(role: role, limits: limits, now: .zero)
    }

    /// `#expect` cannot read a property of a value that cannot be copied.
    var hasOutput: Bool { session.hasOutput }
    var isGoingAway: Bool { session.isGoingAway }

    /// - Returns: the events that follow.
    @discardableResult
    func receive(_ bytes: [UInt8]) -> [Event] {
        var new: [Event] = []
        session.receive(bytes.span, now: now, into: &new)
        events += new
        return new
    }

    func transmit(sizeMax: Int = 1 << 24) -> [UInt8] {
        var output: [UInt8] = []
        session.transmit(into: &output, sizeMax: sizeMax, now: now, events: &events)
        return output
    }

    /// What it would send now, frame by frame.
    func sent(sizeMax: Int = 1 << 24) -> [YamuxHeader] { Wire.headers(transmit(sizeMax: sizeMax)) }

    func takeEvents() -> [Event] {
        defer { events = [] }
        return events
    }

    func advance(_ duration: Duration) { now = now.advanced(by: duration) }

    func timeout() -> [Event] {
        var new: [Event] = []
        session.handleTimeout(now: now, into: &new)
        events += new
        return new
    }

    func open(_ trafficClass: TrafficClass = .control) throws -> StreamID {
        try session.open(trafficClass)
    }

    func write(_ stream: StreamID, _ bytes: [UInt8]) throws { try session.write(stream, bytes) }

    func consume(_ stream: StreamID, _ count: Int) {
        session.consumed(stream, count: count, now: now)
    }
}
