import ChoraleBase

@testable import Spartan

/// Seeded elements.
struct Samples {
    var random: DeterministicRandom

    init(seed: UInt64) { random = DeterministicRandom(seed: seed) }

    mutating func limbs() -> (UInt64, UInt64, UInt64, UInt64) {
        (random.next(), random.next(), random.next(), random.next())
    }

    mutating func scalar() -> Scalar { Scalar(low: limbs(), high: limbs()) }

    mutating func scalars(_ count: Int) -> [Scalar] { (0..<count).map { _ in scalar() } }

    /// As the weights and activations of a quantised network are.
    mutating func smallScalars(_ count: Int) -> [Scalar] {
        (0..<count).map { _ in Scalar(Int64(random.integer(in: -128...127))) }
    }
}
