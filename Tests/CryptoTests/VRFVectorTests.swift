import ChoraleBase
import Testing

@testable import Crypto

@Suite struct VRFVectorTests {
    struct Row: Sendable {
        let seed: [UInt8]
        let alpha: [UInt8]
        let counter: Int
        let point: String
        let proof: [UInt8]
        let output: [UInt8]
    }

    /// RFC 9381, appendix B.3, examples 16 to 18.
    static let rows = [
        Row(
            seed: hex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60"),
            alpha: [], counter: 0,
            point: "91bbed02a99461df1ad4c6564a5f5d829d0b90cfc7903e7a5797bd658abf3318",
            proof: hex(
                """
                8657106690b5526245a92b003bb079ccd1a92130477671f6fc01ad16f26f723f
                26f8a57ccaed74ee1b190bed1f479d97
                27d2d0f9b005a6e456a35d4fb0daab1268a1b0db10836d9826a528ca76567805
                """),
            output: hex(
                """
                90cf1df3b703cce59e2a35b925d411164068269d7b2d29f3301c03dd757876ff
                66b71dda49d2de59d03450451af026798e8f81cd2e333de5cdf4f3e140fdd8ae
                """)),
        Row(
            seed: hex("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb"),
            alpha: [0x72], counter: 1,
            point: "5b659fc3d4e9263fd9a4ed1d022d75eaacc20df5e09f9ea937502396598dc551",
            proof: hex(
                """
                f3141cd382dc42909d19ec5110469e4feae18300e94f304590abdced48aed593
                3bf0864a62558b3ed7f2fea45c92a465
                301b3bbf5e3e54ddf2d935be3b67926da3ef39226bbc355bdc9850112c8f4b02
                """),
            output: hex(
                """
                eb4440665d3891d668e7e0fcaf587f1b4bd7fbfe99d0eb2211ccec90496310eb
                5e33821bc613efb94db5e5b54c70a848a0bef4553a41befc57663b56373a5031
                """)),
        Row(
            seed: hex("c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7"),
            alpha: [0xAF, 0x82], counter: 0,
            point: "bf4339376f5542811de615e3313d2b36f6f53c0acfebb482159711201192576a",
            proof: hex(
                """
                9bc0f79119cc5604bf02d23b4caede71393cedfbb191434dd016d30177ccbf80
                96bb474e53895c362d8628ee9f9ea3c0
                e52c7a5c691b6c18c9979866568add7a2d41b00b05081ed0f58ee5e31b3a970e
                """),
            output: hex(
                """
                645427e5d00c62a23fb703732fa5d892940935942101e456ecca7bb217c61c45
                2118fec1219202a0edcf038bb6373241578be7217ba85a2687f7a0310b2df19f
                """)),
    ]

    @Test(arguments: rows) func rfc9381(_ row: Row) throws {
        let key = Ed25519.PrivateKey(seed: SecretBytes(copying: row.seed))
        let (point, counter) = VRF.hashToCurve(row.alpha.span, salt: key.publicKey)
        #expect(point.description == row.point)
        #expect(counter == row.counter)
        #expect(VRF.prove(alpha: row.alpha, privateKey: key) == row.proof)
        #expect(try VRF.output(ofTrusted: row.proof) == row.output)
        #expect(
            try VRF.verify(proof: row.proof, alpha: row.alpha, publicKey: key.publicKey)
                == row.output)
    }

    /// A proof is of one input by one key, and no bit of it may change.
    @Test func changedProofsAreRefused() throws {
        let row = Self.rows[1]
        let key = Ed25519.PrivateKey(seed: SecretBytes(copying: row.seed)).publicKey
        for bit in 0..<640 {
            var changed = row.proof
            changed[bit / 8] ^= 1 << UInt8(bit % 8)
            #expect(throws: VRF.VerifyError.self) {
                try VRF.verify(proof: changed, alpha: row.alpha, publicKey: key)
            }
        }
        #expect(throws: VRF.VerifyError.challengeMismatch) {
            try VRF.verify(proof: row.proof, alpha: [0x73], publicKey: key)
        }
        for proof in [Array(row.proof.dropLast()), row.proof + [0], []] {
            #expect(throws: VRF.VerifyError.wrongProofSize(proof.count)) {
                try VRF.verify(proof: proof, alpha: row.alpha, publicKey: key)
            }
        }
    }

    /// The equations hold for both proofs: only the check of the key stops them.
    @Test func keysOfSmallOrderAreRefused() throws {
        let rows = [
            (
                "0100000000000000000000000000000000000000000000000000000000000000",
                """
                0100000000000000000000000000000000000000000000000000000000000000
                c05f874f4aafd0d23f8deae33f8b5a5b
                a2c4313355dbfdb1a123fc6bec79bacd9d3a8c582b7e355fe7fe1d37145eec07
                """
            ),
            (
                "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
                """
                0100000000000000000000000000000000000000000000000000000000000000
                b8f5dbd20f63ef6cba1a386fc8a53b71
                f85e95db979e53f184714aae8e34a2fa416a7a622755175fbf3302609a592900
                """
            ),
        ]
        for (publicKey, proof) in rows {
            let key = try #require(Bytes32(hex(publicKey)))
            #expect(throws: VRF.VerifyError.publicKeyOfSmallOrder) {
                try VRF.verify(proof: hex(proof), alpha: Array("slot 7".utf8), publicKey: key)
            }
        }
    }

    static let base = "5866666666666666666666666666666666666666666666666666666666666666"
    static let orderEight = "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05"
    static let identity = "0100000000000000000000000000000000000000000000000000000000000000"

    /// Multiplication agrees with counting, also for points outside the prime-order subgroup.
    @Test(arguments: [base, orderEight, identity, "mixed"])
    func multiplicationIsRepeatedAddition(_ name: String) throws {
        let base = try #require(Bytes32(hex(Self.base)))
        let orderEight = try #require(Bytes32(hex(Self.orderEight)))
        let mixed = try #require(Edwards25519.add(base, orderEight))
        let encoding = name == "mixed" ? mixed : try #require(Bytes32(hex(name)))
        let point = try #require(Edwards25519.Point(encoding))
        var sum = Edwards25519.identity
        for count in 0..<100 {
            var scalar = [UInt8](repeating: 0, count: 16)
            scalar[0] = UInt8(count)
            #expect(point.multiplied(byPublic: scalar.span) == sum, "\(count) times")
            sum = try #require(Edwards25519.add(sum, encoding))
        }
    }

    /// RFC 8032, section 5.1.3: encodings that libsodium alone would take.
    @Test(arguments: [
        // y = p, y = p + 1, and the largest y, with either sign.
        "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
        // A sign on x = 0: y = 1 and y = -1.
        "0100000000000000000000000000000000000000000000000000000000000080",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
        // No point has y = 2.
        "0200000000000000000000000000000000000000000000000000000000000000",
    ]) func notEncodings(_ text: String) throws {
        let encoding = try #require(Bytes32(hex(text)))
        #expect(Edwards25519.Point(encoding) == nil)
        let proof = encoding.bytes + Self.rows[0].proof[32...]
        let key = Ed25519.PrivateKey(seed: SecretBytes(copying: Self.rows[0].seed)).publicKey
        #expect(throws: VRF.VerifyError.gammaNotAPoint) {
            try VRF.verify(proof: proof, alpha: [], publicKey: key)
        }
        #expect(throws: VRF.VerifyError.publicKeyNotAPoint) {
            try VRF.verify(proof: Self.rows[0].proof, alpha: [], publicKey: encoding)
        }
    }

    /// The largest y that is one, and the group order and its neighbours.
    @Test func edgesThatAreAccepted() throws {
        let minusOne = try #require(
            Bytes32(hex("ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f")))
        #expect(try #require(Edwards25519.Point(minusOne)).two == Edwards25519.identity)
        let order = hex("edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010")
        var below = order
        below[0] -= 1
        var above = order
        above[0] += 1
        #expect(!Edwards25519.isReduced(try #require(Bytes32(order))))
        #expect(!Edwards25519.isReduced(try #require(Bytes32(above))))
        #expect(Edwards25519.isReduced(try #require(Bytes32(below))))
    }
}
