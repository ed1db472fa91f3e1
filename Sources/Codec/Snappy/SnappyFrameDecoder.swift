import ChoraleBase

/// Reads Snappy's framing format as it arrives.
///
///     ┌────────────┬───────┬───────────────┬───┬───────┬───
///     │ identifier │ chunk │ chunk         │ … │ chunk │
///     └────────────┴───────┴───────────────┴───┴───────┴───
///      ff 06 00 00  type 1 B, length 3 B little-endian, then checksum 4 B and data
///      sNaPpY
///
/// The framing has no end of its own: whoever knows the length of the data stops when it is there.
/// Data is delivered by whole chunks only, each after its checksum agreed.
///
///     while data.count < size, try decoder.next(in: piece, from: &offset, into: &data) {}
///
/// Memory: one unfinished chunk, at most 76,494 bytes, growing with what arrived.
///
/// Specification: google/snappy `framing_format.txt`.
public struct SnappyFrameDecoder: Sendable {
    public struct Limits: Hashable, Sendable {
        /// Most data delivered over the whole stream, in bytes.
        public var dataSizeMax: Int
        /// Most bytes taken from the stream, identifier, checksums and padding included.
        ///
        /// Without it, padding and empty chunks would let a stream go on for ever.
        public var inputSizeMax: Int

        public init(dataSizeMax: Int, inputSizeMax: Int) {
            precondition(dataSizeMax >= 0 && inputSizeMax >= 0, "negative limits")
            self.dataSizeMax = dataSizeMax
            self.inputSizeMax = inputSizeMax
        }

        /// For data whose length is known: Ethereum's rule that a reader takes no more than
        /// `32 + n + n/6` bytes for `n` bytes of data.
        public init(dataSize: Int) {
            self.init(dataSizeMax: dataSize, inputSizeMax: Snappy.encodedSizeMax(dataSize))
        }
    }

    /// Most data in one chunk, in bytes.
    public static let chunkDataSizeMax = 65_536

    private enum State: Sendable {
        case header
        case chunk(type: UInt8, size: Int)
        case skipping(left: Int)
        case refused(SnappyError)
    }

    private let limits: Limits
    private var state: State = .header
    private var identified = false
    /// What has arrived of the header or chunk that the state names.
    private var buffer: [UInt8] = []

    /// Data delivered so far, in bytes.
    public private(set) var dataSize = 0
    /// Bytes taken from the stream so far.
    public private(set) var inputSize = 0

    public init(limits: Limits) { self.limits = limits }

    /// Memory held for an unfinished chunk, in bytes.
    public var bufferedSize: Int { buffer.count }

    /// Takes bytes up to the end of the next chunk.
    ///
    /// - Parameters:
    ///   - input: the piece of the stream that arrived.
    ///   - offset: first byte of the piece not yet taken; advanced by what is taken.
    ///   - output: gets the chunk's data appended. Unchanged when the chunk is refused.
    /// - Returns: whether a chunk ended, possibly one without data; false when the piece is used up.
    /// - Throws: the same error again if called after an error.
    public mutating func next(
        in input: Span<UInt8>,
        from offset: inout Int,
        into output: inout [UInt8]
    ) throws(SnappyError) -> Bool {
        if case .refused(let error) = state { throw error }
        do throws(SnappyError) {
            return try advance(in: input, from: &offset, into: &output)
        } catch {
            state = .refused(error)
            buffer = []
            throw error
        }
    }

    /// Says that the stream ended.
    ///
    /// - Throws: ``SnappyError/endedInsideChunk`` unless the identifier came and every chunk is
    ///   whole, or the error that refused the stream before.
    public func end() throws(SnappyError) {
        switch state {
        case .refused(let error): throw error
        case .header:
            guard identified, buffer.isEmpty else { throw .endedInsideChunk }
        case .chunk, .skipping: throw .endedInsideChunk
        }
    }

    private mutating func advance(
        in input: Span<UInt8>,
        from offset: inout Int,
        into output: inout [UInt8]
    ) throws(SnappyError) -> Bool {
        precondition(offset >= 0 && offset <= input.count, "offset outside the input")
        while true {
            switch state {
            case .header:
                let headerSize = 4
                guard let range = try take(headerSize, in: input, from: &offset) else {
                    return false
                }
                if range.isEmpty {
                    let header = buffer.span.loadLittleEndian(UInt32.self, at: 0)
                    buffer.removeAll(keepingCapacity: true)
                    try begin(header)
                } else {
                    try begin(input.loadLittleEndian(UInt32.self, at: range.lowerBound))
                }
            case .chunk(let type, let size):
                guard let range = try take(size, in: input, from: &offset) else { return false }
                state = .header
                guard range.isEmpty else {
                    try finish(type, input.extracting(range), into: &output)
                    return true
                }
                // Taken out and put back, so that its memory serves the next chunk.
                var gathered: [UInt8] = []
                swap(&gathered, &buffer)
                try finish(type, gathered.span, into: &output)
                gathered.removeAll(keepingCapacity: true)
                swap(&gathered, &buffer)
                return true
            case .skipping(let left):
                let count = min(left, input.count - offset)
                try account(count)
                offset += count
                guard count == left else {
                    state = .skipping(left: left - count)
                    return false
                }
                state = .header
                return true
            case .refused(let error):
                throw error
            }
        }
    }

    /// Gathers `size` bytes, more than none: their range if they lie in `input`, an empty range if
    /// they are in the buffer, nil if they have not all come.
    private mutating func take(
        _ size: Int,
        in input: Span<UInt8>,
        from offset: inout Int
    ) throws(SnappyError) -> Range<Int>? {
        let count = min(size - buffer.count, input.count - offset)
        try account(count)
        let start = offset
        offset += count
        if count == size { return start..<offset }
        buffer.append(contentsOf: input.extracting(start..<offset))
        return buffer.count == size ? offset..<offset : nil
    }

    private mutating func account(_ count: Int) throws(SnappyError) {
        guard count <= limits.inputSizeMax - inputSize else {
            throw .inputTooLarge(limit: limits.inputSizeMax)
        }
        inputSize += count
    }

    /// A chunk's header is complete. The chunk's claimed size is checked here, before it is waited for.
    private mutating func begin(_ header: UInt32) throws(SnappyError) {
        let type = UInt8(truncatingIfNeeded: header)
        let size = Int(header >> 8)
        guard identified || type == Chunk.identifier else { throw .identifierWrong }
        switch type {
        case Chunk.identifier:
            guard size == Chunk.identifierText.count else { throw .identifierWrong }
        case Chunk.compressed, Chunk.uncompressed:
            guard size >= Chunk.checksumSize else { throw .chunkTooShort(size) }
            let limit =
                Chunk.checksumSize
                + (type == Chunk.uncompressed
                    ? Self.chunkDataSizeMax : Snappy.encodedSizeMax(Self.chunkDataSizeMax))
            guard size <= limit else { throw .chunkTooLong(size: size, limit: limit) }
        case 0x02...0x7F:
            throw .chunkTypeUnknown(type)
        default:
            state = .skipping(left: size)
            return
        }
        guard size <= limits.inputSizeMax - inputSize else {
            throw .inputTooLarge(limit: limits.inputSizeMax)
        }
        state = .chunk(type: type, size: size)
    }

    /// A chunk is complete.
    private mutating func finish(
        _ type: UInt8,
        _ chunk: Span<UInt8>,
        into output: inout [UInt8]
    ) throws(SnappyError) {
        if type == Chunk.identifier {
            for index in chunk.indices where chunk[index] != Chunk.identifierText[index] {
                throw .identifierWrong
            }
            identified = true
            return
        }

        let start = output.count
        let data = chunk.extracting(Chunk.checksumSize..<chunk.count)
        let left = limits.dataSizeMax - dataSize
        if type == Chunk.compressed {
            try Snappy.decode(
                data, sizeMax: min(Self.chunkDataSizeMax, left), appendingTo: &output)
        } else {
            guard data.count <= left else { throw .tooLarge(claimed: data.count, limit: left) }
            output.append(contentsOf: data)
        }
        let expected = chunk.loadLittleEndian(UInt32.self, at: 0)
        let found = CRC32C.masked(output.span.extracting(start..<output.count))
        guard found == expected else {
            output.removeLast(output.count - start)
            throw .checksumWrong(found: found, expected: expected)
        }
        dataSize += output.count - start
    }

    /// Names of the framing format.
    enum Chunk {
        static let compressed: UInt8 = 0x00
        static let uncompressed: UInt8 = 0x01
        static let identifier: UInt8 = 0xFF
        static let checksumSize = 4
        /// `sNaPpY`
        static let identifierText: [6 of UInt8] = [0x73, 0x4E, 0x61, 0x50, 0x70, 0x59]
    }
}
