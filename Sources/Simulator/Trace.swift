public import ChoraleBase
import Crypto

/// What happened, in order: the proof that two runs were the same, and the report when they were not.
///
/// Every event is hashed. Lines are made only on demand, because a run of 1,000 nodes has millions.
public struct Trace {
    enum Kind: UInt8 {
        case start, crash, kill, partition, bytes, event, open, closed, stopped, command, clock,
            hold, release
    }

    private var hasher = SHA256.Hasher()
    /// What was not hashed yet: one call for many events.
    private var pending: [UInt8] = []
    public private(set) var eventCount: UInt64 = 0
    /// Where lines go, if anybody wants them.
    private let sink: ((String) -> Void)?

    public init(sink: ((String) -> Void)? = nil) {
        self.sink = sink
        pending.reserveCapacity(8 * 1024)
    }

    mutating func record(
        _ kind: Kind, at now: MonotonicInstant, _ host: Int, _ detail: UInt64,
        _ words: @autoclosure () -> String = ""
    ) {
        eventCount += 1
        pending.appendLittleEndian(UInt64(bitPattern: now.nanoseconds))
        pending.appendLittleEndian(UInt32(truncatingIfNeeded: host))
        pending.append(kind.rawValue)
        pending.appendLittleEndian(detail)
        if pending.count >= 8 * 1024 - 32 {
            hasher.update(pending)
            pending.removeAll(keepingCapacity: true)
        }
        guard let sink else { return }
        let seconds = now.nanoseconds / 1_000_000_000
        let nanos = String(now.nanoseconds % 1_000_000_000)
        let zeros = String(repeating: "0", count: 9 - nanos.count)
        let words = words()
        sink(
            "\(seconds).\(zeros)\(nanos) n\(host) \(kind) \(detail)"
                + (words.isEmpty ? "" : " \(words)"))
    }

    /// The hash over all events so far.
    public var digest: Bytes32 {
        var copy = hasher
        copy.update(pending)
        return copy.finish()
    }

    /// A short number that differs when the bytes differ, for hashing payloads into the trace.
    static func fingerprint(_ bytes: Span<UInt8>) -> UInt64 {
        var hash: UInt64 = 0xCBF2_9CE4_8422_2325 ^ UInt64(bytes.count)
        var offset = 0
        while offset + 8 <= bytes.count {
            let word = bytes.loadLittleEndian(UInt64.self, at: offset)
            hash = (hash ^ word) &* 0x9E37_79B9_7F4A_7C15
            hash ^= hash >> 32
            offset += 8
        }
        while offset < bytes.count {
            hash = (hash ^ UInt64(bytes[offset])) &* 0x100_0000_01B3
            offset += 1
        }
        return hash
    }

    static func fingerprint(_ text: String) -> UInt64 { fingerprint(Array(text.utf8).span) }
}
