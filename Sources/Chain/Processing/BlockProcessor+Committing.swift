import ChoraleBase
import ChoraleTypes
import Codec
import Consensus
import Crypto
import Execution
import Operations
public import TransactionPool

/// Blocks that are final: agreed on here, or fetched from whoever has them.
extension BlockProcessor {
    func commit(_ contents: BlockContents, _ commit: Commit) -> ChainAnswer {
        let height = contents.block.header.height
        guard height == head.height + 1 else {
            return .commitFailed(height: height, "the head is at \(head.height)")
        }
        let id = contents.block.id
        var block = prepared[id]
        if block == nil {
            switch execute(contents) {
            case .success(let result): block = result
            case .failure(.fault(let fault)): return .commitFailed(height: height, "\(fault)")
            case .failure(.unavailable(let text)): return .commitFailed(height: height, text)
            }
        }
        guard let block,
            let committed = CommittedBlock(
                block: contents.block, commit: commit, payload: contents.payload,
                requests: block.outcome.requests)
        else { return .commitFailed(height: height, "the commit is of another block") }
        let step: OperationStep
        do throws(OperationRuleFault) {
            step = try head.operationStep(contents.block, parameters, signatures: .wereChecked)
        } catch {
            return .commitFailed(height: height, "\(BlockFault.operations(error))")
        }
        do throws(StoreFailure) {
            return .committed(try write(committed, block, step, sync: true))
        } catch {
            return .commitFailed(height: height, "\(error)")
        }
    }

    /// Makes a block the head.
    ///
    /// - Parameter execution: nil where no state is kept and the block was not executed.
    func write(
        _ block: CommittedBlock, _ execution: Prepared?, _ step: OperationStep,
        header: Header? = nil, sync: Bool
    ) throws(StoreFailure) -> CommittedSummary {
        guard let header = execution?.header ?? header else {
            preconditionFailure("a block has a header")
        }
        let next = ChainHead(
            after: head, block.block, header: header, requests: block.requests, step,
            commit: block.commit, parameters)
        let hashes = execution?.transactions.map { Keccak256.hash($0.encoded) } ?? []
        var written: ExecutionWrite?
        if keepsState, let execution {
            written = ExecutionWrite(
                header: header, stateRoot: header.stateRoot, transactionHashes: hashes,
                receipts: execution.outcome.receipts, changes: execution.outcome.changes,
                newNodes: execution.newNodes)
        }
        try store.write(
            BlockWrite(
                block: StoredBlock(
                    height: next.height, blockID: next.blockID, blockHash: header.hash,
                    block: block.sealed.sszEncoded(), payload: block.payload,
                    commit: block.commit.sszEncoded()),
                execution: written, head: next.sszEncoded()), sync: sync)
        head = next
        prepared = [:]
        remember(header)
        var advance: PoolAdvance?
        if keepsState, let execution {
            advance = PoolAdvance(
                head: poolHead, included: hashes,
                accounts: execution.outcome.changes.map(PoolAdvance.AccountUpdate.init))
        }
        return CommittedSummary(
            head: next, facts: execution?.facts ?? BlockFacts(), advance: advance,
            evidence: block.block.body.evidence, slashedForParts: step.slashed,
            operationChanges: step.outcome.changes,
            commitments: step.commitments, proposer: block.block.header.proposer)
    }

    /// What transactions of the next block are measured by.
    public var poolHead: PoolHead {
        PoolHead(after: head.header, parameters.rules)
    }

    // MARK: Blocks of others

    func importBlocks(_ blocks: [CommittedBlock]) -> ChainAnswer {
        var taken: [CommittedSummary] = []
        for (index, block) in blocks.enumerated() {
            do throws(ImportFailure) {
                // One sync for all: what is lost with the machine is asked for again.
                taken.append(try importBlock(block, sync: index == blocks.count - 1))
            } catch {
                return .imported(taken, taken.isEmpty ? error : synced(or: error))
            }
        }
        return .imported(taken, nil)
    }

    /// The last block was to bring the sync, and was not taken. What is said to be taken is on the disk.
    private func synced(or failure: ImportFailure) -> ImportFailure {
        do throws(StoreFailure) {
            try store.sync()
            return failure
        } catch {
            return ImportFailure(height: head.height + 1, reason: .unavailable("\(error)"))
        }
    }

    func importBlock(
        _ block: CommittedBlock, sync: Bool
    ) throws(ImportFailure) -> CommittedSummary {
        let height = block.block.header.height
        func failure(_ reason: ImportFailure.Reason) -> ImportFailure {
            ImportFailure(height: height, reason: reason)
        }
        guard height == head.height + 1 else { throw failure(.notNext(head: head.height)) }
        do throws(Commit.VerifyError) {
            try block.commit.verify(
                validators: head.rotation.validators, network: parameters.network)
        } catch {
            throw failure(.commit(error))
        }
        do throws(BlockCheck.Fault) {
            try head.check(parameters).check(
                block.block, proposedIn: block.commit.round, isFresh: false)
        } catch {
            throw failure(.fault(.consensus("\(error)")))
        }
        // Two thirds have checked the signatures.
        let step: OperationStep
        do throws(OperationRuleFault) {
            step = try head.operationStep(block.block, parameters, signatures: .wereChecked)
        } catch {
            throw failure(.fault(.operations(error)))
        }
        var execution: Prepared?
        var header: Header?
        if keepsState {
            switch executeOnState(block) {
            case .success(let result):
                guard result.facts.logs == step.logs else {
                    throw failure(
                        .fault(
                            .operations(
                                .logs(step.logs.count, expected: result.facts.logs.count))))
                }
                execution = result
            case .failure(.fault(let fault)): throw failure(.fault(fault))
            case .failure(.unavailable(let text)): throw failure(.unavailable(text))
            }
        } else {
            // Two thirds have executed it; what is left to check is that this is what they did.
            do throws(BlockFault) {
                header = try PayloadRules.checkPayload(
                    block.block, block.payload, after: head, parameters
                ).header
            } catch {
                throw failure(.fault(error))
            }
        }
        let requests = ExecutionRequests.hash(block.requests)
        let claimed = (execution?.header ?? header)?.requestsHash
        if let claimed, requests != claimed {
            throw failure(.fault(.requests(requests, header: claimed)))
        }
        do throws(StoreFailure) {
            return try write(block, execution, step, header: header, sync: sync)
        } catch {
            throw failure(.unavailable("\(error)"))
        }
    }

    func readCommitments(at height: UInt64) -> [ExecutionCommitment]? {
        guard let stored = try? store.block(at: height),
            let sealed = try? SealedBlock(ssz: stored.block.span),
            let items = try? ChainItem.items(of: sealed.block.body)
        else { return nil }
        return items.compactMap { item in
            if case .commitment(let commitment) = item { commitment } else { nil }
        }
    }

    func readBlocks(from first: UInt64, count: Int, sizeMax: Int) -> [[UInt8]] {
        var blocks: [[UInt8]] = []
        var size = 0
        var height = max(1, first)
        while blocks.count < count, height <= head.height, size < sizeMax {
            guard let stored = try? store.block(at: height),
                let sealed = try? SealedBlock(ssz: stored.block.span),
                let commit = try? Commit(ssz: stored.commit.span),
                let block = CommittedBlock(
                    block: sealed.block, commit: commit, payload: stored.payload,
                    requests: sealed.requests)
            else { break }
            let encoded = block.sszEncoded()
            size += encoded.count
            blocks.append(encoded)
            height += 1
        }
        return blocks
    }
}
