public import ChoraleBase

/// Keccak-256 as Ethereum uses it: rate 136 bytes, padding byte `0x01`.
///
/// Not SHA3-256, which pads with `0x06`. None of the C libraries here has it, and this code runs at
/// the speed of a C compiler's.
///
/// Specification: the Keccak reference, version 3.0.
public enum Keccak256 {
    /// Size of a digest, in bytes.
    public static let digestSize = 32
    /// Bytes absorbed for each permutation.
    public static let rate = 136

    /// The digest of `bytes`.
    ///
    /// - Complexity: one permutation for each started 136 bytes. No allocation.
    public static func hash(_ bytes: Span<UInt8>) -> Bytes32 {
        var hasher = Hasher()
        hasher.update(bytes)
        return hasher.finish()
    }

    /// The digest of `bytes`.
    public static func hash(_ bytes: [UInt8]) -> Bytes32 { hash(bytes.span) }

    /// A digest in progress. A copy continues independently.
    public struct Hasher: Sendable {
        private var lanes: [25 of UInt64] = .init(repeating: 0)
        /// Bytes already absorbed into the current block, below ``Keccak256/rate``.
        private var filled = 0

        public init() {}

        public mutating func update(_ bytes: Span<UInt8>) {
            var offset = 0
            while offset < bytes.count {
                if filled == 0 && bytes.count - offset >= Keccak256.rate {
                    absorbBlock(bytes, at: offset)
                    offset += Keccak256.rate
                } else if filled % 8 == 0 && bytes.count - offset >= 8 {
                    lanes[filled / 8] ^= bytes.lane(at: offset)
                    offset += 8
                    advance(by: 8)
                } else {
                    lanes[filled / 8] ^= UInt64(bytes[offset]) << UInt64(8 * (filled % 8))
                    offset += 1
                    advance(by: 1)
                }
            }
        }

        public mutating func update(_ bytes: [UInt8]) { update(bytes.span) }

        public mutating func update(_ bytes: Bytes32) { update(bytes.storage.span) }

        /// The digest of everything so far. The hasher is then as new.
        public mutating func finish() -> Bytes32 {
            lanes[filled / 8] ^= 1 << UInt64(8 * (filled % 8))
            lanes[Keccak256.rate / 8 - 1] ^= 1 << 63
            Keccak256.permute(&lanes)
            var digest = Bytes32.zero
            for index in 0..<4 {
                for byte in 0..<8 {
                    digest.storage[8 * index + byte] =
                        UInt8(truncatingIfNeeded: lanes[index] >> UInt64(8 * byte))
                }
            }
            self = Hasher()
            return digest
        }

        private mutating func advance(by count: Int) {
            filled += count
            guard filled == Keccak256.rate else { return }
            Keccak256.permute(&lanes)
            filled = 0
        }

        private mutating func absorbBlock(_ bytes: Span<UInt8>, at offset: Int) {
            for index in 0..<(Keccak256.rate / 8) {
                lanes[index] ^= bytes.lane(at: offset + 8 * index)
            }
            Keccak256.permute(&lanes)
        }
    }
}

extension Span<UInt8> {
    /// Eight bytes as a little-endian lane.
    @inline(__always)
    fileprivate func lane(at offset: Int) -> UInt64 {
        let bytes = borrowed
        precondition(offset >= 0 && offset <= bytes.count - 8, "a lane beyond the input")
        return UInt64(
            littleEndian: UnsafeRawPointer(bytes.baseAddress!).loadUnaligned(
                fromByteOffset: offset, as: UInt64.self))
    }
}
