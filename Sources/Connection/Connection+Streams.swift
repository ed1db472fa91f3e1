public import ChoraleBase
import Multistream
public import Yamux

extension Connection {
    /// Streams open now, of both directions, those included whose protocol is not agreed.
    public var streamCount: Int { secured?.yamux.streamCount ?? 0 }

    /// The smoothed round trip, or nil before the first measurement.
    public var roundTrip: Duration? { secured?.yamux.roundTrip }

    /// Bytes by which receive windows may still grow; see `YamuxSession.windowBudget`.
    public var windowBudget: Int {
        get { secured?.yamux.windowBudget ?? 0 }
        set { secured?.yamux.windowBudget = newValue }
    }

    /// Bytes by which the receive windows now exceed their initial sizes.
    public var extraWindowInUse: Int { secured?.yamux.extraWindowInUse ?? 0 }

    /// What the Yamux session has done.
    public var yamuxCounters: YamuxCounters {
        secured?.yamux.counters ?? YamuxCounters()
    }

    /// Opens a stream and proposes protocols for it, best first.
    ///
    /// With one protocol the stream may be written at once, and its first bytes share a segment with
    /// the proposal. With several it may be written after `streamNegotiated`.
    ///
    /// - Throws: ``OpenError``. Nothing changes then.
    public mutating func openStream(
        _ protocols: [String],
        class trafficClass: TrafficClass,
        now: MonotonicInstant
    ) throws(OpenError) -> StreamID {
        guard closeReason == nil, !isDiscarding else { throw .closed }
        guard isEstablished else { throw .notEstablished }
        guard !protocols.isEmpty else { throw .noProtocol }
        do throws(Multistream.NameError) {
            for name in protocols { try Multistream.check(name) }
        } catch {
            throw .invalidName(error)
        }
        let opened: StreamID?
        do throws(YamuxSession.OpenError) {
            opened = try secured?.yamux.open(trafficClass)
        } catch {
            throw .yamux(error)
        }
        guard let stream = opened else { throw .notEstablished }
        let negotiation = DialerNegotiation(protocols: protocols, limits: limits.negotiation)
        var tokens: [UInt8] = []
        negotiation.start(into: &tokens)
        do throws(YamuxSession.WriteError) {
            try secured?.yamux.write(stream, tokens)
        } catch {
            // Its SYN has not been sent, so that the peer never hears of it.
            secured?.yamux.reset(stream, code: .noError)
            throw .queueFull
        }
        counters.streamsProposedByUs += 1
        secured?.negotiations.insert(
            stream,
            NegotiatingStream(
                side: .dialer(negotiation),
                deadline: now.advanced(by: limits.streamNegotiationTimeout)))
        return stream
    }

    /// Queues bytes by reference, all or nothing.
    ///
    /// - Throws: ``WriteError``. After a full queue `writable` follows.
    public mutating func write(
        _ stream: StreamID,
        _ bytes: ArraySlice<UInt8>
    ) throws(WriteError) {
        guard isEstablished, closeReason == nil else { throw .notEstablished }
        guard acceptsWrites(stream) else { throw .notNegotiated(stream) }
        do throws(YamuxSession.WriteError) {
            try secured?.yamux.write(stream, bytes)
        } catch {
            throw .yamux(error)
        }
    }

    /// Queues an array by reference, all or nothing; see the other overload.
    public mutating func write(_ stream: StreamID, _ bytes: [UInt8]) throws(WriteError) {
        try write(stream, bytes[...])
    }

    /// Bytes that a write may have now.
    ///
    /// Zero when the stream's queue is full, when it is over, and while it may not be written yet.
    public func writableBytes(_ stream: StreamID) -> Int {
        guard acceptsWrites(stream) else { return 0 }
        return secured?.yamux.writableBytes(stream) ?? 0
    }

    /// Bytes queued on the stream and not yet sent. Zero when it is over.
    public func queuedBytes(_ stream: StreamID) -> Int {
        secured?.yamux.queuedBytes(stream) ?? 0
    }

    /// Ends our direction once the queued bytes are sent. The stream can still receive.
    ///
    /// Before several proposed protocols are agreed, it takes effect when they are.
    public mutating func closeWrite(_ stream: StreamID) {
        if acceptsWrites(stream) {
            secured?.yamux.closeWrite(stream)
        } else {
            secured?.negotiations.closeWriteWhenAgreed(stream)
        }
    }

    /// Ends both directions at once. What was queued is not sent, and no event follows.
    ///
    /// - Parameter code: a `StreamResetCode` or a number of the application's own.
    public mutating func reset(_ stream: StreamID, code: UInt32) {
        if isNegotiating(stream) {
            counters.outboundAbandoned += 1
            secured?.negotiations.remove(stream)
        }
        secured?.yamux.reset(stream, code: code)
    }

    /// Ends both directions for one of the registered reasons.
    public mutating func reset(_ stream: StreamID, code: StreamResetCode) {
        reset(stream, code: code.rawValue)
    }

    /// Returns `count` bytes of a stream's window to the peer.
    ///
    /// Called when the application has taken bytes that `data` reported; without it the peer stops
    /// sending. Without effect on a stream that is over.
    public mutating func consumed(_ stream: StreamID, count: Int, now: MonotonicInstant) {
        secured?.yamux.consumed(stream, count: count, now: now)
    }

    /// Changes how urgent a stream's bytes are.
    public mutating func setClass(_ trafficClass: TrafficClass, of stream: StreamID) {
        secured?.yamux.setClass(trafficClass, of: stream)
    }

    /// Announces the end of the connection. Open streams may finish; new ones are refused.
    public mutating func goAway(_ code: GoAwayCode) {
        secured?.yamux.goAway(code)
    }
}
