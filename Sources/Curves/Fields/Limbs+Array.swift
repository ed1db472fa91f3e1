/// An unsigned integer of `count` limbs, least significant first.
///
/// For exponents, scalars and encodings. Field elements keep their limbs as separate properties,
/// because those stay in registers.
struct Limbs<let limbCount: Int>: LimbArray, ExpressibleByIntegerLiteral {
    private var storage: [limbCount of UInt64]

    static var count: Int { limbCount }

    init(repeating value: UInt64) { storage = .init(repeating: value) }

    init(integerLiteral value: StaticBigInt) {
        storage = .init(repeating: 0)
        for index in 0..<limbCount { storage[index] = UInt64(value[index]) }
    }

    subscript(index: Int) -> UInt64 {
        get { storage[index] }
        set { storage[index] = newValue }
    }

    static func == (lhs: Self, rhs: Self) -> Bool {
        for index in 0..<limbCount where lhs.storage[index] != rhs.storage[index] { return false }
        return true
    }
}
