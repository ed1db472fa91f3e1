public import ChoraleBase

/// The requester's side of one stream.
///
///     started ──(first byte)──▶ reading chunks ──(last chunk, end between chunks)──▶ over
///        │                        │    └──(error chunk)──▶ over
///        └────────────────────────┴──(fault, timeout, reset)──▶ over
///
/// Invariants:
///   1. Exactly one of `completed`, `refused` and `failed` is emitted, and nothing after it. (By the
///      state `over`.)
///   2. At most `chunkCountMax` chunks are emitted, each at most the protocol's `chunkSizeMax`.
///   3. Outputs do not depend on how the stream was cut into pieces. (Checked by the tests.)
///
/// Memory: one chunk and one unfinished frame, growing with what arrived.
///
/// After `completed` close the stream; after `refused` or `failed` reset it.
///
/// Specification: ``RequestProtocol``.
public struct RequestClient: ~Copyable {
    public enum Output: Equatable, Sendable {
        /// Bytes for the stream, after which nothing more will be written: half-close it.
        case sendAndEnd([UInt8])
        /// One chunk of the response, in bytes of SSZ.
        case chunk([UInt8])
        case completed(chunkCount: Int)
        /// The responder says that it cannot answer, or not further. Text is for logs only:
        /// printable, and written by a stranger.
        case refused(ResponseCode, text: String)
        case failed(RequestFault)
    }

    private enum State {
        case awaitingCode
        case readingChunk(PayloadReader)
        case readingError(ResponseCode, PayloadReader)
        case over
    }

    private let requestProtocol: RequestProtocol
    private let limits: RequestLimits
    private let chunkCountMax: Int
    private var state = State.awaitingCode
    private var started = false
    private var chunkCount = 0

    /// When ``timeout(now:into:)`` should be called, or nil when the stream is over.
    public private(set) var nextDeadline: MonotonicInstant?

    /// - Parameter chunkCountMax: most chunks this request asks for, where that is fewer than the
    ///   protocol allows. The response is complete with the last of them.
    public init(
        _ requestProtocol: RequestProtocol,
        chunkCountMax: Int? = nil,
        limits: RequestLimits = RequestLimits()
    ) {
        self.requestProtocol = requestProtocol
        self.limits = limits
        self.chunkCountMax = min(
            chunkCountMax ?? requestProtocol.chunkCountMax, requestProtocol.chunkCountMax)
    }

    /// Memory held for an unfinished chunk, in bytes.
    public var bufferedSize: Int {
        switch state {
        case .readingChunk(let reader), .readingError(_, let reader): reader.bufferedSize
        case .awaitingCode, .over: 0
        }
    }

    /// Sends the request. Called once, when the stream is open.
    ///
    /// - Precondition: `request` is no larger than the protocol allows.
    public mutating func start(
        _ request: Span<UInt8>,
        now: MonotonicInstant,
        into outputs: inout [Output]
    ) {
        precondition(!started, "a request is sent once")
        precondition(request.count <= requestProtocol.requestSizeMax, "a request over its limit")
        started = true
        var bytes: [UInt8] = []
        if requestProtocol.requestSizeMax > 0 { Payload.append(request, to: &bytes) }
        outputs.append(.sendAndEnd(bytes))
        // Of what nobody answers, too, the responder's end is waited for: whoever stopped here would reset a
        // stream whose request has not left yet.
        nextDeadline = now.advanced(by: limits.firstByteTimeout)
    }

    /// Takes all of what the responder sent.
    public mutating func receive(
        _ input: Span<UInt8>,
        now: MonotonicInstant,
        into outputs: inout [Output]
    ) {
        precondition(started, "nothing arrives before the request")
        guard !input.isEmpty else { return }
        if chunkCount == 0, case .awaitingCode = state {
            nextDeadline = now.advanced(by: limits.payloadTimeout)
        }
        var offset = 0
        do throws(RequestFault) {
            while try step(input, from: &offset, now: now, into: &outputs) {}
        } catch {
            finish(.failed(error), into: &outputs)
        }
    }

    /// The responder will send nothing more.
    public mutating func end(into outputs: inout [Output]) {
        switch state {
        case .awaitingCode: finish(.completed(chunkCount: chunkCount), into: &outputs)
        case .readingChunk: finish(.failed(.endedEarly), into: &outputs)
        // The code is what matters; some responders send no text.
        case .readingError(let code, _): finish(.refused(code, text: ""), into: &outputs)
        case .over: break
        }
    }

    /// The stream was reset.
    public mutating func reset(into outputs: inout [Output]) {
        if case .over = state { return }
        finish(.failed(.reset), into: &outputs)
    }

    /// The driver's timer fired. Early and repeated firings are harmless.
    public mutating func timeout(now: MonotonicInstant, into outputs: inout [Output]) {
        guard let deadline = nextDeadline, now >= deadline else { return }
        switch state {
        case .awaitingCode where chunkCount == 0:
            finish(.failed(.firstByteTimeout), into: &outputs)
        case .awaitingCode, .readingChunk, .readingError:
            finish(.failed(.payloadTimeout), into: &outputs)
        case .over: break
        }
    }

    /// One transition. False when there is nothing left to do with `input`.
    private mutating func step(
        _ input: Span<UInt8>,
        from offset: inout Int,
        now: MonotonicInstant,
        into outputs: inout [Output]
    ) throws(RequestFault) -> Bool {
        switch state {
        case .awaitingCode:
            guard offset < input.count else { return false }
            let code = ResponseCode(wireValue: input[offset])
            offset += 1
            guard code != .ok || chunkCountMax > 0 else { throw .trailingBytes }
            state =
                code == .ok
                ? .readingChunk(PayloadReader(sizeMax: requestProtocol.chunkSizeMax))
                : .readingError(code, PayloadReader(sizeMax: limits.errorTextSizeMax))
            return true
        case .readingChunk(var reader):
            state = .awaitingCode
            guard let chunk = try reader.next(in: input, from: &offset) else {
                state = .readingChunk(reader)
                return false
            }
            chunkCount += 1
            outputs.append(.chunk(chunk))
            if chunkCount == chunkCountMax {
                finish(.completed(chunkCount: chunkCount), into: &outputs)
                return false
            }
            nextDeadline = now.advanced(by: limits.payloadTimeout)
            return true
        case .readingError(let code, var reader):
            state = .awaitingCode
            guard let text = try reader.next(in: input, from: &offset) else {
                state = .readingError(code, reader)
                return false
            }
            finish(.refused(code, text: Self.printable(text)), into: &outputs)
            return false
        case .over:
            return false
        }
    }

    private mutating func finish(_ output: Output, into outputs: inout [Output]) {
        state = .over
        nextDeadline = nil
        outputs.append(output)
    }

    /// Text from a stranger must not move a terminal's cursor or add lines to a log.
    private static func printable(_ bytes: [UInt8]) -> String {
        let text = String(decoding: bytes, as: UTF8.self)
        var scalars = String.UnicodeScalarView()
        for scalar in text.unicodeScalars {
            switch scalar.properties.generalCategory {
            case .control, .format, .lineSeparator, .paragraphSeparator, .surrogate, .privateUse,
                .unassigned:
                scalars.append("?")
            default:
                scalars.append(scalar)
            }
        }
        return String(scalars)
    }
}
