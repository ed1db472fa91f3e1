import CZlib

/// Files packed with gzip.
///
/// Specification: RFC 1952; several members one after the other are one text, as `gzip` has it.
public enum Gzip {
    public enum DecodeError: Error, Hashable, Sendable {
        /// The bytes are not gzip, or their checksum is not that of what they hold.
        case malformed(offset: Int)
        /// They end in the middle.
        case truncated
        /// What they hold is larger.
        case tooLarge(limit: Int)
    }

    /// Whether the bytes begin as gzip does.
    public static func isPacked(_ bytes: [UInt8]) -> Bool { bytes.starts(with: [0x1F, 0x8B]) }

    /// What was packed.
    ///
    /// - Parameter sizeMax: of what was packed, in bytes: ten kilobytes of gzip can hold ten megabytes.
    public static func unpacked(
        _ packed: [UInt8], sizeMax: Int
    ) throws(DecodeError) -> [UInt8] {
        var stream = unsafe z_stream()
        let version = ZLIB_VERSION
        // 15 bits of window, and 16 more: only gzip, checksums checked.
        let status = unsafe inflateInit2_(
            &stream, 15 + 16, version, Int32(MemoryLayout<z_stream>.size))
        precondition(status == Z_OK, "zlib has no memory or is not the one compiled against")
        defer { _ = unsafe inflateEnd(&stream) }

        var output: [UInt8] = []
        var input = 0
        var chunk = [UInt8](repeating: 0, count: 256 << 10)
        while true {
            // zlib counts in 32 bits.
            let count = min(packed.count - input, 1 << 30)
            var written = 0
            var status = Z_OK
            // Sound: both pointers live through the call only, and zlib is told the sizes.
            unsafe packed.withUnsafeBufferPointer { packed in
                unsafe chunk.withUnsafeMutableBufferPointer { chunk in
                    unsafe stream.next_in = packed.baseAddress.map {
                        unsafe UnsafeMutablePointer(mutating: $0 + input)
                    }
                    unsafe stream.avail_in = UInt32(count)
                    unsafe stream.next_out = chunk.baseAddress
                    unsafe stream.avail_out = UInt32(chunk.count)
                    status = unsafe inflate(&stream, Z_NO_FLUSH)
                    written = unsafe chunk.count - Int(stream.avail_out)
                }
            }
            input += unsafe count - Int(stream.avail_in)
            guard output.count + written <= sizeMax else { throw .tooLarge(limit: sizeMax) }
            output.append(contentsOf: chunk[..<written])
            switch status {
            case Z_STREAM_END:
                guard input < packed.count else { return output }
                _ = unsafe inflateReset(&stream)
            case Z_OK: break
            case Z_BUF_ERROR: throw .truncated
            default: throw .malformed(offset: input)
            }
        }
    }
}

extension Gzip.DecodeError: CustomStringConvertible {
    public var description: String {
        switch self {
        case .malformed(let offset): "damaged gzip at byte \(offset)"
        case .truncated: "gzip that ends too early"
        case .tooLarge(let limit): "gzip that holds more than \(limit) bytes"
        }
    }
}
