/// Text that says in which base it is written: one prefix character, then digits.
///
/// Every encoding of the registry is here but `base256emoji` and the identity prefix, which no
/// libp2p implementation prints or reads.
///
/// Specification: multiformats/multibase, `multibase.csv`.
public enum Multibase {
    /// Why text was refused.
    public enum DecodeError: Error, Equatable, Sendable {
        /// No prefix character.
        case empty
        case unknownPrefix(Unicode.Scalar)
        case tooLarge(size: Int, limit: Int)
        /// A byte, counted without the prefix, that is no digit of the base.
        case invalidDigit(position: Int)
        /// The digits do not make whole bytes, or the bits left over are not zero.
        case strayBits
        /// Padding that is missing, too much, or not allowed in this encoding.
        case wrongPadding
    }

    /// Longest text decoded, in bytes without the prefix.
    ///
    /// Bases that are no power of two cost quadratic time. The longest text in use is a CIDv1 of a
    /// SHA-512 multihash, 113 characters in base32; a node record in base64url has 400.
    public static let textSizeMax = 1024

    /// Encodes `bytes`, with the prefix.
    public static func encode(_ bytes: [UInt8], as encoding: Encoding) -> String {
        String(Character(encoding.prefix)) + encoding.encode(bytes)
    }

    /// Decodes text that starts with a prefix.
    ///
    /// Encodings with one case of letters are read in either case, as their specification asks.
    public static func decode(
        _ text: String
    ) throws(DecodeError) -> (encoding: Encoding, bytes: [UInt8]) {
        guard let prefix = text.unicodeScalars.first else { throw .empty }
        guard let encoding = Encoding.allCases.first(where: { $0.prefix == prefix }) else {
            throw .unknownPrefix(prefix)
        }
        // Every known prefix is one byte long.
        return (encoding, try encoding.decode(text.utf8.dropFirst()))
    }
}

extension Multibase {
    /// One base and its alphabet.
    public enum Encoding: CaseIterable, Hashable, Sendable {
        case base2, base8, base10, base16, base16upper
        case base32, base32upper, base32hex, base32hexupper
        case base32pad, base32padupper, base32hexpad, base32hexpadupper, base32z
        case base36, base36upper, base58btc, base58flickr
        case base64, base64pad, base64url, base64urlpad

        /// The character that names this encoding.
        public var prefix: Unicode.Scalar {
            switch self {
            case .base2: "0"
            case .base8: "7"
            case .base10: "9"
            case .base16: "f"
            case .base16upper: "F"
            case .base32: "b"
            case .base32upper: "B"
            case .base32hex: "v"
            case .base32hexupper: "V"
            case .base32pad: "c"
            case .base32padupper: "C"
            case .base32hexpad: "t"
            case .base32hexpadupper: "T"
            case .base32z: "h"
            case .base36: "k"
            case .base36upper: "K"
            case .base58btc: "z"
            case .base58flickr: "Z"
            case .base64: "m"
            case .base64pad: "M"
            case .base64url: "u"
            case .base64urlpad: "U"
            }
        }

        /// Encodes without the prefix.
        ///
        /// - Complexity: O(n) for powers of two, O(n²) for bases 10, 36 and 58.
        public func encode(_ bytes: [UInt8]) -> String {
            switch alphabet {
            case .bits(let alphabet): alphabet.encode(bytes)
            case .radix(let alphabet): alphabet.encode(bytes)
            }
        }

        /// Decodes digits without a prefix, at most ``Multibase/textSizeMax`` of them.
        public func decode(_ text: String) throws(DecodeError) -> [UInt8] {
            try decode(text.utf8[...])
        }

        func decode(_ text: Substring.UTF8View) throws(DecodeError) -> [UInt8] {
            let digits = Array(text)
            guard digits.count <= Multibase.textSizeMax else {
                throw .tooLarge(size: digits.count, limit: Multibase.textSizeMax)
            }
            switch alphabet {
            case .bits(let alphabet): return try alphabet.decode(digits)
            case .radix(let alphabet): return try alphabet.decode(digits)
            }
        }

        private enum Alphabet {
            case bits(BitAlphabet)
            case radix(RadixAlphabet)
        }

        private var alphabet: Alphabet {
            guard let alphabet = Self.alphabets[self] else {
                preconditionFailure("every encoding has an alphabet")
            }
            return alphabet
        }

        /// Made once: a peer id is printed and read often.
        private static let alphabets = Dictionary(
            uniqueKeysWithValues: allCases.map { ($0, $0.makeAlphabet()) })

        private func makeAlphabet() -> Alphabet {
            switch self {
            case .base2: .bits(BitAlphabet("01", bits: 1))
            case .base8: .bits(BitAlphabet("01234567", bits: 3))
            case .base10: .radix(RadixAlphabet("0123456789"))
            case .base16: .bits(BitAlphabet(Self.digits16, bits: 4, cases: .either))
            case .base16upper:
                .bits(BitAlphabet(Self.digits16.uppercased(), bits: 4, cases: .either))
            case .base32: .bits(BitAlphabet(Self.digits32, bits: 5, cases: .either))
            case .base32upper:
                .bits(BitAlphabet(Self.digits32.uppercased(), bits: 5, cases: .either))
            case .base32hex: .bits(BitAlphabet(Self.digits32hex, bits: 5, cases: .either))
            case .base32hexupper:
                .bits(BitAlphabet(Self.digits32hex.uppercased(), bits: 5, cases: .either))
            case .base32pad: .bits(BitAlphabet(Self.digits32, bits: 5, cases: .either, padTo: 8))
            case .base32padupper:
                .bits(
                    BitAlphabet(Self.digits32.uppercased(), bits: 5, cases: .either, padTo: 8))
            case .base32hexpad:
                .bits(BitAlphabet(Self.digits32hex, bits: 5, cases: .either, padTo: 8))
            case .base32hexpadupper:
                .bits(
                    BitAlphabet(Self.digits32hex.uppercased(), bits: 5, cases: .either, padTo: 8))
            case .base32z: .bits(BitAlphabet("ybndrfg8ejkmcpqxot1uwisza345h769", bits: 5))
            case .base36: .radix(RadixAlphabet(Self.digits36, cases: .either))
            case .base36upper: .radix(RadixAlphabet(Self.digits36.uppercased(), cases: .either))
            case .base58btc:
                .radix(RadixAlphabet(Self.digits58btc))
            case .base58flickr:
                .radix(RadixAlphabet(Self.digits58flickr))
            case .base64: .bits(BitAlphabet(Self.digits62 + "+/", bits: 6))
            case .base64pad: .bits(BitAlphabet(Self.digits62 + "+/", bits: 6, padTo: 4))
            case .base64url: .bits(BitAlphabet(Self.digits62 + "-_", bits: 6))
            case .base64urlpad: .bits(BitAlphabet(Self.digits62 + "-_", bits: 6, padTo: 4))
            }
        }

        private static let digits16 = "0123456789abcdef"
        private static let digits32 = "abcdefghijklmnopqrstuvwxyz234567"
        private static let digits32hex = "0123456789abcdefghijklmnopqrstuv"
        private static let digits36 = "0123456789abcdefghijklmnopqrstuvwxyz"
        private static let digits58btc =
            "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
        private static let digits58flickr =
            "123456789abcdefghijkmnopqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ"
        private static let digits62 =
            "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
    }
}

/// Bitcoin's base58: how peer ids are printed.
public enum Base58 {
    /// - Complexity: O(n²).
    public static func encode(_ bytes: [UInt8]) -> String {
        Multibase.Encoding.base58btc.encode(bytes)
    }

    /// Decodes at most ``Multibase/textSizeMax`` digits. Each leading `1` is a zero byte.
    public static func decode(_ text: String) throws(Multibase.DecodeError) -> [UInt8] {
        try Multibase.Encoding.base58btc.decode(text)
    }
}
