import ChoraleBase
import Codec
import Testing

@Suite struct MultibaseTests {
    @Test(arguments: Multibase.Encoding.allCases)
    func everyLengthReadsBack(_ encoding: Multibase.Encoding) throws {
        var random = DeterministicRandom(seed: 7)
        for count in 0..<70 {
            for zeros in [0, 1, 3] {
                let bytes = [UInt8](repeating: 0, count: zeros) + random.bytes(count: count)
                let text = Multibase.encode(bytes, as: encoding)
                let decoded = try Multibase.decode(text)
                #expect(decoded.encoding == encoding)
                #expect(decoded.bytes == bytes)
            }
        }
    }

    @Test func lettersOfEitherCase() throws {
        let lower = try Multibase.decode("f68656c6c6f20776f726c64")
        let mixed = try Multibase.decode("f68656C6c6f20776F726c64")
        #expect(lower.bytes == mixed.bytes)
        #expect(try Multibase.decode("bPFSxgIDNMFXGSIBB").bytes == Array("yes mani !".utf8))
        #expect(try Multibase.decode("k2LCPZO5YIKIDYNFL").bytes == Array("yes mani !".utf8))
        // Base58 and base64 use both cases for different digits.
        #expect(Multibase.encode([0xFF], as: .base58btc) == "z5Q")
        #expect(throws: Multibase.DecodeError.self) { try Multibase.decode("h!") }
    }

    struct Refusal: Sendable, CustomTestStringConvertible {
        let text: String
        let error: Multibase.DecodeError

        init(_ text: String, _ error: Multibase.DecodeError) {
            self.text = text
            self.error = error
        }

        var testDescription: String { text.prefix(20).debugDescription }
    }

    static let refusals = [
        Refusal("", .empty),
        Refusal("xabc", .unknownPrefix("x")),
        Refusal("🚀🏃", .unknownPrefix("🚀")),
        Refusal("f0g", .invalidDigit(position: 1)),
        Refusal("f0", .strayBits),
        Refusal("f012", .strayBits),
        Refusal("bm", .strayBits),
        Refusal("bmz", .strayBits),
        Refusal("bmzx", .strayBits),
        Refusal("bmy======", .wrongPadding),
        Refusal("cmy=====", .wrongPadding),
        Refusal("cmy", .wrongPadding),
        Refusal("c========", .wrongPadding),
        Refusal("cm=y=====", .wrongPadding),
        Refusal("MYWJj====", .wrongPadding),
        Refusal("z0OIl", .invalidDigit(position: 0)),
        Refusal("zÄ", .invalidDigit(position: 0)),
        Refusal("z" + String(repeating: "1", count: 1025), .tooLarge(size: 1025, limit: 1024)),
    ]

    @Test(arguments: refusals) func refuses(_ row: Refusal) {
        #expect(throws: row.error) { try Multibase.decode(row.text) }
    }
}

@Suite struct MultihashTests {
    static let digest = [UInt8](repeating: 0xAB, count: 32)

    @Test func everyTruncationIsRefused() throws {
        let bytes = try Multihash(code: Multihash.sha256Code, digest: Self.digest).bytes
        #expect(bytes.prefix(2) == [0x12, 0x20])
        #expect(try Multihash(bytes: bytes.span).digest == Self.digest)
        for count in 0..<bytes.count {
            let cut = Array(bytes.prefix(count))
            #expect(throws: Multihash.DecodeError.truncated) { try Multihash(bytes: cut.span) }
        }
        let longer = bytes + [0]
        #expect(throws: Multihash.DecodeError.trailingBytes(1)) {
            try Multihash(bytes: longer.span)
        }
    }

    @Test func aClaimedLengthIsBounded() {
        let bytes: [UInt8] = [0x00, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x7F]
        #expect(
            throws: Multihash.DecodeError.digestTooLarge(size: (1 << 63) - 1, limit: 128)
        ) { try Multihash(bytes: bytes.span) }
        #expect(throws: Multihash.DecodeError.wrongDigestSize(code: 0x12, size: 3)) {
            try Multihash(code: 0x12, digest: [1, 2, 3])
        }
    }

    @Test func whatMayBeAPeerID() throws {
        #expect(try Multihash(code: 0x12, digest: Self.digest).isPeerID)
        #expect(try Multihash(code: 0, digest: [UInt8](repeating: 1, count: 42)).isPeerID)
        #expect(try !Multihash(code: 0, digest: [UInt8](repeating: 1, count: 43)).isPeerID)
        #expect(try !Multihash(code: 0, digest: []).isPeerID)
        #expect(try !Multihash(code: 0x13, digest: Self.digest).isPeerID)
    }
}

@Suite struct CIDTests {
    @Test func bothVersionsReadBack() throws {
        let text = "QmYwAPJzv5CZsnA625s3Xf2nemtYgPpHdWEz79ojWnPbdG"
        let version0 = try CID(text)
        #expect(version0.version == .v0)
        #expect(version0.codec == CID.dagProtobufCodec)
        #expect(version0.text() == text)
        #expect(try CID(bytes: version0.bytes.span) == version0)

        let version1 = CID(codec: 0x55, multihash: version0.multihash)
        for encoding in Multibase.Encoding.allCases {
            #expect(try CID(version1.text(encoding)) == version1)
        }
        for count in 0..<version1.bytes.count {
            let cut = Array(version1.bytes.prefix(count))
            #expect(throws: CID.DecodeError.self) { try CID(bytes: cut.span) }
        }
    }

    @Test func version0HidesInNoMultibase() {
        let hidden = "zQmYwAPJzv5CZsnA625s3Xf2nemtYgPpHdWEz79ojWnPbdG"
        #expect(throws: CID.DecodeError.version0InMultibase) { try CID(hidden) }
        #expect(throws: CID.DecodeError.unsupportedVersion(2)) { try CID("f0255") }
        #expect(throws: CID.DecodeError.truncated) { try CID("f01") }
    }
}
