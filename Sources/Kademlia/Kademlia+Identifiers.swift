extension Kademlia {
    /// Names one command for as long as it runs. Chosen by the caller, who does not reuse it.
    public struct QueryID: Hashable, Comparable, Sendable {
        public let rawValue: UInt64

        public init(_ rawValue: UInt64) { self.rawValue = rawValue }

        public static func < (lhs: Self, rhs: Self) -> Bool { lhs.rawValue < rhs.rawValue }
    }

    /// Names one request to a peer. Chosen by the machine, ascending from 1.
    public struct RPCID: Hashable, Comparable, Sendable {
        public let rawValue: UInt64

        public init(_ rawValue: UInt64) { self.rawValue = rawValue }

        public static func < (lhs: Self, rhs: Self) -> Bool { lhs.rawValue < rhs.rawValue }
    }

    /// Names one request from a peer. Chosen by the caller, who does not reuse it.
    public struct InboundRequestID: Hashable, Comparable, Sendable {
        public let rawValue: UInt64

        public init(_ rawValue: UInt64) { self.rawValue = rawValue }

        public static func < (lhs: Self, rhs: Self) -> Bool { lhs.rawValue < rhs.rawValue }
    }

    /// Names one validation. Chosen by the machine, ascending from 1.
    public struct JobID: Hashable, Comparable, Sendable {
        public let rawValue: UInt64

        public init(_ rawValue: UInt64) { self.rawValue = rawValue }

        public static func < (lhs: Self, rhs: Self) -> Bool { lhs.rawValue < rhs.rawValue }
    }
}
