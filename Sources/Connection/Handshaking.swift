// A connection until its peer is verified.
//
//     dialer    header, /noise, message 1 ──▶
//               ◀── header, /noise, message 2
//               message 3, and at once whatever comes after ──▶
//
//     listener  answers each as it comes
//
// 1. The dialer sends its first flight in one piece: with a single security protocol there is
//    nothing to wait for. A peer that refuses it has then received a message it does not understand,
//    and the connection is over either way.
// 2. Bytes behind a message are not touched.
//
// Memory: the machines' own, and one message waiting for the socket.

import ChoraleBase
import Crypto
import Multistream
import Noise

struct Handshaking: ~Copyable {
    enum Security {
        case dialing(DialerNegotiation)
        case listening(ListenerNegotiation)
        case agreed
    }

    static let securityProtocol = "/noise"

    private var security: Security
    private(set) var noise: NoiseHandshake
    private var roundTrips = RoundTrips()
    let deadline: MonotonicInstant

    init(
        role: Connection.Role,
        credentials: NoiseCredentials,
        ephemeral: SecretBytes,
        muxers: [String],
        limits: Connection.Limits,
        deadline: MonotonicInstant
    ) {
        self.deadline = deadline
        switch role {
        case .dialer(let expected):
            security = .dialing(
                DialerNegotiation(
                    protocols: [Self.securityProtocol], limits: limits.negotiation))
            noise = NoiseHandshake(
                role: .initiator(expected: expected), credentials: credentials,
                ephemeral: ephemeral, muxers: muxers, limits: limits.noise)
        case .listener:
            security = .listening(
                ListenerNegotiation(
                    supported: ProtocolTable([Self.securityProtocol]), limits: limits.negotiation))
            noise = NoiseHandshake(
                role: .responder, credentials: credentials, ephemeral: ephemeral, muxers: muxers,
                limits: limits.noise)
        }
    }
}

extension Handshaking {
    var isComplete: Bool { noise.isComplete }

    var phase: Connection.Phase {
        switch security {
        case .dialing, .listening: .securityNegotiation
        case .agreed: .noiseHandshake
        }
    }

    /// Appends the dialer's first flight.
    mutating func start(into output: inout [UInt8]) {
        guard case .dialing(let negotiation) = security else { return }
        negotiation.start(into: &output)
        noise.start(into: &output)
        roundTrips.sent()
    }

    /// Takes handshake bytes from the start of `input` and appends the answers.
    ///
    /// - Returns: bytes consumed; the rest is an unfinished message, or the transport's when the
    ///   handshake is complete.
    mutating func receive(
        _ input: Span<UInt8>,
        into output: inout [UInt8]
    ) throws(Connection.CloseReason) -> Int {
        let answered = output.count
        var offset = try negotiateSecurity(input, into: &output)
        if case .agreed = security {
            do throws(NoiseError) {
                while !noise.isComplete {
                    let rest = input.extracting(offset..<input.count)
                    let consumed = try noise.receive(rest, into: &output)
                    guard consumed > 0 else { break }
                    roundTrips.heard()
                    offset += consumed
                }
            } catch {
                throw .noise(error)
            }
        }
        if output.count > answered { roundTrips.sent() }
        return offset
    }

    private mutating func negotiateSecurity(
        _ input: Span<UInt8>,
        into output: inout [UInt8]
    ) throws(Connection.CloseReason) -> Int {
        let progress: NegotiationProgress
        do throws(NegotiationError) {
            switch security {
            case .dialing(var negotiation):
                progress = try negotiation.receive(input, into: &output)
                security = .dialing(negotiation)
            case .listening(var negotiation):
                progress = try negotiation.receive(input, into: &output)
                security = .listening(negotiation)
            case .agreed:
                return 0
            }
        } catch {
            throw .securityNegotiation(error)
        }
        if progress.agreed != nil {
            security = .agreed
            roundTrips.heard()
        }
        return progress.consumed
    }

    /// Ends the handshake; its keys now seal and open frames.
    consuming func finish() -> NoiseTransport { noise.transport() }

    var roundTripsSoFar: RoundTrips { roundTrips }
}

/// Counts how often a side waited for an answer.
struct RoundTrips {
    private(set) var count = 0
    private var isWaiting = false

    mutating func sent() { isWaiting = true }

    mutating func heard() {
        guard isWaiting else { return }
        isWaiting = false
        count += 1
    }
}
