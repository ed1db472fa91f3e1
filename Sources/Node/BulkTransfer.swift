import ChoraleBase
import Crypto

/// One `/chorale/bulk/1.0.0` stream, of either side: bytes moved and checked, with explicit lengths.
///
///     client: U, D (8 bytes big-endian each), U bytes ─▶
///     server:                                         ◀─ SHA-256 of those bytes, D bytes
///
/// Byte i of the payload is i mod 251, so that a lost, doubled or displaced byte shows. For peers behind
/// which a stream cannot be half-closed (go-libp2p's daemon), where `/libp2p/perf/1.0.0` cannot be
/// spoken.
final class BulkTransfer {
    static let protocolID = "/chorale/bulk/1.0.0"
    private static let period = 251
    /// A whole number of periods, so that every block begins alike.
    static let block: [UInt8] = (0..<period * 256).map { UInt8($0 % period) }
    private static let headerSize = 16
    private static let digestSize = 32

    enum Failure: Error, Hashable {
        case digestDiffers
        case byteDiffers(position: UInt64)
        case tooMuch(received: UInt64, expected: UInt64)
        case endedEarly(received: UInt64, expected: UInt64)
    }

    enum Progress: Hashable {
        case goesOn
        /// The server has everything: answer.
        case answer
        /// The client has everything, intact.
        case done
        case failed(Failure)
    }

    let command: CommandID?
    private let upload: UInt64
    private let download: UInt64
    let startedAt: MonotonicInstant
    private(set) var turnedAt: MonotonicInstant?
    private(set) var endedAt: MonotonicInstant?

    private var head: [UInt8] = []
    private var expected: UInt64 = 0
    private var received: UInt64 = 0
    private var hasher = SHA256.Hasher()
    private var ownHasher = SHA256.Hasher()
    /// Bytes still to be produced, and where in the pattern they begin.
    private(set) var toSend: UInt64 = 0
    private var answerSize: UInt64 = 0
    private var isOver = false

    /// The serving side.
    init() {
        command = nil
        upload = 0
        download = 0
        startedAt = .zero
    }

    /// The asking side.
    init(command: CommandID, upload: UInt64, download: UInt64, now: MonotonicInstant) {
        self.command = command
        self.upload = upload
        self.download = download
        startedAt = now
        toSend = upload
        expected = download
    }

    var isSendingDone: Bool { toSend == 0 }

    /// What the client sends first.
    var header: [UInt8] {
        var bytes: [UInt8] = []
        bytes.appendBigEndian(upload)
        bytes.appendBigEndian(download)
        return bytes
    }

    var info: PerfInfo {
        let turned = turnedAt ?? startedAt
        return PerfInfo(
            uploaded: upload, uploadTime: startedAt.duration(to: turned), downloaded: download,
            downloadTime: turned.duration(to: endedAt ?? turned))
    }

    /// The next piece of payload, at most `sizeMax` bytes of it, as a range of ``block``.
    func next(sizeMax: Int) -> Range<Int>? {
        let whole = min(UInt64(min(sizeMax, Self.block.count)), toSend)
        guard whole > 0 else { return nil }
        // Whole periods, except for the end.
        let size =
            whole == toSend ? Int(whole) : max(Self.period, Int(whole) / Self.period * Self.period)
        toSend -= UInt64(size)
        if command != nil { ownHasher.update(Self.block.span.extracting(0..<size)) }
        return 0..<size
    }

    /// What the server sends before its payload.
    func answer() -> [UInt8] {
        toSend = answerSize
        return hasher.finish().bytes
    }

    func received(_ bytes: Span<UInt8>, now: MonotonicInstant) -> Progress {
        guard !isOver else { return .failed(.tooMuch(received: received, expected: expected)) }
        var offset = 0
        let headSize = command == nil ? Self.headerSize : Self.digestSize
        if head.count < headSize {
            let size = min(headSize - head.count, bytes.count)
            head.append(contentsOf: bytes.extracting(0..<size))
            offset = size
            guard head.count == headSize else { return .goesOn }
            if command == nil {
                expected = head.span.loadBigEndian(UInt64.self, at: 0)
                answerSize = head.span.loadBigEndian(UInt64.self, at: 8)
            } else {
                turnedAt = now
                guard head == ownHasher.finish().bytes else { return fail(.digestDiffers) }
            }
        }
        let payload = bytes.extracting(offset..<bytes.count)
        guard UInt64(payload.count) <= expected - received else {
            return fail(.tooMuch(received: received + UInt64(payload.count), expected: expected))
        }
        if command == nil {
            hasher.update(payload)
        } else if let failure = check(payload) {
            return fail(failure)
        }
        received += UInt64(payload.count)
        guard received == expected else { return .goesOn }
        isOver = true
        endedAt = now
        return command == nil ? .answer : .done
    }

    private func check(_ payload: Span<UInt8>) -> Failure? {
        var phase = Int(received % UInt64(Self.period))
        for index in payload.indices {
            guard payload[index] == UInt8(truncatingIfNeeded: phase) else {
                return .byteDiffers(position: received + UInt64(index))
            }
            phase = phase + 1 == Self.period ? 0 : phase + 1
        }
        return nil
    }

    /// The other side ended the stream.
    func ended() -> Failure? {
        isOver ? nil : .endedEarly(received: received, expected: expected)
    }

    private func fail(_ failure: Failure) -> Progress {
        isOver = true
        return .failed(failure)
    }
}
