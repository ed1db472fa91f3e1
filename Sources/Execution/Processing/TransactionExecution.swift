import ChoraleBase

/// Runs one transaction by itself, outside of any block.
///
/// Ethereum's state tests are of this kind, and so are calls that somebody only wants to try.
public enum TransactionExecution {
    public struct Outcome: Sendable {
        /// Whether its message was neither reverted nor failed.
        public var succeeded: Bool
        public var gasUsed: UInt64
        public var logs: [Log]
        /// What the message returned, or the reason of its revert.
        public var output: [UInt8]
        /// Net changes of the state, in order of addresses.
        public var changes: [AccountChange]
    }

    /// - Parameters:
    ///   - sender: whoever signed, which is not checked here.
    ///   - blobGasMax: of the block that the transaction is thought to be in.
    ///   - trace: takes a line for every instruction (EIP-3155), also when this throws.
    public static func run(
        _ transaction: Transaction, sender: Address, in block: BlockContext, blobGasMax: UInt64,
        reader: any StateReader, trace: TraceWriter? = nil
    ) throws(ExecutionError) -> Outcome {
        var machine = Machine(reader: reader, block: block)
        machine.tracer = trace.map { LineTracer(write: $0) }
        defer { machine.tracer?.flush() }
        let outcome = try machine.execute(
            transaction, sender: sender,
            allowance: BlockAllowance(gas: block.gasLimit, blobGas: blobGasMax))
        let output = machine.returnData.withSpan(0..<machine.returnData.count) { $0.copied() }
        return Outcome(
            succeeded: outcome.succeeded, gasUsed: outcome.gasUsed, logs: outcome.logs,
            output: output, changes: machine.state.changes())
    }
}
