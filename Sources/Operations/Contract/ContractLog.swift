public import ChoraleBase

/// A log of the operations contract as a block's execution leaves it.
public struct ContractLog: Hashable, Sendable {
    /// At most four.
    public let topics: [Bytes32]
    public let data: [UInt8]

    public init(topics: [Bytes32], data: [UInt8]) {
        self.topics = topics
        self.data = data
    }
}

/// Why a log is none that the contract writes. Its code never does: what comes is not from it.
public enum ContractLogError: Error, Hashable, Sendable {
    case unknownTopic(Bytes32?)
    case topicCount(Int, expected: Int)
    case dataSize(Int, expected: Int)
    /// A word, counted from the first topic behind the event's name, does not fit its type.
    case word(index: Int)
    /// The parts contradict each other, or the rules of the contract.
    case invalid(String)
}

/// What a log of the operations contract says.
public enum ContractEvent: Hashable, Sendable {
    case requested(OperationRequest)
    case settled(SettledEvent)
    case expired(Bytes32)
    case executorRegistered(ExecutorRegistration)
    case executorExit(key: Bytes32, from: ExecutionAddress)
    /// Somebody did not take a payment, in wei, and may withdraw it.
    case owed(ExecutionAddress, amount: UInt128)

    /// What was settled, and the hash of the words that say who was paid.
    public struct SettledEvent: Hashable, Sendable {
        public let operation: Bytes32
        public let outputHash: Bytes32
        public let outputSize: UInt64
        /// Of whoever sent the settlement, in wei.
        public let reward: UInt128
        public let paymentsHash: Bytes32
    }

    public init(_ log: ContractLog) throws(ContractLogError) {
        var words = try LogWords(log)
        switch log.topics.first {
        case OperationsContract.Topic.requested:
            try words.expect(topics: 2, words: 6)
            self = .requested(try OperationRequest(&words))
        case OperationsContract.Topic.settled:
            try words.expect(topics: 1, words: 4)
            self = .settled(
                SettledEvent(
                    operation: words.next(), outputHash: words.next(),
                    outputSize: try words.number(), reward: try words.number(),
                    paymentsHash: words.next()))
        case OperationsContract.Topic.expired:
            try words.expect(topics: 1, words: 0)
            self = .expired(words.next())
        case OperationsContract.Topic.executorRegistered:
            try words.expect(topics: 2, words: 4)
            self = .executorRegistered(try ExecutorRegistration(&words))
        case OperationsContract.Topic.executorExit:
            try words.expect(topics: 2, words: 0)
            self = .executorExit(key: words.next(), from: try words.address())
        case OperationsContract.Topic.owed:
            try words.expect(topics: 1, words: 1)
            self = .owed(try words.address(), amount: try words.number())
        case let other: throw .unknownTopic(other)
        }
    }
}

/// Hands out the words of a log: its topics but the first, then its data.
struct LogWords {
    private let log: ContractLog
    private var words: [Bytes32] = []
    private var index = 0

    init(_ log: ContractLog) throws(ContractLogError) {
        guard log.topics.count <= 4 else { throw .topicCount(log.topics.count, expected: 4) }
        self.log = log
    }

    /// Checks the size of the whole before anything is read.
    mutating func expect(topics: Int, words count: Int) throws(ContractLogError) {
        guard log.topics.count == 1 + topics else {
            throw .topicCount(log.topics.count, expected: 1 + topics)
        }
        guard log.data.count == 32 * count else {
            throw .dataSize(log.data.count, expected: 32 * count)
        }
        words = Array(log.topics.dropFirst())
        for start in stride(from: 0, to: log.data.count, by: 32) {
            guard let word = Bytes32(log.data[start..<start + 32]) else {
                preconditionFailure("32 bytes")
            }
            words.append(word)
        }
    }

    /// - Precondition: no more often than ``expect(topics:words:)`` allowed.
    mutating func next() -> Bytes32 {
        defer { index += 1 }
        return words[index]
    }

    mutating func number<Number: FixedWidthInteger & UnsignedInteger>(
        _ type: Number.Type = Number.self
    ) throws(ContractLogError) -> Number {
        let position = index
        guard let number = ABIWord.number(next(), type) else { throw .word(index: position) }
        return number
    }

    mutating func address() throws(ContractLogError) -> ExecutionAddress {
        let position = index
        guard let address = ABIWord.address(next()) else { throw .word(index: position) }
        return address
    }
}
