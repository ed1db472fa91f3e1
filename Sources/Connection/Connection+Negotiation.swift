import ChoraleBase
import Multistream
import Yamux

extension Connection {
    /// Starts listening on a stream that the peer opened.
    mutating func beginInbound(_ stream: StreamID, now: MonotonicInstant) {
        counters.streamsProposedByPeer += 1
        let isRefused =
            (secured?.negotiations.inboundCount ?? 0) >= limits.negotiatingInboundMax
        let negotiation = ListenerNegotiation(
            supported: inboundProtocols, limits: limits.negotiation)
        secured?.negotiations.insert(
            stream,
            NegotiatingStream(
                side: .listener(negotiation),
                deadline: now.advanced(by: limits.streamNegotiationTimeout)))
        guard isRefused else { return }
        counters.inboundRefused += 1
        // Ended rather than never begun, so that what came with it is swallowed too.
        secured?.negotiations.end(stream)
        secured?.yamux.reset(stream, code: .resourceLimitExceeded)
    }

    /// Takes the negotiation's part of what arrived on a stream; the rest is the application's.
    ///
    /// - Parameters:
    ///   - range: where the payload lies in `input`.
    ///   - start: where `input` lies in the caller's bytes.
    mutating func negotiate(
        _ stream: StreamID,
        _ input: Span<UInt8>,
        _ range: Range<Int>,
        at start: Int,
        now: MonotonicInstant,
        into events: inout [Event]
    ) {
        guard let negotiating = negotiation(of: stream) else { return }
        let payload = input.extracting(range)
        var answer: [UInt8] = []
        let progress: NegotiationProgress
        do throws(NegotiationError) {
            switch negotiating.side {
            case .dialer(var negotiation):
                progress = try negotiation.receive(payload, into: &answer)
                secured?.negotiations.update(stream, side: .dialer(negotiation))
            case .listener(var negotiation):
                progress = try negotiation.receive(payload, into: &answer)
                secured?.negotiations.update(stream, side: .listener(negotiation))
            case .over:
                return
            }
        } catch {
            failNegotiation(stream, .negotiation(error), into: &events)
            return
        }
        secured?.yamux.consumed(stream, count: progress.consumed, now: now)
        guard send(answer, on: stream) else {
            failNegotiation(stream, .queueFull, into: &events)
            return
        }
        guard let agreed = progress.agreed else { return }
        secured?.negotiations.remove(stream)
        switch negotiating.side {
        case .dialer:
            counters.outboundAgreed += 1
            events.append(.streamNegotiated(stream, protocol: agreed))
            if negotiating.closesWriteWhenAgreed { secured?.yamux.closeWrite(stream) }
        case .listener, .over:
            counters.inboundAgreed += 1
            events.append(.streamOpened(stream, protocol: agreed))
        }
        let rest = (range.lowerBound + progress.consumed)..<range.upperBound
        if !rest.isEmpty {
            events.append(.data(stream, (rest.lowerBound + start)..<(rest.upperBound + start)))
        }
    }

    /// Queues tokens of a negotiation.
    ///
    /// - Returns: false when there is no room.
    private mutating func send(_ tokens: [UInt8], on stream: StreamID) -> Bool {
        guard !tokens.isEmpty else { return true }
        do throws(YamuxSession.WriteError) {
            try secured?.yamux.write(stream, tokens)
            return true
        } catch {
            switch error {
            case .queueFull, .sessionQueueFull: return false
            // The stream or the session ended in the same segment; its own event says so.
            case .unknownStream, .writeClosed, .sessionEnded: return true
            }
        }
    }

    /// Ends a stream whose protocol is not agreed.
    mutating func failNegotiation(
        _ stream: StreamID,
        _ failure: StreamFailure,
        into events: inout [Event]
    ) {
        guard let negotiating = negotiation(of: stream) else { return }
        switch negotiating.side {
        case .dialer:
            counters.outboundFailed += 1
            events.append(.streamFailed(stream, failure))
        case .listener:
            counters.inboundFailed += 1
        case .over:
            return
        }
        secured?.negotiations.end(stream)
        let code: StreamResetCode =
            switch failure {
            case .negotiation, .timeout, .endOfStream: .protocolNegotiationFailed
            case .queueFull: .resourceLimitExceeded
            case .reset: .noError
            }
        secured?.yamux.reset(stream, code: code)
    }

    /// Ends the streams that have negotiated for too long.
    mutating func expireNegotiations(now: MonotonicInstant, into events: inout [Event]) {
        while let stream = secured?.negotiations.firstExpired(now) {
            failNegotiation(stream, .timeout, into: &events)
            secured?.negotiations.forgetOver()
        }
    }

    func negotiation(of stream: StreamID) -> NegotiatingStream? {
        secured?.negotiations[stream]
    }

    func isNegotiating(_ stream: StreamID) -> Bool {
        secured?.negotiations.contains(stream) ?? false
    }

    /// Whether the application may write: always, but before one of several protocols is agreed.
    func acceptsWrites(_ stream: StreamID) -> Bool {
        secured?.negotiations.acceptsWrites(stream) ?? true
    }

    /// Forgets all negotiations, because the connection ends.
    mutating func abandonNegotiations() {
        guard let negotiations = secured?.negotiations else { return }
        counters.inboundFailed += UInt64(negotiations.inboundCount)
        counters.outboundAbandoned += UInt64(negotiations.outboundCount)
        secured?.negotiations = StreamNegotiations()
    }
}
