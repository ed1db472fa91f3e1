import ChoraleBase
import Codec

/// SHA-256, for roots in the tests of a module that may not import `Crypto`.
///
/// Specification: FIPS 180-4. Checked by `SSZRootVectorTests.zeroRoots` against published roots.
enum TestSHA256: SHA256Hashing {
    static func combine(_ left: Bytes32, _ right: Bytes32) -> Bytes32 {
        let digest = hash(left.bytes + right.bytes)
        guard let root = Bytes32(digest) else { preconditionFailure("a digest has 32 bytes") }
        return root
    }

    static func hash(_ message: [UInt8]) -> [UInt8] {
        var padded = message + [0x80]
        while padded.count % 64 != 56 { padded.append(0) }
        padded.appendBigEndian(UInt64(message.count) * 8)

        var state: [UInt32] = [
            0x6A09_E667, 0xBB67_AE85, 0x3C6E_F372, 0xA54F_F53A,
            0x510E_527F, 0x9B05_688C, 0x1F83_D9AB, 0x5BE0_CD19,
        ]
        for block in stride(from: 0, to: padded.count, by: 64) {
            var w = (0..<16).map {
                padded.span.loadBigEndian(UInt32.self, at: block + 4 * $0)
            }
            for i in 16..<64 {
                let s0 = rotate(w[i - 15], 7) ^ rotate(w[i - 15], 18) ^ w[i - 15] >> 3
                let s1 = rotate(w[i - 2], 17) ^ rotate(w[i - 2], 19) ^ w[i - 2] >> 10
                w.append(w[i - 16] &+ s0 &+ w[i - 7] &+ s1)
            }
            var v = state
            for i in 0..<64 {
                let s1 = rotate(v[4], 6) ^ rotate(v[4], 11) ^ rotate(v[4], 25)
                let choice = v[4] & v[5] ^ ~v[4] & v[6]
                let first = v[7] &+ s1 &+ choice &+ constants[i] &+ w[i]
                let s0 = rotate(v[0], 2) ^ rotate(v[0], 13) ^ rotate(v[0], 22)
                let majority = v[0] & v[1] ^ v[0] & v[2] ^ v[1] & v[2]
                v = [
                    first &+ s0 &+ majority, v[0], v[1], v[2], v[3] &+ first, v[4], v[5], v[6],
                ]
            }
            for i in 0..<8 { state[i] &+= v[i] }
        }
        var digest: [UInt8] = []
        for word in state { digest.appendBigEndian(word) }
        return digest
    }

    private static func rotate(_ word: UInt32, _ count: UInt32) -> UInt32 {
        word >> count | word << (32 - count)
    }

    /// Fractional parts of the cube roots of the first 64 primes, by integer arithmetic.
    private static let constants: [UInt32] = {
        var primes: [UInt128] = []
        var candidate: UInt128 = 2
        while primes.count < 64 {
            if primes.allSatisfy({ candidate % $0 != 0 }) { primes.append(candidate) }
            candidate += 1
        }
        return primes.map { prime in
            // The greatest x with x³ <= prime · 2^96 is the cube root with 32 fractional bits.
            var low: UInt128 = 0
            var high: UInt128 = 1 << 36
            while high - low > 1 {
                let middle = (low + high) / 2
                if middle * middle * middle <= prime << 96 { low = middle } else { high = middle }
            }
            return UInt32(truncatingIfNeeded: low)
        }
    }()
}
