public import ChoraleBase
public import ChoraleTypes
public import Codec
import Consensus
public import Crypto
public import Execution
public import TransactionPool

/// Builds, judges and applies blocks: the half of a chain that takes time, and waits for a disk.
///
/// One thread owns it. Every task is answered; what it answers depends on the store, the tasks and their
/// order alone.
///
/// A block is executed once here: judging it (or building it) gives the changes, and committing it
/// writes them. Full and stateless validators judge in the same way, from block and witness and
/// nothing else, with the two roots withheld (mechanisms row 2.2), so that no block is valid for one
/// and invalid for the other. What differs is what is written.
public final class BlockProcessor<Store: ChainStore> {
    public let parameters: ChainParameters
    public let store: Store
    /// Whether the state is kept, and not only blocks.
    public let keepsState: Bool
    /// What the chain has come to.
    public private(set) var head: ChainHead

    private let key: Ed25519.PrivateKey?
    private let feeRecipient: Address
    private let poolLimits: PoolLimits
    private let stateless: StatelessExecution
    /// Blocks of the height after the head that were executed.
    private var prepared: [Bytes32: Prepared] = [:]
    /// Encodings of the headers that BLOCKHASH may ask for, by number.
    private var ancestors: [UInt64: [UInt8]] = [:]
    private var ancestorHashes: [UInt64: Bytes32] = [:]
    /// Executions since the start, for whoever wants to know that each block has one.
    public private(set) var executionCount: UInt64 = 0

    /// Blocks of one height whose execution is kept: one a round, and the last few rounds.
    private let preparedMax = 4

    /// What executing a block gave.
    private struct Prepared {
        let header: Header
        let transactions: [Transaction]
        let senders: [Address]?
        let outcome: BlockOutcome
        let newNodes: [(hash: Bytes32, encoding: [UInt8])]
        let facts: BlockFacts
    }

    /// Why there is nothing to go on from.
    public enum OpenError: Error, Sendable {
        /// There is not even a genesis.
        case empty
        case headMalformed(SSZError)
        case store(StoreFailure)
        /// The head is of another chain.
        case otherNetwork
    }

    /// - Parameters:
    ///   - key: of the validator that proposes; nil for whoever does not.
    ///   - feeRecipient: of the blocks that it makes.
    public init(
        _ parameters: ChainParameters, store: Store, keepsState: Bool, key: Ed25519.PrivateKey?,
        feeRecipient: Address = .zero, poolLimits: PoolLimits = PoolLimits(),
        parallel: any ParallelMap = SequentialMap()
    ) throws(OpenError) {
        guard let record = store.head else { throw .empty }
        let head: ChainHead
        do throws(SSZError) {
            head = try ChainHead(ssz: record.span)
        } catch {
            throw .headMalformed(error)
        }
        self.parameters = parameters
        self.store = store
        self.keepsState = keepsState
        self.key = key
        self.feeRecipient = feeRecipient
        self.poolLimits = poolLimits
        self.head = head
        var stateless = StatelessExecution(
            rules: parameters.rules, mode: .strict, parallel: parallel)
        stateless.keepsNodes = keepsState
        self.stateless = stateless
        do throws(StoreFailure) {
            try loadAncestors()
        } catch {
            throw .store(error)
        }
    }

    /// What an empty store begins with.
    ///
    /// - Parameter state: that of the genesis, whole; nil where no state is kept.
    public static func genesisWrite(
        _ parameters: ChainParameters, state: ExecutionWrite?
    ) throws(ValidatorSet.ListError) -> BlockWrite {
        let head = try ChainHead(parameters)
        let block = Block(header: parameters.genesisHeader, transactions: [], withdrawals: [])
        return BlockWrite(
            block: StoredBlock(
                height: 0, blockID: parameters.genesisID, blockHash: parameters.genesisHeader.hash,
                block: [], payload: block.encoded, commit: []), execution: state,
            head: head.sszEncoded())
    }

    public func perform(_ task: ChainTask) -> ChainAnswer {
        switch task {
        case .readCandidates:
            return .candidates(readCandidates())
        case .build(let order):
            return build(order)
        case .judge(let order):
            return .judged(
                blockID: order.contents.block.id, height: order.contents.block.header.height,
                judge(order))
        case .commit(let contents, let commit):
            return self.commit(contents, commit)
        case .importBlocks(let blocks):
            return importBlocks(blocks)
        case .readBlocks(let id, let first, let count, let sizeMax):
            return .blocks(id, readBlocks(from: first, count: count, sizeMax: sizeMax))
        case .checkTransaction(let id, let encoding):
            return .transactionChecked(id, candidate(encoding))
        }
    }

    // MARK: Ancestors

    private func loadAncestors() throws(StoreFailure) {
        let header = head.header
        remember(header)
        var number = header.number
        while number > 0, ancestors.count < AncestorHeaders.countMax {
            number -= 1
            // A chain that began at a checkpoint has no more.
            guard let stored = try store.block(at: number),
                let block = try? Block(stored.payload.span)
            else { return }
            remember(block.header)
        }
    }

    private func remember(_ header: Header) {
        ancestors[header.number] = header.encoded
        ancestorHashes[header.number] = header.hash
        let count = UInt64(AncestorHeaders.countMax)
        if header.number >= count {
            ancestors.removeValue(forKey: header.number - count)
            ancestorHashes.removeValue(forKey: header.number - count)
        }
    }

    private func state() -> TrieState<Store> {
        TrieState(root: head.header.stateRoot, source: store, blockHashes: ancestorHashes)
    }

    // MARK: Building

    private func build(_ order: BuildOrder) -> ChainAnswer {
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

    private func execute(
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

    private func prepare(_ block: Prepared, as id: Bytes32) {
        if prepared.count >= preparedMax, prepared[id] == nil {
            // Which of them goes does not matter: it would be executed again.
            if let first = prepared.keys.min() { prepared.removeValue(forKey: first) }
        }
        prepared[id] = block
    }

    // MARK: Judging

    private func judge(_ order: JudgeOrder) -> Judgement {
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
        switch execute(order.contents) {
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

    private func readCandidates() -> [BlockContents] {
        guard let candidates = try? store.candidates() else { return [] }
        return candidates.compactMap { try? BlockContents(ssz: $0.span) }
            .filter { $0.block.header.height == head.height + 1 }
    }

    private enum ExecutionFailure: Error {
        case fault(BlockFault)
        /// Says nothing about the block.
        case unavailable(String)
    }

    /// Executes a block from its witness, and compares what the block claims with what comes out.
    private func execute(_ contents: BlockContents) -> Result<Prepared, ExecutionFailure> {
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
            return .success(
                Prepared(
                    header: header, transactions: payload.transactions, senders: nil,
                    outcome: verdict.outcome, newNodes: verdict.newNodes, facts: facts))
        } catch {
            return .failure(.fault(error))
        }
    }

    /// Executes a block on the state that is here, for one that came without a witness.
    private func executeOnState(_ block: CommittedBlock) -> Result<Prepared, ExecutionFailure> {
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
            return .success(
                Prepared(
                    header: header, transactions: payload.transactions, senders: nil,
                    outcome: outcome, newNodes: nodes, facts: facts))
        } catch {
            return .failure(.fault(error))
        }
    }

    // MARK: Committing

    private func commit(_ contents: BlockContents, _ commit: Commit) -> ChainAnswer {
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
        do throws(StoreFailure) {
            return .committed(try write(committed, block, sync: true))
        } catch {
            return .commitFailed(height: height, "\(error)")
        }
    }

    /// Makes a block the head.
    ///
    /// - Parameter execution: nil where no state is kept and the block was not executed.
    private func write(
        _ block: CommittedBlock, _ execution: Prepared?, header: Header? = nil, sync: Bool
    ) throws(StoreFailure) -> CommittedSummary {
        guard let header = execution?.header ?? header else {
            preconditionFailure("a block has a header")
        }
        let next = ChainHead(
            after: head, block.block, header: header, requests: block.requests,
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
            evidence: block.block.body.evidence, proposer: block.block.header.proposer)
    }

    /// What transactions of the next block are measured by.
    public var poolHead: PoolHead {
        PoolHead(after: head.header, parameters.rules)
    }

    // MARK: Blocks of others

    private func importBlocks(_ blocks: [CommittedBlock]) -> ChainAnswer {
        var taken: [CommittedSummary] = []
        for (index, block) in blocks.enumerated() {
            do throws(ImportFailure) {
                // One sync for all: what is lost with the machine is asked for again.
                taken.append(try importBlock(block, sync: index == blocks.count - 1))
            } catch {
                return .imported(taken, error)
            }
        }
        return .imported(taken, nil)
    }

    private func importBlock(
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
        var execution: Prepared?
        var header: Header?
        if keepsState {
            switch executeOnState(block) {
            case .success(let result): execution = result
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
            return try write(block, execution, header: header, sync: sync)
        } catch {
            throw failure(.unavailable("\(error)"))
        }
    }

    private func readBlocks(from first: UInt64, count: Int, sizeMax: Int) -> [[UInt8]] {
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

    // MARK: Transactions

    private func candidate(_ encoding: [UInt8]) -> Result<PoolCandidate, PoolRejection> {
        guard keepsState else {
            return .failure(.state(.source(.unavailable("this node keeps no state"))))
        }
        do throws(PoolRejection) {
            let reader = TrieState(
                root: head.header.stateRoot, source: store, blockHashes: [:], records: false)
            return .success(
                try PoolCandidate(
                    encoding.span, chainID: parameters.rules.chainID, head: poolHead,
                    limits: poolLimits, state: reader))
        } catch {
            return .failure(error)
        }
    }
}
