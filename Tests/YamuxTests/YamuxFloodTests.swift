import ChoraleBase
import Testing

@testable import Yamux

/// What a peer cannot do: make us work or remember without end.
@Suite struct YamuxFloodTests {
    struct Flood: Sendable, CustomStringConvertible {
        let description: String
        /// The frames of one round; `round` starts at 0.
        let frames: @Sendable (_ round: UInt32) -> [UInt8]
        let error: @Sendable (SessionError) -> Bool
        /// Rounds that any honest peer may reach at once.
        let tolerated: Int

        init(
            _ description: String, tolerated: Int,
            _ frames: @escaping @Sendable (_ round: UInt32) -> [UInt8],
            _ error: @escaping @Sendable (SessionError) -> Bool
        ) {
            self.description = description
            self.frames = frames
            self.error = error
            self.tolerated = tolerated
        }
    }

    static let floods = [
        Flood("pings", tolerated: 200, { Wire.ping(Wire.syn, $0) }, { $0 == .pingFlood }),
        Flood(
            "answers to no ping", tolerated: 1000, { Wire.ping(Wire.ack, $0 + 100) },
            { $0 == .emptyFrameFlood }),
        Flood(
            "rapid reset in two frames", tolerated: 200,
            { Wire.window(1 + 2 * $0, Wire.syn) + Wire.window(1 + 2 * $0, Wire.rst) },
            { $0 == .rapidReset }),
        Flood(
            "rapid reset in one frame", tolerated: 200,
            { Wire.window(1 + 2 * $0, Wire.syn | Wire.rst) }, { $0 == .rapidReset }),
        Flood(
            "empty data", tolerated: 1000,
            { $0 == 0 ? Wire.window(1, Wire.syn) : Wire.data(1) }, { $0 == .emptyFrameFlood }),
        Flood(
            "window updates of zero", tolerated: 1000,
            { $0 == 0 ? Wire.window(1, Wire.syn) : Wire.window(1) }, { $0 == .emptyFrameFlood }),
        Flood(
            "window updates of one byte", tolerated: 1000,
            { $0 == 0 ? Wire.window(1, Wire.syn) : Wire.window(1, 0, 1) },
            { $0 == .emptyFrameFlood }),
        Flood(
            "ends of a stream that has ended", tolerated: 1000,
            { Wire.data(1, $0 == 0 ? Wire.syn | Wire.fin : Wire.fin) },
            { $0 == .emptyFrameFlood }),
        Flood(
            "payload after the end", tolerated: 60,
            {
                $0 == 0
                    ? Wire.data(1, Wire.syn | Wire.fin)
                    : Wire.data(1, 0, [UInt8](repeating: 0, count: 16 * 1024))
            }, { $0 == .lateDataFlood }),
        Flood(
            "payload for a stream never opened", tolerated: 10,
            { _ in Wire.data(9, 0, [UInt8](repeating: 0, count: 64 * 1024)) },
            { $0 == .lateDataFlood }),
        Flood(
            "goodbyes", tolerated: 1000, { _ in Wire.goAway(0) }, { $0 == .emptyFrameFlood }),
        Flood(
            "frames for streams never opened", tolerated: 200,
            { Wire.window(1000 + $0, 0, 1) },
            { if case .resetsUnread = $0 { true } else { false } }),
        Flood(
            "streams over the limit", tolerated: 300, { Wire.window(1 + 2 * $0, Wire.syn) },
            { if case .resetsUnread = $0 { true } else { false } }),
    ]

    /// Nothing is read by the peer: what waits for it stays small, and the flood ends.
    @Test(arguments: floods) func endsWithoutGrowing(_ flood: Flood) {
        let end = End(.listener)
        var failure: SessionError?
        var round: UInt32 = 0
        while failure == nil && round < 100_000 {
            for event in end.receive(flood.frames(round)) {
                if case .failed(let error) = event { failure = error }
            }
            #expect(end.session.resets.count <= end.session.limits.resetsMax)
            #expect(end.session.pongs.count <= end.session.limits.pongsMax)
            #expect(end.session.streamCount <= end.session.limits.inboundStreamsMax)
            round += 1
        }
        #expect(round > flood.tolerated)
        #expect(failure.map(flood.error) == true, "\(String(describing: failure))")
        expectCountersAddUp(end.session.counters, open: end.session.streamCount)
    }

    /// The same frames at a pace that honest peers may have, read by the peer: nothing happens.
    @Test(arguments: [0, 1, 2, 3, 4, 5, 6, 7, 10, 11]) func slowlyItIsHarmless(index: Int) {
        let flood = Self.floods[index]
        let end = End(.listener)
        for round: UInt32 in 0..<2000 {
            end.advance(.milliseconds(25))
            for event in end.receive(flood.frames(round)) {
                if case .failed(let error) = event { Issue.record("\(error) in round \(round)") }
            }
            _ = end.transmit()
        }
        #expect(!end.hasOutput)
    }

    @Test func aPeerThatReadsItsPongsGetsAllOfThem() {
        let end = End(.listener)
        for value: UInt32 in 0..<1000 {
            end.advance(.milliseconds(10))
            end.receive(Wire.ping(Wire.syn, value))
            #expect(end.sent() == [.ping(flags: .ack, value: value)])
        }
        #expect(end.session.counters.pongsDropped == 0)
    }

    @Test func aPeerThatDoesNotReadItsPongsGetsTheFirst() {
        let end = End(.listener)
        for value: UInt32 in 0..<100 { end.receive(Wire.ping(Wire.syn, value)) }
        #expect(end.sent().count == end.session.limits.pongsMax)
        #expect(end.session.counters.pongsDropped == 84)
    }

    /// Updates for each piece that is read, as py-libp2p sends them, are explained by our data.
    @Test func windowUpdatesForOurDataAreNotAFlood() throws {
        let end = End(.dialer)
        let stream = try end.open()
        for _ in 0..<5000 {
            try end.write(stream, [UInt8](repeating: 1, count: 2000))
            _ = end.transmit()
            for _ in 0..<4 { end.receive(Wire.window(stream.rawValue, 0, 500)) }
        }
        #expect(end.session.counters.emptyFrames == 0)
    }

    /// Requests and answers at a high rate, each followed by an update that comes too late.
    @Test func lateUpdatesForFinishedStreamsAreNotAFlood() throws {
        let end = End(.dialer)
        for _ in 0..<20_000 {
            let stream = try end.open()
            try end.write(stream, [1, 2, 3])
            end.session.closeWrite(stream)
            _ = end.transmit()
            end.receive(Wire.data(stream.rawValue, Wire.ack | Wire.fin, [4]))
            end.receive(Wire.window(stream.rawValue, 0, 3))
        }
        #expect(end.session.counters.streamsFinished == 20_000)
        #expect(end.session.counters.emptyFrames == 0)
    }

    /// A peer that opens streams and a host that resets each: the resets are not read.
    @Test func resetsOfOursThatNobodyReadsAreBounded() {
        let end = End(.listener)
        var failure: SessionError?
        for round: UInt32 in 0..<10_000 where failure == nil {
            for event in end.receive(Wire.window(1 + 2 * round, Wire.syn)) {
                switch event {
                case .opened(let stream): end.session.reset(stream, code: .rateLimited)
                case .failed(let error): failure = error
                default: break
                }
            }
        }
        #expect(failure == .resetsUnread(count: 256, limit: 256))
    }

    @Test func anIdleSessionIsSmall() {
        #expect(MemoryLayout<YamuxSession>.size < 1500)
        #expect(MemoryLayout<Stream>.stride + MemoryLayout<SendQueue>.stride <= 144)
        #expect(MemoryLayout<Event>.stride <= 32)
    }
}
