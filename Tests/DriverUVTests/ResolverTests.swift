import CLibuv
import ChoraleBase
import Codec
import Glibc
import Synchronization
import Testing

@testable import DriverUV

@Suite struct ResolverTests {
    static let zone: [String: [FakeRecord]] = [
        "both.test": [
            .a([192, 0, 2, 1]), .a([192, 0, 2, 2]), .aaaa(Array(repeating: 0x20, count: 16)),
        ],
        "four.test": [.a([192, 0, 2, 3])],
        "twice.test": [.a([192, 0, 2, 4]), .a([192, 0, 2, 4])],
        "_dnsaddr.boot.test": [
            .txt(["dnsaddr=/ip4/192.0.2.1/tcp/1"]), .txt(["v=spf1"]),
            .txt(["dnsaddr=/ip6/2001:db8::", "1/tcp/2"]),
        ],
        "_dnsaddr.none.test": [.txt(["v=spf1"])],
        "binary.test": [.txtBytes([0xFF, 0xFE]), .txt(["text"])],
        "many.test": (0..<10).map { .a([192, 0, 2, UInt8($0)]) },
        "broken.test": [.garbage],
    ]

    func withResolver(
        limits: Resolver.Limits = Resolver.Limits(),
        _ body: (EventLoop, Resolver, FakeDNSServer) throws -> Void
    ) throws {
        let server = try FakeDNSServer(zone: Self.zone)
        defer { server.stop() }
        try withLoop { loop in
            let resolver = try Resolver(loop: loop, servers: [server.address], limits: limits)
            try body(loop, resolver, server)
        }
    }

    @Test func addressesOfBothFamilies() throws {
        try withResolver { loop, resolver, _ in
            var answers: [String: Result<[IPAddress], ResolverError>] = [:]
            resolver.addresses(of: "both.test") { answers["any"] = $0 }
            resolver.addresses(of: "both.test", family: .ip4) { answers["ip4"] = $0 }
            resolver.addresses(of: "both.test", family: .ip6) { answers["ip6"] = $0 }
            resolver.addresses(of: "twice.test", family: .ip4) { answers["twice"] = $0 }
            #expect(answers.isEmpty, "never within the call")
            try loop.drive { answers.count == 4 }
            let fours = ["192.0.2.1", "192.0.2.2"]
            let six = "2020:2020:2020:2020:2020:2020:2020:2020"
            func texts(_ name: String) throws -> [String] {
                try #require(answers[name]).get().map(\.description).sorted()
            }
            #expect(try texts("any") == fours + [six])
            #expect(try texts("ip4") == fours)
            #expect(try texts("ip6") == [six])
            #expect(try texts("twice") == ["192.0.2.4"])
            #expect(resolver.queryCount == 0)
        }
    }

    @Test func dnsaddrLinksInOrder() throws {
        try withResolver { loop, resolver, _ in
            var answer: Result<[String], ResolverError>?
            resolver.dnsaddrs(of: "boot.test") { answer = $0 }
            try loop.drive { answer != nil }
            #expect(answer == .success(["/ip4/192.0.2.1/tcp/1", "/ip6/2001:db8::1/tcp/2"]))
            var none: Result<[String], ResolverError>?
            resolver.dnsaddrs(of: "none.test") { none = $0 }
            try loop.drive { none != nil }
            #expect(none == .failure(.noRecords))
        }
    }

    @Test func textsThatAreNotTextAreLeftOut() throws {
        try withResolver { loop, resolver, _ in
            var answer: Result<[String], ResolverError>?
            resolver.texts(of: "binary.test") { answer = $0 }
            try loop.drive { answer != nil }
            #expect(answer == .success(["text"]))
        }
    }

    static let failures: [(String, Set<ResolverError>)] = [
        ("unknown.test", [.nameNotFound]),
        ("four.test", [.noRecords]),
        ("", [.malformedName]),
        ("nul\0.test", [.malformedName]),
        ("a..test", [.malformedName]),
        (String(repeating: "x", count: 64) + ".test", [.malformedName]),
        (String(repeating: "x.", count: 200), [.malformedName]),
        ("broken.test", [.malformedReply, .timedOut, .serverFailed]),
    ]

    @Test(arguments: failures) func failuresSayWhy(row: (String, Set<ResolverError>)) throws {
        var limits = Resolver.Limits()
        limits.attemptTimeout = .milliseconds(50)
        limits.tryCount = 1
        try withResolver(limits: limits) { loop, resolver, _ in
            var answer: Result<[String], ResolverError>?
            resolver.texts(of: row.0) { answer = $0 }
            #expect(answer == nil)
            try loop.drive { answer != nil }
            guard case .failure(let error) = answer else {
                Issue.record("an answer: \(String(describing: answer))")
                return
            }
            #expect(row.1.contains(error), "\(error)")
            #expect(resolver.queryCount == 0)
        }
    }

    @Test func aServerThatIsSilent() throws {
        var limits = Resolver.Limits()
        limits.attemptTimeout = .milliseconds(30)
        limits.tryCount = 2
        try withResolver(limits: limits) { loop, resolver, server in
            server.isSilent.store(true, ordering: .relaxed)
            var byServer: Result<[IPAddress], ResolverError>?
            var byDeadline: Result<[IPAddress], ResolverError>?
            resolver.addresses(of: "four.test", family: .ip4) { byServer = $0 }
            resolver.addresses(of: "both.test", family: .ip4, timeout: .milliseconds(5)) {
                byDeadline = $0
            }
            try loop.drive { byDeadline != nil }
            #expect(byDeadline == .failure(.timedOut))
            #expect(byServer == nil)
            // The slot is held until c-ares is done.
            #expect(resolver.queryCount == 2)
            try loop.drive { byServer != nil && resolver.queryCount == 0 }
            #expect(byServer == .failure(.timedOut))
            #expect(server.questionCount.load(ordering: .relaxed) >= 3)
        }
    }

    @Test func aRetryMayFindAnAnswer() throws {
        var limits = Resolver.Limits()
        limits.attemptTimeout = .milliseconds(30)
        limits.tryCount = 4
        try withResolver(limits: limits) { loop, resolver, server in
            server.isSilent.store(true, ordering: .relaxed)
            var answer: Result<[IPAddress], ResolverError>?
            resolver.addresses(of: "four.test", family: .ip4) { answer = $0 }
            try loop.drive { server.questionCount.load(ordering: .relaxed) >= 1 || answer != nil }
            server.isSilent.store(false, ordering: .relaxed)
            try loop.drive { answer != nil }
            #expect(answer == .success([.ip4(IPv4Address(192, 0, 2, 3))]))
        }
    }

    @Test func cancelledQueriesAreNeverCompleted() throws {
        try withResolver { loop, resolver, _ in
            var completed = false
            let id = resolver.addresses(of: "four.test") { _ in completed = true }
            resolver.cancel(id)
            resolver.cancel(id)
            try loop.drive { resolver.queryCount == 0 }
            #expect(!completed)
        }
    }

    @Test func queriesAreBounded() throws {
        var limits = Resolver.Limits()
        limits.queryCountMax = 3
        limits.waitingCountMax = 4
        limits.answerCountMax = 4
        try withResolver(limits: limits) { loop, resolver, _ in
            var answers: [Result<[IPAddress], ResolverError>] = []
            for _ in 0..<10 {
                resolver.addresses(of: "many.test", family: .ip4) { answers.append($0) }
            }
            let cancelled = resolver.addresses(of: "many.test") { _ in Issue.record("cancelled") }
            resolver.cancel(cancelled)
            try loop.drive { answers.count == 10 }
            let refused = answers.filter { $0 == .failure(.tooManyQueries) }
            #expect(refused.count == 3)
            let sizes = answers.compactMap { try? $0.get().count }
            #expect(sizes == Array(repeating: 4, count: 7))
        }
    }

    /// Whoever waits has its whole time when its turn comes.
    @Test func thoseThatWaitAreAskedWhenOthersTimeOut() throws {
        var limits = Resolver.Limits()
        limits.queryCountMax = 1
        limits.attemptTimeout = .milliseconds(30)
        limits.tryCount = 1
        try withResolver(limits: limits) { loop, resolver, server in
            server.isSilent.store(true, ordering: .relaxed)
            var first: Result<[IPAddress], ResolverError>?
            var second: Result<[IPAddress], ResolverError>?
            resolver.addresses(of: "both.test", family: .ip4) {
                first = $0
                server.isSilent.store(false, ordering: .relaxed)
            }
            resolver.addresses(of: "four.test", family: .ip4) { second = $0 }
            try loop.drive { second != nil }
            #expect(first == .failure(.timedOut))
            #expect(second == .success([.ip4(IPv4Address(192, 0, 2, 3))]))
        }
    }

    @Test func hostsFilesAndLiteralsNeedNoServer() throws {
        try withResolver { loop, resolver, server in
            var answers: [Result<[IPAddress], ResolverError>] = []
            resolver.addresses(of: "localhost", family: .ip4) { answers.append($0) }
            resolver.addresses(of: "192.0.2.9", family: .ip4) { answers.append($0) }
            try loop.drive { answers.count == 2 }
            #expect(answers.contains(.success([.ip4(.loopback)])))
            #expect(answers.contains(.success([.ip4(IPv4Address(192, 0, 2, 9))])))
            #expect(server.questionCount.load(ordering: .relaxed) == 0)
        }
    }

    @Test func closingCompletesWhatIsUnderWay() throws {
        try withResolver { loop, resolver, server in
            server.isSilent.store(true, ordering: .relaxed)
            var answers: [Result<[IPAddress], ResolverError>] = []
            for _ in 0..<3 { resolver.addresses(of: "four.test") { answers.append($0) } }
            resolver.close()
            resolver.close()
            #expect(answers == Array(repeating: .failure(.closed), count: 3))
            var late: Result<[IPAddress], ResolverError>?
            resolver.addresses(of: "four.test") { late = $0 }
            try loop.drive { late != nil }
            #expect(late == .failure(.closed))
        }
    }

    @Test func closingTheLoopClosesTheResolver() throws {
        let server = try FakeDNSServer(zone: Self.zone)
        defer { server.stop() }
        server.isSilent.store(true, ordering: .relaxed)
        weak var leaked: Resolver?
        var answer: Result<[IPAddress], ResolverError>?
        do {
            let loop = try EventLoop()
            let resolver = try Resolver(loop: loop, servers: [server.address])
            leaked = resolver
            resolver.addresses(of: "four.test") { answer = $0 }
            loop.close()
            #expect(loop.liveHandleCount == 0)
        }
        #expect(answer == .failure(.closed))
        #expect(leaked == nil)
    }
}
