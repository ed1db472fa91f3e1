// The two directions of a secured connection.
//
//     +--------+-----------------------------+----------------+
//     | length | ciphertext                  | tag (16)       |     length = ciphertext + tag,
//     +--------+-----------------------------+----------------+     two bytes, big-endian
//
// 1. The nonce of a direction counts its frames from 0 and never repeats: 2^64 - 1 is refused.
// 2. Frames are sealed and opened where they lie; nothing is copied or allocated.
// 3. After a thrown error neither direction may be used.
//
// Memory: two cipher contexts.
//
// Specification: libp2p/specs `noise/README.md`, "Wire Format"; The Noise Protocol Framework,
// revision 34, section 5.1.

import ChoraleBase
package import Crypto

/// Seals outgoing and opens incoming frames.
///
/// Comes from a finished ``NoiseHandshake`` and cannot be copied: two copies would use one nonce
/// twice.
public struct NoiseTransport: ~Copyable {
    /// Bytes of the length in front of each frame.
    public static let lengthSize = 2
    /// Bytes by which a frame on the wire is longer than its plaintext.
    public static let overhead = lengthSize + ChaCha20Poly1305.tagSize
    /// Largest plaintext of one frame, in bytes.
    public static let plaintextSizeMax = 65_535 - ChaCha20Poly1305.tagSize
    /// Largest frame on the wire, in bytes with its length.
    public static let frameSizeMax = lengthSize + 65_535

    private let sending: ChaCha20Poly1305
    private let receiving: ChaCha20Poly1305
    private var sendNonce: UInt64
    private var receiveNonce: UInt64

    /// - Parameters: `sendNonce` and `receiveNonce` are of the next frames.
    package init(
        sendKey: SecretBytes,
        receiveKey: SecretBytes,
        sendNonce: UInt64 = 0,
        receiveNonce: UInt64 = 0
    ) {
        sending = ChaCha20Poly1305(key: sendKey)
        receiving = ChaCha20Poly1305(key: receiveKey)
        self.sendNonce = sendNonce
        self.receiveNonce = receiveNonce
    }

    /// An opened frame.
    public struct Frame: Equatable, Sendable {
        /// Where the plaintext lies; may be empty.
        public let plaintext: Range<Int>
        /// Where the next frame starts.
        public let end: Int
    }

    /// Seals the frame that starts at `start` and reaches to the end of `output`.
    ///
    /// `output[start...]` holds two bytes of any value, then the plaintext. The length is filled
    /// in, the plaintext encrypted in place, and the tag appended.
    ///
    /// - Precondition: the plaintext has at most ``plaintextSizeMax`` bytes.
    /// - Throws: `.nonceExhausted`.
    public mutating func seal(_ output: inout [UInt8], from start: Int) throws(NoiseError) {
        let plaintext = (start + Self.lengthSize)..<output.count
        precondition(plaintext.count <= Self.plaintextSizeMax, "a plaintext over the frame size")
        guard sendNonce < .max else { throw .nonceExhausted }
        let length = plaintext.count + ChaCha20Poly1305.tagSize
        output[start] = UInt8(truncatingIfNeeded: length >> 8)
        output[start + 1] = UInt8(truncatingIfNeeded: length)
        output.append(contentsOf: repeatElement(0, count: ChaCha20Poly1305.tagSize))
        var span = output.mutableSpan
        sending.seal(&span, plaintext: plaintext, nonce: sendNonce)
        sendNonce += 1
    }

    /// Opens the frame at `offset` of `bytes` in place.
    ///
    /// - Returns: the frame, or nil when `bytes` ends before it does.
    /// - Throws: `.frameTooShort`, `.frameTagMismatch` or `.nonceExhausted`.
    public mutating func open(
        _ bytes: inout MutableSpan<UInt8>,
        at offset: Int
    ) throws(NoiseError) -> Frame? {
        guard bytes.count - offset >= Self.lengthSize else { return nil }
        let length = Int(bytes[offset]) << 8 | Int(bytes[offset + 1])
        // Before waiting for the rest: there is nothing to wait for.
        guard length >= ChaCha20Poly1305.tagSize else { throw .frameTooShort(size: length) }
        let start = offset + Self.lengthSize
        guard bytes.count - start >= length else { return nil }
        guard receiveNonce < .max else { throw .nonceExhausted }
        let plaintext: Range<Int>
        do throws(ChaCha20Poly1305.OpenError) {
            plaintext = try receiving.open(
                &bytes, sealed: start..<(start + length), nonce: receiveNonce)
        } catch {
            throw .frameTagMismatch
        }
        receiveNonce += 1
        return Frame(plaintext: plaintext, end: start + length)
    }
}
