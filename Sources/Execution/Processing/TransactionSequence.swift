import ChoraleBase

/// Runs transactions one after the other on a state, without a block around them: neither a header's
/// rules nor system calls, withdrawals and roots.
///
/// For many transactions by themselves, as measurements have them; one alone is
/// ``TransactionExecution``'s, and a block ``BlockExecution``'s.
public struct TransactionSequence: ~Copyable {
    private var machine: Machine

    public init(reader: any StateReader, block: BlockContext) {
        machine = Machine(reader: reader, block: block)
    }

    /// Runs one transaction, whose changes then last.
    ///
    /// - Parameters:
    ///   - sender: who signed. The signature is not looked at.
    ///   - allowance: what the block has left for the transaction.
    /// - Throws: ``ExecutionError/rejected(_:)`` when the transaction cannot be here; the state is then
    ///   as it was. After ``ExecutionError/state(_:)`` this is to be discarded.
    public mutating func run(
        _ transaction: Transaction, sender: Address, allowance: BlockAllowance
    ) throws(ExecutionError) -> TransactionOutcome {
        try machine.execute(transaction, sender: sender, allowance: allowance)
    }

    /// The net changes of all transactions, in order of addresses.
    public var changes: [AccountChange] { machine.state.changes() }
}
