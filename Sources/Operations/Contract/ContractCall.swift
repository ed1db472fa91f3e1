public import ChoraleBase
public import Codec
import Crypto

/// A call of the operations contract, for wallets, executors and whoever settles.
public enum ContractCall: Hashable, Sendable {
    /// With the fee as the value.
    case request(
        kind: UInt16, inputHash: Bytes32, inputRoot: Bytes32, inputSize: UInt64, ttl: UInt64)
    /// - Parameter output: when it is not longer than ``OperationsContract/storedOutputMax``; else nothing.
    case settle(Settlement, output: [UInt8])
    case expire(Bytes32)
    case withdraw(to: ExecutionAddress)
    /// With the bond as the value; what its registration says of the amount must be that.
    case registerExecutor(ExecutorRegistration)
    case exitExecutor(key: Bytes32)
    case output(Bytes32)
    case outputHash(Bytes32)
    case operation(Bytes32)

    private var signature: String {
        switch self {
        case .request: "request(uint16,bytes32,bytes32,uint64,uint32)"
        case .settle: "settle(bytes32,bytes32,uint256,uint256,uint256[],bytes)"
        case .expire: "expire(bytes32)"
        case .withdraw: "withdraw(address)"
        case .registerExecutor: "registerExecutor(bytes32,address,uint256,bytes32,bytes32)"
        case .exitExecutor: "exitExecutor(bytes32)"
        case .output: "output(bytes32)"
        case .outputHash: "outputHash(bytes32)"
        case .operation: "operation(bytes32)"
        }
    }

    /// The call data.
    public var data: [UInt8] {
        var data = Array(Keccak256.hash(Array(signature.utf8)).bytes.prefix(4))
        switch self {
        case .request(let kind, let inputHash, let inputRoot, let inputSize, let ttl):
            data += ABIWord.encode(UInt128(kind)) + inputHash.bytes + inputRoot.bytes
            data += ABIWord.encode(UInt128(inputSize)) + ABIWord.encode(UInt128(ttl))
        case .settle(let settlement, let output):
            data += settlement.operation.bytes + settlement.outputHash.bytes
            data += ABIWord.encode(UInt128(settlement.outputSize))
            data += ABIWord.encode(settlement.reward)
            data += ABIWord.encode(0xC0)
            data += ABIWord.encode(UInt128(0xE0 + 32 * settlement.payments.count))
            data += ABIWord.encode(UInt128(settlement.payments.count))
            data += settlement.paymentWords
            data += ABIWord.encode(UInt128(output.count)) + output
            data += [UInt8](repeating: 0, count: (32 - output.count % 32) % 32)
        case .withdraw(let recipient): data += ABIWord.encode(recipient)
        case .registerExecutor(let registration):
            data += registration.message.key.bytes
            data += ABIWord.encode(registration.message.recipient)
            data += registration.message.capabilities.bits.bytes
            data += registration.signature.bytes
        case .expire(let word), .exitExecutor(let word), .output(let word), .outputHash(let word),
            .operation(let word):
            data += word.bytes
        }
        return data
    }
}
