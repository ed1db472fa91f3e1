import ChoraleBase
public import Codec
public import Crypto

/// The kinds of keys a peer may be named by.
///
/// The raw value is the protobuf enumeration `KeyType`.
public enum KeyType: UInt64, CaseIterable, Hashable, Sendable {
    case rsa = 0
    case ed25519 = 1
    case secp256k1 = 2
    case ecdsa = 3
}

/// Why bytes are not a key.
///
/// Each case is also a metric label, so names stay stable.
public enum KeyError: Error, Equatable, Sendable {
    case tooLarge(size: Int, limit: Int)
    case protobuf(ProtobufError)
    /// A field besides Type and Data: keys are encoded deterministically.
    case unexpectedField(UInt32)
    case unknownType(UInt64)
    /// The number of bytes fits no form of this type.
    case wrongSize(KeyType, size: Int)
    /// Not an encoding of a point of secp256k1, or a secret that is zero or too large.
    case secp256k1(Secp256k1.KeyError)
    case rsa(RSA.KeyError)
    /// Not the SubjectPublicKeyInfo of a point of P-256.
    case notP256
    /// Not the private encoding that its type asks for: PKCS#1 for RSA, SEC 1 for ECDSA.
    case malformedPrivateKey(KeyType)
    /// The public half does not belong to the secret one. Signing with both would leak the secret.
    case halvesDiffer
    /// A type that this node verifies but does not sign with.
    case cannotSign(KeyType)
}

/// The messages `PublicKey` and `PrivateKey`, which have the same two fields.
///
///     required KeyType Type = 1;
///     required bytes Data = 2;
///
/// Specification: libp2p/specs `peer-ids/peer-ids.md`, "Keys".
enum KeyProtobuf {
    /// The type and where the data lies.
    ///
    /// Strict: peer ids are hashes of these bytes, so that one key must have one encoding. Fields
    /// in order, both present, once each, no others, minimal integers.
    static func decode(
        _ bytes: Span<UInt8>,
        sizeMax: Int
    ) throws(KeyError) -> (type: KeyType, data: Range<Int>) {
        guard bytes.count <= sizeMax else { throw .tooLarge(size: bytes.count, limit: sizeMax) }
        var type: UInt64?
        var data: Range<Int>?
        var unexpected: UInt32?
        do throws(ProtobufError) {
            var reader = ProtobufReader(bytes, form: .deterministic)
            while let field = try reader.next(in: bytes) {
                switch field.number {
                case 1:
                    guard type == nil else { throw .repeatedField(1) }
                    type = try field.varint()
                case 2:
                    guard data == nil else { throw .repeatedField(2) }
                    data = try field.bytes()
                default:
                    unexpected = unexpected ?? field.number
                }
            }
        } catch {
            throw .protobuf(error)
        }
        if let unexpected { throw .unexpectedField(unexpected) }
        guard let type else { throw .protobuf(.missingField(1)) }
        guard let data else { throw .protobuf(.missingField(2)) }
        guard let known = KeyType(rawValue: type) else { throw .unknownType(type) }
        return (known, data)
    }
}
