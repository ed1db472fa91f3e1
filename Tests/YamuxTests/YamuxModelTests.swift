import ChoraleBase
import Testing

@testable import Yamux

/// Two sessions, a pipe that loses nothing, and applications that do everything at random.
@Suite struct YamuxModelTests {
    @Test(arguments: UInt64(0)..<256) func everythingArrivesAndNothingRemains(seed: UInt64) {
        var random = DeterministicRandom(seed: seed)
        var limits = YamuxLimits()
        // Small limits in some runs, so that every refusal and every wake-up is met.
        if random.chance(1, in: 2) {
            limits.sendQueueSizeMax = 1 << random.integer(in: 14...20)
            limits.sendQueueLowWater = limits.sendQueueSizeMax / 2
            limits.sessionQueueSizeMax = limits.sendQueueSizeMax * random.integer(in: 1...3)
        }
        if random.chance(1, in: 3) { limits.payloadSentMax = random.integer(in: 1...2000) }
        if random.chance(1, in: 3) { limits.outboundStreamsMax = random.integer(in: 1...5) }
        limits.roundTripMin = .milliseconds(random.below(40))
        let pair = Pair(limits: limits)
        pair.pipeSizeMax = 1 << random.integer(in: 8...20)
        let resetsHappen = random.chance(1, in: 2)
        let frameMax = limits.payloadSentMax < 200 ? 2000 : 100_000

        for _ in 0..<300 {
            let side = random.chance(1, in: 2) ? pair.dialer : pair.listener
            let streams = side.living
            let stream = random.element(of: streams)
            switch random.below(20) {
            case 0, 1:
                side.open(TrafficClass.allCases[random.below(5)])
            case 2...6:
                guard let stream, !side.records[stream]!.writeClosed else { continue }
                let size = random.chance(1, in: 2) ? random.below(600) : random.below(frameMax)
                side.write(stream, count: size)
            case 7:
                guard let stream, random.chance(1, in: 3) else { continue }
                side.closeWrite(stream)
            case 8:
                guard let stream, resetsHappen, random.chance(1, in: 3) else { continue }
                side.reset(stream)
            case 9, 10:
                guard let stream, side.records[stream]!.unconsumed > 0 else { continue }
                side.consume(
                    stream, random.integer(in: 1...side.records[stream]!.unconsumed))
            case 11:
                guard let stream else { continue }
                side.end.session.setClass(TrafficClass.allCases[random.below(5)], of: stream)
            case 12...15:
                let size = random.chance(1, in: 3) ? random.below(100) : random.below(1 << 17)
                pair.transmit(side, sizeMax: size)
            case 16:
                pair.advance(.milliseconds(random.below(20)))
            default:
                let size = random.chance(1, in: 3) ? random.below(30) : random.below(1 << 17)
                pair.deliver(side, size)
            }
            side.checkInvariants()
        }

        // Everybody finishes: all that was written arrives, and both tables are empty.
        pair.pipeSizeMax = 1 << 20
        pair.settle()
        for side in [pair.dialer, pair.listener] {
            for stream in side.living { side.closeWrite(stream) }
        }
        pair.settle()
        for (side, other) in [(pair.dialer, pair.listener), (pair.listener, pair.dialer)] {
            #expect(side.living.isEmpty)
            #expect(side.end.session.extraWindowInUse == 0)
            #expect(side.end.session.unacknowledgedCount == 0)
            #expect(!side.end.hasOutput)
            expectCountersAddUp(side.end.session.counters, open: 0)
            for stream in side.order {
                let record = side.records[stream]!
                guard let counterpart = other.records[stream] else {
                    #expect(record.wasReset, "only a stream reset at once goes unseen")
                    continue
                }
                if record.wasReset || counterpart.wasReset {
                    #expect(counterpart.received <= record.written)
                } else {
                    #expect(counterpart.received == record.written)
                }
            }
        }
    }

    /// The same seed gives the same bytes and events.
    @Test func theSameInputsGiveTheSameOutputs() throws {
        func run() throws -> ([UInt8], [Event]) {
            let end = End(.dialer)
            var sent: [UInt8] = []
            for index in 0..<40 {
                let stream = try end.open(TrafficClass.allCases[index % 5])
                try end.write(stream, [UInt8](repeating: UInt8(index), count: 30_000))
            }
            for index: UInt32 in 0..<40 {
                end.receive(Wire.data(2 + 2 * index, Wire.syn, [1, 2, 3]))
                sent += end.transmit(sizeMax: 40_000)
                end.receive(Wire.window(1 + 2 * index, Wire.rst))
            }
            return (sent + end.transmit(), end.events)
        }
        let first = try run()
        let second = try run()
        #expect(first.0 == second.0)
        #expect(first.1 == second.1)
    }

    /// Both write all they can and read nothing (rust-libp2p#5410): both stop where the windows
    /// end, and once they read, everything arrives.
    @Test func writingWithoutReadingDeadlocksNobody() {
        let pair = Pair()
        pair.pipeSizeMax = 64 * 1024
        pair.dialer.open()
        pair.listener.open()
        pair.transmit(pair.dialer, sizeMax: 1000)
        pair.transmit(pair.listener, sizeMax: 1000)
        pair.deliver(pair.dialer, .max)
        pair.deliver(pair.listener, .max)
        for _ in 0..<200 {
            for side in [pair.dialer, pair.listener] {
                for stream in side.living { side.write(stream, count: 100_000) }
                pair.transmit(side, sizeMax: .max)
            }
            for side in [pair.dialer, pair.listener] { pair.deliver(side, .max) }
        }
        for side in [pair.dialer, pair.listener] {
            #expect(!side.end.hasOutput)
            for stream in side.living {
                #expect(side.records[stream]!.received == YamuxLimits.windowSizeInitial)
                #expect(side.records[stream]!.written > 4_000_000)
            }
            // Pings still pass.
            side.receive(Wire.ping(Wire.syn, 1))
            #expect(side.end.hasOutput)
        }
        pair.settle()
        for side in [pair.dialer, pair.listener] {
            for stream in side.living { side.closeWrite(stream) }
        }
        pair.settle()
        for (side, other) in [(pair.dialer, pair.listener), (pair.listener, pair.dialer)] {
            for stream in side.order {
                #expect(side.records[stream]!.received == other.records[stream]!.written)
            }
            #expect(side.living.isEmpty)
        }
    }

    /// One who does not read its socket at all cannot stop the other from reading.
    @Test func aBlockedWriterStillReads() {
        let pair = Pair()
        pair.dialer.open()
        let stream = pair.dialer.living[0]
        pair.transmit(pair.dialer, sizeMax: 1000)
        pair.deliver(pair.dialer, .max)
        // The listener's output is never taken from here on.
        pair.listener.write(stream, count: 500_000)
        pair.dialer.write(stream, count: 250_000)
        pair.transmit(pair.dialer, sizeMax: .max)
        pair.deliver(pair.dialer, .max)
        #expect(pair.listener.records[stream]!.received == 250_000)
        pair.listener.consumeAll()
        // The update goes ahead of half a megabyte that waits.
        let first = pair.listener.end.sent(sizeMax: 50)
        #expect(first.contains(.windowUpdate(stream: stream, flags: .ack, delta: 250_000)))
    }
}
