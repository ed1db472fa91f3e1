import ChoraleBase
import Testing

@testable import Yamux

/// What a session makes of the peer's bytes: each rule and each refusal.
@Suite struct YamuxReceiveTests {
    struct Refusal: Sendable, CustomStringConvertible {
        let description: String
        let bytes: [UInt8]
        let error: SessionError

        init(_ description: String, _ bytes: [UInt8], _ error: SessionError) {
            self.description = description
            self.bytes = bytes
            self.error = error
        }
    }

    static let kibibytes256 = [UInt8](repeating: 7, count: 256 * 1024)

    /// Sent by a dialer to a listener.
    static let refusals = [
        Refusal("version 1", [1] + Wire.data(1).dropFirst(), .unsupportedVersion(1)),
        Refusal("type 4", Wire.frame(type: 4), .unknownType(4)),
        Refusal("data on the session", Wire.data(0), .streamIsSession),
        Refusal("a window of the session", Wire.window(0, 0, 1), .streamIsSession),
        Refusal(
            "a frame of more than 1 MiB", Wire.frame(type: 0, stream: 1, length: 0x10_0001),
            .payloadTooLarge(length: 0x10_0001, limit: 0x10_0000)),
        Refusal(
            "a first frame beyond the initial window (GHSA-vxx9-2994-q338)",
            Wire.frame(type: 0, flags: Wire.syn, stream: 1, length: 0x4_0001),
            .windowExceeded(id(1), length: 0x4_0001, window: 0x4_0000)),
        Refusal(
            "a byte after the window is used up",
            Wire.data(1, Wire.syn, kibibytes256) + Wire.data(1, 0, [1]),
            .windowExceeded(id(1), length: 1, window: 0)),
        Refusal(
            "window updates beyond 32 bits",
            Wire.window(1, Wire.syn, .max - 0x4_0000) + Wire.window(1, 0, 1),
            .windowOverflow(id(1), window: 0x1_0000_0000)),
        Refusal(
            "a first window update beyond 32 bits", Wire.window(1, Wire.syn, .max),
            .windowOverflow(id(1), window: 0x1_0003_FFFF)),
        Refusal("a stream of our parity", Wire.window(2, Wire.syn), .wrongParity(id(2))),
        Refusal(
            "data on a new stream of our parity", Wire.data(4, Wire.syn, [1]), .wrongParity(id(4))),
        Refusal(
            "a stream opened twice", Wire.window(1, Wire.syn) + Wire.window(1, Wire.syn),
            .streamReopened(id(1))),
        Refusal(
            "a number used again after a reset",
            Wire.window(1, Wire.syn) + Wire.window(1, Wire.rst) + Wire.window(1, Wire.syn),
            .streamReopened(id(1))),
    ]

    @Test(arguments: refusals) func endsTheSession(_ row: Refusal) {
        let end = End(.listener)
        let events = end.receive(row.bytes)
        #expect(events.last == .failed(row.error))
        // Nothing is open, nothing is wanted, and nothing is reported any more.
        #expect(end.session.streamCount == 0)
        #expect(end.session.nextDeadline == nil)
        #expect(end.receive(Wire.window(9, Wire.syn)) == [])
        #expect(end.timeout() == [])
        #expect(throws: YamuxSession.OpenError.sessionEnded) { try end.open() }
        #expect(end.hasOutput)
        #expect(end.sent() == [.goAway(.protocolError)])
        #expect(!end.hasOutput)
        #expect(end.sent() == [])
    }

    @Test func aDialerRefusesOddStreams() {
        let end = End(.dialer)
        #expect(end.receive(Wire.window(1, Wire.syn)) == [.failed(.wrongParity(id(1)))])
    }

    @Test func aStreamIsAcknowledgedThoughNobodyWrites() {
        let end = End(.listener)
        #expect(end.receive(Wire.window(1, Wire.syn)) == [.opened(id(1))])
        #expect(
            end.sent() == [
                .ping(flags: .syn, value: 0),
                .windowUpdate(stream: id(1), flags: .ack, delta: 0),
            ])
        #expect(end.sent() == [])
    }

    @Test func anAcknowledgementRidesOnDataThatWaits() throws {
        let end = End(.listener)
        end.receive(Wire.data(1, Wire.syn, [1, 2]))
        try end.write(id(1), [3])
        #expect(
            end.sent() == [
                .ping(flags: .syn, value: 0), .data(stream: id(1), flags: .ack, length: 1),
            ])
    }

    @Test func payloadIsReportedWhereItLies() {
        let end = End(.listener)
        let bytes = Wire.data(1, Wire.syn, [1, 2, 3]) + Wire.data(1, Wire.fin, [4])
        #expect(
            end.receive(bytes) == [
                .opened(id(1)), .data(id(1), 12..<15), .data(id(1), 27..<28), .readClosed(id(1)),
            ])
    }

    /// Several streams, every kind of frame, cut in two at every byte, and byte by byte.
    @Test func splitAnywhereTheStoryIsTheSame() {
        let bytes =
            Wire.data(1, Wire.syn, [1, 2, 3]) + Wire.window(3, Wire.syn, 5)
            + Wire.ping(Wire.syn, 77) + Wire.data(1, 0, [4, 5]) + Wire.data(3, 0, [9])
            + Wire.window(1, 0, 1000) + Wire.data(5, Wire.syn | Wire.fin, [6])
            + Wire.window(3, Wire.rst, 0x1004) + Wire.data(3, 0, [1, 1, 1])
            + Wire.data(1, Wire.fin) + Wire.goAway(0)
        let whole = Story(of: [bytes])
        #expect(whole.lines.count == 12)
        for cut in 0...bytes.count {
            #expect(Story(of: [Array(bytes[..<cut]), Array(bytes[cut...])]) == whole)
        }
        #expect(Story(of: bytes.map { [$0] }) == whole)
        for step in [2, 5, 7, 11, 12, 13] {
            let pieces = stride(from: 0, to: bytes.count, by: step).map {
                Array(bytes[$0..<min($0 + step, bytes.count)])
            }
            #expect(Story(of: pieces) == whole)
        }
    }

    /// Truncated anywhere, a session waits and does not fail.
    @Test func truncatedAnywhereNothingFails() {
        let bytes =
            Wire.data(1, Wire.syn, [1, 2, 3]) + Wire.window(3, Wire.syn, 5)
            + Wire.ping(Wire.syn, 77) + Wire.data(3, Wire.fin, [9])
        for count in 0...bytes.count {
            let end = End(.listener)
            for event in end.receive(Array(bytes.prefix(count))) {
                if case .failed(let error) = event { Issue.record("\(error) at \(count)") }
            }
        }
    }

    /// Events with neighbouring payload of one stream joined, payload as bytes.
    struct Story: Equatable {
        var lines: [String] = []

        init(of pieces: [[UInt8]]) {
            let end = End(.listener)
            var joined: (stream: StreamID, payload: [UInt8])?
            for piece in pieces {
                for event in end.receive(piece) {
                    if case .data(let stream, let range) = event {
                        if let earlier = joined, earlier.stream != stream {
                            lines.append("\(earlier.stream): \(earlier.payload)")
                            joined = nil
                        }
                        joined = (stream, (joined?.payload ?? []) + piece[range])
                    } else {
                        if let earlier = joined {
                            lines.append("\(earlier.stream): \(earlier.payload)")
                        }
                        joined = nil
                        lines.append("\(event)")
                    }
                }
            }
            if let joined { lines.append("\(joined.stream): \(joined.payload)") }
        }
    }

    @Test func pingsAreAnsweredInOrderWithTheirValues() {
        let end = End(.listener)
        #expect(end.receive(Wire.ping(Wire.syn, 5) + Wire.ping(Wire.syn, .max)) == [])
        #expect(end.sent() == [.ping(flags: .ack, value: 5), .ping(flags: .ack, value: .max)])
    }

    @Test func aResetCarriesItsCode() throws {
        let end = End(.listener)
        end.receive(Wire.window(1, Wire.syn) + Wire.data(3, Wire.syn, [1]))
        #expect(
            end.receive(Wire.window(1, Wire.rst, 0x1003)) == [
                .reset(id(1), code: 0x1003), .closed(id(1), .resetByPeer(code: 0x1003)),
            ])
        // In a data frame there is no room for one; its payload is thrown away.
        #expect(
            end.receive(Wire.data(3, Wire.rst, [1, 2])) == [
                .reset(id(3), code: 0), .closed(id(3), .resetByPeer(code: 0)),
            ])
        #expect(end.session.counters.payloadDrained == 2)
        #expect(end.session.streamCount == 0)
        #expect(throws: YamuxSession.WriteError.unknownStream(id(1))) {
            try end.write(id(1), [1])
        }
    }

    @Test func whatWeResetIsForgottenAndItsLateDataDrained() throws {
        let end = End(.listener)
        end.receive(Wire.data(1, Wire.syn, [1]))
        _ = end.transmit()
        end.session.reset(id(1), code: .rateLimited)
        end.session.reset(id(1), code: .rateLimited)
        #expect(end.sent() == [.windowUpdate(stream: id(1), flags: .rst, delta: 0x1003)])
        #expect(end.receive(Wire.data(1, 0, Self.kibibytes256.dropLast())) == [])
        #expect(end.receive(Wire.window(1, Wire.fin, 0)) == [])
        #expect(end.session.counters.payloadDrained == 256 * 1024 - 1)
        #expect(!end.hasOutput)
    }

    @Test func aResetInTheMiddleOfAFrameDrainsTheRest() {
        let end = End(.listener)
        let frame = Wire.data(1, Wire.syn | Wire.fin, [1, 2, 3, 4])
        #expect(
            end.receive(Array(frame.prefix(14))) == [.opened(id(1)), .data(id(1), 12..<14)])
        end.session.reset(id(1), code: 0)
        #expect(
            end.receive(Array(frame.dropFirst(14)) + Wire.data(3, Wire.syn, [9])) == [
                .opened(id(3)), .data(id(3), 14..<15),
            ])
        #expect(end.session.counters.payloadDrained == 2)
    }

    /// What was in flight when we reset is allowed to arrive, to the byte.
    @Test func lateDataIsAllowedAsFarAsCreditWent() {
        var limits = YamuxLimits()
        limits.lateBytesMax = 0
        let end = End(.listener, limits: limits)
        let frame = Wire.data(1, Wire.syn, [1, 2, 3, 4])
        end.receive(Array(frame.prefix(14)))
        end.session.reset(id(1), code: 0)
        #expect(end.receive(Array(frame.dropFirst(14))) == [])
        #expect(end.receive(Wire.data(1, 0, Self.kibibytes256.dropLast(4))) == [])
        #expect(end.receive(Wire.data(1, 0, [9])) == [.failed(.lateDataFlood)])
    }

    @Test func aStreamResetBeforeItsSYNWasSentLeavesNoTrace() throws {
        let end = End(.dialer)
        let stream = try end.open()
        end.session.reset(stream, code: .badRequest)
        #expect(end.sent() == [.ping(flags: .syn, value: 0)])
        #expect(try end.open() == id(3))
    }

    @Test func streamsNeverOpenedAreResetAndTheirPayloadDrained() {
        let end = End(.listener)
        #expect(end.receive(Wire.data(7, 0, [1, 2, 3]) + Wire.window(8, 0, 1)) == [])
        #expect(
            end.sent() == [
                .windowUpdate(stream: id(7), flags: .rst, delta: 0x1005),
                .windowUpdate(stream: id(8), flags: .rst, delta: 0x1005),
            ])
        // A reset is not answered with a reset: two such ends would never stop.
        #expect(end.receive(Wire.window(11, Wire.rst)) == [])
        #expect(end.sent() == [])
    }

    @Test func numbersMayArriveOutOfOrderButNotFromFarBack() {
        let end = End(.listener)
        #expect(
            end.receive(Wire.window(5, Wire.syn) + Wire.window(1, Wire.syn))
                == [.opened(id(5)), .opened(id(1))])
        #expect(end.receive(Wire.window(999, Wire.syn)) == [.opened(id(999))])
        _ = end.transmit()
        #expect(end.receive(Wire.window(7, Wire.syn)) == [])
        #expect(end.sent() == [.windowUpdate(stream: id(7), flags: .rst, delta: 0x1005)])
        #expect(end.receive(Wire.window(997, Wire.syn)) == [.opened(id(997))])
        #expect(end.receive(Wire.window(997, Wire.syn)) == [.failed(.streamReopened(id(997)))])
    }

    @Test func streamsOverTheLimitAreRefusedAndTheOthersLiveOn() {
        var limits = YamuxLimits()
        limits.inboundStreamsMax = 2
        let end = End(.listener, limits: limits)
        end.receive(Wire.window(1, Wire.syn) + Wire.window(3, Wire.syn))
        _ = end.transmit()
        #expect(end.receive(Wire.data(5, Wire.syn, [1, 2]) + Wire.data(5, 0, [3])) == [])
        #expect(end.sent() == [.windowUpdate(stream: id(5), flags: .rst, delta: 0x1002)])
        #expect(end.session.counters.streamsRefused == 1)
        end.receive(Wire.window(1, Wire.rst))
        #expect(end.receive(Wire.window(7, Wire.syn)) == [.opened(id(7))])
    }

    @Test func synAndResetInOneFrameIsNoStream() {
        let end = End(.listener)
        #expect(end.receive(Wire.window(1, Wire.syn | Wire.rst)) == [])
        #expect(end.receive(Wire.data(3, Wire.syn | Wire.rst, [1])) == [])
        #expect(end.session.streamCount == 0)
        #expect(end.sent() == [])
    }

    @Test func dataAfterTheEndIsDrained() {
        let end = End(.listener)
        end.receive(Wire.data(1, Wire.syn | Wire.fin, [1]))
        #expect(end.receive(Wire.data(1, Wire.fin, [2, 3])) == [])
        #expect(end.receive(Wire.window(1, Wire.fin)) == [])
        #expect(end.session.counters.payloadDrained == 2)
        #expect(end.session.streamCount == 1)
    }

    @Test func bothDirectionsDoneIsTheEndWhicheverComesFirst() throws {
        for peerFirst in [true, false] {
            let end = End(.listener)
            end.receive(Wire.window(1, Wire.syn))
            _ = end.transmit()
            _ = end.takeEvents()
            if peerFirst {
                #expect(end.receive(Wire.data(1, Wire.fin)) == [.readClosed(id(1))])
            }
            try end.write(id(1), [1, 2])
            end.session.closeWrite(id(1))
            #expect(throws: YamuxSession.WriteError.writeClosed(id(1))) {
                try end.write(id(1), [3])
            }
            #expect(end.sent() == [.data(stream: id(1), flags: .fin, length: 2)])
            if !peerFirst {
                #expect(
                    end.receive(Wire.window(1, Wire.fin, 100))
                        == [.readClosed(id(1)), .closed(id(1), .finished)])
            } else {
                #expect(end.takeEvents().last == .closed(id(1), .finished))
            }
            #expect(end.session.streamCount == 0)
            #expect(end.session.counters.streamsFinished == 1)
            #expect(!end.hasOutput)
        }
    }

    /// Any bytes at all: no trap, no event after the failure, and the counters add up.
    @Test(arguments: UInt64(0)..<128) func hostileBytesNeverTrap(seed: UInt64) {
        var random = DeterministicRandom(seed: seed)
        let end = End(seed.isMultiple(of: 2) ? .dialer : .listener)
        var failed = false
        for _ in 0..<400 {
            end.advance(.milliseconds(random.below(50)))
            let bytes = Self.frame(from: &random)
            for event in end.receive(bytes) {
                #expect(!failed, "nothing is reported after the failure")
                switch event {
                case .failed: failed = true
                case .data(let stream, let range):
                    #expect(range.upperBound <= bytes.count)
                    if random.chance(1, in: 2) { end.consume(stream, range.count) }
                case .opened(let stream):
                    if random.chance(1, in: 3) { try? end.write(stream, [1, 2, 3]) }
                    if random.chance(1, in: 3) { end.session.closeWrite(stream) }
                    if random.chance(1, in: 5) { end.session.reset(stream, code: 1) }
                default: break
                }
            }
            if random.chance(1, in: 3) { _ = end.transmit(sizeMax: random.below(4000)) }
            if random.chance(1, in: 9) { _ = try? end.open() }
            expectCountersAddUp(end.session.counters, open: end.session.streamCount)
        }
    }

    private static func frame(from random: inout DeterministicRandom) -> [UInt8] {
        if random.chance(1, in: 400) { return random.bytes(count: random.below(40)) }
        let stream = UInt32(random.below(14))
        let flags = random.chance(1, in: 3) ? UInt16(random.below(16)) : 0
        switch random.below(8) {
        case 0: return Wire.ping(UInt16(random.below(3)), UInt32(random.below(4)))
        case 1: return random.chance(1, in: 10) ? Wire.goAway(UInt32(random.below(4))) : []
        case 2, 3: return Wire.window(max(1, stream), flags, UInt32(random.below(1 << 20)))
        case 4: return Wire.window(max(1, stream) | 1, Wire.syn, UInt32(random.below(100)))
        default:
            return Wire.data(max(1, stream), flags, random.bytes(count: random.below(300)))
        }
    }
}

func expectCountersAddUp(
    _ counters: YamuxCounters, open: Int, sourceLocation: SourceLocation = #_sourceLocation
) {
    #expect(
        counters.framesReceived
            == counters.dataFramesReceived + counters.windowUpdatesReceived
            + counters.pingsReceived + counters.goAwaysReceived, sourceLocation: sourceLocation)
    #expect(
        counters.payloadReceived == counters.payloadDelivered + counters.payloadDrained,
        sourceLocation: sourceLocation)
    #expect(
        counters.streamsOpenedByPeer + counters.streamsOpenedByUs
            == counters.streamsFinished + counters.streamsResetByPeer + counters.streamsResetByUs
            + counters.streamsAbandoned + UInt64(open), sourceLocation: sourceLocation)
}
