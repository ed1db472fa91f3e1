import ChoraleBase
public import Crypto
public import PeerIdentity

/// Who we are, ready for any number of handshakes.
///
/// The static Noise key is bound to the identity key by a signature that is made once, here, and
/// not in every handshake. All connections of a node share one value.
public struct NoiseCredentials: Sendable {
    /// The name that peers will derive from the identity key.
    public let peerID: PeerID

    let staticKey: SecretBytes
    let staticPublicKey: Bytes32
    let identityKey: [UInt8]
    let signature: [UInt8]

    /// - Parameter staticKey: 32 secret bytes, from the operating system's generator. It may live as
    ///   long as the process: forward secrecy comes from the ephemeral keys.
    public init(identity: IdentityKey, staticKey: SecretBytes) {
        precondition(
            staticKey.count == X25519.keySize, "an X25519 key of \(staticKey.count) bytes")
        let staticPublicKey = X25519.publicKey(of: staticKey)
        self.peerID = identity.peerID
        self.staticKey = staticKey
        self.staticPublicKey = staticPublicKey
        self.identityKey = identity.publicKey.encoded
        self.signature = identity.sign(
            HandshakePayload.signedMessage(staticKey: staticPublicKey))
    }
}
