import CSecp256k1
import CSodium
public import ChoraleBase

/// ECDSA over secp256k1.
///
/// Messages are hashed by the caller: libp2p signs SHA-256 digests, Ethereum Keccak-256 ones.
///
/// Specification: SEC 1, section 4.1; SEC 2, section 2.4.1; RFC 6979 for nonces.
public enum Secp256k1 {
    /// Size of a private key, in bytes.
    public static let privateKeySize = 32
    /// Size of a signature as r‖s, in bytes.
    public static let compactSignatureSize = 64
    /// Largest DER signature, in bytes: two integers of at most 33 bytes with their headers.
    public static let signatureDERSizeMax = 72

    /// Why bytes are not a key.
    public enum KeyError: Error, Equatable, Sendable {
        /// The number of bytes fits no form.
        case wrongSize(Int)
        /// A private key of zero, or not below the group order.
        case scalarOutOfRange
        /// Not an encoding of a point of the curve.
        case notAPoint
    }

    // Sound: after creation and blinding the context is only ever read, which libsecp256k1
    // documents as safe from any thread.
    nonisolated(unsafe) static let context: OpaquePointer = {
        let flags = UInt32(SECP256K1_CONTEXT_SIGN | SECP256K1_CONTEXT_VERIFY)
        guard let context = secp256k1_context_create(flags) else {
            preconditionFailure("out of memory")
        }
        // Blinds the multiplications of secret numbers against side channels.
        SecretBytes.random(count: 32).withPointer {
            let blinded = secp256k1_context_randomize(context, $0)
            precondition(blinded == 1, "libsecp256k1 could not be blinded")
        }
        return context
    }()

    /// A point of the curve other than the one at infinity.
    public struct PublicKey: Hashable, Sendable, CustomStringConvertible {
        /// Size of the compressed encoding, in bytes.
        public static let compressedSize = 33

        /// x‖y, each 32 bytes big-endian.
        private let coordinates: [64 of UInt8]

        /// Decodes the 33-byte form that starts with 02 or 03.
        public init(compressed: Span<UInt8>) throws(KeyError) {
            guard compressed.count == Self.compressedSize else {
                throw .wrongSize(compressed.count)
            }
            try self.init(parsing: compressed)
        }

        /// Decodes the 33-byte form that starts with 02 or 03.
        public init(compressed: [UInt8]) throws(KeyError) {
            try self.init(compressed: compressed.span)
        }

        /// Decodes x‖y: 64 bytes, or 65 that start with 04. The hybrid forms 06 and 07 are refused.
        public init(uncompressed: Span<UInt8>) throws(KeyError) {
            switch uncompressed.count {
            case 64:
                var prefixed: [65 of UInt8] = .init(repeating: 4)
                for index in 0..<64 { prefixed[index + 1] = uncompressed[index] }
                try self.init(parsing: prefixed.span)
            case 65:
                guard uncompressed[0] == 4 else { throw .notAPoint }
                try self.init(parsing: uncompressed)
            case let size:
                throw .wrongSize(size)
            }
        }

        /// Decodes x‖y: 64 bytes, or 65 that start with 04.
        public init(uncompressed: [UInt8]) throws(KeyError) {
            try self.init(uncompressed: uncompressed.span)
        }

        private init(parsing encoding: Span<UInt8>) throws(KeyError) {
            let encoding = encoding.borrowed
            var point = secp256k1_pubkey()
            let parsed = secp256k1_ec_pubkey_parse(
                context, &point, encoding.baseAddress!, encoding.count)
            guard parsed == 1 else { throw .notAPoint }
            self.init(point)
        }

        init(_ point: secp256k1_pubkey) {
            var point = point
            var encoding: [65 of UInt8] = .init(repeating: 0)
            var size = 65
            withUnsafeMutableBytes(of: &encoding) { encoding in
                // Writes 65 bytes for every valid point.
                _ = secp256k1_ec_pubkey_serialize(
                    context, encoding.baseAddress!.assumingMemoryBound(to: UInt8.self), &size,
                    &point, UInt32(SECP256K1_EC_UNCOMPRESSED))
            }
            var coordinates: [64 of UInt8] = .init(repeating: 0)
            for index in 0..<64 { coordinates[index] = encoding[index + 1] }
            self.coordinates = coordinates
        }

        /// The library's form. Kept as coordinates instead, because that form is not portable and
        /// getting it from coordinates needs no square root.
        var point: secp256k1_pubkey {
            var encoding: [65 of UInt8] = .init(repeating: 4)
            for index in 0..<64 { encoding[index + 1] = coordinates[index] }
            var point = secp256k1_pubkey()
            withUnsafeBytes(of: encoding) {
                let parsed = secp256k1_ec_pubkey_parse(
                    context, &point, $0.baseAddress!.assumingMemoryBound(to: UInt8.self), 65)
                precondition(parsed == 1, "a public key is a point of the curve")
            }
            return point
        }

        /// 33 bytes: 02 or 03, then x.
        public var compressed: [UInt8] {
            var bytes: [UInt8] = [2 | (coordinates[63] & 1)]
            bytes.reserveCapacity(Self.compressedSize)
            for index in 0..<32 { bytes.append(coordinates[index]) }
            return bytes
        }

        /// 64 bytes: x‖y, as Ethereum hashes them.
        public var uncompressed: [UInt8] { coordinates.span.copied() }

        /// 65 bytes: 04, x, y.
        public var uncompressedWithPrefix: [UInt8] { [4] + uncompressed }

        public var description: String { Hex.encode(compressed) }

        public static func == (lhs: Self, rhs: Self) -> Bool {
            lhs.coordinates.span.isEqual(to: rhs.coordinates.span)
        }

        public func hash(into hasher: inout Hasher) {
            let span = coordinates.span
            for offset in stride(from: 0, to: 32, by: 8) {
                hasher.combine(span.loadLittleEndian(UInt64.self, at: offset))
            }
            hasher.combine(coordinates[63])
        }
    }

    /// A signing key. Wiped with its last reference.
    public final class PrivateKey: Sendable {
        /// The scalar, 32 bytes big-endian.
        public let bytes: SecretBytes
        public let publicKey: PublicKey

        /// Checks the scalar and derives the public key.
        ///
        /// - Throws: `.wrongSize` or `.scalarOutOfRange`.
        public init(_ bytes: SecretBytes) throws(KeyError) {
            guard bytes.count == privateKeySize else { throw .wrongSize(bytes.count) }
            var point = secp256k1_pubkey()
            let created = bytes.withPointer { secp256k1_ec_pubkey_create(context, &point, $0) }
            guard created == 1 else { throw .scalarOutOfRange }
            self.bytes = bytes
            self.publicKey = PublicKey(point)
        }

        /// A new key from the operating system's randomness.
        public static func random() -> PrivateKey {
            while true {
                // Once in 2^128 times the bytes are no scalar.
                if let key = try? PrivateKey(.random(count: privateKeySize)) { return key }
            }
        }

        /// The DER signature of a digest: RFC 6979 nonce, s in the lower half.
        public func signDER(digest: Bytes32) -> [UInt8] {
            var signature = sign(digest)
            return [UInt8](unsafeUninitializedCapacity: signatureDERSizeMax) { buffer, count in
                count = signatureDERSizeMax
                let written = secp256k1_ecdsa_signature_serialize_der(
                    context, buffer.baseAddress!, &count, &signature)
                precondition(written == 1, "a DER signature has at most 72 bytes")
            }
        }

        /// The 64-byte signature r‖s of a digest: RFC 6979 nonce, s in the lower half.
        public func signCompact(digest: Bytes32) -> [UInt8] {
            var signature = sign(digest)
            return [UInt8](unsafeUninitializedCapacity: compactSignatureSize) { buffer, count in
                secp256k1_ecdsa_signature_serialize_compact(
                    context, buffer.baseAddress!, &signature)
                count = compactSignatureSize
            }
        }

        /// The 64-byte signature of a digest and the number that lets ``Secp256k1/recover`` find the
        /// key, 0 to 3.
        public func signRecoverable(digest: Bytes32) -> (signature: [UInt8], recoveryID: UInt8) {
            var signature = secp256k1_ecdsa_recoverable_signature()
            let signed = bytes.withPointer { key in
                digest.withPointer {
                    secp256k1_ecdsa_sign_recoverable(context, &signature, $0, key, nil, nil)
                }
            }
            precondition(signed == 1, "RFC 6979 gives a nonce for every valid key")
            var recoveryID: Int32 = 0
            let compact = [UInt8](unsafeUninitializedCapacity: compactSignatureSize) {
                buffer, count in
                secp256k1_ecdsa_recoverable_signature_serialize_compact(
                    context, buffer.baseAddress!, &recoveryID, &signature)
                count = compactSignatureSize
            }
            return (compact, UInt8(recoveryID))
        }

        private func sign(_ digest: Bytes32) -> secp256k1_ecdsa_signature {
            var signature = secp256k1_ecdsa_signature()
            let signed = bytes.withPointer { key in
                digest.withPointer { secp256k1_ecdsa_sign(context, &signature, $0, key, nil, nil) }
            }
            precondition(signed == 1, "RFC 6979 gives a nonce for every valid key")
            return signature
        }
    }
}

extension Secp256k1.PrivateKey: CustomStringConvertible, CustomReflectable {
    /// The public key. The scalar is never shown.
    public var description: String { "secp256k1 private key of \(publicKey)" }
    public var customMirror: Mirror { Mirror(self, children: []) }
}
