import Codec

/// Certificates in the form of Intel's chains: base64 between lines, one after the other.
///
/// Strict: nothing before, between or after the certificates but line ends, and at most one zero byte
/// at the end, which quotes have.
///
/// Specification: RFC 7468, section 5.
enum PEM {
    private static let begin = Array("-----BEGIN CERTIFICATE-----".utf8)
    private static let end = Array("-----END CERTIFICATE-----".utf8)

    /// The certificates' encodings, in order; nil for anything else, and for more than `countMax`.
    static func certificates(_ text: ArraySlice<UInt8>, countMax: Int) -> [[UInt8]]? {
        var rest = text
        if rest.last == 0 { rest.removeLast() }
        var certificates: [[UInt8]] = []
        while true {
            skipLineEnds(&rest)
            if rest.isEmpty { return certificates.isEmpty ? nil : certificates }
            guard certificates.count < countMax, rest.starts(with: begin) else { return nil }
            rest.removeFirst(begin.count)
            guard let stop = rest.firstIndex(of: UInt8(ascii: "-")),
                rest[stop...].starts(with: end)
            else { return nil }
            let base64 = rest[..<stop].filter { $0 != 0x0A && $0 != 0x0D }
            guard let bytes = Base64.decode(String(decoding: base64, as: UTF8.self)),
                !bytes.isEmpty
            else { return nil }
            certificates.append(bytes)
            rest = rest[(stop + end.count)...]
        }
    }

    private static func skipLineEnds(_ rest: inout ArraySlice<UInt8>) {
        while let first = rest.first, first == 0x0A || first == 0x0D { rest.removeFirst() }
    }
}
