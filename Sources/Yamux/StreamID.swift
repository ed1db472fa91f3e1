/// Identifies one stream of a session.
///
/// Odd numbers are opened by the dialer, even ones by the listener. Zero is the session itself and
/// so is not a `StreamID`.
///
/// Specification: libp2p/specs `yamux/README.md`, "StreamID Field".
public struct StreamID: Hashable, Comparable, Sendable, CustomStringConvertible {
    public let rawValue: UInt32

    /// - Returns: nil for zero.
    public init?(_ rawValue: UInt32) {
        guard rawValue != 0 else { return nil }
        self.rawValue = rawValue
    }

    /// Only for numbers that a decoder or a stream table has already found to be non-zero.
    init(trusted rawValue: UInt32) {
        assert(rawValue != 0, "zero is the session")
        self.rawValue = rawValue
    }

    public static func < (lhs: Self, rhs: Self) -> Bool { lhs.rawValue < rhs.rawValue }

    public var description: String { "\(rawValue)" }
}
