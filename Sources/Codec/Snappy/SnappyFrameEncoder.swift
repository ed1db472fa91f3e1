import ChoraleBase

/// Writes Snappy's framing format.
///
/// Specification: google/snappy `framing_format.txt`.
public enum SnappyFrameEncoder {
    /// Appends a whole stream: the identifier, then `data` in chunks of 65,536 bytes and a rest.
    ///
    /// A chunk that compression shrinks by less than an eighth is stored as it is: it costs its
    /// reader nothing to decode. The identifier is written even when there is no data.
    public static func append(_ data: Span<UInt8>, to output: inout [UInt8]) {
        typealias Chunk = SnappyFrameDecoder.Chunk
        // At once, or a large stream would be copied as it grows: every chunk has a header, a checksum
        // and its data at most, and compression is tried in more room than the chunk then takes.
        let chunkSizeMax = SnappyFrameDecoder.chunkDataSizeMax
        let chunkCount = (data.count + chunkSizeMax - 1) / chunkSizeMax
        let trialSize = min(data.count, chunkSizeMax)
        let spare = Snappy.encodedSizeMax(trialSize) - trialSize
        let size = output.count + 10 + 8 * chunkCount + data.count + spare
        if output.capacity < size { output.reserveCapacity(size) }
        appendHeader(Chunk.identifier, size: Chunk.identifierText.count, to: &output)
        output.append(contentsOf: Chunk.identifierText.span)

        var start = 0
        while start < data.count {
            let end = min(start + SnappyFrameDecoder.chunkDataSizeMax, data.count)
            append(chunk: data.extracting(start..<end), to: &output)
            start = end
        }
    }

    /// `data` as a whole stream.
    public static func encoded(_ data: Span<UInt8>) -> [UInt8] {
        var output: [UInt8] = []
        append(data, to: &output)
        return output
    }

    private static func append(chunk data: Span<UInt8>, to output: inout [UInt8]) {
        typealias Chunk = SnappyFrameDecoder.Chunk
        let header = output.count
        appendHeader(Chunk.compressed, size: 0, to: &output)
        output.appendLittleEndian(CRC32C.masked(data))
        let body = output.count
        var size = Snappy.append(encoding: data, to: &output)
        if size > data.count - data.count / 8 {
            output.removeLast(size)
            output.append(contentsOf: data)
            output[header] = Chunk.uncompressed
            size = data.count
        }
        assert(output.count == body + size, "the chunk is what was written")
        let chunkSize = Chunk.checksumSize + size
        for index in 0..<3 {
            output[header + 1 + index] = UInt8(truncatingIfNeeded: chunkSize >> (8 * index))
        }
    }

    private static func appendHeader(_ type: UInt8, size: Int, to output: inout [UInt8]) {
        output.append(type)
        for index in 0..<3 { output.append(UInt8(truncatingIfNeeded: size >> (8 * index))) }
    }
}
