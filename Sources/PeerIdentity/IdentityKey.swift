import ChoraleBase
import Codec
public import Crypto

/// The key pair that a node is named by and signs with: Ed25519 or secp256k1.
///
/// The secret is held by reference in `SecretBytes` and wiped with the last copy of this value.
/// Printing one shows its peer id.
public struct IdentityKey: Sendable {
    private enum Secret {
        case ed25519(Ed25519.PrivateKey)
        case secp256k1(Secp256k1.PrivateKey)
    }

    private let secret: Secret
    public let publicKey: PublicKey
    public let peerID: PeerID

    /// Largest private key read, in bytes: an RSA key of 8192 bits with all its factors has about
    /// 4,700. Such keys are read for their public half only.
    public static let encodedSizeMax = 8192

    public init(_ key: Ed25519.PrivateKey) {
        secret = .ed25519(key)
        publicKey = .ed25519(key.publicKey)
        peerID = publicKey.peerID
    }

    public init(_ key: Secp256k1.PrivateKey) {
        secret = .secp256k1(key)
        publicKey = .secp256k1(key.publicKey)
        peerID = publicKey.peerID
    }

    /// The Ed25519 key of a 32-byte seed.
    ///
    /// - Precondition: `seed` has 32 bytes.
    public init(ed25519Seed seed: SecretBytes) { self.init(Ed25519.PrivateKey(seed: seed)) }

    /// Decodes a private key's protobuf.
    ///
    /// Ed25519 data are seed and public key (64 bytes), or the old form with the public key twice
    /// (96); the public halves must be those of the seed. secp256k1 data are the 32-byte secret.
    ///
    /// - Throws: ``KeyError``; `.cannotSign` for a well-formed RSA or ECDSA key.
    public init(protobuf: SecretBytes) throws(KeyError) {
        self = try protobuf.withSpan { (bytes) throws(KeyError) in
            let (type, range) = try KeyProtobuf.decode(bytes, sizeMax: Self.encodedSizeMax)
            let data = bytes.extracting(range)
            switch type {
            case .ed25519: return IdentityKey(try Self.ed25519(data))
            case .secp256k1:
                do throws(Secp256k1.KeyError) {
                    return IdentityKey(try Secp256k1.PrivateKey(SecretBytes(copying: data)))
                } catch {
                    throw .secp256k1(error)
                }
            case .rsa, .ecdsa: throw .cannotSign(type)
            }
        }
    }

    private static func ed25519(_ data: Span<UInt8>) throws(KeyError) -> Ed25519.PrivateKey {
        guard data.count == 64 || data.count == 96 else {
            throw .wrongSize(.ed25519, size: data.count)
        }
        let seed = SecretBytes(copying: data.extracting(0..<Ed25519.seedSize))
        let key = Ed25519.PrivateKey(seed: seed)
        for offset in stride(from: 32, to: data.count, by: 32) {
            guard data.extracting(offset..<offset + 32).isEqual(to: key.publicKey.storage.span)
            else { throw .halvesDiffer }
        }
        return key
    }

    /// The protobuf: 68 bytes for Ed25519, 36 for secp256k1.
    public var protobuf: SecretBytes {
        switch secret {
        case .ed25519(let key):
            key.seed.withSpan { Self.encode(.ed25519, $0, key.publicKey.storage.span) }
        case .secp256k1(let key):
            key.bytes.withSpan { Self.encode(.secp256k1, $0, Span()) }
        }
    }

    private static func encode(
        _ type: KeyType,
        _ secret: Span<UInt8>,
        _ rest: Span<UInt8>
    ) -> SecretBytes {
        precondition(secret.count == 32 && rest.count <= 32, "a private key of 32 or 64 bytes")
        var bytes: [68 of UInt8] = .init(repeating: 0)
        bytes[0] = 1 << 3
        bytes[1] = UInt8(type.rawValue)
        bytes[2] = 2 << 3 | 2
        bytes[3] = UInt8(secret.count + rest.count)
        for index in secret.indices { bytes[4 + index] = secret[index] }
        for index in rest.indices { bytes[36 + index] = rest[index] }
        let size = 4 + secret.count + rest.count
        let encoded = SecretBytes(copying: bytes.span.extracting(0..<size))
        wipe(&bytes)
        return encoded
    }

    /// Overwrites the copy on the stack. Not inlined, so that the stores are not seen to be dead.
    @inline(never)
    private static func wipe(_ bytes: inout [68 of UInt8]) {
        for index in bytes.indices { bytes[index] = 0 }
    }

    /// The public key that belongs to a private key's protobuf of any of the four types.
    ///
    /// RSA data are PKCS#1, ECDSA data SEC 1; both are parsed by libcrypto.
    public static func publicKey(ofProtobuf protobuf: SecretBytes) throws(KeyError) -> PublicKey {
        let (type, data) = try protobuf.withSpan { (bytes) throws(KeyError) in
            let (type, range) = try KeyProtobuf.decode(bytes, sizeMax: Self.encodedSizeMax)
            return (type, SecretBytes(copying: bytes.extracting(range)))
        }
        switch type {
        case .ed25519, .secp256k1: return try IdentityKey(protobuf: protobuf).publicKey
        case .rsa:
            guard let key = RSA.publicKey(ofPKCS1Private: data) else {
                throw .malformedPrivateKey(type)
            }
            return .rsa(try PublicKey.RSAKey(subjectPublicKeyInfo: key))
        case .ecdsa:
            guard let key = P256.publicKey(ofSEC1Private: data) else {
                throw .malformedPrivateKey(type)
            }
            return .ecdsa(try PublicKey.P256Key(subjectPublicKeyInfo: key))
        }
    }

    /// The signature of `message` that ``PublicKey/verify(signature:message:)`` accepts.
    ///
    /// Deterministic: Ed25519 by its definition, secp256k1 by RFC 6979 with s in the lower half.
    public func sign(_ message: Span<UInt8>) -> [UInt8] {
        switch secret {
        case .ed25519(let key): key.sign(message)
        case .secp256k1(let key): key.signDER(digest: SHA256.hash(message))
        }
    }

    /// As the form with a span.
    public func sign(_ message: [UInt8]) -> [UInt8] { sign(message.span) }

    /// The secp256k1 key, for what only that curve can sign: node records.
    public var secp256k1: Secp256k1.PrivateKey? {
        switch secret {
        case .ed25519: nil
        case .secp256k1(let key): key
        }
    }

    /// The Ed25519 key, for what only that curve can do: verifiable random functions.
    public var ed25519: Ed25519.PrivateKey? {
        switch secret {
        case .ed25519(let key): key
        case .secp256k1: nil
        }
    }
}

extension IdentityKey: CustomStringConvertible, CustomReflectable {
    /// The peer id. The secret is never shown.
    public var description: String { "key of \(peerID)" }
    public var customMirror: Mirror { Mirror(self, children: []) }
}
