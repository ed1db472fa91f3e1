public import ChoraleBase
import DequeModule

/// Many streams over one connection: a Yamux session as a machine.
///
/// Bytes from the peer go into ``receive(_:now:into:)`` and come out as events whose payloads are
/// ranges of the caller's span. Bytes to the peer are pulled with
/// ``transmit(into:sizeMax:now:events:)``, so that what is queued can be overtaken until the last
/// moment.
///
///     session   open ──(GoAway sent or received)──▶ open, no new streams
///               any  ──(fault of the peer, silence)──▶ failed
///
///     stream    open ──(closeWrite, FIN sent)──▶ half closed ──(FIN received)──▶ gone
///               open ──(FIN received)──▶ half closed ──(closeWrite, FIN sent)──▶ gone
///               any  ──(RST sent or received)──▶ gone
///
/// Invariants:
///   1. `receiveCredit + unconsumed <= windowSize` for each stream: a peer never holds more credit
///      than its window. (Asserted where credit is granted; payload beyond it fails the session.)
///   2. `extraWindowInUse` is the sum of `windowSize - 256 KiB` over the streams that may still
///      receive. (Kept in `setWindowSize`; the tests add it up.)
///   3. Receiving needs no room for sending: what a peer can make us queue is one entry per stream
///      in a list linked through the streams, and two queues whose length is limited.
///   4. A stream is in the ready list exactly when it has bytes and credit, and in the control list
///      exactly when `needsControlFrame`. (Kept in `reschedule`.)
///   5. Nothing is reported about a stream after it is gone, and nothing at all after `failed`.
///
/// Memory: received bytes are never kept, but for 12 of a header. About 1 KiB without streams; 160
/// bytes for each stream; at most `sessionQueueSizeMax` of what the application wrote, by
/// reference; `pongsMax` and `resetsMax + streams` entries of 4 and 8 bytes.
///
/// Cost: no allocation per frame once the arrays have grown. One copy of the payload when sending,
/// none when receiving. One dictionary lookup for each run of frames of one stream.
///
/// Specification: libp2p/specs `yamux/README.md`; reset codes by `error-codes/README.md`.
public struct YamuxSession: ~Copyable {
    public typealias Limits = YamuxLimits

    enum State {
        case open
        case failed
    }

    public let role: Role
    public let limits: Limits
    public internal(set) var counters = YamuxCounters()

    /// Bytes by which receive windows may still grow, set by the owner from what all sessions
    /// share.
    ///
    /// Growth is subtracted here and added to ``extraWindowInUse``. When streams end
    /// ``extraWindowInUse`` falls, and the owner may grant the difference again; this number does
    /// not rise by itself. Any value is allowed; at zero and below nothing grows.
    public var windowBudget: Int

    /// Bytes by which the windows of this session now exceed their initial sizes.
    public internal(set) var extraWindowInUse = 0

    /// The smoothed round trip, or nil before the first measurement.
    public internal(set) var roundTrip: Duration?

    var state = State.open
    var table = StreamTable()
    var openedByPeer = OpenedByPeer()
    var nextID: UInt32
    var inboundCount = 0
    var outboundCount = 0
    var unacknowledgedCount = 0

    // Receiving: a header that arrived in part, or a payload that did.
    var headerBytes = [12 of UInt8](repeating: 0)
    var headerCount = 0
    var payloadRemaining = 0
    /// Whose payload it is, or nil when it is thrown away.
    var payloadSlot: Int?
    var payloadEndsStream = false

    // Sending.
    var queuedBytes = 0
    var resets: Deque<Reset> = []
    var pongs: Deque<UInt32> = []
    private let layout = PassedByReference()
    var goAwayPending: GoAwayCode?
    var goAwaySent = false
    var goAwayReceived = false
    /// Streams that wait for room in the queue of the whole session, in the order they asked.
    var waitingForSessionRoom: [StreamID] = []
    /// What each class may still send in this round, in bytes.
    var deficits = [5 of Int](repeating: 0)

    var keepalive: Keepalive
    var abuse: Abuse
    /// The latest `now`, for the calls that have none: near enough to start measuring a window.
    var lastInstant: MonotonicInstant

    struct Reset {
        var id: UInt32
        var code: UInt32
    }

    /// - Parameters:
    ///   - role: which end of the connection this is; the two ends must differ.
    ///   - now: the first instant; later ones never lie before it.
    public init(role: Role, limits: Limits = Limits(), now: MonotonicInstant) {
        precondition(
            limits.payloadSentMax >= 1 && limits.payloadSentMax <= 1 << 20,
            "frames carry at least a byte and at most what peers accept")
        precondition(
            limits.windowSizeMax >= Limits.windowSizeInitial && limits.windowSizeMax <= 1 << 31,
            "a window is at least the initial one and fits in 32 bits")
        precondition(
            limits.sendQueueLowWater >= 1 && limits.sendQueueLowWater <= limits.sendQueueSizeMax
                && limits.sendQueueSizeMax <= limits.sessionQueueSizeMax,
            "queue limits out of order")
        self.role = role
        self.limits = limits
        self.windowBudget = limits.extraWindowMax
        self.nextID = role == .dialer ? 1 : 2
        self.keepalive = Keepalive(limits: limits, now: now)
        self.abuse = Abuse(limits: limits, now: now)
        self.lastInstant = now
    }
}

// MARK: - What the application does

extension YamuxSession {
    /// Streams open now, of both directions.
    public var streamCount: Int { table.count }

    /// Whether the session has failed or has been told to end by either side.
    public var isGoingAway: Bool {
        goAwayReceived || goAwaySent || goAwayPending != nil || state == .failed
    }

    /// Opens a stream.
    ///
    /// The SYN goes out with the first bytes if some are written before the next `transmit`, and by
    /// itself otherwise.
    ///
    /// - Throws: ``OpenError``. Nothing changes then.
    public mutating func open(_ trafficClass: TrafficClass) throws(OpenError) -> StreamID {
        guard state == .open else { throw .sessionEnded }
        guard !isGoingAway else { throw .goingAway }
        guard outboundCount < limits.outboundStreamsMax else {
            throw .tooManyStreams(open: outboundCount, limit: limits.outboundStreamsMax)
        }
        guard unacknowledgedCount < limits.unacknowledgedStreamsMax else {
            throw .tooManyUnacknowledged(
                count: unacknowledgedCount, limit: limits.unacknowledgedStreamsMax)
        }
        guard nextID <= UInt32.max - 2 else { throw .identifiersExhausted }
        let id = nextID
        nextID += 2
        let slot = table.insert(
            Stream(
                id: id, flags: [.openedByUs, .synPending], trafficClass: trafficClass,
                now: lastInstant))
        outboundCount += 1
        unacknowledgedCount += 1
        counters.streamsOpenedByUs += 1
        keepalive.streamOpened()
        reschedule(slot)
        return StreamID(trusted: id)
    }

    /// Changes how urgent a stream's bytes are. Without effect on a stream that is gone.
    public mutating func setClass(_ trafficClass: TrafficClass, of stream: StreamID) {
        guard let slot = table.slot(of: stream.rawValue) else { return }
        guard table.slots[slot].trafficClass != trafficClass else { return }
        // Out of one class's list, into the other's.
        table.removeFromReady(slot)
        table.slots[slot].trafficClass = trafficClass
        reschedule(slot)
    }

    /// Queues bytes by reference, all or nothing.
    ///
    /// The array must not be changed afterwards if a copy is to be avoided. Writes below 512 bytes
    /// are joined. Writing nothing does nothing.
    ///
    /// - Throws: ``WriteError``. After either of the two "full" errors `writable` follows.
    public mutating func write(
        _ stream: StreamID,
        _ bytes: ArraySlice<UInt8>
    ) throws(WriteError) {
        guard state == .open else { throw .sessionEnded }
        guard let slot = table.slot(of: stream.rawValue) else { throw .unknownStream(stream) }
        guard !table.slots[slot].flags.contains(.writeClosed) else { throw .writeClosed(stream) }
        let queued = table.slots[slot].queuedCount
        guard bytes.count <= limits.sendQueueSizeMax - queued else {
            table.slots[slot].flags.insert(.wantsRoom)
            throw .queueFull(queued: queued, limit: limits.sendQueueSizeMax)
        }
        guard bytes.count <= limits.sessionQueueSizeMax - queuedBytes else {
            waitForSessionRoom(slot)
            throw .sessionQueueFull(queued: queuedBytes, limit: limits.sessionQueueSizeMax)
        }
        guard !bytes.isEmpty else { return }
        table.enqueue(bytes, on: slot)
        queuedBytes += bytes.count
        if queued + bytes.count >= limits.sendQueueLowWater {
            table.slots[slot].flags.insert(.wantsRoom)
        }
        reschedule(slot)
    }

    /// Queues an array by reference, all or nothing; see the other overload.
    public mutating func write(_ stream: StreamID, _ bytes: [UInt8]) throws(WriteError) {
        try write(stream, bytes[...])
    }

    /// Bytes that a write may have now. Zero when the stream takes no more, or is gone.
    ///
    /// When it is zero only because queues are full, `writable` follows once the stream's own queue
    /// has drained below its low-water mark. Should the session's queue be what is full, only a
    /// refused write asks for the event.
    public func writableBytes(_ stream: StreamID) -> Int {
        guard let slot = table.peekSlot(of: stream.rawValue) else { return 0 }
        guard !table.slots[slot].flags.contains(.writeClosed) else { return 0 }
        let room = limits.sendQueueSizeMax - table.slots[slot].queuedCount
        return min(room, limits.sessionQueueSizeMax - queuedBytes)
    }

    /// Bytes queued on the stream and not yet in a frame. Zero when it is gone.
    public func queuedBytes(_ stream: StreamID) -> Int {
        guard let slot = table.peekSlot(of: stream.rawValue) else { return 0 }
        return table.slots[slot].queuedCount
    }

    /// Ends our direction once the queued bytes are sent (FIN). The stream can still receive.
    ///
    /// Repeating it, or calling it on a stream that is gone, does nothing.
    public mutating func closeWrite(_ stream: StreamID) {
        guard let slot = table.slot(of: stream.rawValue) else { return }
        table.slots[slot].flags.insert(.writeClosed)
        table.slots[slot].flags.remove(.wantsRoom)
        reschedule(slot)
    }

    /// Ends both directions at once and forgets the stream. What was queued is not sent.
    ///
    /// No event follows. On a stream that is gone it does nothing.
    ///
    /// - Parameter code: a ``StreamResetCode`` or a number of the application's own.
    public mutating func reset(_ stream: StreamID, code: UInt32) {
        guard let slot = table.slot(of: stream.rawValue) else { return }
        counters.streamsResetByUs += 1
        if !table.slots[slot].flags.contains(.synPending) {
            resets.append(Reset(id: stream.rawValue, code: code))
        }
        if !table.slots[slot].flags.contains(.finReceived) {
            // What the peer sent before it reads our RST is not its fault.
            abuse.allowLate(table.slots[slot].receiveCredit)
            if payloadSlot == slot { abuse.payLate(payloadRemaining) }
        }
        forget(slot)
    }

    /// Resets a stream for one of the registered reasons.
    public mutating func reset(_ stream: StreamID, code: StreamResetCode) {
        reset(stream, code: code.rawValue)
    }

    /// Announces the end of the session. Open streams may finish; new ones are refused both ways.
    ///
    /// go and rust close the connection when they read it, so send it when the streams are done.
    /// Only the first call counts.
    public mutating func goAway(_ code: GoAwayCode) {
        guard state == .open, !goAwaySent, goAwayPending == nil else { return }
        goAwayPending = code
    }
}

// MARK: - Bookkeeping

extension YamuxSession {
    /// Puts a stream into the lists in which it belongs now, and takes it out of the others.
    @inline(__always)
    mutating func reschedule(_ slot: Int) {
        if table.slots[slot].queuedCount > 0 && table.slots[slot].sendCredit > 0 {
            table.appendToReady(slot)
        } else {
            table.removeFromReady(slot)
        }
        if table.slots[slot].needsControlFrame {
            table.appendToControl(slot)
        } else {
            table.removeFromControl(slot)
        }
    }

    /// Takes a stream out of everything that counts it.
    mutating func forget(_ slot: Int) {
        let flags = table.slots[slot].flags
        queuedBytes -= table.slots[slot].queuedCount
        releaseExtraWindow(slot)
        if flags.contains(.openedByUs) {
            outboundCount -= 1
            if !flags.contains(.acknowledged) { unacknowledgedCount -= 1 }
        } else {
            inboundCount -= 1
        }
        if payloadSlot == slot { payloadSlot = nil }
        if flags.contains(.wantsSessionRoom) {
            let id = table.slots[slot].id
            waitingForSessionRoom.removeAll { $0.rawValue == id }
        }
        table.remove(slot)
    }

    /// Reports the end of a stream that both sides have closed.
    mutating func finishIfDone(_ slot: Int, into events: inout [Event]) {
        guard table.slots[slot].flags.isSuperset(of: [.finSent, .finReceived]) else { return }
        let id = StreamID(trusted: table.slots[slot].id)
        counters.streamsFinished += 1
        forget(slot)
        events.append(.closed(id, .finished))
    }

    mutating func waitForSessionRoom(_ slot: Int) {
        guard !table.slots[slot].flags.contains(.wantsSessionRoom) else { return }
        table.slots[slot].flags.insert(.wantsSessionRoom)
        waitingForSessionRoom.append(StreamID(trusted: table.slots[slot].id))
    }

    /// Ends the session.
    mutating func fail(_ error: SessionError, into events: inout [Event]) {
        guard state == .open else { return }
        state = .failed
        counters.streamsAbandoned += UInt64(table.count)
        table.removeAll()
        queuedBytes = 0
        extraWindowInUse = 0
        inboundCount = 0
        outboundCount = 0
        unacknowledgedCount = 0
        payloadSlot = nil
        resets = []
        pongs = []
        waitingForSessionRoom = []
        goAwayPending =
            switch error {
            case .keepaliveTimeout: nil  // Nobody is there to read it.
            default: goAwaySent ? nil : .protocolError
            }
        events.append(.failed(error))
    }
}
