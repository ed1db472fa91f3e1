import ChoraleBase
import Codec
import Crypto

/// Message identifiers that are hashes of the payload.
enum MessageIDs {
    /// Size of an identifier, in bytes.
    static let snappyDomainSize = 20

    /// See ``Gossipsub/MessageIDFunction/snappyDomain(includesTopic:)``.
    static func snappyDomain(
        _ data: Span<UInt8>,
        topic: [UInt8]?,
        uncompressedSizeMax: Int
    ) -> [UInt8] {
        var hasher = SHA256.Hasher()
        let plain = try? Snappy.decode(data, sizeMax: uncompressedSizeMax)
        hasher.update(plain == nil ? [0, 0, 0, 0] : [1, 0, 0, 0])
        if let topic {
            var size: [UInt8] = []
            size.appendLittleEndian(UInt64(topic.count))
            hasher.update(size)
            hasher.update(topic)
        }
        if let plain { hasher.update(plain) } else { hasher.update(data) }
        return Array(hasher.finish().bytes.prefix(snappyDomainSize))
    }
}
