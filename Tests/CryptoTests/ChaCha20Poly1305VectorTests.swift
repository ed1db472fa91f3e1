import ChoraleBase
import Crypto
import Testing

@Suite struct ChaCha20Poly1305VectorTests {
    /// RFC 8439, section 2.8.2.
    static let key = Array(UInt8(0x80)...0x9F)
    static let associatedData = hex("50515253c0c1c2c3c4c5c6c7")
    static let plaintext = Array(
        """
        Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the future, \
        sunscreen would be it.
        """.utf8)
    static let sealed = hex(
        """
        d31a8d34648e60db7b86afbc53ef7ec2a4aded51296e08fea9e2b5a736ee62d6
        3dbea45e8ca9671282fafb69da92728b1a71de0a9e060b2905d6a5b67ecd3b36
        92ddbd7f2d778b8c9803aee328091b58fab324e4fad675945585808b4831d7bc
        3ff4def08e4b7a9de576d26586cec64b6116
        1ae10b594f09e26a7e902ecbd0600691
        """)
    static let nonce: ChaCha20Poly1305.Nonce = [7, 0, 0, 0, 64, 65, 66, 67, 68, 69, 70, 71]

    static func cipher() -> ChaCha20Poly1305 {
        ChaCha20Poly1305(key: SecretBytes(copying: key))
    }

    @Test func rfc8439() throws {
        let cipher = Self.cipher()
        let size = Self.plaintext.count
        var bytes = Self.plaintext + [UInt8](repeating: 0xEE, count: 16)
        var buffer = bytes.mutableSpan
        cipher.seal(
            &buffer, plaintext: 0..<size, nonce: Self.nonce,
            authenticating: Self.associatedData.span)
        #expect(bytes == Self.sealed)
        var opened = bytes.mutableSpan
        let range = try cipher.open(
            &opened, sealed: 0..<(size + 16), nonce: Self.nonce,
            authenticating: Self.associatedData.span)
        #expect(range == 0..<size)
        #expect(Array(bytes[range]) == Self.plaintext)
    }

    /// Sealing inside a larger buffer touches the message and its tag and nothing else.
    @Test(arguments: [0, 1, 15, 16, 17, 64, 1000]) func staysInItsRange(size: Int) throws {
        let cipher = Self.cipher()
        var bytes = [UInt8](repeating: 0xAA, count: size + 16 + 24)
        var buffer = bytes.mutableSpan
        cipher.seal(&buffer, plaintext: 12..<(12 + size), nonce: 5)
        #expect(bytes[..<12].allSatisfy { $0 == 0xAA })
        #expect(bytes[(12 + size + 16)...].allSatisfy { $0 == 0xAA })
        var again = bytes.mutableSpan
        let range = try cipher.open(&again, sealed: 12..<(12 + size + 16), nonce: 5)
        #expect(range == 12..<(12 + size))
        #expect(bytes[range].allSatisfy { $0 == 0xAA })
    }

    @Test func everyChangedBitIsRefusedAndTheTextErased() throws {
        let cipher = Self.cipher()
        let sealed = cipher.sealed([1, 2, 3, 4, 5].span, nonce: 9, authenticating: Span())
        for bit in 0..<(8 * sealed.count) {
            var changed = sealed
            changed[bit / 8] ^= 1 << UInt8(bit % 8)
            var buffer = changed.mutableSpan
            let count = buffer.count
            #expect(throws: ChaCha20Poly1305.OpenError.tagMismatch) {
                try cipher.open(&buffer, sealed: 0..<count, nonce: 9)
            }
            #expect(changed.prefix(5).allSatisfy { $0 == 0 })
        }
        // A failure leaves the cipher usable.
        #expect(
            try cipher.opened(sealed.span, nonce: 9, authenticating: Span()) == [1, 2, 3, 4, 5])
    }

    @Test func otherNonceKeyOrDataIsRefused() {
        let cipher = Self.cipher()
        let data: [UInt8] = [4, 4]
        let sealed = cipher.sealed([1, 2, 3].span, nonce: 1, authenticating: data.span)
        let other = ChaCha20Poly1305(key: SecretBytes(copying: [UInt8](repeating: 1, count: 32)))
        let none: [UInt8] = []
        for (cipher, nonce, data) in [
            (cipher, 2, data), (other, 1, data), (cipher, 1, none), (cipher, 1, [4]),
        ] as [(ChaCha20Poly1305, UInt64, [UInt8])] {
            #expect(throws: ChaCha20Poly1305.OpenError.tagMismatch) {
                try cipher.opened(sealed.span, nonce: nonce, authenticating: data.span)
            }
        }
    }

    @Test(arguments: 0..<16) func lessThanATagIsTooShort(size: Int) {
        let bytes = [UInt8](repeating: 0, count: size)
        #expect(throws: ChaCha20Poly1305.OpenError.tooShort(size)) {
            try Self.cipher().opened(bytes.span, nonce: 0, authenticating: Span())
        }
        var short = bytes
        var buffer = short.mutableSpan
        #expect(throws: ChaCha20Poly1305.OpenError.tooShort(size)) {
            try Self.cipher().open(&buffer, sealed: 0..<size, nonce: 0)
        }
    }

    @Test func counterIsLittleEndianAfterFourZeros() {
        let nonce = ChaCha20Poly1305.nonce(0x0102_0304_0506_0708)
        #expect(nonce.span.copied() == [0, 0, 0, 0, 8, 7, 6, 5, 4, 3, 2, 1])
    }

    /// Both directions of one cipher, interleaved, with nonces out of order.
    @Test(arguments: UInt64(0)..<32) func directionsDoNotDisturbEachOther(seed: UInt64) throws {
        var random = DeterministicRandom(seed: seed)
        let cipher = Self.cipher()
        var waiting: [(nonce: UInt64, plaintext: [UInt8], sealed: [UInt8])] = []
        for nonce in UInt64(0)..<40 {
            let plaintext = random.bytes(count: random.below(200))
            let sealed = cipher.sealed(plaintext.span, nonce: nonce, authenticating: Span())
            waiting.append((nonce, plaintext, sealed))
            guard random.chance(1, in: 2) else { continue }
            let message = waiting.remove(at: random.below(waiting.count))
            let opened = try cipher.opened(
                message.sealed.span, nonce: message.nonce, authenticating: Span())
            #expect(opened == message.plaintext)
        }
    }
}
