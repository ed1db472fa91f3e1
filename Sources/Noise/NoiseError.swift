public import PeerIdentity

/// Why a secured connection could not be made, or cannot go on.
///
/// Every case ends the connection: there is no way to resynchronise an encrypted stream.
public enum NoiseError: Error, Equatable, Sendable {
    /// A handshake message without room for what it must hold.
    case handshakeMessageTooShort(size: Int, minimum: Int)
    /// A handshake message longer than any honest one.
    case handshakeMessageTooLarge(size: Int, limit: Int)
    /// Message 1 carried a payload, which nobody could have authenticated.
    case unexpectedPayload(size: Int)
    /// A handshake message that was not made with the keys agreed so far.
    case handshakeTagMismatch
    /// A key of small order: the shared secret would be known to everyone.
    case smallOrderPoint
    /// The handshake payload is not the protobuf message it should be.
    case malformedPayload
    /// The payload names no identity key.
    case missingIdentityKey
    /// The payload holds no signature.
    case missingSignature
    /// The identity key cannot be read or is of a kind not supported.
    case malformedIdentityKey(KeyError)
    /// The identity key did not sign the static key.
    case badSignature
    /// Somebody else than the peer that was dialed.
    case wrongPeer(expected: PeerID, actual: PeerID)
    /// Both sides offered multiplexers, none in common.
    case noCommonMuxer
    /// A transport frame shorter than a tag.
    case frameTooShort(size: Int)
    /// A transport frame that the peer did not seal, or not at this place in the stream.
    case frameTagMismatch
    /// 2^64 - 1 frames went in one direction; the next would repeat a nonce.
    case nonceExhausted

    /// A stable name for metrics and logs.
    public var label: String {
        switch self {
        case .handshakeMessageTooShort: "handshake_message_too_short"
        case .handshakeMessageTooLarge: "handshake_message_too_large"
        case .unexpectedPayload: "unexpected_payload"
        case .handshakeTagMismatch: "handshake_tag_mismatch"
        case .smallOrderPoint: "small_order_point"
        case .malformedPayload: "malformed_payload"
        case .missingIdentityKey: "missing_identity_key"
        case .missingSignature: "missing_signature"
        case .malformedIdentityKey: "malformed_identity_key"
        case .badSignature: "bad_signature"
        case .wrongPeer: "wrong_peer"
        case .noCommonMuxer: "no_common_muxer"
        case .frameTooShort: "frame_too_short"
        case .frameTagMismatch: "frame_tag_mismatch"
        case .nonceExhausted: "nonce_exhausted"
        }
    }
}
