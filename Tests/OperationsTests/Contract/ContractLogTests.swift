import ChoraleBase
import Codec
import Testing

@testable import Operations

@Suite struct ContractLogTests {
    static let logs: [ContractLog] = [
        Fixture.log(Fixture.request()), Fixture.log(Fixture.registration(1)), Fixture.exit(1),
        ContractLog(topics: [OperationsContract.Topic.expired, .zero], data: []),
        ContractLog(
            topics: [OperationsContract.Topic.owed, Fixture.word(Fixture.address(1))],
            data: ABIWord.encode(5)),
        Fixture.log(
            Settlement(
                operation: .zero, outputHash: .zero, outputSize: 1, price: 5,
                executor: Fixture.address(1), committers: [])),
    ]

    @Test(arguments: logs.indices) func refusesOtherSizes(index: Int) throws {
        let log = Self.logs[index]
        _ = try ContractEvent(log)
        for size in Set([0, log.data.count - 1, log.data.count + 1, log.data.count + 32])
        where size != log.data.count && size >= 0 {
            let data = Array((log.data + [UInt8](repeating: 0, count: 32)).prefix(size))
            #expect(throws: ContractLogError.dataSize(size, expected: log.data.count)) {
                try ContractEvent(ContractLog(topics: log.topics, data: data))
            }
        }
        for topics in [Array(log.topics.dropLast()), log.topics + [.zero]] {
            #expect(
                throws: ContractLogError.topicCount(topics.count, expected: log.topics.count)
            ) { try ContractEvent(ContractLog(topics: topics, data: log.data)) }
        }
        #expect(throws: ContractLogError.unknownTopic(.zero)) {
            try ContractEvent(
                ContractLog(topics: [.zero] + log.topics.dropFirst(), data: log.data))
        }
        #expect(throws: ContractLogError.topicCount(5, expected: 4)) {
            try ContractEvent(
                ContractLog(topics: [Bytes32](repeating: .zero, count: 5), data: log.data))
        }
    }

    /// A bit on the left of a number, or above what the contract takes.
    static let words: [(log: Int, word: Int, byte: Int, fault: ContractLogError)] = [
        (0, 1, 0, .word(index: 1)), (0, 1, 11, .word(index: 1)), (0, 2, 29, .word(index: 2)),
        (0, 5, 23, .word(index: 5)), (0, 6, 23, .word(index: 6)),
        (0, 6, 25, .invalid("a request against the contract's rules")),
        (0, 7, 15, .word(index: 7)),
        (0, 7, 19, .invalid("a request against the contract's rules")),
        (1, 1, 11, .word(index: 1)), (1, 3, 23, .word(index: 3)), (2, 1, 5, .word(index: 1)),
        (4, 0, 0, .word(index: 0)), (4, 1, 3, .word(index: 1)), (5, 2, 8, .word(index: 2)),
        (5, 3, 15, .word(index: 3)),
    ]

    @Test(arguments: words.indices) func refusesWordsThatDoNotFit(index: Int) {
        let row = Self.words[index]
        let log = Self.logs[row.log]
        var words = log.topics.dropFirst().flatMap(\.bytes) + log.data
        words[32 * row.word + row.byte] |= 1
        let changed = Self.log(log.topics[0], words, topics: log.topics.count)
        #expect(throws: row.fault) { try ContractEvent(changed) }
    }

    /// The log with these words behind its first topic.
    static func log(_ first: Bytes32, _ words: [UInt8], topics count: Int) -> ContractLog {
        let end = 32 * (count - 1)
        let others = stride(from: 0, to: end, by: 32).compactMap { Bytes32(words[$0..<$0 + 32]) }
        return ContractLog(topics: [first] + others, data: Array(words[end...]))
    }

    @Test func readsWhatItSays() throws {
        #expect(try ContractEvent(Self.logs[0]) == .requested(Fixture.request()))
        #expect(try ContractEvent(Self.logs[1]) == .executorRegistered(Fixture.registration(1)))
        #expect(
            try ContractEvent(Self.logs[2])
                == .executorExit(key: Fixture.key(1), from: Fixture.address(101)))
        #expect(try ContractEvent(Self.logs[3]) == .expired(.zero))
        #expect(try ContractEvent(Self.logs[4]) == .owed(Fixture.address(1), amount: 5))
        #expect(
            throws: ContractLogError.invalid("a registration against the contract's rules")
        ) {
            try ContractEvent(Fixture.log(Fixture.registration(1, gwei: 999_999_999)))
        }
    }

    @Test func whatIsReadIsWrittenAlike() throws {
        for log in Self.logs {
            let event = try ContractEvent(log)
            #expect(event.log == log)
        }
    }
}
