import ChoraleBase

/// Makes inputs out of inputs. The same seed makes the same inputs.
struct Mutator {
    var random: DeterministicRandom
    let sizeMax: Int

    /// What parsers treat as special: edges of integers, and words of the protocols.
    private static let words: [[UInt8]] = {
        var words: [[UInt8]] = [
            [0], [1], [0x7F], [0x80], [0xFF], [0xFF, 0xFF], [0x80, 0x00], [0x80, 0x01],
            [0x7F, 0xFF, 0xFF, 0xFF], [0x80, 0, 0, 0], [0xFF, 0xFF, 0xFF, 0xFF],
            [0, 0, 1, 0], [0, 1, 0, 0], [UInt8](repeating: 0xFF, count: 8),
            [0x80, 0, 0, 0, 0, 0, 0, 0], [UInt8](repeating: 0, count: 32),
            [0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x7F],
            [0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x01],
            [0xFF, 0x06, 0, 0] + Array("sNaPpY".utf8), [0x12, 0x20], [0, 0x24, 8, 1, 0x12, 0x20],
        ]
        let texts = [
            "/ip4/", "/ip6/", "/tcp/", "/udp/", "/dns/", "/dnsaddr/", "/p2p/", "/p2p-circuit",
            "/quic-v1", "/unix/", "/multistream/1.0.0\n", "/noise\n", "/yamux/1.0.0\n", "na\n",
            "ls\n", "blocks", "votes", "enr:-", "enode://", "127.0.0.1", "::1", "\"", "{", "}", "[",
            "]", ":", ",", "\n", "\\u0000", "\\ud800", "-1", "1e999", "0.1", "null", "true",
            "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"", "\u{0}", "é", "\u{1F4A9}",
        ]
        words += texts.map { Array($0.utf8) }
        for exponent in [7, 8, 14, 15, 16, 21, 28, 31, 32, 35, 42, 49, 56, 62] {
            let value = UInt64(1) << UInt64(exponent)
            words += [Varint.encoded(value), Varint.encoded(value - 1)]
        }
        return words
    }()

    /// A changed copy of one of `corpus`, which is not empty.
    mutating func input(from corpus: [[UInt8]]) -> [UInt8] {
        // The latest are the most surprising.
        let index =
            random.chance(1, in: 3)
            ? corpus.count - 1 - random.below(min(corpus.count, 8)) : random.below(corpus.count)
        var bytes = corpus[index]
        for _ in 0...random.below(random.chance(1, in: 4) ? 16 : 4) {
            change(&bytes, corpus)
        }
        if bytes.count > sizeMax { bytes.removeSubrange(sizeMax...) }
        return bytes
    }

    private mutating func change(_ bytes: inout [UInt8], _ corpus: [[UInt8]]) {
        let kind = random.below(14)
        guard !bytes.isEmpty else {
            bytes = random.bytes(count: 1 + random.below(16))
            return
        }
        let position = random.below(bytes.count)
        switch kind {
        case 0: bytes[position] ^= 1 << UInt8(random.below(8))
        case 1: bytes[position] = UInt8(random.below(256))
        case 2: bytes[position] &+= random.chance(1, in: 2) ? 1 : 255
        case 3: bytes.remove(at: position)
        case 4:
            let end = min(bytes.count, position + 1 + random.below(32))
            bytes.removeSubrange(position..<end)
        case 5: bytes.insert(UInt8(random.below(256)), at: position)
        case 6: bytes.insert(contentsOf: random.bytes(count: 1 + random.below(24)), at: position)
        case 7:
            // Repeats a part, sometimes many times: long lists, deep nesting.
            let end = min(bytes.count, position + 1 + random.below(32))
            let part = Array(bytes[position..<end])
            for _ in 0..<(random.chance(1, in: 8) ? 64 : 1) where bytes.count < sizeMax {
                bytes.insert(contentsOf: part, at: position)
            }
        case 8, 9:
            let word = Self.words[random.below(Self.words.count)]
            if random.chance(1, in: 2) {
                bytes.insert(contentsOf: word, at: position)
            } else {
                let end = min(bytes.count, position + word.count)
                bytes.replaceSubrange(position..<end, with: word)
            }
        case 10:
            // A splice: the front of this, the back of another.
            let other = corpus[random.below(corpus.count)]
            guard !other.isEmpty else { return }
            bytes.replaceSubrange(position..., with: other[random.below(other.count)...])
        case 11:
            // A part of another, put in.
            let other = corpus[random.below(corpus.count)]
            guard !other.isEmpty else { return }
            let start = random.below(other.count)
            let end = min(other.count, start + 1 + random.below(64))
            bytes.insert(contentsOf: other[start..<end], at: position)
        case 12: bytes.removeSubrange(position...)
        default:
            // What may be a length, a little off.
            let delta = random.below(9) - 4
            bytes[position] = UInt8(truncatingIfNeeded: Int(bytes[position]) + delta)
        }
    }
}
