/// Why Snappy bytes were refused. Every case is their author's fault.
public enum SnappyError: Error, Hashable, Sendable {
    /// The block claims to hold more than its reader allows, in bytes.
    case tooLarge(claimed: Int, limit: Int)
    /// A block does not decode to the length it claims, or claims a length no block could have.
    case blockDamaged
    /// The framed stream does not begin with the identifier chunk, or repeats it wrongly.
    case identifierWrong
    /// A chunk type that its reader must know (02 to 7f) and nobody does.
    case chunkTypeUnknown(UInt8)
    /// A chunk too short for its checksum.
    case chunkTooShort(Int)
    /// A chunk that could not hold 65,536 bytes or fewer, by its claimed length.
    case chunkTooLong(size: Int, limit: Int)
    /// The chunk's bytes have another checksum than the chunk says.
    case checksumWrong(found: UInt32, expected: UInt32)
    /// The stream took more bytes than honest framing of the allowed data takes.
    case inputTooLarge(limit: Int)
    /// The stream ended inside a chunk or before the identifier.
    case endedInsideChunk
}

/// The Snappy block format.
///
/// Gossip messages are one block each; the framing format is ``SnappyFrameDecoder``.
///
/// Specification: google/snappy `format_description.txt`.
public enum Snappy {
    /// The largest possible block for `size` bytes of data: 32 + n + n/6, in bytes.
    ///
    /// Also the `max_encoded_len` of Ethereum's req/resp, which bounds a framed stream.
    ///
    /// - Precondition: `size` is in `0...2^62`.
    @inlinable
    public static func encodedSizeMax(_ size: Int) -> Int {
        precondition(size >= 0 && size <= 1 << 62, "a size of \(size)")
        return 32 + size + size / 6
    }

    /// The length a block claims, in bytes, or nil when it does not begin with one.
    ///
    /// - Complexity: O(1).
    public static func claimedSize(_ block: Span<UInt8>) -> Int? {
        var size: UInt64 = 0
        for index in 0..<min(5, block.count) {
            let byte = block[index]
            size |= UInt64(byte & 0x7F) << UInt64(7 * index)
            if byte < 0x80 { return size <= UInt64(UInt32.max) ? Int(size) : nil }
        }
        return nil
    }

    /// Decodes one block.
    ///
    /// - Parameter sizeMax: most bytes accepted after decoding. Checked against the claim before
    ///   anything is allocated, and so is whether a block of this size could hold that much.
    /// - Throws: ``SnappyError/tooLarge(claimed:limit:)`` or ``SnappyError/blockDamaged``.
    public static func decode(
        _ block: Span<UInt8>,
        sizeMax: Int
    ) throws(SnappyError) -> [UInt8] {
        var data: [UInt8] = []
        try decode(block, sizeMax: sizeMax, appendingTo: &data)
        return data
    }

    /// Encodes `data` as one block.
    ///
    /// - Precondition: at most 4 GiB - 1 bytes.
    public static func encode(_ data: Span<UInt8>) -> [UInt8] {
        var block: [UInt8] = []
        append(encoding: data, to: &block)
        return block
    }

    /// As ``decode(_:sizeMax:)``, but behind what `output` holds. On error `output` is unchanged.
    static func decode(
        _ block: Span<UInt8>,
        sizeMax: Int,
        appendingTo output: inout [UInt8]
    ) throws(SnappyError) {
        guard let claimed = claimedSize(block) else { throw .blockDamaged }
        guard claimed <= sizeMax else { throw .tooLarge(claimed: claimed, limit: sizeMax) }
        // No element yields more than 64 bytes from three (a copy with a two-byte offset), so a
        // block of a few bytes cannot make its reader allocate the limit.
        guard claimed / 22 <= block.count else { throw .blockDamaged }

        let start = output.count
        output.append(contentsOf: repeatElement(0, count: claimed))
        guard LibSnappy.decode(block, into: &output, at: start, size: claimed) else {
            output.removeLast(claimed)
            throw .blockDamaged
        }
    }

    /// Appends the encoding of `data` and gives its size.
    @discardableResult
    static func append(encoding data: Span<UInt8>, to output: inout [UInt8]) -> Int {
        precondition(data.count <= Int(UInt32.max), "a block holds less than 4 GiB")
        let start = output.count
        output.append(addingCapacity: encodedSizeMax(data.count)) { room in
            LibSnappy.encode(data, into: &room)
        }
        return output.count - start
    }
}
