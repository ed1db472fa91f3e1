public import Multistream
public import Noise
public import PeerIdentity
public import Yamux

extension Connection {
    public enum Role: Equatable, Sendable {
        /// Opened the socket, and whom it means to reach; nil when anybody will do.
        case dialer(expected: PeerID?)
        /// Accepted the socket.
        case listener
    }

    /// What happened.
    ///
    /// `established` comes first. Each stream then has `streamOpened` or `streamNegotiated`, `data`
    /// and `writable`, at most one `readClosed`, and ends with one `closed`. A stream of ours whose
    /// protocol is not agreed ends with one `streamFailed` instead. A stream that the application
    /// resets has no further event. Nothing follows `failed`.
    ///
    /// Events of one call may concern a stream that the application ends while it handles them.
    public enum Event: Equatable, Sendable {
        /// The peer is verified and streams can be opened.
        indirect case established(Established)
        /// The peer opened a stream for one of our protocols.
        case streamOpened(StreamID, protocol: String)
        /// The protocol of a stream of ours is agreed.
        case streamNegotiated(StreamID, protocol: String)
        /// Payload, as a range of the bytes given to `receive`. Never empty.
        ///
        /// The bytes hold back the peer until ``Connection/consumed(_:count:now:)``.
        case data(StreamID, Range<Int>)
        /// The peer will send no more on this stream.
        case readClosed(StreamID)
        /// The peer ended both directions; `closed` follows.
        case reset(StreamID, code: UInt32)
        /// No protocol was agreed for a stream of ours, which is over.
        case streamFailed(StreamID, StreamFailure)
        /// A stream that was full has room again.
        case writable(StreamID)
        /// The stream is over and its identifier forgotten.
        case closed(StreamID)
        /// One measured round trip of the connection.
        case roundTrip(Duration)
        /// The peer opens no more streams and accepts none.
        case goAway(GoAwayCode)
        /// The connection is over, all its streams with it.
        ///
        /// One more `transmit` gives the last bytes for the peer, if there are any.
        indirect case failed(CloseReason)
    }

    /// The result of a handshake.
    public struct Established: Equatable, Sendable {
        public let peerID: PeerID
        public let publicKey: PublicKey
        /// Whether the multiplexer was settled inside the Noise handshake.
        public let muxerWasEarly: Bool
        /// Times this side had to wait for an answer, after the socket was connected, before it
        /// could send application bytes.
        ///
        /// 1 for a dialer: with the round trip of the socket and that of the request itself, the
        /// first answer arrives after three.
        public let handshakeRoundTrips: Int
        /// From the creation of the connection until now.
        public let handshakeDuration: Duration
    }

    /// What a connection was doing.
    public enum Phase: String, Equatable, Sendable {
        /// Agreeing on `/noise`.
        case securityNegotiation = "security_negotiation"
        case noiseHandshake = "noise_handshake"
        /// Agreeing on `/yamux/1.0.0`, when Noise has not settled it.
        case muxerNegotiation = "muxer_negotiation"
        case established
    }

    /// Why a connection ended.
    public enum CloseReason: Error, Equatable, Sendable {
        /// `/noise` was not agreed.
        case securityNegotiation(NegotiationError)
        case noise(NoiseError)
        /// `/yamux/1.0.0` was not agreed.
        case muxerNegotiation(NegotiationError)
        case yamux(YamuxSession.SessionError)
        /// Not established within ``Limits/handshakeTimeout``.
        case handshakeTimeout(Phase)
        /// The peer closed the socket.
        case endOfInput(Phase)

        /// A stable name for metrics and logs.
        public var label: String {
            switch self {
            case .securityNegotiation(let error): "security_negotiation_\(error.label)"
            case .noise(let error): "noise_\(error.label)"
            case .muxerNegotiation(let error): "muxer_negotiation_\(error.label)"
            case .yamux(let error): "yamux_\(Self.label(of: error))"
            case .handshakeTimeout(let phase): "timeout_\(phase.rawValue)"
            case .endOfInput(let phase): "end_of_input_\(phase.rawValue)"
            }
        }

        /// For a person: the label, and what else helps to understand it.
        public var detail: String {
            switch self {
            case .noise(.wrongPeer(_, let actual)): "\(label): \(actual) answers there"
            default: label
            }
        }

        private static func label(of error: YamuxSession.SessionError) -> String {
            switch error {
            case .unsupportedVersion: "unsupported_version"
            case .unknownType: "unknown_type"
            case .streamIsSession: "stream_is_session"
            case .payloadTooLarge: "payload_too_large"
            case .windowExceeded: "window_exceeded"
            case .windowOverflow: "window_overflow"
            case .wrongParity: "wrong_parity"
            case .streamReopened: "stream_reopened"
            case .pingFlood: "ping_flood"
            case .rapidReset: "rapid_reset"
            case .emptyFrameFlood: "empty_frame_flood"
            case .lateDataFlood: "late_data_flood"
            case .resetsUnread: "resets_unread"
            case .keepaliveTimeout: "keepalive_timeout"
            }
        }
    }

    /// Why no protocol was agreed for a stream of ours.
    public enum StreamFailure: Equatable, Sendable {
        case negotiation(NegotiationError)
        case timeout
        /// The peer reset the stream, and not for want of a common protocol.
        case reset(code: UInt32)
        /// The peer ended its direction before it answered.
        case endOfStream
        /// Another proposal had no room in the send queues.
        case queueFull

        /// A stable name for metrics and logs.
        public var label: String {
            switch self {
            case .negotiation(let error): error.label
            case .timeout: "timeout"
            case .reset: "reset"
            case .endOfStream: "end_of_stream"
            case .queueFull: "queue_full"
            }
        }
    }

    /// Why a stream could not be opened.
    public enum OpenError: Error, Equatable, Sendable {
        /// There is no verified peer yet.
        case notEstablished
        /// The connection is over.
        case closed
        case invalidName(Multistream.NameError)
        /// No protocol was named.
        case noProtocol
        case yamux(YamuxSession.OpenError)
        /// The proposal had no room in the send queues.
        case queueFull
    }

    /// Why bytes were not queued. Nothing of them was.
    public enum WriteError: Error, Equatable, Sendable {
        /// There is no verified peer yet, or the connection is over.
        case notEstablished
        /// Several protocols were proposed and none is agreed yet.
        case notNegotiated(StreamID)
        case yamux(YamuxSession.WriteError)
    }
}
