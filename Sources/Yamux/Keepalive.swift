import ChoraleBase

/// Our pings: is the peer there, and how far away is it.
///
/// At most one ping is on its way. Any received byte is a sign of life: an answer may be queued
/// behind data for longer than the interval on a slow path. A peer that sends but never reads is
/// caught by the write timeout of the connection, not here.
struct Keepalive {
    private let interval: Duration
    private let missesMax: Int
    private let probeInterval: Duration

    /// A ping should go out with the next frames.
    private(set) var pingPending = false
    private var outstanding: (value: UInt32, sentAt: MonotonicInstant)?
    private var nextValue: UInt32 = 0
    private var lastSentAt: MonotonicInstant?
    private var heardSinceCheck = false
    private var misses = 0
    private(set) var deadline: MonotonicInstant

    init(limits: YamuxLimits, now: MonotonicInstant) {
        precondition(limits.keepaliveMissesMax >= 1, "at least one miss ends a session")
        interval = limits.keepaliveInterval
        missesMax = limits.keepaliveMissesMax
        probeInterval = limits.probeInterval
        deadline = now.advanced(by: limits.keepaliveInterval)
    }

    mutating func heard() { heardSinceCheck = true }

    /// The first stream makes the round trip worth knowing: windows cannot grow without it.
    mutating func streamOpened() {
        if lastSentAt == nil && outstanding == nil { pingPending = true }
    }

    /// Windows are being tuned: measures again when the last measurement is old.
    mutating func probe(now: MonotonicInstant) {
        guard outstanding == nil, !pingPending else { return }
        if let lastSentAt, lastSentAt.duration(to: now) < probeInterval { return }
        pingPending = true
    }

    /// - Returns: the value of the ping to send.
    mutating func takePing(now: MonotonicInstant) -> UInt32 {
        let value = nextValue
        nextValue &+= 1
        pingPending = false
        outstanding = (value, now)
        lastSentAt = now
        return value
    }

    /// - Returns: the round trip, or nil when the answer is not to the ping on its way.
    mutating func answered(_ value: UInt32, now: MonotonicInstant) -> Duration? {
        guard let outstanding, outstanding.value == value else { return nil }
        self.outstanding = nil
        return outstanding.sentAt.duration(to: now)
    }

    enum Check {
        case early, alive
        case dead(misses: Int)
    }

    mutating func check(now: MonotonicInstant) -> Check {
        guard now >= deadline else { return .early }
        deadline = now.advanced(by: interval)
        let waiting = outstanding != nil || pingPending
        if heardSinceCheck {
            misses = 0
        } else if waiting {
            misses += 1
        }
        heardSinceCheck = false
        guard misses < missesMax else { return .dead(misses: misses) }
        if !waiting { pingPending = true }
        return .alive
    }
}
