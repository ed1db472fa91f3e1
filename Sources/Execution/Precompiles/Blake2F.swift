import ChoraleBase

/// The compression function of BLAKE2b with as many rounds as asked for.
///
/// Specification: EIP-152, RFC 7693 section 3.2.
enum Blake2F {
    static let inputSize = 213

    /// Rounds, which are also the gas; nil when the input is none.
    static func rounds(_ input: Span<UInt8>) -> UInt64? {
        guard input.count == inputSize, input[212] <= 1 else { return nil }
        return UInt64(input.loadBigEndian(UInt32.self, at: 0))
    }

    static func run(_ input: Span<UInt8>, into output: inout Arena<UInt8>) -> Bool {
        guard let rounds = rounds(input) else { return false }
        var state: [8 of UInt64] = .init(repeating: 0)
        for index in 0..<8 {
            state[index] = input.loadLittleEndian(UInt64.self, at: 4 + 8 * index)
        }
        var message: [16 of UInt64] = .init(repeating: 0)
        for index in 0..<16 {
            message[index] = input.loadLittleEndian(UInt64.self, at: 68 + 8 * index)
        }
        compress(
            &state, message, offset: input.loadLittleEndian(UInt64.self, at: 196),
            input.loadLittleEndian(UInt64.self, at: 204), isLast: input[212] == 1, rounds: rounds)
        for index in 0..<8 {
            for byte in 0..<8 {
                output.append(UInt8(truncatingIfNeeded: state[index] >> UInt64(8 * byte)))
            }
        }
        return true
    }

    private static func compress(
        _ state: inout [8 of UInt64], _ message: [16 of UInt64], offset low: UInt64,
        _ high: UInt64, isLast: Bool, rounds: UInt64
    ) {
        var v: [16 of UInt64] = .init(repeating: 0)
        for index in 0..<8 {
            v[index] = state[index]
            v[index + 8] = initial[index]
        }
        v[12] ^= low
        v[13] ^= high
        if isLast { v[14] = ~v[14] }

        func mix(_ a: Int, _ b: Int, _ c: Int, _ d: Int, _ x: UInt64, _ y: UInt64) {
            v[a] = v[a] &+ v[b] &+ x
            v[d] = rotate(v[d] ^ v[a], 32)
            v[c] = v[c] &+ v[d]
            v[b] = rotate(v[b] ^ v[c], 24)
            v[a] = v[a] &+ v[b] &+ y
            v[d] = rotate(v[d] ^ v[a], 16)
            v[c] = v[c] &+ v[d]
            v[b] = rotate(v[b] ^ v[c], 63)
        }
        var round = 0
        for _ in 0..<rounds {
            let row = 16 * round
            round = round == 9 ? 0 : round + 1
            func word(_ index: Int) -> UInt64 { message[Int(order[row + index])] }
            mix(0, 4, 8, 12, word(0), word(1))
            mix(1, 5, 9, 13, word(2), word(3))
            mix(2, 6, 10, 14, word(4), word(5))
            mix(3, 7, 11, 15, word(6), word(7))
            mix(0, 5, 10, 15, word(8), word(9))
            mix(1, 6, 11, 12, word(10), word(11))
            mix(2, 7, 8, 13, word(12), word(13))
            mix(3, 4, 9, 14, word(14), word(15))
        }
        for index in 0..<8 { state[index] ^= v[index] ^ v[index + 8] }
    }

    private static func rotate(_ word: UInt64, _ count: UInt64) -> UInt64 {
        word >> count | word << (64 - count)
    }

    private static let initial: [8 of UInt64] = [
        0x6A09_E667_F3BC_C908, 0xBB67_AE85_84CA_A73B, 0x3C6E_F372_FE94_F82B,
        0xA54F_F53A_5F1D_36F1, 0x510E_527F_ADE6_82D1, 0x9B05_688C_2B3E_6C1F,
        0x1F83_D9AB_FB41_BD6B, 0x5BE0_CD19_137E_2179,
    ]

    /// Ten rows of sixteen: in which order a round takes the words of the message.
    private static let order: [160 of UInt8] = [
        0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15,
        14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3,
        11, 8, 12, 0, 5, 2, 15, 13, 10, 14, 3, 6, 7, 1, 9, 4,
        7, 9, 3, 1, 13, 12, 11, 14, 2, 6, 5, 10, 4, 0, 15, 8,
        9, 0, 5, 7, 2, 4, 10, 15, 14, 1, 11, 12, 6, 8, 3, 13,
        2, 12, 6, 10, 0, 11, 8, 3, 4, 13, 7, 5, 15, 14, 1, 9,
        12, 5, 1, 15, 14, 13, 4, 10, 0, 7, 6, 3, 9, 2, 8, 11,
        13, 11, 7, 14, 12, 1, 3, 9, 5, 0, 15, 4, 8, 6, 2, 10,
        6, 15, 14, 9, 11, 3, 0, 8, 12, 2, 13, 7, 1, 4, 10, 5,
        10, 2, 8, 4, 7, 6, 1, 5, 15, 11, 9, 14, 3, 12, 13, 0,
    ]
}
