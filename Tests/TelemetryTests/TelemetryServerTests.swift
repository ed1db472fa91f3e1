import Glibc
import TestSupport
import Testing

@testable import HTTP
@testable import Telemetry

/// The server on a loopback port that the system chooses.
@Suite struct TelemetryServerTests {
    let board = TelemetryBoard()

    init() {
        var metrics = MetricsSnapshot()
        metrics.counter("chorale_a_b_total", "B", 1)
        board.publish(metrics, health: .healthy)
    }

    private func start() throws -> TelemetryServer {
        var limits = TelemetryServer.Limits()
        // What is neither complete nor wrong ends with this.
        limits.timeoutSeconds = 1
        return try TelemetryServer(address: "127.0.0.1:0", board: board, limits: limits)
    }

    /// Sends bytes and returns all that comes until the server closes or goes quiet.
    private func exchange(_ request: String, with server: TelemetryServer) throws -> String {
        let client = try LoopbackClient(port: try #require(LoopbackClient.port(of: server.address)))
        try client.send(Array(request.utf8))
        return String(decoding: client.receiveAll(), as: UTF8.self)
    }

    @Test func metricsAndHealthAreServed() throws {
        let server = try start()
        defer { server.stop() }
        let close = "Host: a\r\nConnection: close\r\n\r\n"
        let metrics = try exchange("GET /metrics?x=1 HTTP/1.1\r\n" + close, with: server)
        #expect(metrics.hasPrefix("HTTP/1.1 200 "))
        #expect(metrics.contains("\r\nContent-Type: text/plain; version=0.0.4; charset=utf-8\r\n"))
        #expect(metrics.contains("\r\n\r\n# HELP chorale_a_b_total B\n"))
        let health = try exchange("GET /health HTTP/1.1\r\n" + close, with: server)
        #expect(health.hasPrefix("HTTP/1.1 200 "))
        #expect(health.hasSuffix("\r\n\r\n{\"status\":\"ok\"}\n"))
        let head = try exchange("HEAD /health HTTP/1.1\r\n" + close, with: server)
        #expect(head.hasPrefix("HTTP/1.1 200 "))
        #expect(head.hasSuffix("\r\n\r\n"))
    }

    @Test func whatIsNotServedIsRefused() throws {
        let server = try start()
        defer { server.stop() }
        let close = "Host: a\r\nConnection: close\r\n\r\n"
        #expect(
            try exchange("GET /secret HTTP/1.1\r\n" + close, with: server)
                .hasPrefix("HTTP/1.1 404 "))
        let post = "POST /metrics HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello"
        let refusal = try exchange(post, with: server)
        #expect(refusal.hasPrefix("HTTP/1.1 405 "))
        #expect(refusal.contains("\r\nAllow: GET, HEAD\r\n"))
    }

    @Test func badRequestsHarmNobody() throws {
        let server = try start()
        defer { server.stop() }
        let longHead = "GET /metrics HTTP/1.1\r\nX: " + String(repeating: "a", count: 100_000)
        let requests = [
            "\0\u{1}\u{2}\r\n\r\n", "GET\r\n\r\n", longHead + "\r\n\r\n",
            "GET /metrics HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello",
            "GET /metrics HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n",
        ]
        for request in requests {
            let response = (try? exchange(request, with: server)) ?? ""
            #expect(!response.hasPrefix("HTTP/1.1 200 "), "\(request.prefix(60))")
        }
        let request = "GET /health HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
        #expect(try exchange(request, with: server).hasPrefix("HTTP/1.1 200 "))
    }

    @Test func anAddressInUseIsNamed() throws {
        let server = try start()
        defer { server.stop() }
        let address = server.address
        #expect(throws: HTTPServerError.addressInUse(address)) {
            try TelemetryServer(address: address, board: board)
        }
    }

    @Test func anAddressOfAnotherMachineIsNamed() throws {
        // 192.0.2.0/24 is for documentation.
        do throws(HTTPServerError) {
            _ = try TelemetryServer(address: "192.0.2.1:0", board: board)
            Issue.record("listens on an address of nobody")
        } catch {
            guard case .failed("192.0.2.1:0", _) = error else {
                Issue.record("\(error)")
                return
            }
        }
    }

    @Test func stoppingTwiceIsHarmless() throws {
        let server = try start()
        server.stop()
        server.stop()
        // The address is free again.
        try TelemetryServer(address: server.address, board: board).stop()
    }

    @Test(arguments: [
        "", ":", "9090", "127.0.0.1", "127.0.0.1:", ":9090", "127.0.0.1:65536", "127.0.0.1:+1",
        "127.0.0.1: 1", "example.com:80", "::1:9090", "[::1]", "[::1]9090", "[127.0.0.1]:1", "[]:1",
        "127.0.0:1", "1.2.3.4.5:6",
    ])
    func whatIsNoAddressIsRefused(text: String) {
        #expect(throws: HTTPServerError.badAddress(text)) {
            try TelemetryServer(address: text, board: board)
        }
    }

    @Test func addressesAreSplit() {
        #expect(HTTPListener.parse("localhost:80")?.host == "127.0.0.1")
        #expect(HTTPListener.parse("[::1]:80")?.host == "::1")
        #expect(HTTPListener.parse("[::1]:80")?.port == 80)
    }
}
