import ChoraleBase
import ChoraleTypes
import Codec
import Consensus
import Crypto
import Execution
import TransactionPool

/// Blocks that this validator proposes.
extension BlockProcessor {
    func build(_ order: BuildOrder) -> ChainAnswer {
        func failed(_ text: String) -> ChainAnswer {
            .buildFailed(height: order.height, round: order.round, text)
        }
        guard order.height == head.height + 1 else { return failed("the height is over") }
        guard let key else { return failed("this node has no validator's key") }
        guard keepsState else { return failed("a validator without state makes no blocks") }
        let attributes = BlockAttributes(
            timestamp: PayloadRules.timestamp(of: order.time, after: head.header),
            prevRandao: head.beacon, feeRecipient: feeRecipient, withdrawals: [],
            parentBeaconRoot: head.blockID, gasLimitTarget: parameters.gasLimitTarget,
            extraData: Array("chorale".utf8))
        executionCount += 1
        let built: BuiltBlock
        do throws(BlockFailure) {
            built = try execute(order.transactions, attributes)
        } catch {
            return failed("\(error)")
        }
        let payload = built.block.encoded
        let witness = WitnessBody.encode(built.witness)
        guard witness.count <= parameters.witnessSizeMax,
            payload.count <= parameters.payloadSizeMax,
            let payloadReference = ContentReference(kind: .block, bytes: payload),
            let witnessReference = ContentReference(kind: .witness, bytes: witness),
            let body = BlockBody(
                lastCommit: order.lastCommit, evidence: order.evidence,
                references: [witnessReference])
        else {
            return failed("payload \(payload.count) and witness \(witness.count) bytes")
        }
        let proof = BeaconProof(
            previous: head.beacon, height: order.height, network: parameters.network, key: key)
        let header = BlockHeader(
            network: parameters.network, height: order.height, round: order.round,
            parentID: head.blockID, time: order.time, proposer: order.proposer,
            validatorsRoot: head.rotation.validators.root,
            nextValidatorsRoot: head.nextValidators(parameters).root,
            prioritiesRoot: head.rotation.prioritiesRoot, beaconProof: proof.proof,
            beaconValue: proof.value, payload: payloadReference, body: body)
        guard let block = ConsensusBlock(header: header, body: body),
            let contents = BlockContents(block: block, payload: payload, witness: witness)
        else { return failed("the block does not fit together") }
        do throws(StoreFailure) {
            try store.keep(candidate: block.id, contents.sszEncoded())
        } catch {
            return failed("\(error)")
        }
        var facts = BlockFacts()
        facts.transactionCount = built.block.transactions.count
        facts.gasUsed = built.outcome.gasUsed
        facts.payloadSize = payload.count
        facts.witnessSize = witness.count
        facts.requests = built.outcome.requests
        prepare(
            Prepared(
                header: built.block.header, transactions: built.block.transactions,
                senders: built.senders, outcome: built.outcome, newNodes: built.newNodes,
                facts: facts), as: block.id)
        return .built(height: order.height, round: order.round, contents, facts)
    }

    func execute(
        _ selection: PoolSelection, _ attributes: BlockAttributes
    ) throws(BlockFailure) -> BuiltBlock {
        var builder = try BlockBuilder(
            after: head.header, attributes, parameters.rules, state: state(),
            limits: .init(
                sizeMax: parameters.payloadSizeMax,
                witnessSizeMax: PayloadRules.witnessBudget(parameters.witnessSizeMax)))
        var selection = selection
        // Each that does not fit costs its execution: after so many the block is as good as full.
        var misfits = 0
        while builder.gasLeft >= 21_000, misfits < 64, let entry = selection.next() {
            let refusal: BuildingRefusal?
            do throws(StateError) {
                refusal = try builder.add(entry.transaction, sender: entry.sender)
            } catch {
                throw .state(error)
            }
            if refusal != nil {
                misfits += 1
                selection.skipSender()
            }
        }
        return try builder.finish(ancestors: ancestors)
    }

    func prepare(_ block: Prepared, as id: Bytes32) {
        if prepared.count >= preparedMax, prepared[id] == nil {
            // Which of them goes does not matter: it would be executed again.
            if let first = prepared.keys.min() { prepared.removeValue(forKey: first) }
        }
        prepared[id] = block
    }
}
