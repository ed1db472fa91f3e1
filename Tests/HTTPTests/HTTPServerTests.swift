import Glibc
import Synchronization
import TestSupport
import Testing

@testable import HTTP

/// What a handler is asked and answers, over real sockets.
private struct Echo: HTTPHandler {
    var bodySizeMax = 1 << 20
    /// Holds every answer while it is locked.
    var gate = Gate()

    final class Gate: Sendable {
        let isOpen = Mutex(true)
        func wait() { while !isOpen.withLock({ $0 }) { usleep(1000) } }
    }

    func admit(_ head: HTTPRequestHead) -> HTTPAdmission {
        head.path == "/no" ? .refused(.text(404, "nothing here")) : .body(sizeMax: bodySizeMax)
    }

    func answer(_ head: HTTPRequestHead, body: [UInt8]) -> HTTPResponse {
        gate.wait()
        let said = "\(head.method) \(head.path) \(head.host ?? "-") \(head.authorization ?? "-") "
        return HTTPResponse(status: 200, body: Array(said.utf8) + body)
    }
}

@Suite struct HTTPServerTests {
    private func exchange(
        _ server: HTTPServer, _ request: [UInt8], isLast: Bool = false
    ) throws -> String {
        let client = try LoopbackClient(port: try #require(LoopbackClient.port(of: server.address)))
        try client.send(request, isLast: isLast)
        return String(decoding: client.receiveAll(), as: UTF8.self)
    }

    private func exchange(_ server: HTTPServer, _ request: String) throws -> String {
        try exchange(server, Array(request.utf8))
    }

    private func post(_ body: [UInt8], path: String = "/") -> [UInt8] {
        let head =
            "POST \(path) HTTP/1.1\r\nHost: a\r\nAuthorization: b\r\nConnection: close\r\n"
            + "Content-Length: \(body.count)\r\n\r\n"
        return Array(head.utf8) + body
    }

    /// With workers and without: the whole body, of one piece or of many.
    @Test(arguments: [0, 1, 4], [0, 1, 70_000, 1 << 20])
    func bodiesComeWhole(workerCount: Int, size: Int) throws {
        var limits = HTTPServer.Limits()
        limits.workerCount = workerCount
        let server = try HTTPServer(address: "127.0.0.1:0", limits: limits, handler: Echo())
        defer { server.stop() }
        let body = (0..<size).map { UInt8(ascii: "a") + UInt8($0 % 26) }
        let answer = try exchange(server, post(body))
        #expect(answer.hasPrefix("HTTP/1.1 200 "))
        let expected = "\r\n\r\nPOST / a b " + String(decoding: body, as: UTF8.self)
        #expect(answer.hasSuffix(expected))
        #expect(server.counters == HTTPCounters(answers: 1))
    }

    @Test func aBodyInChunksIsRead() throws {
        let server = try HTTPServer(address: "127.0.0.1:0", handler: Echo(bodySizeMax: 8))
        defer { server.stop() }
        let head =
            "POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
        let answer = try exchange(server, head + "3\r\nabc\r\n5\r\ndefgh\r\n0\r\n\r\n")
        #expect(answer.hasSuffix("POST / a - abcdefgh"))
        // One byte too many, and nobody said so before.
        let cut = try exchange(server, head + "3\r\nabc\r\n6\r\ndefghi\r\n0\r\n\r\n")
        #expect(!cut.hasPrefix("HTTP/1.1 200"))
        #expect(server.counters.oversized == 1)
    }

    @Test func aBodyThatIsDeclaredTooLongIsRefusedUnread() throws {
        let server = try HTTPServer(address: "127.0.0.1:0", handler: Echo(bodySizeMax: 8))
        defer { server.stop() }
        // Nothing of the body was sent.
        let head = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n"
        let answer = try exchange(server, Array(head.utf8))
        #expect(answer.hasPrefix("HTTP/1.1 413 "))
        #expect(answer.contains("the body has 9 bytes, more than 8"))
        let refused = try exchange(server, post([1, 2, 3], path: "/no"))
        #expect(refused.hasPrefix("HTTP/1.1 404 "))
        #expect(server.counters.refusals == 2)
    }

    /// A connection lives on after an answer and after a refusal without a body.
    @Test func oneConnectionManyRequests() throws {
        let server = try HTTPServer(address: "127.0.0.1:0", handler: Echo())
        defer { server.stop() }
        let one = "POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx"
        let none = "GET /no HTTP/1.1\r\nHost: a\r\n\r\n"
        let last = "POST /z HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 1\r\n\r\nz"
        let answer = try exchange(server, one + none + one + last)
        #expect(answer.components("POST /a a - x") == 2)
        #expect(answer.components("HTTP/1.1 404 ") == 1)
        #expect(answer.hasSuffix("POST /z a - z"))
    }

    /// Head and body of a small answer leave in one write: apart, the second would wait until the client has
    /// acknowledged the first (Nagle), which Linux puts off for 40 ms.
    @Test(arguments: [0, 4], [1, 4096])
    func aSmallAnswerIsOneWrite(workerCount: Int, size: Int) throws {
        var limits = HTTPServer.Limits()
        limits.workerCount = workerCount
        let server = try HTTPServer(address: "127.0.0.1:0", limits: limits, handler: Echo())
        defer { server.stop() }
        let client = try LoopbackClient(
            port: try #require(LoopbackClient.port(of: server.address)))
        let body = [UInt8](repeating: UInt8(ascii: "x"), count: size)
        let head = "POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: \(size)\r\n\r\n"
        for _ in 0..<20 {
            try client.send(Array(head.utf8) + body, isLast: false)
            let answer = client.receiveOnce()
            #expect(answer.starts(with: Array("HTTP/1.1 200".utf8)))
            #expect(answer.suffix(size).elementsEqual(body))
        }
    }

    /// A byte now and then is progress; it ends nevertheless, in the head as in the body.
    @Test(arguments: ["POST / HT", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nabc"])
    func whoSendsTooSlowlyIsCutOff(start: String) throws {
        var limits = HTTPServer.Limits()
        limits.readTimeMax = .milliseconds(200)
        let server = try HTTPServer(address: "127.0.0.1:0", limits: limits, handler: Echo())
        defer { server.stop() }
        let answer = try exchange(server, Array(start.utf8))
        #expect(!answer.hasPrefix("HTTP/1.1 200"))
        #expect(server.counters.slow == 1)
    }

    /// Nor can an answer be taken a little at a time for ever.
    @Test func whoTakesTooSlowlyIsCutOff() throws {
        var limits = HTTPServer.Limits()
        limits.writeTimeMax = .milliseconds(200)
        let server = try HTTPServer(
            address: "127.0.0.1:0", limits: limits, handler: Echo(bodySizeMax: 32 << 20))
        defer { server.stop() }
        let client = try LoopbackClient(port: try #require(LoopbackClient.port(of: server.address)))
        // More than the sockets hold, so that it waits for the reader.
        try client.send(post([UInt8](repeating: 1, count: 32 << 20)), isLast: false)
        while server.counters.slow == 0 { usleep(1000) }
        #expect(client.receiveAll().count < 32 << 20)
    }

    @Test func bodiesTogetherAreBounded() throws {
        var limits = HTTPServer.Limits()
        limits.bodiesSizeMax = 1000
        limits.workerCount = 1
        let echo = Echo()
        echo.gate.isOpen.withLock { $0 = false }
        let server = try HTTPServer(address: "127.0.0.1:0", limits: limits, handler: echo)
        defer { server.stop() }
        let port = try #require(LoopbackClient.port(of: server.address))
        let first = try LoopbackClient(port: port)
        try first.send(post([UInt8](repeating: 1, count: 600)), isLast: false)
        let second = try LoopbackClient(port: port)
        try second.send(post([UInt8](repeating: 2, count: 600)), isLast: false)
        // Whichever came first has taken the room.
        while server.counters.oversized == 0 { usleep(1000) }
        echo.gate.isOpen.withLock { $0 = true }
        let answers = [first, second].map { String(decoding: $0.receiveAll(), as: UTF8.self) }
        #expect(answers.filter { $0.hasPrefix("HTTP/1.1 200 ") }.count == 1)
        // The room is free again.
        let third = try exchange(server, post([UInt8](repeating: 3, count: 1000)))
        #expect(third.hasPrefix("HTTP/1.1 200 "))
    }

    /// More callers than workers: everybody is answered; then stopping refuses who waits.
    @Test func stoppingAnswersWhoWaits() throws {
        var limits = HTTPServer.Limits()
        limits.workerCount = 1
        let echo = Echo()
        echo.gate.isOpen.withLock { $0 = false }
        let server = try HTTPServer(address: "127.0.0.1:0", limits: limits, handler: echo)
        let port = try #require(LoopbackClient.port(of: server.address))
        var clients: [LoopbackClient] = []
        for index in 0..<5 {
            let client = try LoopbackClient(port: port)
            try client.send(post([UInt8(ascii: "0") + UInt8(index)]), isLast: false)
            clients.append(client)
        }
        usleep(100_000)
        let opening = NamedThread("opener") {
            usleep(100_000)
            echo.gate.isOpen.withLock { $0 = true }
        }
        server.stop()
        opening?.join()
        server.stop()
        let answers = clients.map { String(decoding: $0.receiveAll(), as: UTF8.self) }
        // The one that was running ends; whoever waited hears why or sees the end of the connection.
        #expect(answers.filter { $0.hasPrefix("HTTP/1.1 200 ") }.count <= 1)
        for answer in answers where !answer.isEmpty && !answer.hasPrefix("HTTP/1.1 200 ") {
            #expect(answer.hasPrefix("HTTP/1.1 503 "))
        }
        // The address is free again.
        try HTTPServer(address: server.address, handler: Echo()).stop()
    }

    /// A client that goes away while its request is answered harms nobody.
    @Test func aClientThatLeavesIsForgotten() throws {
        let echo = Echo()
        echo.gate.isOpen.withLock { $0 = false }
        let server = try HTTPServer(address: "127.0.0.1:0", handler: echo)
        defer { server.stop() }
        let port = try #require(LoopbackClient.port(of: server.address))
        for _ in 0..<8 {
            let client = try LoopbackClient(port: port)
            try client.send(post([1]))
        }
        echo.gate.isOpen.withLock { $0 = true }
        let answer = try exchange(server, post([2]))
        #expect(answer.hasPrefix("HTTP/1.1 200 "), "\(answer)")
    }

    @Test func badRequestsHarmNobody() throws {
        var limits = HTTPServer.Limits()
        // What is neither complete nor wrong ends with this.
        limits.idleSecondsMax = 1
        let server = try HTTPServer(address: "127.0.0.1:0", limits: limits, handler: Echo())
        defer { server.stop() }
        let bad = [
            "\0\u{1}\u{2}\r\n\r\n", "POST\r\n\r\n",
            "POST / HTTP/1.1\r\nX: " + String(repeating: "a", count: 200_000) + "\r\n\r\n",
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\nx",
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999999999999999\r\n\r\nx",
            "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        ]
        for request in bad {
            let answer = (try? exchange(server, Array(request.utf8), isLast: true)) ?? ""
            #expect(!answer.hasPrefix("HTTP/1.1 200 "), "\(request.prefix(60))")
        }
        #expect(try exchange(server, post([2])).hasPrefix("HTTP/1.1 200 "))
    }
}

extension String {
    fileprivate func components(_ part: String) -> Int {
        var count = 0
        var rest = self[...]
        while let found = rest.firstRange(of: part) {
            count += 1
            rest = rest[found.upperBound...]
        }
        return count
    }
}
