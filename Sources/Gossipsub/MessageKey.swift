/// A message identifier as this machine's tables know it: 128 bits of SipHash under a secret key.
///
/// Sixteen bytes inline instead of an array of any length, and a peer that does not know the key
/// cannot make two identifiers meet.
struct MessageKey: Hashable, Sendable {
    let low: UInt64
    let high: UInt64

    static func == (lhs: Self, rhs: Self) -> Bool { lhs.low == rhs.low && lhs.high == rhs.high }

    func hash(into hasher: inout Hasher) { hasher.combine(low) }
}
