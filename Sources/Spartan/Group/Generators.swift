internal import ChoraleBase
internal import Crypto

/// Independent elements of the group, of which nobody knows a discrete logarithm.
///
/// The i-th is hashed to the group: SHA-512 of a domain and i, mapped as RFC 9496, section 4.3.4 says.
/// One sequence serves every commitment, whatever its section and length.
enum Generators {
    /// One for each column of the widest commitment.
    static let all: [AffinePoint] = (0..<VectorShape.columnCountMax).map { index in
        guard let point = AffinePoint(encoding(index)) else {
            preconditionFailure("a hash to the group is an element of it")
        }
        return point
    }

    static func encoding(_ index: Int) -> Bytes32 {
        var bytes = Array("chorale.spartan.generator.v1".utf8)
        bytes.appendLittleEndian(UInt32(index))
        return Ristretto255.hashToGroup(SHA512.hash(bytes).span)
    }
}
