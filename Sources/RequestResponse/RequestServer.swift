public import ChoraleBase

/// The responder's side of one stream.
///
///     reading ──(whole request)──▶ answering ──(finish, refuse)──▶ over
///        │                            └──(trailing bytes, reset)──▶ over
///        └──(fault, timeout, end, reset)──▶ over
///
/// Invariants:
///   1. At most one `request` is emitted.
///   2. Nothing is written after `sendAndEnd` or `failed`. (By the state `over`.)
///   3. A request that cannot be read is answered with code 1 before the stream is given up, so
///      that an honest requester of another version learns why.
///
/// Memory: one request and one unfinished frame, growing with what arrived. Chunks are handed over
/// and not kept: whoever answers waits for room in the stream's queue between two of them.
///
/// Specification: ``RequestProtocol``.
public struct RequestServer: ~Copyable {
    public enum Output: Equatable, Sendable {
        /// The whole request, in bytes of SSZ. Answer with ``respond(_:into:)``, then
        /// ``finish(into:)``, or with ``refuse(_:text:into:)``.
        case request([UInt8])
        case send([UInt8])
        /// Bytes for the stream, possibly none, after which nothing more will be written.
        case sendAndEnd([UInt8])
        /// The request was bad, or the requester left. If bytes were to be sent they came before.
        case failed(RequestFault)
    }

    private enum State {
        case reading(PayloadReader)
        case answering
        case over
    }

    private let requestProtocol: RequestProtocol
    private let limits: RequestLimits
    private var state: State
    private var chunkCount = 0

    /// When ``timeout(now:into:)`` should be called. Only while the request is read: how long an
    /// answer may take to write is for the stream's queue to say.
    public private(set) var nextDeadline: MonotonicInstant?

    public init(
        _ requestProtocol: RequestProtocol,
        now: MonotonicInstant,
        limits: RequestLimits = RequestLimits()
    ) {
        self.requestProtocol = requestProtocol
        self.limits = limits
        state = .reading(PayloadReader(sizeMax: requestProtocol.requestSizeMax))
        nextDeadline = now.advanced(by: limits.payloadTimeout)
    }

    /// Memory held for an unfinished request, in bytes.
    public var bufferedSize: Int {
        if case .reading(let reader) = state { return reader.bufferedSize }
        return 0
    }

    /// Takes all of what the requester sent.
    public mutating func receive(_ input: Span<UInt8>, into outputs: inout [Output]) {
        guard !input.isEmpty else { return }
        switch state {
        case .reading(var reader):
            // A request that is always empty has no bytes, not even a size.
            guard requestProtocol.requestSizeMax > 0 else {
                giveUp(.trailingBytes, into: &outputs)
                return
            }
            state = .over
            var offset = 0
            do throws(RequestFault) {
                guard let request = try reader.next(in: input, from: &offset) else {
                    state = .reading(reader)
                    return
                }
                guard offset == input.count else { throw .trailingBytes }
                accept(request, into: &outputs)
            } catch {
                giveUp(error, into: &outputs)
            }
        case .answering:
            giveUp(.trailingBytes, into: &outputs)
        case .over:
            break
        }
    }

    /// The requester will send nothing more.
    public mutating func end(into outputs: inout [Output]) {
        switch state {
        case .reading:
            if requestProtocol.requestSizeMax == 0 {
                accept([], into: &outputs)
            } else {
                giveUp(.endedEarly, into: &outputs)
            }
        case .answering, .over: break
        }
    }

    /// The stream was reset.
    public mutating func reset(into outputs: inout [Output]) {
        if case .over = state { return }
        state = .over
        nextDeadline = nil
        outputs.append(.failed(.reset))
    }

    /// The driver's timer fired. Early and repeated firings are harmless.
    public mutating func timeout(now: MonotonicInstant, into outputs: inout [Output]) {
        guard let deadline = nextDeadline, now >= deadline else { return }
        giveUp(.payloadTimeout, into: &outputs)
    }

    /// Sends one chunk, in bytes of SSZ. Does nothing when the stream is over, as it may be by the
    /// time that an answer is found.
    ///
    /// - Precondition: the request was emitted; the chunk, and the number of chunks, are no larger
    ///   than the protocol allows.
    public mutating func respond(_ chunk: Span<UInt8>, into outputs: inout [Output]) {
        guard isAnswering() else { return }
        precondition(chunk.count <= requestProtocol.chunkSizeMax, "a chunk over its limit")
        precondition(chunkCount < requestProtocol.chunkCountMax, "a chunk too many")
        chunkCount += 1
        outputs.append(.send(Self.encoded(.ok, chunk)))
    }

    /// Ends the response. Does nothing when the stream is over.
    public mutating func finish(into outputs: inout [Output]) {
        guard isAnswering() else { return }
        state = .over
        outputs.append(.sendAndEnd([]))
    }

    /// Ends the response with an error, after any number of chunks. Does nothing when the stream is
    /// over.
    ///
    /// - Parameter text: for the requester's log; cut to the limit.
    /// - Precondition: `code` is not `ok`.
    public mutating func refuse(
        _ code: ResponseCode,
        text: String,
        into outputs: inout [Output]
    ) {
        precondition(code != .ok, "an error chunk has an error's code")
        guard isAnswering() else { return }
        state = .over
        outputs.append(.sendAndEnd(error(code, text)))
    }

    private func isAnswering() -> Bool {
        switch state {
        case .reading: preconditionFailure("an answer before the request")
        case .answering: true
        case .over: false
        }
    }

    private mutating func accept(_ request: [UInt8], into outputs: inout [Output]) {
        state = .answering
        nextDeadline = nil
        outputs.append(.request(request))
    }

    private mutating func giveUp(_ fault: RequestFault, into outputs: inout [Output]) {
        state = .over
        nextDeadline = nil
        // Behind chunks already sent an error is an error too.
        outputs.append(.sendAndEnd(error(.invalidRequest, "\(fault)")))
        outputs.append(.failed(fault))
    }

    private func error(_ code: ResponseCode, _ text: String) -> [UInt8] {
        var kept = text
        while kept.utf8.count > limits.errorTextSizeMax { kept.removeLast() }
        return Self.encoded(code, Array(kept.utf8).span)
    }

    private static func encoded(_ code: ResponseCode, _ payload: Span<UInt8>) -> [UInt8] {
        var bytes = [code.wireValue]
        Payload.append(payload, to: &bytes)
        return bytes
    }
}
