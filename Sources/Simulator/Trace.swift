public import ChoraleBase
import Crypto

/// What happened, in order: the proof that two runs were the same, and the report when they were not.
///
/// Every event is hashed. Lines are kept only on demand, because a run of 1,000 nodes has millions.
public struct Trace {
    private var hasher = SHA256.Hasher()
    public private(set) var eventCount: UInt64 = 0
    /// The lines of the run, when asked for.
    public private(set) var lines: [String] = []
    private let keepsLines: Bool

    public init(keepsLines: Bool = false) { self.keepsLines = keepsLines }

    mutating func record(
        _ kind: StaticString, at now: MonotonicInstant, _ host: Int, _ detail: UInt64,
        _ words: @autoclosure () -> String = ""
    ) {
        eventCount += 1
        var bytes: [UInt8] = []
        bytes.reserveCapacity(48)
        bytes.appendLittleEndian(UInt64(bitPattern: now.nanoseconds))
        bytes.appendLittleEndian(UInt32(truncatingIfNeeded: host))
        bytes.appendLittleEndian(detail)
        bytes += Array(kind.description.utf8)
        hasher.update(bytes)
        guard keepsLines else { return }
        let seconds = now.nanoseconds / 1_000_000_000
        let micros = now.nanoseconds / 1000 % 1_000_000
        let padded = String(micros)
        let zeros = String(repeating: "0", count: 6 - padded.count)
        lines.append("\(seconds).\(zeros)\(padded) n\(host) \(kind) \(detail) \(words())")
    }

    /// The hash over all events so far.
    public var digest: Bytes32 {
        var copy = hasher
        return copy.finish()
    }

    /// A short number that differs when the bytes differ, for hashing payloads into the trace.
    static func fingerprint(_ bytes: [UInt8]) -> UInt64 {
        var hash: UInt64 = 0xCBF2_9CE4_8422_2325
        for byte in bytes { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01B3 }
        return hash
    }
}
