import ChoraleBase
import Curves
import Testing

@testable import Groth16

@Suite struct KeyTests {
    static let trapdoor = Trapdoor<BN254>(seed: 1, inputCount: 2)

    @Test func provesAndRefuses() throws {
        let key = try Groth16Key(Self.trapdoor.points)
        let statement: [Scalar<BN254.Order>] = [Scalar(3), Scalar(4)]
        let proof = Self.trapdoor.proof(of: statement)
        try key.verify(proof, inputs: statement)
        try key.verify(Self.trapdoor.proof(of: [.zero, .zero]), inputs: [.zero, .zero])
        #expect(throws: Groth16Fault.equation) {
            try key.verify(proof, inputs: [Scalar(4), Scalar(3)])
        }
        #expect(throws: Groth16Fault.inputCount(found: 1, expected: 2)) {
            try key.verify(proof, inputs: [Scalar(3)])
        }
        #expect(throws: Groth16Fault.infinity(.c)) {
            try key.verify(Groth16Proof(a: proof.a, b: proof.b, c: .infinity), inputs: statement)
        }
        let committed = Groth16Proof<BN254>(
            a: proof.a, b: proof.b, c: proof.c,
            commitment: .init(point: proof.a, proofOfKnowledge: proof.a))
        #expect(throws: Groth16Fault.commitmentCount(found: 1, expected: 0)) {
            try key.verify(committed, inputs: statement)
        }
        let bytes = proof.uncompressed
        let again = try Groth16Proof<BN254>(uncompressed: bytes.span, at: 0)
        #expect(again == proof)
        for count in 0..<bytes.count {
            let short = Array(bytes.prefix(count))
            #expect(throws: Groth16Fault.size(found: count, expected: 256)) {
                try Groth16Proof<BN254>(uncompressed: short.span, at: 0)
            }
        }
    }

    @Test func keysWithInfinityAreRefused() {
        let points = Self.trapdoor.points
        let broken: [Groth16KeyPoints<BN254>] = [
            .init(
                alpha: .infinity, beta: points.beta, gamma: points.gamma, delta: points.delta,
                inputs: points.inputs),
            .init(
                alpha: points.alpha, beta: .infinity, gamma: points.gamma, delta: points.delta,
                inputs: points.inputs),
            .init(
                alpha: points.alpha, beta: points.beta, gamma: .infinity, delta: points.delta,
                inputs: points.inputs),
            .init(
                alpha: points.alpha, beta: points.beta, gamma: points.gamma, delta: .infinity,
                inputs: points.inputs),
        ]
        for points in broken {
            #expect(throws: VerifyingKeyFault.infinity) { try Groth16Key(points) }
        }
        let empty = Groth16KeyPoints<BN254>(
            alpha: points.alpha, beta: points.beta, gamma: points.gamma, delta: points.delta,
            inputs: [])
        #expect(throws: VerifyingKeyFault.inputCount(found: -1, limit: 1024)) {
            try Groth16Key(empty)
        }
        let many = Groth16KeyPoints<BN254>(
            alpha: points.alpha, beta: points.beta, gamma: points.gamma, delta: points.delta,
            inputs: .init(repeating: .generator, count: 1026))
        #expect(throws: VerifyingKeyFault.inputCount(found: 1025, limit: 1024)) {
            try Groth16Key(many)
        }
    }

    @Test func keyFilesAreExact() throws {
        let file = Self.trapdoor.gnarkFile
        let key = try GnarkEncoding.key(file.span, on: BN254.self)
        #expect(key.inputCount == 2)
        let statement: [Scalar<BN254.Order>] = [Scalar(3), Scalar(4)]
        try key.verify(Self.trapdoor.proof(of: statement), inputs: statement)
        for count in 0..<file.count {
            let short = Array(file.prefix(count))
            #expect(throws: VerifyingKeyFault.self) {
                try GnarkEncoding.key(short.span, on: BN254.self)
            }
        }
        let long = file + [0]
        #expect(throws: VerifyingKeyFault.size(found: 397, expected: 396)) {
            try GnarkEncoding.key(long.span, on: BN254.self)
        }
        var nonzero = file
        nonzero[395] = 1
        #expect(throws: VerifyingKeyFault.notZero(offset: 395)) {
            try GnarkEncoding.key(nonzero.span, on: BN254.self)
        }
        var many = file
        many[288] = 1
        #expect(throws: VerifyingKeyFault.self) {
            try GnarkEncoding.key(many.span, on: BN254.self)
        }
    }

    /// A number in JSON has one form.
    @Test func snarkNumbers() throws {
        #expect(Decimal.bigEndian("256", size: 2) == [1, 0])
        #expect(Decimal.bigEndian("65535", size: 2) == [255, 255])
        #expect(Decimal.bigEndian("65536", size: 2) == nil)
        for text in ["0", "7", "10"] { #expect(Decimal.isNumber(text)) }
        for text in ["", "00", "07", "-1", "+1", "1.0", "1e3", "0x1", "٣", " 1"] {
            #expect(!Decimal.isNumber(text), "\(text)")
        }
        #expect(!Decimal.isNumber(String(repeating: "9", count: 161)))
        let file = String(decoding: Self.trapdoor.snarkKey(curve: "bn128"), as: UTF8.self)
        _ = try SnarkJSON.key([UInt8](file.utf8), on: BN254.self)
        let changes: [(String, String, VerifyingKeyFault)] = [
            (
                "\"nPublic\":2", "\"nPublic\":1",
                .inconsistent(
                    "nPublic is not the number of points in IC less one")
            ),
            ("\"groth16\"", "\"plonk\"", .unknown("a protocol other than groth16")),
            (
                "\"vk_alpha_1\":[\"", "\"vk_alpha_1\":[\"0",
                .json(
                    "vk_alpha_1: no decimal string")
            ),
            ("\"IC\"", "\"ic\"", .json("no IC")),
        ]
        for (from, to, fault) in changes {
            let parts = file.split(separator: from, maxSplits: 1, omittingEmptySubsequences: false)
            let changed = [UInt8](parts.joined(separator: to).utf8)
            #expect(throws: fault) { try SnarkJSON.key(changed, on: BN254.self) }
        }
        let changed = [UInt8](file.replacing("\"bn128\"", with: "\"other\"").utf8)
        #expect(throws: VerifyingKeyFault.unknown("curve other")) {
            try SnarkJSON.curve(ofKey: changed)
        }
    }

    /// RFC 9380, appendix K.1: SHA-256 with a domain of 38 bytes.
    @Test func expandsMessages() throws {
        let domain = [UInt8]("QUUX-V01-CS02-with-expander-SHA256-128".utf8)
        let empty = HashToField.expand([], domain: domain, size: 32)
        #expect(
            Hex.encode(empty)
                == "68a985b87eb6b46952128911f2a4412bbc302a9d759667f87f7a21d803f07235")
        let abc = HashToField.expand([UInt8]("abc".utf8), domain: domain, size: 32)
        #expect(
            Hex.encode(abc) == "d8ccab23b5985ccea865c6c97b6e5b8350e794e603b4b97902f53a8a0d605615")
        let long = HashToField.expand([], domain: domain, size: 128)
        #expect(Hex.encode(long.prefix(8)) == "af84c27ccfd45d41")
    }

    /// Printed, not judged: machines differ. What it measures is the verification of one proof with a
    /// prepared key, from bytes.
    @Test func speed() throws {
        let trapdoor = Trapdoor<BN254>(seed: 5, inputCount: 5)
        let key = try Groth16Key(trapdoor.points)
        let statement = (0..<5).map { _ in -Scalar<BN254.Order>(12345) }
        let bytes = trapdoor.proof(of: statement).uncompressed
        var best = Duration.seconds(1)
        for _ in 0..<20 {
            let duration = try ContinuousClock().measure {
                try key.verify(
                    try Groth16Proof(uncompressed: bytes.span, at: 0), inputs: statement)
            }
            best = min(best, duration)
        }
        print("Groth16 over BN254, five inputs: \(best)")
    }
}
