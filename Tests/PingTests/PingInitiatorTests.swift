import ChoraleBase
import Ping
import Testing

@Suite struct PingInitiatorTests {
    typealias Output = PingInitiator.Output

    /// An initiator, its time, and its outputs.
    final class Subject {
        var initiator: PingInitiator
        var now = MonotonicInstant.zero

        init(seed: UInt64 = 1) {
            initiator = PingInitiator(random: DeterministicRandom(seed: seed))
        }

        var canPing: Bool { initiator.canPing }

        private func outputs(_ body: (inout [Output]) -> Void) -> [Output] {
            var outputs: [Output] = []
            body(&outputs)
            let counters = initiator.counters
            let waiting: UInt64 = initiator.nextDeadline == nil ? 0 : 1
            #expect(counters.pings == counters.roundTrips + counters.failures + waiting)
            return outputs
        }

        func ping() -> [Output] { outputs { initiator.ping(now: now, into: &$0) } }
        func ended() -> [Output] { outputs { initiator.ended(into: &$0) } }
        func timeout() -> [Output] { outputs { initiator.handleTimeout(now: now, into: &$0) } }
        func receive(_ bytes: [UInt8]) -> [Output] {
            outputs { initiator.receive(bytes.span, now: now, into: &$0) }
        }

        /// Sends a ping and returns its payload.
        func payload() -> [UInt8] {
            guard case .send(let payload) = ping().first else { return [] }
            return payload
        }

        func advance(_ duration: Duration) { now = now.advanced(by: duration) }
    }

    @Test func measuresOneRoundTripAfterAnother() {
        let subject = Subject()
        var payloads: Set<[UInt8]> = []
        for milliseconds in 1...20 {
            #expect(subject.canPing)
            let payload = subject.payload()
            #expect(payload.count == 32)
            payloads.insert(payload)
            #expect(!subject.canPing)
            #expect(subject.ping() == [])
            subject.advance(.milliseconds(milliseconds))
            #expect(subject.receive(payload) == [.roundTrip(.milliseconds(milliseconds))])
            #expect(subject.initiator.nextDeadline == nil)
        }
        #expect(payloads.count == 20)
        #expect(subject.initiator.counters.roundTrips == 20)
    }

    @Test func anEchoMayBeSplitAnywhere() {
        for cut in 0...32 {
            let subject = Subject()
            let payload = subject.payload()
            let first = subject.receive(Array(payload[..<cut]))
            subject.advance(.milliseconds(5))
            let second = subject.receive(Array(payload[cut...]))
            let expected: [Output] = [.roundTrip(cut == 32 ? .zero : .milliseconds(5))]
            #expect(first + second == expected)
        }
        let subject = Subject()
        let payload = subject.payload()
        for byte in payload.dropLast() { #expect(subject.receive([byte]) == []) }
        #expect(subject.receive([payload[31]]) == [.roundTrip(.zero)])
    }

    @Test func everyWrongByteIsNoticedAtOnce() {
        for offset in 0..<32 {
            let subject = Subject()
            var echo = subject.payload()
            echo[offset] ^= 0x10
            #expect(subject.receive(Array(echo[...offset])) == [.failed(.mismatch(offset: offset))])
            // Nothing follows.
            #expect(!subject.canPing)
            #expect(subject.receive(echo) == [])
            #expect(subject.ping() == [])
            #expect(subject.ended() == [])
            subject.advance(.seconds(60))
            #expect(subject.timeout() == [])
        }
    }

    @Test func bytesThatAnswerNothingEndTheStream() {
        #expect(Subject().receive([1]) == [.failed(.unsolicited)])
        #expect(Subject().receive([]) == [])
        let subject = Subject()
        let payload = subject.payload()
        #expect(subject.receive(payload + [0]) == [.roundTrip(.zero), .failed(.unsolicited)])
        #expect(subject.ping() == [])
    }

    @Test func anEchoIsOverdueAfterTenSeconds() {
        let subject = Subject()
        let payload = subject.payload()
        #expect(subject.initiator.nextDeadline == MonotonicInstant.zero.advanced(by: .seconds(10)))
        subject.advance(.seconds(9))
        #expect(subject.timeout() == [])
        // Part of an echo buys no time.
        #expect(subject.receive(Array(payload.prefix(31))) == [])
        subject.advance(.seconds(1))
        #expect(subject.timeout() == [.failed(.timeout)])
        #expect(subject.timeout() == [])
        #expect(subject.receive([payload[31]]) == [])
    }

    @Test func anEndBetweenPingsIsNoFailure() {
        let subject = Subject()
        _ = subject.receive(subject.payload())
        #expect(subject.ended() == [.ended])
        #expect(subject.ended() == [])
        #expect(subject.ping() == [])
        #expect(subject.initiator.counters.failures == 0)
    }

    @Test func anEndWithinAnEchoIsAFailure() {
        let subject = Subject()
        let payload = subject.payload()
        _ = subject.receive(Array(payload.prefix(7)))
        #expect(subject.ended() == [.failed(.endedBeforeEcho(received: 7))])
    }
}
