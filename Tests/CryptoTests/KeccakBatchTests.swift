import ChoraleBase
import Testing

@testable import Crypto

@Suite struct KeccakBatchTests {
    /// Whatever their sizes and their number, many digests at once are those of each alone.
    @Test(arguments: UInt64(0)..<8) func agreesWithOneByOne(seed: UInt64) {
        var random = DeterministicRandom(seed: seed)
        var bytes: [UInt8] = []
        for _ in 0..<20_000 { bytes.append(UInt8(truncatingIfNeeded: random.next())) }
        for count in [0, 1, 2, 3, 4, 5, 7, 8, 9, 16, 17, 100] {
            var parts: [Range<Int>] = []
            for index in 0..<count {
                // Around multiples of the rate, where padding is a block of its own.
                let size = Int(random.next() % 6) * 136 + Int(random.next() % 5) - 2
                let start = Int(random.next() % 10_000)
                parts.append(index == 3 ? start..<start : start..<start + max(size, 0))
            }
            let batch = Keccak256.hashes(of: parts, in: bytes.span)
            #expect(batch == parts.map { Keccak256.hash(Array(bytes[$0])) })
        }
    }

    @Test func aPartMayReachTheEnd() {
        let bytes = [UInt8](repeating: 7, count: 300)
        let parts = [0..<300, 299..<300, 300..<300, 164..<300, 163..<300]
        let batch = Keccak256.hashes(of: parts, in: bytes.span)
        #expect(batch == parts.map { Keccak256.hash(Array(bytes[$0])) })
    }

    /// Whatever this processor has for it does what portable code does.
    @Test func permutationsAgree() {
        var random = DeterministicRandom(seed: 9)
        var lanes = [25 of UInt64](repeating: 0)
        for _ in 0..<100 {
            for index in 0..<25 { lanes[index] ^= random.next() }
            var portable = lanes
            Keccak256.permute(&lanes)
            Keccak256.permutePortably(&portable)
            for index in 0..<25 { #expect(lanes[index] == portable[index]) }
        }
    }
}
