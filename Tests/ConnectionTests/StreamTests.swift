import ChoraleBase
import Crypto
import Multistream
import Noise
import Testing
import Yamux

@testable import Connection

private func token(_ text: String) -> [UInt8] { [UInt8(text.utf8.count + 1)] + text.utf8 + [10] }

private let header = token("/multistream/1.0.0")

/// An established pipe whose events begin now.
private func established(
    seed: UInt64 = 0,
    supported: [String] = ["/echo", "/sink"],
    limits: Connection.Limits = .init()
) -> Pipe {
    let pipe = Pipe(seed: seed, supported: supported, limits: limits)
    pipe.settle()
    pipe.dialer.forgetEvents()
    pipe.listener.forgetEvents()
    return pipe
}

@Suite struct ConnectionStreamTests {
    @Test func oneShotRequest() throws {
        let pipe = established()
        let stream = try pipe.dialer.open(["/echo"], now: pipe.now)
        try pipe.dialer.write(stream, [1, 2])
        pipe.dialer.connection.closeWrite(stream)
        pipe.settle()
        #expect(
            pipe.listener.facts == [
                .streamOpened(stream, protocol: "/echo"), .readClosed(stream),
            ])
        #expect(pipe.listener.received[stream] == [1, 2])
        try pipe.listener.write(stream, [3])
        pipe.listener.connection.closeWrite(stream)
        pipe.settle()
        #expect(
            pipe.dialer.facts == [
                .streamNegotiated(stream, protocol: "/echo"), .readClosed(stream), .closed(stream),
            ])
        #expect(pipe.dialer.received[stream] == [3])
        #expect(pipe.listener.facts.last == .closed(stream))
        checkCounters(pipe.dialer.counters)
        checkCounters(pipe.listener.counters)
    }

    @Test func aRefusedProtocolFailsTheStreamOnly() throws {
        let pipe = established()
        let refused = try pipe.dialer.open(["/unknown"], now: pipe.now)
        try pipe.dialer.write(refused, [1, 2, 3])
        pipe.settle()
        #expect(
            pipe.dialer.facts == [
                .streamFailed(refused, .negotiation(.refused))
            ])
        // The listener read the application's bytes as a token; nobody hears of the stream there.
        #expect(pipe.listener.facts == [])
        let other = try pipe.dialer.open(["/echo"], now: pipe.now)
        pipe.settle()
        #expect(pipe.dialer.facts.last == .streamNegotiated(other, protocol: "/echo"))
        #expect(pipe.dialer.connection.streamCount == 1)
        checkCounters(pipe.dialer.counters)
        checkCounters(pipe.listener.counters)
    }

    @Test func theFirstSupportedProtocolIsChosen() throws {
        let pipe = established()
        let stream = try pipe.dialer.open(["/new", "/newer", "/sink", "/echo"], now: pipe.now)
        #expect(throws: Connection.WriteError.notNegotiated(stream)) {
            try pipe.dialer.write(stream, [1])
        }
        #expect(pipe.dialer.connection.writableBytes(stream) == 0)
        pipe.settle()
        #expect(pipe.dialer.facts == [.streamNegotiated(stream, protocol: "/sink")])
        #expect(pipe.listener.facts == [.streamOpened(stream, protocol: "/sink")])
        #expect(pipe.dialer.connection.writableBytes(stream) > 0)
        try pipe.dialer.write(stream, [1])
        pipe.settle()
        #expect(pipe.listener.received[stream] == [1])
    }

    @Test func closingBeforeTheChoiceWaitsForIt() throws {
        let pipe = established()
        let stream = try pipe.dialer.open(["/new", "/echo"], now: pipe.now)
        pipe.dialer.connection.closeWrite(stream)
        pipe.settle()
        #expect(
            pipe.listener.facts == [
                .streamOpened(stream, protocol: "/echo"), .readClosed(stream),
            ])
    }

    @Test func aResetBeforeTheAnswerIsSilent() throws {
        let pipe = established()
        let stream = try pipe.dialer.open(["/echo"], now: pipe.now)
        let output = pipe.dialer.transmit(now: pipe.now)
        pipe.listener.receive(output, now: pipe.now)
        pipe.dialer.connection.reset(stream, code: .badRequest)
        pipe.settle()
        #expect(pipe.dialer.facts == [])
        #expect(
            pipe.listener.facts == [
                .streamOpened(stream, protocol: "/echo"),
                .reset(stream, code: StreamResetCode.badRequest.rawValue), .closed(stream),
            ])
        checkCounters(pipe.dialer.counters)
    }

    @Test func aStreamThatIsResetAndForgottenInOneSegment() throws {
        let pipe = established()
        let stream = try pipe.dialer.open(["/echo"], now: pipe.now)
        try pipe.dialer.write(stream, [1])
        let output = pipe.dialer.transmit(now: pipe.now)
        pipe.dialer.connection.reset(stream, code: .noError)
        let rest = pipe.dialer.transmit(now: pipe.now)
        pipe.listener.receive(output + rest, now: pipe.now)
        #expect(
            pipe.listener.facts == [
                .streamOpened(stream, protocol: "/echo"), .reset(stream, code: 0), .closed(stream),
            ])
        checkCounters(pipe.listener.counters)
    }

    static let badNames: [(String, Multistream.NameError)] = [
        ("echo", .noLeadingSlash), ("/a\nb", .containsNewline),
        ("/" + String(repeating: "x", count: 1023), .tooLong(size: 1025, limit: 1024)),
    ]

    @Test(arguments: badNames) func refusesNames(_ name: String, _ error: Multistream.NameError) {
        let pipe = established()
        #expect(throws: Connection.OpenError.invalidName(error)) {
            try pipe.dialer.open(["/echo", name], now: pipe.now)
        }
        #expect(throws: Connection.OpenError.noProtocol) {
            try pipe.dialer.open([], now: pipe.now)
        }
        #expect(pipe.dialer.connection.streamCount == 0)
    }

    @Test func opensNothingAfterTheEnd() {
        let pipe = established()
        pipe.dialer.inputEnded()
        #expect(throws: Connection.OpenError.closed) {
            try pipe.dialer.open(["/echo"], now: pipe.now)
        }
        #expect(throws: Connection.WriteError.notEstablished) {
            try pipe.dialer.write(StreamID(1)!, [1])
        }
    }

    @Test func goAwayIsSeenAndEndsOpening() throws {
        let pipe = established()
        pipe.dialer.connection.goAway(.normal)
        pipe.settle()
        #expect(pipe.listener.facts == [.goAway(.normal)])
        #expect(throws: Connection.OpenError.yamux(.goingAway)) {
            try pipe.listener.open(["/echo"], now: pipe.now)
        }
    }

    @Test func inboundProtocolsMayChange() throws {
        let pipe = established()
        pipe.listener.connection.inboundProtocols = ProtocolTable(["/other"])
        let stream = try pipe.dialer.open(["/echo", "/other"], now: pipe.now)
        pipe.settle()
        #expect(pipe.dialer.facts == [.streamNegotiated(stream, protocol: "/other")])
    }

    @Test func votesOvertakeProofs() throws {
        let pipe = established()
        let proof = try pipe.dialer.open(["/sink"], .proof, now: pipe.now)
        let vote = try pipe.dialer.open(["/echo"], .vote, now: pipe.now)
        pipe.settle()
        try pipe.dialer.write(proof, [UInt8](repeating: 1, count: 200_000))
        let first = pipe.dialer.transmit(sizeMax: 20_000, now: pipe.now)
        try pipe.dialer.write(vote, [UInt8](repeating: 2, count: 1000))
        let second = pipe.dialer.transmit(sizeMax: 20_000, now: pipe.now)
        pipe.listener.receive(first + second, now: pipe.now)
        #expect(pipe.listener.received[vote]?.count == 1000)
        #expect(pipe.dialer.connection.queuedBytes(proof) > 100_000)
    }

    @Test func transmitKeepsToItsSize() throws {
        let pipe = established()
        let stream = try pipe.dialer.open(["/sink"], .proof, now: pipe.now)
        try pipe.dialer.write(stream, [UInt8](repeating: 1, count: 250_000))
        for sizeMax in [1024, 5000, 16_384, 16_402, 40_000, 100_000] {
            let output = pipe.dialer.transmit(sizeMax: sizeMax, now: pipe.now)
            #expect(output.count <= sizeMax)
            #expect(output.count > sizeMax / 2)
            pipe.listener.receive(output, now: pipe.now)
        }
        #expect(pipe.listener.failure == nil)
        #expect((pipe.listener.received[stream]?.count ?? 0) > 150_000)
    }

    @Test func aStalledReaderHoldsBackTheWriterOnly() throws {
        let pipe = established()
        pipe.listener.consumes = false
        let stream = try pipe.dialer.open(["/sink"], .proof, now: pipe.now)
        try pipe.dialer.write(stream, [UInt8](repeating: 1, count: 1_000_000))
        pipe.settle()
        // The negotiation's bytes were consumed and so returned to the window, at the latest when
        // half of it is due.
        let window = 256 * 1024
        let negotiation = header.count + token("/sink").count
        let count = try #require(pipe.listener.received[stream]?.count)
        #expect((window - negotiation...window).contains(count))
        let other = try pipe.dialer.open(["/echo"], .vote, now: pipe.now)
        try pipe.dialer.write(other, [5])
        pipe.settle()
        #expect(pipe.listener.received[other] == [5])
    }
}

/// Peers that do not keep to the rules, played by the machines below `Connection`.
@Suite struct HostileStreamTests {
    /// Opens a stream without negotiating.
    private func openRaw(_ end: End, _ bytes: [UInt8]) throws -> StreamID {
        let stream = try #require(try end.connection.secured?.yamux.open(.control))
        try end.connection.secured?.yamux.write(stream, bytes)
        return stream
    }

    @Test func aStreamThatSaysNothingIsGivenUp() throws {
        let pipe = established()
        _ = try openRaw(pipe.dialer, header)
        pipe.settle()
        let deadline = pipe.now.advanced(by: .seconds(10))
        #expect(pipe.listener.nextDeadline == deadline)
        pipe.listener.handleTimeout(now: deadline.advanced(by: .nanoseconds(-1)))
        #expect(pipe.listener.counters.inboundFailed == 0)
        pipe.listener.handleTimeout(now: deadline)
        #expect(pipe.listener.counters.inboundFailed == 1)
        #expect(pipe.listener.facts == [])
        #expect(pipe.listener.connection.streamCount == 0)
        checkCounters(pipe.listener.counters)
    }

    @Test func aListenerThatSaysNothingIsGivenUp() throws {
        let pipe = established()
        let first = try pipe.dialer.open(["/echo"], now: pipe.now)
        let start = pipe.now
        pipe.now = pipe.now.advanced(by: .seconds(3))
        let second = try pipe.dialer.open(["/echo"], now: pipe.now)
        _ = pipe.dialer.transmit(now: pipe.now)
        pipe.dialer.handleTimeout(now: start.advanced(by: .seconds(10)))
        #expect(pipe.dialer.facts == [.streamFailed(first, .timeout)])
        pipe.dialer.handleTimeout(now: start.advanced(by: .seconds(13)))
        #expect(
            pipe.dialer.facts == [.streamFailed(first, .timeout), .streamFailed(second, .timeout)])
        checkCounters(pipe.dialer.counters)
    }

    struct Garbage: Sendable, CustomTestStringConvertible {
        let testDescription: String
        let bytes: [UInt8]
    }

    static let garbage = [
        Garbage(testDescription: "another version", bytes: token("/multistream/2.0.0")),
        Garbage(testDescription: "no token", bytes: [0, 0, 0]),
        Garbage(testDescription: "a huge token", bytes: header + [0xFF, 0x7F]),
        Garbage(
            testDescription: "endless proposals",
            bytes: header + (0..<40).flatMap { token("/p\($0)") }),
    ]

    /// All that follows on the stream is swallowed, in the same segment and later.
    @Test(arguments: garbage) func aStreamThatSaysNonsenseIsReset(_ row: Garbage) throws {
        let pipe = established()
        let stream = try openRaw(
            pipe.dialer, row.bytes + [UInt8](repeating: 0x41, count: 100_000))
        pipe.settle()
        #expect(pipe.listener.facts == [])
        #expect(pipe.listener.received[stream] == nil)
        #expect(pipe.listener.failure == nil)
        #expect(pipe.listener.connection.streamCount == 0)
        #expect(pipe.listener.counters.inboundFailed == 1)
        checkCounters(pipe.listener.counters)
        let other = try pipe.dialer.open(["/echo"], now: pipe.now)
        pipe.settle()
        #expect(pipe.listener.facts == [.streamOpened(other, protocol: "/echo")])
    }

    @Test func aStreamClosedTooEarlyIsReset() throws {
        let pipe = established()
        let stream = try openRaw(pipe.dialer, header)
        pipe.dialer.connection.secured?.yamux.closeWrite(stream)
        pipe.settle()
        #expect(pipe.listener.facts == [])
        #expect(pipe.listener.connection.streamCount == 0)
        checkCounters(pipe.listener.counters)
    }

    @Test func anAnswerThatNeverComesBecauseTheStreamEnds() throws {
        let pipe = established()
        let stream = try pipe.dialer.open(["/echo"], now: pipe.now)
        _ = pipe.dialer.transmit(now: pipe.now)
        // The answer is a FIN or a reset without a token.
        var finished = pipe.dialer.connection.counters
        #expect(finished.outboundFailed == 0)
        var events: [Connection.Event] = []
        pipe.dialer.connection.report(
            [.readClosed(stream), .closed(stream, .finished)], from: Span(), at: 0, now: pipe.now,
            into: &events)
        #expect(events == [.streamFailed(stream, .endOfStream)])
        finished = pipe.dialer.connection.counters
        #expect(finished.outboundFailed == 1)
    }

    @Test func aPeerThatResetsWithoutAnAnswer() throws {
        var limits = Connection.Limits()
        limits.negotiatingInboundMax = 0
        let pipe = established(limits: limits)
        let stream = try pipe.dialer.open(["/echo"], now: pipe.now)
        try pipe.dialer.write(stream, [1, 2, 3])
        pipe.settle()
        let code = StreamResetCode.resourceLimitExceeded.rawValue
        #expect(pipe.dialer.facts == [.streamFailed(stream, .reset(code: code))])
        #expect(pipe.listener.facts == [])
        #expect(pipe.listener.counters.inboundRefused == 1)
        checkCounters(pipe.dialer.counters)
        checkCounters(pipe.listener.counters)
    }

    @Test func tooManyStreamsThatSayNothingAreRefused() throws {
        let pipe = established()
        for _ in 0..<70 { _ = try openRaw(pipe.dialer, header) }
        pipe.settle()
        #expect(pipe.listener.counters.streamsProposedByPeer == 70)
        #expect(pipe.listener.counters.inboundRefused == 6)
        #expect(pipe.listener.connection.streamCount == 64)
        checkCounters(pipe.listener.counters, negotiatingInbound: 64)
        pipe.listener.handleTimeout(now: pipe.now.advanced(by: .seconds(10)))
        checkCounters(pipe.listener.counters)
        #expect(pipe.listener.facts == [])
    }

    @Test func aBrokenFrameEndsTheConnection() throws {
        let pipe = established()
        let stream = try pipe.dialer.open(["/echo"], now: pipe.now)
        try pipe.dialer.write(stream, [1, 2, 3])
        var output = pipe.dialer.transmit(now: pipe.now)
        output[output.count - 1] ^= 1
        pipe.listener.receive(output, now: pipe.now)
        #expect(pipe.listener.failure == .noise(.frameTagMismatch))
        #expect(pipe.listener.received.isEmpty)
        let short = established()
        short.listener.receive([0, 15], now: short.now)
        #expect(short.listener.failure == .noise(.frameTooShort(size: 15)))
    }

    /// The dialer goes on without waiting for the answer about its only multiplexer, and learns.
    @Test func aRefusedMuxerEndsTheConnection() throws {
        let pipe = Pipe(dialerIsEarly: false)
        pipe.listener.receive(pipe.dialer.transmit(now: pipe.now), now: pipe.now)
        pipe.dialer.receive(pipe.listener.transmit(now: pipe.now), now: pipe.now)
        let stream = try pipe.dialer.open(["/echo"], now: pipe.now)
        try pipe.dialer.write(stream, [1])
        let flight = pipe.dialer.transmit(now: pipe.now)
        let message3 = 2 + (Int(flight[0]) << 8 | Int(flight[1]))
        pipe.listener.receive(flight.prefix(message3), now: pipe.now)
        #expect(pipe.listener.established == nil)
        pipe.listener.connection.secured?.muxer = .listening(
            ListenerNegotiation(supported: ProtocolTable(["/mplex/6.7.0"])))
        pipe.listener.receive(flight.dropFirst(message3), now: pipe.now)
        // What follows the refused proposal is not a token.
        guard case .muxerNegotiation = pipe.listener.failure else {
            Issue.record("\(String(describing: pipe.listener.failure))")
            return
        }
        #expect(pipe.listener.established == nil)

        let patient = Pipe(dialerIsEarly: false)
        patient.listener.receive(patient.dialer.transmit(now: patient.now), now: patient.now)
        patient.dialer.receive(patient.listener.transmit(now: patient.now), now: patient.now)
        let third = patient.dialer.transmit(now: patient.now)
        let end = 2 + (Int(third[0]) << 8 | Int(third[1]))
        patient.listener.receive(third.prefix(end), now: patient.now)
        patient.listener.connection.secured?.muxer = .listening(
            ListenerNegotiation(supported: ProtocolTable(["/mplex/6.7.0"])))
        patient.listener.receive(third.dropFirst(end), now: patient.now)
        patient.settle()
        #expect(patient.dialer.failure == .muxerNegotiation(.refused))
        #expect(patient.dialer.failure?.label == "muxer_negotiation_refused")
    }

    @Test func anEmptyFrameIsSkipped() throws {
        let pipe = established()
        var frame: [UInt8] = [0, 0]
        try pipe.dialer.connection.secured?.transport.seal(&frame, from: 0)
        pipe.listener.receive(frame, now: pipe.now)
        let stream = try pipe.dialer.open(["/echo"], now: pipe.now)
        pipe.settle()
        #expect(pipe.listener.facts == [.streamOpened(stream, protocol: "/echo")])
    }

    @Test func aPeerThatBreaksYamuxIsTold() throws {
        let pipe = established()
        var frame: [UInt8] = [0, 0] + [9] + [UInt8](repeating: 0, count: 11)
        try pipe.dialer.connection.secured?.transport.seal(&frame, from: 0)
        pipe.listener.receive(frame, now: pipe.now)
        #expect(pipe.listener.failure == .yamux(.unsupportedVersion(9)))
        #expect(pipe.listener.failure?.label == "yamux_unsupported_version")
        #expect(pipe.listener.hasOutput)
        let last = pipe.listener.transmit(now: pipe.now)
        #expect(!pipe.listener.hasOutput)
        #expect(pipe.listener.transmit(now: pipe.now) == [])
        pipe.dialer.receive(last, now: pipe.now)
        #expect(pipe.dialer.facts == [.goAway(.protocolError)])
    }

    @Test func theLastNonceEndsTheConnection() throws {
        let pipe = established()
        pipe.dialer.connection.secured?.transport = NoiseTransport(
            sendKey: secret(1), receiveKey: secret(2), sendNonce: .max, receiveNonce: 0)
        _ = try pipe.dialer.open(["/echo"], now: pipe.now)
        #expect(pipe.dialer.transmit(now: pipe.now) == [])
        #expect(pipe.dialer.failure == .noise(.nonceExhausted))
        #expect(!pipe.dialer.hasOutput)
    }

    @Test func silenceEndsTheConnection() throws {
        let pipe = established()
        var now = pipe.now
        for _ in 0..<10 {
            guard let deadline = pipe.dialer.nextDeadline else { break }
            now = max(now, deadline)
            pipe.dialer.handleTimeout(now: now)
            _ = pipe.dialer.transmit(now: now)
        }
        guard case .yamux(.keepaliveTimeout) = pipe.dialer.failure else {
            Issue.record("\(String(describing: pipe.dialer.failure))")
            return
        }
    }

    /// Decrypted garbage: anything a verified peer may put into a frame.
    @Test(arguments: UInt64(0)..<300) func anyPlaintextIsSurvived(seed: UInt64) throws {
        let pipe = established()
        var random = DeterministicRandom(seed: seed)
        for _ in 0..<30 {
            var plaintext: [UInt8] = []
            for _ in 0..<(1 + random.below(4)) {
                let payload =
                    random.chance(1, in: 2) ? header + token("/echo") : random.bytes(count: 20)
                let kind = UInt8(random.below(random.chance(1, in: 20) ? 5 : 4))
                let flags = UInt8(random.below(16))
                let id = UInt8(random.below(8))
                plaintext += [0, kind, 0, flags, 0, 0, 0, id]
                plaintext += kind == 0 ? [0, 0, 0, UInt8(payload.count)] + payload : [0, 0, 0, 1]
            }
            if random.chance(1, in: 10) { plaintext.removeLast(random.below(plaintext.count)) }
            var frame: [UInt8] = [0, 0] + plaintext
            try pipe.dialer.connection.secured?.transport.seal(&frame, from: 0)
            pipe.listener.receive(frame, now: pipe.now)
            _ = pipe.listener.transmit(now: pipe.now)
        }
        if let failure = pipe.listener.failure { #expect(failure.label.hasPrefix("yamux_")) }
        let counters = pipe.listener.counters
        pipe.listener.handleTimeout(now: pipe.now.advanced(by: .seconds(11)))
        #expect(counters.streamsProposedByPeer == pipe.listener.counters.streamsProposedByPeer)
        checkCounters(pipe.listener.counters)
    }
}
