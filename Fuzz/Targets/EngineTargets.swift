import ChoraleBase
import Codec
import Crypto
import EngineAPI
import Execution
import JSONRPC

extension FuzzTarget {
    static let engineTargets: [FuzzTarget] = [
        FuzzTarget(
            "token", "a token of a caller; only what the secret has signed is accepted",
            sizeMax: 512,
            seeds: {
                [
                    Array(EngineFuzz.token.utf8), Array("a.b.c".utf8),
                    Array("eyJhbGciOiJub25lIn0.eyJpYXQiOjE3MDAwMDAwMDB9.".utf8),
                ]
            }, run: token),
        FuzzTarget(
            "engine-body",
            "the body of an engine call, or a batch; answered once each, and the engine's state moves by "
                + "valid blocks only", sizeMax: 4096,
            seeds: { EngineFuzz.bodies }, run: engineBody),
        FuzzTarget(
            "verifier-body",
            "the same of a node whose own consensus decides; it agrees with an engine about payloads, and "
                + "nothing moves", sizeMax: 4096,
            seeds: { EngineFuzz.bodies }, run: verifierBody),
    ]

    private static func token(_ input: [UInt8], _ findings: inout Findings) {
        let text = String(decoding: input, as: UTF8.self)
        do throws(TokenError) {
            try JSONWebToken.verify(text, EngineFuzz.secret, at: EngineFuzz.now)
            // No forger is that lucky: the bytes that were signed are those that sign makes, as no other
            // input with this secret is among the seeds.
            require(text == EngineFuzz.token, "a token that was never made")
            findings.note("token", "accepted")
        } catch {
            findings.note("token", error)
        }
    }

    private static func verifierBody(_ input: [UInt8], _ findings: inout Findings) {
        let chain = EngineFuzz.Chain()
        let verifier = VerifierService(
            chain, rules: EngineFuzz.rules, version: .init(version: "0", commit: "00"))
        let engine = EngineFuzz.engine()
        let body = RPCBody(
            limits: RPCBody.Limits(batchCountMax: 8, batchSizeMax: 1 << 16, answerSizeMax: 1 << 20))
        let answer = body.answer(input) { (request) throws(RPCError) in
            do throws(RPCError) {
                let value = try verifier.answer(request)
                // An engine on the genesis knows no more than this chain does, unless it was given blocks
                // before; a verdict is the same then.
                if request.method.hasPrefix("engine_newPayloadV"),
                    let status = value["status"]?.string, status != "SYNCING"
                {
                    let own = try? engine.answer(request)["status"]?.string
                    require(own == status, "a verifier and an engine differ")
                    findings.note("status", status)
                }
                return value
            } catch {
                let known = [-32_601, -32_602, -32_000, -38_004, -38_005]
                require(known.contains(error.code), "an error that nobody knows")
                findings.note("error", error.code)
                throw error
            }
        }
        if let answer {
            require((try? JSONValue(parsing: answer)) != nil, "an answer that is not JSON")
        }
        require(chain.base.head.number == 0, "a verifier has moved the chain")
    }

    private static func engineBody(_ input: [UInt8], _ findings: inout Findings) {
        let engine = EngineFuzz.engine()
        var errors: [Int] = []
        var callCount = 0
        let body = RPCBody(
            limits: RPCBody.Limits(batchCountMax: 8, batchSizeMax: 1 << 16, answerSizeMax: 1 << 20))
        let answer = body.answer(input) { (request) throws(RPCError) in
            callCount += 1
            do throws(RPCError) {
                return try engine.answer(request)
            } catch {
                errors.append(error.code)
                throw error
            }
        }
        require(callCount <= 8, "more calls than a batch may have")
        let known = [-32_601, -32_602, -32_000] + Array(-38_006 ... -38_001)
        require(errors.allSatisfy { known.contains($0) }, "an error that nobody knows")
        if let answer {
            require((try? JSONValue(parsing: answer)) != nil, "an answer that is not JSON")
        }
        require(engine.counters.executions <= 8, "more executions than calls")
        findings.note("calls", callCount)
        for code in errors { findings.note("error", code) }
    }
}

/// An engine on an empty state, and what a consensus client says to it.
private enum EngineFuzz {
    static let secret = SecretBytes(copying: [UInt8](0..<32))
    static let now = WallTime(milliseconds: 1_700_000_000_000)
    static let token = JSONWebToken.sign(secret, at: now)

    private static let genesis: Header = {
        let payload = ExecutionPayload(
            parentHash: .zero, feeRecipient: Address(UInt256.zero), stateRoot: Trie.emptyRoot,
            receiptsRoot: Trie.emptyRoot,
            logsBloom: [UInt8](repeating: 0, count: Header.bloomSize), prevRandao: .zero,
            blockNumber: 0, gasLimit: 30_000_000, gasUsed: 0, timestamp: 1_700_000_000,
            extraData: [], baseFeePerGas: UInt256(1_000_000_000), transactions: [],
            withdrawals: [], blobGasUsed: 0, excessBlobGas: 0)
        do {
            return try payload.block(parentBeaconRoot: .zero).header
        } catch {
            preconditionFailure("a block without transactions is one: \(error)")
        }
    }()

    static let rules = ChainRules.always(.cancun, blobs: .cancun)

    static func engine() -> EngineService<MemoryEngineBase> {
        EngineService(
            base: MemoryEngineBase(genesis: genesis, state: StateStore()), rules: rules,
            version: .init(version: "0", commit: "00"))
    }

    /// The genesis block as a chain that others decide.
    final class Chain: CommittedChain {
        let base = MemoryEngineBase(genesis: genesis, state: StateStore())

        func height() -> UInt64 { base.head.number }
        func number(of hash: Bytes32) -> UInt64? { base.block(hash)?.header.number }
        func header(at number: UInt64) -> (header: Header, hash: Bytes32)? {
            base.header(at: number).map { ($0.header, $0.hash) }
        }
        func block(at number: UInt64) -> (block: Block, hash: Bytes32)? {
            guard let (hash, _) = base.header(at: number), let block = base.block(hash) else {
                return nil
            }
            return (block, hash)
        }
        func tries(after number: UInt64) -> MemoryEngineBase? { base }
        func witness(of number: UInt64) -> Witness? { nil }
    }

    /// One call of each kind, on the genesis block and on a payload that was built on it.
    static var bodies: [[UInt8]] {
        let engine = engine()
        let zero = "\"0x\(Bytes32.zero)\""
        let head = "\"0x\(genesis.hash)\""
        let state =
            #"{"headBlockHash":\#(head),"safeBlockHash":\#(zero),"finalizedBlockHash":\#(zero)}"#
        let wish =
            #"{"timestamp":"0x6553f10c","prevRandao":\#(zero),"suggestedFeeRecipient":"#
            + #""0x0000000000000000000000000000000000000001","withdrawals":[],"#
            + #""parentBeaconBlockRoot":\#(zero)}"#
        func call(_ method: String, _ params: String) -> String {
            #"{"jsonrpc":"2.0","id":1,"method":"\#(method)","params":\#(params)}"#
        }
        let build = call("engine_forkchoiceUpdatedV3", "[\(state),\(wish)]")
        var texts = [
            build, call("engine_getPayloadV3", #"["0x0000000000000000"]"#),
            call("engine_exchangeCapabilities", "[[]]"),
            call("engine_getPayloadBodiesByRangeV1", #"["0x1","0x2"]"#),
            call("engine_getPayloadBodiesByHashV1", "[[\(head)]]"),
            call("engine_getClientVersionV1", "[{}]"), "[\(build),\(build)]",
        ]
        let result = RPCBody().answer(Array(build.utf8)) { (request) throws(RPCError) in
            try engine.answer(request)
        }
        if let result, let document = try? JSONValue(parsing: result),
            let id = document["result"]?["payloadId"]
        {
            let get = call("engine_getPayloadV3", "[\(id.text)]")
            let answer = RPCBody().answer(Array(get.utf8)) { (request) throws(RPCError) in
                try engine.answer(request)
            }
            if let answer,
                let payload = try? JSONValue(parsing: answer)["result"]?["executionPayload"]
            {
                for method in ["engine_newPayloadV3", "engine_newPayloadWithWitnessV3"] {
                    texts.append(call(method, "[\(payload.text),[],\(zero)]"))
                }
            }
        }
        return texts.map { Array($0.utf8) }
    }
}
