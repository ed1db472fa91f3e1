/// What one session may use, and what its peer may ask of it.
public struct YamuxLimits: Hashable, Sendable {
    /// Window of a new stream in each direction, in bytes.
    ///
    /// Not a choice: both sides assume it before anything is said. Specification: "Flow Control".
    public static let windowSizeInitial = 256 * 1024

    /// Largest payload accepted in one frame, in bytes.
    ///
    /// What rust-yamux accepts. Others send at most 64 KiB. The stream's window limits it further.
    public var payloadSizeMax: UInt32 = 1024 * 1024

    /// Largest payload sent in one frame, in bytes.
    ///
    /// With the header 16 KiB, so that one Noise message of 16 KiB carries one frame, and so that a
    /// vote waits behind at most one frame of a proof.
    public var payloadSentMax = 16 * 1024 - YamuxHeader.encodedSize

    /// Largest receive window of one stream, in bytes.
    ///
    /// 16 MiB fills 1.3 Gbit/s over 100 ms; go-yamux has the same.
    public var windowSizeMax = 16 * 1024 * 1024

    /// Bytes by which all receive windows of the session together may exceed their initial sizes.
    ///
    /// Two streams at their largest. The node's own allowance, ``YamuxSession/windowBudget``, is
    /// usually the tighter one.
    public var extraWindowMax = 32 * 1024 * 1024

    /// Bytes taken by the application after which a window update is sent, if that is less than
    /// half a window.
    ///
    /// Half of a large window is a long silence: the sender would get by on the other half, and a
    /// window of twice the bandwidth-delay product would be needed to fill a path.
    public var windowUpdateSizeMax = 512 * 1024

    /// A window grows when half of it is consumed within this many round trips.
    ///
    /// A sender that the window holds back uses half of it in half a round trip. At 2 the window
    /// settles between four and eight bandwidth-delay products, so that a round trip measured on an
    /// idle path and one under load lead to windows that both suffice.
    public var growthRoundTrips = 2

    /// Round trips shorter than this count as this long when windows are tuned.
    ///
    /// A loop turn takes about as long, so that shorter round trips say nothing of the path.
    public var roundTripMin: Duration = .microseconds(200)

    /// Streams that the peer may have open at once.
    ///
    /// The backlog that the specification asks to allow, and go's.
    public var inboundStreamsMax = 256

    /// Streams that we have open at once.
    ///
    /// nim ends the connection at 256 of both directions together and rust at 512; half of the
    /// smaller one stays clear of both.
    public var outboundStreamsMax = 128

    /// Streams of ours that the peer has not acknowledged. Specification: "ACK backlog", 256.
    public var unacknowledgedStreamsMax = 128

    /// Bytes queued on one stream.
    ///
    /// What our own application may put in before it has to wait for
    /// ``YamuxSession/Event/writable``.
    public var sendQueueSizeMax = 4 * 1024 * 1024

    /// Queued bytes below which a stream that filled up is reported writable again.
    public var sendQueueLowWater = 1024 * 1024

    /// Bytes queued on all streams of the session together.
    ///
    /// What a peer that never reads can make us hold, all of it written by our own application.
    public var sessionQueueSizeMax = 16 * 1024 * 1024

    /// Answers to pings that wait to be sent.
    ///
    /// More than this waits only when the peer does not read; the oldest ones are then pointless.
    public var pongsMax = 16

    /// Resets that wait to be sent before new streams of the peer end the session.
    public var resetsMax = 256

    /// Time between two keepalive pings. go, js: 30 s.
    public var keepaliveInterval: Duration = .seconds(30)

    /// Keepalive intervals without a single received byte after which the session is dead.
    public var keepaliveMissesMax = 2

    /// Shortest time between two pings that measure the round trip while data flows.
    public var probeInterval: Duration = .seconds(1)

    /// Pings from the peer: how many at once, and the time in which one more is allowed.
    ///
    /// rust pings each 10 s, others each 30 s. 200 at once and 100 a second leave room for tools.
    public var pingBurst: Int64 = 200
    public var pingInterval: Duration = .milliseconds(10)

    /// Streams that the peer opens and resets itself, or opens in vain over its limit.
    ///
    /// "Rapid reset": opening is cheap for the peer and dear for the layers above us. Requests that
    /// are given up reset streams too, so the burst is generous.
    public var abandonedStreamBurst: Int64 = 512
    public var abandonedStreamInterval: Duration = .milliseconds(20)

    /// Frames that carry nothing: empty data, updates of zero, answers to no ping, frames for
    /// streams that are gone, window updates far beyond what our own data explains.
    ///
    /// Updates and closes that cross on the wire are normal, at most a few per stream.
    public var emptyFrameBurst: Int64 = 4096
    public var emptyFrameInterval: Duration = .milliseconds(1)

    /// Payload bytes tolerated on streams that are gone, beyond what was in flight when we reset
    /// them.
    public var lateBytesMax = 1024 * 1024

    public init() {}
}
