public import Codec

/// How a body is cut: its size, and the size of each chunk but the last.
///
/// A value is always one that a body can have: 1 to 1,024 chunks, the last at least one byte.
public struct BodyShape: Hashable, Sendable {
    /// Most chunks of a body: the limit of the list whose root names it.
    public static let chunkCountMax = 1024
    /// Largest chunk, in bytes. No message may be above 1 MiB (design, row 11), and a quarter of it
    /// lets urgent messages pass between two chunks on a slow link.
    public static let chunkSizeMax = 256 * 1024
    /// Smallest chunk size, in bytes: below it proofs outweigh the data.
    public static let chunkSizeMin = 1024

    /// In bytes, at least 1.
    public let size: Int
    /// In bytes, within ``chunkSizeMin`` to ``chunkSizeMax``.
    public let chunkSize: Int

    /// Nil when no body has this shape.
    public init?(size: UInt64, chunkSize: UInt32) {
        guard (Self.chunkSizeMin...Self.chunkSizeMax).contains(Int(chunkSize)) else { return nil }
        guard size >= 1, size <= UInt64(Int(chunkSize) * Self.chunkCountMax) else { return nil }
        self.size = Int(size)
        self.chunkSize = Int(chunkSize)
    }

    public var chunkCount: Int { (size + chunkSize - 1) / chunkSize }

    /// Where chunk `index` lies in the body.
    ///
    /// - Precondition: `index` is in `0..<chunkCount`.
    public func range(of index: Int) -> Range<Int> {
        precondition(index >= 0 && index < chunkCount, "chunk \(index) of \(chunkCount)")
        return index * chunkSize..<min(size, (index + 1) * chunkSize)
    }

    /// Size of chunk `index` in bytes.
    public func size(of index: Int) -> Int { range(of: index).count }
}

/// Which chunks of a body somebody holds: one bit for each.
public typealias ChunkBitmap = SSZBitlist<1024>

extension ChunkBitmap {
    /// All `count` bits set to `value`.
    ///
    /// - Precondition: `count` is in `0...1024`.
    public init(repeating value: Bool, count: Int) {
        guard var bits = ChunkBitmap(count: count) else {
            preconditionFailure("a bitmap of \(count) chunks")
        }
        if value { for index in 0..<count { bits[index] = true } }
        self = bits
    }

    public var isFull: Bool { setCount == count }
    public var isEmpty: Bool { setCount == 0 }
}
