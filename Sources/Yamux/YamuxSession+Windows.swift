public import ChoraleBase

extension YamuxSession {
    /// The application has taken bytes that were reported as `data`: the peer may send as many
    /// more.
    ///
    /// A window update goes out once half a window is taken, or 512 KiB of a large one. The window
    /// doubles when half of it was taken within two round trips, for then it is the window that may
    /// hold the peer back.
    ///
    /// Without effect on a stream that is gone or whose reading is over.
    ///
    /// - Parameter count: bytes, at least 0 and at most what was reported and not yet taken.
    public mutating func consumed(_ stream: StreamID, count: Int, now: MonotonicInstant) {
        guard let slot = table.slot(of: stream.rawValue) else { return }
        precondition(
            count >= 0 && count <= table.slots[slot].unconsumed,
            "more bytes were taken than were reported")
        lastInstant = max(lastInstant, now)
        table.slots[slot].unconsumed -= count
        guard !table.slots[slot].flags.contains(.finReceived) else { return }
        table.slots[slot].takenCount += count
        if table.slots[slot].takenCount >= table.slots[slot].windowSize / 2 {
            growWindow(slot, now: now)
            table.slots[slot].takenCount = 0
            table.slots[slot].takenSince = now
        }
        let threshold = min(table.slots[slot].windowSize / 2, limits.windowUpdateSizeMax)
        guard table.slots[slot].windowDue >= threshold else { return }
        table.slots[slot].flags.insert(.windowUpdatePending)
        table.appendToControl(slot)
    }

    private mutating func growWindow(_ slot: Int, now: MonotonicInstant) {
        keepalive.probe(now: now)
        guard let roundTrip else { return }
        let elapsed = table.slots[slot].takenSince.duration(to: now)
        let scale = max(roundTrip, limits.roundTripMin)
        guard elapsed < scale * limits.growthRoundTrips else { return }
        let size = table.slots[slot].windowSize
        guard size < limits.windowSizeMax else { return }
        let growth = min(
            size, limits.windowSizeMax - size, windowBudget,
            limits.extraWindowMax - extraWindowInUse)
        // A sliver is not worth the bookkeeping: wait until a quarter of an initial window is free.
        guard growth >= Limits.windowSizeInitial / 4 else {
            counters.windowsHeldBack += 1
            return
        }
        table.slots[slot].windowSize = size + growth
        extraWindowInUse += growth
        windowBudget -= growth
        counters.windowsGrown += 1
    }

    /// Gives back what the stream's window had taken. Its reading is over.
    mutating func releaseExtraWindow(_ slot: Int) {
        extraWindowInUse -= table.slots[slot].windowSize - Limits.windowSizeInitial
        table.slots[slot].windowSize = Limits.windowSizeInitial
    }

    /// Grants the credit that is due.
    ///
    /// - Returns: the delta to send, zero when none is due.
    mutating func takeWindowDelta(_ slot: Int) -> UInt32 {
        guard table.slots[slot].flags.contains(.windowUpdatePending) else { return 0 }
        table.slots[slot].flags.remove(.windowUpdatePending)
        let due = table.slots[slot].windowDue
        assert(due >= 0 && due <= limits.windowSizeMax, "invariant 1: more credit than the window")
        table.slots[slot].receiveCredit += due
        return UInt32(due)
    }

    /// Smooths as TCP does (RFC 6298): an eighth of the new sample.
    mutating func recordRoundTrip(_ sample: Duration) {
        guard let earlier = roundTrip else {
            roundTrip = sample
            return
        }
        // In integers, because dividing durations gives a Double.
        roundTrip = .nanoseconds(
            (earlier.wholeNanoseconds / 8) * 7 + sample.wholeNanoseconds / 8)
    }
}
