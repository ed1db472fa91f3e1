import ChoraleBase
import Ping
import Testing

@Suite struct PingResponderTests {
    typealias Output = PingResponder.Output

    final class Subject {
        var responder = PingResponder()
        var now = MonotonicInstant.zero
        var unsent = 0

        private func outputs(_ body: (inout [Output]) -> Void) -> [Output] {
            var outputs: [Output] = []
            body(&outputs)
            return outputs
        }

        func ended() -> [Output] { outputs { responder.ended(into: &$0) } }
        func timeout() -> [Output] { outputs { responder.handleTimeout(now: now, into: &$0) } }
        func receive(_ bytes: [UInt8]) -> [Output] {
            outputs { responder.receive(bytes.span, unsent: unsent, now: now, into: &$0) }
        }

        func advance(_ duration: Duration) { now = now.advanced(by: duration) }
    }

    private let payload = (0..<32).map { UInt8($0) }

    @Test func echoesEachPayload() {
        let subject = Subject()
        for round: UInt8 in 0..<10 {
            let payload = payload.map { $0 ^ round }
            #expect(subject.receive(payload) == [.send(payload)])
        }
        #expect(subject.responder.counters.payloadsEchoed == 10)
        #expect(subject.ended() == [.close])
        #expect(subject.receive(payload) == [])
        #expect(subject.ended() == [])
    }

    @Test func severalAtOnceAreEchoedTogether() {
        let subject = Subject()
        let bytes = payload + payload.reversed() + payload.prefix(5)
        #expect(subject.receive(bytes) == [.send(Array(bytes.prefix(64)))])
        #expect(subject.receive(Array(payload.suffix(27))) == [.send(payload)])
        #expect(subject.responder.nextDeadline == nil)
    }

    @Test func piecesOfAnySizeGiveTheSameEchoes() {
        var random = DeterministicRandom(seed: 5)
        let bytes = random.bytes(count: 32 * 6)
        for step in 1...bytes.count {
            let subject = Subject()
            var echoed: [UInt8] = []
            for start in stride(from: 0, to: bytes.count, by: step) {
                let end = min(start + step, bytes.count)
                for case .send(let echo) in subject.receive(Array(bytes[start..<end])) {
                    #expect(echo.count.isMultiple(of: 32))
                    echoed += echo
                }
                // Never an incomplete payload, and never a whole one held back.
                #expect(echoed.count == end - end % 32)
            }
            #expect(echoed == bytes)
            #expect(subject.ended() == [.close])
        }
    }

    @Test func aTruncatedPayloadIsAFault() {
        for count in 1..<32 {
            let subject = Subject()
            #expect(subject.receive(Array(payload.prefix(count))) == [])
            #expect(subject.ended() == [.failed(.endedWithinPayload(received: count))])
        }
    }

    @Test func aTrickleBuysNoTime() {
        let subject = Subject()
        #expect(subject.responder.nextDeadline == nil)
        for _ in 0..<9 {
            #expect(subject.receive([1]) == [])
            subject.advance(.seconds(1))
            #expect(subject.timeout() == [])
        }
        #expect(subject.receive([]) == [])
        subject.advance(.seconds(1))
        #expect(subject.timeout() == [.failed(.timeout(received: 9))])
        #expect(subject.timeout() == [])
        #expect(subject.receive(payload) == [])
    }

    @Test func theTimeOfTheNextPayloadBeginsWithItsFirstByte() {
        let subject = Subject()
        _ = subject.receive([0])
        subject.advance(.seconds(8))
        #expect(subject.receive(Array(payload.dropFirst()) + [7]).count == 1)
        subject.advance(.seconds(8))
        #expect(subject.timeout() == [])
        subject.advance(.seconds(2))
        #expect(subject.timeout() == [.failed(.timeout(received: 1))])
    }

    @Test func whoDoesNotReadIsAnsweredNoMore() {
        let subject = Subject()
        subject.unsent = 2048
        #expect(subject.receive(payload) == [.send(payload)])
        subject.unsent = 2080
        #expect(subject.receive(payload) == [.failed(.echoesUnread(unsent: 2080, limit: 2048))])
        subject.unsent = 0
        #expect(subject.receive(payload) == [])
        #expect(subject.responder.nextDeadline == nil)
    }

    /// Both sides against each other.
    @Test func theTwoSidesAgree() {
        var initiator = PingInitiator(random: DeterministicRandom(seed: 3))
        var responder = PingResponder()
        for _ in 0..<100 {
            var asked: [PingInitiator.Output] = []
            initiator.ping(now: .zero, into: &asked)
            guard case .send(let payload) = asked.first else {
                Issue.record("no ping: \(asked)")
                return
            }
            var answered: [PingResponder.Output] = []
            responder.receive(payload.span, unsent: 0, now: .zero, into: &answered)
            guard case .send(let echo) = answered.first else {
                Issue.record("no echo: \(answered)")
                return
            }
            var measured: [PingInitiator.Output] = []
            initiator.receive(echo.span, now: .zero, into: &measured)
            #expect(measured == [.roundTrip(.zero)])
        }
    }
}
