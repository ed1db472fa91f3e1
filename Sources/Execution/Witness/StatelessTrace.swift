import ChoraleBase

/// What a stateless execution leaves behind, also when it fails.
final class StatelessTrace {
    /// nil as long as the headers are not known to be good.
    private(set) var state: TrieState<WitnessStore>?
    private(set) var parent: Header?
    private(set) var questions: StateQuestions?

    func watch(_ state: TrieState<WitnessStore>, _ parent: Header) -> StateQuestions {
        let questions = StateQuestions(state)
        (self.state, self.parent, self.questions) = (state, parent, questions)
        return questions
    }
}

/// Passes the questions of an execution on, and remembers them: to say whose node it is that is missing.
final class StateQuestions: StateReader {
    enum Question: Hashable {
        case account(Address)
        case storage(Address, slot: UInt256)
        case code(Address)
        case blockHash(UInt64)
    }

    private let reader: any StateReader
    private(set) var last: Question?
    private(set) var addresses: Set<Address> = []

    init(_ reader: any StateReader) { self.reader = reader }

    /// Execution is over; what comes now are its changes.
    func finish() { last = nil }

    func account(at address: Address) throws(StateError) -> Account? {
        last = .account(address)
        addresses.insert(address)
        return try reader.account(at: address)
    }

    func storage(
        at slot: UInt256, of address: Address, _ account: Account
    ) throws(StateError) -> UInt256 {
        last = .storage(address, slot: slot)
        return try reader.storage(at: slot, of: address, account)
    }

    func code(_ hash: Bytes32, of address: Address) throws(StateError) -> Code {
        last = .code(address)
        return try reader.code(hash, of: address)
    }

    func blockHash(_ number: UInt64) throws(StateError) -> Bytes32 {
        last = .blockHash(number)
        return try reader.blockHash(number)
    }
}
