/// How urgent bytes are, when several kinds wait for one socket or one budget.
///
/// Lower raw values go first. Scheduling is weighted rather than strict, so that no class starves.
public enum TrafficClass: UInt8, CaseIterable, Comparable, Hashable, Sendable {
    /// Quorum votes and everything that a vote waits for.
    case vote
    /// Protocol upkeep: negotiation, identify, ping, gossip control, DHT.
    case control
    case block
    case witness
    /// Proofs and bulk transfers.
    case proof

    public static func < (lhs: Self, rhs: Self) -> Bool { lhs.rawValue < rhs.rawValue }
}
