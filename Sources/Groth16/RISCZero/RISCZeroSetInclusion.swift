public import ChoraleBase
import Crypto

/// Receipts that say that a claim is one of a set whose root is proven.
///
/// Specification: risc0/risc0-ethereum `contracts/src/RiscZeroSetVerifier.sol`.
public struct RISCZeroSetInclusion: Sendable {
    /// Deepest tree, in levels.
    public static let pathLengthMax = 64

    /// The program that builds the sets.
    public let setBuilder: Bytes32
    private let key: RISCZeroKey

    public init(setBuilder: Bytes32, key: RISCZeroKey) {
        self.setBuilder = setBuilder
        self.key = key
    }

    /// The first four bytes of every seal, big-endian.
    public var selector: UInt32 {
        TaggedDigest.of("risc0.SetInclusionReceiptVerifierParameters", [setBuilder])
            .storage.span.loadBigEndian(UInt32.self, at: 0)
    }

    /// Checks that a seal proves a claim.
    ///
    /// - Parameter seal: selector, then the ABI's encoding of the path and the root's seal.
    /// - Throws: ``RISCZeroFault``, unless it does.
    public func verify(_ seal: Span<UInt8>, claim: RISCZeroClaim) throws(RISCZeroFault) {
        guard seal.count >= 4 else { throw .size(found: seal.count, expected: 4) }
        let found = seal.loadBigEndian(UInt32.self, at: 0)
        guard found == selector else { throw .selector(found: found, expected: selector) }
        let (path, rootSeal) = try Self.decode(seal.extracting(4..<seal.count))

        var node = Keccak256.hash([UInt8]("LEAF_TAG".utf8) + claim.digest.bytes)
        for sibling in path {
            let (left, right) = node < sibling ? (node, sibling) : (sibling, node)
            node = Keccak256.hash(left.bytes + right.bytes)
        }
        var marker = Bytes32.zero
        marker.storage[0] = 0x80
        let journal = setBuilder.bytes + marker.bytes + node.bytes
        try key.verify(
            seal.extracting(4 + rootSeal.lowerBound..<4 + rootSeal.upperBound),
            claim: RISCZeroClaim(imageID: setBuilder, journal: journal.span))
    }

    /// The ABI's encoding of `(bytes32[] path, bytes rootSeal)`, of which only the canonical one is
    /// taken: parts in their order, without gaps, padded with zeros.
    static func decode(
        _ bytes: Span<UInt8>
    ) throws(RISCZeroFault) -> (path: [Bytes32], rootSeal: Range<Int>) {
        func word(_ offset: Int) throws(RISCZeroFault) -> Int {
            guard offset + 32 <= bytes.count else {
                throw .size(found: bytes.count, expected: offset + 32)
            }
            for index in offset..<offset + 28 where bytes[index] != 0 {
                throw .encoding(offset: offset)
            }
            return Int(bytes.loadBigEndian(UInt32.self, at: offset + 28))
        }
        guard try word(0) == 32 else { throw .encoding(offset: 0) }
        guard try word(32) == 64 else { throw .encoding(offset: 32) }
        let count = try word(96)
        guard count <= pathLengthMax else {
            throw .pathLength(found: count, limit: pathLengthMax)
        }
        let end = 128 + 32 * count
        guard try word(64) == end - 32 else { throw .encoding(offset: 64) }
        let size = try word(end)
        guard size == RISCZeroKey.sealSize else {
            throw .size(found: size, expected: RISCZeroKey.sealSize)
        }
        let start = end + 32
        let padded = start + (size + 31) / 32 * 32
        guard bytes.count == padded else { throw .size(found: bytes.count, expected: padded) }
        for index in start + size..<padded where bytes[index] != 0 {
            throw .encoding(offset: index)
        }
        var path: [Bytes32] = []
        for index in 0..<count {
            let offset = 128 + 32 * index
            path.append(Bytes32(bytes.extracting(offset..<offset + 32)) ?? .zero)
        }
        return (path, start..<start + size)
    }
}
