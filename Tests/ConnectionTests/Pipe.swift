import ChoraleBase
import Connection
import Crypto
import Multistream
import Noise
import PeerIdentity
import Testing
import Yamux

func secret(_ byte: UInt8) -> SecretBytes {
    SecretBytes(copying: [UInt8](repeating: byte, count: 32))
}

enum Credentials {
    static let dialer = NoiseCredentials(
        identity: IdentityKey(ed25519Seed: secret(10)), staticKey: secret(11))
    static let listener = NoiseCredentials(
        identity: IdentityKey(ed25519Seed: secret(20)), staticKey: secret(21))
    static let stranger = NoiseCredentials(
        identity: IdentityKey(ed25519Seed: secret(30)), staticKey: secret(31))
}

/// One end with what a driver keeps: bytes that were not consumed, and everything that happened.
final class End {
    var connection: Connection
    /// Received and not consumed.
    private var buffer: [UInt8] = []
    private(set) var events: [Connection.Event] = []
    /// Application bytes by stream.
    private(set) var received: [StreamID: [UInt8]] = [:]
    /// Off, the application does not take what it is given.
    var consumes = true

    init(_ connection: consuming Connection) { self.connection = connection }

    var hasOutput: Bool { connection.hasOutput }
    var nextDeadline: MonotonicInstant? { connection.nextDeadline }
    var counters: Connection.Counters { connection.counters }

    func open(
        _ protocols: [String],
        _ trafficClass: TrafficClass = .control,
        now: MonotonicInstant
    ) throws(Connection.OpenError) -> StreamID {
        try connection.openStream(protocols, class: trafficClass, now: now)
    }

    func write(_ stream: StreamID, _ bytes: [UInt8]) throws(Connection.WriteError) {
        try connection.write(stream, bytes)
    }

    /// Presents `bytes` behind what was left.
    func receive(_ bytes: some Sequence<UInt8>, now: MonotonicInstant) {
        buffer.append(contentsOf: bytes)
        var new: [Connection.Event] = []
        var bytes: [UInt8] = []
        swap(&bytes, &buffer)
        var span = bytes.mutableSpan
        let consumed = connection.receive(&span, now: now, into: &new)
        swap(&bytes, &buffer)
        #expect(consumed >= 0 && consumed <= buffer.count)
        for event in new {
            guard case .data(let stream, let range) = event else { continue }
            #expect(!range.isEmpty && range.upperBound <= consumed)
            received[stream, default: []] += buffer[range]
            if consumes { connection.consumed(stream, count: range.count, now: now) }
        }
        buffer.removeFirst(consumed)
        #expect(buffer.count < NoiseTransport.frameSizeMax, "the rest is less than one frame")
        note(new)
    }

    func transmit(sizeMax: Int = 256 * 1024, now: MonotonicInstant) -> [UInt8] {
        var output: [UInt8] = []
        var new: [Connection.Event] = []
        connection.transmit(into: &output, sizeMax: sizeMax, now: now, events: &new)
        note(new)
        return output
    }

    func handleTimeout(now: MonotonicInstant) {
        var new: [Connection.Event] = []
        connection.handleTimeout(now: now, into: &new)
        note(new)
    }

    func inputEnded() {
        var new: [Connection.Event] = []
        connection.inputEnded(into: &new)
        note(new)
    }

    private func note(_ new: [Connection.Event]) {
        if events.contains(where: \.isFailed) { #expect(new.isEmpty, "nothing follows failed") }
        events += new
    }

    func forgetEvents() { events = [] }

    var failure: Connection.CloseReason? {
        for event in events { if case .failed(let reason) = event { return reason } }
        return nil
    }

    var established: Connection.Established? {
        for event in events { if case .established(let established) = event { return established } }
        return nil
    }

    /// Events without `data`, whose ranges say where bytes lay, and without round trips.
    var facts: [Connection.Event] {
        events.filter { event in
            switch event {
            case .data, .roundTrip, .established: false
            default: true
            }
        }
    }
}

extension Connection.Event {
    var isFailed: Bool { if case .failed = self { true } else { false } }
}

/// Two connections and the wire between them.
final class Pipe {
    var dialer: End
    var listener: End
    var now = MonotonicInstant(nanoseconds: 1_000_000_000)
    var random: DeterministicRandom
    private var toListener: [UInt8] = []
    private var toDialer: [UInt8] = []

    init(
        seed: UInt64 = 0,
        expected: PeerID? = Credentials.listener.peerID,
        supported: [String] = ["/echo", "/sink"],
        dialerIsEarly: Bool = true,
        listenerIsEarly: Bool = true,
        limits: Connection.Limits = .init()
    ) {
        random = DeterministicRandom(seed: seed)
        let table = ProtocolTable(supported)
        dialer = End(
            Connection(
                role: .dialer(expected: expected), credentials: Credentials.dialer,
                ephemeral: secret(40), inboundProtocols: table, limits: limits,
                offersEarlyMuxer: dialerIsEarly, now: now))
        listener = End(
            Connection(
                role: .listener, credentials: Credentials.listener, ephemeral: secret(50),
                inboundProtocols: table, limits: limits, offersEarlyMuxer: listenerIsEarly,
                now: now))
    }

    /// Moves everything that can be moved, whole segments at a time.
    func settle() {
        var moved = true
        while moved {
            moved = false
            let first = dialer.transmit(now: now)
            if !first.isEmpty {
                listener.receive(first, now: now)
                moved = true
            }
            let second = listener.transmit(now: now)
            if !second.isEmpty {
                dialer.receive(second, now: now)
                moved = true
            }
        }
    }

    /// Moves a random amount in random directions.
    ///
    /// - Returns: false when there was nothing to move anywhere.
    func stir() -> Bool {
        now = now.advanced(by: .microseconds(1 + random.below(200)))
        if random.chance(2, in: 3) {
            toListener += dialer.transmit(sizeMax: 1024 + random.below(40_000), now: now)
        }
        if random.chance(2, in: 3) {
            toDialer += listener.transmit(sizeMax: 1024 + random.below(40_000), now: now)
        }
        // Often tiny pieces, sometimes everything.
        func piece(_ available: Int, _ random: inout DeterministicRandom) -> Int {
            switch random.below(4) {
            case 0: min(available, 1 + random.below(20))
            case 1: min(available, 1 + random.below(3000))
            case 2: min(available, 1 + random.below(70_000))
            default: available
            }
        }
        if !toListener.isEmpty, random.chance(2, in: 3) {
            let count = piece(toListener.count, &random)
            listener.receive(toListener.prefix(count), now: now)
            toListener.removeFirst(count)
        }
        if !toDialer.isEmpty, random.chance(2, in: 3) {
            let count = piece(toDialer.count, &random)
            dialer.receive(toDialer.prefix(count), now: now)
            toDialer.removeFirst(count)
        }
        return !toListener.isEmpty || !toDialer.isEmpty || dialer.connection.hasOutput
            || listener.connection.hasOutput
    }

    func stirUntilStill() {
        while stir() {}
    }
}

/// What must hold of the counters at any time, when nothing negotiates any more.
func checkCounters(_ counters: Connection.Counters, negotiatingInbound: UInt64 = 0) {
    #expect(
        counters.streamsProposedByPeer
            == counters.inboundAgreed + counters.inboundFailed + counters.inboundRefused
            + negotiatingInbound)
    #expect(
        counters.streamsProposedByUs
            == counters.outboundAgreed + counters.outboundFailed + counters.outboundAbandoned)
}
