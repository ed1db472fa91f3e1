public import ChoraleBase
import Codec

/// One entry of a transaction's logs.
public struct Log: Hashable, Sendable {
    public var address: Address
    /// Up to four.
    public var topics: [Bytes32]
    public var data: [UInt8]

    public init(address: Address, topics: [Bytes32], data: [UInt8]) {
        self.address = address
        self.topics = topics
        self.data = data
    }

    /// As a receipt holds it.
    func write(to writer: inout RLPWriter) {
        let list = writer.beginList()
        writer.address(address)
        let topicList = writer.beginList()
        for topic in topics { writer.digest(topic) }
        writer.endList(topicList)
        writer.bytes(data)
        writer.endList(list)
    }

    /// The list of logs in RLP.
    public static func encoded(_ logs: [Log]) -> [UInt8] {
        var writer = RLPWriter()
        let list = writer.beginList()
        for log in logs { log.write(to: &writer) }
        writer.endList(list)
        return writer.bytes
    }
}

/// The logs of a transaction that runs, without an allocation for each.
struct LogArena: ~Copyable {
    private struct Entry: BitwiseCopyable {
        let address: UInt256
        let topics: Int
        let topicCount: Int
        let data: Int
        let dataSize: Int
    }

    /// How much was there at some moment.
    struct Mark: BitwiseCopyable {
        fileprivate let entries: Int
        fileprivate let topics: Int
        fileprivate let data: Int
    }

    private var entries = Arena<Entry>(capacity: 64)
    private var topics = Arena<UInt256>(capacity: 256)
    private var data = Arena<UInt8>(capacity: 4096)

    @inline(__always)
    var mark: Mark { Mark(entries: entries.count, topics: topics.count, data: data.count) }

    @inline(__always)
    mutating func truncate(to mark: Mark) {
        entries.truncate(to: mark.entries)
        topics.truncate(to: mark.topics)
        data.truncate(to: mark.data)
    }

    /// Adds a log whose topics are the `topicCount` words below the two on top of the stack.
    mutating func append(
        address: UInt256, _ stack: StackCursor, topicCount: Int, data bytes: Span<UInt8>
    ) {
        entries.append(
            Entry(
                address: address, topics: topics.count, topicCount: topicCount, data: data.count,
                dataSize: bytes.count))
        for index in 0..<topicCount { topics.append(stack[2 + index]) }
        data.append(contentsOf: bytes)
    }

    /// Takes all logs out.
    mutating func take() -> [Log] {
        var logs: [Log] = []
        logs.reserveCapacity(entries.count)
        for index in 0..<entries.count {
            let entry = entries[index]
            logs.append(
                Log(
                    address: Address(entry.address),
                    topics: (0..<entry.topicCount).map { topics[entry.topics + $0].bytes32 },
                    data: data.withSpan(entry.data..<entry.data + entry.dataSize) { $0.copied() }))
        }
        truncate(to: Mark(entries: 0, topics: 0, data: 0))
        return logs
    }
}
