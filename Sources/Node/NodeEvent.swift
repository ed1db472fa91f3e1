public import Chain
public import ChoraleBase
public import Codec
public import ExecutorAgent
public import PartVerification
public import PeerIdentity
public import Swarm

/// A fact that an operator or a test may want to know, as it happens.
public enum NodeEvent: Sendable {
    case started(PeerID)
    case listening(Multiaddr)
    case listenFailed(Multiaddr, reason: String)
    /// Sockets cannot be accepted, for want of descriptors for instance; told at most every 10 s.
    case acceptFailed(Multiaddr, reason: String)
    case peerConnected(PeerID, Direction, Multiaddr)
    case peerDisconnected(PeerID, DisconnectReason)
    case peerIdentified(PeerID, agentVersion: String)
    case connectionClosed(ConnectionID, DisconnectReason, detail: String)
    case refused(LimitRefusal, Multiaddr)
    case grafted(PeerID, topic: String)
    case pruned(PeerID, topic: String)
    case graylisted(PeerID)
    case routingTableSize(Int)
    case recordRejected(reason: String)
    case equivocation(key: [UInt8])
    case peerFault(PeerID, String)
    case bodyAnnounced(root: Bytes32, kind: String, size: Int)
    case bodyCompleted(root: Bytes32, kind: String, size: Int, sources: Int, elapsed: Duration)
    case bodyFailed(root: Bytes32, reason: String)
    case observedAddress(Multiaddr)
    case dhtModeChanged(serving: Bool)
    case storeFailed(String)
    case storeRecovered
    case wrongNetwork(PeerID, digest: [UInt8])
    case chain(ChainEvent)
    case part(PartEvent)
    case executor(ExecutorEvent)
    case stopping
}
