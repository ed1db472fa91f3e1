public import ChoraleBase
public import Codec
import Crypto
public import PeerIdentity

/// How an announcement is signed.
///
/// A number rather than a type, so that a message with a scheme of tomorrow can still be read.
public struct SignatureScheme: RawRepresentable, Hashable, Sendable {
    public let rawValue: UInt8

    public init(rawValue: UInt8) { self.rawValue = rawValue }

    /// 32 bytes of key, 64 of signature (RFC 8032).
    public static let ed25519 = SignatureScheme(rawValue: 1)
    /// A compressed key of 33 bytes; DER over SHA-256, at most 72 bytes.
    public static let secp256k1 = SignatureScheme(rawValue: 2)
}

extension SignatureScheme: SSZEncodable, SSZDecodable {
    public static var sszFixedSize: Int? { 1 }
    public static var isSSZBasic: Bool { true }

    public func sszEncode(into bytes: inout [UInt8]) { rawValue.sszEncode(into: &bytes) }

    public func hashTreeRoot<Hash: SHA256Hashing>(_ hash: Hash.Type) -> Bytes32 {
        rawValue.hashTreeRoot(hash)
    }

    public init(ssz input: Span<UInt8>) throws(SSZError) {
        self.init(rawValue: try UInt8(ssz: input))
    }
}

/// A public key as announcements carry it.
public struct SigningKeyBytes: Hashable, Sendable {
    public let scheme: SignatureScheme
    /// At most 64 bytes.
    public let bytes: [UInt8]

    /// Nil when no scheme has keys that long.
    public init?(scheme: SignatureScheme, bytes: [UInt8]) {
        guard bytes.count <= 64 else { return nil }
        self.scheme = scheme
        self.bytes = bytes
    }

    init(_ key: IdentityKey) {
        switch key.publicKey {
        case .ed25519(let bytes):
            self.scheme = .ed25519
            self.bytes = bytes.bytes
        case .secp256k1(let key):
            self.scheme = .secp256k1
            self.bytes = key.compressed
        case .ecdsa, .rsa:
            preconditionFailure("an identity key that signs is Ed25519 or secp256k1")
        }
    }

    /// The key, or nil when the scheme is unknown or the bytes are no key of it.
    public var publicKey: PublicKey? {
        switch scheme {
        case .ed25519: Bytes32(bytes).map(PublicKey.ed25519)
        case .secp256k1: (try? Secp256k1.PublicKey(compressed: bytes.span)).map(PublicKey.secp256k1)
        default: nil
        }
    }

    /// Who has the private half, when it is a key of a known scheme.
    public var peerID: PeerID? { publicKey?.peerID }
}
