import CLibcrypto
import ChoraleBase

/// ChaCha20-Poly1305 with one key.
///
/// Holds one libcrypto context for each direction that was used, keyed once; every message then
/// costs a new nonce and no allocation. Not `Sendable`: a context belongs to the loop that owns the
/// connection.
///
/// Sealing twice with one nonce gives both messages away. Callers count; this type does not.
///
/// Specification: RFC 8439, section 2.8; nonces as in The Noise Protocol Framework, section 12.
public final class ChaCha20Poly1305 {
    /// Size of a key, in bytes.
    public static let keySize = 32
    /// Size of a nonce, in bytes.
    public static let nonceSize = 12
    /// Bytes that a sealed message is longer than its plaintext.
    public static let tagSize = 16

    /// Why a sealed message was refused. It is the sender's fault, or somebody's on the way.
    public enum OpenError: Error, Equatable, Sendable {
        /// Fewer bytes than a tag.
        case tooShort(Int)
        /// The tag does not belong to this key, nonce, associated data and ciphertext.
        case tagMismatch
    }

    /// A 96-bit nonce.
    public typealias Nonce = [12 of UInt8]

    private let key: SecretBytes
    private var sealing: OpaquePointer?
    private var opening: OpaquePointer?

    // Sound: written once under the lazy initializer's lock, and a fetched algorithm is immutable
    // and counted atomically by libcrypto.
    private nonisolated(unsafe) static let algorithm: OpaquePointer = {
        guard let algorithm = EVP_CIPHER_fetch(nil, "ChaCha20-Poly1305", nil) else {
            preconditionFailure("libcrypto has no ChaCha20-Poly1305")
        }
        return algorithm
    }()

    /// - Precondition: `key` has ``keySize`` bytes.
    public init(key: SecretBytes) {
        precondition(key.count == Self.keySize, "a key of \(key.count) bytes")
        self.key = key
    }

    deinit {
        // Frees the key schedules too, after overwriting them.
        EVP_CIPHER_CTX_free(sealing)
        EVP_CIPHER_CTX_free(opening)
    }

    /// The nonce of Noise's message number `counter`: 32 zero bits, then little-endian.
    ///
    /// - Precondition: `counter` is not 2^64 - 1, which Noise reserves for rekeying.
    public static func nonce(_ counter: UInt64) -> Nonce {
        precondition(counter != .max, "the last nonce is never used for a message")
        var nonce = Nonce(repeating: 0)
        for index in 0..<8 {
            nonce[4 + index] = UInt8(truncatingIfNeeded: counter >> UInt64(8 * index))
        }
        return nonce
    }

    private static func context(key: SecretBytes, sealing: Bool) -> OpaquePointer {
        guard let context = EVP_CIPHER_CTX_new() else { preconditionFailure("out of memory") }
        let keyed = key.withPointer {
            EVP_CipherInit_ex2(context, algorithm, $0, nil, sealing ? 1 : 0, nil)
        }
        precondition(keyed == 1, "libcrypto refused a 32-byte key")
        return context
    }

    /// Encrypts `size` bytes at `start` in place and writes the tag into the 16 bytes after them.
    private func seal(
        _ start: UnsafeMutablePointer<UInt8>,
        size: Int,
        nonce: Nonce,
        associatedData: UnsafeBufferPointer<UInt8>
    ) {
        let context: OpaquePointer
        if let sealing {
            context = sealing
        } else {
            context = Self.context(key: key, sealing: true)
            sealing = context
        }
        var written: Int32 = 0
        var ok = Self.reset(context, nonce: nonce)
        if let base = associatedData.baseAddress, !associatedData.isEmpty {
            ok &= EVP_EncryptUpdate(context, nil, &written, base, Int32(associatedData.count))
        }
        if size > 0 { ok &= EVP_EncryptUpdate(context, start, &written, start, Int32(size)) }
        ok &= EVP_EncryptFinal_ex(context, start + size, &written)
        ok &= EVP_CIPHER_CTX_ctrl(
            context, EVP_CTRL_AEAD_GET_TAG, Int32(Self.tagSize), start + size)
        // Only our own misuse can fail here, and sending what was not sealed would be worse.
        precondition(ok == 1, "libcrypto could not seal")
    }

    /// Decrypts `size` bytes at `start` in place, whose tag is in the 16 bytes after them.
    private func open(
        _ start: UnsafeMutablePointer<UInt8>,
        size: Int,
        nonce: Nonce,
        associatedData: UnsafeBufferPointer<UInt8>
    ) -> Bool {
        let context: OpaquePointer
        if let opening {
            context = opening
        } else {
            context = Self.context(key: key, sealing: false)
            opening = context
        }
        var written: Int32 = 0
        var ok = Self.reset(context, nonce: nonce)
        ok &= EVP_CIPHER_CTX_ctrl(
            context, EVP_CTRL_AEAD_SET_TAG, Int32(Self.tagSize), start + size)
        if let base = associatedData.baseAddress, !associatedData.isEmpty {
            ok &= EVP_DecryptUpdate(context, nil, &written, base, Int32(associatedData.count))
        }
        if size > 0 { ok &= EVP_DecryptUpdate(context, start, &written, start, Int32(size)) }
        precondition(ok == 1, "libcrypto could not open")
        var end: UInt8 = 0
        guard EVP_DecryptFinal_ex(context, &end, &written) == 1 else {
            // What was decrypted is not what anybody sent. Nobody may look at it.
            start.update(repeating: 0, count: size)
            ERR_clear_error()
            return false
        }
        return true
    }

    private static func reset(_ context: OpaquePointer, nonce: Nonce) -> Int32 {
        withUnsafeBytes(of: nonce) {
            EVP_CipherInit_ex2(
                context, nil, nil, $0.baseAddress!.assumingMemoryBound(to: UInt8.self), -1, nil)
        }
    }
}

extension ChaCha20Poly1305 {
    /// Largest plaintext or associated data of one message, in bytes.
    ///
    /// libcrypto counts in `Int32`; Noise stops at 65519.
    public static let messageSizeMax = 1 << 30

    /// Encrypts a range of `buffer` in place and writes the tag into the 16 bytes after it.
    ///
    /// - Parameter plaintext: what to encrypt; `plaintext.upperBound + tagSize` is within `buffer`.
    /// - Complexity: O(n), and 0.4 µs for each message. No allocation.
    public func seal(
        _ buffer: inout MutableSpan<UInt8>,
        plaintext: Range<Int>,
        nonce: Nonce,
        authenticating associatedData: Span<UInt8>
    ) {
        precondition(
            plaintext.lowerBound >= 0 && plaintext.upperBound <= buffer.count - Self.tagSize
                && plaintext.count <= Self.messageSizeMax
                && associatedData.count <= Self.messageSizeMax,
            "no room for the tag")
        let associatedData = associatedData.borrowed
        buffer.withUnsafeMutableBufferPointer {
            seal(
                $0.baseAddress! + plaintext.lowerBound, size: plaintext.count, nonce: nonce,
                associatedData: associatedData)
        }
    }

    /// As above, with a Noise counter for a nonce.
    public func seal(
        _ buffer: inout MutableSpan<UInt8>,
        plaintext: Range<Int>,
        nonce: UInt64,
        authenticating associatedData: Span<UInt8>
    ) {
        seal(
            &buffer, plaintext: plaintext, nonce: Self.nonce(nonce),
            authenticating: associatedData)
    }

    /// As above, without associated data.
    public func seal(
        _ buffer: inout MutableSpan<UInt8>, plaintext: Range<Int>, nonce: UInt64
    ) {
        seal(&buffer, plaintext: plaintext, nonce: nonce, authenticating: Span())
    }

    /// Decrypts a range of `buffer`, ciphertext and then tag, in place.
    ///
    /// - Parameter sealed: what arrived; within `buffer`.
    /// - Returns: where the plaintext is: `sealed` without its last 16 bytes.
    /// - Throws: ``OpenError``. After `.tagMismatch` the ciphertext is overwritten with zeros.
    public func open(
        _ buffer: inout MutableSpan<UInt8>,
        sealed: Range<Int>,
        nonce: Nonce,
        authenticating associatedData: Span<UInt8>
    ) throws(OpenError) -> Range<Int> {
        precondition(
            sealed.lowerBound >= 0 && sealed.upperBound <= buffer.count
                && sealed.count <= Self.messageSizeMax
                && associatedData.count <= Self.messageSizeMax,
            "a message outside its buffer")
        let size = sealed.count - Self.tagSize
        guard size >= 0 else { throw .tooShort(sealed.count) }
        let associatedData = associatedData.borrowed
        let authentic = buffer.withUnsafeMutableBufferPointer {
            open(
                $0.baseAddress! + sealed.lowerBound, size: size, nonce: nonce,
                associatedData: associatedData)
        }
        guard authentic else { throw .tagMismatch }
        return sealed.lowerBound..<(sealed.lowerBound + size)
    }

    /// As above, with a Noise counter for a nonce.
    public func open(
        _ buffer: inout MutableSpan<UInt8>,
        sealed: Range<Int>,
        nonce: UInt64,
        authenticating associatedData: Span<UInt8>
    ) throws(OpenError) -> Range<Int> {
        try open(
            &buffer, sealed: sealed, nonce: Self.nonce(nonce), authenticating: associatedData)
    }

    /// As above, without associated data.
    public func open(
        _ buffer: inout MutableSpan<UInt8>, sealed: Range<Int>, nonce: UInt64
    ) throws(OpenError) -> Range<Int> {
        try open(&buffer, sealed: sealed, nonce: nonce, authenticating: Span())
    }

    /// A sealed copy of `plaintext`, for messages too small or too rare to mind the copy.
    public func sealed(
        _ plaintext: Span<UInt8>, nonce: UInt64, authenticating associatedData: Span<UInt8>
    ) -> [UInt8] {
        var message = plaintext.copied()
        let range = 0..<message.count
        message.append(contentsOf: repeatElement(0, count: Self.tagSize))
        var buffer = message.mutableSpan
        seal(&buffer, plaintext: range, nonce: nonce, authenticating: associatedData)
        return message
    }

    /// The plaintext of `message` as an array of its own.
    public func opened(
        _ message: Span<UInt8>, nonce: UInt64, authenticating associatedData: Span<UInt8>
    ) throws(OpenError) -> [UInt8] {
        guard message.count >= Self.tagSize else { throw .tooShort(message.count) }
        var plaintext = message.copied()
        let range = 0..<plaintext.count
        var buffer = plaintext.mutableSpan
        _ = try open(&buffer, sealed: range, nonce: nonce, authenticating: associatedData)
        plaintext.removeLast(Self.tagSize)
        return plaintext
    }
}

extension ChaCha20Poly1305: CustomStringConvertible, CustomReflectable {
    public var description: String { "ChaCha20-Poly1305 cipher" }
    public var customMirror: Mirror { Mirror(self, children: []) }
}
