// One socket: multistream-select, Noise and Yamux composed, and multistream-select again for each
// stream.
//
//     handshaking ──peer verified──▶ secured ──muxer agreed──▶ established
//          │                            │                          │
//          └────────────────────────────┴───────────▶ failed ◀─────┘
//
// With the multiplexer settled inside Noise, and for a dialer in any case, secured is established.
//
// 1. `handshaking` and `secured` are never both there. Both are gone after a failure but for the last
//    bytes of a session that tells its peer why. (`shakeHands`, `fail`)
// 2. No byte of a stream is read or written before the peer is verified. (`Secured` is made from a
//    finished handshake only)
// 3. A stream is reported to the application only after its protocol is agreed, and no byte of the
//    negotiation is. (`StreamNegotiations`)
// 4. `receive` never waits for room to send: what has no room fails the stream that caused it.
// 5. Incoming bytes are decrypted where they lie and reported as ranges; outgoing ones are copied
//    once, from the stream's queue to the socket's buffer, and sealed there.
// 6. Nothing is reported after `failed`.
//
// Memory: the Yamux session's, two cipher contexts, at most `negotiatingInboundMax` unfinished
// tokens. An idle connection keeps no buffer.
//
// Specification: libp2p/specs `connections/README.md`, `noise/README.md`, `yamux/README.md`.

public import ChoraleBase
public import Crypto
public import Multistream
public import Noise
public import PeerIdentity
import Yamux

/// One secured, multiplexed connection as a machine.
///
/// Bytes from the socket go into ``receive(_:now:into:)``, bytes for it are pulled with
/// ``transmit(into:sizeMax:now:events:)``. After every call the driver looks at ``hasOutput`` and
/// ``nextDeadline``.
public struct Connection: ~Copyable {
    public let role: Role
    public let limits: Limits
    public internal(set) var counters = Counters()

    /// Protocols that the peer's streams may name. A change concerns streams opened after it.
    public var inboundProtocols: ProtocolTable

    // Two optionals rather than one enum of states, because what they hold is changed in place for
    // every segment, and a noncopyable enum has to be taken apart and put together for that.
    var handshaking: Handshaking?
    var secured: Secured?

    /// Handshake messages for the socket.
    var plainOutput: [UInt8] = []
    var isEstablished = false
    /// Why the connection is over.
    public internal(set) var closeReason: CloseReason?
    let createdAt: MonotonicInstant

    private let layout = PassedByReference()

    /// - Parameters:
    ///   - ephemeral: 32 secret bytes, never used for another connection.
    ///   - inboundProtocols: what the peer's streams may be for.
    ///   - offersEarlyMuxer: whether the multiplexer is named inside the Noise handshake. Off, it is
    ///     negotiated afterwards, as with peers that do not know how to.
    ///   - now: when the socket was connected or accepted.
    public init(
        role: Role,
        credentials: NoiseCredentials,
        ephemeral: SecretBytes,
        inboundProtocols: ProtocolTable,
        limits: Limits = Limits(),
        offersEarlyMuxer: Bool = true,
        now: MonotonicInstant
    ) {
        precondition(
            (1024...NoiseTransport.plaintextSizeMax).contains(limits.framePlaintextSizeMax),
            "a Noise frame has 1 KiB to 65,519 bytes")
        self.role = role
        self.limits = limits
        self.inboundProtocols = inboundProtocols
        self.createdAt = now
        var handshaking = Handshaking(
            role: role, credentials: credentials, ephemeral: ephemeral,
            muxers: offersEarlyMuxer ? [Secured.muxerProtocol] : [], limits: limits,
            deadline: now.advanced(by: limits.handshakeTimeout))
        handshaking.start(into: &plainOutput)
        self.handshaking = consume handshaking
    }

    /// What the connection is doing.
    public var phase: Phase {
        if let phase = handshaking.read({ $0.phase }) { return phase }
        return isEstablished ? .established : .muxerNegotiation
    }

    /// The verified peer, from `established` on.
    public var peerID: PeerID? { isEstablished ? secured?.peer.peerID : nil }

    /// Whether the connection is over.
    public var isClosed: Bool { closeReason != nil || isDiscarding }

    /// When ``handleTimeout(now:into:)`` must be called, or nil when no timer is needed.
    public var nextDeadline: MonotonicInstant? {
        guard closeReason == nil else { return nil }
        return earliest(
            handshaking.read { $0.deadline }, secured?.nextDeadline)
    }

    /// Ends whatever has taken too long. Early and repeated calls are harmless.
    public mutating func handleTimeout(now: MonotonicInstant, into events: inout [Event]) {
        guard closeReason == nil else { return }
        if let deadline = handshaking.read({ $0.deadline }) {
            if deadline <= now { fail(.handshakeTimeout(phase), into: &events) }
            return
        }
        if let deadline = secured?.pendingMuxerDeadline, deadline <= now {
            fail(.handshakeTimeout(.muxerNegotiation), into: &events)
            return
        }
        expireNegotiations(now: now, into: &events)
        var inner: [YamuxSession.Event] = []
        secured?.yamux.handleTimeout(now: now, into: &inner)
        report(inner, from: Span(), at: 0, now: now, into: &events)
    }

    /// The peer closed the socket, or its half of it.
    ///
    /// Half-closed sockets mean nothing to Yamux: the connection is over.
    public mutating func inputEnded(into events: inout [Event]) {
        fail(.endOfInput(phase), into: &events)
    }

    /// Ends the connection: streams, queues and keys are gone, and there is no further event.
    ///
    /// The peer learns of it by the end of the socket; ``goAway(_:)`` and a last `transmit` before
    /// tell it why.
    public mutating func close() {
        abandonNegotiations()
        handshaking = nil
        secured = nil
        plainOutput = []
        isEstablished = false
        isDiscarding = true
    }

    /// Set by `close`, which has no reason of its own: the caller knows it.
    var isDiscarding = false

    mutating func fail(_ reason: CloseReason, into events: inout [Event]) {
        guard closeReason == nil, !isDiscarding else { return }
        closeReason = reason
        abandonNegotiations()
        handshaking = nil
        switch reason {
        case .yamux:
            // The session keeps its GoAway for the last `transmit`, and nothing else.
            break
        case .securityNegotiation, .noise, .muxerNegotiation, .handshakeTimeout, .endOfInput:
            secured = nil
        }
        events.append(.failed(reason))
    }
}

extension Secured {
    /// When the multiplexer must be agreed, while it is not.
    var pendingMuxerDeadline: MonotonicInstant? { muxer == nil ? nil : muxerDeadline }

    var nextDeadline: MonotonicInstant? {
        earliest(
            pendingMuxerDeadline, earliest(negotiations.nextDeadline, yamux.nextDeadline))
    }
}
