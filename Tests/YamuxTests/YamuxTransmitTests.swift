import ChoraleBase
import Testing

@testable import Yamux

/// What goes out, in which order and in what frames.
@Suite struct YamuxTransmitTests {
    private func zeros(_ count: Int) -> [UInt8] { [UInt8](repeating: 0, count: count) }

    /// An end whose first ping is gone, so that tests see only what they cause.
    private func quietEnd(limits: YamuxLimits = YamuxLimits()) -> End {
        let end = End(.dialer, limits: limits)
        end.session.keepalive.streamOpened()
        _ = end.transmit()
        return end
    }

    @Test func aStreamNobodyWritesToIsOpenedByItself() throws {
        let end = quietEnd()
        let stream = try end.open()
        #expect(end.sent() == [.windowUpdate(stream: stream, flags: .syn, delta: 0)])
    }

    @Test func openWriteAndCloseShareOneFrame() throws {
        let end = quietEnd()
        let stream = try end.open()
        try end.write(stream, [1, 2, 3])
        end.session.closeWrite(stream)
        #expect(end.sent() == [.data(stream: stream, flags: [.syn, .fin], length: 3)])
        #expect(end.session.streamCount == 1)
    }

    @Test func openAndCloseShareOneFrame() throws {
        let end = quietEnd()
        let stream = try end.open()
        end.session.closeWrite(stream)
        end.session.closeWrite(stream)
        #expect(end.sent() == [.data(stream: stream, flags: [.syn, .fin], length: 0)])
        #expect(end.sent() == [])
    }

    @Test func smallWritesShareAFrameAndLargeOnesAreCutAt16KiB() throws {
        let end = quietEnd()
        let stream = try end.open()
        var expected: [UInt8] = []
        for index in 0..<100 {
            let piece = [UInt8](repeating: UInt8(index), count: index * 3)
            expected += piece
            try end.write(stream, piece)
        }
        for index in 0..<5 {
            let piece = [UInt8](repeating: UInt8(index), count: 10_000)
            expected += piece
            try end.session.write(stream, (zeros(7) + piece)[7...])
        }
        try end.write(stream, [])
        #expect(end.session.queuedBytes(stream) == expected.count)
        let frames = Wire.frames(end.transmit())
        #expect(frames.flatMap(\.payload) == expected)
        #expect(frames.map(\.payload.count) == [16_372, 16_372, 16_372, 64_850 - 3 * 16_372])
        #expect(
            frames.map(\.header).first == .data(stream: stream, flags: .syn, length: 16_372))
        #expect(end.session.queuedBytes(stream) == 0)
    }

    @Test func aFullFrameAndItsHeaderAreSixteenKibibytes() throws {
        let end = quietEnd()
        let stream = try end.open()
        try end.write(stream, zeros(100_000))
        let output = end.transmit(sizeMax: 16 * 1024)
        #expect(output.count == 16 * 1024)
    }

    @Test func framesAreSplitToFitButNotIntoSlivers() throws {
        let end = quietEnd()
        let stream = try end.open()
        try end.write(stream, zeros(20_000))
        #expect(end.sent(sizeMax: 12) == [])
        #expect(
            end.sent(sizeMax: 13) == [.data(stream: stream, flags: .syn, length: 1)])
        #expect(
            end.sent(sizeMax: 16_384 + 1000) == [.data(stream: stream, flags: [], length: 16_372)])
        #expect(end.sent() == [.data(stream: stream, flags: [], length: 3627)])
    }

    @Test func aVoteOvertakesAProof() throws {
        let end = quietEnd()
        let proof = try end.open(.proof)
        try end.write(proof, zeros(4 << 20))
        end.receive(Wire.window(proof.rawValue, Wire.ack, 8 << 20))
        _ = end.transmit(sizeMax: 16 * 1024)
        let vote = try end.open(.vote)
        try end.write(vote, zeros(1024))
        #expect(
            end.sent(sizeMax: 16 * 1024) == [
                .data(stream: vote, flags: .syn, length: 1024),
                .data(stream: proof, flags: [], length: 15_336),
            ])
    }

    @Test func aStreamMayBecomeUrgentWhileItWaits() throws {
        let end = quietEnd()
        let first = try end.open(.block)
        let second = try end.open(.block)
        try end.write(first, zeros(100_000))
        try end.write(second, zeros(1000))
        end.session.setClass(.vote, of: second)
        #expect(end.sent(sizeMax: 1012) == [.data(stream: second, flags: .syn, length: 1000)])
    }

    @Test func noClassStarves() throws {
        let end = quietEnd()
        var streams: [StreamID] = []
        for trafficClass in TrafficClass.allCases {
            let stream = try end.open(trafficClass)
            end.receive(Wire.window(stream.rawValue, Wire.ack, 1 << 30))
            streams.append(stream)
        }
        var sent = [Int](repeating: 0, count: streams.count)
        for _ in 0..<2000 {
            for stream in streams where end.session.writableBytes(stream) > 200_000 {
                try end.write(stream, zeros(100_000))
            }
            for frame in Wire.headers(end.transmit(sizeMax: 16 * 1024)) {
                guard case .data(let stream, _, let length) = frame else { continue }
                sent[streams.firstIndex(of: stream)!] += Int(length)
            }
        }
        let total = sent.reduce(0, +)
        for (index, weight) in [16, 8, 4, 2, 1].enumerated() {
            let share: Int = sent[index] * 31 * 100 / (total * weight)
            #expect(share >= 85 && share <= 115, "class \(index) has \(share)% of its share")
        }
    }

    @Test func streamsOfOneClassTakeTurns() throws {
        let end = quietEnd()
        let streams = [try end.open(.block), try end.open(.block), try end.open(.block)]
        for stream in streams { try end.write(stream, zeros(40_000)) }
        let order = Wire.headers(end.transmit(sizeMax: 9 * 16 * 1024)).compactMap {
            if case .data(let stream, _, _) = $0 { stream } else { nil }
        }
        #expect(order == streams + streams + streams)
    }

    @Test func aStreamStopsWhereItsCreditEnds() throws {
        let end = quietEnd()
        let stream = try end.open()
        try end.write(stream, zeros(300_000))
        let bytes = Wire.frames(end.transmit()).reduce(0) { $0 + $1.payload.count }
        #expect(bytes == 256 * 1024)
        #expect(!end.hasOutput)
        #expect(end.session.counters.windowStalls == 1)
        end.receive(Wire.window(stream.rawValue, Wire.ack, 100))
        #expect(end.sent() == [.data(stream: stream, flags: [], length: 100)])
        // The end of the stream waits for the rest.
        end.session.closeWrite(stream)
        #expect(!end.hasOutput)
        end.receive(Wire.window(stream.rawValue, 0, 1 << 20))
        let rest: UInt32 = 5012  // 300 000 − 256 KiB − 100 − two full frames
        #expect(end.sent().last == .data(stream: stream, flags: .fin, length: rest))
    }

    @Test func queuesAreBoundedAndTellWhenThereIsRoom() throws {
        var limits = YamuxLimits()
        limits.sendQueueSizeMax = 100_000
        limits.sendQueueLowWater = 50_000
        limits.sessionQueueSizeMax = 150_000
        let end = quietEnd(limits: limits)
        let first = try end.open()
        let second = try end.open()
        #expect(end.session.writableBytes(first) == 100_000)
        try end.write(first, zeros(90_000))
        #expect(throws: YamuxSession.WriteError.queueFull(queued: 90_000, limit: 100_000)) {
            try end.write(first, zeros(10_001))
        }
        try end.write(second, zeros(40_000))
        #expect(end.session.writableBytes(second) == 20_000)
        #expect(throws: YamuxSession.WriteError.sessionQueueFull(queued: 130_000, limit: 150_000)) {
            try end.write(second, zeros(30_000))
        }
        #expect(end.session.queuedBytes(second) == 40_000)
        while end.session.queuedBytes(first) + end.session.queuedBytes(second) > 112_500 {
            #expect(end.events == [])
            _ = end.transmit(sizeMax: 16 * 1024)
        }
        #expect(end.takeEvents() == [.writable(second)])
        while end.session.queuedBytes(first) >= 50_000 {
            #expect(end.events == [])
            _ = end.transmit(sizeMax: 16 * 1024)
        }
        #expect(end.takeEvents() == [.writable(first)])
        _ = end.transmit()
        #expect(end.events == [])
    }

    /// Room that a reset makes is room as well.
    @Test func aResetOfAnotherStreamMakesRoom() throws {
        var limits = YamuxLimits()
        limits.sendQueueSizeMax = 1 << 20
        limits.sessionQueueSizeMax = 1 << 20
        let end = quietEnd(limits: limits)
        let first = try end.open()
        let second = try end.open()
        try end.write(first, zeros(1 << 20))
        #expect(throws: YamuxSession.WriteError.self) { try end.write(second, [1]) }
        _ = end.transmit(sizeMax: 100_000)
        #expect(end.takeEvents() == [.writable(first)])
        #expect(
            end.receive(Wire.window(first.rawValue, Wire.rst, 9)) == [
                .reset(first, code: 9), .closed(first, .resetByPeer(code: 9)), .writable(second),
            ])
        try end.write(second, [1])
    }

    @Test func streamsOfOursAreLimited() throws {
        var limits = YamuxLimits()
        limits.unacknowledgedStreamsMax = 2
        limits.outboundStreamsMax = 3
        let end = quietEnd(limits: limits)
        let streams = [try end.open(), try end.open()]
        #expect(streams == [id(1), id(3)])
        _ = end.transmit()
        #expect(throws: YamuxSession.OpenError.tooManyUnacknowledged(count: 2, limit: 2)) {
            try end.open()
        }
        // Any frame is an acknowledgement.
        end.receive(Wire.data(1, 0, [1]))
        #expect(try end.open() == id(5))
        end.receive(Wire.window(3, Wire.ack) + Wire.window(3, Wire.ack))
        #expect(throws: YamuxSession.OpenError.tooManyStreams(open: 3, limit: 3)) {
            try end.open()
        }
        end.session.reset(id(5), code: .noError)
        #expect(try end.open() == id(7))
        end.session.nextID = .max
        end.session.reset(id(7), code: .noError)
        #expect(throws: YamuxSession.OpenError.identifiersExhausted) { try end.open() }
    }

    @Test func goAwayEndsOpeningNotStreams() throws {
        let end = quietEnd()
        let stream = try end.open()
        try end.write(stream, zeros(10))
        end.session.goAway(.normal)
        end.session.goAway(.internalError)
        #expect(throws: YamuxSession.OpenError.goingAway) { try end.open() }
        #expect(
            end.sent() == [.data(stream: stream, flags: .syn, length: 10), .goAway(.normal)])
        #expect(!end.hasOutput)
        #expect(end.receive(Wire.data(2, Wire.syn, [1])) == [])
        #expect(end.sent() == [.windowUpdate(stream: id(2), flags: .rst, delta: 0x1002)])
        #expect(
            end.receive(Wire.data(1, Wire.ack | Wire.fin, [5]))
                == [.data(stream, 12..<13), .readClosed(stream)])
        end.session.closeWrite(stream)
        #expect(end.sent() == [.data(stream: stream, flags: .fin, length: 0)])
        #expect(end.takeEvents().last == .closed(stream, .finished))
    }

    @Test func aGoAwayOfThePeerIsReportedOnce() throws {
        let end = quietEnd()
        let stream = try end.open()
        #expect(end.receive(Wire.goAway(0x1005) + Wire.goAway(0)) == [.goAway(.other(0x1005))])
        #expect(end.isGoingAway)
        #expect(throws: YamuxSession.OpenError.goingAway) { try end.open() }
        try end.write(stream, [1])
        #expect(end.sent() == [.data(stream: stream, flags: .syn, length: 1)])
    }

    @Test func aFaultAfterOurGoAwaySendsNoSecond() {
        let end = quietEnd()
        end.session.goAway(.normal)
        #expect(end.sent() == [.goAway(.normal)])
        end.receive(Wire.frame(type: 9))
        #expect(!end.hasOutput)
    }
}
