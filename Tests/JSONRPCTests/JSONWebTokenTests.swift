import ChoraleBase
import Codec
import Crypto
import Testing

@testable import JSONRPC

@Suite struct JSONWebTokenTests {
    static let secret = SecretBytes(copying: [UInt8](0..<32))
    static let now = WallTime(milliseconds: 1_700_000_000_000)

    /// A token of any parts, with a right signature unless one is given.
    static func token(
        header: String = #"{"alg":"HS256","typ":"JWT"}"#, claims: String,
        secret: SecretBytes = secret, signature: [UInt8]? = nil
    ) -> String {
        func part(_ bytes: [UInt8]) -> String {
            String(
                Base64.encode(bytes).filter { $0 != "=" }.map { character in
                    character == "+" ? "-" : character == "/" ? "_" : character
                })
        }
        let signed = part(Array(header.utf8)) + "." + part(Array(claims.utf8))
        let tag = secret.withSpan { HMACSHA256.authenticate(Array(signed.utf8).span, key: $0) }
        return signed + "." + part(signature ?? tag.storage.span.copied())
    }

    static func verify(_ token: String, at seconds: Int64 = 1_700_000_000) -> TokenError? {
        do throws(TokenError) {
            try JSONWebToken.verify(token, secret, at: WallTime(milliseconds: seconds * 1000))
            return nil
        } catch {
            return error
        }
    }

    @Test func whatIsSignedIsAccepted() throws {
        let token = JSONWebToken.sign(Self.secret, at: Self.now)
        #expect(Self.verify(token) == nil)
        #expect(token.hasPrefix("eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9."))
    }

    /// The example of RFC 7515 appendix A.1: its signature holds, its claims are of 2011.
    @Test func theExampleOfTheSpecification() throws {
        let key =
            "0323354b2b0fa5bc837e0665777ba68f5ab328e6f054c928a90f84b2d2502ebf"
            + "d3fb5a92d20647ef968ab4c377623d223d2e2172052e4f08c0cd9af567d080a3"
        let token =
            "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9"
            + ".eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ"
            + ".dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
        let secret = SecretBytes(copying: try Hex.decode(key))
        #expect(throws: TokenError.timeMissing) {
            try JSONWebToken.verify(token, secret, at: Self.now)
        }
    }

    @Test func theTimeMustBeNear() {
        let token = Self.token(claims: #"{"iat":1700000000}"#)
        for seconds in [-60, -1, 0, 1, 60] as [Int64] {
            #expect(Self.verify(token, at: 1_700_000_000 + seconds) == nil)
        }
        #expect(Self.verify(token, at: 1_700_000_061) == .time(-61, limit: 60))
        #expect(Self.verify(token, at: 1_699_999_939) == .time(61, limit: 60))
        // A fraction of a second, as some libraries write it.
        #expect(Self.verify(Self.token(claims: #"{"iat":1700000000.75}"#)) == nil)
    }

    static let hostile: [(String, String, TokenError)] = [
        ("nothing", "", .malformed("1 parts, not 3")),
        ("two parts", "a.b", .malformed("2 parts, not 3")),
        ("four parts", "a.b.c.d", .malformed("4 parts, not 3")),
        (
            "not base64", token(claims: #"{"iat":1700000000}"#) + "*",
            .malformed("the signature is not base64url")
        ),
        (
            "padding", token(claims: #"{"iat":1700000000}"#) + "=",
            .malformed("the signature is not base64url")
        ),
        ("no algorithm", token(header: "{}", claims: "{}"), .algorithm("")),
        (
            "algorithm none",
            token(header: #"{"alg":"none"}"#, claims: #"{"iat":1700000000}"#, signature: []),
            .algorithm("none")
        ),
        (
            "another algorithm", token(header: #"{"alg":"HS512"}"#, claims: #"{"iat":1700000000}"#),
            .algorithm("HS512")
        ),
        (
            "an algorithm that is no text",
            token(header: #"{"alg":["HS256"]}"#, claims: #"{"iat":1700000000}"#), .algorithm("")
        ),
        (
            "an extension",
            token(header: #"{"alg":"HS256","crit":["exp"]}"#, claims: #"{"iat":1700000000}"#),
            .malformed("`crit` is not supported")
        ),
        (
            "a header twice",
            token(header: #"{"alg":"HS256","alg":"none"}"#, claims: #"{"iat":1700000000}"#),
            .malformed("the header is not a JSON object")
        ),
        (
            "another secret",
            token(
                claims: #"{"iat":1700000000}"#,
                secret: SecretBytes(copying: [UInt8](repeating: 0, count: 32))), .signature
        ),
        ("no signature", token(claims: #"{"iat":1700000000}"#, signature: []), .signature),
        (
            "a short signature",
            token(claims: #"{"iat":1700000000}"#, signature: [UInt8](repeating: 0, count: 31)),
            .signature
        ),
        ("no time", token(claims: "{}"), .timeMissing),
        ("a time of text", token(claims: #"{"iat":"1700000000"}"#), .timeMissing),
        (
            "no finite time", token(claims: #"{"iat":1e400}"#),
            .malformed("the claims are not a JSON object")
        ),
        (
            "the end of time", token(claims: #"{"iat":-9223372036854775808}"#),
            .time(.min, limit: 60)
        ),
        (
            "claims that are a list", token(claims: "[]"),
            .malformed("the claims is not a JSON object")
        ),
        ("expired", token(claims: #"{"iat":1700000000,"exp":1700000000}"#), .expired),
        (
            "long", String(repeating: "a", count: 4097), .size(4097, limit: 4096)
        ),
    ]

    @Test(arguments: hostile.indices) func whatIsWrongIsNamed(index: Int) {
        let (name, token, expected) = Self.hostile[index]
        let found = Self.verify(token)
        if name == "no finite time" {
            // Whether a number without end is no JSON or no time.
            #expect(found != nil)
        } else {
            #expect(found == expected, "\(name)")
        }
    }

    /// Each character of a token counts: any other one is refused.
    @Test func everyCharacterIsSigned() {
        let token = Array(Self.token(claims: #"{"iat":1700000000}"#))
        for index in token.indices {
            for other in "Ab0_-." where other != token[index] {
                var changed = token
                changed[index] = other
                #expect(Self.verify(String(changed)) != nil, "\(index) \(other)")
            }
        }
    }

    @Test func theHeaderFieldIsRead() {
        let token = JSONWebToken.sign(Self.secret, at: Self.now)
        func verify(_ field: String?) -> TokenError? {
            do throws(TokenError) {
                try JSONWebToken.verify(authorization: field, Self.secret, at: Self.now)
                return nil
            } catch {
                return error
            }
        }
        #expect(verify("Bearer " + token) == nil)
        #expect(verify("bearer " + token) == nil)
        for wrong in [nil, "", "Bearer", token, "Basic " + token] {
            #expect(verify(wrong) == .missing)
        }
        #expect(verify("Bearer  " + token) != nil)
    }
}
