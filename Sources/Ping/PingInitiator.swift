public import ChoraleBase

/// The side of one ping stream that asks.
///
///     idle ──(ping)──▶ waiting ──(echo)──▶ idle
///                        └──(wrong byte, timeout, end)──▶ over
///     idle ──(byte nobody asked for, end)──▶ over
///
/// Invariants:
///   1. One ping is under way at most. (`ping` does nothing in any state but `idle`.)
///   2. `pings == roundTrips + failures + (waiting ? 1 : 0)`. (Checked by the tests.)
///   3. Nothing follows `failed` or `ended`. (By the state `over`.)
///
/// Memory: one payload. Each call appends at most two outputs.
///
/// Specification: libp2p/specs `ping/ping.md`.
public struct PingInitiator: ~Copyable {
    public enum Output: Equatable, Sendable {
        case send([UInt8])
        /// The echo has come back whole.
        case roundTrip(Duration)
        /// The stream is of no more use: reset it.
        case failed(Fault)
        /// The peer closed the stream between two pings, as some do after each: close it too, and
        /// open another one for the next ping.
        case ended
    }

    /// What was wrong with the peer's side.
    public enum Fault: Error, Hashable, Sendable {
        /// The echo differs from what was sent, first at this offset.
        case mismatch(offset: Int)
        /// Bytes came that answer no ping.
        case unsolicited
        case timeout
        /// The stream ended, or was reset, with so many bytes of the echo received.
        case endedBeforeEcho(received: Int)
    }

    public struct Counters: Hashable, Sendable {
        public var pings: UInt64 = 0
        public var roundTrips: UInt64 = 0
        /// Pings that got no whole and right echo.
        public var failures: UInt64 = 0

        public init() {}
    }

    private enum State {
        case idle
        case waiting(Ping)
        case over
    }

    private struct Ping {
        let payload: [UInt8]
        let sentAt: MonotonicInstant
        /// Bytes of the echo that have come back, all of them right.
        var received = 0
    }

    public let limits: PingLimits
    public private(set) var counters = Counters()
    private var random: DeterministicRandom
    private var state = State.idle

    /// - Parameter random: gives the payloads. They need to differ, not to be secret.
    public init(random: DeterministicRandom, limits: PingLimits = PingLimits()) {
        self.random = random
        self.limits = limits
    }

    /// Whether ``ping(now:into:)`` would send one.
    public var canPing: Bool {
        switch state {
        case .idle: true
        case .waiting, .over: false
        }
    }

    /// When ``handleTimeout(now:into:)`` wants to be called.
    public var nextDeadline: MonotonicInstant? {
        switch state {
        case .waiting(let ping): ping.sentAt.advanced(by: limits.timeout)
        case .idle, .over: nil
        }
    }

    /// Sends the next ping. Does nothing while one is under way or when the stream is over.
    public mutating func ping(now: MonotonicInstant, into outputs: inout [Output]) {
        switch state {
        case .idle:
            let payload = random.bytes(count: PingProtocol.payloadSize)
            counters.pings += 1
            state = .waiting(Ping(payload: payload, sentAt: now))
            outputs.append(.send(payload))
        case .waiting, .over: break
        }
    }

    /// Takes bytes of the peer, split anywhere.
    public mutating func receive(
        _ input: Span<UInt8>,
        now: MonotonicInstant,
        into outputs: inout [Output]
    ) {
        guard !input.isEmpty else { return }
        switch state {
        case .idle:
            state = .over
            outputs.append(.failed(.unsolicited))
        case .waiting(var ping):
            let size = min(input.count, ping.payload.count - ping.received)
            for index in 0..<size where input[index] != ping.payload[ping.received + index] {
                fail(.mismatch(offset: ping.received + index), into: &outputs)
                return
            }
            ping.received += size
            guard ping.received == ping.payload.count else {
                state = .waiting(ping)
                return
            }
            state = .idle
            counters.roundTrips += 1
            outputs.append(.roundTrip(ping.sentAt.duration(to: now)))
            guard size < input.count else { return }
            state = .over
            outputs.append(.failed(.unsolicited))
        case .over: break
        }
    }

    /// The peer closed or reset its direction.
    public mutating func ended(into outputs: inout [Output]) {
        switch state {
        case .idle:
            state = .over
            outputs.append(.ended)
        case .waiting(let ping): fail(.endedBeforeEcho(received: ping.received), into: &outputs)
        case .over: break
        }
    }

    /// Gives up on an echo that is overdue. Early and repeated calls do nothing.
    public mutating func handleTimeout(now: MonotonicInstant, into outputs: inout [Output]) {
        guard let nextDeadline, now >= nextDeadline else { return }
        fail(.timeout, into: &outputs)
    }

    private mutating func fail(_ fault: Fault, into outputs: inout [Output]) {
        state = .over
        counters.failures += 1
        outputs.append(.failed(fault))
    }
}
