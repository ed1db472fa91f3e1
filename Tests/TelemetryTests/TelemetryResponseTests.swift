import Synchronization
import Testing

@testable import Telemetry

/// A clock that a test moves.
final class TestClock: Sendable {
    private let time = Mutex(ContinuousClock.now)

    var now: ContinuousClock.Instant { time.withLock { $0 } }

    func advance(by duration: Duration) { time.withLock { $0 = $0.advanced(by: duration) } }
}

@Suite struct TelemetryResponseTests {
    let clock: TestClock
    let board: TelemetryBoard

    init() {
        let clock = TestClock()
        self.clock = clock
        board = TelemetryBoard { clock.now }
    }

    private func publish(_ health: Health) {
        var metrics = MetricsSnapshot()
        metrics.counter("chorale_a_b_total", "B", 1)
        board.publish(metrics, health: health, info: #"{"id":"a"}"#)
    }

    private func respond(
        _ method: String, _ path: String, pages: [TelemetryPage] = TelemetryPage.allCases
    ) -> TelemetryResponse {
        TelemetryResponse(method: method, path: path, board: board, pages: pages)
    }

    @Test func infoIsWhatWasPublished() {
        #expect(respond("GET", "/info").status == 503)
        publish(.healthy)
        let response = respond("GET", "/info")
        #expect(response.status == 200)
        #expect(response.contentType == "application/json")
        #expect(response.body == #"{"id":"a"}"# + "\n")
    }

    @Test func aServerServesItsOwnPagesOnly() {
        publish(.healthy)
        for pages in [[TelemetryPage.metrics, .health], [.health, .info]] {
            for page in TelemetryPage.allCases {
                let response = respond("GET", page.rawValue, pages: pages)
                #expect(response.status == (pages.contains(page) ? 200 : 404))
                let other = respond("GET", "/", pages: pages)
                #expect(other.body.contains(page.rawValue) == pages.contains(page))
            }
        }
    }

    @Test func metricsCarryTheirAge() {
        publish(.healthy)
        clock.advance(by: .milliseconds(1500))
        let response = respond("GET", "/metrics")
        #expect(response.status == 200)
        #expect(response.contentType == "text/plain; version=0.0.4; charset=utf-8")
        #expect(response.body.hasPrefix("# HELP chorale_a_b_total B\n"))
        #expect(response.body.hasSuffix("\nchorale_telemetry_snapshot_age_seconds 1.5\n"))
        #expect(respond("HEAD", "/metrics") == response)
    }

    @Test func beforeTheFirstPublicationTheNodeIsStarting() {
        #expect(respond("GET", "/metrics").status == 503)
        let health = respond("GET", "/health")
        #expect(health.status == 503)
        #expect(health.body == #"{"status":"unhealthy","reason":"the node is starting"}"# + "\n")
    }

    @Test func healthIsWhatTheOwnerSays() {
        publish(.healthy)
        #expect(respond("GET", "/health").status == 200)
        #expect(respond("GET", "/health").body == "{\"status\":\"ok\"}\n")
        publish(.unhealthy(reason: "disk \"a\" is full\n"))
        let response = respond("GET", "/health")
        #expect(response.status == 503)
        #expect(response.contentType == "application/json")
        #expect(
            response.body == #"{"status":"unhealthy","reason":"disk \"a\" is full\n"}"# + "\n")
    }

    @Test func aLoopThatHangsIsUnhealthy() {
        publish(.healthy)
        clock.advance(by: TelemetryBoard.ageMax)
        #expect(respond("GET", "/health").status == 200)
        clock.advance(by: .seconds(2))
        let response = respond("GET", "/health")
        #expect(response.status == 503)
        #expect(response.body.contains("the loop has not reported for 12 s"))
        // The numbers are shown all the same, with their age.
        #expect(respond("GET", "/metrics").status == 200)
        publish(.healthy)
        #expect(respond("GET", "/health").status == 200)
    }

    @Test(arguments: ["/", "", "/metric", "/metrics/", "/METRICS", "/../health", "*"])
    func otherPathsAreNotFound(path: String) {
        publish(.healthy)
        #expect(respond("GET", path).status == 404)
        #expect(respond("POST", path).status == 404)
    }

    @Test(arguments: ["POST", "PUT", "DELETE", "OPTIONS", "get", ""])
    func otherMethodsAreNotAllowed(method: String) {
        publish(.healthy)
        for path in TelemetryPage.allCases.map(\.rawValue) {
            let response = respond(method, path)
            #expect(response.status == 405)
            #expect(response.allow == "GET, HEAD")
        }
    }
}
