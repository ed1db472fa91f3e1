import Testing

@testable import RemoteProving

@Suite struct EventStreamTests {
    static let stream = [UInt8](
        "\u{FEFF}: comment\n\nevent: a\ndata: 1\ndata:2\n\nid: 7\nevent:b\r\ndata\r\n\r\rdata: \rdata:  x\n\n\nevent: none\n\n"
            .utf8)
    static let events: [ServerSentEvents.Event] = [
        .init(name: "a", data: "1\n2"), .init(name: "b", data: ""), .init(name: "", data: "\n x"),
    ]

    /// However the bytes are cut.
    @Test func piecesDoNotMatter() throws {
        for size in 1...Self.stream.count {
            var parser = ServerSentEvents()
            var events: [ServerSentEvents.Event] = []
            for start in stride(from: 0, to: Self.stream.count, by: size) {
                events += try parser.append(
                    Array(Self.stream[start..<min(start + size, Self.stream.count)]))
            }
            #expect(events == Self.events, "pieces of \(size)")
        }
    }

    @Test func isBounded() {
        var limits = ServerSentEvents.Limits()
        limits.eventSizeMax = 16
        var parser = ServerSentEvents(limits: limits)
        #expect(throws: ServerSentEvents.StreamError.eventTooLarge(limit: 16)) {
            _ = try parser.append([UInt8](repeating: 0x61, count: 17))
        }
        parser = ServerSentEvents(limits: limits)
        #expect(throws: ServerSentEvents.StreamError.eventTooLarge(limit: 16)) {
            for _ in 0..<8 { _ = try parser.append([UInt8]("data:aaaa\n".utf8)) }
        }
        parser = ServerSentEvents(limits: limits)
        #expect(throws: ServerSentEvents.StreamError.notUTF8) {
            _ = try parser.append([UInt8]("data:".utf8) + [0xFF, 0x0A, 0x0A])
        }
    }

    @Test func messagesAreStrict() throws {
        let root = "0x" + String(repeating: "ab", count: 32)
        func event(_ name: String, _ data: String) throws -> ProofNodeEvent? {
            try ProofNodeMessage.event(.init(name: name, data: data))
        }
        let complete =
            "{\"new_payload_request_root\":\"\(root)\",\"proof_type\":\"reth-sp1\",\"new\":1}"
        let decoded = try event("proof_complete", complete)
        #expect(decoded != nil)
        #expect(try event("proof_tomorrow", "nonsense") == nil)
        for (from, to) in [
            ("0x", ""), ("ab", "AB"), ("ab", "a"), ("reth-sp1", "reth-sp2"), ("{", "["),
            ("proof_type", "type"),
        ] {
            let parts = complete.split(
                separator: from, maxSplits: 1, omittingEmptySubsequences: false)
            #expect(throws: ProofNodeMessage.Malformed.self, "\(from)") {
                _ = try event("proof_complete", parts.joined(separator: to))
            }
        }
        #expect(throws: ProofNodeMessage.Malformed.self) {
            _ = try event("proof_failure", complete)
        }
        #expect(throws: ProofNodeMessage.Malformed.self) {
            _ = try ProofNodeMessage.isValid([UInt8]("{\"status\":\"valid\"}".utf8))
        }
    }
}
