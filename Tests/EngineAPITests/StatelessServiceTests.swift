import ChoraleBase
import Codec
import Conformance
import Execution
import JSONRPC
import TestSupport
import Testing

@testable import EngineAPI

/// Requests of consensus clients with a witness, and what must be answered.
@Suite(.enabled(if: Fixtures.root != nil, Comment(rawValue: Fixtures.absence)))
struct StatelessServiceTests {
    static func lines() throws -> [FixtureValue] {
        try FixtureFile.lines(Fixtures.data("engine/stateless.jsonl.gz"))
    }

    static func request(_ line: FixtureValue) throws -> RPCRequest {
        try RPCRequest(line: try line["request"].json.encoded, limits: JSONValue.Limits())
    }

    static func service(_ line: FixtureValue) throws -> StatelessService {
        let rules = try #require(
            Networks.rules(try line["fork"].string, chainID: try line["chainId"].uint64))
        return StatelessService(StatelessExecution(rules: rules))
    }

    @Test func everyRequest() throws {
        let lines = try Self.lines()
        #expect(!lines.isEmpty)
        for line in lines {
            let name = try line["name"].string
            let expected = try line["result"]
            let answer = try Self.service(line).answer(try Self.request(line))
            #expect(try answer["status"]?.string == expected["status"].string, "\(name)")
            if try expected["status"].string == "VALID" {
                #expect(try answer["stateRoot"]?.string == expected["stateRoot"].string)
                #expect(try answer["receiptsRoot"]?.string == expected["receiptsRoot"].string)
                #expect(answer["validationError"] == .null)
            } else {
                #expect(answer["validationError"]?.string?.isEmpty == false, "\(name)")
            }
        }
        print("engine: \(lines.count) requests")
    }

    /// What the payload says of the two roots changes nothing: they are computed.
    @Test func rootsAreNeverEchoed() throws {
        let line = try #require(
            try Self.lines().first { try $0["result"]["status"].string == "VALID" })
        let request = try Self.request(line)
        var params = try #require(request.params?.array)
        var payload = try #require(params[0].object)
        let wrong = "0x" + String(repeating: "5a", count: 32)
        payload["stateRoot"] = .string(wrong)
        payload["receiptsRoot"] = .string(wrong)
        params[0] = .object(payload)
        let forged = try RPCRequest(
            line: JSONValue.object([
                "jsonrpc": .string("2.0"), "id": .integer(1), "method": .string(request.method),
                "params": .array(params),
            ]).encoded, limits: JSONValue.Limits())
        let answer = try Self.service(line).answer(forged)
        #expect(try answer["stateRoot"]?.string == line["result"]["stateRoot"].string)
        #expect(try answer["receiptsRoot"]?.string == line["result"]["receiptsRoot"].string)
    }

    /// Each parameter left out, and each member of the payload: an error that names it.
    @Test func whatIsMissingIsNamed() throws {
        let line = try #require(
            try Self.lines().first {
                try $0["request"]["method"].string == "engine_executeStatelessPayloadV4"
            })
        let service = try Self.service(line)
        let request = try Self.request(line)
        let params = try #require(request.params?.array)
        func error(_ params: [JSONValue]) throws -> RPCError {
            let object: JSONObject = [
                "jsonrpc": .string("2.0"), "id": .integer(1), "method": .string(request.method),
                "params": .array(params),
            ]
            let changed = try RPCRequest(
                line: JSONValue.object(object).encoded, limits: JSONValue.Limits())
            return try #require(throws: RPCError.self) { try service.answer(changed) }
        }
        #expect(try error(Array(params.dropLast())).code == -32602)
        for index in params.indices {
            var changed = params
            changed[index] = .integer(7)
            let found = try error(changed)
            #expect(found.code == -32602)
            #expect(
                found.message.contains(
                    StatelessPayloadRequest.Version.v4.parameterNames[index]))
        }
        let payload = try #require(params[0].object)
        for name in payload.names where name != "blockHash" {
            var changed = payload
            changed[name] = nil
            let found = try error([.object(changed)] + params.dropFirst())
            #expect(found.code == -32602)
            #expect(found.message.contains("`payload.\(name)`"), "\(name): \(found.message)")
        }
    }

    /// A payload belongs to one version of the method, by its time.
    @Test func otherVersionsAreUnsupported() throws {
        let line = try #require(
            try Self.lines().first { try $0["fork"].string == "cancun" })
        let request = try Self.request(line)
        for rules in [
            ChainRules.always(.prague, blobs: .prague), .always(.shanghai, blobs: .cancun),
        ] {
            let service = StatelessService(StatelessExecution(rules: rules))
            let error = try #require(throws: RPCError.self) { try service.answer(request) }
            #expect(error.code == -38_005)
        }
    }

    @Test func unknownMethodsAreNamed() throws {
        let service = StatelessService(
            StatelessExecution(rules: .always(.cancun, blobs: .cancun)))
        let line = #"{"jsonrpc":"2.0","id":1,"method":"engine_executeStatelessPayloadV9"}"#
        let request = try RPCRequest(line: Array(line.utf8), limits: JSONValue.Limits())
        let error = try #require(throws: RPCError.self) { try service.answer(request) }
        #expect(error.code == -32601)
        #expect(error.message.contains("engine_executeStatelessPayloadV"))
    }

    /// The same blocks by their RLP.
    @Test func blocksByTheirEncoding() throws {
        let cases = try FixtureFile.lines(Fixtures.data("witness/fixtures.jsonl.gz"))
        for fixture in cases.prefix(10) {
            let sample = try StatelessCase(fixture)
            let service = StatelessService(StatelessExecution(rules: sample.rules))
            let witnesses: [JSONValue] = [
                .string("0x" + Hex.encode(sample.witness.rlp())),
                try JSONValue(parsing: sample.witness.json),
            ]
            for witness in witnesses {
                let params: JSONObject = [
                    "block": .string("0x" + Hex.encode(sample.block)), "witness": witness,
                ]
                let line: JSONObject = [
                    "jsonrpc": .string("2.0"), "id": .integer(1),
                    "method": .string("chorale_executeBlock"), "params": .object(params),
                ]
                let request = try RPCRequest(
                    line: JSONValue.object(line).encoded, limits: JSONValue.Limits())
                let answer = try service.answer(request)
                let roots = sample.expected
                #expect(answer["status"] == .string(roots == nil ? "INVALID" : "VALID"))
                #expect(answer["stateRoot"]?.string == roots.map { "0x\($0.stateRoot)" })
                #expect(answer["gasUsed"]?.uint64 == roots?.gasUsed)
            }
        }
    }
}
