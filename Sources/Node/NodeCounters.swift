/// What `Node` itself counts; each machine has its own counters beside these. Counts never fall.
public struct NodeCounters: Sendable {
    public var bytesReceived: UInt64 = 0
    public var bytesSent: UInt64 = 0
    /// Commands refused because too many were under way.
    public var commandsRefused: UInt64 = 0
    public var streamsOpened: UInt64 = 0
    public var streamsNotOpened: UInt64 = 0
    public var streamsAccepted: UInt64 = 0
    /// Copies of our own publications that left for a peer, and those given up for want of time or room.
    public var gossipCopiesSent: UInt64 = 0
    public var gossipCopiesShed: UInt64 = 0
    /// Opened by a peer faster than anybody has use for.
    public var streamsRefused: UInt64 = 0
    public var streamsReset: UInt64 = 0
    public var malformedIdentify: UInt64 = 0
    public var malformedGossipFrames: UInt64 = 0
    public var malformedKademliaFrames: UInt64 = 0
    public var malformedRequests: UInt64 = 0
    public var gossipStreamsOverrun: UInt64 = 0
    public var invalidPeerRecords: UInt64 = 0
    public var announcementsRejected: UInt64 = 0
    public var announcementsIgnored: UInt64 = 0
    public var storeFailures: UInt64 = 0

    public init() {}
}
