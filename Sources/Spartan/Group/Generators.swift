internal import ChoraleBase
internal import Crypto

/// Independent elements of the group, of which nobody knows a discrete logarithm.
///
/// The i-th is hashed to the group: SHA-512 of a domain and i, mapped as RFC 9496, section 4.3.4 says.
/// One sequence serves every commitment, whatever its section and length.
enum Generators {
    /// The first 64: as many as vectors of 4,096 take.
    private static let few = make(0..<64)
    /// The first 256, for vectors of 65,536.
    private static let many = few + make(64..<256)
    /// One for each column of the widest commitment.
    private static let all = many + make(256..<VectorShape.columnCountMax)

    /// The first generators, at least as many as asked for. They are computed once.
    ///
    /// - Precondition: at most `VectorShape.columnCountMax` are asked for.
    static func first(_ count: Int) -> [AffinePoint] {
        precondition(count <= VectorShape.columnCountMax, "there is a generator for each column")
        return count <= few.count ? few : count <= many.count ? many : all
    }

    private static func make(_ indices: Range<Int>) -> [AffinePoint] {
        indices.map { index in
            guard let point = AffinePoint(encoding(index)) else {
                preconditionFailure("a hash to the group is an element of it")
            }
            return point
        }
    }

    static func encoding(_ index: Int) -> Bytes32 {
        var bytes = Array("chorale.spartan.generator.v1".utf8)
        bytes.appendLittleEndian(UInt32(index))
        return Ristretto255.hashToGroup(SHA512.hash(bytes).span)
    }
}
