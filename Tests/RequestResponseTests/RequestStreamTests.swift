import ChoraleBase
import Codec
import RequestResponse
import Testing

/// One instant of the tests' clock, in seconds.
func at(_ seconds: Int64) -> MonotonicInstant {
    MonotonicInstant(nanoseconds: seconds * 1_000_000_000)
}

let things = RequestProtocol(
    name: "things", requestSizeMax: 1_000, chunkSizeMax: 100_000, chunkCountMax: 3)

/// Snappy's frames of `payload`.
func frames(_ payload: [UInt8]) -> [UInt8] { SnappyFrameEncoder.encoded(payload.span) }

/// A response chunk as it stands on the wire.
func wire(_ code: UInt8, _ payload: [UInt8]) -> [UInt8] {
    var bytes = [code] + Varint.encoded(UInt64(payload.count))
    if !payload.isEmpty { bytes += SnappyFrameEncoder.encoded(payload.span) }
    return bytes
}

@Suite struct RequestProtocolTests {
    @Test func names() {
        #expect(
            RequestProtocol.chunksByRoot.protocolID == "/chorale/req/chunks_by_root/1/ssz_snappy")
        let names = RequestProtocol.all.map(\.name)
        #expect(names == names.sorted() && Set(names).count == 6)
    }

    @Test func codes() {
        for value in UInt8.min...UInt8.max {
            #expect(ResponseCode(wireValue: value).wireValue == value)
        }
        #expect(ResponseCode(wireValue: 4) == .rateLimited)
        #expect(ResponseCode(wireValue: 5) == .other(5))
    }
}

@Suite struct RequestClientTests {
    /// Sends a request, feeds `pieces`, and says that the stream ended.
    static func outputs(
        _ pieces: [[UInt8]],
        of requestProtocol: RequestProtocol = things,
        chunkCountMax: Int? = nil,
        ends: Bool = true
    ) -> [RequestClient.Output] {
        var client = RequestClient(requestProtocol, chunkCountMax: chunkCountMax)
        var outputs: [RequestClient.Output] = []
        let request: [UInt8] = []
        client.start(request.span, now: at(0), into: &outputs)
        outputs = []
        for piece in pieces { client.receive(piece.span, now: at(1), into: &outputs) }
        if ends { client.end(into: &outputs) }
        #expect(client.bufferedSize == 0 || !ends)
        return outputs
    }

    static let big = [UInt8](repeating: 9, count: 70_000)

    @Test func sendsTheRequest() {
        var outputs: [RequestClient.Output] = []
        var client = RequestClient(things)
        let request: [UInt8] = [1, 2, 3]
        client.start(request.span, now: at(0), into: &outputs)
        #expect(outputs == [.sendAndEnd([3] + SnappyFrameEncoder.encoded(request.span))])
        #expect(client.nextDeadline == at(10))
    }

    @Test func anEmptyRequestHasNoBytes() {
        var outputs: [RequestClient.Output] = []
        var client = RequestClient(.metadata)
        let request: [UInt8] = []
        client.start(request.span, now: at(0), into: &outputs)
        #expect(outputs == [.sendAndEnd([])])
    }

    /// Whoever were done at once would reset the stream before the request has left.
    @Test func whereNothingIsAnsweredTheEndIsAwaited() {
        let silent = RequestProtocol(
            name: "silent", requestSizeMax: 8, chunkSizeMax: 0, chunkCountMax: 0)
        func outputs(_ act: (inout RequestClient, inout [RequestClient.Output]) -> Void)
            -> [RequestClient.Output]
        {
            var outputs: [RequestClient.Output] = []
            var client = RequestClient(silent)
            let request: [UInt8] = [1]
            client.start(request.span, now: at(0), into: &outputs)
            #expect(outputs.count == 1)
            #expect(client.nextDeadline != nil)
            act(&client, &outputs)
            #expect(client.nextDeadline == nil)
            return Array(outputs.dropFirst())
        }
        #expect(outputs { $0.end(into: &$1) } == [.completed(chunkCount: 0)])
        let chunk: [UInt8] = [0, 0]
        #expect(
            outputs { $0.receive(chunk.span, now: at(1), into: &$1) } == [.failed(.trailingBytes)])
        #expect(
            outputs { $0.timeout(now: at(1000), into: &$1) } == [.failed(.firstByteTimeout)])
    }

    /// Both ends of a request that is a message: what the server writes lets the client end.
    @Test func aMessageIsTakenAndNothingComesBack() {
        let message: [UInt8] = [7, 8, 9]
        func exchange(
            _ act: (inout RequestServer, [UInt8], inout [RequestServer.Output]) -> Void
        ) -> (server: [RequestServer.Output], client: [RequestClient.Output]) {
            var sent: [RequestClient.Output] = []
            var client = RequestClient(.consensus)
            client.start(message.span, now: at(0), into: &sent)
            guard case .sendAndEnd(let bytes)? = sent.first else { return ([], sent) }
            var answered: [RequestServer.Output] = []
            var server = RequestServer(.consensus, now: at(0))
            act(&server, bytes, &answered)
            var outcome: [RequestClient.Output] = []
            for case .sendAndEnd(let answer) in answered {
                client.receive(answer.span, now: at(1), into: &outcome)
                client.end(into: &outcome)
            }
            return (answered, outcome)
        }
        let taken = exchange { server, bytes, outputs in
            server.receive(bytes.span, into: &outputs)
            server.end(into: &outputs)
            server.finish(into: &outputs)
        }
        #expect(taken.server == [.request(message), .sendAndEnd([])])
        #expect(taken.client == [.completed(chunkCount: 0)])
        // A peer that takes no more says so, and is believed.
        let refused = exchange { server, bytes, outputs in
            server.receive(bytes.span, into: &outputs)
            server.refuse(.rateLimited, text: "enough", into: &outputs)
        }
        #expect(refused.client == [.refused(.rateLimited, text: "enough")])
        let broken = exchange { server, bytes, outputs in
            server.receive((bytes + [0]).span, into: &outputs)
            server.finish(into: &outputs)
        }
        #expect(broken.server.last == .failed(.trailingBytes))
        #expect(
            broken.client.contains {
                if case .refused(.invalidRequest, _) = $0 { true } else { false }
            })
        let early = exchange { server, bytes, outputs in
            server.receive(Array(bytes.dropLast()).span, into: &outputs)
            server.end(into: &outputs)
        }
        #expect(early.server.last == .failed(.endedEarly))
    }

    @Test func chunksSplitAtEveryByte() {
        let stream = wire(0, [1, 2, 3]) + wire(0, []) + wire(0, [UInt8](repeating: 5, count: 200))
        let expected: [RequestClient.Output] = [
            .chunk([1, 2, 3]), .chunk([]), .chunk([UInt8](repeating: 5, count: 200)),
            .completed(chunkCount: 3),
        ]
        for cut in 0...stream.count {
            #expect(
                Self.outputs([Array(stream.prefix(cut)), Array(stream.dropFirst(cut))]) == expected)
        }
        #expect(Self.outputs(stream.map { [$0] }) == expected)
        // The last allowed chunk completes the response without its end.
        #expect(Self.outputs([stream + [1, 2, 3]], ends: false) == expected)
        #expect(
            Self.outputs([stream], chunkCountMax: 2)
                == [.chunk([1, 2, 3]), .chunk([]), .completed(chunkCount: 2)])
    }

    @Test func truncatedAtEveryByte() {
        let first = wire(0, [1, 2, 3])
        let stream = first + wire(0, Self.big)
        for cut in [0, 1, 2, 10, 15, first.count, first.count + 1, first.count + 5, stream.count] {
            let last = Self.outputs([Array(stream.prefix(cut))]).last
            switch cut {
            case 0: #expect(last == .completed(chunkCount: 0))
            case first.count: #expect(last == .completed(chunkCount: 1))
            case stream.count: #expect(last == .completed(chunkCount: 2))
            default: #expect(last == .failed(.endedEarly), "cut at \(cut)")
            }
        }
    }

    struct Row: Sendable, CustomTestStringConvertible {
        let name: String
        let stream: [UInt8]
        let last: RequestClient.Output
        var testDescription: String { name }

        init(_ name: String, _ stream: [UInt8], _ last: RequestClient.Output) {
            self.name = name
            self.stream = stream
            self.last = last
        }
    }

    static let endings: [Row] = [
        Row("an invalid request", wire(1, Array("no".utf8)), .refused(.invalidRequest, text: "no")),
        Row("an unknown code", wire(200, []), .refused(.other(200), text: "")),
        Row("rate limited without text", [4], .refused(.rateLimited, text: "")),
        Row("an error's text cut", [2, 5], .refused(.serverError, text: "")),
        Row(
            "text for a terminal", wire(3, Array("a\u{1B}[2J\nb\u{202E}".utf8)),
            .refused(.unavailable, text: "a?[2J?b?")),
        Row(
            "text that is no UTF-8", wire(3, [0xFF, 0x61]),
            .refused(.unavailable, text: "\u{FFFD}a")),
        Row(
            "text over its limit", wire(1, [UInt8](repeating: 0x61, count: 257)),
            .failed(.payloadTooLarge(size: 257, limit: 256))),
        Row(
            "a chunk over its limit", [0] + Varint.encoded(100_001),
            .failed(.payloadTooLarge(size: 100_001, limit: 100_000))),
        Row("a size with a needless byte", [0, 0x81, 0x00], .failed(.sizeMalformed)),
        Row(
            "a size of ten bytes", [0] + [UInt8](repeating: 0xFF, count: 10),
            .failed(.sizeMalformed)),
        Row(
            "frames of more than the size",
            [0, 2] + frames([1, 2, 3]),
            .failed(.payloadDamaged)),
        Row(
            "frames of less than the size",
            [0, 4] + frames([1, 2, 3]), .failed(.endedEarly)),
        Row("no frames", [0, 4, 1, 2, 3, 4], .failed(.payloadDamaged)),
        Row(
            "padding without end",
            [0, 4] + frames([]) + [0xFE, 0xFF, 0, 0]
                + [UInt8](repeating: 0, count: 200),
            .failed(.payloadDamaged)),
    ]

    @Test(arguments: endings) func endsWith(_ row: Row) {
        #expect(Self.outputs([row.stream]) == [row.last])
        #expect(Self.outputs(row.stream.map { [$0] }) == [row.last])
        // The chunk before an error is kept.
        #expect(Self.outputs([wire(0, [7]) + row.stream]) == [.chunk([7]), row.last])
    }

    @Test func deadlines() {
        var outputs: [RequestClient.Output] = []
        let request: [UInt8] = []
        var silent = RequestClient(things)
        silent.start(request.span, now: at(0), into: &outputs)
        outputs = []
        silent.timeout(now: at(9), into: &outputs)
        #expect(outputs.isEmpty)
        silent.timeout(now: at(10), into: &outputs)
        silent.timeout(now: at(11), into: &outputs)
        silent.reset(into: &outputs)
        silent.end(into: &outputs)
        #expect(outputs == [.failed(.firstByteTimeout)])
        #expect(silent.nextDeadline == nil)

        // Bytes that trickle do not extend a chunk's time; a whole chunk does.
        var slow = RequestClient(things)
        slow.start(request.span, now: at(0), into: &outputs)
        outputs = []
        let first = wire(0, [1, 2, 3])
        slow.receive(first.span.extracting(0..<1), now: at(8), into: &outputs)
        #expect(slow.nextDeadline == at(18))
        slow.receive(first.span.extracting(1..<5), now: at(12), into: &outputs)
        #expect(slow.nextDeadline == at(18))
        slow.receive(first.span.extracting(5..<first.count), now: at(17), into: &outputs)
        #expect(slow.nextDeadline == at(27))
        slow.timeout(now: at(27), into: &outputs)
        #expect(outputs == [.chunk([1, 2, 3]), .failed(.payloadTimeout)])
    }

    @Test func resets() {
        var outputs: [RequestClient.Output] = []
        var client = RequestClient(things)
        let request: [UInt8] = []
        client.start(request.span, now: at(0), into: &outputs)
        client.reset(into: &outputs)
        let late = wire(0, [1])
        client.receive(late.span, now: at(1), into: &outputs)
        #expect(outputs.dropFirst() == [.failed(.reset)])
    }

    @Test(arguments: UInt64(0)..<64) func hostileBytesGiveOneOutcome(seed: UInt64) {
        var random = DeterministicRandom(seed: seed)
        let good = wire(0, [1, 2, 3]) + wire(0, [UInt8](repeating: 4, count: 50)) + wire(2, [0x61])
        for _ in 0..<200 {
            var stream = good
            for _ in 0..<(1 + random.next() % 3) {
                stream[Int(random.next() % UInt64(stream.count))] = UInt8(
                    truncatingIfNeeded: random.next())
            }
            let whole = Self.outputs([stream])
            let outcomes = whole.filter {
                if case .chunk = $0 { return false }
                return true
            }
            #expect(outcomes.count == 1 && whole.last == outcomes.last)
            #expect(Self.outputs(stream.map { [$0] }) == whole)
        }
    }
}

@Suite struct RequestServerTests {
    static func outputs(
        _ pieces: [[UInt8]],
        of requestProtocol: RequestProtocol = things,
        ends: Bool = true
    ) -> [RequestServer.Output] {
        var server = RequestServer(requestProtocol, now: at(0))
        var outputs: [RequestServer.Output] = []
        for piece in pieces { server.receive(piece.span, into: &outputs) }
        if ends { server.end(into: &outputs) }
        return outputs
    }

    static let request = Array(wire(0, [1, 2, 3]).dropFirst())

    @Test func readsARequestSplitAtEveryByte() {
        for cut in 0...Self.request.count {
            let pieces = [Array(Self.request.prefix(cut)), Array(Self.request.dropFirst(cut))]
            #expect(Self.outputs(pieces) == [.request([1, 2, 3])])
        }
        #expect(Self.outputs([Self.request], ends: false) == [.request([1, 2, 3])])
        #expect(Self.outputs([[0]]) == [.request([])])
        #expect(Self.outputs([], of: .metadata) == [.request([])])
        #expect(Self.outputs([], of: .metadata, ends: false).isEmpty)
    }

    static let refused: [(String, [UInt8], RequestFault)] = [
        ("nothing", [], .endedEarly),
        ("a request cut", Array(request.dropLast()), .endedEarly),
        ("bytes behind it", request + [0], .trailingBytes),
        ("too large", Varint.encoded(1_001), .payloadTooLarge(size: 1_001, limit: 1_000)),
        ("a size with a needless byte", [0x80, 0], .sizeMalformed),
        ("damaged frames", [3, 0, 0, 0, 0], .payloadDamaged),
    ]

    @Test(arguments: refused)
    func answersWhatItCannotRead(name: String, stream: [UInt8], fault: RequestFault) throws {
        let outputs = Self.outputs([stream])
        let outcome = outputs.filter { if case .request = $0 { false } else { true } }
        try #require(outcome.count == 2, "\(outputs)")
        #expect(outcome[1] == .failed(fault))
        guard case .sendAndEnd(let bytes) = outcome[0] else {
            Issue.record("no answer: \(outcome)")
            return
        }
        let read = RequestClientTests.outputs([bytes])
        #expect(read == [.refused(.invalidRequest, text: "\(fault)")])
    }

    @Test func aRequestThatHasNoBytesHasNoBytes() {
        #expect(Self.outputs([[0]], of: .metadata).last == .failed(.trailingBytes))
    }

    @Test func answersReachTheClient() {
        var server = RequestServer(things, now: at(0))
        var outputs: [RequestServer.Output] = []
        server.receive(Self.request.span, into: &outputs)
        #expect(server.nextDeadline == nil)
        let big = RequestClientTests.big
        server.respond(big.span, into: &outputs)
        let small: [UInt8] = [7]
        server.respond(small.span, into: &outputs)
        server.refuse(
            .unavailable, text: String(repeating: "é", count: 200), into: &outputs)
        server.finish(into: &outputs)
        server.respond(small.span, into: &outputs)
        server.end(into: &outputs)
        server.reset(into: &outputs)

        var wire: [[UInt8]] = []
        for output in outputs.dropFirst() {
            switch output {
            case .send(let bytes), .sendAndEnd(let bytes): wire.append(bytes)
            case .request, .failed: Issue.record("unexpected: \(output)")
            }
        }
        #expect(wire.count == 3)
        // The text is cut between characters.
        #expect(
            RequestClientTests.outputs(wire) == [
                .chunk(big), .chunk([7]),
                .refused(.unavailable, text: String(repeating: "é", count: 128)),
            ])
    }

    @Test func finishWithoutChunks() {
        var server = RequestServer(things, now: at(0))
        var outputs: [RequestServer.Output] = []
        server.receive(Self.request.span, into: &outputs)
        server.finish(into: &outputs)
        #expect(outputs == [.request([1, 2, 3]), .sendAndEnd([])])
    }

    @Test func deadlineAndReset() {
        var server = RequestServer(things, now: at(0))
        var outputs: [RequestServer.Output] = []
        server.receive(Self.request.span.extracting(0..<4), into: &outputs)
        #expect(server.bufferedSize > 0)
        server.timeout(now: at(9), into: &outputs)
        #expect(outputs.isEmpty)
        server.timeout(now: at(10), into: &outputs)
        #expect(outputs.last == .failed(.payloadTimeout))
        #expect(server.bufferedSize == 0)
        let count = outputs.count
        server.timeout(now: at(11), into: &outputs)
        server.reset(into: &outputs)
        #expect(outputs.count == count)

        var gone = RequestServer(things, now: at(0))
        outputs = []
        gone.reset(into: &outputs)
        #expect(outputs == [.failed(.reset)])
    }

    @Test func bytesWhileAnsweringEndTheStream() {
        var server = RequestServer(things, now: at(0))
        var outputs: [RequestServer.Output] = []
        server.receive(Self.request.span, into: &outputs)
        let more: [UInt8] = [1]
        server.receive(more.span, into: &outputs)
        #expect(outputs.last == .failed(.trailingBytes))
        let count = outputs.count
        server.respond(more.span, into: &outputs)
        server.finish(into: &outputs)
        #expect(outputs.count == count)
    }
}
