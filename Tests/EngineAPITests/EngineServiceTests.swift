import ChoraleBase
import Codec
import Crypto
import JSONRPC
import Testing

@testable import EngineAPI
@testable import Execution

/// What a consensus client asks, and what the specification wants it to hear.
@Suite struct EngineServiceTests {
    let engine: TestEngine

    init() throws { engine = try TestEngine() }

    private var sender: TestWallet { TestEngine.sender }

    /// Storing its input's first word in slot 0.
    private static let contract: [UInt8] = {
        let code: [UInt8] = [0x5F, 0x35, 0x5F, 0x55]
        return [0x60, UInt8(code.count), 0x80, 0x60, 0x09, 0x5F, 0x39, 0x5F, 0xF3] + code
    }()

    // MARK: Chains

    /// Built by one engine, executed by another, on every fork that is known: and only once by each.
    @Test(arguments: [Fork.paris, .shanghai, .cancun, .prague, .osaka])
    func aChainOnEveryFork(fork: Fork) throws {
        let builder = try TestEngine(fork)
        let other = try TestEngine(fork)
        for nonce in 0..<5 as Range<UInt64> {
            let transaction =
                nonce == 1
                ? sender.transaction(nonce, to: nil, value: 0, data: Self.contract)
                : sender.transaction(nonce)
            let made = try builder.make([transaction])
            #expect(made.payload["transactions"]?.array?.count == 1)
            for engine in [builder, other] {
                #expect(try engine.take(made) == "VALID")
                #expect(try engine.choose(made.hash) == "VALID")
                #expect(engine.service.head == made.hash)
            }
        }
        // Its own blocks are not executed again.
        #expect(builder.service.counters.executions == 5)
        #expect(other.service.counters.executions == 5)
        // Asked again, nothing is executed.
        let last = try #require(other.service.state.tree[other.service.head])
        #expect(last.number == 5)
    }

    /// The witness is of the execution that found the block valid, and is enough for a verifier.
    @Test func aWitnessOfTheSameExecution() throws {
        let builder = try TestEngine()
        let made = try builder.make([sender.transaction(0)], withWitness: true)
        let own = try #require(made.answer["witness"]?.string)
        #expect(builder.service.counters.executions == 1)
        let answer = try engine.call("engine_newPayloadWithWitnessV4", made.params)
        #expect(answer["status"]?.string == "VALID")
        #expect(answer["witness"]?.string == own)
        #expect(engine.service.counters.executions == 1)
        // Again: it is kept.
        let again = try engine.call("engine_newPayloadWithWitnessV4", made.params)
        #expect(again["witness"]?.string == own)
        #expect(engine.service.counters.executions == 1)
        // Without asking there is none, and no member for it.
        #expect(try engine.call("engine_newPayloadV4", made.params)["witness"] == nil)
        #expect(try builder.make(withWitness: false).answer["witness"] == nil)

        let stateless = StatelessService(StatelessExecution(rules: engine.rules, mode: .strict))
        let request: JSONObject = [
            "jsonrpc": .string("2.0"), "id": .integer(1),
            "method": .string("engine_executeStatelessPayloadV4"),
            "params": .array(
                made.changed {
                    $0["stateRoot"] = .data(Bytes32.zero)
                    $0["receiptsRoot"] = .data(Bytes32.zero)
                } + [.string(own)]),
        ]
        let verdict = try stateless.answer(RPCRequest(.object(request)))
        #expect(verdict["status"]?.string == "VALID")
        #expect(verdict["stateRoot"] == made.payload["stateRoot"])
        #expect(verdict["receiptsRoot"] == made.payload["receiptsRoot"])
    }

    /// Asked for after the block was executed without: made by one more execution, and equal.
    @Test func aWitnessAfterwards() throws {
        let builder = try TestEngine()
        let made = try builder.make([sender.transaction(0)], withWitness: true)
        #expect(try engine.take(made) == "VALID")
        let answer = try engine.call("engine_newPayloadWithWitnessV4", made.params)
        #expect(answer["witness"] == made.answer["witness"])
        #expect(engine.service.counters.executions == 2)
    }

    /// Payloads that come in the wrong order wait, and are executed when what is missing has come.
    @Test func payloadsOutOfOrder() throws {
        let builder = try TestEngine()
        var chain: [TestEngine.Made] = []
        for nonce in 0..<4 as Range<UInt64> {
            let made = try builder.make([sender.transaction(nonce)])
            #expect(try builder.take(made) == "VALID")
            #expect(try builder.choose(made.hash) == "VALID")
            chain.append(made)
        }
        #expect(try engine.take(chain[3]) == "SYNCING")
        #expect(try engine.take(chain[1]) == "SYNCING")
        #expect(try engine.take(chain[2]) == "SYNCING")
        #expect(try engine.choose(chain[3].hash) == "SYNCING")
        #expect(try engine.take(chain[0]) == "VALID")
        #expect(try engine.choose(chain[3].hash) == "VALID")
        #expect(engine.service.counters.executions == 4)
        #expect(engine.service.waiting.isEmpty)
        #expect(engine.service.waitingSize == 0)
        // Nobody knows this one.
        #expect(try engine.choose(Keccak256.hash([1])) == "SYNCING")
    }

    @Test func whatWaitsIsBounded() throws {
        let builder = try TestEngine()
        var limits = EngineService<MemoryEngineBase>.Limits()
        limits.waitingCountMax = 2
        let small = try TestEngine(limits: limits)
        _ = try builder.make()
        for nonce in 0..<5 as Range<UInt64> {
            let made = try builder.make([sender.transaction(nonce)])
            #expect(try builder.take(made) == "VALID")
            #expect(try builder.choose(made.hash) == "VALID")
            if nonce > 0 { #expect(try small.take(made) == "SYNCING") }
        }
        #expect(small.service.waiting.count == 2)
        #expect(
            small.service.waitingSize == small.service.waiting.values.reduce(0) { $0 + $1.size })
    }

    // MARK: Invalid blocks

    /// Each is refused with the last valid ancestor, and stays so; its descendants are, too.
    @Test func invalidBlocks() throws {
        let builder = try TestEngine()
        let first = try builder.make([sender.transaction(0)])
        for engine in [builder, engine] {
            #expect(try engine.take(first) == "VALID")
            #expect(try engine.choose(first.hash) == "VALID")
        }
        let second = try builder.make([sender.transaction(1)])
        /// The payload with a change, and the hash that it then has.
        func sealed(_ change: (inout JSONObject) -> Void) throws -> [JSONValue] {
            let changed = second.changed(change)
            let request = try StatelessPayloadRequest(
                .v4, newPayload: "engine_newPayloadV4", .array(changed))
            let hash = try request.block().header.hash
            var payload = try #require(changed[0].object)
            payload["blockHash"] = .data(hash)
            return [.object(payload)] + changed.dropFirst()
        }
        let wrong = Keccak256.hash([7])
        let rows: [(String, (inout JSONObject) -> Void, String)] = [
            ("state root", { $0["stateRoot"] = .data(wrong) }, "state root"),
            ("receipts root", { $0["receiptsRoot"] = .data(wrong) }, "receipts"),
            ("gas used", { $0["gasUsed"] = .quantity(21_001) }, "gas"),
            ("base fee", { $0["baseFeePerGas"] = .string("0x1") }, "base fee"),
            ("number", { $0["blockNumber"] = .quantity(9) }, "number"),
            ("time", { $0["timestamp"] = .quantity(1_700_000_012) }, "time"),
            ("transactions", { $0["transactions"] = .array([]) }, ""),
            ("blob gas", { $0["blobGasUsed"] = .quantity(131_072) }, ""),
        ]
        var latest = second
        for (name, change, word) in rows {
            let params = try sealed(change)
            for _ in 0..<2 {
                let answer = try engine.call("engine_newPayloadV4", params)
                #expect(answer["status"]?.string == "INVALID", "\(name)")
                #expect(answer["latestValidHash"]?.string == "0x\(first.hash)", "\(name)")
                let error = try #require(answer["validationError"]?.string)
                #expect(error.lowercased().contains(word), "\(name): \(error)")
            }
            let hash = try #require(params[0]["blockHash"])
            let chosen = try engine.call(
                "engine_forkchoiceUpdatedV3",
                [
                    .object([
                        "headBlockHash": hash, "safeBlockHash": .data(Bytes32.zero),
                        "finalizedBlockHash": .data(Bytes32.zero),
                    ])
                ])
            #expect(chosen["payloadStatus"]?["status"]?.string == "INVALID")
            #expect(chosen["payloadStatus"]?["latestValidHash"]?.string == "0x\(first.hash)")
            #expect(chosen["payloadId"] == .null)
            latest = TestEngine.Made(
                hash: try EngineValue(hash, name: "hash").digest, params: params,
                answer: .null)
        }
        // A child of one of them.
        let child = try {
            let changed = second.changed {
                $0["parentHash"] = .data(latest.hash)
                $0["blockNumber"] = .quantity(3)
            }
            let request = try StatelessPayloadRequest(
                .v4, newPayload: "engine_newPayloadV4", .array(changed))
            var payload = try #require(changed[0].object)
            payload["blockHash"] = .data(try request.block().header.hash)
            return [.object(payload)] + changed.dropFirst()
        }()
        let answer = try engine.call("engine_newPayloadV4", child)
        #expect(answer["status"]?.string == "INVALID")
        #expect(answer["latestValidHash"]?.string == "0x\(first.hash)")
        // The head has not moved.
        #expect(engine.service.head == first.hash)
        #expect(try engine.take(second) == "VALID")
    }

    /// What no block can be: no last valid hash, and nothing is remembered.
    @Test func whatIsNoBlock() throws {
        let made = try TestEngine().make([sender.transaction(0)])
        let rows: [(String, [JSONValue])] = [
            ("hash", made.changed { $0["blockHash"] = .data(Bytes32.zero) }),
            ("empty transaction", made.changed { $0["transactions"] = .array([.string("0x")]) }),
            ("no transaction", made.changed { $0["transactions"] = .array([.string("0x05aa")]) }),
            ("bloom", made.changed { $0["logsBloom"] = .string("0x00") }),
            (
                "extra data",
                made.changed { $0["extraData"] = .data([UInt8](repeating: 1, count: 33)) }
            ),
            (
                "blobs",
                [made.params[0], .array([.data(Bytes32.zero)])] + made.params.dropFirst(2)
            ),
            (
                "beacon root",
                [made.params[0], made.params[1], .data(Keccak256.hash([1])), made.params[3]]
            ),
            ("requests", Array(made.params.dropLast()) + [.array([.string("0x0001")])]),
        ]
        for (name, params) in rows {
            let answer = try engine.call("engine_newPayloadV4", params)
            #expect(answer["status"]?.string == "INVALID", "\(name)")
            #expect(answer["latestValidHash"] == .null, "\(name)")
            #expect(answer["validationError"]?.string?.isEmpty == false)
        }
        #expect(engine.service.counters.executions == 0)
        #expect(engine.service.invalid.isEmpty)
        let old = try TestEngine(.paris)
        let first = try TestEngine(.paris).make()
        let answer = try old.call(
            "engine_newPayloadV1", first.changed { $0["blockHash"] = .data(Bytes32.zero) })
        #expect(answer["status"]?.string == "INVALID_BLOCK_HASH")
    }

    // MARK: Forkchoice

    /// Two branches; the head goes from one to the other and back; then one becomes final.
    @Test func branchesAndFinality() throws {
        let one = try engine.make([sender.transaction(0)], randao: 1)
        #expect(try engine.take(one) == "VALID")
        let two = try engine.make(on: engine.genesis.hash, [sender.transaction(0)], randao: 2)
        #expect(try engine.take(two) == "VALID")
        #expect(try engine.choose(one.hash) == "VALID")
        let oneChild = try engine.make([sender.transaction(1)])
        #expect(try engine.take(oneChild) == "VALID")
        #expect(try engine.choose(two.hash) == "VALID")
        let twoChild = try engine.make([sender.transaction(1)])
        #expect(try engine.take(twoChild) == "VALID")
        #expect(try engine.choose(oneChild.hash) == "VALID")

        // Inconsistent: nothing changes.
        for (safe, finalized) in [
            (two.hash, .zero), (.zero, two.hash), (Keccak256.hash([9]), .zero),
            (one.hash, oneChild.hash),
        ] as [(Bytes32, Bytes32)] {
            let error = try engine.error(
                "engine_forkchoiceUpdatedV3",
                [TestEngine.state(oneChild.hash, safe: safe, finalized: finalized)])
            #expect(error.code == -38_002)
            #expect(engine.service.finalized == .zero)
            #expect(engine.service.state.base.head.number == 0)
        }
        #expect(
            try engine.choose(oneChild.hash, safe: oneChild.hash, finalized: one.hash) == "VALID")
        #expect(engine.service.state.base.head.hash == one.hash)
        #expect(engine.service.safe == oneChild.hash)
        // The other branch is gone, and nothing of it can come back.
        #expect(engine.service.state.tree.entries.count == 1)
        #expect(try engine.choose(twoChild.hash) == "SYNCING")
        let late = try engine.call("engine_newPayloadV4", two.params)
        #expect(late["status"]?.string == "ACCEPTED")
        // What is final is known and moves nothing.
        #expect(try engine.choose(engine.genesis.hash) == "VALID")
        #expect(engine.service.head == oneChild.hash)
        #expect(try engine.take(one) == "VALID")
        // And the chain goes on.
        let next = try engine.make([sender.transaction(2)])
        #expect(try engine.take(next) == "VALID")
        #expect(
            try engine.choose(next.hash, safe: next.hash, finalized: next.hash) == "VALID")
        #expect(engine.service.state.tree.size == 0)
        #expect(engine.service.state.tree.entries.isEmpty)
    }

    @Test func reorganisationsAreBounded() throws {
        var limits = EngineService<MemoryEngineBase>.Limits()
        limits.reorgDepthMax = 2
        let engine = try TestEngine(limits: limits)
        let other = try engine.make(randao: 9)
        #expect(try engine.take(other) == "VALID")
        for randao in 1...3 as ClosedRange<UInt64> {
            let made = try engine.make(on: engine.service.head, randao: randao)
            #expect(try engine.take(made) == "VALID")
            #expect(try engine.choose(made.hash) == "VALID")
        }
        let error = try engine.error(
            "engine_forkchoiceUpdatedV3", [TestEngine.state(other.hash)])
        #expect(error.code == -38_006)
        #expect(engine.service.headHeader.number == 3)
    }

    /// Memory of branches that nobody chooses is taken back; that of the chain is not.
    @Test func theTreeIsBounded() throws {
        var limits = EngineService<MemoryEngineBase>.Limits()
        limits.treeSizeMax = 40_000
        let engine = try TestEngine(limits: limits)
        let base = try engine.make([sender.transaction(0)])
        #expect(try engine.take(base) == "VALID")
        #expect(try engine.choose(base.hash) == "VALID")
        for randao in 1...30 as ClosedRange<UInt64> {
            let made = try engine.make(on: base.hash, [sender.transaction(1)], randao: randao)
            #expect(try engine.take(made) == "VALID")
            #expect(engine.service.state.tree.size < limits.treeSizeMax + 20_000)
        }
        #expect(engine.service.state.tree[base.hash] != nil)
        #expect(engine.service.state.tree.entries.count < 30)
        // A chain that never becomes final is refused in the end, and says why.
        var refusal: RPCError?
        for nonce in 1..<60 as Range<UInt64> {
            let made = try engine.make([sender.transaction(nonce)])
            do {
                _ = try engine.take(made)
            } catch let error as RPCError {
                refusal = error
                break
            }
            #expect(try engine.choose(made.hash) == "VALID")
        }
        #expect(refusal?.code == -32_000)
        #expect(refusal?.data?["err"]?.string?.contains("not final") == true)
        // Finality makes room.
        let head = engine.service.head
        #expect(try engine.choose(head, safe: head, finalized: head) == "VALID")
        #expect(engine.service.state.tree.size == 0)
    }

    // MARK: Parameters

    /// Each parameter and member left out, null, or of another kind: −32602 that names it.
    @Test func parametersOfPayloads() throws {
        let made = try TestEngine().make([sender.transaction(0)])
        for count in 0..<made.params.count {
            let error = try engine.error(
                "engine_newPayloadV4", Array(made.params.prefix(count)))
            #expect(error.code == -32_602)
        }
        for index in made.params.indices {
            for value in [JSONValue.null, .integer(7), .string("0x1")] {
                var params = made.params
                params[index] = value
                #expect(try engine.error("engine_newPayloadV4", params).code == -32_602)
            }
        }
        for name in made.payload.names {
            for value in [nil, JSONValue.null, .integer(7), .bool(true)] {
                let error = try engine.error(
                    "engine_newPayloadV4", made.changed { $0[name] = value })
                #expect(error.code == -32_602)
                #expect(error.message.contains(name), "\(name): \(error.message)")
            }
        }
        let requests: [[String]] = [["0x"], ["0x00"], ["0x0101", "0x0002"], ["0x0101", "0x0102"]]
        for list in requests {
            let params = Array(made.params.dropLast()) + [JSONValue(list)]
            #expect(try engine.error("engine_newPayloadV4", params).code == -32_602, "\(list)")
        }
    }

    /// Every version of a method with the time of every fork.
    @Test func versionsAndForks() throws {
        for fork in [Fork.paris, .shanghai, .cancun, .prague, .osaka] {
            let engine = try TestEngine(fork)
            let made = try engine.make()
            for version in 1...4 where version != engine.newPayloadVersion {
                // With the parameters and members that the version wants.
                var params = Array(made.params.prefix(1))
                if version >= 3 { params += [.array([]), .data(Bytes32.zero)] }
                if version >= 4 { params.append(.array([])) }
                var payload = made.payload
                payload["withdrawals"] = version >= 2 ? .array([]) : nil
                for name in ["blobGasUsed", "excessBlobGas"] {
                    payload[name] = version >= 3 ? .string("0x0") : nil
                }
                params[0] = .object(payload)
                let error = try engine.error("engine_newPayloadV\(version)", params)
                // V2 takes Paris, too, without withdrawals.
                #expect(
                    error.code == (version == 2 && fork == .paris ? -32_602 : -38_005),
                    "\(fork) V\(version)")
            }
        }
        #expect(try engine.error("engine_newPayloadV5", []).code == -32_601)
        #expect(try engine.error("engine_forkchoiceUpdatedV4", []).code == -32_601)
        #expect(try engine.error("engine_getPayloadV6", []).code == -32_601)
    }

    @Test func payloadsByID() throws {
        #expect(
            try engine.error("engine_getPayloadV4", [.string("0x0000000000000000")]).code
                == -38_001)
        for params in [[], [.string("0x00")], [.integer(1)], [.null, .null]] as [[JSONValue]] {
            #expect(try engine.error("engine_getPayloadV4", params).code == -32_602)
        }
        let state = TestEngine.state(engine.genesis.hash)
        let wish = JSONValue.object(TestEngine.attributes(1_700_000_012))
        let id = try #require(
            try engine.call("engine_forkchoiceUpdatedV3", [state, wish])["payloadId"])
        for version in [1, 2, 3, 5] {
            #expect(
                try engine.error("engine_getPayloadV\(version)", [id]).code == -38_005)
        }
        // The same wish is the same payload, which is built once.
        #expect(try engine.call("engine_forkchoiceUpdatedV3", [state, wish])["payloadId"] == id)
        #expect(engine.service.counters.builtPayloads == 1)
        let other = JSONValue.object(TestEngine.attributes(1_700_000_013))
        #expect(try engine.call("engine_forkchoiceUpdatedV3", [state, other])["payloadId"] != id)
        // The oldest is forgotten.
        for time in 0..<8 as Range<UInt64> {
            let wish = JSONValue.object(TestEngine.attributes(1_700_000_020 + time))
            _ = try engine.call("engine_forkchoiceUpdatedV3", [state, wish])
        }
        #expect(try engine.error("engine_getPayloadV4", [id]).code == -38_001)
    }

    /// The fee recipient's reward is the sum of the tips.
    @Test func theValueOfAPayload() throws {
        let made = try engine.make([sender.transaction(0), sender.transaction(1)])
        #expect(made.answer["blockValue"]?.string == "0x2632e314a000")
        #expect(made.answer["shouldOverrideBuilder"] == .bool(false))
    }

    @Test func attributesAreChecked() throws {
        let state = TestEngine.state(engine.genesis.hash)
        func code(_ version: Int, _ attributes: JSONValue, on engine: TestEngine) throws -> Int {
            let state = TestEngine.state(engine.genesis.hash)
            return try engine.error("engine_forkchoiceUpdatedV\(version)", [state, attributes]).code
        }
        let good = TestEngine.attributes(1_700_000_012)
        for name in good.names {
            for value in [nil, JSONValue.integer(1), .string("0x")] {
                var changed = good
                changed[name] = value
                #expect(try code(3, .object(changed), on: engine) == -38_003, "\(name)")
            }
        }
        #expect(try code(3, .integer(1), on: engine) == -38_003)
        // Not after the head.
        let old = JSONValue.object(TestEngine.attributes(1_700_000_000))
        #expect(try code(3, old, on: engine) == -38_003)
        // The structure of another version, and another fork's time.
        for version in 1...3 {
            let attributes = JSONValue.object(
                TestEngine.attributes(1_700_000_012, version: version))
            for method in 1...3 where method != version {
                // V2 takes the structures of two versions, and none for this time.
                let isFork = method == 2 && version == 1
                #expect(
                    try code(method, attributes, on: engine) == (isFork ? -38_005 : -38_003))
            }
            if version < 3 { #expect(try code(version, attributes, on: engine) == -38_005) }
        }
        let shanghai = try TestEngine(.shanghai)
        let three = JSONValue.object(TestEngine.attributes(1_700_000_012))
        #expect(try code(3, three, on: shanghai) == -38_005)
        let one = JSONValue.object(TestEngine.attributes(1_700_000_012, version: 1))
        #expect(try code(2, one, on: shanghai) == -38_003)
        // The head has moved nevertheless.
        let made = try engine.make()
        #expect(try engine.take(made) == "VALID")
        _ = try engine.error(
            "engine_forkchoiceUpdatedV3", [TestEngine.state(made.hash), .integer(1)])
        #expect(engine.service.head == made.hash)
        // Not even a state.
        for params in [[], [.integer(1)], [.object([:])], [state, .null, .null]] as [[JSONValue]] {
            #expect(try engine.error("engine_forkchoiceUpdatedV3", params).code == -32_602)
        }
        #expect(
            try engine.error("engine_forkchoiceUpdatedV3", [TestEngine.state(.zero)]).code
                == -38_002)
    }

    // MARK: Bodies, names

    @Test func bodies() throws {
        var hashes: [JSONValue] = []
        for nonce in 0..<4 as Range<UInt64> {
            let made = try engine.make([sender.transaction(nonce)])
            #expect(try engine.take(made) == "VALID")
            #expect(
                try engine.choose(made.hash, finalized: nonce == 1 ? made.hash : .zero) == "VALID")
            hashes.append(.data(made.hash))
        }
        let byHash = try #require(
            try engine.call(
                "engine_getPayloadBodiesByHashV1",
                [.array([hashes[3], .data(Keccak256.hash([1])), hashes[0]])]
            ).array)
        #expect(
            byHash[0]["transactions"]?.array == [.data(sender.transaction(3).encoded)])
        #expect(byHash[1] == .null)
        #expect(
            byHash[2]["transactions"]?.array == [.data(sender.transaction(0).encoded)])
        #expect(byHash[2]["withdrawals"] == .array([]))
        func range(_ start: UInt64, _ count: UInt64) throws -> Int? {
            try engine.call(
                "engine_getPayloadBodiesByRangeV1", [.quantity(start), .quantity(count)]
            ).array?.count
        }
        #expect(try range(1, 4) == 4)
        #expect(try range(3, 1000) == 2)
        #expect(try range(5, 1) == 0)
        for (start, count, code) in [
            (0, 1, -32_602), (1, 0, -32_602), (1, 1025, -38_004), (1, .max, -38_004),
        ] as [(UInt64, UInt64, Int)] {
            #expect(
                try engine.error(
                    "engine_getPayloadBodiesByRangeV1", [.quantity(start), .quantity(count)]
                ).code == code)
        }
        let many = JSONValue.array(Array(repeating: hashes[0], count: 1025))
        #expect(try engine.error("engine_getPayloadBodiesByHashV1", [many]).code == -38_004)
    }

    /// What is said to be there is: none is unknown.
    @Test func capabilitiesAreReal() throws {
        let names = try #require(
            try engine.call("engine_exchangeCapabilities", [.array([])]).array)
        #expect(!names.contains(.string("engine_exchangeCapabilities")))
        #expect(Set(names).count == names.count)
        for name in names.compactMap(\.string) {
            if EngineCalls.isStateless(name) { continue }
            let error = try engine.error(name, [])
            #expect(error.code == -32_602, "\(name)")
        }
        #expect(try engine.error("engine_exchangeCapabilities", [.integer(1)]).code == -32_602)
        #expect(try engine.error("engine_newPaylaodV4", []).message.contains("engine_newPayloadV4"))
        let version = try engine.call("engine_getClientVersionV1", [.object([:])])
        #expect(version.array?.first?["name"]?.string == "Chorale")
    }
}
