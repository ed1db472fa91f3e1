import ChoraleBase
import ChoraleTypes
import Codec
import Consensus
import Crypto
import Execution
import Operations
import PeerIdentity
import TransactionPool

/// Blocks that this validator proposes.
extension BlockProcessor {
    func build(_ order: BuildOrder) -> ChainAnswer {
        func failed(_ text: String) -> ChainAnswer {
            .buildFailed(height: order.height, round: order.round, text)
        }
        guard order.height == head.height + 1 else { return failed("the height is over") }
        guard keepsState else { return failed("no state is kept here") }
        // The block's beacon value is not there yet, and matters to nothing but what is drawn by it.
        let chosen = head.admissibleItems(order.items, parameters)
        let built: BuiltBlock
        do throws(BlockFailure) {
            built = try execute(
                order.transactions, attributes(at: order.time, feeRecipient: feeRecipient),
                after: chosen.registry)
        } catch {
            return failed("\(error)")
        }
        let payload = built.block.encoded
        let witness = WitnessBody.encode(built.witness)
        var facts = BlockFacts()
        facts.transactionCount = built.block.transactions.count
        facts.gasUsed = built.outcome.gasUsed
        facts.payloadSize = payload.count
        facts.witnessSize = witness.count
        facts.requests = built.outcome.requests
        facts.logs = built.outcome.receipts.operationLogs
        do throws(BuildingFailure) {
            let contents = try contents(
                order, payload: payload, witness: witness, items: chosen.items, facts.logs)
            try keep(contents)
            prepare(
                Prepared(
                    header: built.block.header, transactions: built.block.transactions,
                    senders: built.senders, outcome: built.outcome, newNodes: built.newNodes,
                    facts: facts), as: contents.block.id)
            return .built(height: order.height, round: order.round, contents, facts)
        } catch {
            return failed(error.text)
        }
    }

    /// Why there is no block, for the operator.
    struct BuildingFailure: Error {
        let text: String
    }

    /// What a payload of this time follows from, besides transactions.
    func attributes(at time: WallTime, feeRecipient: Address) -> BlockAttributes {
        BlockAttributes(
            timestamp: PayloadRules.timestamp(of: time, after: head.header),
            prevRandao: head.beacon, feeRecipient: feeRecipient,
            withdrawals: head.registry.withdrawals(at: head.height + 1),
            parentBeaconRoot: head.blockID, gasLimitTarget: parameters.gasLimitTarget,
            extraData: Array("chorale".utf8))
    }

    /// The block of this validator with a payload.
    func contents(
        _ order: BuildOrder, payload: [UInt8], witness: [UInt8], items: [ChainItem] = [],
        _ logs: [ContractLog] = []
    ) throws(BuildingFailure) -> BlockContents {
        let items = (items + logs.map { .log($0) }).compactMap(\.blockItem)
        guard let key else { throw BuildingFailure(text: "this node has no validator's key") }
        guard witness.count <= parameters.witnessSizeMax,
            payload.count <= parameters.payloadSizeMax,
            let payloadReference = ContentReference(kind: .block, bytes: payload),
            let witnessReference = ContentReference(kind: .witness, bytes: witness),
            let body = BlockBody(
                lastCommit: order.lastCommit, evidence: order.evidence,
                references: [witnessReference], items: items)
        else {
            throw BuildingFailure(
                text: "payload \(payload.count) and witness \(witness.count) bytes")
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
        else { throw BuildingFailure(text: "the block does not fit together") }
        return contents
    }

    /// A block is on the disk before anybody hears of it.
    private func keep(_ contents: BlockContents) throws(BuildingFailure) {
        do throws(StoreFailure) {
            try store.keep(candidate: contents.block.id, contents.sszEncoded())
        } catch {
            throw BuildingFailure(text: "\(error)")
        }
    }

    // MARK: Without state

    func signOrder(_ order: BuildOrder) -> ChainAnswer {
        guard let key, let recipient = SSZByteVector<20>(feeRecipient.storage.span.copied()) else {
            return .buildFailed(
                height: order.height, round: order.round, "this node has no validator's key")
        }
        return .orderSigned(
            PayloadOrder(
                signing: PayloadOrderContent(
                    height: order.height, round: order.round, parentID: head.blockID,
                    time: order.time, feeRecipient: recipient), as: order.proposer,
                with: IdentityKey(key), network: parameters.network))
    }

    /// Makes a block of a payload that somebody else built, judged as the blocks of others are.
    func assemble(
        _ order: BuildOrder, _ built: BuiltPayload, from peer: PeerID
    ) -> ChainAnswer {
        func failed(_ text: String) -> ChainAnswer {
            .buildFailed(height: order.height, round: order.round, text)
        }
        guard order.height == head.height + 1 else { return failed("the height is over") }
        if let fault = sizeFault(of: built) {
            return .payloadRefused(
                height: order.height, round: order.round, fault, from: peer)
        }
        do throws(BuildingFailure) {
            // What the payload logs is known when it was executed, and only then what the block says.
            let draft = try contents(order, payload: built.payload, witness: built.witness)
            switch execute(draft) {
            case .success(let result):
                let chosen = head.admissibleItems(order.items, parameters)
                let contents = try contents(
                    order, payload: built.payload, witness: built.witness, items: chosen.items,
                    result.facts.logs)
                if let fault = chosen.registry.fault(inLogs: result.facts.logs) {
                    return .payloadRefused(
                        height: order.height, round: order.round, .operations(.registry(fault)),
                        from: peer)
                }
                guard result.header.coinbase == feeRecipient else {
                    return .payloadRefused(
                        height: order.height, round: order.round,
                        .feeRecipient(result.header.coinbase, ordered: feeRecipient), from: peer)
                }
                try keep(contents)
                prepare(result, as: contents.block.id)
                return .built(
                    height: order.height, round: order.round, contents, result.facts)
            case .failure(.fault(let fault)):
                return .payloadRefused(
                    height: order.height, round: order.round, fault, from: peer)
            case .failure(.unavailable(let text)):
                return failed(text)
            }
        } catch {
            return failed(error.text)
        }
    }

    private func sizeFault(of built: BuiltPayload) -> BlockFault? {
        if built.payload.count > parameters.payloadSizeMax {
            return .payloadTooLarge(
                UInt64(built.payload.count), limit: parameters.payloadSizeMax)
        }
        if built.witness.count > parameters.witnessSizeMax {
            return .witnessTooLarge(
                UInt64(built.witness.count), limit: parameters.witnessSizeMax)
        }
        return nil
    }

    /// A payload for a proposer that has no state. Nil when there is none.
    func buildPayload(_ order: PayloadOrder, _ transactions: PoolSelection) -> BuiltPayload? {
        guard keepsState, order.height == head.height + 1,
            order.content.parentID == head.blockID,
            let recipient = Address(order.content.feeRecipient.bytes.span)
        else { return nil }
        do throws(BlockFailure) {
            // What the proposer will say of operations is not known here: nothing rests on it.
            let built = try execute(
                transactions, attributes(at: order.content.time, feeRecipient: recipient),
                after: head.admissibleItems([], parameters).registry)
            return BuiltPayload(
                payload: built.block.encoded, witness: WitnessBody.encode(built.witness))
        } catch {
            return nil
        }
    }

    /// - Parameter operations: at the end of the block, but for what it logs: a transaction by whose logs the block
    ///   would be invalid is left out.
    func execute(
        _ selection: PoolSelection, _ attributes: BlockAttributes,
        after operations: OperationRegistry
    ) throws(BlockFailure) -> BuiltBlock {
        executionCount += 1
        var builder = try BlockBuilder(
            after: head.header, attributes, parameters.rules, state: state(),
            limits: .init(
                sizeMax: parameters.payloadSizeMax,
                witnessSizeMax: PayloadRules.witnessBudget(parameters.witnessSizeMax)))
        var selection = selection
        // Each that does not fit costs its execution: after so many the block is as good as full.
        var misfits = 0
        var room = LogRoom()
        while builder.gasLeft >= 21_000, misfits < 64, let entry = selection.next() {
            let refusal: BuildingRefusal?
            do throws(StateError) {
                refusal = try builder.add(entry.transaction, sender: entry.sender) { logs in
                    let logs = logs.compactMap(\.ofOperations)
                    return operations.fault(inLogs: logs) == nil && room.take(logs)
                }
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
