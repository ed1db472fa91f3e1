import CLibcrypto
import ChoraleBase
import Codec
import Crypto

/// A key of which the tests know the secret, so that they can be the makers of hardware.
package protocol MadeSigner {
    /// AlgorithmIdentifier of its signatures.
    var algorithm: [UInt8] { get }
    var subjectPublicKeyInfo: [UInt8] { get }
    /// As certificates have it.
    func signature(of message: [UInt8]) -> [UInt8]
}

/// A key on P-256 or P-384.
package struct MadeKey: MadeSigner {
    package enum Curve {
        case p256, p384

        package var identifier: Int32 { self == .p256 ? NID_X9_62_prime256v1 : NID_secp384r1 }
        package var size: Int { self == .p256 ? 32 : 48 }
        package var name: [UInt8] {
            self == .p256
                ? DER.identifier([0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x03, 0x01, 0x07])
                : DER.identifier([0x2B, 0x81, 0x04, 0x00, 0x22])
        }
    }

    package let secret: UInt8
    package let curve: Curve

    package init(_ secret: UInt8, _ curve: Curve = .p256) {
        self.secret = secret
        self.curve = curve
    }

    private func withKey<Result>(_ body: (OpaquePointer) -> Result) -> Result {
        let key = EC_KEY_new_by_curve_name(curve.identifier)!
        defer { EC_KEY_free(key) }
        let group = EC_KEY_get0_group(key)
        let number = BN_new()
        defer { BN_free(number) }
        BN_set_word(number, UInt(secret))
        let point = EC_POINT_new(group)
        defer { EC_POINT_free(point) }
        EC_POINT_mul(group, point, number, nil, nil, nil)
        EC_KEY_set_private_key(key, number)
        EC_KEY_set_public_key(key, point)
        return body(key)
    }

    /// x‖y, big-endian.
    package var point: [UInt8] {
        withKey { key in
            var bytes = [UInt8](repeating: 0, count: 1 + 2 * curve.size)
            EC_POINT_point2oct(
                EC_KEY_get0_group(key), EC_KEY_get0_public_key(key),
                POINT_CONVERSION_UNCOMPRESSED, &bytes, bytes.count, nil)
            return Array(bytes.dropFirst())
        }
    }

    /// r and s, big-endian.
    package func sign(_ message: [UInt8]) -> [UInt8] {
        let digest = MadeDigest.hash(message, is384: curve == .p384)
        return withKey { key in
            let signature = ECDSA_do_sign(digest, Int32(digest.count), key)
            defer { ECDSA_SIG_free(signature) }
            let size = curve.size
            var bytes = [UInt8](repeating: 0, count: 2 * size)
            bytes.withUnsafeMutableBufferPointer {
                _ = BN_bn2binpad(ECDSA_SIG_get0_r(signature), $0.baseAddress, Int32(size))
                _ = BN_bn2binpad(ECDSA_SIG_get0_s(signature), $0.baseAddress! + size, Int32(size))
            }
            return bytes
        }
    }

    package var algorithm: [UInt8] {
        DER.sequence(
            DER.identifier(
                [0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x04, 0x03, curve == .p256 ? 0x02 : 0x03]))
    }

    package func signature(of message: [UInt8]) -> [UInt8] {
        let bytes = sign(message)
        return DER.sequence(
            DER.unsigned(bytes[..<curve.size]), DER.unsigned(bytes[curve.size...]))
    }

    package var subjectPublicKeyInfo: [UInt8] {
        DER.sequence(
            DER.sequence(
                DER.identifier([0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x02, 0x01]), curve.name),
            DER.bits([4] + point))
    }
}

/// An RSA key that signs as AMD's do. Made anew by each run: primes are found by chance.
package final class MadeRSAKey: MadeSigner, @unchecked Sendable {
    // libcrypto lets many threads use one key as long as none changes it.
    private let key: OpaquePointer
    /// Bytes of salt.
    package let saltSize: Int32

    package init(saltSize: Int32 = 48) {
        let context = EVP_PKEY_CTX_new_id(EVP_PKEY_RSA, nil)
        defer { EVP_PKEY_CTX_free(context) }
        var key: OpaquePointer?
        EVP_PKEY_keygen_init(context)
        EVP_PKEY_CTX_set_rsa_keygen_bits(context, 2048)
        EVP_PKEY_keygen(context, &key)
        self.key = key!
        self.saltSize = saltSize
    }

    deinit { EVP_PKEY_free(key) }

    package var algorithm: [UInt8] {
        let sha384 = DER.sequence(
            DER.identifier([0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x02]), [5, 0])
        let maskGeneration = DER.sequence(
            DER.identifier([0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x01, 0x08]), sha384)
        return DER.sequence(
            DER.identifier([0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x01, 0x0A]),
            DER.sequence(
                DER.element(0xA0, sha384), DER.element(0xA1, maskGeneration),
                DER.element(0xA2, DER.unsigned([UInt8(saltSize)]))))
    }

    package var subjectPublicKeyInfo: [UInt8] {
        var bytes = [UInt8](repeating: 0, count: Int(i2d_PUBKEY(key, nil)))
        bytes.withUnsafeMutableBufferPointer {
            var cursor = $0.baseAddress
            _ = i2d_PUBKEY(key, &cursor)
        }
        return bytes
    }

    package func signature(of message: [UInt8]) -> [UInt8] {
        let digest = MadeDigest.hash(message, is384: true)
        let context = EVP_PKEY_CTX_new(key, nil)
        defer { EVP_PKEY_CTX_free(context) }
        EVP_PKEY_sign_init(context)
        EVP_PKEY_CTX_set_rsa_padding(context, RSA_PKCS1_PSS_PADDING)
        EVP_PKEY_CTX_set_signature_md(context, EVP_sha384())
        EVP_PKEY_CTX_set_rsa_mgf1_md(context, EVP_sha384())
        EVP_PKEY_CTX_set_rsa_pss_saltlen(context, saltSize)
        var size = 256
        var bytes = [UInt8](repeating: 0, count: size)
        EVP_PKEY_sign(context, &bytes, &size, digest, digest.count)
        return bytes
    }
}

package enum MadeDigest {
    /// SHA-256 or SHA-384.
    package static func hash(_ message: [UInt8], is384: Bool) -> [UInt8] {
        if !is384 { return Crypto.SHA256.hash(message).bytes }
        var digest = [UInt8](repeating: 0, count: 48)
        EVP_Digest(message, message.count, &digest, nil, EVP_sha384(), nil)
        return digest
    }
}

/// Writes DER.
package enum DER {
    package static func element(_ tag: UInt8, _ content: [UInt8]) -> [UInt8] {
        switch content.count {
        case ..<0x80: [tag, UInt8(content.count)] + content
        case ..<0x100: [tag, 0x81, UInt8(content.count)] + content
        default:
            [tag, 0x82, UInt8(content.count >> 8), UInt8(content.count & 0xFF)] + content
        }
    }

    package static func sequence(_ parts: [UInt8]...) -> [UInt8] {
        element(0x30, Array(parts.joined()))
    }

    package static func identifier(_ content: [UInt8]) -> [UInt8] { element(0x06, content) }

    package static func octets(_ content: [UInt8]) -> [UInt8] { element(0x04, content) }

    package static func bits(_ content: [UInt8]) -> [UInt8] { element(0x03, [0] + content) }

    package static func unsigned(_ bigEndian: some Collection<UInt8>) -> [UInt8] {
        var magnitude = Array(bigEndian.drop { $0 == 0 })
        if magnitude.first.map({ $0 >= 0x80 }) ?? true { magnitude.insert(0, at: 0) }
        return element(0x02, magnitude)
    }

    package static func name(_ text: String) -> [UInt8] {
        sequence(
            element(
                0x31,
                sequence(identifier([0x55, 0x04, 0x03]), element(0x0C, Array(text.utf8)))))
    }

    /// `YYYYMMDDHHMMSSZ`.
    package static func time(_ text: String) -> [UInt8] { element(0x18, Array(text.utf8)) }

    package static func signed(_ content: [UInt8], by key: any MadeSigner) -> [UInt8] {
        sequence(content, key.algorithm, bits(key.signature(of: content)))
    }
}

/// A certificate to be made. The fields are what tests change.
package struct MadeCertificate {
    package var name: String
    package var issuer: String
    package var serial: UInt8
    package var key: any MadeSigner
    package var signer: any MadeSigner
    package var isAuthority = false
    package var pathLength: UInt8?
    /// First octet of the bit string; nil for none.
    package var usage: UInt8? = 0xC0
    package var from = "20250101000000Z"
    package var until = "20350101000000Z"
    /// Identifier's content, critical, value.
    package var extensions: [([UInt8], Bool, [UInt8])] = []

    package static let authorityUsage: UInt8 = 0x06

    package init(
        name: String, issuer: String, serial: UInt8, key: any MadeSigner, signer: any MadeSigner,
        isAuthority: Bool = false, pathLength: UInt8? = nil, usage: UInt8? = 0xC0
    ) {
        self.name = name
        self.issuer = issuer
        self.serial = serial
        self.key = key
        self.signer = signer
        self.isAuthority = isAuthority
        self.pathLength = pathLength
        self.usage = usage
    }

    package var encoding: [UInt8] {
        var list: [[UInt8]] = []
        if let usage {
            let bits = DER.element(0x03, [UInt8(usage.trailingZeroBitCount), usage])
            list.append(Self.one([0x55, 0x1D, 0x0F], true, bits))
        }
        var constraints: [UInt8] = []
        if isAuthority { constraints += [0x01, 0x01, 0xFF] }
        if let pathLength { constraints += [0x02, 0x01, pathLength] }
        list.append(Self.one([0x55, 0x1D, 0x13], true, DER.element(0x30, constraints)))
        list += extensions.map { Self.one($0.0, $0.1, $0.2) }
        let content = DER.sequence(
            DER.element(0xA0, [0x02, 0x01, 0x02]), DER.unsigned([serial]), signer.algorithm,
            DER.name(issuer), DER.sequence(DER.time(from), DER.time(until)), DER.name(name),
            key.subjectPublicKeyInfo,
            DER.element(0xA3, DER.element(0x30, Array(list.joined()))))
        return DER.signed(content, by: signer)
    }

    private static func one(_ name: [UInt8], _ isCritical: Bool, _ value: [UInt8]) -> [UInt8] {
        DER.sequence(DER.identifier(name), isCritical ? [0x01, 0x01, 0xFF] : [], DER.octets(value))
    }

    package static func pem(_ encodings: [[UInt8]]) -> [UInt8] {
        Array(
            encodings.map {
                "-----BEGIN CERTIFICATE-----\n\(Base64.encode($0))\n-----END CERTIFICATE-----\n"
            }.joined().utf8)
    }
}

/// A revocation list to be made.
package struct MadeRevocationList {
    package var issuer: String
    package var signer: any MadeSigner
    package var serials: [UInt8] = []
    package var from = "20260101000000Z"
    package var until = "20260201000000Z"
    /// Of the first entry: a critical extension.
    package var criticalEntry = false

    package init(issuer: String, signer: any MadeSigner, serials: [UInt8] = []) {
        self.issuer = issuer
        self.signer = signer
        self.serials = serials
    }

    package var encoding: [UInt8] {
        var entries: [UInt8] = []
        for serial in serials {
            let one = DER.sequence(
                DER.identifier([0x55, 0x1D, 0x1D]), [0x01, 0x01, 0xFF],
                DER.octets(DER.sequence()))
            entries += DER.sequence(
                DER.unsigned([serial]), DER.time("20260101000000Z"),
                criticalEntry ? DER.sequence(one) : [])
        }
        let content = DER.sequence(
            [0x02, 0x01, 0x01], signer.algorithm, DER.name(issuer), DER.time(from),
            DER.time(until), entries.isEmpty ? [] : DER.element(0x30, entries))
        return DER.signed(content, by: signer)
    }
}
