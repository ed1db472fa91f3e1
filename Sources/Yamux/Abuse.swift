import ChoraleBase

/// What a peer may waste of us before the session ends.
struct Abuse {
    private var pings: TokenBucket
    private var abandoned: TokenBucket
    private var empty: TokenBucket

    /// Payload that may still arrive for streams that are gone.
    private var lateAllowance: Int
    private let lateAllowanceMax: Int

    /// Window updates that our own data explains.
    private var updatesExplained = Self.updatesExplainedStart

    /// The most that resets of ours can add to what may arrive late: four of the largest windows.
    private static let windowsInFlightMax = 4
    private static let updatesExplainedStart = 1024
    private static let updatesExplainedMax = 1 << 20
    /// py-libp2p sends an update for each read, and reads a frame in several pieces.
    private static let updatesPerFrame = 4

    init(limits: YamuxLimits, now: MonotonicInstant) {
        pings = TokenBucket(capacity: limits.pingBurst, interval: limits.pingInterval, now: now)
        abandoned = TokenBucket(
            capacity: limits.abandonedStreamBurst, interval: limits.abandonedStreamInterval,
            now: now)
        empty = TokenBucket(
            capacity: limits.emptyFrameBurst, interval: limits.emptyFrameInterval, now: now)
        lateAllowance = limits.lateBytesMax
        lateAllowanceMax =
            limits.lateBytesMax + Self.windowsInFlightMax * limits.windowSizeMax
    }

    mutating func takePing(now: MonotonicInstant) -> Bool { pings.take(now: now) }
    mutating func takeAbandoned(now: MonotonicInstant) -> Bool { abandoned.take(now: now) }
    mutating func takeEmpty(now: MonotonicInstant) -> Bool { empty.take(now: now) }

    /// A stream of the peer's ends while it may still be sending.
    mutating func allowLate(_ count: Int) {
        lateAllowance = min(lateAllowance + count, lateAllowanceMax)
        explainUpdates()
    }

    /// - Returns: false when so many late bytes cannot be explained any more.
    @discardableResult
    mutating func payLate(_ count: Int) -> Bool {
        lateAllowance -= count
        return lateAllowance >= 0
    }

    /// Something of ours gives the peer reason to send frames without payload.
    mutating func explainUpdates() {
        if updatesExplained < Self.updatesExplainedMax { updatesExplained += Self.updatesPerFrame }
    }

    /// - Returns: false when the frame is one more than what we sent explains.
    mutating func takeUpdate() -> Bool {
        guard updatesExplained > 0 else { return false }
        updatesExplained -= 1
        return true
    }
}
