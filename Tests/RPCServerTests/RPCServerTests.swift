import ChoraleBase
import Codec
import Crypto
import Glibc
import HTTP
import JSONRPC
import TestSupport
import Testing

@testable import RPCServer

/// Calls over real sockets.
@Suite struct RPCServerTests {
    static let secret = SecretBytes(copying: [UInt8](repeating: 7, count: 32))
    static let now = WallTime(milliseconds: 1_700_000_000_000)

    private func start(_ options: RPCServer.Options = .init()) throws -> RPCServer {
        try RPCServer(address: "127.0.0.1:0", options: options, now: { Self.now }) {
            (request) throws(RPCError) in
            switch request.method {
            case "echo": return request.params ?? .null
            case "long": return .string(String(repeating: "x", count: 1000))
            default: throw .unknownMethod(request.method, nearest: nil)
            }
        }
    }

    private func exchange(
        _ server: RPCServer, _ body: String, method: String = "POST", path: String = "/",
        fields: [String] = ["Host: localhost", "Content-Type: application/json"]
    ) throws -> (head: String, body: String) {
        let client = try LoopbackClient(port: try #require(LoopbackClient.port(of: server.address)))
        let lines =
            ["\(method) \(path) HTTP/1.1"] + fields
            + ["Connection: close", "Content-Length: \(body.utf8.count)", "", ""]
        try client.send(Array((lines.joined(separator: "\r\n") + body).utf8), isLast: false)
        let answer = String(decoding: client.receiveAll(), as: UTF8.self)
        let end = try #require(answer.firstRange(of: "\r\n\r\n"))
        return (String(answer[..<end.lowerBound]), String(answer[end.upperBound...]))
    }

    @Test func callsAreAnswered() throws {
        let server = try start()
        defer { server.stop() }
        let one = #"{"jsonrpc":"2.0","id":1,"method":"echo","params":[7]}"#
        let note = #"{"jsonrpc":"2.0","method":"echo","params":[7]}"#
        let answer = #"{"jsonrpc":"2.0","id":1,"result":[7]}"#
        let table: [(String, String)] = [
            (one, answer), ("[\(one),\(note),\(one)]", "[\(answer),\(answer)]"), (note, ""),
            ("[\(note)]", ""),
        ]
        for (body, expected) in table {
            let found = try exchange(server, body)
            #expect(found.head.hasPrefix("HTTP/1.1 200 "))
            #expect(found.head.contains("Content-Type: application/json"))
            #expect(found.body == expected)
        }
        for (body, code) in [
            ("", -32700), ("{", -32700), ("[]", -32600), ("7", -32600), ("{}", -32600),
            (#"{"jsonrpc":"2.0","id":1,"method":"no"}"#, -32601),
        ] {
            let found = try exchange(server, body)
            let document = try JSONValue(parsing: Array(found.body.utf8))
            #expect(document["error"]?["code"]?.int == code, "\(body)")
        }
    }

    @Test func sizesAreBounded() throws {
        var options = RPCServer.Options()
        options.body.batchCountMax = 2
        options.body.batchSizeMax = 10
        options.body.answerSizeMax = 100
        options.bodySizeMax = 200
        let server = try start(options)
        defer { server.stop() }
        let one = #"{"jsonrpc":"2.0","id":1,"method":"echo"}"#
        let long = #"{"jsonrpc":"2.0","id":1,"method":"long"}"#
        #expect(try exchange(server, "[\(one),\(one),\(one)]").body.contains("batch too large"))
        #expect(try exchange(server, long).body.contains("-32003"))
        let batch = try exchange(server, "[\(one),\(one)]").body
        #expect(batch.contains(#""result":null"#))
        #expect(batch.contains("-32003"))
        let large = try exchange(server, String(repeating: " ", count: 201))
        #expect(large.head.hasPrefix("HTTP/1.1 413 "))
    }

    static let call = #"{"jsonrpc":"2.0","id":1,"method":"echo"}"#

    /// Names that resolve to loopback may be anybody's.
    @Test func hostsByName() throws {
        let server = try start()
        defer { server.stop() }
        let json = "Content-Type: application/json"
        for host in [
            "localhost", "LocalHost:8545", "127.0.0.1", "10.1.2.3:8545", "[::1]", "[::1]:8545", "",
        ] {
            let found = try exchange(server, Self.call, fields: ["Host: \(host)", json])
            #expect(found.head.hasPrefix("HTTP/1.1 200 "), "\(host)")
        }
        for host in [
            "evil.example", "localhost.evil.example", "127.0.0.1.nip.io:8545", "localhost.",
            "1.2.3", "[localhost]", "127.0.0.1@evil.example",
        ] where host != "[localhost]" {
            let found = try exchange(server, Self.call, fields: ["Host: \(host)", json])
            #expect(found.head.hasPrefix("HTTP/1.1 403 "), "\(host)")
        }
        var options = RPCServer.Options()
        options.virtualHosts = ["node.example"]
        let named = try start(options)
        defer { named.stop() }
        for (host, status) in [("node.example", 200), ("localhost", 403)] {
            let found = try exchange(named, Self.call, fields: ["Host: \(host)", json])
            #expect(found.head.hasPrefix("HTTP/1.1 \(status) "), "\(host)")
        }
    }

    @Test func whatIsNoCallIsRefused() throws {
        let server = try start()
        defer { server.stop() }
        let host = "Host: localhost"
        let table: [(String, String, [String], Int)] = [
            ("GET", "/", [host, "Content-Type: application/json"], 405),
            ("OPTIONS", "/", [host, "Origin: http://a"], 405),
            ("POST", "/x", [host, "Content-Type: application/json"], 404),
            ("POST", "/", [host], 415),
            ("POST", "/", [host, "Content-Type: text/plain"], 415),
            ("POST", "/", [host, "Content-Type: application/jsonx"], 415),
            ("POST", "/", [host, "Content-Type: Application/JSON; charset=utf-8"], 200),
        ]
        for (method, path, fields, status) in table {
            let found = try exchange(server, Self.call, method: method, path: path, fields: fields)
            #expect(found.head.hasPrefix("HTTP/1.1 \(status) "), "\(method) \(path) \(fields)")
            #expect(!found.head.contains("Access-Control"))
        }
    }

    @Test func onlyNamedOriginsAreAnswered() throws {
        var options = RPCServer.Options()
        options.corsOrigins = ["http://a.example"]
        let server = try start(options)
        defer { server.stop() }
        for (origin, isNamed) in [("http://a.example", true), ("http://b.example", false)] {
            let fields = ["Host: localhost", "Origin: \(origin)"]
            let asked = try exchange(server, "", method: "OPTIONS", fields: fields)
            #expect(asked.head.hasPrefix(isNamed ? "HTTP/1.1 204 " : "HTTP/1.1 405 "))
            let found = try exchange(
                server, Self.call, fields: fields + ["Content-Type: application/json"])
            #expect(
                found.head.contains("Access-Control-Allow-Origin: \(origin)\r\n") == isNamed)
        }
    }

    @Test func tokensAreAsked() throws {
        let server = try start(.engine(Self.secret))
        defer { server.stop() }
        func status(_ authorization: String?) throws -> String {
            var fields = ["Host: localhost", "Content-Type: application/json"]
            if let authorization { fields.append("Authorization: " + authorization) }
            let found = try exchange(server, Self.call, fields: fields)
            return String(found.head.prefix(12).suffix(3)) + found.body.prefix(100)
        }
        let right = JSONWebToken.sign(Self.secret, at: Self.now)
        #expect(try status("Bearer " + right).hasPrefix("200"))
        #expect(try status(nil).hasPrefix("401missing token"))
        let old = JSONWebToken.sign(Self.secret, at: WallTime(milliseconds: 1_699_999_900_000))
        #expect(try status("Bearer " + old).hasPrefix("401the token's `iat` is 100 s ago"))
        let other = SecretBytes(copying: [UInt8](repeating: 8, count: 32))
        let foreign = JSONWebToken.sign(other, at: Self.now)
        #expect(try status("Bearer " + foreign).hasPrefix("401the token's signature"))
    }
}

@Suite struct TokenSecretFileTests {
    private func withDirectory(_ body: (String) throws -> Void) throws {
        var template = Array("/tmp/chorale-secret-XXXXXX".utf8CString)
        let directory = String(cString: mkdtemp(&template))
        defer {
            for name in ["jwt.hex"] { unlink("\(directory)/\(name)") }
            // Also shows that no draft was left.
            #expect(rmdir(directory) == 0)
        }
        try body(directory + "/jwt.hex")
    }

    private func write(_ text: String, _ path: String) {
        let file = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0o600)
        let bytes = Array(text.utf8)
        _ = Glibc.write(file, bytes, bytes.count)
        close(file)
    }

    @Test func aSecretIsMadeOnce() throws {
        try withDirectory { path in
            let made = try TokenSecretFile.open(path)
            #expect(made.isNew)
            #expect(made.secret.count == 32)
            var status = stat()
            #expect(stat(path, &status) == 0)
            #expect(status.st_mode & 0o777 == 0o600)
            let again = try TokenSecretFile.open(path)
            #expect(!again.isNew)
            #expect(again.secret.isEqual(to: made.secret))
        }
    }

    @Test func formsOfOthersAreRead() throws {
        try withDirectory { path in
            let digits = String(repeating: "0aF9", count: 16)
            let expected = SecretBytes(copying: try Hex.decode(digits))
            for text in [digits, "0x" + digits, digits + "\n", " 0x\(digits) \r\n"] {
                write(text, path)
                #expect(try TokenSecretFile.open(path).secret.isEqual(to: expected))
            }
        }
    }

    @Test func whatIsNoSecretIsRefused() throws {
        try withDirectory { path in
            let digits = String(repeating: "0af9", count: 16)
            for text in [
                "", "\n", "0x", String(digits.dropLast()), digits + "00", "g" + digits.dropFirst(),
                digits + "\n" + digits, String(repeating: "0", count: 300),
            ] {
                write(text, path)
                let error = #expect(throws: TokenSecretError.self) {
                    try TokenSecretFile.open(path)
                }
                #expect(error == .malformed(path: path))
            }
        }
        let error = #expect(throws: TokenSecretError.self) {
            try TokenSecretFile.open("/nowhere/jwt.hex")
        }
        #expect(error?.description.contains("/nowhere/jwt.hex") == true)
    }
}
