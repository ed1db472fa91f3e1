import Testing

@testable import Curves

/// The laws of the fields and of the maps between them, on seeded elements.
@Suite struct FieldTests {
    private func primeFieldLaws<Field: PrimeField>(_: Field.Type, seed: UInt64) {
        var samples = Samples(seed: seed)
        let (a, b, c): (Field, Field, Field) = (
            samples.element(), samples.element(), samples.element()
        )
        #expect((a + b) - b == a)
        #expect(a - a == .zero)
        #expect(-a + a == .zero)
        #expect(a * (b + c) == a * b + a * c)
        #expect((a * b) * c == a * (b * c))
        #expect(a * .one == a)
        #expect(a.squared() == a * a)
        #expect(Field.sumOfProducts(a, b, c, a) == a * b + c * a)
        #expect(a.halved() + a.halved() == a)
        #expect(a * a.inverse() == .one)
        #expect(Field(canonical: a.canonical) == a)
        // Fermat's little theorem.
        #expect(a.power(Field.modulus) == a)
    }

    @Test(arguments: UInt64(0)..<64) func primeFields(seed: UInt64) {
        primeFieldLaws(BN254.Fp.self, seed: seed)
        primeFieldLaws(BLS12381.Fp.self, seed: seed)
    }

    private func edges<Field: PrimeField>(_: Field.Type) {
        var modulus = Field.modulus
        #expect(Field(canonical: modulus) == nil)
        modulus[0] &+= 1
        #expect(Field(canonical: modulus) == nil)
        #expect(Field(canonical: Field.Words(repeating: .max)) == nil)
        modulus[0] &-= 2
        let largest = Field(canonical: modulus)
        #expect(largest == -Field.one)
        #expect(largest.map { $0 * $0 } == .one)
        #expect(largest.map { $0 + $0 } == -(Field.one + .one))
        #expect(largest.map { Field.sumOfProducts($0, $0, $0, $0) } == .one + .one)
        #expect(Field.zero.inverse() == .zero)
        #expect(-Field.zero == .zero)
        #expect(Field.one.halved().doubled() == .one)
        #expect(Field.one.canonical[0] == 1)
    }

    @Test func edgesOfPrimeFields() {
        edges(BN254.Fp.self)
        edges(BLS12381.Fp.self)
    }

    private func inversion<Field: PrimeField>(_: Field.Type, seed: UInt64) {
        // Fermat's power is the plain definition.
        var exponent = Field.modulus
        exponent[0] &-= 2
        var samples = Samples(seed: seed)
        var elements: [Field] = (0..<20).map { _ in samples.element() }
        elements += [.zero, .one, -.one, .one + .one, Field.one.halved(), -Field.one.halved()]
        // Residues with few limbs, and with long runs of zeros or ones.
        for shift in 0..<Field.Words.count * 64 - 8 {
            var words = Field.Words(repeating: 0)
            words[shift / 64] = 1 << UInt64(shift % 64)
            guard let power = Field(canonical: words) else { continue }
            // Both in Montgomery form and out of it.
            elements += [power, -power, power - .one, power.inverse() * power * power]
        }
        for element in elements { #expect(element.inverse() == element.power(exponent)) }
    }

    @Test(arguments: UInt64(0)..<4) func inverses(seed: UInt64) {
        inversion(BN254.Fp.self, seed: seed)
        inversion(BLS12381.Fp.self, seed: seed)
    }

    private func towerLaws<Tower: PairingTower>(_: Tower.Type, seed: UInt64) {
        var samples = Samples(seed: seed)
        let f: Fp2<Tower> = samples.fp2()
        let u = Fp2<Tower>(.zero, .one)
        #expect(u * u == -.one)
        #expect(f.squared() == f * f)
        #expect(f * f.inverse() == .one)
        #expect(f.power(Tower.Base.modulus) == f.conjugate)
        #expect(Fp2(f.norm, .zero) == f * f.conjugate)
        #expect(Tower.timesXi(f) == Tower.xi * f)
        #expect(f.halved().doubled() == f)

        let g: Fp6<Tower> = samples.fp6()
        let h: Fp6<Tower> = samples.fp6()
        let v = Fp6<Tower>(.zero, .one, .zero)
        #expect(v * v * v == Fp6(Tower.xi, .zero, .zero))
        #expect(g.squared() == g * g)
        #expect(g * (h + v) == g * h + g * v)
        #expect(g * g.inverse() == .one)
        #expect(g.timesV == g * v)
        #expect(g.times(f) == g * Fp6(f, .zero, .zero))
        #expect(g.timesV(f) == g * Fp6(.zero, f, .zero))
        #expect(g.times(f, h.c0) == g * Fp6(f, h.c0, .zero))

        let k: Fp12<Tower> = samples.fp12()
        let w = Fp12<Tower>(.zero, .one)
        #expect(w * w == Fp12(v, .zero))
        #expect(k.squared() == k * k)
        #expect(k * k.inverse() == .one)
        #expect(k * (w + Fp12(g, h)) == k * w + k * Fp12(g, h))

        var product = k
        product.multiplyByLine(f, g.c0, multiplicative: g.c1)
        #expect(product == k * Fp12(Fp6(f, g.c0, .zero), Fp6(.zero, g.c1, .zero)))
        product = k
        product.multiplyByLine(f, g.c0, divisive: g.c1)
        #expect(product == k * Fp12(Fp6(f, .zero, .zero), Fp6(g.c0, g.c1, .zero)))
    }

    @Test(arguments: UInt64(0)..<32) func towers(seed: UInt64) {
        towerLaws(BN254.self, seed: seed)
        towerLaws(BLS12381.self, seed: seed)
    }

    private func frobeniusLaws<Tower: PairingTower>(_: Tower.Type, seed: UInt64) {
        var samples = Samples(seed: seed)
        let f: Fp12<Tower> = samples.fp12()
        #expect(f.frobenius == f.power(Tower.Base.modulus))
        #expect(f.frobeniusSquared == f.frobenius.frobenius)
        #expect(f.frobeniusCubed == f.frobeniusSquared.frobenius)
        #expect(f.conjugate == f.frobeniusCubed.frobeniusCubed)

        let quotient = f.conjugate * f.inverse()
        let cyclotomic = quotient.frobeniusSquared * quotient
        #expect(cyclotomic != .one)
        #expect(cyclotomic * cyclotomic.conjugate == .one)
        #expect(cyclotomic.cyclotomicSquared() == cyclotomic.squared())
        let exponent: UInt64 = 0x8000_1234_0000_0001
        #expect(
            cyclotomic.cyclotomicPower(exponent)
                == cyclotomic.power(Limbs<1>(repeating: exponent)))
        #expect(cyclotomic.cyclotomicPower(1) == cyclotomic)
        for digits: UInt128 in [0, 1, 2, 15, UInt128(exponent), .max] {
            var plain = Fp12<Tower>.one
            for bit in (0..<128).reversed() {
                plain = plain.squared()
                if digits >> UInt128(bit) & 1 == 1 { plain *= cyclotomic }
            }
            #expect(cyclotomic.cyclotomicPower(SignedDigits(digits)) == plain)
        }
    }

    @Test(arguments: UInt64(0)..<8) func frobeniusMaps(seed: UInt64) {
        frobeniusLaws(BN254.self, seed: seed)
        frobeniusLaws(BLS12381.self, seed: seed)
    }
}
