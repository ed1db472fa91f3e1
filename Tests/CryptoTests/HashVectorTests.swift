import ChoraleBase
import Crypto
import Testing

/// Hashes and what is built on them, against the documents that define them.
@Suite struct HashVectorTests {
    struct Row: Sendable, CustomTestStringConvertible {
        let input: String
        let sha256: String
        let keccak256: String

        var testDescription: String { "\(input.count) characters" }
    }

    /// FIPS 180-4 examples; Keccak values as Ethereum publishes them.
    static let rows = [
        Row(
            input: "",
            sha256: "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
            keccak256: "c5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470"),
        Row(
            input: "abc",
            sha256: "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
            keccak256: "4e03657aea45a94fc7d47ba826c8d667c0d1e6e33a64a036ec44f58fa12d6c45"),
    ]

    @Test(arguments: rows) func digests(_ row: Row) {
        let input = Array(row.input.utf8)
        #expect(SHA256.hash(input).description == row.sha256)
        #expect(Keccak256.hash(input).description == row.keccak256)
    }

    @Test func sha512() {
        #expect(
            SHA512.hash(Array("abc".utf8))
                == hex(
                    """
                    ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a
                    2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f
                    """))
    }

    /// Every way of cutting the input in two gives the digest of the whole, and a hasher that has
    /// finished starts afresh.
    @Test(arguments: [0, 1, 7, 8, 9, 55, 56, 63, 64, 65, 127, 128, 135, 136, 137, 272, 300])
    func piecesHashAsTheWhole(size: Int) {
        var random = DeterministicRandom(seed: UInt64(size))
        let input = random.bytes(count: size)
        let whole = (SHA256.hash(input), SHA512.hash(input), Keccak256.hash(input))
        var small = SHA256.Hasher()
        var large = SHA512.Hasher()
        var keccak = Keccak256.Hasher()
        for cut in 0...size {
            let (head, tail) = (Array(input[..<cut]), Array(input[cut...]))
            small.update(head)
            small.update(tail)
            large.update(head)
            large.update(tail)
            keccak.update(head)
            keccak.update(tail)
            let pieces = (small.finish(), large.finish(), keccak.finish())
            #expect(pieces == whole, "cut at \(cut)")
        }
    }

    @Test func copiesOfAHasherPart() {
        var first = Keccak256.Hasher()
        first.update([1])
        var second = first
        first.update([2])
        second.update([3])
        let digests = (first.finish(), second.finish())
        #expect(digests == (Keccak256.hash([1, 2]), Keccak256.hash([1, 3])))
    }

    struct MACRow: Sendable {
        let key: [UInt8]
        let message: String
        let code: String
    }

    /// RFC 4231, test cases 1, 2 and 6.
    static let codes = [
        MACRow(
            key: .init(repeating: 0x0B, count: 20), message: "Hi There",
            code: "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"),
        MACRow(
            key: Array("Jefe".utf8), message: "what do ya want for nothing?",
            code: "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"),
        MACRow(
            key: .init(repeating: 0xAA, count: 131),
            message: "Test Using Larger Than Block-Size Key - Hash Key First",
            code: "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"),
    ]

    @Test(arguments: codes) func hmac(_ row: MACRow) {
        let code = HMACSHA256.authenticate(Array(row.message.utf8), key: row.key)
        #expect(code.description == row.code)
    }

    struct KDFRow: Sendable {
        let salt: [UInt8]
        let info: [UInt8]
        let pseudorandomKey: [UInt8]
        let output: [UInt8]
    }

    /// RFC 5869, test cases 1 and 3.
    static let derivations = [
        KDFRow(
            salt: hex("000102030405060708090a0b0c"), info: hex("f0f1f2f3f4f5f6f7f8f9"),
            pseudorandomKey: hex(
                "077709362c2e32df0ddc3f0dc47bba6390b6c73bb50f9c3122ec844ad7c2b3e5"),
            output: hex(
                """
                3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf
                34007208d5b887185865
                """)),
        KDFRow(
            salt: [], info: [],
            pseudorandomKey: hex(
                "19ef24a32c717b167f33a91d6f648bdf96596776afdb6377ac434c1c293ccb04"),
            output: hex(
                """
                8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d
                9d201395faa4b61a96c8
                """)),
    ]

    @Test(arguments: derivations) func hkdf(_ row: KDFRow) {
        let material = [UInt8](repeating: 0x0B, count: 22)
        let key = HKDFSHA256.extract(salt: row.salt.span, inputKeyMaterial: material.span)
        #expect(key.isEqual(to: SecretBytes(copying: row.pseudorandomKey)))
        // Every shorter output is a prefix of the longest.
        for count in 0...row.output.count {
            let output = HKDFSHA256.expand(key, info: row.info.span, count: count)
            #expect(output.isEqual(to: SecretBytes(copying: Array(row.output.prefix(count)))))
        }
    }

    /// Noise writes its HKDF out in full; here it is once more, from HMAC alone.
    @Test func noiseHKDF() {
        let chainingKey = [UInt8](repeating: 7, count: 32)
        let material = [UInt8](repeating: 9, count: 32)
        let temporary = HMACSHA256.authenticate(material, key: chainingKey).bytes
        let first = HMACSHA256.authenticate([1], key: temporary).bytes
        let second = HMACSHA256.authenticate(first + [2], key: temporary).bytes
        let third = HMACSHA256.authenticate(second + [3], key: temporary).bytes
        let two = HKDFSHA256.noise2(
            chainingKey: SecretBytes(copying: chainingKey),
            inputKeyMaterial: SecretBytes(copying: material))
        let three = HKDFSHA256.noise3(
            chainingKey: SecretBytes(copying: chainingKey), inputKeyMaterial: material.span)
        #expect(two.0.isEqual(to: SecretBytes(copying: first)))
        #expect(two.1.isEqual(to: SecretBytes(copying: second)))
        #expect(three.0.isEqual(to: two.0))
        #expect(three.1.isEqual(to: two.1))
        #expect(three.2.isEqual(to: SecretBytes(copying: third)))
    }
}
