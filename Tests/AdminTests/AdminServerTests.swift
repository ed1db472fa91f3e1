import ChoraleBase
import Codec
import Crypto
import DriverUV
import Glibc
import Node
import NodeHost
import PeerIdentity
import Swarm
import Testing

@testable import Admin

/// The interface as programs meet it: a running node, and bytes on a real Unix socket.
@Suite struct AdminServerTests {
    @Test func onlyTheUserMayUseItAndItLeavesNothing() throws {
        let bench = try AdminBench()
        var information = stat()
        try #require(stat(bench.path, &information) == 0)
        #expect(information.st_mode & 0o777 == 0o600)
        #expect(information.st_mode & S_IFMT == S_IFSOCK)
        bench.close()
        #expect(access(bench.path, F_OK) != 0)
    }

    @Test func halvesOfLinesOfSeveralClientsDoNotMix() throws {
        let bench = try AdminBench()
        defer { bench.close() }
        let clients = try (0..<5).map { _ in try bench.connect() }
        let line = Array(AdminBench.request("admin_nodeInfo", id: 7).utf8)
        for split in [1, line.count / 2, line.count - 1] {
            for client in clients { try client.send(Array(line[..<split])) }
            bench.turn()
            #expect(clients.allSatisfy { $0.lines.isEmpty })
            // Backwards, so that nobody is answered in the order of connecting by chance.
            for client in clients.reversed() { try client.send(Array(line[split...])) }
            for client in clients {
                let answer = try bench.answer(to: client)
                #expect(answer["id"] == .integer(7))
                #expect(answer["result"]?["id"] == .string("\(bench.host.localPeer)"))
            }
        }
        // Several requests in one write, with either end of line, are answered in order.
        let ids = [1, 2, 3]
        let text = ids.map { AdminBench.request("chorale_peers", id: $0).dropLast() + "\r\n" }
            .joined()
        try clients[0].send(Array(text.utf8))
        for id in ids { #expect(try bench.answer(to: clients[0])["id"] == JSONValue(id)) }
        #expect(bench.server.connectionCount == 5)
    }

    static let wrong: [(name: String, line: [UInt8], code: Int64)] = [
        ("not JSON", Array("hello".utf8), -32700),
        ("half a document", Array(#"{"jsonrpc":"2.0""#.utf8), -32700),
        ("not UTF-8", Array(#"{"method":""#.utf8) + [0xff, 0xfe] + Array(#""}"#.utf8), -32700),
        ("NUL", [0, 0, 0], -32700),
        ("too deep", [UInt8](repeating: UInt8(ascii: "["), count: 100_000), -32700),
        ("a batch", Array("[]".utf8), -32600),
        ("a number", Array("17".utf8), -32600),
        ("no version", Array(#"{"id":1,"method":"admin_peers"}"#.utf8), -32600),
        (
            "an unknown method",
            Array(#"{"jsonrpc":"2.0","id":1,"method":"admin_peer"}"#.utf8), -32601
        ),
        (
            "an unknown parameter",
            Array(#"{"jsonrpc":"2.0","id":1,"method":"admin_peers","params":{"x":1}}"#.utf8), -32602
        ),
        (
            "a parameter of the wrong type",
            Array(#"{"jsonrpc":"2.0","id":1,"method":"admin_addPeer","params":[3]}"#.utf8), -32602
        ),
    ]

    @Test func whatIsWrongIsAnsweredAndTheConnectionGoesOn() throws {
        let bench = try AdminBench()
        defer { bench.close() }
        let client = try bench.connect()
        for row in Self.wrong {
            try client.send(row.line + [UInt8(ascii: "\n")])
            let answer = try bench.answer(to: client)
            #expect(answer["error"]?["code"] == .integer(row.code), "\(row.name): \(answer.text)")
        }
        // Empty lines ask for nothing.
        try client.send(Array("\n\r\n\n".utf8))
        #expect(try bench.call(client, "admin_nodeInfo")["id"] != nil)
        #expect(bench.server.requestCounters.refused == UInt64(Self.wrong.count))
    }

    @Test func aLineWithoutEndIsCutOffAndOthersAreNot() throws {
        let bench = try AdminBench()
        defer { bench.close() }
        let (client, other) = (try bench.connect(), try bench.connect())
        let part = [UInt8](repeating: UInt8(ascii: "x"), count: 64 << 10)
        var sent = 0
        while !client.isOver, sent < 8 << 20 {
            sent += (try? client.send(part)) ?? 0
            bench.turn()
        }
        #expect(client.isOver)
        // The limit of 2 MiB, and what the kernel holds of a Unix socket.
        #expect(sent < 4 << 20, "\(sent)")
        #expect(bench.drops == [.lineTooLong])
        #expect(bench.server.counters.droppedLineTooLong == 1)
        #expect(try bench.call(other, "admin_nodeInfo")["id"] != nil)
    }

    @Test func connectionsAreBoundedAndMakeRoomWhenTheyEnd() throws {
        var options = AdminServer.Options()
        options.connectionsMax = 3
        let bench = try AdminBench(options: options)
        defer { bench.close() }
        let clients = try (0..<3).map { _ in try bench.connect() }
        for client in clients { #expect(try bench.call(client, "admin_nodeInfo")["id"] != nil) }
        let refused = try bench.connect()
        try bench.drive { refused.isOver }
        #expect(bench.drops == [.limit])
        clients[1].close()
        try bench.drive { bench.server.connectionCount == 2 }
        let next = try bench.connect()
        #expect(try bench.call(next, "admin_nodeInfo")["id"] != nil)
        #expect(bench.server.counters.refused == 1)
    }

    /// Two clients follow one topic; one of them stops reading.
    @Test func aSlowReaderOfAStreamIsDroppedAndTheOtherGoesOn() throws {
        var options = AdminServer.Options()
        options.queueSizeMax = 512 << 10
        let bench = try AdminBench(options: options)
        defer { bench.close() }
        let publisher = try AdminBench(sharing: bench.loop)
        defer { publisher.close() }
        let (slow, quick, sender) = (
            try bench.connect(), try bench.connect(), try publisher.connect()
        )
        let info = try bench.call(quick, "admin_nodeInfo")
        let address = try #require(info["addresses"]?.array?.first)
        for client in [slow, quick] {
            #expect(
                try bench.call(client, "chorale_subscribe", ["topic": .string("t")]).string != nil)
        }
        // Of topics that nobody here has used a node does not tell which peers have them.
        let former = try publisher.connect()
        _ = try publisher.call(former, "chorale_subscribe", ["topic": .string("t")])
        former.close()
        #expect(
            try publisher.call(sender, "admin_addPeer", ["address": address]) == .bool(true))
        // Until then what the other node publishes goes to nobody.
        try bench.drive {
            let peers = try? publisher.call(sender, "chorale_peers")
            return peers?.array?.first?["topics"]?.array?.contains(.string("t")) == true
        }
        slow.isReading = false
        let content = String(repeating: "m", count: 64 << 10)
        var count = 0
        while bench.drops.isEmpty, count < 200 {
            count += 1
            _ = try publisher.call(
                sender, "chorale_publish",
                ["topic": .string("t"), "text": .string("\(count) \(content)")])
            bench.turn()
        }
        #expect(bench.drops == [.slowReader])
        #expect(bench.server.counters.droppedSlow == 1)
        // What the slow one had was bounded, and the quick one missed nothing of it.
        #expect(count < 60, "\(count)")
        try bench.drive { quick.lines.count >= count }
        #expect(quick.lines.count == count)
        #expect(!quick.isOver)
    }

    @Test func whoeverLeavesInTheMiddleOfAStreamLeavesNothingBehind() throws {
        let bench = try AdminBench()
        defer { bench.close() }
        let observer = try bench.connect()
        let use = { () throws -> Int? in
            let limits = try bench.call(observer, "chorale_limits").array ?? []
            return limits.first { $0["name"] == .string("commands") }?["use"]?.int
        }
        let before = try use()
        for _ in 0..<20 {
            let client = try bench.connect()
            for method in ["chorale_watchEvents", "chorale_watchBodies"] {
                #expect(try bench.call(client, method).string != nil)
            }
            #expect(try bench.call(client, "chorale_subscribe", ["topic": .string("t")]) != .null)
            // Without unsubscribing, and with half a line under way.
            try client.send(Array(#"{"jsonrpc":"2.0","#.utf8))
            client.close()
        }
        try bench.drive { bench.server.connectionCount == 1 }
        #expect(try use() == before)
        #expect(bench.drops.isEmpty)
    }

    @Test func callsUnderWayAreAnsweredWhenTheNodeStops() throws {
        let bench = try AdminBench()
        let client = try bench.connect()
        #expect(try bench.call(client, "chorale_watchEvents").string != nil)
        client.lines = []
        bench.host.stop()
        try bench.drive { bench.isStopped }
        bench.server.close()
        try bench.drive { client.isOver }
        let last = try #require(client.lines.last)
        let end = try JSONValue(parsing: Array(last.utf8))
        #expect(end["params"]?["end"] == .bool(true))
        bench.close()
    }
}
