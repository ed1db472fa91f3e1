import ChoraleBase
import Crypto
import Testing

@Suite struct RSATests {
    static let message = Array("chorale".utf8)

    @Test func verifies() throws {
        #expect(
            try RSA.verify(
                signature: MadeKeys.rsa2048Signature, message: Self.message,
                subjectPublicKeyInfo: MadeKeys.rsa2048))
        #expect(
            try !RSA.verify(
                signature: MadeKeys.rsa2048Signature, message: Self.message + [0],
                subjectPublicKeyInfo: MadeKeys.rsa2048))
    }

    @Test func signaturesOfOtherSizesAreRefused() throws {
        let signature = MadeKeys.rsa2048Signature
        for changed in [[], Array(signature.dropLast()), signature + [0], [0] + signature] {
            #expect(
                try !RSA.verify(
                    signature: changed, message: Self.message,
                    subjectPublicKeyInfo: MadeKeys.rsa2048))
        }
    }

    @Test func publicFromPrivate() {
        #expect(
            RSA.publicKey(ofPKCS1Private: SecretBytes(copying: MadeKeys.rsa2048Private))
                == MadeKeys.rsa2048)
        for bytes in [[], [0x30], MadeKeys.rsa2048, MadeKeys.rsa2048Private + [0]] {
            #expect(RSA.publicKey(ofPKCS1Private: SecretBytes(copying: bytes)) == nil)
        }
    }

    @Test func keysOutOfLimits() {
        #expect(throws: RSA.KeyError.modulusTooSmall(bits: 1024, limit: 2048)) {
            try RSA.check(subjectPublicKeyInfo: MadeKeys.rsa1024)
        }
        #expect(throws: RSA.KeyError.exponentOutOfRange) {
            try RSA.check(subjectPublicKeyInfo: MadeKeys.rsaLongExponent)
        }
        var limits = RSA.Limits()
        limits.modulusBitsMin = 1024
        limits.modulusBitsMax = 1024
        #expect(throws: RSA.KeyError.modulusTooLarge(bits: 2048, limit: 1024)) {
            try RSA.check(subjectPublicKeyInfo: MadeKeys.rsa2048, limits: limits)
        }
        let long = [UInt8](repeating: 0x30, count: 1101)
        #expect(throws: RSA.KeyError.encodingTooLong(size: 1101, limit: 1100)) {
            try RSA.check(subjectPublicKeyInfo: long)
        }
        // The exponent is the last of the key: 65537 made even, and 1.
        var even = MadeKeys.rsa2048
        even[even.count - 1] = 0
        #expect(throws: RSA.KeyError.exponentOutOfRange) {
            try RSA.check(subjectPublicKeyInfo: even)
        }
    }

    @Test func bytesThatAreNoKey() {
        #expect(throws: RSA.KeyError.malformed) {
            try RSA.check(subjectPublicKeyInfo: MadeKeys.p256)
        }
        #expect(throws: RSA.KeyError.malformed) {
            try RSA.check(subjectPublicKeyInfo: (MadeKeys.rsa2048 + [0]))
        }
        for size in 0..<MadeKeys.rsa2048.count {
            let prefix = Array(MadeKeys.rsa2048.prefix(size))
            #expect(throws: RSA.KeyError.malformed) {
                try RSA.check(subjectPublicKeyInfo: prefix)
            }
        }
        #expect(throws: RSA.KeyError.malformed) { try RSA.check(subjectPublicKeyInfo: Span()) }
        // The same key in BER: the length of the outer sequence with a superfluous zero byte.
        let ber = [0x30, 0x83, 0x00] + MadeKeys.rsa2048[2...]
        #expect(throws: RSA.KeyError.malformed) {
            try RSA.check(subjectPublicKeyInfo: ber)
        }
    }

    /// No byte of a key, whatever it becomes, stops the node.
    @Test func mutatedKeysDoNoHarm() {
        for position in MadeKeys.rsa2048.indices {
            for value in [UInt8(0), 0x7F, 0x80, 0xFF, MadeKeys.rsa2048[position] ^ 1] {
                var changed = MadeKeys.rsa2048
                changed[position] = value
                let verified = try? RSA.verify(
                    signature: MadeKeys.rsa2048Signature, message: Self.message,
                    subjectPublicKeyInfo: changed)
                #expect(verified != true || changed == MadeKeys.rsa2048)
            }
        }
    }
}
