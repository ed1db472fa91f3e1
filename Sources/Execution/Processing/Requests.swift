public import ChoraleBase
import Codec
import Crypto

/// What the execution layer asks of the consensus layer (EIP-7685).
public enum ExecutionRequests {
    static let depositType: UInt8 = 0
    static let withdrawalType: UInt8 = 1
    static let consolidationType: UInt8 = 2

    /// The hash in the header.
    ///
    /// - Parameter requests: each its type and then its data, in order of types, none without data.
    public static func hash(_ requests: [[UInt8]]) -> Bytes32 {
        var hasher = SHA256.Hasher()
        for request in requests { hasher.update(SHA256.hash(request)) }
        return hasher.finish()
    }

    /// `DepositEvent(bytes,bytes,bytes,bytes,bytes)`.
    private static let depositTopic = Keccak256.hash(
        Array("DepositEvent(bytes,bytes,bytes,bytes,bytes)".utf8))

    /// What each part of a deposit's log is: where its size stands in the data, and its size.
    ///
    /// Public key, withdrawal credentials, amount, signature, index.
    private static let depositParts: [(offset: Int, size: Int)] = [
        (160, 48), (256, 32), (320, 8), (384, 96), (512, 8),
    ]

    /// Appends the deposit that a log of the deposit contract tells of (EIP-6110).
    ///
    /// Logs of other events are passed over.
    static func appendDeposit(_ log: Log, to output: inout [UInt8]) throws(BlockRejection) {
        guard log.topics.first == depositTopic else { return }
        guard log.data.count == 576 else { throw .depositLayout }
        let data = log.data.span
        func word(at offset: Int) -> Int? {
            UInt256(bigEndian: data.extracting(offset..<offset + 32))?.int
        }
        for (index, part) in depositParts.enumerated() {
            guard word(at: 32 * index) == part.offset, word(at: part.offset) == part.size else {
                throw .depositLayout
            }
            let start = part.offset + 32
            output.append(contentsOf: data.extracting(start..<start + part.size))
        }
    }
}
