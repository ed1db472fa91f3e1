import CCRC32C
import ChoraleBase

/// CRC-32 with Castagnoli's polynomial, as iSCSI, Snappy and RocksDB use it.
///
/// By the processor's own instruction where it has one (x86-64 with SSE 4.2, ARM with CRC), else eight
/// bytes a step through eight tables: about 2 GB/s on one core of an EPYC, which would make it half the
/// cost of a frame of noise.
///
/// Specification: RFC 3720, appendix B.4; masking: google/snappy `framing_format.txt`, section 3.
public enum CRC32C {
    /// The checksum of `bytes`.
    public static func checksum(_ bytes: Span<UInt8>) -> UInt32 {
        guard crc32c_is_native() != 0 else { return checksumByTable(bytes) }
        // Sound: the pointer lives through the call only, and its size goes with it.
        return unsafe bytes.withUnsafeBufferPointer { buffer in
            guard let base = buffer.baseAddress else { return 0 }
            return unsafe ~crc32c_native(~0, base, buffer.count)
        }
    }

    /// The same without the instruction.
    static func checksumByTable(_ bytes: Span<UInt8>) -> UInt32 {
        let tables = tables.span
        var crc = ~UInt32(0)
        var index = 0
        while bytes.count - index >= 8 {
            // Byte by byte: ChoraleBase's generic load is not specialised across modules, which made
            // this loop a hundred times slower (15 MB/s instead of 2 GB/s).
            crc =
                tables[1792 + Int(bytes[index] ^ UInt8(truncatingIfNeeded: crc))]
                ^ tables[1536 + Int(bytes[index + 1] ^ UInt8(truncatingIfNeeded: crc >> 8))]
                ^ tables[1280 + Int(bytes[index + 2] ^ UInt8(truncatingIfNeeded: crc >> 16))]
                ^ tables[1024 + Int(bytes[index + 3] ^ UInt8(truncatingIfNeeded: crc >> 24))]
                ^ tables[768 + Int(bytes[index + 4])]
                ^ tables[512 + Int(bytes[index + 5])]
                ^ tables[256 + Int(bytes[index + 6])]
                ^ tables[Int(bytes[index + 7])]
            index += 8
        }
        while index < bytes.count {
            crc = tables[Int(UInt8(truncatingIfNeeded: crc) ^ bytes[index])] ^ (crc >> 8)
            index += 1
        }
        return ~crc
    }

    /// The checksum as Snappy's framing stores it.
    ///
    /// Masked, because the checksum of data that contains checksums is weak.
    public static func masked(_ bytes: Span<UInt8>) -> UInt32 {
        let crc = checksum(bytes)
        return (crc >> 15 | crc << 17) &+ 0xA282_EAD8
    }

    /// Eight tables of 256: table `n` advances a byte over `n` further zero bytes.
    private static let tables: [UInt32] = {
        var tables = [UInt32](repeating: 0, count: 8 * 256)
        for byte in 0..<256 {
            var crc = UInt32(byte)
            for _ in 0..<8 { crc = crc & 1 == 1 ? crc >> 1 ^ 0x82F6_3B78 : crc >> 1 }
            tables[byte] = crc
        }
        for index in 256..<tables.count {
            let previous = tables[index - 256]
            tables[index] = tables[Int(previous & 0xFF)] ^ (previous >> 8)
        }
        return tables
    }()
}
