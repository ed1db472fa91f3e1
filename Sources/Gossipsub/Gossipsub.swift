public import ChoraleBase
public import PeerIdentity

/// Gossipsub v1.0 to v1.2.
public struct Gossipsub: StateMachine, ~Copyable {
    public let configuration: Configuration
    public private(set) var counters = Counters()

    /// - Parameters:
    ///   - random: seeds every choice the machine makes, and the key of its hash tables.
    public init(configuration: Configuration, random: DeterministicRandom, now: Now) {
        self.configuration = configuration
    }

    public var nextDeadline: MonotonicInstant? { nil }

    public mutating func handle(_ input: Input, now: Now, into outputs: inout [Output]) {}

    /// Takes the next RPC for `peer`, as late as possible.
    public mutating func dequeue(
        _ peer: PeerID,
        now: Now,
        into outputs: inout [Output]
    ) -> OutgoingFrame? { nil }

    /// Whether ``dequeue(_:now:into:)`` would give something.
    public func hasFrames(for peer: PeerID) -> Bool { false }

    public func meshSnapshot() -> [TopicSnapshot] { [] }

    public func peerSnapshot() -> [PeerSnapshot] { [] }

    public func explain(_ peer: PeerID, now: Now) -> ScoreExplanation? { nil }

    public var holdings: Holdings { Holdings() }
}
