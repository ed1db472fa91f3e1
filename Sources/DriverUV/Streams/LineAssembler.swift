/// Cuts a byte stream into lines.
///
/// A line ends with LF; a CR before it is not part of the line. Empty lines are skipped, so that a
/// person at a terminal may press return.
///
/// Memory: one unfinished line, at most `lineSizeMax` bytes and its end.
package struct LineAssembler: Sendable {
    /// The line grew beyond its limit before it ended.
    package struct LineTooLong: Error, Equatable {}

    let lineSizeMax: Int
    private var partial: [UInt8] = []

    /// Bytes of the unfinished line.
    package var bufferedSize: Int { partial.count }

    package init(lineSizeMax: Int) { self.lineSizeMax = lineSizeMax }

    /// Takes all of `bytes` and appends the lines that they complete to `lines`.
    ///
    /// Lines completed before the one that is too long are appended too.
    package mutating func append(
        _ bytes: Span<UInt8>, to lines: inout [[UInt8]]
    ) throws(LineTooLong) {
        for index in bytes.indices {
            let byte = bytes[index]
            guard byte == UInt8(ascii: "\n") else {
                // One more than the limit, because the last byte may be the CR of the line's end.
                guard partial.count <= lineSizeMax else { throw LineTooLong() }
                partial.append(byte)
                continue
            }
            if partial.last == UInt8(ascii: "\r") { partial.removeLast() }
            guard partial.count <= lineSizeMax else { throw LineTooLong() }
            guard !partial.isEmpty else { continue }
            lines.append(partial)
            // Not `keepingCapacity`: the line now owns the memory.
            partial = []
        }
    }
}
