import ChoraleBase
import Testing

@testable import Yamux

/// Keepalive, round trips and windows, in virtual time.
@Suite struct YamuxTimeTests {
    @Test func anIdleSessionPingsEachHalfMinute() {
        let end = End(.dialer)
        #expect(!end.hasOutput)
        #expect(end.session.nextDeadline == MonotonicInstant.zero.advanced(by: .seconds(30)))
        end.advance(.seconds(29))
        #expect(end.timeout() == [])
        #expect(!end.hasOutput)
        for value: UInt32 in 0..<5 {
            end.now = end.session.nextDeadline!
            #expect(end.timeout() == [])
            #expect(end.timeout() == [])
            #expect(end.sent() == [.ping(flags: .syn, value: value)])
            end.advance(.milliseconds(80))
            #expect(end.receive(Wire.ping(Wire.ack, value)) == [.roundTrip(.milliseconds(80))])
        }
        #expect(end.session.roundTrip == .milliseconds(80))
    }

    @Test(arguments: [true, false]) func silenceEndsTheSession(pingsGoOut: Bool) {
        let end = End(.listener)
        for _ in 0..<2 {
            end.now = end.session.nextDeadline!
            #expect(end.timeout() == [])
            if pingsGoOut { _ = end.transmit() }
        }
        end.now = end.session.nextDeadline!
        #expect(end.timeout() == [.failed(.keepaliveTimeout(misses: 2))])
        #expect(end.session.nextDeadline == nil)
        #expect(!end.hasOutput)
    }

    @Test func anyByteIsASignOfLife() {
        let end = End(.listener)
        end.receive(Wire.window(1, Wire.syn))
        for _ in 0..<20 {
            end.now = end.session.nextDeadline!
            #expect(end.timeout() == [])
            _ = end.transmit()
            end.receive(Wire.data(1, 0, [1]))
        }
    }

    @Test func anAnswerToAnotherPingIsNoMeasurement() {
        let end = End(.dialer)
        end.receive(Wire.window(2, Wire.syn))
        _ = end.transmit()
        end.advance(.milliseconds(10))
        #expect(end.receive(Wire.ping(Wire.ack, 9)) == [])
        #expect(end.session.roundTrip == nil)
        #expect(end.receive(Wire.ping(Wire.ack, 0)) == [.roundTrip(.milliseconds(10))])
        #expect(end.receive(Wire.ping(Wire.ack, 0)) == [])
        #expect(end.session.counters.emptyFrames == 2)
    }

    /// A bulk transfer over a path, in steps of a tenth of the round trip.
    struct Path {
        let roundTrip: Duration
        let bytesPerSecond: Int
        let limits: YamuxLimits
        let budget: Int?

        struct Outcome {
            var bytes = 0
            var windowSize = 0
            var pair: Pair
            var stream: StreamID
        }

        func run(for duration: Duration) -> Outcome {
            let pair = Pair(limits: limits)
            if let budget { pair.listener.end.session.windowBudget = budget }
            pair.dialer.open(.proof)
            let stream = pair.dialer.living[0]
            let step = Duration.nanoseconds(roundTrip.wholeNanoseconds / 10)
            let perStep = bytesPerSecond / 1_000_000 * Int(step.wholeNanoseconds / 1000)
            // Five steps each way.
            var forth: [[UInt8]] = []
            var back: [[UInt8]] = []
            var elapsed = Duration.zero
            while elapsed < duration {
                pair.advance(step)
                elapsed += step
                while pair.dialer.write(stream, count: 500_000) {}
                pair.dialer.transmit(sizeMax: perStep)
                forth.append(pair.dialer.pipe)
                pair.dialer.pipe = []
                pair.listener.transmit(sizeMax: 1 << 20)
                back.append(pair.listener.pipe)
                pair.listener.pipe = []
                if forth.count > 5 {
                    pair.listener.receive(forth.removeFirst())
                    pair.dialer.receive(back.removeFirst())
                    pair.listener.consumeAll()
                }
            }
            return Outcome(
                bytes: pair.listener.records[stream]?.received ?? 0,
                windowSize: pair.listener.end.session.table.slots[0].windowSize,
                pair: pair, stream: stream)
        }
    }

    @Test func aLongFatPathIsFilled() {
        // 1 Gbit/s over 100 ms: a product of 12.5 MB.
        let path = Path(
            roundTrip: .milliseconds(100), bytesPerSecond: 125_000_000, limits: YamuxLimits(),
            budget: nil)
        let outcome = path.run(for: .seconds(4))
        #expect(outcome.windowSize == 16 << 20)
        #expect(outcome.pair.listener.end.session.extraWindowInUse == (16 << 20) - (256 << 10))
        // The start is slow: at 256 KiB a window is 2 % of the product. Then the path is full.
        #expect(outcome.bytes > 4 * 125_000_000 * 75 / 100)
        // Whoever closes gives the budget back.
        outcome.pair.dialer.reset(outcome.stream)
        outcome.pair.settle()
        #expect(outcome.pair.listener.end.session.extraWindowInUse == 0)
    }

    @Test func aWindowStopsGrowingNearFourProducts() {
        // 10 MB/s over 50 ms: a product of 500 kB.
        let path = Path(
            roundTrip: .milliseconds(50), bytesPerSecond: 10_000_000, limits: YamuxLimits(),
            budget: nil)
        let outcome = path.run(for: .seconds(5))
        #expect((1 << 20...4 << 20).contains(outcome.windowSize))
        #expect(outcome.bytes > 5 * 10_000_000 * 90 / 100)
    }

    @Test func withoutBudgetAWindowStaysAsItIs() {
        let path = Path(
            roundTrip: .milliseconds(100), bytesPerSecond: 125_000_000, limits: YamuxLimits(),
            budget: 0)
        let outcome = path.run(for: .seconds(1))
        let session = outcome.pair.listener.end
        #expect(outcome.windowSize == 256 << 10)
        #expect(session.session.extraWindowInUse == 0)
        #expect(session.session.counters.windowsHeldBack > 0)
    }

    @Test func aBudgetIsUsedUpToItsEnd() {
        let path = Path(
            roundTrip: .milliseconds(100), bytesPerSecond: 125_000_000, limits: YamuxLimits(),
            budget: 1_000_000)
        let session = path.run(for: .seconds(2)).pair.listener.end
        #expect(session.session.extraWindowInUse <= 1_000_000)
        #expect(session.session.extraWindowInUse > 1_000_000 - 64 * 1024)
        #expect(session.session.windowBudget == 1_000_000 - session.session.extraWindowInUse)
    }

    @Test func aSlowReaderKeepsItsWindow() {
        let end = End(.listener)
        end.receive(Wire.window(1, Wire.syn))
        _ = end.transmit()
        end.advance(.milliseconds(10))
        end.receive(Wire.ping(Wire.ack, 0))
        for _ in 0..<10 {
            end.receive(Wire.data(1, 0, [UInt8](repeating: 0, count: 128 * 1024)))
            end.advance(.milliseconds(100))
            end.consume(id(1), 128 * 1024)
            #expect(
                end.sent().last == .windowUpdate(stream: id(1), flags: [], delta: 128 * 1024))
        }
        #expect(end.session.counters.windowsGrown == 0)
    }

    @Test func updatesWaitForHalfAWindow() {
        let end = End(.listener)
        end.receive(Wire.data(1, Wire.syn, [UInt8](repeating: 0, count: 200 * 1024)))
        _ = end.transmit()
        end.consume(id(1), 128 * 1024 - 1)
        #expect(!end.hasOutput)
        end.consume(id(1), 1)
        end.consume(id(1), 5)
        #expect(
            end.sent() == [.windowUpdate(stream: id(1), flags: [], delta: 128 * 1024 + 5)])
        // A stream that has ended needs no credit.
        end.receive(Wire.data(1, Wire.fin))
        end.consume(id(1), 72 * 1024 - 5)
        #expect(!end.hasOutput)
    }
}
