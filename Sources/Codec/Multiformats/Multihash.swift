public import ChoraleBase

/// A digest that says by which function it was made, and how long it is.
///
/// Specification: multiformats/multihash.
public struct Multihash: Hashable, Sendable {
    /// Code of the hash function in the multicodec table.
    public let code: UInt64
    public let digest: [UInt8]

    /// The bytes themselves, not hashed.
    public static let identityCode: UInt64 = 0x00
    public static let sha256Code: UInt64 = 0x12

    /// Longest digest accepted, in bytes: twice that of SHA-512, the longest function in use.
    public static let digestSizeMax = 128

    /// Longest encoded public key that a peer id holds unhashed, in bytes.
    ///
    /// libp2p/specs `peer-ids/peer-ids.md`, "Peer Ids".
    public static let inlinedKeySizeMax = 42

    public enum DecodeError: Error, Equatable, Sendable {
        case truncated
        case malformedVarint(Varint.DecodeError)
        case digestTooLarge(size: UInt64, limit: Int)
        /// Bytes after the digest.
        case trailingBytes(Int)
        /// A digest whose length is not that of its function.
        case wrongDigestSize(code: UInt64, size: Int)
    }

    /// - Throws: ``DecodeError/digestTooLarge(size:limit:)`` and
    ///   ``DecodeError/wrongDigestSize(code:size:)``.
    public init(code: UInt64, digest: [UInt8]) throws(DecodeError) {
        guard digest.count <= Self.digestSizeMax else {
            throw .digestTooLarge(size: UInt64(digest.count), limit: Self.digestSizeMax)
        }
        guard code != Self.sha256Code || digest.count == 32 else {
            throw .wrongDigestSize(code: code, size: digest.count)
        }
        self.code = code
        self.digest = digest
    }

    public static func sha256(_ digest: Bytes32) -> Multihash {
        Multihash(trusted: sha256Code, digest: digest.bytes)
    }

    private init(trusted code: UInt64, digest: [UInt8]) {
        self.code = code
        self.digest = digest
    }

    /// Decodes a multihash that fills `bytes`.
    public init(bytes: Span<UInt8>) throws(DecodeError) {
        let (code, first) = try Self.varint(bytes, at: 0)
        let (size, second) = try Self.varint(bytes, at: first)
        guard size <= Self.digestSizeMax else {
            throw .digestTooLarge(size: size, limit: Self.digestSizeMax)
        }
        let end = second + Int(size)
        guard end <= bytes.count else { throw .truncated }
        guard end == bytes.count else { throw .trailingBytes(bytes.count - end) }
        try self.init(code: code, digest: bytes.extracting(second..<end).copied())
    }

    private static func varint(
        _ bytes: Span<UInt8>,
        at offset: Int
    ) throws(DecodeError) -> (value: UInt64, end: Int) {
        let decoded: Varint.Decoded?
        do throws(Varint.DecodeError) {
            decoded = try Varint.decode(bytes, at: offset)
        } catch {
            throw .malformedVarint(error)
        }
        guard let decoded else { throw .truncated }
        return (decoded.value, offset + decoded.size)
    }

    /// Code, length and digest.
    public var bytes: [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(digest.count + 4)
        Varint.append(code, to: &bytes)
        Varint.append(UInt64(digest.count), to: &bytes)
        bytes.append(contentsOf: digest)
        return bytes
    }

    /// Whether this has one of the two forms of a peer id: a key of 1 to 42 bytes as it is, or
    /// the SHA-256 digest of a longer one.
    public var isPeerID: Bool {
        switch code {
        case Self.identityCode: (1...Self.inlinedKeySizeMax).contains(digest.count)
        case Self.sha256Code: true
        default: false
        }
    }
}

extension Multihash {
    /// Why text is not a peer id.
    public enum PeerIDError: Error, Equatable, Sendable {
        case empty
        case base(Multibase.DecodeError)
        case multihash(DecodeError)
        case cid(CID.DecodeError)
        /// A CID whose codec is not `libp2p-key` (0x72).
        case wrongCodec(UInt64)
        /// A multihash that no peer id has: see ``Multihash/isPeerID``.
        case notPeerID
    }

    /// Reads the text forms of a peer id: `12D3KooW…`, `16Uiu2HA…`, `Qm…`, and a CIDv1 with the
    /// codec `libp2p-key` in any base.
    ///
    /// Specification: libp2p/specs `peer-ids/peer-ids.md`, "String representation".
    public init(peerID text: String) throws(PeerIDError) {
        guard !text.isEmpty else { throw .empty }
        let multihash: Multihash
        if text.hasPrefix("Qm") || text.hasPrefix("1") {
            let bytes: [UInt8]
            do throws(Multibase.DecodeError) {
                bytes = try Base58.decode(text)
            } catch {
                throw .base(error)
            }
            do throws(DecodeError) {
                multihash = try Multihash(bytes: bytes.span)
            } catch {
                throw .multihash(error)
            }
        } else {
            let cid: CID
            do throws(CID.DecodeError) {
                cid = try CID(text)
            } catch {
                throw .cid(error)
            }
            guard cid.codec == CID.libp2pKeyCodec else { throw .wrongCodec(cid.codec) }
            multihash = cid.multihash
        }
        guard multihash.isPeerID else { throw .notPeerID }
        self = multihash
    }
}
