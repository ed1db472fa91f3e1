public import ChoraleBase

/// The side of one ping stream that answers.
///
///     between ──(byte)──▶ collecting ──(32nd byte: echo)──▶ between
///        │                    └──(timeout, end)──▶ over
///        └──(end)──▶ over
///
/// Invariants:
///   1. Only whole payloads are echoed, each once, in order.
///   2. Echoes that the peer does not read end the stream before they pile up: at most
///      `unsentSizeMax` bytes and what one call of `receive` brings.
///   3. Nothing follows `failed` or `close`. (By the state `over`.)
///
/// Memory: less than one payload. Each call appends at most one output; that of `receive` is no
/// longer than its input and 31 bytes.
///
/// Specification: libp2p/specs `ping/ping.md`.
public struct PingResponder: ~Copyable {
    public enum Output: Equatable, Sendable {
        /// One or more echoes.
        case send([UInt8])
        /// The peer is done: close our direction once everything is sent.
        case close
        /// Reset the stream.
        case failed(Fault)
    }

    /// What was wrong with the peer's side.
    public enum Fault: Error, Hashable, Sendable {
        /// A payload was begun and not finished in time.
        case timeout(received: Int)
        /// The stream ended within a payload.
        case endedWithinPayload(received: Int)
        /// The peer sends pings and does not read the echoes.
        case echoesUnread(unsent: Int, limit: Int)
    }

    public struct Counters: Hashable, Sendable {
        public var payloadsEchoed: UInt64 = 0

        public init() {}
    }

    private enum State {
        case between
        case collecting([UInt8], deadline: MonotonicInstant)
        case over
    }

    public let limits: PingLimits
    public private(set) var counters = Counters()
    private var state = State.between

    public init(limits: PingLimits = PingLimits()) { self.limits = limits }

    /// When ``handleTimeout(now:into:)`` wants to be called.
    public var nextDeadline: MonotonicInstant? {
        switch state {
        case .collecting(_, let deadline): deadline
        case .between, .over: nil
        }
    }

    /// Takes bytes of the peer, split anywhere.
    ///
    /// - Parameter unsent: bytes of earlier echoes that still wait in the stream's send queue.
    public mutating func receive(
        _ input: Span<UInt8>,
        unsent: Int,
        now: MonotonicInstant,
        into outputs: inout [Output]
    ) {
        guard !input.isEmpty else { return }
        let earlier: [UInt8]
        let earlierDeadline: MonotonicInstant?
        switch state {
        case .between: (earlier, earlierDeadline) = ([], nil)
        case .collecting(let bytes, let deadline): (earlier, earlierDeadline) = (bytes, deadline)
        case .over: return
        }
        guard unsent <= limits.unsentSizeMax else {
            state = .over
            outputs.append(.failed(.echoesUnread(unsent: unsent, limit: limits.unsentSizeMax)))
            return
        }
        let available = earlier.count + input.count
        let whole = available - available % PingProtocol.payloadSize
        guard whole > 0 else {
            // The time runs from the first byte: a trickle of bytes does not extend it.
            state = .collecting(
                earlier + input.copied(),
                deadline: earlierDeadline ?? now.advanced(by: limits.timeout))
            return
        }
        let used = whole - earlier.count
        var echo = earlier
        echo.append(contentsOf: input.extracting(0..<used))
        counters.payloadsEchoed += UInt64(whole / PingProtocol.payloadSize)
        state =
            used == input.count
            ? .between
            : .collecting(
                input.extracting(used..<input.count).copied(),
                deadline: now.advanced(by: limits.timeout))
        outputs.append(.send(echo))
    }

    /// The peer closed its direction.
    public mutating func ended(into outputs: inout [Output]) {
        switch state {
        case .between: outputs.append(.close)
        case .collecting(let bytes, _):
            outputs.append(.failed(.endedWithinPayload(received: bytes.count)))
        case .over: return
        }
        state = .over
    }

    /// Gives up on a payload that was begun. Early and repeated calls do nothing.
    public mutating func handleTimeout(now: MonotonicInstant, into outputs: inout [Output]) {
        switch state {
        case .collecting(let bytes, let deadline):
            guard now >= deadline else { return }
            state = .over
            outputs.append(.failed(.timeout(received: bytes.count)))
        case .between, .over: break
        }
    }
}
