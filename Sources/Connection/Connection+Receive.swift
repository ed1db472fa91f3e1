public import ChoraleBase
import Multistream
import Noise
import Yamux

extension Connection {
    /// Takes bytes from the socket.
    ///
    /// They are decrypted in place, and `data` events refer to where they then lie.
    ///
    /// - Returns: how many were consumed. The caller presents the rest, which is less than one Noise
    ///   frame, again in front of what follows.
    public mutating func receive(
        _ bytes: inout MutableSpan<UInt8>,
        now: MonotonicInstant,
        into events: inout [Event]
    ) -> Int {
        // Whatever a peer still says is not listened to.
        guard closeReason == nil, !isDiscarding else { return bytes.count }
        var offset = 0
        do throws(CloseReason) {
            if handshaking.read({ _ in true }) != nil {
                offset = try shakeHands(bytes.span, now: now, into: &events)
            }
            if secured != nil { try open(&bytes, from: &offset, now: now, into: &events) }
        } catch {
            fail(error, into: &events)
        }
        return closeReason == nil ? offset : bytes.count
    }

    private mutating func shakeHands(
        _ input: Span<UInt8>,
        now: MonotonicInstant,
        into events: inout [Event]
    ) throws(CloseReason) -> Int {
        let consumed = try handshaking?.receive(input, into: &plainOutput) ?? 0
        guard handshaking.read({ $0.isComplete }) == true, let finished = handshaking.take() else {
            return consumed
        }
        guard let peer = finished.noise.remote else {
            preconditionFailure("invariant 2: a handshake completes with a verified peer")
        }
        let roundTrips = finished.roundTripsSoFar
        let deadline = finished.deadline
        secured = Secured(
            role: role, transport: finished.finish(), peer: peer, roundTrips: roundTrips,
            limits: limits, muxerDeadline: deadline, now: now)
        reportEstablished(now: now, into: &events)
        return consumed
    }

    /// Reports the peer once streams can be opened.
    private mutating func reportEstablished(now: MonotonicInstant, into events: inout [Event]) {
        guard !isEstablished, secured?.isMuxerUsable == true,
            let peer = secured?.peer
        else {
            return
        }
        isEstablished = true
        events.append(
            .established(
                Established(
                    peerID: peer.peerID, publicKey: peer.publicKey,
                    muxerWasEarly: peer.muxer != .open,
                    handshakeRoundTrips: secured?.roundTrips.count ?? 0,
                    handshakeDuration: createdAt.duration(to: now))))
    }

    /// Opens all whole frames and hands them to the streams.
    private mutating func open(
        _ bytes: inout MutableSpan<UInt8>,
        from offset: inout Int,
        now: MonotonicInstant,
        into events: inout [Event]
    ) throws(CloseReason) {
        // One allocation per segment rather than a buffer per connection.
        var inner: [YamuxSession.Event] = []
        while closeReason == nil {
            let opened: NoiseTransport.Frame?
            do throws(NoiseError) {
                opened = try secured?.transport.open(&bytes, at: offset) ?? nil
            } catch {
                throw .noise(error)
            }
            guard let frame = opened else { return }
            counters.framesOpened += 1
            counters.bytesOpened += UInt64(frame.end - offset)
            offset = frame.end
            var start = frame.plaintext.lowerBound
            let end = frame.plaintext.upperBound
            if secured?.muxer != nil {
                start += try negotiateMuxer(
                    bytes.span.extracting(start..<end), now: now, into: &events)
            }
            guard start < end else { continue }
            let plaintext = bytes.span.extracting(start..<end)
            secured?.yamux.receive(plaintext, now: now, into: &inner)
            report(inner, from: plaintext, at: start, now: now, into: &events)
            inner.removeAll(keepingCapacity: true)
        }
    }

    private mutating func negotiateMuxer(
        _ input: Span<UInt8>,
        now: MonotonicInstant,
        into events: inout [Event]
    ) throws(CloseReason) -> Int {
        let progress: NegotiationProgress
        do throws(NegotiationError) {
            progress =
                try secured?.negotiateMuxer(input)
                ?? NegotiationProgress(consumed: 0, agreed: nil)
        } catch {
            throw .muxerNegotiation(error)
        }
        reportEstablished(now: now, into: &events)
        return progress.consumed
    }

    /// Turns what Yamux reports into what the application sees.
    ///
    /// - Parameter start: where `input` lies in the caller's bytes.
    mutating func report(
        _ inner: [YamuxSession.Event],
        from input: Span<UInt8>,
        at start: Int,
        now: MonotonicInstant,
        into events: inout [Event]
    ) {
        for event in inner {
            // The usual case on a busy connection: nothing is being negotiated.
            let negotiates = secured?.negotiations.isEmpty == false
            switch event {
            case .opened(let stream):
                beginInbound(stream, now: now)
            case .data(let stream, let range):
                if negotiates, isNegotiating(stream) {
                    negotiate(stream, input, range, at: start, now: now, into: &events)
                } else {
                    events.append(
                        .data(stream, (range.lowerBound + start)..<(range.upperBound + start)))
                }
            case .readClosed(let stream):
                if negotiates, isNegotiating(stream) {
                    failNegotiation(stream, .endOfStream, into: &events)
                } else {
                    events.append(.readClosed(stream))
                }
            case .reset(let stream, let code):
                if negotiates, isNegotiating(stream) {
                    // What a listener does that took the bytes behind a refused proposal for a token:
                    // its `na` was lost with the stream.
                    let isRefusal = code == StreamResetCode.protocolNegotiationFailed.rawValue
                    failNegotiation(
                        stream, isRefusal ? .negotiation(.refused) : .reset(code: code),
                        into: &events)
                } else {
                    events.append(.reset(stream, code: code))
                }
            case .writable(let stream):
                guard !negotiates || acceptsWrites(stream) else {
                    continue
                }
                events.append(.writable(stream))
            case .closed(let stream, _):
                // Of a stream that the application never saw, or was told of as failed.
                guard !negotiates || !isNegotiating(stream) else { continue }
                events.append(.closed(stream))
            case .roundTrip(let duration):
                events.append(.roundTrip(duration))
            case .goAway(let code):
                events.append(.goAway(code))
            case .failed(let error):
                fail(.yamux(error), into: &events)
            }
        }
        secured?.negotiations.forgetOver()
    }
}
