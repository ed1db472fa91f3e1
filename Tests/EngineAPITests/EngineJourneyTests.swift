import ChoraleBase
import Codec
import Crypto
import Glibc
import HTTP
import JSONRPC
import RPCServer
import Synchronization
import Testing

@testable import EngineAPI
@testable import Execution

/// The four uses of witnesses and stateless execution, as calls over HTTP with tokens, between engines that
/// share nothing.
@Suite final class EngineJourneyTests {
    static let secret = SecretBytes(copying: [UInt8](repeating: 5, count: 32))

    /// An engine behind a server, called by one thread at a time.
    // @unchecked: the engine is touched under the lock only.
    private final class Locked: @unchecked Sendable {
        private let engine: TestEngine
        private let lock = Mutex(())

        init(_ engine: TestEngine) { self.engine = engine }

        func answer(_ request: RPCRequest) throws(RPCError) -> JSONValue {
            if EngineCalls.isStateless(request.method) {
                return try StatelessService(StatelessExecution(rules: engine.rules)).answer(request)
            }
            return try lock.withLock { _ throws(RPCError) in try engine.service.answer(request) }
        }
    }

    private let builder: TestEngine
    private let full: TestEngine
    private var servers: [RPCServer] = []

    init() throws {
        builder = try TestEngine()
        full = try TestEngine()
    }

    deinit { for server in servers { server.stop() } }

    private func serve(_ engine: TestEngine) throws -> String {
        let locked = Locked(engine)
        let server = try RPCServer(address: "127.0.0.1:0", options: .engine(Self.secret)) {
            (request) throws(RPCError) in try locked.answer(request)
        }
        servers.append(server)
        return "http://\(server.address)"
    }

    /// A call over the wire, as a consensus client makes it.
    private func call(_ url: String, _ method: String, _ params: [JSONValue]) throws -> JSONValue {
        let request: JSONObject = [
            "jsonrpc": .string("2.0"), "id": .integer(7), "method": .string(method),
            "params": .array(params),
        ]
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        let token = JSONWebToken.sign(
            Self.secret, at: WallTime(milliseconds: Int64(time.tv_sec) * 1000))
        let (status, body) = try HTTPClient.post(
            url, JSONValue.object(request).encoded, bearer: token, timeout: .seconds(20),
            answerSizeMax: 1 << 26)
        #expect(status == 200)
        let document = try JSONValue(parsing: body)
        #expect(document["id"] == .integer(7))
        #expect(document["error"] == nil, "\(method): \(document.text.prefix(300))")
        return try #require(document["result"])
    }

    private func stateless(_ made: TestEngine.Made, _ witness: JSONValue) -> [JSONValue] {
        made.changed {
            $0["stateRoot"] = .data(Bytes32.zero)
            $0["receiptsRoot"] = .data(Bytes32.zero)
        } + [witness]
    }

    private func made(_ answer: JSONValue) throws -> TestEngine.Made {
        let payload = try #require(answer["executionPayload"])
        let hash = try #require(payload["blockHash"])
        return TestEngine.Made(
            hash: try EngineValue(hash, name: "blockHash").digest,
            params: [
                payload, .array([]), .data(Bytes32.zero), try #require(answer["executionRequests"]),
            ],
            answer: answer)
    }

    /// 1. Whoever builds has its own block checked by another engine before anybody sees it.
    @Test func aBuiltBlockIsChecked() throws {
        let own = try serve(builder)
        let other = try serve(full)
        let chosen = try call(
            own, "engine_forkchoiceUpdatedWithWitnessV3",
            [
                TestEngine.state(builder.genesis.hash),
                .object(TestEngine.attributes(1_700_000_012)),
            ])
        let answer = try call(own, "engine_getPayloadV4", [try #require(chosen["payloadId"])])
        let block = try made(answer)
        let witness = try #require(answer["witness"])
        let verdict = try call(
            other, "engine_executeStatelessPayloadV4", stateless(block, witness))
        #expect(verdict["status"]?.string == "VALID")
        #expect(verdict["stateRoot"] == block.payload["stateRoot"])
        #expect(verdict["receiptsRoot"] == block.payload["receiptsRoot"])
        // The other engine has learned nothing of it, and the builder takes it without executing again.
        #expect(full.service.state.tree.entries.isEmpty)
        #expect(
            try call(own, "engine_newPayloadV4", block.params)["status"]?.string == "VALID")
        #expect(builder.service.counters.executions == 1)
    }

    /// 2. Whoever processes somebody's block has it checked by another engine before attesting.
    @Test func aProcessedBlockIsChecked() throws {
        let block = try builder.make([TestEngine.sender.transaction(0)])
        let own = try serve(full)
        let other = try serve(try TestEngine())
        let status = try call(own, "engine_newPayloadWithWitnessV4", block.params)
        #expect(status["status"]?.string == "VALID")
        let witness = try #require(status["witness"])
        let verdict = try call(
            other, "engine_executeStatelessPayloadV4", stateless(block, witness))
        #expect(verdict["stateRoot"] == block.payload["stateRoot"])
        #expect(full.service.counters.executions == 1)
        // A block that the first engine would find wrong, the second finds wrong with the same witness.
        let changed = block.changed { $0["gasUsed"] = .quantity(1) }
        let refused = try call(
            other, "engine_executeStatelessPayloadV4", changed + [witness])
        #expect(refused["status"]?.string == "INVALID")
        #expect(refused["validationError"]?.string?.contains("gas") == true)
    }

    /// 3. A full engine feeds clients without state: a chain, block by block, with nothing but witnesses.
    @Test func statelessClientsAreFed() throws {
        let feeder = try serve(full)
        let client = StatelessExecution(rules: full.rules, mode: .strict)
        var parent = full.genesis
        for nonce in 0..<5 as Range<UInt64> {
            let block = try builder.make([TestEngine.sender.transaction(nonce)])
            #expect(try builder.take(block) == "VALID")
            #expect(try builder.choose(block.hash) == "VALID")
            let status = try call(feeder, "engine_newPayloadWithWitnessV4", block.params)
            let bytes = try EngineValue(#require(status["witness"]), name: "witness").bytes
            // What the client does by itself: it has the parent's header and no state at all.
            let request = try StatelessPayloadRequest(
                .v4, newPayload: "", .array(block.params))
            let decoded = try request.block()
            #expect(decoded.header.parentHash == parent.hash)
            let verdict = try client.verdict(
                decoded, size: decoded.encoded.count, try Witness(rlp: bytes))
            #expect(verdict.roots.stateRoot == decoded.header.stateRoot)
            #expect(verdict.roots.receiptsRoot == decoded.header.receiptsRoot)
            parent = decoded.header
            _ = try call(
                feeder, "engine_forkchoiceUpdatedV3",
                [TestEngine.state(block.hash, finalized: block.hash)])
        }
        #expect(full.service.state.base.head == parent)
        #expect(full.service.counters.executions == 5)
    }

    /// 4. A validator without state follows a chain through a stateless engine, and refuses what is wrong.
    @Test func aValidatorWithoutState() throws {
        let verifier = try serve(try TestEngine())
        let source = try serve(builder)
        for nonce in 0..<3 as Range<UInt64> {
            let block = try builder.make([TestEngine.sender.transaction(nonce)], withWitness: true)
            let witness = try #require(block.answer["witness"])
            let verdict = try call(
                verifier, "engine_executeStatelessPayloadV4", stateless(block, witness))
            #expect(verdict["status"]?.string == "VALID")
            #expect(verdict["stateRoot"] == block.payload["stateRoot"])
            // The same block with a witness that lacks a node, and with another transaction.
            let bytes = try EngineValue(witness, name: "witness").bytes
            let whole = try Witness(rlp: bytes)
            var short = whole
            short.nodes.removeLast()
            for params in [
                stateless(block, .data(short.rlp())), stateless(block, .string("0x")),
                block.changed {
                    $0["transactions"] = .array([
                        .data(TestEngine.sender.transaction(nonce, value: 2).encoded)
                    ])
                    $0["gasUsed"] = .quantity(1)
                } + [witness],
            ] {
                let refused = try call(verifier, "engine_executeStatelessPayloadV4", params)
                #expect(refused["status"]?.string == "INVALID")
                #expect(refused["stateRoot"] == .data(Bytes32.zero))
            }
            _ = try call(source, "engine_newPayloadV4", block.params)
            _ = try call(source, "engine_forkchoiceUpdatedV3", [TestEngine.state(block.hash)])
        }
    }
}
