import ChoraleBase
import Multistream
import OrderedCollections
import Yamux

/// A stream whose protocol is not agreed.
struct NegotiatingStream {
    enum Side {
        case dialer(DialerNegotiation)
        case listener(ListenerNegotiation)
        /// Failed during the events being handled; what they still say of it is nobody's business.
        case over
    }

    var side: Side
    let deadline: MonotonicInstant
    /// The application ended its direction before it could write.
    var closesWriteWhenAgreed = false

    /// Whether the application may write before the peer has answered.
    var isWritable: Bool {
        switch side {
        case .dialer(let negotiation): negotiation.isLazy
        case .listener, .over: false
        }
    }
}

/// The streams of one connection that are negotiating.
///
/// All have the same time, so that the order in which they began is the order of their deadlines.
/// Empty, and without memory of its own, on a connection where nothing is negotiated.
struct StreamNegotiations {
    private var streams: OrderedDictionary<StreamID, NegotiatingStream> = [:]
    private(set) var inboundCount = 0
    private(set) var outboundCount = 0

    var isEmpty: Bool { streams.isEmpty }

    var nextDeadline: MonotonicInstant? { streams.isEmpty ? nil : streams.values[0].deadline }

    subscript(stream: StreamID) -> NegotiatingStream? { streams[stream] }

    func contains(_ stream: StreamID) -> Bool { !streams.isEmpty && streams[stream] != nil }

    func acceptsWrites(_ stream: StreamID) -> Bool {
        streams.isEmpty || streams[stream]?.isWritable ?? true
    }

    /// - Precondition: the stream is not there, and its deadline is not before that of another.
    mutating func insert(_ stream: StreamID, _ negotiating: NegotiatingStream) {
        assert(streams[stream] == nil, "a stream negotiates once")
        assert(
            streams.values.last.map { $0.deadline <= negotiating.deadline } ?? true,
            "deadlines out of order")
        streams[stream] = negotiating
        count(negotiating, by: 1)
    }

    mutating func update(_ stream: StreamID, side: NegotiatingStream.Side) {
        streams[stream]?.side = side
    }

    mutating func closeWriteWhenAgreed(_ stream: StreamID) {
        streams[stream]?.closesWriteWhenAgreed = true
    }

    mutating func remove(_ stream: StreamID) {
        guard let removed = streams.removeValue(forKey: stream) else { return }
        count(removed, by: -1)
        if streams.isEmpty { streams = [:] }
    }

    /// Keeps the identifier until `forgetOver`, to recognise later events of the same segment.
    mutating func end(_ stream: StreamID) {
        guard let ended = streams[stream] else { return }
        count(ended, by: -1)
        streams[stream]?.side = .over
    }

    mutating func forgetOver() {
        guard streams.count > inboundCount + outboundCount else { return }
        streams.removeAll { _, stream in
            switch stream.side {
            case .dialer, .listener: false
            case .over: true
            }
        }
        if streams.isEmpty { streams = [:] }
    }

    /// A stream whose time is over.
    func firstExpired(_ now: MonotonicInstant) -> StreamID? {
        guard let deadline = nextDeadline, deadline <= now else { return nil }
        return streams.keys[0]
    }

    private mutating func count(_ negotiating: NegotiatingStream, by difference: Int) {
        switch negotiating.side {
        case .dialer: outboundCount += difference
        case .listener: inboundCount += difference
        case .over: break
        }
    }
}
