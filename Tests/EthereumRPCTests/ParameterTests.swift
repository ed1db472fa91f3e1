import ChoraleBase
import Codec
import JSONRPC
import Testing

@testable import EthereumRPC
@testable import Execution

/// What is taken as a parameter, and what is said about the rest.
@Suite struct ParameterTests {
    static let address = "\(Wallet.all[0].address)"

    struct Row: CustomTestStringConvertible, Sendable {
        let method: String
        let params: String
        let code: Int
        let words: String
        var testDescription: String { "\(method) \(params.prefix(80))" }

        init(_ method: String, _ params: String, _ code: Int, _ words: String) {
            self.method = method
            self.params = params
            self.code = code
            self.words = words
        }
    }

    static let refusals = [
        // Quantities
        Row("eth_getBalance", #"["\#(address)","0x01"]"#, -32602, "without leading zeros"),
        Row("eth_getBalance", #"["\#(address)","0x"]"#, -32602, "`block`"),
        Row("eth_getBalance", #"["\#(address)","1"]"#, -32602, "`block`"),
        Row("eth_getBalance", #"["\#(address)",1]"#, -32602, "`block`"),
        Row("eth_getBalance", #"["\#(address)","0x1g"]"#, -32602, "`block`"),
        Row("eth_getBalance", #"["\#(address)","newest"]"#, -32602, "latest"),
        Row("eth_getBalance", #"["\#(address)","0x10000000000000000"]"#, -32602, "2^64"),
        Row("eth_call", #"[{"value":"0x00"}]"#, -32602, "`transaction.value`"),
        Row("eth_call", #"[{"value":1}]"#, -32602, "`transaction.value`"),
        Row(
            "eth_call", #"[{"value":"0x1\#(String(repeating: "0", count: 64))"}]"#, -32602,
            "`transaction.value`"),
        // Data
        Row("eth_getBalance", #"["0x12","latest"]"#, -32602, "20 bytes"),
        Row("eth_getBalance", #"["\#(address.dropFirst(2))"]"#, -32602, "`address`"),
        Row("web3_sha3", #"["0x123"]"#, -32602, "even number"),
        Row("web3_sha3", #"["0xzz"]"#, -32602, "`data`"),
        Row("eth_getTransactionByHash", #"["0x12"]"#, -32602, "32 bytes"),
        Row(
            "eth_getStorageAt", #"["\#(address)","0x1\#(String(repeating: "0", count: 64))"]"#,
            -32602, "`slot`"),
        // How many
        Row("eth_getBalance", "[]", -32602, "missing value for required argument 0"),
        Row("eth_getBalance", #"["\#(address)","latest",1]"#, -32602, "too many arguments"),
        Row("eth_getBalance", #"{"address":"\#(address)"}"#, -32602, "by position"),
        Row("eth_getBlockByNumber", #"["latest",1]"#, -32602, "true or false"),
        // EIP-1898
        Row("eth_getBalance", #"["\#(address)",{}]"#, -32602, "either blockNumber or blockHash"),
        Row(
            "eth_getBalance",
            #"["\#(address)",{"blockNumber":"0x0","blockHash":"0x\#(Bytes32.zero)"}]"#, -32602,
            "either blockNumber or blockHash"),
        Row(
            "eth_getBalance", #"["\#(address)",{"blockHash":"0x\#(Bytes32.zero)"}]"#, -32000,
            "header for hash not found"),
        Row("eth_getBalance", #"["\#(address)","0x9"]"#, -32000, "header not found"),
        Row("eth_getBalance", #"["\#(address)","finalized"]"#, -32000, "finalized"),
        // Calls
        Row("eth_call", #"[1]"#, -32602, "an object"),
        Row(
            "eth_call", #"[{"gasPrice":"0x1","maxFeePerGas":"0x1"}]"#, -32602, "both gasPrice and"),
        Row(
            "eth_call", #"[{"maxPriorityFeePerGas":"0x2","maxFeePerGas":"0x1"}]"#, -32000,
            "higher than max fee"),
        Row("eth_call", #"[{"data":"0x12","input":"0x13"}]"#, -32602, "not equal"),
        Row("eth_call", #"[{"chainId":"0x1"}]"#, -32000, "have=1, want=1337"),
        Row("eth_call", #"[{"blobVersionedHashes":[]}]"#, -32000, "no blobs"),
        Row("eth_call", #"[{"gasPrice":"0x1","to":"\#(address)"}]"#, -32000, "base fee"),
        Row("eth_call", #"[{},"0x7"]"#, -32000, "header not found"),
        // Logs
        Row("eth_getLogs", "[]", -32602, "missing value"),
        Row("eth_getLogs", #"[{"topics":[null,null,null,null,null]}]"#, -32602, "more than 4"),
        Row(
            "eth_getLogs", #"[{"fromBlock":"0x0","blockHash":"0x\#(Bytes32.zero)"}]"#, -32602,
            "cannot specify both"),
        Row("eth_getLogs", #"[{"blockHash":"0x\#(Bytes32.zero)"}]"#, -32000, "unknown block"),
        Row(
            "eth_getLogs", #"[{"fromBlock":"0x2","toBlock":"0x1"}]"#, -32602, "invalid block range"),
        Row("eth_getLogs", #"[{"address":"0x12"}]"#, -32602, "`filter.address`"),
        // Fees
        Row("eth_feeHistory", #"["0x1","latest",[101]]"#, -32000, "invalid reward percentile"),
        Row("eth_feeHistory", #"["0x1","latest",[50,20]]"#, -32000, "invalid reward percentile"),
        Row("eth_feeHistory", #"["0x1","0x99"]"#, -32000, "beyond head"),
        // Methods
        Row("eth_getBalence", "[]", -32601, "did you mean eth_getBalance?"),
        Row("engine_newPayloadV4", "[]", -32601, "does not exist/is not available"),
    ]

    @Test(arguments: refusals) func refuses(_ row: Row) throws {
        let service = EthereumService(try TestChain())
        let error = try #require(try service.error(row.method, row.params))
        #expect(error.code == row.code)
        #expect(error.message.contains(row.words), "\(error.message)")
    }

    @Test func waysToNameABlock() throws {
        let chain = try TestChain()
        let alice = Wallet.all[0]
        try chain.commit([alice.transaction(0, to: .zero, value: 1, gas: 21_000)])
        try chain.commit()
        let service = EthereumService(chain)
        func nonce(_ block: String) throws -> String? {
            try service.call("eth_getTransactionCount", #"["\#(Self.address)",\#(block)]"#).string
        }
        #expect(try nonce(#""0x0""#) == "0x0")
        #expect(try nonce(#""earliest""#) == "0x0")
        #expect(try nonce(#""latest""#) == "0x1")
        #expect(try nonce(#""pending""#) == "0x1")
        #expect(try nonce("null") == "0x1")
        #expect(try nonce(#"{"blockNumber":"0x0"}"#) == "0x0")
        #expect(try nonce(#"{"blockNumber":"latest"}"#) == "0x1")
        let hash = chain.blocks[1].hash
        #expect(try nonce(#"{"blockHash":"0x\#(hash)","requireCanonical":true}"#) == "0x1")
        #expect(try nonce(#""0x\#(chain.blocks[0].hash)""#) == "0x0")
        // Tags move on their own.
        chain.safe = 1
        chain.finalized = 0
        #expect(try nonce(#""safe""#) == "0x1")
        #expect(try nonce(#""finalized""#) == "0x0")
    }

    @Test func pruned() throws {
        let chain = try TestChain()
        try chain.commit()
        chain.oldest = 1
        let error = try EthereumService(chain).error(
            "eth_getBalance", #"["\#(Self.address)","0x0"]"#)
        #expect(error?.code == 4444)
        #expect(error?.message.contains("the oldest is 1") == true)
    }

    // MARK: Limits

    @Test func limitsAreNamed() throws {
        let contract = Address(UInt256(0xC0DE))
        let chain = try TestChain(.prague, [contract: .init(code: Contracts.recorder)])
        let alice = Wallet.all[0]
        try chain.commit(
            (0..<5).map {
                alice.transaction(UInt64($0), to: contract, data: Contracts.word(7))
            })
        for _ in 0..<4 { try chain.commit() }
        var limits = EthereumLimits()
        limits.logBlockCountMax = 5
        limits.logCountMax = 5
        func error(_ params: String) throws -> RPCError? {
            try EthereumService(chain, limits: limits).error("eth_getLogs", params)
        }
        #expect(try error(#"[{"fromBlock":"0x1","toBlock":"0x5"}]"#) == nil)
        let range = try error(#"[{"fromBlock":"0x0","toBlock":"0x5"}]"#)
        #expect(range?.code == -32005)
        #expect(range?.message == "block range too large: 6 blocks, 5 at most")
        limits.logCountMax = 4
        let count = try error(#"[{"fromBlock":"0x1","toBlock":"0x1"}]"#)
        #expect(count?.message.contains("more than 4 logs") == true)
        limits = EthereumLimits()
        limits.logSizeMax = 5 * 96 - 1
        let size = try error(#"[{"fromBlock":"0x1","toBlock":"0x1"}]"#)
        #expect(size?.message.contains("more than 479 bytes") == true)

        limits.callGasMax = 50_000
        let service = EthereumService(chain, limits: limits)
        let seven = Hex.encode(Contracts.word(7))
        let call = #"[{"to":"\#(contract)","data":"0x\#(seven)","gas":"0xffffff"}]"#
        // Slot 0 has 7 already, so this is cheap.
        #expect(try service.error("eth_call", call) == nil)
        limits.callGasMax = 22_000
        #expect(
            try EthereumService(chain, limits: limits).error("eth_call", call)?.message
                == "out of gas")
    }

    @Test func batches() throws {
        var limits = EthereumLimits()
        limits.batchCountMax = 3
        let service = EthereumService(try TestChain(), limits: limits)
        func answer(_ body: String) throws -> JSONValue? {
            try service.answer(body: Array(body.utf8)).map { try JSONValue(parsing: $0) }
        }
        let call = #"{"jsonrpc":"2.0","id":7,"method":"eth_chainId"}"#
        let notification = #"{"jsonrpc":"2.0","method":"eth_chainId"}"#
        let one = try answer(call)
        #expect(one?["result"]?.string == "0x539")
        #expect(one?["id"] == .integer(7))
        #expect(try answer("[\(call)]") == .array([one!]))
        let mixed = try answer(#"[\#(call),\#(notification),5]"#)?.array
        #expect(mixed?.count == 2)
        #expect(mixed?[1]["error"]?["code"]?.int == -32600)
        #expect(try answer(notification) == nil)
        #expect(try answer("[\(notification)]") == nil)
        #expect(try answer("[]")?["error"]?["code"]?.int == -32600)
        #expect(try answer("{")?["error"]?["code"]?.int == -32700)
        let many = try answer("[\(call),\(call),\(call),\(call)]")
        #expect(many?["error"]?["message"]?.string?.contains("4 calls, 3 at most") == true)
        limits.batchSizeMax = 10
        let small = EthereumService(try TestChain(), limits: limits)
        let answers = try JSONValue(
            parsing: try #require(small.answer(body: Array("[\(call),\(call)]".utf8))))
        #expect(answers.array?[0]["result"]?.string == "0x539")
        #expect(answers.array?[1]["error"]?["code"]?.int == -32003)
    }

    /// Any bytes at all are answered.
    @Test(arguments: UInt64(0)..<20) func nothingTraps(seed: UInt64) throws {
        let service = EthereumService(try TestChain())
        var random = DeterministicRandom(seed: seed)
        let values = [
            "null", "true", "[]", "{}", "-1", "1e9", #""""#, #""0x""#, #""0x0""#, #""latest""#,
            #""pending""#, #""0x\#(Bytes32.zero)""#, #""\#(Self.address)""#,
            #""0xffffffffffffffff""#, #"{"to":"\#(Self.address)"}"#, "[[[]]]", "[50,60]",
            #"{"\#(Self.address)":{"nonce":"0xffffffffffffffff","state":{}}}"#,
            #"{"fromBlock":"earliest","topics":[[],null]}"#,
            #"{"number":"0xffffffffffffffff","time":"0xffffffffffffffff","baseFeePerGas":"0x5"}"#,
            #"{"data":"0x60006000f3","value":"0x0","gas":"0xffffffffffffffff"}"#,
            #"{"from":"\#(Self.address)","gasPrice":"0xffffffffffffffffffffffffffffffff"}"#,
        ]
        for method in EthereumService.Method.allCases {
            for _ in 0..<30 {
                let params = (0..<random.below(5)).map { _ in random.element(of: values)! }
                let body =
                    #"{"jsonrpc":"2.0","id":1,"method":"\#(method.rawValue)","params":[\#(params.joined(separator: ","))]}"#
                let answer = try #require(service.answer(body: Array(body.utf8)))
                let document = try JSONValue(parsing: answer)
                let isAnswered = document["result"] != nil || document["error"] != nil
                #expect(isAnswered)
            }
        }
    }
}

/// Fees, from blocks whose fees are known.
@Suite struct FeeTests {
    @Test func history() throws {
        let chain = try TestChain()
        let (alice, bob) = (Wallet.all[0], Wallet.all[1])
        try chain.commit([
            alice.transaction(0, to: bob.address, gas: 21_000, tip: 1_000_000_000),
            alice.transaction(1, to: bob.address, gas: 21_000, tip: 3_000_000_000),
        ])
        try chain.commit()
        let service = EthereumService(chain)
        let found = try service.call(
            "eth_feeHistory", #"["0x2","latest",[0,50,51,100]]"#)
        #expect(found["oldestBlock"]?.string == "0x1")
        let headers = chain.blocks.map(\.block.header)
        #expect(
            found["baseFeePerGas"]
                == .array(
                    [
                        headers[1].baseFeePerGas!, headers[2].baseFeePerGas!,
                        headers[2].baseFeeOfNext,
                    ]
                    .map { .string("\($0)") }))
        #expect(found["gasUsedRatio"]?.array?.map(\.double) == [42_000.0 / 30_000_000, 0])
        #expect(found["baseFeePerBlobGas"]?.array?.map(\.string) == ["0x1", "0x1", "0x1"])
        #expect(found["blobGasUsedRatio"]?.array?.count == 2)
        let (one, three) = ("0x3b9aca00", "0xb2d05e00")
        #expect(
            found["reward"]?.array?.map { $0.array?.map(\.string) } == [
                [one, one, three, three], ["0x0", "0x0", "0x0", "0x0"],
            ])
        #expect(try service.call("eth_feeHistory", #"[2,"latest"]"#)["reward"] == nil)
        // More than there are.
        #expect(
            try service.call("eth_feeHistory", #"["0x400","latest",[]]"#)["gasUsedRatio"]?.array?
                .count == 3)
        #expect(
            try service.call("eth_feeHistory", #"["0x0","latest",[]]"#)["oldestBlock"]?.string
                == "0x0")
    }

    @Test func historyIsBounded() throws {
        let chain = try TestChain()
        for _ in 0..<6 { try chain.commit() }
        var limits = EthereumLimits()
        limits.feeHistoryCountMax = 4
        let found = try EthereumService(chain, limits: limits).call(
            "eth_feeHistory", #"["0xff","latest"]"#)
        #expect(found["oldestBlock"]?.string == "0x3")
        #expect(found["gasUsedRatio"]?.array?.count == 4)
    }

    @Test func suggestions() throws {
        let chain = try TestChain()
        let service = EthereumService(chain)
        #expect(try service.call("eth_maxPriorityFeePerGas").string == "0xf4240")
        let alice = Wallet.all[0]
        for nonce in 0..<10 {
            try chain.commit([
                alice.transaction(
                    UInt64(nonce), to: .zero, gas: 21_000,
                    tip: UInt64(nonce + 1) * 100_000_000)
            ])
        }
        // The 60th percentile of 0.1 to 1 gwei.
        #expect(try service.call("eth_maxPriorityFeePerGas").string == "\(UInt256(600_000_000))")
        let next = chain.blocks[10].block.header.baseFeeOfNext
        #expect(
            try service.call("eth_gasPrice").string == "\(next &+ UInt256(600_000_000))")
    }
}

@Suite struct RevertReasonTests {
    @Test func texts() {
        #expect(RevertReason.text([]) == nil)
        #expect(RevertReason.text([1, 2, 3, 4]) == nil)
        let panic: [UInt8] = [0x4E, 0x48, 0x7B, 0x71] + Contracts.word(0x11)
        #expect(RevertReason.text(panic) == "arithmetic underflow or overflow")
        let error: [UInt8] =
            [0x08, 0xC3, 0x79, 0xA0] + Contracts.word(32) + Contracts.word(2) + Array("no".utf8)
        #expect(RevertReason.text(error) == "no")
        // Cut anywhere it is not a text, and nothing traps.
        for count in 0..<error.count { #expect(RevertReason.text(Array(error[..<count])) == nil) }
        let far: [UInt8] =
            [0x08, 0xC3, 0x79, 0xA0] + UInt256.max.bytes32.bytes + Contracts.word(2)
        #expect(RevertReason.text(far) == nil)
        let long: [UInt8] =
            [0x08, 0xC3, 0x79, 0xA0] + Contracts.word(32) + Contracts.word(UInt64(Int.max))
        #expect(RevertReason.text(long) == nil)
    }
}
