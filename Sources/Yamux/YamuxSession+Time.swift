public import ChoraleBase

extension YamuxSession {
    /// When ``handleTimeout(now:into:)`` wants to be called; nil after the session has failed.
    public var nextDeadline: MonotonicInstant? { state == .open ? keepalive.deadline : nil }

    /// Sends keepalive pings and notices that nobody answers. Early and repeated calls do nothing.
    public mutating func handleTimeout(now: MonotonicInstant, into events: inout [Event]) {
        guard state == .open else { return }
        lastInstant = max(lastInstant, now)
        switch keepalive.check(now: now) {
        case .early, .alive: break
        case .dead(let misses): fail(.keepaliveTimeout(misses: misses), into: &events)
        }
    }
}
