import ChoraleBase
import Codec
import Node
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
        case .stopping: "stopping"
        }
    }
}
