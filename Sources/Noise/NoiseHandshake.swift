// The libp2p handshake: Noise XX, empty prologue, each message behind a two-byte length, and in
// messages 2 and 3 a payload that ties the static Noise key to the peer's identity.
//
//     initiator   start ─1─▶ │ awaits 2 ──2──▶ checked ─3─▶ complete
//     responder              │ awaits 1 ──1──▶ ─2─▶ awaits 3 ──3──▶ checked ▶ complete
//
// 1. No message is looked at before all of it has arrived; what is behind it is not touched.
// 2. A peer is `remote` only after its signature was verified and its name compared with the one
//    dialed, and `complete` only then.
// 3. The initiator reveals its identity only to the peer it dialed: the check is made before
//    message 3 is written.
// 4. After a thrown error nothing more may be asked of the machine; its owner drops it.
//
// Memory: a few hundred bytes; messages are read from the caller's buffer.
//
// Specification: libp2p/specs `noise/README.md`.

package import ChoraleBase
public import Crypto
public import PeerIdentity

/// Secures one connection.
public struct NoiseHandshake: ~Copyable {
    public enum Role: Equatable, Sendable {
        /// The dialer, and whom it means to reach; nil when anybody will do.
        case initiator(expected: PeerID?)
        case responder
    }

    /// What a peer may ask of a handshake.
    public struct Limits: Equatable, Sendable {
        /// Largest handshake message accepted, in bytes without its length.
        ///
        /// The largest honest payload is an 8,192-bit RSA key (1.1 KiB) with its signature (1 KiB)
        /// and a list of multiplexers; four times that leaves room for extensions to come.
        public var messageSizeMax: Int

        public init(messageSizeMax: Int = 8192) { self.messageSizeMax = messageSizeMax }
    }

    /// How the multiplexer was settled.
    public enum MuxerChoice: Equatable, Sendable {
        /// By the lists in the payloads.
        case agreed(String)
        /// Not yet: a side sent no list, and multistream-select has to follow.
        case open
    }

    /// The verified peer.
    public struct Remote: Equatable, Sendable {
        public let peerID: PeerID
        public let publicKey: PublicKey
        public let muxer: MuxerChoice
    }

    private let role: Role
    private let credentials: NoiseCredentials
    private let muxers: [String]
    private let limits: Limits
    private var state: HandshakeState

    /// The peer, once it has proved who it is.
    public private(set) var remote: Remote?

    /// - Parameters:
    ///   - ephemeral: 32 secret bytes, never used for another handshake.
    ///   - muxers: multiplexers offered in the payload, best first; none leaves the choice to
    ///     multistream-select.
    public init(
        role: Role,
        credentials: NoiseCredentials,
        ephemeral: SecretBytes,
        muxers: [String],
        limits: Limits = Limits()
    ) {
        precondition(
            ephemeral.count == X25519.keySize, "an X25519 key of \(ephemeral.count) bytes")
        self.role = role
        self.credentials = credentials
        self.muxers = muxers
        self.limits = limits
        let side: HandshakeState.Role =
            switch role {
            case .initiator: .initiator
            case .responder: .responder
            }
        state = HandshakeState(
            role: side, prologue: Span(), staticKey: credentials.staticKey,
            staticPublicKey: credentials.staticPublicKey, ephemeral: ephemeral)
    }

    /// Whether all three messages have passed and the peer is verified.
    public var isComplete: Bool { state.isComplete && remote != nil }

    /// Identifies this handshake among all others.
    package var hash: Bytes32 { state.hash }

    /// Appends message 1.
    ///
    /// Called once, by the initiator, before anything is received.
    public mutating func start(into output: inout [UInt8]) {
        do throws(NoiseError) {
            try write(payload: [], into: &output)
        } catch {
            preconditionFailure("message 1 needs nothing of the peer's: \(error)")
        }
    }

    /// Takes the message at the start of `input`, when all of it is there, and appends the answer.
    ///
    /// - Returns: bytes consumed: one whole message with its length, or 0 for "more bytes please".
    ///   Bytes behind it belong to the next message or to the transport.
    /// - Precondition: the handshake is not complete.
    public mutating func receive(
        _ input: Span<UInt8>,
        into output: inout [UInt8]
    ) throws(NoiseError) -> Int {
        guard input.count >= 2 else { return 0 }
        let size = Int(input[0]) << 8 | Int(input[1])
        guard size <= limits.messageSizeMax else {
            throw .handshakeMessageTooLarge(size: size, limit: limits.messageSizeMax)
        }
        guard size >= state.overhead else {
            throw .handshakeMessageTooShort(size: size, minimum: state.overhead)
        }
        guard input.count - 2 >= size else { return 0 }
        let payload = try state.read(input.extracting(2..<(2 + size)))
        switch role {
        case .initiator:
            remote = try verified(payload)
            try write(payload: ownPayload, into: &output)
        case .responder:
            if state.isComplete {
                remote = try verified(payload)
            } else {
                guard payload.isEmpty else { throw .unexpectedPayload(size: payload.count) }
                try write(payload: ownPayload, into: &output)
            }
        }
        return 2 + size
    }

    /// Ends the handshake; its keys now seal and open frames.
    ///
    /// - Precondition: ``isComplete``.
    public consuming func transport() -> NoiseTransport {
        precondition(isComplete, "a transport to nobody")
        let isInitiator = role != .responder
        let (initiatorKey, responderKey) = state.split()
        return isInitiator
            ? NoiseTransport(sendKey: initiatorKey, receiveKey: responderKey)
            : NoiseTransport(sendKey: responderKey, receiveKey: initiatorKey)
    }

    private var ownPayload: [UInt8] {
        HandshakePayload(
            identityKey: credentials.identityKey, signature: credentials.signature,
            muxers: muxers.map { Array($0.utf8) }
        ).encoded()
    }

    private mutating func write(
        payload: [UInt8],
        into output: inout [UInt8]
    ) throws(NoiseError) {
        let start = output.count
        output.appendBigEndian(UInt16(state.overhead + payload.count))
        do throws(NoiseError) {
            try state.write(payload: payload.span, into: &output)
        } catch {
            output.removeSubrange(start...)
            throw error
        }
    }

    /// Checks a payload against the static key it came with.
    private func verified(_ bytes: [UInt8]) throws(NoiseError) -> Remote {
        let payload = try HandshakePayload(decoding: bytes.span)
        guard let staticKey = state.remoteStatic else {
            preconditionFailure("a payload came without a static key")
        }
        let publicKey: PublicKey
        do throws(KeyError) {
            publicKey = try PublicKey(protobuf: payload.identityKey)
        } catch {
            throw .malformedIdentityKey(error)
        }
        let peerID = publicKey.peerID
        // Before the signature: it is the cheaper check.
        if case .initiator(let expected?) = role, expected != peerID {
            throw .wrongPeer(expected: expected, actual: peerID)
        }
        let message = HandshakePayload.signedMessage(staticKey: staticKey)
        guard publicKey.verify(signature: payload.signature, message: message) else {
            throw .badSignature
        }
        return Remote(
            peerID: peerID, publicKey: publicKey, muxer: try chooseMuxer(offered: payload.muxers))
    }

    /// The first entry of the initiator's list that both know.
    private func chooseMuxer(offered: [[UInt8]]) throws(NoiseError) -> MuxerChoice {
        guard !muxers.isEmpty, !offered.isEmpty else { return .open }
        switch role {
        case .initiator:
            for muxer in muxers where offered.contains(Array(muxer.utf8)) { return .agreed(muxer) }
        case .responder:
            for theirs in offered {
                for muxer in muxers where theirs.elementsEqual(muxer.utf8) {
                    return .agreed(muxer)
                }
            }
        }
        throw .noCommonMuxer
    }
}
