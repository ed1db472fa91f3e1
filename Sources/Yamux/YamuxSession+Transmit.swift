public import ChoraleBase
import DequeModule

extension YamuxSession {
    /// Whether `transmit` would append something.
    public var hasOutput: Bool {
        if state == .failed { return goAwayPending != nil }
        return table.readyCount > 0 || !table.control.isEmpty || !resets.isEmpty || !pongs.isEmpty
            || keepalive.pingPending || goAwayPending != nil
    }

    /// Appends whole frames, the most urgent first, up to `sizeMax` bytes.
    ///
    /// Frames without payload go first: GoAway of a failed session, answers to pings, our ping,
    /// resets, then ACK, window updates and FIN of each stream that needs one. Then payload: a
    /// class has its turn while it has something left of its share of the round, urgent classes
    /// before others, and within a class the streams take turns frame by frame. Small writes of
    /// one stream share a frame. A normal GoAway goes last.
    ///
    /// - Parameters:
    ///   - output: appended to; what it holds already stays.
    ///   - sizeMax: bytes that may be appended. Nothing is while it is below 13, or 24 where a
    ///     window update and a FIN go together.
    ///   - events: `writable` and `closed` that follow from what was sent.
    /// - Complexity: O(frames). One copy of the payload, and no allocation if `output` has room.
    public mutating func transmit(
        into output: inout [UInt8],
        sizeMax: Int,
        now: MonotonicInstant,
        events: inout [Event]
    ) {
        lastInstant = max(lastInstant, now)
        var room = sizeMax
        if state == .failed {
            sendGoAway(into: &output, room: &room)
            return
        }
        sendSessionFrames(into: &output, room: &room, now: now)
        sendControlFrames(into: &output, room: &room, events: &events)
        if table.readyCount > 0 {
            sendData(into: &output, room: &room, isFirst: room == sizeMax, events: &events)
        }
        if !waitingForSessionRoom.isEmpty { wakeStreams(into: &events) }
        if !hasOutputBeforeGoAway { sendGoAway(into: &output, room: &room) }
    }

    /// What was queued before a GoAway is sent before it, since some peers close when they read it.
    private var hasOutputBeforeGoAway: Bool {
        table.readyCount > 0 || !table.control.isEmpty || !resets.isEmpty
    }

    @inline(__always)
    private mutating func append(_ header: YamuxHeader, to output: inout [UInt8], room: inout Int) {
        let bytes = header.encoded()
        for index in 0..<YamuxHeader.encodedSize { output.append(bytes[index]) }
        room -= YamuxHeader.encodedSize
        counters.framesSent += 1
    }

    private mutating func sendGoAway(into output: inout [UInt8], room: inout Int) {
        guard let code = goAwayPending, room >= YamuxHeader.encodedSize else { return }
        goAwayPending = nil
        goAwaySent = true
        append(.goAway(code), to: &output, room: &room)
    }

    private mutating func sendSessionFrames(
        into output: inout [UInt8],
        room: inout Int,
        now: MonotonicInstant
    ) {
        while room >= YamuxHeader.encodedSize, let value = pongs.popFirst() {
            append(.ping(flags: .ack, value: value), to: &output, room: &room)
        }
        if keepalive.pingPending, room >= YamuxHeader.encodedSize {
            let value = keepalive.takePing(now: now)
            append(.ping(flags: .syn, value: value), to: &output, room: &room)
        }
        while room >= YamuxHeader.encodedSize, let reset = resets.popFirst() {
            let id = StreamID(trusted: reset.id)
            append(
                .windowUpdate(stream: id, flags: .rst, delta: reset.code), to: &output, room: &room)
        }
    }

    private mutating func sendControlFrames(
        into output: inout [UInt8],
        room: inout Int,
        events: inout [Event]
    ) {
        while !table.control.isEmpty, room >= 2 * YamuxHeader.encodedSize {
            let slot = Int(table.control.first)
            let id = StreamID(trusted: table.slots[slot].id)
            var flags = takeOpeningFlags(slot)
            let endsStream =
                table.slots[slot].flags.contains(.writeClosed)
                && !table.slots[slot].flags.contains(.finSent) && table.slots[slot].queuedCount == 0
            let delta = takeWindowDelta(slot)
            if delta > 0 || (!flags.isEmpty && !endsStream) {
                append(
                    .windowUpdate(stream: id, flags: flags, delta: delta), to: &output, room: &room)
                flags = []
            }
            table.removeFromControl(slot)
            if endsStream {
                // As data rather than as a window update, where not every implementation looks.
                flags.insert(.fin)
                append(.data(stream: id, flags: flags, length: 0), to: &output, room: &room)
                table.slots[slot].flags.insert(.finSent)
                finishIfDone(slot, into: &events)
            }
        }
    }

    /// SYN or ACK, if still to be sent.
    @inline(__always)
    private mutating func takeOpeningFlags(_ slot: Int) -> YamuxHeader.Flags {
        let pending = table.slots[slot].flags.intersection([.synPending, .ackPending])
        guard !pending.isEmpty else { return [] }
        table.slots[slot].flags.subtract(pending)
        return pending.contains(.synPending) ? .syn : .ack
    }

    /// The smallest payload for which a frame is begun when more would be there to send.
    private static var payloadWorthwhile: Int { 1024 }

    private mutating func sendData(
        into output: inout [UInt8],
        room: inout Int,
        isFirst: Bool,
        events: inout [Event]
    ) {
        var isFirst = isFirst
        while let trafficClass = nextClass() {
            let slot = Int(table.ready[trafficClass].first)
            let queued = table.slots[slot].queuedCount
            let wanted = min(queued, table.slots[slot].sendCredit, limits.payloadSentMax)
            let size = min(wanted, room - YamuxHeader.encodedSize)
            // The rest of the room is too small for a piece: better a full frame next time.
            if size <= 0 || (size < wanted && size < Self.payloadWorthwhile && !isFirst) { return }
            isFirst = false

            var flags = takeOpeningFlags(slot)
            let endsStream = size == queued && table.slots[slot].flags.contains(.writeClosed)
            if endsStream { flags.insert(.fin) }
            let id = StreamID(trusted: table.slots[slot].id)
            append(
                .data(stream: id, flags: flags, length: UInt32(size)), to: &output, room: &room)
            table.dequeue(size, from: slot, to: &output)
            room -= size
            queuedBytes -= size
            table.slots[slot].sendCredit -= size
            deficits[trafficClass] -= size + YamuxHeader.encodedSize
            counters.dataFramesSent += 1
            counters.payloadSent += UInt64(size)
            abuse.explainUpdates()

            if size == queued {
                table.removeFromReady(slot)
            } else if table.slots[slot].sendCredit == 0 {
                table.removeFromReady(slot)
                counters.windowStalls += 1
            } else {
                table.moveToEndOfReady(slot)
            }
            if table.slots[slot].flags.contains(.wantsRoom)
                && queued - size < limits.sendQueueLowWater
            {
                table.slots[slot].flags.remove(.wantsRoom)
                events.append(.writable(id))
            }
            if endsStream {
                table.slots[slot].flags.insert(.finSent)
                finishIfDone(slot, into: &events)
            }
        }
    }

    /// What a class may send in a round while others wait, in bytes: 16 : 8 : 4 : 2 : 1.
    ///
    /// A vote overtakes everything, a proof still gets a thirty-first of a busy connection.
    private static func share(of trafficClass: Int) -> Int { 16 * 1024 << (4 - trafficClass) }

    /// The class whose turn it is, or nil when nothing is ready: deficit round robin.
    @inline(__always)
    private mutating func nextClass() -> Int? {
        guard table.readyCount > 0 else { return nil }
        // A frame may overdraw its class by less than one frame. The next round makes up for that;
        // only configured frames above 16 KiB may need a few more.
        while true {
            for index in 0..<5 where !table.ready[index].isEmpty && deficits[index] > 0 {
                return index
            }
            for index in 0..<5 {
                let share = Self.share(of: index)
                // A class that was idle starts with a full share, but saves nothing up.
                deficits[index] =
                    table.ready[index].isEmpty ? share : min(deficits[index] + share, share)
            }
        }
    }

    /// Tells streams that were refused for want of room in the session's queue that there is some.
    mutating func wakeStreams(into events: inout [Event]) {
        // A quarter free: waking everybody for each frame would have them refused again.
        guard queuedBytes <= limits.sessionQueueSizeMax / 4 * 3 else { return }
        for id in waitingForSessionRoom {
            guard let slot = table.slot(of: id.rawValue) else { continue }
            table.slots[slot].flags.remove(.wantsSessionRoom)
            guard !table.slots[slot].flags.contains(.writeClosed) else { continue }
            events.append(.writable(id))
        }
        waitingForSessionRoom.removeAll(keepingCapacity: true)
    }
}
