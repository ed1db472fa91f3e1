import ChoraleBase
import Crypto
import Testing

@Suite struct ECDSAVectorTests {
    struct Row: Sendable {
        let message: String
        let r: String
        let s: String
    }

    /// Signatures by the private key 1 with RFC 6979 nonces and SHA-256, as widely published.
    static let rows = [
        Row(
            message: "Satoshi Nakamoto",
            r: "934b1ea10a4b3c1757e2b0c017d0b6143ce3c9a7e6a4a49860d7a6ab210ee3d8",
            s: "2442ce9d2b916064108014783e923ec36b49743e2ffa1c4496f01a512aafd9e5"),
        Row(
            message:
                "All those moments will be lost in time, like tears in rain. Time to die...",
            r: "8600dbd41e348fe5c9465ab92d23e3db8b98b873beecd930736488696438cb6b",
            s: "547fe64427496db33bf66019dacbf0039c04199abb0122918601db38a72cfc21"),
    ]

    static func keyOne() throws -> Secp256k1.PrivateKey {
        try Secp256k1.PrivateKey(
            SecretBytes(copying: [UInt8](repeating: 0, count: 31) + [1]))
    }

    @Test(arguments: rows) func secp256k1(_ row: Row) throws {
        let key = try Self.keyOne()
        #expect(
            key.publicKey.description
                == "0279be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798")
        let digest = SHA256.hash(Array(row.message.utf8))
        let compact = key.signCompact(digest: digest)
        #expect(compact == hex(row.r + row.s))
        #expect(key.publicKey.verifyCompact(compact, digest: digest))
        let der = key.signDER(digest: digest)
        #expect(key.publicKey.verifyDER(der, digest: digest))
        #expect(Secp256k1.isLowS(signatureDER: der))
        #expect(Secp256k1.isLowS(signatureCompact: compact))
        let recoverable = key.signRecoverable(digest: digest)
        #expect(recoverable.signature == compact)
        for recoveryID in UInt8(0)..<8 {
            let recovered = Secp256k1.recover(
                signature: compact, recoveryID: recoveryID, digest: digest)
            #expect((recovered == key.publicKey) == (recoveryID == recoverable.recoveryID))
        }
        for size in 0..<der.count {
            #expect(!key.publicKey.verifyDER(Array(der.prefix(size)), digest: digest))
        }
        #expect(!key.publicKey.verifyDER(der + [0], digest: digest))
        for size in 0..<64 {
            #expect(!key.publicKey.verifyCompact(Array(compact.prefix(size)), digest: digest))
        }
        #expect(!key.publicKey.verifyCompact(compact, digest: SHA256.hash([1])))
    }

    /// libp2p does not require the lower half, so the mirror image verifies; and says what it is.
    @Test func upperHalfIsAccepted() throws {
        let key = try Self.keyOne()
        let digest = SHA256.hash([])
        let compact = key.signCompact(digest: digest)
        let mirrored = Array(compact.prefix(32)) + Self.orderMinus(Array(compact.suffix(32)))
        #expect(mirrored != compact)
        #expect(key.publicKey.verifyCompact(mirrored, digest: digest))
        #expect(!Secp256k1.isLowS(signatureCompact: mirrored))
    }

    private static func orderMinus(_ scalar: [UInt8]) -> [UInt8] {
        let order = hex("fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141")
        var borrow = 0
        var difference = order
        for index in stride(from: 31, through: 0, by: -1) {
            let value = Int(order[index]) - Int(scalar[index]) - borrow
            borrow = value < 0 ? 1 : 0
            difference[index] = UInt8(truncatingIfNeeded: value)
        }
        return difference
    }

    @Test func keysThatAreNone() {
        let order = hex("fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141")
        for scalar in [[UInt8](repeating: 0, count: 32), order] {
            #expect(throws: Secp256k1.KeyError.scalarOutOfRange) {
                try Secp256k1.PrivateKey(SecretBytes(copying: scalar))
            }
        }
        for size in [0, 31, 33] {
            #expect(throws: Secp256k1.KeyError.wrongSize(size)) {
                try Secp256k1.PrivateKey(SecretBytes.random(count: size))
            }
        }
    }

    @Test func publicKeyForms() throws {
        let key = try Self.keyOne().publicKey
        #expect(try Secp256k1.PublicKey(compressed: key.compressed) == key)
        #expect(try Secp256k1.PublicKey(uncompressed: key.uncompressed) == key)
        #expect(try Secp256k1.PublicKey(uncompressed: key.uncompressedWithPrefix) == key)
        #expect(key.uncompressed.count == 64)
        var other = key.compressed
        other[0] ^= 1
        #expect(try Secp256k1.PublicKey(compressed: other) != key)

        #expect(throws: Secp256k1.KeyError.wrongSize(65)) {
            try Secp256k1.PublicKey(compressed: key.uncompressedWithPrefix)
        }
        for prefix in [UInt8(0), 4, 6, 7] {
            #expect(throws: Secp256k1.KeyError.notAPoint) {
                try Secp256k1.PublicKey(compressed: [prefix] + key.compressed.dropFirst())
            }
        }
        // The hybrid forms, which carry y twice.
        for prefix in [UInt8(2), 3, 6, 7] {
            #expect(throws: Secp256k1.KeyError.notAPoint) {
                try Secp256k1.PublicKey(uncompressed: [prefix] + key.uncompressed)
            }
        }
        for size in [0, 33, 63, 66] {
            #expect(throws: Secp256k1.KeyError.wrongSize(size)) {
                try Secp256k1.PublicKey(uncompressed: [UInt8](repeating: 4, count: size))
            }
        }
        var offCurve = key.uncompressed
        offCurve[63] ^= 1
        #expect(throws: Secp256k1.KeyError.notAPoint) {
            try Secp256k1.PublicKey(uncompressed: offCurve)
        }
    }

    /// RFC 6979, appendix A.2.5: P-256, SHA-256, "sample".
    @Test func p256() {
        let key = hex(
            """
            3059301306072a8648ce3d020106082a8648ce3d030107034200 04
            60fed4ba255a9d31c961eb74c6356d68c049b8923b61fa6ce669622e60f29fb6
            7903fe1008b8bc99a41ae9e95628bc64f2f1b20c2d7e9f5177a3c294d4462299
            """)
        let signature = hex(
            """
            efd48b2aacb6a8fd1140dd9cd45e81d69d2c877b56aaf991c34d0ea84eaf3716
            f7cb1c942d657c41d436c7a1b6e29f65f3e900dbb9aff4064dc4ab2f843acda8
            """)
        let message = Array("sample".utf8)
        #expect(
            P256.verify(signatureP1363: signature, message: message, subjectPublicKeyInfo: key))
        #expect(
            !P256.verify(
                signatureP1363: signature, message: message + [0], subjectPublicKeyInfo: key))
        let der = hex("3046022100") + signature.prefix(32) + hex("022100") + signature.suffix(32)
        #expect(P256.verify(signatureDER: der, message: message, subjectPublicKeyInfo: key))
        for size in 0..<der.count {
            #expect(
                !P256.verify(
                    signatureDER: Array(der.prefix(size)), message: message,
                    subjectPublicKeyInfo: key))
        }
        #expect(
            !P256.verify(signatureDER: der + [0], message: message, subjectPublicKeyInfo: key))
        // The right key, and a signature over it, of the wrong curve.
        #expect(
            !P384.verify(signatureDER: der, message: message, subjectPublicKeyInfo: key))
    }

    /// RFC 6979, appendix A.2.6: P-384, SHA-384, "sample".
    @Test func p384() {
        let key = hex(
            """
            3076301006072a8648ce3d020106052b8104002203620004
            ec3a4e415b4e19a4568618029f427fa5da9a8bc4ae92e02e06aae5286b300c64
            def8f0ea9055866064a254515480bc13
            8015d9b72d7d57244ea8ef9ac0c621896708a59367f9dfb9f54ca84b3f1c9db1
            288b231c3ae0d4fe7344fd2533264720
            """)
        let signature = hex(
            """
            94edbb92a5ecb8aad4736e56c691916b3f88140666ce9fa73d64c4ea95ad133c
            81a648152e44acf96e36dd1e80fabe46
            99ef4aeb15f178cea1fe40db2603138f130e740a19624526203b6351d0a3a94f
            a329c145786e679e7b82c71a38628ac8
            """)
        let message = Array("sample".utf8)
        #expect(
            P384.verify(signatureP1363: signature, message: message, subjectPublicKeyInfo: key))
        #expect(
            !P384.verify(signatureP1363: signature, message: [], subjectPublicKeyInfo: key))
        #expect(
            !P384.verify(
                signatureP1363: signature + [0], message: message, subjectPublicKeyInfo: key))
    }

    @Test func keyEncodings() {
        #expect(P256.isPublicKey(MadeKeys.p256))
        #expect(
            P256.publicKey(ofSEC1Private: SecretBytes(copying: MadeKeys.p256Private))
                == MadeKeys.p256)
        #expect(
            P256.publicKey(
                ofSEC1Private: SecretBytes(copying: Array(MadeKeys.p256Private.dropLast())))
                == nil)
        #expect(
            P256.publicKey(ofSEC1Private: SecretBytes(copying: MadeKeys.p256Private + [0])) == nil)
        // One key, one encoding.
        #expect(!P256.isPublicKey(MadeKeys.p256Compressed))
        #expect(!P256.isPublicKey(MadeKeys.p256Explicit))
        #expect(!P384.isPublicKey(MadeKeys.p256))
        for size in 0..<MadeKeys.p256.count {
            #expect(!P256.isPublicKey(Array(MadeKeys.p256.prefix(size))))
        }
        #expect(!P256.isPublicKey(MadeKeys.p256 + [0]))
        var offCurve = MadeKeys.p256
        offCurve[90] ^= 1
        #expect(!P256.isPublicKey(offCurve))
        #expect(
            !P256.verify(signatureDER: [0x30, 0], message: [], subjectPublicKeyInfo: offCurve))
    }
}
