import ChoraleBase
import Codec
import Execution

/// Numbers and bytes as genesis files write them: geth's `HexOrDecimal256`, `hexutil.Bytes` and hashes.
extension JSONValue {
    /// Below 2^256: a JSON number, or text in hexadecimal behind `0x` or in decimal.
    var genesisWord: UInt256? {
        if let number = uint64 { return UInt256(number) }
        guard let text = string else { return nil }
        return UInt256(genesisText: text)
    }

    /// Below 2^64, as ``genesisWord``.
    var genesisUInt64: UInt64? { genesisWord?.uint64 }

    /// Whole bytes in hexadecimal behind `0x`.
    var genesisBytes: [UInt8]? {
        guard let text = string, text.hasPrefix("0x") || text.isEmpty else { return nil }
        return try? Hex.decode(text)
    }

    /// 32 bytes in hexadecimal.
    var genesisHash: Bytes32? { genesisBytes.flatMap { Bytes32($0) } }

    var genesisAddress: Address? { string.flatMap(Address.init(genesisText:)) }

    /// Short, for messages.
    var shortText: String {
        switch self {
        case .string(let text): String(text.prefix(80))
        case .array: "a list"
        case .object: "an object"
        case .null, .bool, .integer, .unsigned, .number: text
        }
    }
}

extension Address {
    /// 40 hexadecimal digits, `0x` in front or not.
    init?(genesisText text: String) {
        guard text.utf8.count <= 42, let bytes = try? Hex.decode(text) else { return nil }
        self.init(bytes.span)
    }
}

extension UInt256 {
    /// Hexadecimal behind `0x`, else decimal; leading zeros allowed, signs and blanks not.
    init?(genesisText text: String) {
        var result = UInt256.zero
        if text.hasPrefix("0x") {
            let digits = text.utf8.dropFirst(2).drop { $0 == UInt8(ascii: "0") }
            guard text.utf8.count > 2, digits.count <= 64 else { return nil }
            for digit in digits {
                guard let value = Character(UnicodeScalar(digit)).hexDigitValue else { return nil }
                result = (result << 4) | UInt256(UInt64(value))
            }
        } else {
            guard !text.isEmpty, text.utf8.count <= 78 else { return nil }
            for digit in text.utf8 {
                guard (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(digit) else { return nil }
                let (high, low) = result.multipliedFullWidth(by: UInt256(10))
                let sum = low &+ UInt256(UInt64(digit - UInt8(ascii: "0")))
                guard high.isZero, sum >= low else { return nil }
                result = sum
            }
        }
        self = result
    }
}
