import ChoraleBase
import Crypto
import Curves

/// Hashing to a field, as gnark does where a circuit commits.
///
/// Specification: RFC 9380, sections 5.2 and 5.3.1, with SHA-256 and 48 bytes for one element.
enum HashToField {
    /// One element: 48 bytes of `expand_message_xmd`, reduced.
    static func scalar<Order: ScalarOrder>(
        _ message: [UInt8], domain: String
    ) -> Scalar<Order> {
        let bytes = expand(message, domain: [UInt8](domain.utf8), size: 48)
        return Scalar(reducing: bytes.span)
    }

    /// `expand_message_xmd` with SHA-256.
    ///
    /// - Precondition: a domain of at most 255 bytes, a size of at most 255 digests.
    static func expand(_ message: [UInt8], domain: [UInt8], size: Int) -> [UInt8] {
        let count = (size + SHA256.digestSize - 1) / SHA256.digestSize
        precondition(domain.count <= 255 && count <= 255, "beyond what the counters hold")
        let tail = domain + [UInt8(domain.count)]
        var hasher = SHA256.Hasher()
        hasher.update([UInt8](repeating: 0, count: SHA256.blockSize))
        hasher.update(message)
        hasher.update([UInt8(size >> 8), UInt8(size & 0xFF), 0] + tail)
        let first = hasher.finish().bytes
        var block = [UInt8](repeating: 0, count: SHA256.digestSize)
        var bytes: [UInt8] = []
        for index in 1...count {
            hasher.update(zip(first, block).map { $0 ^ $1 } + [UInt8(index)] + tail)
            block = hasher.finish().bytes
            bytes += block
        }
        return Array(bytes.prefix(size))
    }
}
