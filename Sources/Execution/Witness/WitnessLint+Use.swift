import ChoraleBase
import Codec
import Crypto

// What executing the block says of a witness.
extension WitnessLint {
    static func use(
        _ witness: Witness, _ hashes: WitnessHashes, _ block: Block,
        _ result: Result<StatelessVerdict, StatelessFailure>, _ trace: StatelessTrace
    ) -> [WitnessDeviation] {
        switch result {
        case .success(let verdict):
            guard let state = trace.state, let parent = trace.parent else { return [] }
            return unused(witness, hashes, block, verdict, state, parent)
        case .failure(.incomplete(let error)):
            return [missing(error, witness, hashes, trace)]
        // The headers' own deviations are found without executing.
        case .failure(.witness): return []
        case .failure(let failure): return [.blockNotExecuted(failure)]
        }
    }

    // MARK: Too much

    private static func unused(
        _ witness: Witness, _ hashes: WitnessHashes, _ block: Block, _ verdict: StatelessVerdict,
        _ state: TrieState<WitnessStore>, _ parent: Header
    ) -> [WitnessDeviation] {
        let walk = WitnessWalk(witness, hashes: hashes.nodes, root: parent.stateRoot)
        let used = state.resolvedNodes
        var spare = WitnessEntryTally(.nodes)
        var roots = WitnessEntryTally(.nodes)
        var strangers = WitnessEntryTally(.nodes)
        var seen: Set<Bytes32> = []
        for (index, range) in witness.nodes.enumerated() where !range.isEmpty {
            let hash = hashes.nodes[index]
            // What stands there twice, or is the empty trie, has been said.
            guard !used.contains(hash), seen.insert(hash).inserted, hash != Trie.emptyRoot else {
                continue
            }
            if let visit = walk.visits[index] {
                if visit.owner >= 0, visit.depth == 0 {
                    roots.add(index, range, hash)
                } else {
                    spare.add(index, range, hash)
                }
            } else {
                strangers.add(index, range, hash)
            }
        }
        var deviations: [WitnessDeviation] = []
        if let entries = spare.entries { deviations.append(.unused(entries)) }
        if let entries = roots.entries { deviations.append(.unusedStorageRoots(entries)) }
        if let entries = strangers.entries { deviations.append(.unreachable(entries)) }
        deviations += unusedCodes(witness, hashes.codes, verdict, state)

        let oldest = min(state.oldestBlockHash ?? .max, parent.number)
        var old = WitnessEntryTally(.headers)
        for (index, number) in witness.headerNumbers.enumerated() {
            guard let number, number < oldest else { continue }
            old.add(index, witness.headers[index], hashes.headers[index])
        }
        if let entries = old.entries { deviations.append(.unused(entries)) }
        return deviations
    }

    private static func unusedCodes(
        _ witness: Witness, _ hashes: [Bytes32], _ verdict: StatelessVerdict,
        _ state: TrieState<WitnessStore>
    ) -> [WitnessDeviation] {
        var created: Set<Bytes32> = []
        for account in verdict.outcome.accessList?.accounts ?? [] {
            for change in account.codeChanges { created.insert(Keccak256.hash(change.value)) }
        }
        var own = WitnessEntryTally(.codes)
        var spare = WitnessEntryTally(.codes)
        var seen: Set<Bytes32> = []
        for (index, range) in witness.codes.enumerated() where !range.isEmpty {
            let hash = hashes[index]
            guard !state.resolvedCodes.contains(hash), seen.insert(hash).inserted else { continue }
            if created.contains(hash) {
                own.add(index, range, hash)
            } else {
                spare.add(index, range, hash)
            }
        }
        return [own.entries.map { .createdCodes($0) }, spare.entries.map { .unused($0) }]
            .compactMap(\.self)
    }

    // MARK: Too little

    private static func missing(
        _ error: StateError, _ witness: Witness, _ hashes: WitnessHashes, _ trace: StatelessTrace
    ) -> WitnessDeviation {
        let question = trace.questions?.last
        switch error {
        case .trie(.missing(let hash)):
            let place = trace.parent.flatMap {
                WitnessWalk(witness, hashes: hashes.nodes, root: $0.stateRoot, sought: hash).sought
            }
            return .missingNode(hash, place, need(question))
        case .trie(.malformed(let hash, let fault)):
            return .malformedNode(hash, fault, need(question))
        case .codeMissing(let hash):
            guard case .code(let address) = question else { return .missingCode(hash, nil) }
            return .missingCode(hash, address)
        case .blockHashMissing(let number): return .missingHeader(number)
        case .trie, .source, .accountMalformed, .slotMalformed:
            return .blockNotExecuted(.incomplete(error))
        }
    }

    private static func need(_ question: StateQuestions.Question?) -> WitnessDeviation.Need? {
        switch question {
        case .account(let address): .account(address)
        case .storage(let address, let slot): .storage(address, slot: slot)
        case .code(let address): .code(address)
        case .blockHash: nil
        case nil: .change
        }
    }
}
