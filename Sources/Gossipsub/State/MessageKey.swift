import ChoraleBase

/// A message identifier as this machine's tables know it: 128 bits of SipHash under a secret key.
///
/// Sixteen bytes inline instead of an array of any length, and a peer that does not know the key
/// cannot make two identifiers meet.
struct MessageKey: Hashable, Sendable {
    let low: UInt64
    let high: UInt64

    func hash(into hasher: inout Hasher) { hasher.combine(low) }
}

/// SipHash-2-4 with 128 bits of output, keyed at construction.
///
/// The standard library's `Hasher` would do as well but for two things: its key differs from process
/// to process, and it gives 64 bits.
///
/// Specification: Aumasson and Bernstein, "SipHash: a fast short-input PRF".
struct MessageKeyHash: Sendable {
    private let key: (UInt64, UInt64)

    init(random: inout DeterministicRandom) { key = (random.next(), random.next()) }

    init(key: (UInt64, UInt64)) { self.key = key }

    func callAsFunction(_ bytes: Span<UInt8>) -> MessageKey {
        var state = State(key: key)
        var offset = 0
        while bytes.count - offset >= 8 {
            state.absorb(bytes.loadLittleEndian(UInt64.self, at: offset))
            offset += 8
        }
        var last = UInt64(truncatingIfNeeded: bytes.count) << 56
        var shift: UInt64 = 0
        while offset < bytes.count {
            last |= UInt64(bytes[offset]) << shift
            shift += 8
            offset += 1
        }
        state.absorb(last)
        return state.finish()
    }

    func callAsFunction(_ bytes: [UInt8]) -> MessageKey { self(bytes.span) }

    private struct State {
        var v0: UInt64
        var v1: UInt64
        var v2: UInt64
        var v3: UInt64

        init(key: (UInt64, UInt64)) {
            v0 = key.0 ^ 0x736F_6D65_7073_6575
            v1 = key.1 ^ 0x646F_7261_6E64_6F6D ^ 0xEE
            v2 = key.0 ^ 0x6C79_6765_6E65_7261
            v3 = key.1 ^ 0x7465_6462_7974_6573
        }

        mutating func absorb(_ word: UInt64) {
            v3 ^= word
            round()
            round()
            v0 ^= word
        }

        mutating func finish() -> MessageKey {
            v2 ^= 0xEE
            for _ in 0..<4 { round() }
            let low = v0 ^ v1 ^ v2 ^ v3
            v1 ^= 0xDD
            for _ in 0..<4 { round() }
            return MessageKey(low: low, high: v0 ^ v1 ^ v2 ^ v3)
        }

        private mutating func round() {
            v0 &+= v1
            v1 = v1 << 13 | v1 >> 51
            v1 ^= v0
            v0 = v0 << 32 | v0 >> 32
            v2 &+= v3
            v3 = v3 << 16 | v3 >> 48
            v3 ^= v2
            v0 &+= v3
            v3 = v3 << 21 | v3 >> 43
            v3 ^= v0
            v2 &+= v1
            v1 = v1 << 17 | v1 >> 47
            v1 ^= v2
            v2 = v2 << 32 | v2 >> 32
        }
    }
}
