extension YamuxSession {
    /// Which end of the connection a session is.
    public enum Role: Hashable, Sendable {
        /// Opened the connection; opens odd streams.
        case dialer
        /// Accepted the connection; opens even streams.
        case listener
    }

    /// What happened.
    ///
    /// For each stream: `opened` first if the peer opened it, then `data` and `writable`, then at
    /// most one `readClosed`, then exactly one `closed`, which is the last. A stream that
    /// ``YamuxSession/reset(_:code:)`` ended has no `closed`, and after `failed` there are no
    /// events.
    public enum Event: Hashable, Sendable {
        /// The peer opened a stream. It counts as `TrafficClass.control` until told otherwise.
        case opened(StreamID)
        /// Payload, as a range of the span that was given to `receive`. Never empty.
        ///
        /// The bytes hold back the peer until ``YamuxSession/consumed(_:count:now:)``.
        case data(StreamID, Range<Int>)
        /// The peer will send no more on this stream (FIN).
        case readClosed(StreamID)
        /// The peer reset the stream: both directions are over. `closed` follows.
        case reset(StreamID, code: UInt32)
        /// A stream that was full has room again.
        case writable(StreamID)
        /// The stream is over and its identifier forgotten.
        case closed(StreamID, CloseReason)
        /// The peer announced the end of the session. No stream can be opened any more; those that
        /// are open may still finish.
        case goAway(GoAwayCode)
        /// One measured round trip. The smoothed value is ``YamuxSession/roundTrip``.
        case roundTrip(Duration)
        /// The session is over, all its streams with it. Reported once; input is ignored
        /// afterwards. A last frame may wait to be sent.
        case failed(SessionError)
    }

    /// Why a stream ended.
    public enum CloseReason: Hashable, Sendable {
        /// Both sides closed their direction.
        case finished
        case resetByPeer(code: UInt32)
    }

    /// Why a session ended: a fault of the peer, or its silence.
    ///
    /// Names are metric labels and stay stable.
    public enum SessionError: Error, Hashable, Sendable {
        case unsupportedVersion(UInt8)
        case unknownType(UInt8)
        case streamIsSession
        case payloadTooLarge(length: UInt32, limit: UInt32)
        /// More data than the stream's window allows.
        case windowExceeded(StreamID, length: UInt32, window: UInt32)
        /// Window updates that add up to more than a 32-bit window.
        case windowOverflow(StreamID, window: UInt64)
        /// The peer opened a stream with a number of our parity.
        case wrongParity(StreamID)
        /// The peer opened a stream under a number that it had used before.
        case streamReopened(StreamID)
        case pingFlood
        case rapidReset
        case emptyFrameFlood
        /// More payload for streams that are gone than could have been in flight.
        case lateDataFlood
        /// The peer goes on opening streams without reading the resets it causes.
        case resetsUnread(count: Int, limit: Int)
        /// Nothing was received for so many keepalive intervals.
        case keepaliveTimeout(misses: Int)
    }

    /// Why a stream could not be opened.
    public enum OpenError: Error, Hashable, Sendable {
        case tooManyStreams(open: Int, limit: Int)
        case tooManyUnacknowledged(count: Int, limit: Int)
        /// One of the two sides has sent GoAway.
        case goingAway
        /// All 2³¹ numbers are used. A new connection has new ones.
        case identifiersExhausted
        case sessionEnded
    }

    /// Why bytes were not queued. Nothing of them was.
    public enum WriteError: Error, Hashable, Sendable {
        /// The stream is over, or never was.
        case unknownStream(StreamID)
        /// ``YamuxSession/closeWrite(_:)`` came first.
        case writeClosed(StreamID)
        /// The stream's queue has no room for all of it. ``Event/writable(_:)`` will follow.
        case queueFull(queued: Int, limit: Int)
        /// All streams together have no room for it. ``Event/writable(_:)`` will follow.
        case sessionQueueFull(queued: Int, limit: Int)
        case sessionEnded
    }
}

extension YamuxSession.SessionError {
    init(_ error: YamuxHeader.DecodeError) {
        switch error {
        case .unsupportedVersion(let version): self = .unsupportedVersion(version)
        case .unknownType(let type): self = .unknownType(type)
        case .streamIsSession: self = .streamIsSession
        case .payloadTooLarge(let length, let limit):
            self = .payloadTooLarge(length: length, limit: limit)
        }
    }
}
