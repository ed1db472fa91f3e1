import ChoraleBase

/// Reads an input as a list of instructions. At its end every read gives zero, or nothing.
struct Program {
    private let bytes: [UInt8]
    private(set) var position = 0

    init(_ bytes: [UInt8]) { self.bytes = bytes }

    var isAtEnd: Bool { position >= bytes.count }

    mutating func byte() -> UInt8 {
        guard position < bytes.count else { return 0 }
        defer { position += 1 }
        return bytes[position]
    }

    mutating func word() -> Int { Int(byte()) << 8 | Int(byte()) }

    /// A number in `0..<bound`.
    mutating func below(_ bound: Int) -> Int { bound <= 1 ? 0 : Int(byte()) % bound }

    mutating func chance(_ numerator: Int, in denominator: Int) -> Bool {
        below(denominator) < numerator
    }

    /// A length byte and at most that many bytes.
    mutating func chunk() -> [UInt8] { take(Int(byte())) }

    /// A two-byte length and at most that many bytes.
    mutating func longChunk() -> [UInt8] { take(word()) }

    mutating func take(_ count: Int) -> [UInt8] {
        let end = min(bytes.count, position + count)
        defer { position = end }
        return Array(bytes[position..<end])
    }

    mutating func rest() -> [UInt8] { take(bytes.count) }

    /// From nothing to hours, small ones being likelier.
    mutating func duration() -> Duration {
        let value = Int64(byte())
        return .milliseconds(value * value * value / 4)
    }
}

/// Where to cut `input` into pieces: at every byte, or anywhere, as its own bytes say.
func pieces(_ input: [UInt8], everyByte: Bool) -> [[UInt8]] {
    if everyByte { return input.map { [$0] } }
    var hash = FNV()
    hash.add(input)
    var random = DeterministicRandom(seed: hash.value)
    var result: [[UInt8]] = []
    var offset = 0
    while offset < input.count {
        let size = min(input.count - offset, 1 + random.below(random.chance(1, in: 2) ? 4 : 64))
        result.append(Array(input[offset..<(offset + size)]))
        offset += size
    }
    return result
}

/// Runs `body` with the whole input, with random pieces, and (when it is short) byte by byte; the
/// results must be equal.
func sameHoweverCut<Result: Equatable>(
    _ input: [UInt8],
    _ name: String,
    _ body: ([[UInt8]]) -> Result
) -> Result {
    let whole = body([input])
    let cut = body(pieces(input, everyByte: false))
    require(whole == cut, "\(name) depends on how its input is cut: \(whole) and \(cut)")
    if input.count <= 256 {
        let bytes = body(pieces(input, everyByte: true))
        require(whole == bytes, "\(name) differs byte by byte: \(whole) and \(bytes)")
    }
    return whole
}

/// Fixed actors, so that signed seeds stay valid from run to run.
extension Now {
    static let start = Now(
        instant: .zero, wall: WallTime(milliseconds: 1_800_000_000_000))

    mutating func advance(_ duration: Duration) {
        instant = instant.advanced(by: duration)
        wall = wall.advanced(by: duration)
    }
}
