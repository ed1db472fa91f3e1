import ChoraleBase
import Multistream
import Noise
import Yamux

/// A connection whose peer is verified.
///
/// A class because a noncopyable optional is moved, two kilobytes of it, whenever it is read. It has
/// one owner, its `Connection`, which cannot be copied either.
///
/// Memory without streams: two cipher contexts and an empty Yamux session. No buffer is kept.
final class Secured {
    enum MuxerNegotiation {
        case dialing(DialerNegotiation)
        case listening(ListenerNegotiation)
    }

    static let muxerProtocol = "/yamux/1.0.0"

    var transport: NoiseTransport
    var yamux: YamuxSession
    var negotiations = StreamNegotiations()
    let peer: NoiseHandshake.Remote
    var roundTrips: RoundTrips

    /// Until the multiplexer is agreed, unless Noise has settled it.
    var muxer: MuxerNegotiation?
    /// Tokens of that negotiation, to be sealed ahead of everything else.
    var muxerOutput: [UInt8] = []
    /// When `muxer` must be over.
    let muxerDeadline: MonotonicInstant

    /// Whether Yamux frames may be sent: the dialer need not wait for the answer to its only proposal.
    var isMuxerUsable: Bool {
        switch muxer {
        case nil, .dialing: true
        case .listening: false
        }
    }

    init(
        role: Connection.Role,
        transport: consuming NoiseTransport,
        peer: NoiseHandshake.Remote,
        roundTrips: RoundTrips,
        limits: Connection.Limits,
        muxerDeadline: MonotonicInstant,
        now: MonotonicInstant
    ) {
        self.transport = transport
        self.peer = peer
        self.roundTrips = roundTrips
        self.muxerDeadline = muxerDeadline
        switch role {
        case .dialer:
            yamux = YamuxSession(role: .dialer, limits: limits.yamux, now: now)
            if case .open = peer.muxer {
                let negotiation = DialerNegotiation(
                    protocols: [Self.muxerProtocol], limits: limits.negotiation)
                negotiation.start(into: &muxerOutput)
                muxer = .dialing(negotiation)
            }
        case .listener:
            yamux = YamuxSession(role: .listener, limits: limits.yamux, now: now)
            if case .open = peer.muxer {
                muxer = .listening(
                    ListenerNegotiation(
                        supported: ProtocolTable([Self.muxerProtocol]),
                        limits: limits.negotiation))
            }
        }
    }

    /// Takes the multiplexer's negotiation from the front of opened bytes.
    ///
    func negotiateMuxer(
        _ input: Span<UInt8>
    ) throws(NegotiationError) -> NegotiationProgress {
        roundTrips.heard()
        let progress: NegotiationProgress
        switch muxer {
        case .dialing(var negotiation):
            progress = try negotiation.receive(input, into: &muxerOutput)
            muxer = .dialing(negotiation)
        case .listening(var negotiation):
            progress = try negotiation.receive(input, into: &muxerOutput)
            muxer = .listening(negotiation)
        case nil:
            return NegotiationProgress(consumed: 0, agreed: nil)
        }
        if progress.agreed != nil { muxer = nil }
        return progress
    }
}
