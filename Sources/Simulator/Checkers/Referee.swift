import Chain
import ChoraleBase
import Execution
import Operations

/// Executes every committed payload once more, on a state of its own: what a chain claims is measured by this,
/// and by nothing that a node of the simulation has computed.
final class Referee {
    private let rules: ChainRules
    private var state: StateStore
    private var parent: Header
    private var hashes: [UInt64: Bytes32] = [:]
    private var balances: [Address: UInt256]
    private var nonces: [Address: UInt64] = [:]
    private(set) var transactionCount = 0
    /// Called for each log of the operations contract that a block leaves.
    var onOperation: ((_ height: UInt64, ContractEvent) -> Void)?

    init(_ genesis: ChainGenesis) {
        rules = genesis.parameters.rules
        state = genesis.state
        parent = genesis.parameters.genesisHeader
        balances = genesis.balances
        hashes[0] = parent.hash
    }

    var stateRoot: Bytes32 { parent.stateRoot }

    func nonce(of address: Address) -> UInt64 { nonces[address] ?? 0 }
    func balance(of address: Address) -> UInt256 { balances[address] ?? .zero }

    private var total: UInt256 { balances.values.reduce(.zero, &+) }

    /// Executes the payload of the next height. Returns what is wrong with it.
    func execute(_ payload: [UInt8]) -> String? {
        guard let block = try? Block(payload.span) else { return "a payload that is no block" }
        guard block.header.parentHash == parent.hash else { return "a payload of another parent" }
        let view = TrieState(
            root: parent.stateRoot, source: state, blockHashes: hashes, records: false)
        let outcome: BlockOutcome
        let root: Bytes32
        do {
            outcome = try BlockExecution.run(
                block, size: payload.count, after: parent, rules, reader: view)
            root = try view.apply(outcome.changes)
        } catch {
            return "execution: \(error)"
        }
        guard root == block.header.stateRoot else {
            return "state root \(block.header.stateRoot), executed \(root)"
        }
        guard outcome.receiptsRoot == block.header.receiptsRoot else {
            return "receipts root \(block.header.receiptsRoot), executed \(outcome.receiptsRoot)"
        }
        state.insert(view, outcome.changes, root: root)
        let before = total
        for change in outcome.changes {
            balances[change.address] = change.account?.balance
            nonces[change.address] = change.account?.nonce
        }
        parent = block.header
        hashes[block.header.number] = block.header.hash
        transactionCount += block.transactions.count
        for log in outcome.receipts.flatMap(\.logs)
        where log.address == ChainGenesis.operationsContract {
            guard
                let event = try? ContractEvent(ContractLog(topics: log.topics, data: log.data))
            else { return "a log that the operations contract does not write" }
            onOperation?(block.header.number, event)
        }
        // The base fee is burned, stake comes back from consensus; nothing else comes or goes.
        let paid = (block.withdrawals ?? []).reduce(UInt256.zero) {
            $0 &+ UInt256($1.amount) &* UInt256(1_000_000_000)
        }
        let burned =
            (block.header.baseFeePerGas ?? .zero) &* UInt256(block.header.gasUsed)
        guard total == before &+ paid &- burned else {
            return "balances of \(total) after \(before) and \(paid) less \(burned)"
        }
        return nil
    }
}
