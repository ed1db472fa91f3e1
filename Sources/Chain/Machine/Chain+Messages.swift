import ChoraleBase
import ChoraleTypes
import Codec
import Consensus
import OrderedCollections
import PeerIdentity

/// What others say: decoded here, its signatures checked by workers, and only then believed.
extension Chain {
    mutating func received(
        _ bytes: [UInt8], on topic: ChainTopic, _ id: ChainGossipID, from peer: PeerID, now: Now,
        into outputs: inout [ChainOutput]
    ) {
        let origin = ChainVerification.Origin.gossip(id, peer)
        // Before the start nothing can be said about anything.
        guard isStarted, !isStopped else {
            outputs.append(.verdict(id, .ignore))
            return
        }
        do throws(SSZError) {
            switch topic {
            case .vote:
                let message = try ChainMessage(ssz: bytes.span)
                guard message.isGossiped else {
                    reject(origin, .notGossiped, into: &outputs)
                    return
                }
                received(message, origin, now: now, into: &outputs)
            case .block:
                received(
                    try ProposedBlock(ssz: bytes.span), origin, now: now, into: &outputs)
            case .evidence:
                received(try Evidence(ssz: bytes.span), origin, into: &outputs)
            case .executor:
                received(try ExecutorStatement(ssz: bytes.span), origin, into: &outputs)
            case .transaction:
                submit(bytes, .gossip(id, peer, bytes), into: &outputs)
            }
        } catch {
            reject(origin, .malformed, into: &outputs)
        }
    }

    mutating func received(
        _ message: ChainMessage, _ origin: ChainVerification.Origin, now: Now,
        into outputs: inout [ChainOutput]
    ) {
        guard isStarted, !isStopped else { return }
        switch message {
        case .vote(let vote):
            heard(of: vote.height, from: origin.peer, now: now)
            if let block = vote.blockID { noteHolder(of: block, origin.peer) }
            guard let set = admitted(consensus.precheck(vote), origin, into: &outputs) else {
                return
            }
            verify(.vote(vote), origin, set, into: &outputs)
        case .proposal(let proposal):
            heard(of: proposal.height, from: origin.peer, now: now)
            guard let set = admitted(consensus.precheck(proposal), origin, into: &outputs) else {
                return
            }
            verify(.proposal(proposal), origin, set, into: &outputs)
        case .commit(let commit):
            // Whoever sends it has passed that height.
            heard(of: commit.height + 1, from: origin.peer, now: now)
            guard let set = admitted(consensus.precheck(commit), origin, into: &outputs) else {
                return
            }
            verify(.commit(commit), origin, set, into: &outputs)
        case .summary(let summary):
            heard(of: summary.height, from: origin.peer, now: now)
            consensusInputs.append(.summaryReceived(summary, from: origin.peer))
        case .status(let status):
            peers[origin.peer]?.status(status)
            consider(now: now)
        }
    }

    private mutating func received(
        _ proposed: ProposedBlock, _ origin: ChainVerification.Origin, now: Now,
        into outputs: inout [ChainOutput]
    ) {
        let proposal = proposed.proposal
        heard(of: proposal.height, from: origin.peer, now: now)
        switch consensus.precheck(proposal) {
        case .verify(let set):
            verify(.block(proposed), origin, set, into: &outputs)
        case .drop(.duplicate)
        where proposal.height == head.height + 1
            && !(blocks[proposal.blockID]?.contents?.isComplete ?? false):
            // The proposal came first and its block is missing.
            verify(.block(proposed), origin, head.rotation.validators, into: &outputs)
        case .drop(let reason):
            drop(reason, origin, into: &outputs)
        }
    }

    private mutating func received(
        _ piece: Evidence, _ origin: ChainVerification.Origin, into outputs: inout [ChainOutput]
    ) {
        guard piece.height <= head.height + 1,
            head.height + 1 - piece.height < parameters.evidenceAgeMax,
            let validators = head.validators(at: piece.height),
            !evidence.knows(piece)
        else {
            settle(origin, .ignore, into: &outputs)
            return
        }
        guard let culprit = validators[piece.validator] else {
            reject(origin, .forged, into: &outputs)
            return
        }
        // It is known already, and can be punished once.
        guard !head.registry.slashed.contains(culprit.key) else {
            settle(origin, .ignore, into: &outputs)
            return
        }
        verify(.evidence(piece), origin, validators, into: &outputs)
    }

    private mutating func admitted(
        _ precheck: ConsensusPrecheck, _ origin: ChainVerification.Origin,
        into outputs: inout [ChainOutput]
    ) -> ValidatorSet? {
        switch precheck {
        case .verify(let validators): return validators
        case .drop(let reason):
            drop(reason, origin, into: &outputs)
            return nil
        }
    }

    private mutating func drop(
        _ reason: ConsensusDrop, _ origin: ChainVerification.Origin,
        into outputs: inout [ChainOutput]
    ) {
        counters.consensusDrops[reason.rawValue] += 1
        guard reason.isFault else {
            settle(origin, .ignore, into: &outputs)
            return
        }
        reject(origin, .refused, into: &outputs)
    }

    // MARK: Signatures

    mutating func verify(
        _ content: ChainVerification.Content, _ origin: ChainVerification.Origin,
        _ validators: ValidatorSet, into outputs: inout [ChainOutput]
    ) {
        // One peer that repeats itself leaves room for what others say. Of orders there are few: `servePayload`.
        let isOrder = if case .payloadOrder = content { true } else { false }
        let ofPeer = peers[origin.peer]?.verificationCount ?? 0
        guard verificationCount < limits.verificationsMax,
            isOrder || ofPeer < limits.verificationsPerPeerMax
        else {
            counters.verificationsShed += 1
            settle(origin, .ignore, into: &outputs)
            return
        }
        verificationCount += 1
        peers[origin.peer]?.verificationCount += 1
        outputs.append(
            .verify(
                ChainVerification(
                    origin: origin, content: content, validators: validators,
                    network: parameters.network)))
    }

    mutating func verified(
        _ outcome: ChainVerification.Outcome, now: Now, into outputs: inout [ChainOutput]
    ) {
        verificationCount -= 1
        // It may have gone and come back since.
        if let count = peers[outcome.origin.peer]?.verificationCount, count > 0 {
            peers[outcome.origin.peer]?.verificationCount -= 1
        }
        switch outcome.result {
        case .forged:
            reject(outcome.origin, .forged, into: &outputs)
            return
        case .vote(let vote):
            consensusInputs.append(.voteReceived(vote))
        case .proposal(let proposal):
            consensusInputs.append(.proposalReceived(proposal))
        case .block(let proposal, let contents):
            hold(contents, from: outcome.origin.peer, now: now)
            consensusInputs.append(.proposalReceived(proposal))
            consider(contents.block.id, now: now, into: &outputs)
        case .contents(let contents):
            hold(contents, from: outcome.origin.peer, now: now)
            consider(contents.block.id, now: now, into: &outputs)
        case .payloadOrder(let id, let order, let isGenuine):
            if isGenuine {
                verifiedOrder(id, order, into: &outputs)
            } else {
                outputs.append(.servePayload(id, nil))
                reject(outcome.origin, .forged, into: &outputs)
            }
            return
        case .commit(let commit):
            consensusInputs.append(.commitReceived(commit))
        case .executor(let statement):
            verified(statement, outcome.origin, into: &outputs)
            return
        case .evidence(let piece):
            if evidence.add(piece, limit: limits.evidenceMax) {
                outputs.append(
                    .event(.evidence(height: piece.height, piece.validator)))
            }
        }
        settle(outcome.origin, .accept, into: &outputs)
    }

    /// Says what became of a gossip message; of others nobody asks.
    func settle(
        _ origin: ChainVerification.Origin, _ verdict: ChainVerdict,
        into outputs: inout [ChainOutput]
    ) {
        if case .gossip(let id, _) = origin { outputs.append(.verdict(id, verdict)) }
    }

    mutating func reject(
        _ origin: ChainVerification.Origin, _ reason: MessageFault,
        into outputs: inout [ChainOutput]
    ) {
        counters.faults[reason, default: 0] += 1
        switch origin {
        case .gossip(let id, _): outputs.append(.verdict(id, .reject))
        case .peer(let peer): outputs.append(.penalize(peer, reason.rawValue))
        }
    }

    // MARK: What follows from hearing

    /// Whoever says something of a height has come to it.
    private mutating func heard(of height: UInt64, from peer: PeerID, now: Now) {
        guard height > head.height + 1 else { return }
        peers[peer]?.reached(height - 1)
        consider(now: now)
    }

    private mutating func noteHolder(of block: Bytes32, _ peer: PeerID) {
        guard blocks[block] != nil, blocks[block]!.holders.count < 64 else { return }
        blocks[block]!.holders.append(peer)
    }

    /// Consensus has found a validator that contradicts itself.
    mutating func found(_ piece: Evidence, into outputs: inout [ChainOutput]) {
        guard evidence.add(piece, limit: limits.evidenceMax) else { return }
        outputs.append(.event(.evidence(height: piece.height, piece.validator)))
        emit(.publish(.evidence, piece.sszEncoded()), into: &outputs)
    }
}

extension ChainMessage {
    /// Whether it is for everybody.
    var isGossiped: Bool {
        switch self {
        case .vote, .proposal: true
        case .commit, .summary, .status: false
        }
    }
}
