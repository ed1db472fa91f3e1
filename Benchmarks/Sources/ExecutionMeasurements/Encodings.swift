import ChoraleBase
import Execution

/// Encodings of witnesses as large as they come.
enum Encodings {
    /// Bytes of a witness of a full block.
    static let witnessSize = 17_000_000

    /// Parts of the sizes that real witnesses have: mostly full branches.
    static let witness: Witness = {
        var random = DeterministicRandom(seed: 17)
        var nodes: [[UInt8]] = []
        var size = 0
        while size < witnessSize - 3_000_000 {
            let node = random.bytes(count: nodes.count % 3 == 2 ? 90 : 532)
            nodes.append(node)
            size += node.count + 3
        }
        let codes = (0..<250).map { _ in random.bytes(count: 12_000) }
        return Witness(headers: [], codes: codes, nodes: nodes)
    }()

    /// Seconds to encode and decode it once.
    static func rlp() throws -> (encode: Double, decode: Double) {
        let witness = witness
        var watch = Stopwatch()
        let bytes = witness.rlp()
        let encode = watch.lap()
        let again = try Witness(rlp: bytes)
        let decode = watch.lap()
        guard again.nodes.count == witness.nodes.count, again.codes.count == witness.codes.count,
            bytes.count > witnessSize - 100_000
        else { throw MeasurementError("another witness came back") }
        return (encode, decode)
    }

    /// Seconds to turn the witness's bytes into digits and back, in buffers that were used before: what
    /// the kernel takes to make fresh pages is as much again.
    static func hex() throws -> (encode: Double, decode: Double, size: Int) {
        let bytes = witness.bytes
        var digits: [UInt8] = []
        var again: [UInt8] = []
        var encode = 0.0
        var decode = 0.0
        for _ in 0..<2 {
            digits.removeAll(keepingCapacity: true)
            again.removeAll(keepingCapacity: true)
            var watch = Stopwatch()
            Hex.encode(bytes.span, into: &digits)
            encode = watch.lap()
            try Hex.decode(digits.span, into: &again)
            decode = watch.lap()
        }
        guard again == bytes else { throw MeasurementError("other bytes came back") }
        return (encode, decode, bytes.count)
    }
}
