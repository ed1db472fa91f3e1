import ChoraleBase
import Codec
import Execution

/// Loads for the virtual machine.
enum Interpreter {
    private static let context = BlockContext(
        fork: .cancun, chainID: 1, coinbase: Address(UInt256(0xC01B)), number: 1, timestamp: 1,
        gasLimit: 1 << 60, baseFee: .zero, prevRandao: .zero, blobBaseFee: .one)

    /// Runs a load once, on a state and a machine of its own, which are made before the time begins.
    static func run(_ load: Load) throws -> (seconds: Double, gas: UInt64) {
        let transactions = try load.calls.enumerated().map { index, call in
            try transaction(call, nonce: UInt64(index))
        }
        let sender = Address(UInt256(Load.sender))
        let allowance = BlockAllowance(gas: .max, blobGas: 0)
        var execution = TransactionSequence(reader: FlatState(load), block: context)
        var gas: UInt64 = 0
        let start = Stopwatch()
        for transaction in transactions {
            let outcome = try execution.run(transaction, sender: sender, allowance: allowance)
            guard outcome.succeeded else { throw MeasurementError("\(load.name): it failed") }
            gas += outcome.gasUsed
        }
        return (start.seconds, gas)
    }

    /// Signed by nobody: who sends it is said beside it.
    private static func transaction(_ call: Load.Call, nonce: UInt64) throws -> Transaction {
        var writer = RLPWriter()
        let list = writer.beginList()
        writer.integer(nonce)
        writer.integer(UInt64(0))
        writer.integer(call.gas)
        writer.bytes(Address(UInt256(call.to)).storage.span)
        writer.integer(call.value)
        writer.bytes(call.data)
        writer.integer(UInt64(27))
        writer.integer(UInt64(1))
        writer.integer(UInt64(1))
        writer.endList(list)
        return try Transaction(writer.bytes.span)
    }
}
