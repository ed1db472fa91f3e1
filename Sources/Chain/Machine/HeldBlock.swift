import ChoraleBase
import ChoraleTypes
import Consensus
import OrderedCollections
import PeerIdentity

/// A block of the height that is agreed on: what is here of it, and what is thought of it.
struct HeldBlock {
    enum State {
        /// Not judged, or this node could not.
        case unknown
        case judging
        /// Valid here; others are being asked (mechanisms row 2.22).
        case checking(BlockFacts)
        case valid(BlockFacts)
        case invalid
    }

    var contents: BlockContents?
    var state = State.unknown
    /// Consensus waits for a verdict.
    var isWanted = false
    /// The latest round in which it was asked for, and whether it was proposed afresh there.
    var round: UInt32 = 0
    var isFresh = false
    /// Who is known to have it.
    var holders: OrderedSet<PeerID> = []
    var asked: OrderedSet<PeerID> = []
    var request: ChainRequestID?
    /// When another peer is asked, or a block from the future is looked at again.
    var wakeAt: MonotonicInstant?
    /// When the proposal was seen here.
    var proposedAt: MonotonicInstant?
    var isBodyPublished = false
    /// The round that it was built for here, while others are asked about it.
    var builtFor: UInt32?

    var size: Int { contents?.size ?? 0 }

    /// A block may be proposed afresh in the round that it was made for, and in later ones with the round in
    /// which it was found valid.
    var isRightlyProposed: Bool {
        guard let made = contents?.block.header.round else { return true }
        return isFresh ? made == round : made <= round
    }
}

extension Chain {
    // MARK: Contents

    /// Keeps what is here of a block, as far as there is room.
    mutating func hold(
        _ contents: BlockContents, from peer: PeerID?, now: Now
    ) {
        let id = contents.block.id
        guard contents.block.header.height == head.height + 1 else { return }
        var held = blocks[id] ?? HeldBlock()
        if let peer { held.holders.append(peer) }
        if held.proposedAt == nil { held.proposedAt = now.instant }
        let before = held.size
        if contents.block.keeps(to: parameters) {
            held.contents = held.contents?.filled(by: contents) ?? contents
        } else {
            // Whoever proposes rounds ahead could fill the room for all with bodies that no block may have.
            held.contents = contents.bare
            if case .unknown = held.state { held.state = .invalid }
        }
        while heldSize - before + held.size > limits.heldSizeMax {
            guard dropUnwanted(except: id) else {
                counters.blocksShed += 1
                return
            }
        }
        if blocks[id] == nil { makeRoomForBlock() }
        heldSize += held.size - before
        blocks[id] = held
    }

    /// Drops the oldest block with bodies that nobody waits for and that is not known to be valid. Returns whether
    /// there was one.
    private mutating func dropUnwanted(except id: Bytes32) -> Bool {
        let index = blocks.elements.firstIndex { entry in
            if case .valid = entry.value.state { return false }
            return entry.key != id && !entry.value.isWanted && entry.value.size > 0
        }
        guard let index else { return false }
        counters.blocksShed += 1
        heldSize -= blocks.values[index].size
        blocks.remove(at: index)
        return true
    }

    /// The oldest that nobody waits for goes.
    mutating func makeRoomForBlock() {
        guard blocks.count >= limits.heldBlocksMax else { return }
        let index =
            blocks.values.firstIndex { held in
                if held.isWanted { return false }
                if case .valid = held.state { return false }
                return true
            } ?? blocks.values.firstIndex { !$0.isWanted } ?? 0
        heldSize -= blocks.values[index].size
        blocks.remove(at: index)
    }

    // MARK: Judging

    mutating func validate(
        height: UInt64, round: UInt32, _ id: Bytes32, now: Now, into outputs: inout [ChainOutput]
    ) {
        guard height == head.height + 1 else { return }
        if blocks[id] == nil {
            makeRoomForBlock()
            blocks[id] = HeldBlock()
        }
        let isFresh = consensus.isFreshlyProposed(id, in: round)
        blocks[id]!.round = round
        blocks[id]!.isFresh = isFresh
        blocks[id]!.isWanted = true
        consider(id, now: now, into: &outputs)
    }

    /// Does for a wanted block what comes next.
    mutating func consider(_ id: Bytes32, now: Now, into outputs: inout [ChainOutput]) {
        guard var held = blocks[id], held.isWanted else { return }
        defer { blocks[id] = held }
        switch held.state {
        case .judging, .checking: return
        case .invalid:
            held.isWanted = false
            consensusInputs.append(
                .blockJudged(height: head.height + 1, blockID: id, .invalid))
        case .valid:
            held.isWanted = false
            // It was judged in another round, where it may have been proposed otherwise.
            guard held.isRightlyProposed else {
                misproposed(id, into: &outputs)
                return
            }
            consensusInputs.append(
                .blockJudged(height: head.height + 1, blockID: id, .valid))
        case .unknown:
            guard let contents = held.contents, contents.isComplete else {
                if held.wakeAt == nil {
                    // Bodies that travel by themselves come by themselves, if they come.
                    let patience: Duration =
                        held.contents == nil ? .milliseconds(50) : limits.fetchTimeout
                    held.wakeAt = now.instant.advanced(by: patience)
                }
                return
            }
            guard held.isRightlyProposed else {
                held.isWanted = false
                misproposed(id, into: &outputs)
                return
            }
            let check = head.check(parameters)
            guard !check.isEarly(contents.block.header, now: now.wall) else {
                counters.blocksEarly += 1
                held.wakeAt = now.instant.advanced(by: limits.earlyRetry)
                return
            }
            held.wakeAt = nil
            held.state = .judging
            outputs.append(
                .process(
                    .judge(
                        JudgeOrder(
                            contents: contents, round: held.round, isFresh: held.isFresh))))
        }
    }

    /// A proposer has proposed a block as it may not. That says nothing of the block, which others may have
    /// committed: consensus gets no answer for this round, and asks again in a later one.
    private mutating func misproposed(_ id: Bytes32, into outputs: inout [ChainOutput]) {
        counters.blocksUndecided += 1
        outputs.append(
            .event(
                .undecided(
                    height: head.height + 1, blockID: id,
                    "proposed in a round that it was not made for")))
    }

    mutating func judged(
        _ id: Bytes32, height: UInt64, _ judgement: Judgement, now: Now,
        into outputs: inout [ChainOutput]
    ) {
        guard height == head.height + 1, blocks[id] != nil else { return }
        switch judgement {
        case .valid(let facts):
            counters.blocksValid += 1
            if asksOthers(about: id, facts, into: &outputs) { return }
            blocks[id]!.state = .valid(facts)
        case .invalid(let fault):
            counters.blocksInvalid[fault.label, default: 0] += 1
            blocks[id]!.state = .invalid
            outputs.append(.event(.invalidBlock(height: height, blockID: id, fault)))
        case .undecided(let text):
            counters.blocksUndecided += 1
            blocks[id]!.state = .unknown
            blocks[id]!.isWanted = false
            outputs.append(.event(.undecided(height: height, blockID: id, text)))
            return
        }
        consider(id, now: now, into: &outputs)
    }

    // MARK: Others' opinion

    /// Asks other implementations about a block that is valid here. Returns whether they are asked.
    mutating func asksOthers(
        about id: Bytes32, _ facts: BlockFacts, into outputs: inout [ChainOutput]
    ) -> Bool {
        guard configuration.crossValidates, let contents = blocks[id]?.contents else {
            return false
        }
        blocks[id]!.state = .checking(facts)
        outputs.append(.crossValidate(contents, requests: facts.requests))
        return true
    }

    /// What they say: nil when the block may be voted for.
    mutating func crossValidated(
        _ id: Bytes32, refusal: String?, now: Now, into outputs: inout [ChainOutput]
    ) {
        guard case .checking(let facts) = blocks[id]?.state else { return }
        if let refusal {
            let fault = BlockFault.crossValidation(refusal)
            counters.blocksInvalid[fault.label, default: 0] += 1
            blocks[id]!.state = .invalid
            outputs.append(
                .event(.invalidBlock(height: head.height + 1, blockID: id, fault)))
        } else {
            blocks[id]!.state = .valid(facts)
            if let round = blocks[id]!.builtFor {
                blocks[id]!.builtFor = nil
                consensusInputs.append(
                    .blockBuilt(height: head.height + 1, round: round, blockID: id))
            }
        }
        consider(id, now: now, into: &outputs)
    }

    // MARK: Fetching

    mutating func expireBlocks(now: Now, into outputs: inout [ChainOutput]) {
        for id in Array(blocks.keys) {
            guard let held = blocks[id], let at = held.wakeAt, at <= now.instant else { continue }
            blocks[id]!.wakeAt = nil
            guard held.isWanted else { continue }
            if held.contents?.isComplete ?? false {
                consider(id, now: now, into: &outputs)
            } else {
                fetch(id, now: now, into: &outputs)
            }
        }
    }

    private mutating func fetch(_ id: Bytes32, now: Now, into outputs: inout [ChainOutput]) {
        guard var held = blocks[id] else { return }
        defer { blocks[id] = held }
        held.wakeAt = now.instant.advanced(by: limits.fetchTimeout)
        let known = held.holders.filter { peers[$0] != nil }
        var choice = known.first { !held.asked.contains($0) }
        if choice == nil {
            let others = peers.keys.filter { !held.asked.contains($0) }
            if !others.isEmpty { choice = others[Int(random.next() % UInt64(others.count))] }
        }
        guard let choice else {
            // Everybody was asked: from the beginning, a little later.
            held.asked = []
            return
        }
        held.asked.append(choice)
        let request = newRequest(.contents(id, choice))
        held.request = request
        counters.contentsAsked += 1
        outputs.append(
            .ask(
                request, choice, .contents(id),
                deadline: now.instant.advanced(by: limits.fetchTimeout * 4)))
    }

    mutating func receivedContents(
        _ id: ChainRequestID, _ contents: BlockContents, now: Now,
        into outputs: inout [ChainOutput]
    ) {
        guard case .contents(let wanted, let peer) = requests[id] else { return }
        guard contents.block.id == wanted else {
            outputs.append(.penalize(peer, "sent another block than it was asked for"))
            return
        }
        guard blocks[wanted]?.isWanted ?? false else { return }
        verify(.contents(contents), .peer(peer), head.rotation.validators, into: &outputs)
    }

    // MARK: Bodies

    mutating func bodyArrived(_ root: Bytes32, into outputs: inout [ChainOutput]) {
        let isWanted = blocks.values.contains { $0.contents?.misses(root) ?? false }
        if isWanted { outputs.append(.readBody(root: root)) }
    }

    mutating func bodyRead(
        _ root: Bytes32, _ bytes: [UInt8]?, now: Now, into outputs: inout [ChainOutput]
    ) {
        guard let bytes else { return }
        for id in Array(blocks.keys) {
            guard let contents = blocks[id]?.contents, contents.misses(root) else { continue }
            let isPayload = contents.block.header.payload.root == root
            guard
                let filled = BlockContents(
                    block: contents.block, payload: isPayload ? bytes : contents.payload,
                    witness: isPayload ? contents.witness : bytes)
            else { continue }
            hold(filled, from: nil, now: now)
            consider(id, now: now, into: &outputs)
        }
    }
}

extension ConsensusBlock {
    /// Whether its bodies are as small as they must be.
    func keeps(to parameters: ChainParameters) -> Bool {
        header.payload.size <= UInt64(parameters.payloadSizeMax)
            && body.references.first?.size ?? 0 <= UInt64(parameters.witnessSizeMax)
    }
}

extension BlockContents {
    /// With the parts that the other has and this has not.
    func filled(by other: BlockContents) -> BlockContents {
        BlockContents(
            block: block, payload: payload.isEmpty ? other.payload : payload,
            witness: witness.isEmpty ? other.witness : witness) ?? self
    }

    /// Whether a body with this root is a part that is not here.
    func misses(_ root: Bytes32) -> Bool {
        payload.isEmpty && block.header.payload.root == root
            || witness.isEmpty && block.body.references.first?.root == root
    }
}
