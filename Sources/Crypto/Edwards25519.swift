import CSodium
import ChoraleBase

/// The group that Ed25519 and the VRF compute in, on encoded points.
///
/// libsodium multiplies only points of the prime-order subgroup, and its check for them accepted
/// some others for years. A proof may hold any point of the curve, so nothing here depends on that
/// check: what is multiplied has been multiplied by the cofactor first.
///
/// Specification: RFC 8032, section 5.1.
enum Edwards25519 {
    /// The encoding of the neutral element.
    static let identity: Bytes32 = {
        var identity = Bytes32.zero
        identity.storage[0] = 1
        return identity
    }()

    /// Sum of two decodable points. Nil when one is not.
    static func add(_ first: Bytes32, _ second: Bytes32) -> Bytes32? {
        _ = Sodium.ready
        var sum = Bytes32.zero
        let ok = sum.withMutablePointer { sum in
            first.withPointer { first in
                second.withPointer { crypto_core_ed25519_add(sum, first, $0) }
            }
        }
        return ok == 0 ? sum : nil
    }

    /// Difference of two decodable points. Nil when one is not.
    static func subtract(_ first: Bytes32, _ second: Bytes32) -> Bytes32? {
        _ = Sodium.ready
        var difference = Bytes32.zero
        let ok = difference.withMutablePointer { difference in
            first.withPointer { first in
                second.withPointer { crypto_core_ed25519_sub(difference, first, $0) }
            }
        }
        return ok == 0 ? difference : nil
    }

    /// `scalar` × the base point, in constant time.
    static func multiplyBase(_ scalar: UnsafePointer<UInt8>) -> Bytes32 {
        _ = Sodium.ready
        var product = Bytes32.zero
        // Says -1 for zero, after writing the identity.
        product.withMutablePointer {
            _ = crypto_scalarmult_ed25519_base_noclamp($0, scalar)
        }
        return sodium_is_zero(scalar, 32) == 1 ? identity : product
    }

    /// `scalar` × a point of the prime-order subgroup, in constant time.
    ///
    /// - Precondition: `point` came out of a multiplication by the cofactor.
    static func multiply(_ scalar: UnsafePointer<UInt8>, _ point: Bytes32) -> Bytes32 {
        guard point != identity, sodium_is_zero(scalar, 32) == 0 else { return identity }
        var product = Bytes32.zero
        let ok = product.withMutablePointer { product in
            point.withPointer { crypto_scalarmult_ed25519_noclamp(product, scalar, $0) }
        }
        // The order is prime: only a multiple of it gives the identity, which is refused too.
        return ok == 0 ? product : identity
    }

    /// Whether an integer, little-endian, is below the group order.
    static func isReduced(_ scalar: Bytes32) -> Bool {
        for index in stride(from: 31, through: 0, by: -1) where scalar[index] != order[index] {
            return scalar[index] < order[index]
        }
        return false
    }

    /// 2^252 + 27742317777372353535851937790883648493, little-endian.
    private static let order: [32 of UInt8] = [
        0xED, 0xD3, 0xF5, 0x5C, 0x1A, 0x63, 0x12, 0x58, 0xD6, 0x9C, 0xF7, 0xA2, 0xDE, 0xF9, 0xDE,
        0x14, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
    ]

    /// A point from its one right encoding, with the multiples that everything else needs.
    struct Point {
        let one: Bytes32
        let two: Bytes32
        let four: Bytes32
        /// The point times the cofactor: always in the prime-order subgroup.
        let eight: Bytes32

        /// Decodes as RFC 8032 section 5.1.3 says, which is stricter than libsodium: y below p, and
        /// no sign on an x of zero.
        init?(_ encoding: Bytes32) {
            guard Edwards25519.isCanonical(encoding),
                let two = add(encoding, encoding),
                let four = add(two, two),
                let eight = add(four, four)
            else { return nil }
            one = encoding
            self.two = two
            self.four = four
            self.eight = eight
        }

        /// Whether the point's order divides 8.
        var isOfSmallOrder: Bool { eight == identity }

        /// `scalar` × the point, for a public 16-byte scalar, whatever subgroup the point is in.
        ///
        /// scalar = 8q + r, so scalar × P = q × 8P + r × P.
        func multiplied(byPublic scalar: Span<UInt8>) -> Bytes32 {
            precondition(scalar.count == 16, "a challenge has 16 bytes")
            var quotient = Bytes32.zero
            for index in 0..<16 {
                let next = index + 1 < 16 ? scalar[index + 1] : 0
                quotient.storage[index] = scalar[index] >> 3 | next << 5
            }
            var sum = quotient.withPointer { multiply($0, eight) }
            for (bit, multiple) in [(1, one), (2, two), (4, four)]
            where Int(scalar[0]) & bit != 0 {
                guard let next = add(sum, multiple) else {
                    preconditionFailure("sums of points are points")
                }
                sum = next
            }
            return sum
        }
    }

    private static func isCanonical(_ encoding: Bytes32) -> Bool {
        // y < p = 2^255 - 19.
        let top = encoding[31] & 0x7F
        var middleIsFull = top == 0x7F
        for index in 1..<31 where encoding[index] != 0xFF { middleIsFull = false }
        if middleIsFull && encoding[0] >= 0xED { return false }
        guard encoding[31] & 0x80 != 0 else { return true }
        // x is zero for y = 1 and y = -1 only.
        let isMinusOne = middleIsFull && encoding[0] == 0xEC
        var isOne = top == 0 && encoding[0] == 1
        for index in 1..<31 where encoding[index] != 0 { isOne = false }
        return !isOne && !isMinusOne
    }
}
