import ChoraleBase

/// One `/libp2p/perf/1.0.0` stream, of either side.
///
///     client: 8 bytes big-endian "send me N" ─▶ upload ─▶ close ─▶ reads N bytes
///     server: reads all ─▶ (other side closed) ─▶ sends N bytes ─▶ close
///
/// A class because both the bytes that come and those that are pulled change it.
///
/// Specification: libp2p/specs `perf/perf.md`.
final class PerfTransfer {
    static let protocolID = "/libp2p/perf/1.0.0"
    /// One block of the payload, shared by every transfer: the content says nothing.
    static let block = [UInt8](repeating: 0, count: 64 * 1024)

    enum Failure: Error, Hashable {
        /// More came than was asked for.
        case tooMuch(received: UInt64, expected: UInt64)
        case endedEarly(received: UInt64, expected: UInt64)
    }

    enum Role {
        case server(request: [UInt8])
        case client(CommandID, expected: UInt64)
    }

    var role: Role
    /// Bytes still to be produced.
    var toSend: UInt64
    /// Close our direction once `toSend` is zero.
    var closesWhenSent: Bool
    var didClose = false
    var received: UInt64 = 0
    var uploaded: UInt64 = 0
    let startedAt: MonotonicInstant
    var sentAt: MonotonicInstant?
    var firstByteAt: MonotonicInstant?
    var lastByteAt: MonotonicInstant?

    /// The serving side.
    init() {
        role = .server(request: [])
        toSend = 0
        closesWhenSent = false
        startedAt = .zero
    }

    /// The asking side.
    init(command: CommandID, upload: UInt64, download: UInt64, now: MonotonicInstant) {
        role = .client(command, expected: download)
        toSend = upload
        uploaded = upload
        closesWhenSent = true
        startedAt = now
    }

    var isSendingDone: Bool { toSend == 0 }

    func received(_ bytes: Span<UInt8>, now: MonotonicInstant) -> Failure? {
        switch role {
        case .server(var request):
            var index = 0
            while request.count < 8, index < bytes.count {
                request.append(bytes[index])
                index += 1
            }
            role = .server(request: request)
            received += UInt64(bytes.count - index)
            return nil
        case .client(_, let expected):
            if firstByteAt == nil { firstByteAt = now }
            lastByteAt = now
            received += UInt64(bytes.count)
            guard received <= expected else {
                return .tooMuch(received: received, expected: expected)
            }
            return nil
        }
    }

    /// What the other side asked us to send, once it has said everything; nil when it broke off.
    var requested: UInt64? {
        guard case .server(let request) = role, request.count == 8 else { return nil }
        return request.span.loadBigEndian(UInt64.self, at: 0)
    }
}
