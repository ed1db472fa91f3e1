import ChoraleBase
import Codec
import Crypto

/// What a block records of a transaction.
public struct Receipt: Hashable, Sendable {
    public var kind: Transaction.Kind
    public var succeeded: Bool
    /// Gas of this transaction and those before it in the block.
    public var cumulativeGasUsed: UInt64
    public var logs: [Log]

    public init(
        kind: Transaction.Kind, succeeded: Bool, cumulativeGasUsed: UInt64, logs: [Log]
    ) {
        self.kind = kind
        self.succeeded = succeeded
        self.cumulativeGasUsed = cumulativeGasUsed
        self.logs = logs
    }

    /// As the receipts' trie holds it (EIP-658, 2718).
    public var encoded: [UInt8] { encoded(Bloom(logs)) }

    func encoded(_ bloom: Bloom) -> [UInt8] {
        var writer = RLPWriter(appendingTo: kind == .legacy ? [] : [kind.rawValue])
        let list = writer.beginList()
        writer.integer(succeeded ? 1 : 0)
        writer.integer(cumulativeGasUsed)
        writer.bytes(bloom.bytes)
        let logList = writer.beginList()
        for log in logs { log.write(to: &writer) }
        writer.endList(logList)
        writer.endList(list)
        return writer.bytes
    }
}

/// Whether addresses and topics may be among those of some logs.
///
/// Specification: yellow paper 4.4.1.
public struct Bloom: Hashable, Sendable {
    /// 256 bytes.
    public private(set) var bytes = [UInt8](repeating: 0, count: Header.bloomSize)

    public init(_ logs: [Log] = []) {
        for log in logs {
            insert(log.address.storage.span)
            for topic in log.topics { insert(topic.storage.span) }
        }
    }

    mutating func insert(_ item: Span<UInt8>) {
        let hash = Keccak256.hash(item)
        for index in stride(from: 0, to: 6, by: 2) {
            let bit = (Int(hash[index]) << 8 | Int(hash[index + 1])) & 2047
            bytes[255 - bit / 8] |= 1 << UInt8(bit % 8)
        }
    }

    mutating func formUnion(_ other: Bloom) {
        for index in bytes.indices { bytes[index] |= other.bytes[index] }
    }
}
