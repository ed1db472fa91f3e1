import ChoraleBase
import Connection
import Multistream
import Noise
import PeerIdentity
import Testing
import Yamux

private func token(_ text: String) -> [UInt8] { [UInt8(text.utf8.count + 1)] + text.utf8 + [10] }

@Suite struct ConnectionHandshakeTests {
    struct Mix: Sendable {
        let dialer: Bool
        let listener: Bool
    }

    static let mixes = [
        Mix(dialer: true, listener: true), Mix(dialer: true, listener: false),
        Mix(dialer: false, listener: true), Mix(dialer: false, listener: false),
    ]

    @Test(arguments: mixes, UInt64(0)..<30) func establishes(_ mix: Mix, seed: UInt64) throws {
        let pipe = Pipe(seed: seed, dialerIsEarly: mix.dialer, listenerIsEarly: mix.listener)
        pipe.stirUntilStill()
        let dialer = try #require(pipe.dialer.established)
        let listener = try #require(pipe.listener.established)
        #expect(dialer.peerID == Credentials.listener.peerID)
        #expect(listener.peerID == Credentials.dialer.peerID)
        #expect(dialer.publicKey.peerID == dialer.peerID)
        #expect(dialer.muxerWasEarly == (mix.dialer && mix.listener))
        #expect(listener.muxerWasEarly == dialer.muxerWasEarly)
        #expect(dialer.handshakeRoundTrips == 1)
        #expect(dialer.handshakeDuration > .zero)

        let stream = try pipe.dialer.open(["/echo"], .control, now: pipe.now)
        try pipe.dialer.write(stream, [1, 2, 3])
        let back = try pipe.listener.open(["/sink"], .control, now: pipe.now)
        try pipe.listener.write(back, [4, 5])
        pipe.stirUntilStill()
        let receivedByListener = pipe.listener.received[stream]
        let receivedByDialer = pipe.dialer.received[back]
        #expect(receivedByListener == [1, 2, 3])
        #expect(receivedByDialer == [4, 5])
    }

    /// The dialer waits once between the socket and its first application byte, in either mix.
    @Test(arguments: mixes) func flightsAreCoalesced(_ mix: Mix) throws {
        let pipe = Pipe(dialerIsEarly: mix.dialer, listenerIsEarly: mix.listener)
        let now = pipe.now
        let first = pipe.dialer.transmit(now: now)
        let proposal = token("/multistream/1.0.0") + token("/noise")
        #expect(Array(first.prefix(proposal.count)) == proposal)
        #expect(first.count == proposal.count + 34)
        let waiting = pipe.dialer.hasOutput
        #expect(!waiting)

        pipe.listener.receive(first, now: now)
        let second = pipe.listener.transmit(now: now)
        #expect(Array(second.prefix(proposal.count)) == proposal)
        #expect(second.count > proposal.count + 98)

        pipe.dialer.receive(second, now: now)
        let isEstablished = pipe.dialer.established != nil
        #expect(isEstablished)
        let stream = try pipe.dialer.open(["/echo"], .vote, now: now)
        try pipe.dialer.write(stream, [7, 8, 9])
        pipe.dialer.connection.closeWrite(stream)
        let third = pipe.dialer.transmit(now: now)

        pipe.listener.receive(third, now: now)
        #expect(pipe.listener.established?.handshakeRoundTrips == 1)
        let facts = pipe.listener.facts
        #expect(facts == [.streamOpened(stream, protocol: "/echo"), .readClosed(stream)])
        let received = pipe.listener.received[stream]
        #expect(received == [7, 8, 9])

        try pipe.listener.write(stream, [1])
        let fourth = pipe.listener.transmit(now: now)
        pipe.dialer.receive(fourth, now: now)
        let answer = pipe.dialer.received[stream]
        #expect(answer == [1])
        let answered = pipe.dialer.facts
        #expect(answered == [.streamNegotiated(stream, protocol: "/echo")])
    }

    /// A dialer that waits for each answer, as go does without the early multiplexer.
    @Test func aPatientDialerIsCounted() throws {
        let pipe = Pipe(dialerIsEarly: false, listenerIsEarly: false)
        let now = pipe.now
        let first = pipe.dialer.transmit(now: now)
        let proposal = (token("/multistream/1.0.0") + token("/noise")).count
        pipe.listener.receive(first.prefix(proposal), now: now)
        let answer = pipe.listener.transmit(now: now)
        #expect(answer.count == proposal)
        pipe.listener.receive(first.dropFirst(proposal), now: now)
        let second = pipe.listener.transmit(now: now)
        pipe.dialer.receive(answer + second, now: now)
        let third = pipe.dialer.transmit(now: now)
        pipe.listener.receive(third, now: now)
        #expect(pipe.listener.established?.handshakeRoundTrips == 2)
    }

    @Test func anybodyWillDo() throws {
        let pipe = Pipe(expected: nil)
        pipe.settle()
        #expect(pipe.dialer.established?.peerID == Credentials.listener.peerID)
    }

    @Test func theWrongPeerIsRefused() {
        let expected = Credentials.stranger.peerID
        let pipe = Pipe(expected: expected)
        pipe.settle()
        let failure = pipe.dialer.failure
        #expect(
            failure == .noise(.wrongPeer(expected: expected, actual: Credentials.listener.peerID)))
        #expect(failure?.label == "noise_wrong_peer")
        let other = pipe.listener.established
        #expect(other == nil)
        pipe.listener.inputEnded()
        #expect(pipe.listener.failure == .endOfInput(.noiseHandshake))
    }

    @Test func nothingCanBeOpenedBefore() {
        let pipe = Pipe()
        #expect(throws: Connection.OpenError.notEstablished) {
            try pipe.dialer.open(["/echo"], .vote, now: pipe.now)
        }
    }
}

/// Everything that can happen to the bytes of a handshake.
@Suite struct DamagedHandshakeTests {
    /// The flights of an honest handshake; 0, 2 are the dialer's, 1, 3 the listener's.
    private static func flights(early: Bool) throws -> [[UInt8]] {
        let pipe = Pipe(dialerIsEarly: early, listenerIsEarly: early)
        var flights: [[UInt8]] = []
        for turn in 0..<(early ? 3 : 4) {
            if turn.isMultiple(of: 2) {
                flights.append(pipe.dialer.transmit(now: pipe.now))
                pipe.listener.receive(flights[turn], now: pipe.now)
            } else {
                flights.append(pipe.listener.transmit(now: pipe.now))
                pipe.dialer.receive(flights[turn], now: pipe.now)
            }
        }
        return flights
    }

    /// Sends flight after flight, with `change` applied to flight `changed`, until nothing moves.
    private static func run(
        early: Bool,
        changed: Int,
        _ change: ([UInt8]) -> [UInt8]
    ) -> Pipe {
        let pipe = Pipe(dialerIsEarly: early, listenerIsEarly: early)
        for turn in 0..<6 {
            if turn.isMultiple(of: 2) {
                let flight = pipe.dialer.transmit(now: pipe.now)
                pipe.listener.receive(turn == changed ? change(flight) : flight, now: pipe.now)
            } else {
                let flight = pipe.listener.transmit(now: pipe.now)
                pipe.dialer.receive(turn == changed ? change(flight) : flight, now: pipe.now)
            }
        }
        return pipe
    }

    @Test(arguments: [true, false]) func aCutHandshakeEndsByTime(early: Bool) throws {
        let flights = try Self.flights(early: early)
        for (turn, flight) in flights.enumerated() {
            for count in flight.indices {
                let pipe = Self.run(early: early, changed: turn) { Array($0.prefix(count)) }
                let deadline = pipe.now.advanced(by: .seconds(10))
                let isToListener = turn.isMultiple(of: 2)
                if isToListener {
                    #expect(pipe.listener.nextDeadline == deadline)
                    pipe.listener.handleTimeout(now: deadline.advanced(by: .nanoseconds(-1)))
                    #expect(pipe.listener.failure == nil)
                    pipe.listener.handleTimeout(now: deadline)
                    #expect(pipe.listener.failure?.isTimeout == true)
                    #expect(pipe.listener.nextDeadline == nil)
                } else {
                    // With the last flight cut, the dialer has the peer but not its multiplexer.
                    #expect(pipe.dialer.nextDeadline == deadline)
                    pipe.dialer.handleTimeout(now: deadline)
                    #expect(pipe.dialer.failure?.isTimeout == true)
                }
            }
        }
    }

    @Test(arguments: [true, false]) func aCutHandshakeEndsWithTheSocket(early: Bool) throws {
        let flights = try Self.flights(early: early)
        for (turn, flight) in flights.enumerated() {
            for count in flight.indices {
                let pipe = Self.run(early: early, changed: turn) { Array($0.prefix(count)) }
                pipe.listener.inputEnded()
                pipe.dialer.inputEnded()
                for failure in [pipe.listener.failure, pipe.dialer.failure] {
                    guard case .endOfInput = failure else {
                        Issue.record(
                            "flight \(turn) cut at \(count): \(String(describing: failure))")
                        continue
                    }
                }
            }
        }
    }

    @Test(arguments: [true, false]) func everyFlippedBitEndsTheConnection(early: Bool) throws {
        let flights = try Self.flights(early: early)
        for (turn, flight) in flights.enumerated() {
            for position in flight.indices {
                let bit = UInt8(1) << UInt8((position + turn) % 8)
                let pipe = Self.run(early: early, changed: turn) { flight in
                    var changed = flight
                    changed[position] ^= bit
                    return changed
                }
                let later = pipe.now.advanced(by: .seconds(11))
                pipe.dialer.handleTimeout(now: later)
                pipe.listener.handleTimeout(now: later)
                let failures = [pipe.dialer.failure, pipe.listener.failure].compactMap { $0 }
                #expect(!failures.isEmpty, "flight \(turn), byte \(position)")
                for failure in failures { #expect(!failure.label.isEmpty) }
            }
        }
    }

    @Test(arguments: UInt64(0)..<300) func randomBytesEndTheConnection(seed: UInt64) {
        var random = DeterministicRandom(seed: seed)
        let pipe = Pipe()
        _ = pipe.dialer.transmit(now: pipe.now)
        for _ in 0..<20 {
            let bytes = random.bytes(count: 1 + random.below(200))
            pipe.dialer.receive(bytes, now: pipe.now)
            pipe.listener.receive(bytes, now: pipe.now)
        }
        let failures = [pipe.dialer.failure, pipe.listener.failure].compactMap { $0 }
        #expect(failures.count == 2)
    }

    @Test func aPeerWithoutNoise() {
        let pipe = Pipe()
        pipe.dialer.receive(token("/multistream/1.0.0") + token("na"), now: pipe.now)
        #expect(pipe.dialer.failure == .securityNegotiation(.refused))
        let output = pipe.dialer.transmit(now: pipe.now)
        // The first flight had not left yet; it is harmless.
        #expect(output.count > 0)
        let more = pipe.dialer.hasOutput
        #expect(!more)
    }

    @Test func aDialerThatWantsSomethingElseIsRefusedAndMayGoOn() {
        let pipe = Pipe()
        let proposal = token("/multistream/1.0.0") + token("/tls/1.0.0")
        pipe.listener.receive(proposal, now: pipe.now)
        let answer = pipe.listener.transmit(now: pipe.now)
        #expect(answer == token("/multistream/1.0.0") + token("na"))
        pipe.listener.receive(token("/noise"), now: pipe.now)
        #expect(pipe.listener.transmit(now: pipe.now) == token("/noise"))
        #expect(pipe.listener.failure == nil)
    }

    @Test func whatFollowsTheEndIsIgnored() {
        let pipe = Pipe()
        pipe.settle()
        pipe.listener.inputEnded()
        pipe.listener.receive([1, 2, 3], now: pipe.now)
        pipe.listener.inputEnded()
        pipe.listener.handleTimeout(now: pipe.now.advanced(by: .seconds(1000)))
        #expect(pipe.listener.transmit(now: pipe.now) == [])
        #expect(pipe.listener.events.filter(\.isFailed).count == 1)
    }

    @Test func closingIsSilent() {
        let pipe = Pipe()
        pipe.settle()
        pipe.dialer.forgetEvents()
        pipe.dialer.connection.close()
        let isClosed = pipe.dialer.connection.isClosed
        #expect(isClosed)
        pipe.dialer.receive([1, 2, 3], now: pipe.now)
        pipe.dialer.handleTimeout(now: pipe.now.advanced(by: .seconds(1000)))
        pipe.dialer.inputEnded()
        #expect(pipe.dialer.events == [])
        #expect(pipe.dialer.nextDeadline == nil)
        #expect(pipe.dialer.transmit(now: pipe.now) == [])
    }
}

extension Connection.CloseReason {
    var isTimeout: Bool { if case .handshakeTimeout = self { true } else { false } }
}
