import CLibcrypto
public import ChoraleBase

// libcrypto rather than libsodium: it uses the SHA extensions of the processor, which makes SHA-256
// four times as fast. And its low-level functions rather than EVP, because those keep their state
// inline: hashing 40 bytes costs one or two compressions and no allocation.

/// SHA-256.
///
/// Specification: FIPS 180-4.
public enum SHA256 {
    /// Size of a digest, in bytes.
    public static let digestSize = 32
    /// Size of the compression function's block, in bytes.
    public static let blockSize = 64

    /// The digest of `bytes`.
    ///
    /// - Complexity: O(n). No allocation.
    public static func hash(_ bytes: Span<UInt8>) -> Bytes32 {
        var hasher = Hasher()
        hasher.update(bytes)
        return hasher.finish()
    }

    /// The digest of `bytes`.
    public static func hash(_ bytes: [UInt8]) -> Bytes32 { hash(bytes.span) }

    /// A digest in progress. A copy continues independently.
    public struct Hasher: Sendable {
        private var context = SHA256_CTX()

        public init() {
            // Fails only for a null pointer.
            SHA256_Init(&context)
        }

        public mutating func update(_ bytes: Span<UInt8>) {
            let buffer = bytes.borrowed
            guard let base = buffer.baseAddress else { return }
            SHA256_Update(&context, base, buffer.count)
        }

        public mutating func update(_ bytes: [UInt8]) { update(bytes.span) }

        public mutating func update(_ bytes: Bytes32) { update(bytes.storage.span) }

        public mutating func update(_ byte: UInt8) {
            var byte = byte
            SHA256_Update(&context, &byte, 1)
        }

        /// The digest of everything so far. The hasher is then as new.
        public mutating func finish() -> Bytes32 {
            var digest = Bytes32.zero
            digest.withMutablePointer { _ = SHA256_Final($0, &context) }
            SHA256_Init(&context)
            return digest
        }

        /// Forgets what was hashed, which may have been a key.
        mutating func wipe() { Sodium.wipe(&context) }
    }
}

/// SHA-512.
///
/// Specification: FIPS 180-4.
public enum SHA512 {
    /// Size of a digest, in bytes.
    public static let digestSize = 64

    /// The 64-byte digest of `bytes`.
    public static func hash(_ bytes: Span<UInt8>) -> [UInt8] {
        var hasher = Hasher()
        hasher.update(bytes)
        return hasher.finish()
    }

    /// The 64-byte digest of `bytes`.
    public static func hash(_ bytes: [UInt8]) -> [UInt8] { hash(bytes.span) }

    /// A digest in progress. A copy continues independently.
    public struct Hasher: Sendable {
        private var context = SHA512_CTX()

        public init() { SHA512_Init(&context) }

        public mutating func update(_ bytes: Span<UInt8>) {
            let buffer = bytes.borrowed
            guard let base = buffer.baseAddress else { return }
            SHA512_Update(&context, base, buffer.count)
        }

        public mutating func update(_ bytes: [UInt8]) { update(bytes.span) }

        public mutating func update(_ bytes: Bytes32) { update(bytes.storage.span) }

        public mutating func update(_ byte: UInt8) {
            var byte = byte
            SHA512_Update(&context, &byte, 1)
        }

        /// The 64-byte digest of everything so far. The hasher is then as new.
        public mutating func finish() -> [UInt8] {
            let digest = [UInt8](unsafeUninitializedCapacity: 64) { buffer, count in
                SHA512_Final(buffer.baseAddress, &context)
                count = 64
            }
            SHA512_Init(&context)
            return digest
        }

        /// As `finish`, for a digest that is itself secret. Nothing of it stays behind.
        mutating func finishSecret() -> SecretBytes {
            let digest = SecretBytes(count: 64) { _ = SHA512_Final($0, &context) }
            Sodium.wipe(&context)
            SHA512_Init(&context)
            return digest
        }
    }
}

extension SHA384 {
    /// The 48-byte digest of `bytes`.
    static func hash(_ bytes: Span<UInt8>) -> [UInt8] {
        let buffer = bytes.borrowed
        var context = SHA512_CTX()
        SHA384_Init(&context)
        if let base = buffer.baseAddress { SHA384_Update(&context, base, buffer.count) }
        return [UInt8](unsafeUninitializedCapacity: 48) { digest, count in
            SHA384_Final(digest.baseAddress, &context)
            count = 48
        }
    }
}

/// SHA-384, for signatures over P-384 only.
enum SHA384 {}
