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
        let info: String
        let time: ContinuousClock.Instant
    }

    private let publication = Mutex<Publication?>(nil)
    private let now: @Sendable () -> ContinuousClock.Instant

    public convenience init() { self.init { ContinuousClock.now } }

    init(now: @escaping @Sendable () -> ContinuousClock.Instant) { self.now = now }

    /// - Parameter info: a JSON document that says who the node is, for `/info`.
    public func publish(_ metrics: MetricsSnapshot, health: Health, info: String = "{}") {
        let new = Publication(metrics: metrics, health: health, info: info, time: now())
        publication.withLock { $0 = new }
    }

    /// What was published last.
    struct Reading {
        let metrics: MetricsSnapshot
        let health: Health
        let info: String
        let age: Duration
    }

    /// Nil before the first publication.
    func latest() -> Reading? {
        guard let latest = publication.withLock({ $0 }) else { return nil }
        return Reading(
            metrics: latest.metrics, health: latest.health, info: latest.info,
            age: latest.time.duration(to: now()))
    }
}
