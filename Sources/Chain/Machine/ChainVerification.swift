import ChoraleBase
import ChoraleTypes
import Codec
import Consensus
import Operations
public import PeerIdentity

/// A check of signatures that a worker makes: a value with everything it needs.
public struct ChainVerification: Sendable {
    /// Who brought the message.
    public enum Origin: Hashable, Sendable {
        case gossip(ChainGossipID, PeerID)
        case peer(PeerID)

        var peer: PeerID {
            switch self {
            case .gossip(_, let peer), .peer(let peer): peer
            }
        }
    }

    enum Content: Sendable {
        case vote(Vote)
        case proposal(Proposal)
        case block(ProposedBlock)
        case commit(Commit)
        case evidence(Evidence)
        case executor(ExecutorStatement)
        /// Bodies that a peer sent for a block that was asked for.
        case contents(BlockContents)
        case payloadOrder(BlockServeID, PayloadOrder)
    }

    /// What a worker found.
    public struct Outcome: Sendable {
        let origin: Origin
        let result: Result

        enum Result: Sendable {
            case vote(VerifiedVote)
            case proposal(VerifiedProposal)
            case block(VerifiedProposal, BlockContents)
            case commit(VerifiedCommit)
            case evidence(Evidence)
            case executor(ExecutorStatement)
            case contents(BlockContents)
            case payloadOrder(BlockServeID, PayloadOrder, isGenuine: Bool)
            /// No validator has signed it, or the bodies are not those of the block.
            case forged
        }
    }

    let origin: Origin
    let content: Content
    let validators: ValidatorSet
    let network: NetworkDigest

    /// Whether it is a single signature, which costs less than waking a worker.
    public var isSmall: Bool {
        switch content {
        case .vote, .proposal, .payloadOrder, .executor: true
        case .block, .commit, .evidence, .contents: false
        }
    }

    public func run() -> Outcome {
        Outcome(origin: origin, result: check() ?? .forged)
    }

    private func check() -> Outcome.Result? {
        switch content {
        case .vote(let vote):
            return (try? VerifiedVote(vote, validators: validators, network: network))
                .map { .vote($0) }
        case .proposal(let proposal):
            return (try? VerifiedProposal(proposal, validators: validators, network: network))
                .map { .proposal($0) }
        case .block(let proposed):
            let proposal = try? VerifiedProposal(
                proposed.proposal, validators: validators, network: network)
            guard let proposal, proposed.contents.isAsReferred else { return nil }
            return .block(proposal, proposed.contents)
        case .commit(let commit):
            return (try? VerifiedCommit(commit, validators: validators, network: network))
                .map { .commit($0) }
        case .evidence(let evidence):
            guard (try? evidence.verify(validators: validators, network: network)) != nil else {
                return nil
            }
            return .evidence(evidence)
        case .executor(let statement):
            return statement.isSigned(network: network) ? .executor(statement) : nil
        case .contents(let contents):
            return contents.isAsReferred ? .contents(contents) : nil
        case .payloadOrder(let id, let order):
            let check: Void? = try? order.verify(validators: validators, network: network)
            return .payloadOrder(id, order, isGenuine: check != nil)
        }
    }
}

extension BlockContents {
    /// Whether the parts that are here are those that the block refers to.
    var isAsReferred: Bool {
        if !payload.isEmpty,
            ContentReference(kind: .block, bytes: payload) != block.header.payload
        {
            return false
        }
        if !witness.isEmpty,
            ContentReference(kind: .witness, bytes: witness) != block.body.references.first
        {
            return false
        }
        return true
    }
}
