import ChoraleBase

@testable import Curves

/// Seeded elements of every field and group.
struct Samples {
    private var random: DeterministicRandom

    init(seed: UInt64) { random = DeterministicRandom(seed: seed) }

    /// Any integer of 256 bits.
    mutating func scalar() -> Limbs<4> {
        var limbs = Limbs<4>(repeating: 0)
        for index in 0..<4 { limbs[index] = random.next() }
        return limbs
    }

    mutating func element<Field: PrimeField>(_: Field.Type = Field.self) -> Field {
        while true {
            var words = Field.Words(repeating: 0)
            for index in 0..<Field.Words.count { words[index] = random.next() }
            // The primes have at most three bits less than their limbs.
            words[Field.Words.count - 1] &>>= UInt64(
                Field.modulus[Field.Words.count - 1].leadingZeroBitCount)
            if let element = Field(canonical: words) { return element }
        }
    }

    mutating func fp2<Tower: PairingTower>(_: Tower.Type = Tower.self) -> Fp2<Tower> {
        Fp2(element(), element())
    }

    mutating func fp6<Tower: PairingTower>(_: Tower.Type = Tower.self) -> Fp6<Tower> {
        Fp6(fp2(), fp2(), fp2())
    }

    /// A point of G1's curve that is not in the subgroup, as almost all are.
    static func pointOutsideG1(seed: UInt64) -> BLS12381.G1 {
        var samples = Samples(seed: seed)
        while true {
            let x: BLS12381.Fp = samples.element()
            guard let y = (x.squared() * x + BLS12381.G1Shape.b).squareRoot() else { continue }
            return BLS12381.G1(knownX: x, knownY: y)
        }
    }

    /// A point of G2's curve that is not in the subgroup, as almost all are.
    static func pointOutsideG2(seed: UInt64) -> BLS12381.G2 {
        var samples = Samples(seed: seed)
        while true {
            let x: Fp2<BLS12381> = samples.fp2()
            guard let y = (x.squared() * x + BLS12381.G2Shape.b).squareRoot() else { continue }
            return BLS12381.G2(knownX: x, knownY: y)
        }
    }

    mutating func fp12<Tower: PairingTower>(_: Tower.Type = Tower.self) -> Fp12<Tower> {
        Fp12(fp6(), fp6())
    }
}

extension BN254 {
    /// The generators of EIP-197.
    static let g1 = G1(knownX: 1, knownY: 2)
    static let g2 = G2(
        knownX: Fp2(
            0x1800deef121f1e76426a00665e5c4479674322d4f75edadd46debd5cd992f6ed,
            0x198e9393920d483a7260bfb731fb5d25f1aa493335a9e71297e485b7aef312c2),
        knownY: Fp2(
            0x12c85ea5db8c6deb4aab71808dcb408fe3d1e7690c43d37b4ce6cc0166fa7daa,
            0x090689d0585ff075ec9e99ad690c3395bc4b313370b38ef355acdadcd122975b))
}
