import ChoraleBase
import Connection
import Crypto
import Testing
import Yamux

@Suite struct ConnectionBulkTests {
    /// Many streams in both directions, written, closed and reset at random, against a model that
    /// remembers what was written.
    @Test(arguments: UInt64(0)..<60) func streamsCarryWhatWasWritten(seed: UInt64) throws {
        let pipe = Pipe(
            seed: seed, dialerIsEarly: seed.isMultiple(of: 2),
            listenerIsEarly: seed.isMultiple(of: 3))
        pipe.stirUntilStill()
        var random = DeterministicRandom(seed: seed &+ 1000)
        var written: [[StreamID: [UInt8]]] = [[:], [:]]
        var open: [[StreamID]] = [[], []]
        let ends = [pipe.dialer, pipe.listener]
        for _ in 0..<300 {
            let side = random.below(2)
            switch random.below(8) {
            case 0:
                let protocols = random.element(of: [
                    ["/echo"], ["/sink"], ["/unknown", "/echo"], ["/unknown"],
                ])!
                guard
                    let stream = try? ends[side].open(
                        protocols, random.element(of: TrafficClass.allCases)!, now: pipe.now)
                else { continue }
                open[side].append(stream)
                written[side][stream] = []
            case 1...3:
                guard let stream = random.element(of: open[side]) else { continue }
                let bytes = random.bytes(
                    count: random.below(random.chance(1, in: 5) ? 60_000 : 500))
                if (try? ends[side].write(stream, bytes)) != nil {
                    written[side][stream, default: []] += bytes
                }
            case 4:
                guard random.chance(1, in: 3), let stream = random.element(of: open[side]) else {
                    continue
                }
                ends[side].connection.closeWrite(stream)
                open[side].removeAll { $0 == stream }
            default:
                for _ in 0..<(1 + random.below(10)) { _ = pipe.stir() }
            }
        }
        pipe.stirUntilStill()
        for (side, end) in ends.enumerated() {
            #expect(end.failure == nil)
            checkCounters(end.counters)
            let other = ends[1 - side]
            for (stream, bytes) in written[side] {
                let failed = end.facts.contains { fact in
                    if case .streamFailed(stream, _) = fact { true } else { false }
                }
                if failed {
                    #expect(other.received[stream] == nil)
                } else {
                    #expect(other.received[stream] ?? [] == bytes)
                }
            }
        }
    }

    #if DEBUG
        static let sizes = [8 << 20]
    #else
        static let sizes = [100 << 20]
    #endif

    /// One stream, whole segments, with the reader's window doing its work.
    @Test(arguments: sizes) func bulkArrivesIntact(size: Int) throws {
        let pipe = Pipe()
        pipe.settle()
        let stream = try pipe.dialer.open(["/sink"], .proof, now: pipe.now)
        var random = DeterministicRandom(seed: 1)
        let piece = random.bytes(count: 1 << 20)
        var sent = SHA256.Hasher()
        var sentCount = 0
        var buffer: [UInt8] = []
        var received = SHA256.Hasher()
        var receivedCount = 0
        while receivedCount < size {
            while sentCount < size, pipe.dialer.connection.writableBytes(stream) >= piece.count {
                try pipe.dialer.write(stream, piece)
                sent.update(piece)
                sentCount += piece.count
            }
            pipe.now = pipe.now.advanced(by: .microseconds(50))
            buffer += pipe.dialer.transmit(now: pipe.now)
            var events: [Connection.Event] = []
            var span = buffer.mutableSpan
            let consumed = pipe.listener.connection.receive(&span, now: pipe.now, into: &events)
            for event in events {
                switch event {
                case .data(stream, let range):
                    received.update(buffer.span.extracting(range))
                    receivedCount += range.count
                    pipe.listener.connection.consumed(stream, count: range.count, now: pipe.now)
                case .failed(let reason):
                    Issue.record("\(reason)")
                    return
                default: break
                }
            }
            buffer.removeFirst(consumed)
            pipe.dialer.receive(pipe.listener.transmit(now: pipe.now), now: pipe.now)
        }
        #expect(receivedCount == size)
        #expect(received.finish() == sent.finish())
        #expect(pipe.dialer.failure == nil)
    }
}
