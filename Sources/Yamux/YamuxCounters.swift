/// What a session has done, for metrics and tests. Counts never fall.
///
///     framesReceived = data + windowUpdate + ping + goAway frames received
///     payloadReceived = payloadDelivered + payloadDrained
///     streamsOpened* = streamsFinished + streamsReset* + streamsAbandoned + streams now open
public struct YamuxCounters: Hashable, Sendable {
    public var framesReceived: UInt64 = 0
    public var dataFramesReceived: UInt64 = 0
    public var windowUpdatesReceived: UInt64 = 0
    public var pingsReceived: UInt64 = 0
    public var goAwaysReceived: UInt64 = 0
    public var framesSent: UInt64 = 0
    public var dataFramesSent: UInt64 = 0

    /// Bytes of payload, headers not counted.
    public var payloadReceived: UInt64 = 0
    public var payloadDelivered: UInt64 = 0
    /// Payload for streams that are gone, thrown away.
    public var payloadDrained: UInt64 = 0
    public var payloadSent: UInt64 = 0

    public var streamsOpenedByPeer: UInt64 = 0
    public var streamsOpenedByUs: UInt64 = 0
    /// Streams that ended with a FIN in both directions.
    public var streamsFinished: UInt64 = 0
    public var streamsResetByPeer: UInt64 = 0
    public var streamsResetByUs: UInt64 = 0
    /// Streams open when the session failed.
    public var streamsAbandoned: UInt64 = 0
    /// Streams that the peer tried to open and that were answered with a reset at once.
    public var streamsRefused: UInt64 = 0

    /// Pings that were answered, and those not answered because too many answers waited.
    public var pongsQueued: UInt64 = 0
    public var pongsDropped: UInt64 = 0
    /// Frames that carried nothing, see ``YamuxLimits/emptyFrameBurst``.
    public var emptyFrames: UInt64 = 0
    /// Times a receive window grew.
    public var windowsGrown: UInt64 = 0
    /// Times a window should have grown but no budget was left.
    public var windowsHeldBack: UInt64 = 0
    /// Times a stream had bytes to send but the peer's window was used up.
    public var windowStalls: UInt64 = 0

    public init() {}
}
