public import ChoraleBase
import Codec
public import Crypto

/// A peer's public key, checked when it was read.
///
/// Verifying with one is expensive for RSA (its size is bounded by `RSA.Limits`) and about 50 µs
/// for the others; callers do it off the loop thread where a peer can ask for many.
///
/// Specification: libp2p/specs `peer-ids/peer-ids.md`, "Keys".
public enum PublicKey: Hashable, Sendable {
    case ed25519(Bytes32)
    case secp256k1(Secp256k1.PublicKey)
    case ecdsa(P256Key)
    case rsa(RSAKey)

    /// A point of P-256 in a SubjectPublicKeyInfo.
    ///
    /// Other curves are refused: no implementation makes such identities, and each would be
    /// another parser for strangers to reach.
    public struct P256Key: Hashable, Sendable {
        public let subjectPublicKeyInfo: [UInt8]

        public init(subjectPublicKeyInfo: [UInt8]) throws(KeyError) {
            guard P256.isPublicKey(subjectPublicKeyInfo.span) else { throw .notP256 }
            self.subjectPublicKeyInfo = subjectPublicKeyInfo
        }
    }

    /// An RSA key of 2048 to 8192 bits in a SubjectPublicKeyInfo.
    public struct RSAKey: Hashable, Sendable {
        public let subjectPublicKeyInfo: [UInt8]

        public init(subjectPublicKeyInfo: [UInt8]) throws(KeyError) {
            do throws(RSA.KeyError) {
                try RSA.check(subjectPublicKeyInfo: subjectPublicKeyInfo.span)
            } catch {
                throw .rsa(error)
            }
            self.subjectPublicKeyInfo = subjectPublicKeyInfo
        }
    }

    /// Largest encoding accepted, in bytes: an RSA key of 8192 bits has 1,052 in its
    /// SubjectPublicKeyInfo and 5 around it.
    public static let encodedSizeMax = 1200

    /// Decodes the protobuf that fills `protobuf`.
    ///
    /// Only the deterministic encoding is accepted, so `encoded` gives the same bytes again.
    public init(protobuf: Span<UInt8>) throws(KeyError) {
        let (type, range) = try KeyProtobuf.decode(protobuf, sizeMax: Self.encodedSizeMax)
        let data = protobuf.extracting(range)
        switch type {
        case .ed25519:
            guard let key = Bytes32(data) else { throw .wrongSize(type, size: data.count) }
            self = .ed25519(key)
        case .secp256k1:
            do throws(Secp256k1.KeyError) {
                self = .secp256k1(try Secp256k1.PublicKey(compressed: data))
            } catch {
                throw .secp256k1(error)
            }
        case .ecdsa: self = .ecdsa(try P256Key(subjectPublicKeyInfo: data.copied()))
        case .rsa: self = .rsa(try RSAKey(subjectPublicKeyInfo: data.copied()))
        }
    }

    /// Decodes the protobuf that fills `protobuf`.
    public init(protobuf: [UInt8]) throws(KeyError) { try self.init(protobuf: protobuf.span) }

    public var type: KeyType {
        switch self {
        case .ed25519: .ed25519
        case .secp256k1: .secp256k1
        case .ecdsa: .ecdsa
        case .rsa: .rsa
        }
    }

    /// The protobuf: what peer ids are made of.
    public var encoded: [UInt8] {
        var writer = ProtobufWriter(reservingCapacity: 40)
        writer.varint(1, type.rawValue)
        switch self {
        case .ed25519(let key): writer.bytes(2, key.bytes)
        case .secp256k1(let key): writer.bytes(2, key.compressed)
        case .ecdsa(let key): writer.bytes(2, key.subjectPublicKeyInfo)
        case .rsa(let key): writer.bytes(2, key.subjectPublicKeyInfo)
        }
        return writer.bytes
    }

    /// The id of the peer that holds the private half.
    public var peerID: PeerID { PeerID(encodedKey: encoded) }

    /// Whether `signature` is one of `message` by this key.
    ///
    /// Ed25519: 64 bytes. secp256k1 and ECDSA: strict DER over SHA-256, either half of s. RSA:
    /// PKCS#1 v1.5 with SHA-256. False for everything else; nothing a peer sends can trap.
    public func verify(signature: Span<UInt8>, message: Span<UInt8>) -> Bool {
        switch self {
        case .ed25519(let key):
            return Ed25519.verify(signature: signature, message: message, publicKey: key)
        case .secp256k1(let key):
            return key.verifyDER(signature, digest: SHA256.hash(message))
        case .ecdsa(let key):
            return P256.verify(
                signatureDER: signature, message: message,
                subjectPublicKeyInfo: key.subjectPublicKeyInfo.span)
        case .rsa(let key):
            let verified = try? RSA.verify(
                signature: signature, message: message,
                subjectPublicKeyInfo: key.subjectPublicKeyInfo.span)
            return verified ?? false
        }
    }

    /// As the form with spans.
    public func verify(signature: [UInt8], message: [UInt8]) -> Bool {
        verify(signature: signature.span, message: message.span)
    }
}

extension PeerID {
    /// The id of the peer that holds the private half of `key`.
    public init(_ key: PublicKey) { self = key.peerID }

    init(encodedKey: [UInt8]) {
        let multihash: [UInt8]
        if encodedKey.count <= Self.inlinedKeySizeMax {
            multihash = [0x00, UInt8(encodedKey.count)] + encodedKey
        } else {
            multihash = [0x12, 0x20] + SHA256.hash(encodedKey).bytes
        }
        guard let id = try? PeerID(multihash: multihash) else {
            preconditionFailure("an encoded key has 1 to 42 bytes or is hashed")
        }
        self = id
    }

    /// The key inside this id, or nil when the id is a hash and the key must come from elsewhere.
    ///
    /// - Throws: ``KeyError`` when the id holds bytes that are no key: nobody can be that peer.
    public func inlinedKey() throws(KeyError) -> PublicKey? {
        let multihash = multihash
        guard multihash[0] == 0x00 else { return nil }
        return try PublicKey(protobuf: multihash.span.extracting(2..<multihash.count))
    }
}
