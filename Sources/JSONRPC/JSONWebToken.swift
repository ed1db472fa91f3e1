public import ChoraleBase
import Codec
public import Crypto

/// Why a token is not accepted.
public enum TokenError: Error, Hashable, Sendable {
    case missing
    /// More bytes than any token here needs.
    case size(Int, limit: Int)
    /// Not three parts of base64url with JSON in the first two.
    case malformed(String)
    case algorithm(String)
    case signature
    /// Without the time of its making.
    case timeMissing
    /// Made this many seconds from now; after now if above zero.
    case time(Int64, limit: Int64)
    case expired
}

extension TokenError: CustomStringConvertible {
    public var description: String {
        switch self {
        case .missing: "missing token: `Authorization: Bearer …` is expected"
        case .size(let size, let limit): "the token has \(size) bytes, more than \(limit)"
        case .malformed(let detail): "not a token: \(detail)"
        case .algorithm(let name): "the token's algorithm is `\(name)`; only HS256 is accepted"
        case .signature: "the token's signature is not by this secret"
        case .timeMissing: "the token has no `iat`"
        case .time(let seconds, let limit):
            "the token's `iat` is \(seconds.magnitude) s \(seconds > 0 ? "ahead" : "ago"); "
                + "\(limit) s are allowed: are the clocks right?"
        case .expired: "the token has expired"
        }
    }
}

/// Tokens that show that a caller has a secret: JWT with HS256 and nothing else.
///
/// Specification: RFC 7515, 7519; Ethereum execution APIs, engine, "Authentication".
public enum JSONWebToken {
    /// Bytes of the secret.
    public static let secretSize = 32
    /// Between `iat` and now, in seconds.
    public static let timeDifferenceMax: Int64 = 60
    /// Bytes. Those of consensus clients have some 130.
    public static let sizeMax = 4096

    private static let header = #"{"alg":"HS256","typ":"JWT"}"#

    /// - Parameter now: becomes `iat`.
    public static func sign(_ secret: SecretBytes, at now: WallTime) -> String {
        let signed =
            base64URL(Array(header.utf8)) + "."
            + base64URL(Array(#"{"iat":\#(now.seconds)}"#.utf8))
        let tag = authenticate(Array(signed.utf8), secret)
        return signed + "." + base64URL(tag.storage.span.copied())
    }

    /// Checks a token.
    ///
    /// Nothing that is in its second part is read before the signature holds; which algorithm is used is
    /// not the token's to say.
    public static func verify(
        _ token: some StringProtocol, _ secret: SecretBytes, at now: WallTime
    ) throws(TokenError) {
        let bytes = Array(token.utf8)
        guard bytes.count <= sizeMax else { throw .size(bytes.count, limit: sizeMax) }
        let parts = bytes.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
        guard parts.count == 3 else { throw .malformed("\(parts.count) parts, not 3") }
        let header = try json(parts[0], "header")
        guard header["alg"]?.string == "HS256" else {
            throw .algorithm(String((header["alg"]?.string ?? "").prefix(32)))
        }
        // An extension that must be understood (RFC 7515 §4.1.11) is not.
        guard header["crit"] == nil else { throw .malformed("`crit` is not supported") }

        guard let tag = base64URL(parts[2]) else {
            throw .malformed("the signature is not base64url")
        }
        let expected = authenticate(Array(bytes[..<parts[1].endIndex]), secret)
        guard constantTimeEqual(tag.span, expected.storage.span) else { throw .signature }

        let claims = try json(parts[1], "claims")
        guard let made = seconds(claims["iat"]) else { throw .timeMissing }
        let (difference, overflow) = made.subtractingReportingOverflow(now.seconds)
        guard !overflow, difference.magnitude <= timeDifferenceMax.magnitude else {
            throw .time(overflow ? (made < 0 ? .min : .max) : difference, limit: timeDifferenceMax)
        }
        if let expiry = claims["exp"] {
            guard let end = seconds(expiry), end > now.seconds else { throw .expired }
        }
    }

    /// The token of an `Authorization` header.
    public static func verify(
        authorization: String?, _ secret: SecretBytes, at now: WallTime
    ) throws(TokenError) {
        guard let authorization else { throw .missing }
        let scheme = "bearer "
        guard authorization.prefix(scheme.count).lowercased() == scheme else { throw .missing }
        try verify(authorization.dropFirst(scheme.count), secret, at: now)
    }

    // MARK: Parts

    private static func authenticate(_ message: [UInt8], _ secret: SecretBytes) -> Bytes32 {
        secret.withSpan { HMACSHA256.authenticate(message.span, key: $0) }
    }

    /// A numeric date, which may have a fraction.
    private static func seconds(_ value: JSONValue?) -> Int64? {
        switch value {
        case .integer(let seconds): seconds
        case .number(let seconds): Int64(exactly: seconds.rounded(.down))
        default: nil
        }
    }

    private static func json(
        _ part: ArraySlice<UInt8>, _ name: String
    ) throws(TokenError) -> JSONObject {
        guard let bytes = base64URL(part) else { throw .malformed("the \(name) is not base64url") }
        var limits = JSONValue.Limits()
        limits.depthMax = 4
        limits.valueCountMax = 64
        guard let value = try? JSONValue(parsing: bytes, limits: limits), let object = value.object
        else { throw .malformed("the \(name) is not a JSON object") }
        return object
    }

    /// RFC 7515 §2: the alphabet of file names, without padding.
    private static func base64URL(_ bytes: [UInt8]) -> String {
        String(
            Base64.encode(bytes).compactMap { character -> Character? in
                switch character {
                case "+": "-"
                case "/": "_"
                case "=": nil
                default: character
                }
            })
    }

    private static func base64URL(_ text: ArraySlice<UInt8>) -> [UInt8]? {
        var standard = ""
        standard.reserveCapacity(text.count + 2)
        for byte in text {
            switch byte {
            case UInt8(ascii: "-"): standard.append("+")
            case UInt8(ascii: "_"): standard.append("/")
            case UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "a")...UInt8(ascii: "z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"):
                standard.unicodeScalars.append(Unicode.Scalar(byte))
            default: return nil
            }
        }
        guard text.count % 4 != 1 else { return nil }
        while !standard.utf8.count.isMultiple(of: 4) { standard.append("=") }
        guard let bytes = Base64.decode(standard) else { return nil }
        // One text for each value: bits that nobody reads are not there to be chosen.
        return base64URL(bytes).utf8.elementsEqual(text) ? bytes : nil
    }
}
