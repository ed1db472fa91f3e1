import ChoraleBase
import ChoraleTypes
import Consensus
import OrderedCollections
import PeerIdentity
import TransactionPool

/// A block that a validator without state is to propose, for which others build the payload.
struct PayloadWish {
    let order: BuildOrder
    /// What peers are asked; nil until it is signed.
    var signed: PayloadOrder?
    var asked: OrderedSet<PeerID> = []
    /// Somebody's payload is being judged.
    var isAssembling = false
    /// When another peer is asked as well.
    var wakeAt: MonotonicInstant?
}

/// Proposers without state. They ask peers with state for a payload and its witness, judge it as they judge
/// the blocks of others, and propose it. What a builder can do is choose the transactions.
///
/// A second peer is asked when the first is slow, and the first payload that is valid is taken. Building costs
/// an execution: it is done for the proposer of a round, once.
extension Chain {
    // MARK: Asking

    mutating func wish(for order: BuildOrder, into outputs: inout [ChainOutput]) {
        wish = PayloadWish(order: order)
        outputs.append(.process(.signOrder(order)))
    }

    /// The order for payloads is signed.
    mutating func ordered(_ signed: PayloadOrder, now: Now) {
        guard let order = wish?.order, signed.height == order.height, signed.round == order.round
        else { return }
        wish?.signed = signed
        wish?.wakeAt = now.instant
    }

    mutating func expireWish(now: Now, into outputs: inout [ChainOutput]) {
        guard var present = wish else { return }
        let status = consensus.status
        guard status.height == present.order.height, status.round == present.order.round else {
            // Too late for this round. In another somebody else proposes, or this validator is asked again.
            wish = nil
            return
        }
        guard let signed = present.signed, !present.isAssembling,
            let at = present.wakeAt, at <= now.instant
        else { return }
        defer { wish = present }
        let able = peers.filter { entry in
            entry.value.buildsPayloads && !present.asked.contains(entry.key)
        }.keys
        guard !able.isEmpty else {
            // Everybody was asked. Somebody may come to this height meanwhile.
            present.asked = []
            present.wakeAt = now.instant.advanced(by: limits.payloadPatience)
            return
        }
        let choice = able[Int(random.next() % UInt64(able.count))]
        present.asked.append(choice)
        present.wakeAt = now.instant.advanced(by: limits.payloadPatience)
        counters.payloadsAsked += 1
        outputs.append(
            .ask(
                newRequest(.payload(signed.round, choice)), choice, .payload(signed),
                deadline: now.instant.advanced(by: limits.fetchTimeout * 4)))
    }

    mutating func receivedPayload(
        _ id: ChainRequestID, _ built: BuiltPayload, into outputs: inout [ChainOutput]
    ) {
        guard case .payload(let round, let peer) = requests[id], let present = wish,
            present.order.round == round, !present.isAssembling
        else { return }
        wish?.isAssembling = true
        outputs.append(.process(.assemble(present.order, built, from: peer)))
    }

    /// Whoever was asked has not answered, or not with a payload.
    mutating func payloadRequestEnded(_ round: UInt32, _ end: ChainRequestEnd, now: Now) {
        guard end != .finished, wish?.order.round == round else { return }
        wish?.wakeAt = now.instant
    }

    /// A payload that was built for this validator is none.
    mutating func payloadRefused(
        height: UInt64, round: UInt32, _ fault: BlockFault, from peer: PeerID, now: Now,
        into outputs: inout [ChainOutput]
    ) {
        counters.payloadsRefused += 1
        outputs.append(.penalize(peer, "built a payload that is invalid: \(fault)"))
        guard wish?.order.height == height, wish?.order.round == round else { return }
        wish?.isAssembling = false
        wish?.wakeAt = now.instant
    }

    // MARK: Building for others

    mutating func servePayload(
        _ id: BlockServeID, _ order: PayloadOrder, from peer: PeerID,
        into outputs: inout [ChainOutput]
    ) {
        guard isStarted, !isStopped, configuration.keepsState, applying == nil,
            order.height == head.height + 1, order.content.parentID == head.blockID,
            order.content.time > head.time, order.round < limits.payloadRoundsMax,
            !payloadRounds.contains(order.round),
            head.rotation.proposer(of: order.round) == order.proposer,
            serveCount < limits.servesMax, verificationCount < limits.verificationsMax
        else {
            outputs.append(.servePayload(id, nil))
            return
        }
        verify(
            .payloadOrder(id, order), .peer(peer), head.rotation.validators, into: &outputs)
    }

    mutating func verifiedOrder(
        _ id: BlockServeID, _ order: PayloadOrder, into outputs: inout [ChainOutput]
    ) {
        guard order.height == head.height + 1, applying == nil,
            payloadRounds.insert(order.round).inserted
        else {
            outputs.append(.servePayload(id, nil))
            return
        }
        serveCount += 1
        counters.payloadsBuilt += 1
        outputs.append(.process(.buildPayload(id, order, transactions: pool.selection())))
    }
}

extension ProposerRotation {
    /// Who proposes in a round of the next height.
    ///
    /// - Complexity: O(round × validators); callers bound it.
    func proposer(of round: UInt32) -> ValidatorIndex {
        var rotation = self
        for _ in 0..<round { rotation.advance() }
        return rotation.advance()
    }
}
