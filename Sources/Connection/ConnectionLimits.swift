public import Multistream
public import Noise
public import Yamux

extension Connection {
    /// What one connection may use, and what its peer may ask of it.
    public struct Limits: Equatable, Sendable {
        /// Time from the first byte until a multiplexer is agreed.
        ///
        /// rust-libp2p's 10 s, the shortest among the implementations; at most three round trips
        /// pass in it. A stranger who says nothing costs a socket for so long.
        public var handshakeTimeout: Duration = .seconds(10)

        /// Time from opening a stream until its protocol is agreed.
        ///
        /// go and rust: 10 s. One round trip passes in it.
        public var streamNegotiationTimeout: Duration = .seconds(10)

        /// Streams of the peer whose protocol is not agreed.
        ///
        /// Dialers send the proposal with the stream, so that hardly one waits for another segment.
        /// Each may hold one token: 64 × 1 KiB.
        public var negotiatingInboundMax = 64

        /// Largest plaintext of one Noise frame that we send, in bytes.
        ///
        /// The best speed of the cipher (4.7 GB/s) is at 16 KiB, which stays in the first-level
        /// cache; a vote waits behind at most one frame.
        public var framePlaintextSizeMax = 16 * 1024

        public var negotiation = NegotiationLimits()
        public var noise = NoiseHandshake.Limits()
        public var yamux = YamuxLimits()

        public init() {}
    }

    /// What a connection has done, for metrics and tests. Counts never fall.
    ///
    ///     streamsProposedByPeer = agreed + failed + refused inbound, and those still negotiating
    ///     streamsProposedByUs   = agreed + failed + abandoned outbound, and those still negotiating
    public struct Counters: Equatable, Sendable {
        /// Noise frames and their bytes on the wire, handshake not counted.
        public var framesSealed: UInt64 = 0
        public var framesOpened: UInt64 = 0
        public var bytesSealed: UInt64 = 0
        public var bytesOpened: UInt64 = 0

        public var streamsProposedByPeer: UInt64 = 0
        public var inboundAgreed: UInt64 = 0
        /// Broken rules, took too long, or ended before anything was agreed.
        public var inboundFailed: UInt64 = 0
        /// Over ``Limits/negotiatingInboundMax``.
        public var inboundRefused: UInt64 = 0

        public var streamsProposedByUs: UInt64 = 0
        public var outboundAgreed: UInt64 = 0
        public var outboundFailed: UInt64 = 0
        /// Reset by the application before anything was agreed.
        public var outboundAbandoned: UInt64 = 0

        public init() {}
    }
}
