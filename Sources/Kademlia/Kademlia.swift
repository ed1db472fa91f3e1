public import ChoraleBase
public import PeerIdentity

/// A node's part in the distributed hash table.
public struct Kademlia: StateMachine, ~Copyable {
    let configuration: Configuration
    let limits: Limits
    let localPeer: PeerID

    /// - Parameters:
    ///   - localPeer: this node's own id.
    ///   - random: for jitter and for choosing keys to refresh.
    public init(
        localPeer: PeerID, configuration: Configuration, limits: Limits = Limits(),
        random: DeterministicRandom
    ) {
        self.localPeer = localPeer
        self.configuration = configuration
        self.limits = limits
    }

    public var nextDeadline: MonotonicInstant? { nil }

    public mutating func handle(_ input: Input, now: Now, into outputs: inout [Output]) {}
}
