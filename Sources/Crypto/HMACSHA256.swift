public import ChoraleBase

/// HMAC with SHA-256.
///
/// Specification: RFC 2104, FIPS 198-1.
public struct HMACSHA256: Sendable {
    private var inner: SHA256.Hasher
    private var outer: SHA256.Hasher

    /// Starts with a key of any size. Keys over 64 bytes are hashed first, as the RFC says.
    public init(key: Span<UInt8>) {
        var block: [64 of UInt8] = .init(repeating: 0)
        if key.count > SHA256.blockSize {
            var digest = SHA256.hash(key)
            for index in 0..<SHA256.digestSize { block[index] = digest[index] }
            Sodium.wipe(&digest.storage)
        } else {
            for index in key.indices { block[index] = key[index] }
        }
        for index in 0..<SHA256.blockSize { block[index] ^= 0x36 }
        inner = SHA256.Hasher()
        inner.update(block.span)
        for index in 0..<SHA256.blockSize { block[index] ^= 0x36 ^ 0x5C }
        outer = SHA256.Hasher()
        outer.update(block.span)
        Sodium.wipe(&block)
    }

    public mutating func update(_ bytes: Span<UInt8>) { inner.update(bytes) }

    public mutating func update(_ bytes: [UInt8]) { inner.update(bytes) }

    public mutating func update(_ byte: UInt8) { inner.update(byte) }

    /// The 32-byte code of everything so far. The key is then forgotten.
    public consuming func finish() -> Bytes32 {
        var digest = inner.finish()
        outer.update(digest)
        Sodium.wipe(&digest.storage)
        let code = outer.finish()
        inner.wipe()
        outer.wipe()
        return code
    }

    /// The code of one message.
    public static func authenticate(_ message: Span<UInt8>, key: Span<UInt8>) -> Bytes32 {
        var code = HMACSHA256(key: key)
        code.update(message)
        return code.finish()
    }

    /// The code of one message.
    public static func authenticate(_ message: [UInt8], key: [UInt8]) -> Bytes32 {
        authenticate(message.span, key: key.span)
    }
}

/// HKDF with SHA-256.
///
/// Specification: RFC 5869.
public enum HKDFSHA256 {
    /// Largest output of ``expand(_:info:count:)``, in bytes: 255 blocks (RFC 5869 section 2.3).
    public static let outputSizeMax = 255 * SHA256.digestSize

    /// The pseudorandom key, 32 bytes. An empty `salt` is the RFC's "not provided".
    public static func extract(salt: Span<UInt8>, inputKeyMaterial: Span<UInt8>) -> SecretBytes {
        var key = HMACSHA256.authenticate(inputKeyMaterial, key: salt)
        defer { Sodium.wipe(&key.storage) }
        return SecretBytes(copying: key)
    }

    /// `count` bytes of key material.
    ///
    /// - Precondition: `count` is in `0...outputSizeMax`.
    public static func expand(
        _ pseudorandomKey: SecretBytes,
        info: Span<UInt8>,
        count: Int
    ) -> SecretBytes {
        precondition((0...outputSizeMax).contains(count), "HKDF cannot give \(count) bytes")
        let info = info.borrowed
        return SecretBytes(count: count) { output in
            var block = Bytes32.zero
            defer { Sodium.wipe(&block.storage) }
            var filled = 0
            var counter: UInt8 = 1
            while filled < count {
                var code = pseudorandomKey.withSpan { HMACSHA256(key: $0) }
                if filled > 0 { code.update(block.storage.span) }
                code.update(info.span)
                code.update(counter)
                block = code.finish()
                for index in 0..<min(SHA256.digestSize, count - filled) {
                    output[filled + index] = block[index]
                }
                filled += SHA256.digestSize
                counter &+= 1
            }
        }
    }

    /// Noise's `HKDF(chaining_key, input_key_material, 2)`, each output 32 bytes.
    ///
    /// Specification: The Noise Protocol Framework, revision 34, section 4.3. It is HKDF with the
    /// chaining key as salt and an empty info.
    public static func noise2(
        chainingKey: SecretBytes,
        inputKeyMaterial: Span<UInt8>
    ) -> (SecretBytes, SecretBytes) {
        let output = noise(2, chainingKey: chainingKey, inputKeyMaterial: inputKeyMaterial)
        return (part(0, of: output), part(1, of: output))
    }

    /// Noise's `HKDF` with two outputs, where the input key material is itself a secret.
    public static func noise2(
        chainingKey: SecretBytes,
        inputKeyMaterial: SecretBytes
    ) -> (SecretBytes, SecretBytes) {
        inputKeyMaterial.withSpan { noise2(chainingKey: chainingKey, inputKeyMaterial: $0) }
    }

    /// Noise's `HKDF(chaining_key, input_key_material, 3)`, each output 32 bytes.
    public static func noise3(
        chainingKey: SecretBytes,
        inputKeyMaterial: Span<UInt8>
    ) -> (SecretBytes, SecretBytes, SecretBytes) {
        let output = noise(3, chainingKey: chainingKey, inputKeyMaterial: inputKeyMaterial)
        return (part(0, of: output), part(1, of: output), part(2, of: output))
    }

    private static func noise(
        _ parts: Int, chainingKey: SecretBytes, inputKeyMaterial: Span<UInt8>
    ) -> SecretBytes {
        let material = inputKeyMaterial.borrowed
        let key = chainingKey.withSpan { extract(salt: $0, inputKeyMaterial: material.span) }
        return expand(key, info: Span(), count: parts * SHA256.digestSize)
    }

    private static func part(_ index: Int, of output: SecretBytes) -> SecretBytes {
        let start = index * SHA256.digestSize
        return output.withSpan {
            SecretBytes(copying: $0.extracting(start..<(start + SHA256.digestSize)))
        }
    }
}
