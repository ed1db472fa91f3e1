public import PeerIdentity

extension Gossipsub {
    /// What signs this node's own messages.
    ///
    /// A closure around the identity key, so that the key itself stays where it is wiped.
    public struct SigningKey: Sendable {
        /// The encoded public key, when the peer id does not hold it (RSA, ECDSA); else nil.
        let publicKey: [UInt8]?
        let sign: @Sendable (_ message: [UInt8]) -> [UInt8]

        /// - Parameters:
        ///   - publicKey: encoded as libp2p's `PublicKey` message if the peer id is a digest of it, and
        ///     nil if the peer id holds it (Ed25519, secp256k1).
        ///   - sign: runs on the loop for each own message; 10 µs for Ed25519 and small messages.
        public init(publicKey: [UInt8]?, sign: @escaping @Sendable (_ message: [UInt8]) -> [UInt8])
        {
            self.publicKey = publicKey
            self.sign = sign
        }

        public init(_ key: IdentityKey) {
            // Ed25519 and secp256k1 are the only keys that sign here, and both fit into a peer id.
            self.init(publicKey: nil) { key.sign($0) }
        }
    }
}
