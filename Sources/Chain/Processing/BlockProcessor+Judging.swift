import ChoraleBase
import ChoraleTypes
import Codec
import Consensus
import Crypto
import Execution
import Operations
import TransactionPool

/// Blocks that others propose: executed from their witnesses, and compared with what they claim.
extension BlockProcessor {
    func judge(_ order: JudgeOrder) -> Judgement {
        let block = order.contents.block
        guard block.header.height == head.height + 1 else {
            return .undecided("height \(block.header.height) is not the next")
        }
        do throws(BlockCheck.Fault) {
            try head.check(parameters).check(
                block, proposedIn: order.round, isFresh: order.isFresh)
        } catch {
            return .invalid(.consensus("\(error)"))
        }
        let id = block.id
        if let known = prepared[id] { return .valid(known.facts) }
        let step: OperationStep
        do throws(OperationRuleFault) {
            step = try head.operationStep(block, parameters, signatures: .check)
        } catch {
            return .invalid(.operations(error))
        }
        switch execute(order.contents) {
        case .success(let result) where result.facts.logs != step.logs:
            return .invalid(
                .operations(.logs(step.logs.count, expected: result.facts.logs.count)))
        case .success(let result):
            // Before anybody votes for it: all may lose their power at once, and be locked on it.
            do throws(StoreFailure) {
                try store.keep(candidate: id, order.contents.sszEncoded())
            } catch {
                return .undecided("\(error)")
            }
            prepare(result, as: id)
            return .valid(result.facts)
        case .failure(.fault(let fault)):
            return .invalid(fault)
        case .failure(.unavailable(let text)):
            return .undecided(text)
        }
    }

    func readCandidates() -> [BlockContents] {
        guard let candidates = try? store.candidates() else { return [] }
        return candidates.compactMap { try? BlockContents(ssz: $0.span) }
            .filter { $0.block.header.height == head.height + 1 }
    }

    enum ExecutionFailure: Error {
        case fault(BlockFault)
        /// Says nothing about the block.
        case unavailable(String)
    }

    /// Executes a block from its witness, and compares what the block claims with what comes out.
    func execute(_ contents: BlockContents) -> Result<Prepared, ExecutionFailure> {
        do throws(BlockFault) {
            let payload = try PayloadRules.check(contents, after: head, parameters)
            let witness: Witness
            do throws(WitnessBody.DecodingError) {
                witness = try WitnessBody.decode(
                    contents.witness, sizeMax: parameters.witnessSizeMax)
            } catch {
                if case .unsupported(let schema) = error {
                    return .failure(.unavailable("witness of form \(schema) is not known here"))
                }
                throw .witnessMalformed(error)
            }
            executionCount += 1
            let verdict: StatelessVerdict
            do throws(StatelessFailure) {
                verdict = try stateless.verdict(payload, size: contents.payload.count, witness)
            } catch {
                throw .execution(error)
            }
            let header = payload.header
            guard verdict.roots.stateRoot == header.stateRoot else {
                throw .stateRoot(header.stateRoot, executed: verdict.roots.stateRoot)
            }
            guard verdict.roots.receiptsRoot == header.receiptsRoot else {
                throw .receiptsRoot(header.receiptsRoot, executed: verdict.roots.receiptsRoot)
            }
            var facts = BlockFacts()
            facts.transactionCount = payload.transactions.count
            facts.gasUsed = verdict.roots.gasUsed
            facts.payloadSize = contents.payload.count
            facts.witnessSize = contents.witness.count
            facts.requests = verdict.outcome.requests
            facts.logs = verdict.outcome.receipts.operationLogs
            return .success(
                Prepared(
                    header: header, transactions: payload.transactions, senders: nil,
                    outcome: verdict.outcome, newNodes: verdict.newNodes, facts: facts))
        } catch {
            return .failure(.fault(error))
        }
    }

    /// Executes a block on the state that is here, for one that came without a witness.
    func executeOnState(_ block: CommittedBlock) -> Result<Prepared, ExecutionFailure> {
        do throws(BlockFault) {
            let payload = try PayloadRules.checkPayload(
                block.block, block.payload, after: head, parameters)
            executionCount += 1
            let state = state()
            let outcome: BlockOutcome
            let root: Bytes32
            do throws(BlockFailure) {
                outcome = try BlockExecution.run(
                    payload, size: block.payload.count, after: head.header, parameters.rules,
                    reader: state)
                do throws(StateError) {
                    root = try state.apply(outcome.changes)
                } catch {
                    throw .state(error)
                }
            } catch {
                switch error {
                case .rejected(let rejection): throw .rejected(rejection)
                case .state(let error): return .failure(.unavailable("\(error)"))
                }
            }
            let header = payload.header
            guard root == header.stateRoot else {
                throw .stateRoot(header.stateRoot, executed: root)
            }
            guard outcome.receiptsRoot == header.receiptsRoot else {
                throw .receiptsRoot(header.receiptsRoot, executed: outcome.receiptsRoot)
            }
            var nodes: [(hash: Bytes32, encoding: [UInt8])] = []
            state.forEachNewNode { nodes.append(($0, $1)) }
            var facts = BlockFacts()
            facts.transactionCount = payload.transactions.count
            facts.gasUsed = outcome.gasUsed
            facts.payloadSize = block.payload.count
            facts.logs = outcome.receipts.operationLogs
            return .success(
                Prepared(
                    header: header, transactions: payload.transactions, senders: nil,
                    outcome: outcome, newNodes: nodes, facts: facts))
        } catch {
            return .failure(.fault(error))
        }
    }
}
