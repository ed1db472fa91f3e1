import ChoraleBase
import DequeModule

/// Which messages were seen lately, and what became of them.
///
/// Bounded in count and in time: the oldest are forgotten first, one by one, so that neither a burst
/// nor the clock makes many vanish together. About 43 bytes each.
struct SeenCache {
    enum Status: UInt8 {
        /// Waiting for a signature check or a verdict.
        case pending
        case valid
        case invalid
        case ignored
    }

    private struct Arrival {
        let key: MessageKey
        let expires: MonotonicInstant
    }

    private let lifetime: Duration
    private let countMax: Int
    private var statusByKey: [MessageKey: Status] = [:]
    private var arrivals = Deque<Arrival>()

    init(lifetime: Duration, countMax: Int) {
        precondition(countMax >= 1, "a cache of \(countMax) messages")
        self.lifetime = lifetime
        self.countMax = countMax
    }

    var count: Int { statusByKey.count }

    func status(_ key: MessageKey) -> Status? { statusByKey[key] }

    /// - Precondition: the key is not in the cache.
    mutating func insert(_ key: MessageKey, _ status: Status, now: MonotonicInstant) {
        let previous = statusByKey.updateValue(status, forKey: key)
        precondition(previous == nil, "a message is seen for the first time once")
        arrivals.append(Arrival(key: key, expires: now.advanced(by: lifetime)))
        if arrivals.count > countMax { forgetOldest() }
    }

    /// Records a verdict, unless the message was forgotten meanwhile.
    mutating func update(_ key: MessageKey, _ status: Status) {
        guard statusByKey[key] != nil else { return }
        statusByKey[key] = status
    }

    /// Forgets a message now. Its place in the order stays until its time.
    mutating func forget(_ key: MessageKey) { statusByKey[key] = nil }

    mutating func expire(now: MonotonicInstant) {
        while let first = arrivals.first, first.expires <= now { forgetOldest() }
    }

    private mutating func forgetOldest() {
        guard let first = arrivals.popFirst() else { return }
        statusByKey[first.key] = nil
    }
}
