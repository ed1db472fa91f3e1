import ChoraleBase
import Crypto

/// The running hash and keys of one handshake.
///
/// The names are the specification's. Everything sent or received is mixed into `hash`, which is
/// what makes the two sides notice any change made on the way.
///
/// Specification: The Noise Protocol Framework, revision 34, section 5.2.
struct SymmetricState: ~Copyable {
    /// Exactly 32 bytes, so that it is its own hash (section 5.2, InitializeSymmetric).
    static let protocolName = "Noise_XX_25519_ChaChaPoly_SHA256"

    private(set) var hash: Bytes32
    private var chainingKey: SecretBytes
    private var cipher: ChaCha20Poly1305?
    /// Of the next message under `cipher`; a handshake seals a handful.
    private var nonce: UInt64 = 0

    init(prologue: Span<UInt8>) {
        guard let name = Bytes32(Array(Self.protocolName.utf8)) else {
            preconditionFailure("the protocol name has 32 bytes")
        }
        hash = name
        chainingKey = SecretBytes(copying: name)
        mixHash(prologue)
    }

    mutating func mixHash(_ bytes: Span<UInt8>) {
        var hasher = SHA256.Hasher()
        hasher.update(hash)
        hasher.update(bytes)
        hash = hasher.finish()
    }

    mutating func mixKey(_ secret: SecretBytes) {
        let (nextChainingKey, key) = HKDFSHA256.noise2(
            chainingKey: chainingKey, inputKeyMaterial: secret)
        chainingKey = nextChainingKey
        cipher = ChaCha20Poly1305(key: key)
        nonce = 0
    }

    /// Appends `plaintext`, sealed as soon as there is a key.
    mutating func encryptAndHash(_ plaintext: Span<UInt8>, into output: inout [UInt8]) {
        guard let cipher else {
            output.append(contentsOf: plaintext)
            mixHash(plaintext)
            return
        }
        let sealed = cipher.sealed(plaintext, nonce: nonce, authenticating: hash.storage.span)
        nonce += 1
        output += sealed
        mixHash(sealed.span)
    }

    mutating func decryptAndHash(_ sealed: Span<UInt8>) throws(NoiseError) -> [UInt8] {
        guard let cipher else {
            mixHash(sealed)
            return sealed.copied()
        }
        let plaintext: [UInt8]
        do throws(ChaCha20Poly1305.OpenError) {
            plaintext = try cipher.opened(
                sealed, nonce: nonce, authenticating: hash.storage.span)
        } catch {
            throw .handshakeTagMismatch
        }
        nonce += 1
        mixHash(sealed)
        return plaintext
    }

    /// The two transport keys, the initiator's sending key first.
    consuming func split() -> (SecretBytes, SecretBytes) {
        HKDFSHA256.noise2(chainingKey: chainingKey, inputKeyMaterial: Span<UInt8>())
    }
}
