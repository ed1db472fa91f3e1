/// What a server serves.
public enum TelemetryPage: String, CaseIterable, Sendable {
    /// Numbers for Prometheus.
    case metrics = "/metrics"
    /// Whether the node does its work, for whoever restarts it or sends it traffic.
    case health = "/health"
    /// Who the node is, in JSON.
    case info = "/info"
}

/// The answer to one request, without a socket.
struct TelemetryResponse: Hashable {
    let status: Int
    let contentType: String
    let body: String
    /// For status 405.
    var allow: String?

    private static let text = "text/plain; charset=utf-8"
    private static let json = "application/json"

    /// - Parameters:
    ///   - path: without the query, which has no meaning here.
    ///   - pages: what this server serves, in the order in which it lists them.
    init(method: String, path: String, board: TelemetryBoard, pages: [TelemetryPage]) {
        guard let page = TelemetryPage(rawValue: path), pages.contains(page) else {
            let names = pages.map(\.rawValue).joined(separator: " and ")
            self.init(404, Self.text, "there is \(names)\n")
            return
        }
        guard method == "GET" || method == "HEAD" else {
            self.init(405, Self.text, "only GET and HEAD\n")
            allow = "GET, HEAD"
            return
        }
        switch page {
        case .metrics: self.init(metrics: board)
        case .health: self.init(health: board)
        case .info: self.init(info: board)
        }
    }

    private init(_ status: Int, _ contentType: String, _ body: String) {
        self.status = status
        self.contentType = contentType
        self.body = body
    }

    private init(metrics board: TelemetryBoard) {
        guard let latest = board.latest() else {
            self.init(503, Self.text, "the node is starting\n")
            return
        }
        var metrics = latest.metrics
        // Old numbers look like numbers that stopped changing: their age tells the difference.
        metrics.gauge(
            "chorale_telemetry_snapshot_age_seconds", "Time since the loop published these numbers",
            latest.age / .seconds(1))
        self.init(200, PrometheusText.contentType, PrometheusText.encode(metrics))
    }

    private init(info board: TelemetryBoard) {
        guard let latest = board.latest() else {
            self.init(unhealthy: "the node is starting")
            return
        }
        self.init(200, Self.json, latest.info + "\n")
    }

    private init(health board: TelemetryBoard) {
        guard let latest = board.latest() else {
            self.init(unhealthy: "the node is starting")
            return
        }
        guard latest.age <= TelemetryBoard.ageMax else {
            let seconds = latest.age.components.seconds
            self.init(unhealthy: "the loop has not reported for \(seconds) s")
            return
        }
        switch latest.health {
        case .healthy: self.init(200, Self.json, "{\"status\":\"ok\"}\n")
        case .unhealthy(let reason): self.init(unhealthy: reason)
        }
    }

    private init(unhealthy reason: String) {
        let reason = JSONText.string(reason)
        self.init(503, Self.json, "{\"status\":\"unhealthy\",\"reason\":\(reason)}\n")
    }
}
