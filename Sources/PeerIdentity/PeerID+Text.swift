public import Codec

extension PeerID: CustomStringConvertible, LosslessStringConvertible {
    /// Reads any of the text forms: base58btc (`12D3KooW…`, `16Uiu2HA…`, `Qm…`), or a CIDv1 with
    /// the codec `libp2p-key` in any multibase (`bafz…`, `k51q…`).
    ///
    /// Specification: libp2p/specs `peer-ids/peer-ids.md`, "String representation".
    public init(text: String) throws(Multihash.PeerIDError) {
        self.init(try Multihash(peerID: text))
    }

    /// As ``init(text:)``, for places that need no reason.
    public init?(_ description: String) {
        guard let id = try? PeerID(text: description) else { return nil }
        self = id
    }

    private init(_ multihash: Multihash) {
        // `Multihash(peerID:)` accepts exactly the multihashes that a peer id may have.
        guard let id = try? PeerID(multihash: multihash.bytes) else {
            preconditionFailure("a multihash that was checked")
        }
        self = id
    }

    /// The form that is printed: base58btc.
    public var description: String { Base58.encode(multihash) }

    /// The CIDv1 form in base32, `bafz…`.
    public var cid: String {
        guard let multihash = try? Multihash(bytes: multihash.span) else {
            preconditionFailure("a peer id is a multihash")
        }
        return CID(codec: CID.libp2pKeyCodec, multihash: multihash).text(.base32)
    }
}

extension Multiaddr {
    /// The peer this leads to, or nil when it does not end in `/p2p/…`.
    public var peerID: PeerID? {
        guard let multihash = peerIDMultihash else { return nil }
        return try? PeerID(multihash: multihash)
    }

    /// This with a final `/p2p/…` of `id`, in place of another one.
    ///
    /// - Throws: ``ParseError/tooLarge(size:limit:)``.
    public func withPeerID(_ id: PeerID) throws(ParseError) -> Multiaddr {
        guard let address = removingPeerID else { return try Multiaddr([.p2p(id.multihash)]) }
        return try address.appending(.p2p(id.multihash))
    }
}
