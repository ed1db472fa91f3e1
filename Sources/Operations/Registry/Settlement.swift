public import ChoraleBase
public import Codec
import Crypto

/// What the contract is told when a certified operation is settled: all of it follows from the registry.
///
/// Specification: mechanisms rows 0.2 and 0.14 (executor, committers and includer are paid, the rest is given
/// back).
public struct Settlement: Hashable, Sendable {
    /// What goes to one address, in wei, at most ``OperationsContract/feeMax``.
    public struct Payment: Hashable, Sendable {
        public let payee: ExecutionAddress
        public let amount: UInt128
    }

    /// Of the price: who sends the settlement, and those who verified, all together.
    public static let rewardPercent: UInt128 = 5
    public static let committersPercent: UInt128 = 20

    public let operation: Bytes32
    public let outputHash: Bytes32
    /// In bytes.
    public let outputSize: UInt64
    /// Of whoever sends it, in wei.
    public let reward: UInt128
    /// The executor, then those who verified.
    public let payments: [Payment]

    /// Divides a price. Those who verified get equal parts, rounded down; what is left is the executor's, so
    /// that the parts are the price to the wei.
    ///
    /// - Precondition: the price is at most ``OperationsContract/feeMax``; fewer than
    ///   ``OperationsContract/paymentsMax`` committers.
    init(
        operation: Bytes32, outputHash: Bytes32, outputSize: UInt64, price: UInt128,
        executor: ExecutionAddress, committers: [ExecutionAddress]
    ) {
        precondition(price <= OperationsContract.feeMax, "a price above any fee")
        precondition(committers.count < OperationsContract.paymentsMax, "too many committers")
        self.operation = operation
        self.outputHash = outputHash
        self.outputSize = outputSize
        reward = price * Self.rewardPercent / 100
        let each =
            committers.isEmpty
            ? 0 : price * Self.committersPercent / 100 / UInt128(committers.count)
        let rest = price - reward - each * UInt128(committers.count)
        payments =
            [Payment(payee: executor, amount: rest)]
            + committers.map { Payment(payee: $0, amount: each) }
    }

    /// As the contract takes them: an address and 96 bits in each word.
    var paymentWords: [UInt8] {
        var words: [UInt8] = []
        for payment in payments {
            words += payment.payee.bytes
            words += ABIWord.encode(payment.amount).suffix(12)
        }
        return words
    }

    /// What the contract's event says when this is settled.
    public var event: ContractEvent.SettledEvent {
        ContractEvent.SettledEvent(
            operation: operation, outputHash: outputHash, outputSize: outputSize, reward: reward,
            paymentsHash: Keccak256.hash(paymentWords))
    }
}
