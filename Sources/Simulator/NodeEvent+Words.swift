import Chain
import ChoraleBase
import ChoraleTypes
import Codec
import Consensus
import ExecutorAgent
import Node
import PartVerification
import PeerIdentity
import Swarm

extension NodeEvent {
    /// The event as a line of a trace says it. Written out, because reflection costs more than the
    /// event did.
    var words: String {
        switch self {
        case .started(let peer): "started \(peer)"
        case .listening(let address): "listening \(address.text)"
        case .listenFailed(let address, let reason): "listen-failed \(address.text) \(reason)"
        case .acceptFailed(let address, let reason): "accept-failed \(address.text) \(reason)"
        case .peerConnected(let peer, let direction, let address):
            "peer-connected \(peer) \(direction.rawValue) \(address.text)"
        case .peerDisconnected(let peer, let reason):
            "peer-disconnected \(peer) \(reason.rawValue)"
        case .peerIdentified(let peer, let agent): "peer-identified \(peer) \(agent)"
        case .connectionClosed(let id, let reason, let detail):
            "connection-closed \(id) \(reason.rawValue) \(detail)"
        case .refused(let refusal, let address): "refused \(refusal) \(address.text)"
        case .grafted(let peer, let topic): "grafted \(peer) \(topic)"
        case .pruned(let peer, let topic): "pruned \(peer) \(topic)"
        case .graylisted(let peer): "graylisted \(peer)"
        case .routingTableSize(let size): "routing-table-size \(size)"
        case .recordRejected(let reason): "record-rejected \(reason)"
        case .equivocation(let key): "equivocation \(Hex.encode(key))"
        case .peerFault(let peer, let fault): "peer-fault \(peer) \(fault)"
        case .bodyAnnounced(let root, let kind, let size): "body-announced \(root) \(kind) \(size)"
        case .bodyCompleted(let root, let kind, let size, let sources, let elapsed):
            "body-completed \(root) \(kind) \(size) \(sources) \(elapsed.wholeNanoseconds)"
        case .bodyFailed(let root, let reason): "body-failed \(root) \(reason)"
        case .observedAddress(let address): "observed-address \(address.text)"
        case .dhtModeChanged(let serving): "dht-mode-changed \(serving)"
        case .storeFailed(let reason): "store-failed \(reason)"
        case .storeRecovered: "store-recovered"
        case .wrongNetwork(let peer, let digest): "wrong-network \(peer) \(Hex.encode(digest))"
        case .chain(let event): "chain \(event.words)"
        case .part(let event): "part \(event.words)"
        case .executor(let event): "executor \(event.words)"
        case .stopping: "stopping"
        }
    }
}

extension PartEvent {
    fileprivate var words: String {
        switch self {
        case .pool(let event): "\(event)"
        case .unverifiable(let operation, let text): "unverifiable \(operation) \(text)"
        case .verified(let operation, let part, let isValid, _):
            "verified \(operation) \(part) \(isValid)"
        case .fault(let operation, let validator): "fault \(operation) \(validator.rawValue)"
        case .muted(let signer): "muted \(signer)"
        case .signingFailed: "signing-failed"
        case .attested(let operation, let part, let enclave):
            "attested \(operation) \(part) \(enclave)"
        case .enclaveRefused(let operation, let part, let text):
            "enclave-refused \(operation) \(part) \(text)"
        case .contradicted(let operation, let part): "contradicted \(operation) \(part)"
        case .enclaveRevoked(let enclave): "enclave-revoked \(enclave)"
        }
    }
}

extension ExecutorEvent {
    fileprivate var words: String {
        switch self {
        case .elected(let operation, let rank, let turn): "elected \(operation) \(rank) \(turn)"
        case .began(let operation): "began \(operation)"
        case .executed(let operation, _, let parts): "executed \(operation) \(parts)"
        case .proven(let operation, let part, let count, _):
            "proven \(operation) \(part) \(count)"
        case .attested(let operation, let part): "attested \(operation) \(part)"
        case .notAttested(let operation, let part, let text):
            "not-attested \(operation) \(part) \(text)"
        case .committed(let operation): "committed \(operation)"
        case .settling(let operation): "settling \(operation)"
        case .settled(let operation): "settled \(operation)"
        case .failed(let operation, let text): "failed \(operation) \(text)"
        case .dropped(let operation): "dropped \(operation)"
        }
    }
}

extension ChainEvent {
    fileprivate var words: String {
        switch self {
        case .consensus(let event): event.words
        case .committed(let report):
            "committed \(report.height) \(report.round) \(report.blockID) \(report.blockHash) "
                + "\(report.proposer.rawValue) \(report.facts.transactionCount) "
                + "\(report.facts.gasUsed) \(report.evidenceCount)"
        case .invalidBlock(let height, let block, let fault):
            "invalid-block \(height) \(block) \(fault.label)"
        case .undecided(let height, let block, let text): "undecided \(height) \(block) \(text)"
        case .buildFailed(let height, let text): "build-failed \(height) \(text)"
        case .executor(let statement):
            "executor \(statement.operation) \(statement.executor)"
        case .operations(let report):
            "operations \(report.height) "
                + report.changes.map { "\($0.label) \($0.operation ?? $0.executor ?? .zero)" }
                .joined(separator: ", ")
        case .evidence(let height, let validator): "evidence \(height) \(validator.rawValue)"
        case .partEvidence(let operation, let validator):
            "part evidence \(operation) \(validator.rawValue)"
        case .syncing(let from, let to): "syncing \(from) \(to)"
        case .synced(let height): "synced \(height)"
        case .downloading(let id, let event): "downloading \(id) \(event.words)"
        case .signingStopped(let text): "signing-stopped \(text)"
        case .signingResumed: "signing-resumed"
        case .stopped(let text): "chain-stopped \(text)"
        }
    }
}

extension DownloadEvent {
    fileprivate var words: String {
        switch self {
        case .asking: "asking"
        case .began: "began"
        case .resumed: "resumed"
        case .progress(let info): "progress \(info.accountCount) \(info.slotCount) \(info.size)"
        case .waiting(let text): "waiting \(text)"
        case .finished: "finished"
        case .failed(let text): "failed \(text)"
        }
    }
}

extension ConsensusEvent {
    fileprivate var words: String {
        switch self {
        case .roundStarted(let height, let round, let proposer):
            "round \(height) \(round) \(proposer.rawValue)"
        case .locked(let height, let round, let block): "locked \(height) \(round) \(block)"
        case .timedOut(let height, let round, let step):
            "timed-out \(height) \(round) \(step.rawValue)"
        case .abstaining(let height, let signed):
            "abstaining \(height) \(signed.height) \(signed.round)"
        case .committedBlockIsInvalid(let height, let block):
            "committed-invalid \(height) \(block)"
        }
    }
}
