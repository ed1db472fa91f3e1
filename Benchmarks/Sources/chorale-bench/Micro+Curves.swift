import ChoraleBase
import Curves

extension Micro {
    /// What the precompiled contracts on BN254 and BLS12-381 do, checks of their operands included.
    static func curves() {
        bn254()
        bls12381()
        opening()
    }

    private static func microseconds(_ name: String, _ work: () throws -> Void) {
        let rate = perSecond(1) {
            guard (try? work()) != nil else { preconditionFailure("\(name): a valid operand") }
        }
        report(name, 1e6 / rate, "µs")
    }

    private static func zeros(_ count: Int) -> [UInt8] { [UInt8](repeating: 0, count: count) }

    private static func bn254() {
        let generator = zeros(31) + [1] + zeros(31) + [2]
        let product = generator + [UInt8](0x21...0x40)
        let sum = generator + ((try? BN254.multiply(product.span)) ?? [])
        let pair = generator + bn254GeneratorOfG2
        microseconds("bn254, addition") { _ = try BN254.add(sum.span) }
        microseconds("bn254, multiplication") { _ = try BN254.multiply(product.span) }
        for count in [2, 10] {
            let pairs = Array(repeatElement(pair, count: count).joined())
            microseconds("bn254, pairing check of \(count) pairs") {
                _ = try BN254.pairingCheck(pairs.span)
            }
        }
    }

    /// EIP-197's.
    private static let bn254GeneratorOfG2: [UInt8] =
        (try? Hex.decode(
            "198e9393920d483a7260bfb731fb5d25f1aa493335a9e71297e485b7aef312c2"
                + "1800deef121f1e76426a00665e5c4479674322d4f75edadd46debd5cd992f6ed"
                + "090689d0585ff075ec9e99ad690c3395bc4b313370b38ef355acdadcd122975b"
                + "12c85ea5db8c6deb4aab71808dcb408fe3d1e7690c43d37b4ce6cc0166fa7daa")) ?? []

    private static func bls12381() {
        var random = DeterministicRandom(seed: 3)
        let elements = (0..<256).map { _ in zeros(32) + random.bytes(count: 32) }
        let pairElements = (0..<64).map { index in elements[index] + elements[index + 64] }
        let g1 = elements.map { (try? BLS12381.mapFpToG1($0.span)) ?? [] }
        let g2 = pairElements.map { (try? BLS12381.mapFp2ToG2($0.span)) ?? [] }

        let g1Sum = g1[0] + g1[1]
        let g2Sum = g2[0] + g2[1]
        microseconds("bls12-381, addition in G1") { _ = try BLS12381.g1Add(g1Sum.span) }
        microseconds("bls12-381, addition in G2") { _ = try BLS12381.g2Add(g2Sum.span) }
        for count in [1, 16, 256] {
            let terms = g1.prefix(count).flatMap { $0 + random.bytes(count: 32) }
            microseconds("bls12-381, sum of \(count) multiples in G1") {
                _ = try BLS12381.g1MultiScalar(terms.span)
            }
        }
        for count in [1, 16, 64] {
            let terms = g2.prefix(count).flatMap { $0 + random.bytes(count: 32) }
            microseconds("bls12-381, sum of \(count) multiples in G2") {
                _ = try BLS12381.g2MultiScalar(terms.span)
            }
        }
        for count in [2, 10] {
            let pairs = zip(g1, g2).prefix(count).flatMap { $0 + $1 }
            microseconds("bls12-381, pairing check of \(count) pairs") {
                _ = try BLS12381.pairingCheck(pairs.span)
            }
        }
        let (element, pairElement) = (elements[0], pairElements[0])
        microseconds("bls12-381, map to G1") { _ = try BLS12381.mapFpToG1(element.span) }
        microseconds("bls12-381, map to G2") { _ = try BLS12381.mapFp2ToG2(pairElement.span) }
    }

    /// The published opening of EIP-4844's tests.
    private static func opening() {
        let input =
            (try? Hex.decode(
                "01e798154708fe7789429634053cbf9f99b619f9f084048927333fce637f549b"
                    + "564c0a11a0f704f4fc3e8acfe0f8245f0ad1347b378fbf96e206da11a5d36306"
                    + "24d25032e67a7e6a4910df5834b8fe70e6bcfeeac0352434196bdf4b2485d5a1"
                    + "8f59a8d2a1a625a17f3fea0fe5eb8c896db3764f3185481bc22f91b4aaffcca2"
                    + "5f26936857bc3a7c2539ea8ec3a952b7873033e038326e87ed3e1276fd140253"
                    + "fa08e9fc25fb2d9a98527fc22a2c9612fbeafdad446cbc7bcdbdcd780af2c16a"))
            ?? []
        microseconds("kzg, one opening") { _ = try KZG.verifyPointEvaluation(input.span) }
    }
}
