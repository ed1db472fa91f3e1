import Synchronization

/// Whether the node does its work, as its owner sees it.
public enum Health: Hashable, Sendable {
    case healthy
    /// Something that an operator should know, in a few words. Answered with status 503.
    case unhealthy(reason: String)
}

/// Where the loop leaves what the server shows.
///
/// The loop publishes and never waits for a reader; a reader sees the last publication whole. A
/// loop that hangs publishes nothing, and then the board says that the node is unhealthy.
public final class TelemetryBoard: Sendable {
    /// A publication that is older is not believed any more.
    ///
    /// Ten times the interval at which a node publishes, so that a slow machine is not called sick.
    public static let ageMax: Duration = .seconds(10)

    private struct Publication {
        let metrics: MetricsSnapshot
        let health: Health
        let time: ContinuousClock.Instant
    }

    private let publication = Mutex<Publication?>(nil)
    private let now: @Sendable () -> ContinuousClock.Instant

    public convenience init() { self.init { ContinuousClock.now } }

    init(now: @escaping @Sendable () -> ContinuousClock.Instant) { self.now = now }

    public func publish(_ metrics: MetricsSnapshot, health: Health) {
        let new = Publication(metrics: metrics, health: health, time: now())
        publication.withLock { $0 = new }
    }

    /// The last publication and its age; nil before the first.
    func latest() -> (metrics: MetricsSnapshot, health: Health, age: Duration)? {
        guard let latest = publication.withLock({ $0 }) else { return nil }
        return (latest.metrics, latest.health, latest.time.duration(to: now()))
    }
}
