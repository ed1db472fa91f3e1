import ChoraleBase

/// Walks JSON text without building it: a witness of 20 MB is 40 MB of text that is mostly digits.
///
/// It holds a position only; pass the same text to every call. Names and strings that are looked for have
/// no escapes, so that those with some are only passed over.
struct JSONScanner {
    /// Lists and objects inside each other that are passed over.
    private static let depthMax = 16

    private(set) var position = 0

    /// The next character that is no white space; zero at the end.
    mutating func next(_ text: Span<UInt8>) -> UInt8 {
        while position < text.count {
            switch text[position] {
            case 0x20, 0x0A, 0x0D, 0x09: position += 1
            case let character: return character
            }
        }
        return 0
    }

    private mutating func take(
        _ character: UInt8, _ text: Span<UInt8>
    ) throws(WitnessError) {
        guard next(text) == character else {
            throw .json(member: String(UnicodeScalar(character)))
        }
        position += 1
    }

    mutating func takeNull(_ text: Span<UInt8>) -> Bool {
        guard next(text) == UInt8(ascii: "n") else { return false }
        let end = position + 4
        guard end <= text.count,
            text.extracting(position..<end).isEqual(to: Array("null".utf8).span)
        else { return false }
        position = end
        return true
    }

    /// Where the characters of the string that comes next lie, escapes left as they are.
    mutating func string(_ text: Span<UInt8>) throws(WitnessError) -> Range<Int> {
        try take(UInt8(ascii: "\""), text)
        let start = position
        while position < text.count {
            switch text[position] {
            case UInt8(ascii: "\""):
                position += 1
                return start..<position - 1
            case 0..<0x20: throw .json(member: "string")
            case UInt8(ascii: "\\"): position += 2
            default: position += 1
            }
        }
        throw .json(member: "string")
    }

    /// Appends the bytes that the string which comes next has digits of, found and decoded in one pass.
    mutating func hexString(
        _ text: Span<UInt8>, into bytes: inout [UInt8]
    ) throws(WitnessError) -> (run: Hex.Run, isPrefixed: Bool) {
        try take(UInt8(ascii: "\""), text)
        let isPrefixed = HexText.isPrefixed(text, position, text.count)
        if isPrefixed { position += 2 }
        let run = Hex.decodeRun(text, from: position, into: &bytes)
        position += run.digitCount
        guard position < text.count, text[position] == UInt8(ascii: "\"") else {
            throw .hex(position: position)
        }
        position += 1
        return (run, isPrefixed)
    }

    /// Calls `member` with where each member's name lies, the scanner standing before its value.
    mutating func object(
        _ text: Span<UInt8>,
        _ member: (inout JSONScanner, Span<UInt8>, Range<Int>) throws(WitnessError) -> Void
    ) throws(WitnessError) {
        try take(UInt8(ascii: "{"), text)
        if next(text) == UInt8(ascii: "}") {
            position += 1
            return
        }
        while true {
            let name = try string(text)
            try take(UInt8(ascii: ":"), text)
            try member(&self, text, name)
            if next(text) == UInt8(ascii: "}") {
                position += 1
                return
            }
            try take(UInt8(ascii: ","), text)
        }
    }

    mutating func array(
        _ text: Span<UInt8>,
        _ element: (inout JSONScanner, Span<UInt8>) throws(WitnessError) -> Void
    ) throws(WitnessError) {
        try take(UInt8(ascii: "["), text)
        if next(text) == UInt8(ascii: "]") {
            position += 1
            return
        }
        while true {
            try element(&self, text)
            if next(text) == UInt8(ascii: "]") {
                position += 1
                return
            }
            try take(UInt8(ascii: ","), text)
        }
    }

    /// Passes over a value of any kind.
    mutating func skip(_ text: Span<UInt8>) throws(WitnessError) { try skip(text, depth: 0) }

    private mutating func skip(_ text: Span<UInt8>, depth: Int) throws(WitnessError) {
        guard depth < Self.depthMax else { throw .json(member: "depth") }
        switch next(text) {
        case UInt8(ascii: "{"):
            try object(text) { (scanner, text, _) throws(WitnessError) in
                try scanner.skip(text, depth: depth + 1)
            }
        case UInt8(ascii: "["):
            try array(text) { (scanner, text) throws(WitnessError) in
                try scanner.skip(text, depth: depth + 1)
            }
        case UInt8(ascii: "\""):
            _ = try string(text)
        default:
            let start = position
            while position < text.count, Self.isScalar(text[position]) { position += 1 }
            guard position > start else { throw .json(member: "value") }
        }
    }

    /// Characters of numbers and of `true`, `false` and `null`.
    private static func isScalar(_ character: UInt8) -> Bool {
        switch character {
        case 0x30...0x39, 0x61...0x7A, 0x45, 0x2B, 0x2D, 0x2E: true
        default: false
        }
    }

    /// Says that nothing may follow.
    mutating func finish(_ text: Span<UInt8>) throws(WitnessError) {
        guard next(text) == 0, position == text.count else { throw .json(member: "end") }
    }
}
