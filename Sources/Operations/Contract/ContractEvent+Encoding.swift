import ChoraleBase
import Codec

extension ContractEvent {
    /// The log that the contract writes for it: the only one that reads as this event.
    public var log: ContractLog {
        typealias Topic = OperationsContract.Topic
        switch self {
        case .requested(let request):
            return ContractLog(
                topics: [Topic.requested, request.operation, ABIWord.word(request.requester)],
                data: ABIWord.encode(UInt128(request.kind)) + request.inputHash.bytes
                    + request.inputRoot.bytes + ABIWord.encode(UInt128(request.inputSize))
                    + ABIWord.encode(UInt128(request.expiry)) + ABIWord.encode(request.fee))
        case .settled(let event):
            return ContractLog(
                topics: [Topic.settled, event.operation],
                data: event.outputHash.bytes + ABIWord.encode(UInt128(event.outputSize))
                    + ABIWord.encode(event.reward) + event.paymentsHash.bytes)
        case .expired(let operation):
            return ContractLog(topics: [Topic.expired, operation], data: [])
        case .executorRegistered(let registration):
            let message = registration.message
            return ContractLog(
                topics: [Topic.executorRegistered, message.key, ABIWord.word(message.recipient)],
                data: message.capabilities.bits.bytes + ABIWord.encode(UInt128(message.amount))
                    + registration.signature.bytes)
        case .executorExit(let key, let from):
            return ContractLog(topics: [Topic.executorExit, key, ABIWord.word(from)], data: [])
        case .owed(let payee, let amount):
            return ContractLog(
                topics: [Topic.owed, ABIWord.word(payee)], data: ABIWord.encode(amount))
        }
    }
}

extension ABIWord {
    static func word(_ address: ExecutionAddress) -> Bytes32 {
        guard let word = Bytes32(encode(address)) else { preconditionFailure("32 bytes") }
        return word
    }
}
