public import ChoraleBase

extension YamuxSession {
    /// Takes bytes from the peer, all of them, split anywhere.
    ///
    /// Payload is reported as ranges of `input`, also when only a part of a frame has arrived.
    /// Faults of the peer become one `failed` event, after which all input is ignored.
    ///
    /// - Complexity: O(frames in `input`). No allocation but for new streams and growing arrays.
    public mutating func receive(
        _ input: Span<UInt8>,
        now: MonotonicInstant,
        into events: inout [Event]
    ) {
        guard state == .open, !input.isEmpty else { return }
        lastInstant = max(lastInstant, now)
        keepalive.heard()
        var offset = 0
        do throws(SessionError) {
            while offset < input.count {
                if payloadRemaining > 0 {
                    let size = min(payloadRemaining, input.count - offset)
                    takePayload(offset..<(offset + size), into: &events)
                    offset += size
                } else if headerCount == 0 && input.count - offset >= YamuxHeader.encodedSize {
                    let rest = input.extracting(offset..<(offset + YamuxHeader.encodedSize))
                    offset += YamuxHeader.encodedSize
                    try takeHeader(rest, now: now, into: &events)
                } else {
                    headerBytes[headerCount] = input[offset]
                    headerCount += 1
                    offset += 1
                    guard headerCount == YamuxHeader.encodedSize else { continue }
                    headerCount = 0
                    let header = headerBytes
                    try takeHeader(header.span, now: now, into: &events)
                }
            }
        } catch {
            fail(error, into: &events)
        }
        // A stream that the peer reset may have held what the others wait for.
        if !waitingForSessionRoom.isEmpty { wakeStreams(into: &events) }
    }

    /// Reports a piece of the payload of the frame in progress, and the end of the frame.
    @inline(__always)
    private mutating func takePayload(_ range: Range<Int>, into events: inout [Event]) {
        payloadRemaining -= range.count
        counters.payloadReceived += UInt64(range.count)
        guard let slot = payloadSlot else {
            counters.payloadDrained += UInt64(range.count)
            return
        }
        counters.payloadDelivered += UInt64(range.count)
        table.slots[slot].receiveCredit -= range.count
        table.slots[slot].unconsumed += range.count
        events.append(.data(StreamID(trusted: table.slots[slot].id), range))
        guard payloadRemaining == 0 else { return }
        payloadSlot = nil
        if payloadEndsStream { endReading(slot, into: &events) }
    }

    @inline(__always)
    private mutating func takeHeader(
        _ bytes: Span<UInt8>,
        now: MonotonicInstant,
        into events: inout [Event]
    ) throws(SessionError) {
        let header: YamuxHeader?
        do throws(YamuxHeader.DecodeError) {
            header = try YamuxHeader.decode(bytes, payloadSizeMax: limits.payloadSizeMax)
        } catch {
            throw SessionError(error)
        }
        guard let header else { return }
        counters.framesReceived += 1
        switch header {
        case .data(let stream, let flags, let length):
            counters.dataFramesReceived += 1
            try takeData(stream, flags, length: length, now: now, into: &events)
        case .windowUpdate(let stream, let flags, let delta):
            counters.windowUpdatesReceived += 1
            try takeWindowUpdate(stream, flags, delta: delta, now: now, into: &events)
        case .ping(let flags, let value):
            counters.pingsReceived += 1
            try takePing(flags, value: value, now: now, into: &events)
        case .goAway(let code):
            counters.goAwaysReceived += 1
            try takeGoAway(code, now: now, into: &events)
        }
    }

    @inline(__always)
    private mutating func takeData(
        _ stream: StreamID,
        _ flags: YamuxHeader.Flags,
        length: UInt32,
        now: MonotonicInstant,
        into events: inout [Event]
    ) throws(SessionError) {
        // Most frames: payload for a stream that is open, no flags.
        let known: Int?
        if flags.contains(.syn) {
            // Before anything is opened for it: the payload fits the window that it assumes.
            guard length <= UInt32(Limits.windowSizeInitial) else {
                throw .windowExceeded(
                    stream, length: length, window: UInt32(Limits.windowSizeInitial))
            }
            known = try acceptSYN(stream, flags, now: now, into: &events)
        } else {
            known = table.slot(of: stream.rawValue)
        }
        payloadRemaining = Int(length)
        payloadSlot = nil
        guard let slot = known else {
            if !flags.contains(.syn) {
                try takeFrameForNoStream(stream, flags, isEmpty: length == 0, now: now)
            }
            guard abuse.payLate(payloadRemaining) else { throw .lateDataFlood }
            return
        }
        acknowledge(slot)
        if flags.contains(.rst) {
            guard abuse.payLate(payloadRemaining) else { throw .lateDataFlood }
            // A data frame has no room for a reason.
            try resetByPeer(slot, code: 0, now: now, into: &events)
            return
        }
        guard !table.slots[slot].flags.contains(.finReceived) else {
            if length == 0 { try countEmptyFrame(now: now) }
            guard abuse.payLate(payloadRemaining) else { throw .lateDataFlood }
            return
        }
        guard payloadRemaining <= table.slots[slot].receiveCredit else {
            throw .windowExceeded(
                stream, length: length, window: UInt32(table.slots[slot].receiveCredit))
        }
        if payloadRemaining > 0 {
            payloadSlot = slot
            payloadEndsStream = flags.contains(.fin)
        } else if flags.contains(.fin) {
            endReading(slot, into: &events)
        } else if flags.isDisjoint(with: [.syn, .ack]) {
            try countEmptyFrame(now: now)
        }
    }

    private mutating func takeWindowUpdate(
        _ stream: StreamID,
        _ flags: YamuxHeader.Flags,
        delta: UInt32,
        now: MonotonicInstant,
        into events: inout [Event]
    ) throws(SessionError) {
        let known: Int?
        if flags.contains(.syn) {
            known = try acceptSYN(stream, flags, now: now, into: &events)
        } else {
            known = table.slot(of: stream.rawValue)
        }
        guard let slot = known else {
            if !flags.contains(.syn) {
                try takeFrameForNoStream(stream, flags, isEmpty: true, now: now)
            }
            return
        }
        acknowledge(slot)
        if flags.contains(.rst) {
            try resetByPeer(slot, code: delta, now: now, into: &events)
            return
        }
        if delta == 0 {
            if flags.isDisjoint(with: [.syn, .ack, .fin]) { try countEmptyFrame(now: now) }
        } else {
            // Both are below 2³², so that the sum cannot overflow.
            let window = UInt64(table.slots[slot].sendCredit) + UInt64(delta)
            guard window <= UInt64(UInt32.max) else {
                throw .windowOverflow(stream, window: window)
            }
            if !abuse.takeUpdate() { try countEmptyFrame(now: now) }
            table.slots[slot].sendCredit = Int(window)
            reschedule(slot)
        }
        if flags.contains(.fin) {
            if table.slots[slot].flags.contains(.finReceived) {
                try countEmptyFrame(now: now)
            } else {
                endReading(slot, into: &events)
            }
        }
    }

    private mutating func takePing(
        _ flags: YamuxHeader.Flags,
        value: UInt32,
        now: MonotonicInstant,
        into events: inout [Event]
    ) throws(SessionError) {
        if flags.contains(.syn) {
            guard abuse.takePing(now: now) else { throw .pingFlood }
            // A full queue means that the peer does not read. Its pings are then answered late or
            // not at all; what it may not do is make us remember them.
            if pongs.count < limits.pongsMax {
                pongs.append(value)
                counters.pongsQueued += 1
            } else {
                counters.pongsDropped += 1
            }
            return
        }
        guard let sample = keepalive.answered(value, now: now) else {
            try countEmptyFrame(now: now)
            return
        }
        recordRoundTrip(sample)
        events.append(.roundTrip(sample))
    }

    private mutating func takeGoAway(
        _ code: GoAwayCode,
        now: MonotonicInstant,
        into events: inout [Event]
    ) throws(SessionError) {
        guard !goAwayReceived else {
            try countEmptyFrame(now: now)
            return
        }
        goAwayReceived = true
        events.append(.goAway(code))
    }
}

// MARK: - Streams of the peer

extension YamuxSession {
    /// Opens a stream for the peer, or refuses it.
    ///
    /// - Returns: its slot, or nil when it was refused.
    private mutating func acceptSYN(
        _ stream: StreamID,
        _ flags: YamuxHeader.Flags,
        now: MonotonicInstant,
        into events: inout [Event]
    ) throws(SessionError) -> Int? {
        guard isPeerNumber(stream.rawValue) else { throw .wrongParity(stream) }
        let refusal: StreamResetCode?
        switch openedByPeer.standing(of: stream.rawValue) {
        case .opened: throw .streamReopened(stream)
        case .forgotten: refusal = .protocolViolation
        case .new:
            openedByPeer.record(stream.rawValue)
            // After our GoAway the peer may not have read it yet: no fault, but no stream.
            let isLeaving = goAwaySent || goAwayPending != nil
            refusal =
                isLeaving || inboundCount >= limits.inboundStreamsMax ? .resourceLimitExceeded : nil
        }
        if flags.contains(.rst) {
            // Opened and reset in one frame: nobody above needs to hear of it.
            counters.streamsRefused += 1
            guard abuse.takeAbandoned(now: now) else { throw .rapidReset }
            return nil
        }
        if let refusal {
            counters.streamsRefused += 1
            guard abuse.takeAbandoned(now: now) else { throw .rapidReset }
            try queueReset(stream, code: refusal)
            abuse.allowLate(Limits.windowSizeInitial)
            return nil
        }
        // Resets of ours that nobody reads: the next stream would only add to them.
        guard resets.count < limits.resetsMax else {
            throw .resetsUnread(count: resets.count, limit: limits.resetsMax)
        }
        let slot = table.insert(
            Stream(id: stream.rawValue, flags: .ackPending, trafficClass: .control, now: now))
        inboundCount += 1
        counters.streamsOpenedByPeer += 1
        keepalive.streamOpened()
        table.appendToControl(slot)
        events.append(.opened(stream))
        return slot
    }

    private func isPeerNumber(_ id: UInt32) -> Bool {
        let isOdd = id & 1 == 1
        return role == .dialer ? !isOdd : isOdd
    }

    /// Any frame on a stream of ours shows that the peer has accepted it: not all send ACK alone.
    @inline(__always)
    private mutating func acknowledge(_ slot: Int) {
        let flags = table.slots[slot].flags
        guard flags.contains(.openedByUs), !flags.contains(.acknowledged) else { return }
        table.slots[slot].flags.insert(.acknowledged)
        unacknowledgedCount -= 1
    }

    /// A frame without SYN for a stream that is not there.
    ///
    /// Usually it crossed with our RST, or is a window update for data that both sides have already
    /// finished with. A number that was never opened gets the RST that the specification asks for.
    private mutating func takeFrameForNoStream(
        _ stream: StreamID,
        _ flags: YamuxHeader.Flags,
        isEmpty: Bool,
        now: MonotonicInstant
    ) throws(SessionError) {
        let wasOpened =
            isPeerNumber(stream.rawValue)
            ? openedByPeer.standing(of: stream.rawValue) != .new : stream.rawValue < nextID
        guard wasOpened else {
            try countEmptyFrame(now: now)
            if !flags.contains(.rst) { try queueReset(stream, code: .protocolViolation) }
            return
        }
        // Late payload is bounded by its bytes: a peer that writes in small pieces may have many
        // frames in flight when we reset its stream. Other late frames answer what we have sent.
        if isEmpty && !abuse.takeUpdate() { try countEmptyFrame(now: now) }
    }

    private mutating func queueReset(
        _ stream: StreamID,
        code: StreamResetCode
    ) throws(SessionError) {
        guard resets.count < limits.resetsMax else {
            throw .resetsUnread(count: resets.count, limit: limits.resetsMax)
        }
        resets.append(Reset(id: stream.rawValue, code: code.rawValue))
    }

    private mutating func resetByPeer(
        _ slot: Int,
        code: UInt32,
        now: MonotonicInstant,
        into events: inout [Event]
    ) throws(SessionError) {
        if !table.slots[slot].flags.contains(.openedByUs) {
            guard abuse.takeAbandoned(now: now) else { throw .rapidReset }
        }
        let id = StreamID(trusted: table.slots[slot].id)
        counters.streamsResetByPeer += 1
        forget(slot)
        events.append(.reset(id, code: code))
        events.append(.closed(id, .resetByPeer(code: code)))
    }

    /// The peer's direction is over.
    private mutating func endReading(_ slot: Int, into events: inout [Event]) {
        table.slots[slot].flags.insert(.finReceived)
        // Nothing more can be in flight towards us.
        table.slots[slot].flags.remove(.windowUpdatePending)
        releaseExtraWindow(slot)
        reschedule(slot)
        events.append(.readClosed(StreamID(trusted: table.slots[slot].id)))
        finishIfDone(slot, into: &events)
    }

    private mutating func countEmptyFrame(now: MonotonicInstant) throws(SessionError) {
        counters.emptyFrames += 1
        guard abuse.takeEmpty(now: now) else { throw .emptyFrameFlood }
    }
}
