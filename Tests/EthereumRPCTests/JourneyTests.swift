import ChoraleBase
import Codec
import Crypto
import JSONRPC
import Testing

@testable import EthereumRPC
@testable import Execution

/// What a script does: transfer, deploy, call, look for logs; on a real chain.
@Suite struct JourneyTests {
    let chain: TestChain
    let service: EthereumService
    let alice = Wallet.all[0]
    let bob = Wallet.all[1]

    init() throws {
        chain = try TestChain()
        service = EthereumService(chain)
    }

    func send(_ transaction: Transaction) throws -> String {
        let encoding = Hex.encode(transaction.encoded)
        let hash = try service.call("eth_sendRawTransaction", #"["0x\#(encoding)"]"#)
        return try #require(hash.string)
    }

    @Test func transfer() throws {
        let transaction = alice.transaction(0, to: bob.address, value: 12345, gas: 21_000)
        let hash = try send(transaction)
        #expect(hash == "0x\(transaction.hash)")
        // While it waits.
        let waiting = try service.call("eth_getTransactionByHash", #"["\#(hash)"]"#)
        #expect(waiting["blockHash"] == .null)
        #expect(waiting["transactionIndex"] == .null)
        #expect(waiting["gasPrice"]?.string == "0x4a817c800")
        #expect(try service.call("eth_getTransactionReceipt", #"["\#(hash)"]"#) == .null)
        let parameters = #"["\#(alice.address)","#
        #expect(
            try service.call("eth_getTransactionCount", parameters + #""pending"]"#).string
                == "0x1")
        #expect(
            try service.call("eth_getTransactionCount", parameters + #""latest"]"#).string
                == "0x0")
        let block = try chain.commit()
        #expect(try service.call("eth_blockNumber").string == "0x1")
        #expect(
            try service.call("eth_getBalance", #"["\#(bob.address)","latest"]"#).string
                == "0xde0b6b3a7643039")
        #expect(
            try service.call("eth_getBalance", #"["\#(bob.address)","earliest"]"#).string
                == "0xde0b6b3a7640000")
        let receipt = try service.call("eth_getTransactionReceipt", #"["\#(hash)"]"#)
        #expect(receipt["status"]?.string == "0x1")
        #expect(receipt["gasUsed"]?.string == "0x5208")
        #expect(receipt["blockHash"]?.string == "0x\(block.hash)")
        #expect(receipt["contractAddress"] == .null)
        #expect(receipt["from"]?.string == "\(alice.address)")
        // Base fee after an empty genesis, 7/8 of a gwei, and the tip.
        #expect(
            receipt["effectiveGasPrice"]?.string
                == "\(UInt256(875_000_000 + 2_000_000_000))")
        let found = try service.call("eth_getTransactionByHash", #"["\#(hash)"]"#)
        #expect(found["blockNumber"]?.string == "0x1")
        #expect(found["gasPrice"] == receipt["effectiveGasPrice"])
    }

    @Test func deployCallAndLogs() throws {
        _ = try send(
            alice.transaction(0, to: nil, data: Contracts.deploying(Contracts.recorder)))
        let first = try chain.commit()
        let receipts = try service.call("eth_getBlockReceipts", #"["0x\#(first.hash)"]"#)
        let contract = try #require(receipts.array?[0]["contractAddress"]?.string)
        #expect(contract == "\(Address(creator: alice.address, nonce: 0))")
        #expect(
            try service.call("eth_getCode", #"["\#(contract)","latest"]"#).string
                == "0x" + Hex.encode(Contracts.recorder))
        // A call changes nothing.
        let seven = Hex.encode(Contracts.word(7))
        let call = #"[{"to":"\#(contract)","data":"0x\#(seven)"},"latest"]"#
        #expect(try service.call("eth_call", call).string == "0x" + seven)
        #expect(
            try service.call("eth_getStorageAt", #"["\#(contract)","0x0","latest"]"#).string
                == "0x" + String(repeating: "0", count: 64))
        let bytes = try Hex.decode(contract)
        let address = Address(bytes.span)!
        for (nonce, word) in [(1, UInt64(7)), (2, 9), (3, 7)] {
            _ = try send(
                alice.transaction(
                    UInt64(nonce), to: address, data: Contracts.word(word)))
        }
        _ = try send(bob.transaction(0, to: address, data: Contracts.word(0)))
        let second = try chain.commit()
        #expect(second.block.transactions.count == 4)
        #expect(
            try service.call("eth_getStorageAt", #"["\#(contract)","0x0","latest"]"#).string
                == "0x" + seven)
        // After the block before, it was another.
        #expect(
            try service.call("eth_getStorageAt", #"["\#(contract)","0x0","0x1"]"#).string
                == "0x" + String(repeating: "0", count: 64))
        try checkLogs(contract)
        let failed = try service.call(
            "eth_getTransactionReceipt",
            #"["0x\#(bob.transaction(0, to: address, data: Contracts.word(0)).hash)"]"#)
        #expect(failed["status"]?.string == "0x0")
        #expect(failed["logs"] == .array([]))
    }

    private func checkLogs(_ contract: String) throws {
        let aa = "0x" + Hex.encode(Contracts.word(0xAA))
        let seven = "0x" + Hex.encode(Contracts.word(7))
        let nine = "0x" + Hex.encode(Contracts.word(9))
        func logs(_ filter: String) throws -> [String] {
            let found = try service.call("eth_getLogs", "[{\(filter)}]")
            return try #require(found.array).map { $0["topics"]?.array?[1].string ?? "" }
        }
        let all = #""fromBlock":"0x0","toBlock":"latest""#
        #expect(try logs(all).count == 3)
        #expect(try logs(#"\#(all),"address":"\#(contract)""#).count == 3)
        #expect(try logs(#"\#(all),"address":["\#(bob.address)","\#(contract)"]"#).count == 3)
        #expect(try logs(#"\#(all),"address":"\#(bob.address)""#).isEmpty)
        #expect(try logs(#"\#(all),"address":[]"#).count == 3)
        #expect(try logs(#"\#(all),"topics":["\#(aa)"]"#).count == 3)
        #expect(try logs(#"\#(all),"topics":["\#(seven)"]"#).isEmpty)
        #expect(try logs(#"\#(all),"topics":[null,"\#(nine)"]"#) == [nine])
        #expect(try logs(#"\#(all),"topics":["\#(aa)",["\#(nine)","\#(seven)"]]"#).count == 3)
        #expect(try logs(#"\#(all),"topics":[null,["\#(seven)"]]"#) == [seven, seven])
        // A third topic, even any, is not there.
        #expect(try logs(#"\#(all),"topics":[null,null,null]"#).isEmpty)
        #expect(try logs(#""fromBlock":"0x1","toBlock":"0x1""#).isEmpty)
        #expect(try logs(#""fromBlock":"0x9","toBlock":"0xff""#).isEmpty)
        let block = chain.blocks[2]
        #expect(try logs(#""blockHash":"0x\#(block.hash)""#).count == 3)

        let found = try service.call("eth_getLogs", "[{\(all)}]").array ?? []
        let receipts = try service.call("eth_getBlockReceipts", #"["0x2"]"#).array ?? []
        #expect(found == receipts.flatMap { $0["logs"]?.array ?? [] })
        #expect(found.map { $0["logIndex"]?.string } == ["0x0", "0x1", "0x2"])
        for log in found {
            #expect(log["blockHash"]?.string == "0x\(block.hash)")
            #expect(log["removed"] == .bool(false))
            let index = try #require(
                log["transactionIndex"]?.string.flatMap { Int($0.dropFirst(2), radix: 16) })
            #expect(
                log["transactionHash"]?.string
                    == "0x\(block.block.transactions[index].hash)")
        }
    }

    // MARK: Calls that fail

    @Test func revertsSayWhy() throws {
        let contract = Address(UInt256(0xC0DE))
        let chain = try TestChain(.prague, [contract: .init(code: Contracts.recorder)])
        let service = EthereumService(chain)
        let zero = Hex.encode(Contracts.word(0))
        for method in ["eth_call", "eth_estimateGas"] {
            let error = try service.error(
                method, #"[{"to":"\#(contract)","data":"0x\#(zero)"},"latest"]"#)
            #expect(error?.code == 3)
            #expect(error?.message == "execution reverted: nope")
            let data =
                "08c379a0" + Hex.encode(Contracts.word(32)) + Hex.encode(Contracts.word(4))
                + Hex.encode(Array("nope".utf8)) + String(repeating: "0", count: 56)
            #expect(error?.data == .string("0x" + data))
        }
    }

    @Test func otherEndsOfCalls() throws {
        let invalid = Address(UInt256(0xBAD))
        let loop = Address(UInt256(0x100B))
        let silent = Address(UInt256(0x51E))
        let chain = try TestChain(
            .prague,
            [
                invalid: .init(code: [0xFE]), loop: .init(code: [0x5B, 0x5F, 0x56]),
                silent: .init(code: [0x5F, 0x5F, 0xFD]),
            ])
        let service = EthereumService(chain)
        func error(_ method: String, _ to: Address, _ more: String = "") throws -> RPCError? {
            try service.error(method, #"[{"to":"\#(to)"\#(more)},"latest"]"#)
        }
        #expect(try error("eth_call", invalid)?.message == "invalid opcode")
        #expect(try error("eth_call", invalid)?.code == -32000)
        #expect(try error("eth_call", loop, #","gas":"0xffff""#)?.message == "out of gas")
        #expect(try error("eth_call", silent)?.message == "execution reverted")
        #expect(try error("eth_call", silent)?.data == .string("0x"))
        #expect(
            try error("eth_estimateGas", loop)?.message
                == "gas required exceeds allowance (30000000)")
        #expect(
            try error("eth_call", silent, #","gas":"0x5207""#)?.message
                .hasPrefix("intrinsic gas too low") == true)
        // Nobody can send what it has not.
        #expect(
            try error("eth_call", silent, #","value":"0x1""#)?.message
                .hasPrefix("insufficient funds for gas * price + value") == true)
    }

    // MARK: Estimates

    @Test func estimates() throws {
        let recorder = Address(UInt256(0xC0DE))
        let caller = Address(UInt256(0xCA11))
        let chain = try TestChain(
            .prague,
            [
                recorder: .init(code: Contracts.recorder),
                caller: .init(code: Contracts.caller(of: recorder)),
            ])
        let service = EthereumService(chain)
        func estimate(_ call: String) throws -> UInt64 {
            let found = try service.call("eth_estimateGas", "[{\(call)}]")
            let text = try #require(found.string)
            return try #require(UInt64(text.dropFirst(2), radix: 16))
        }
        func works(_ call: String, _ gas: UInt64) throws -> Bool {
            let gas = String(gas, radix: 16)
            return try service.error("eth_call", #"[{\#(call),"gas":"0x\#(gas)"}]"#) == nil
        }
        let from = #""from":"\#(alice.address)""#
        #expect(try estimate(#"\#(from),"to":"\#(bob.address)","value":"0x5""#) == 21_000)
        let five = Hex.encode(Contracts.word(5))
        for call in [
            #"\#(from),"to":"\#(recorder)","data":"0x\#(five)""#,
            // Of what is passed on, a 64th is held back: more is needed than is used.
            #"\#(from),"to":"\#(caller)""#,
            #"\#(from),"data":"0x\#(Hex.encode(Contracts.deploying(Contracts.recorder)))""#,
        ] {
            let gas = try estimate(call)
            #expect(try works(call, gas))
            // geth's tolerance.
            #expect(try !works(call, gas * 984 / 1000), "\(gas)")
        }
        // What the sender can pay for is the most that is tried.
        let poor = Address(UInt256(0x9003))
        let error = try service.error(
            "eth_estimateGas",
            #"[{"from":"\#(poor)","to":"\#(recorder)","gasPrice":"0x77359400","data":"0x\#(five)"}]"#
        )
        #expect(error?.message == "gas required exceeds allowance (0)")
    }

    // MARK: What if

    @Test func overrides() throws {
        let contract = Address(UInt256(0xC0DE))
        // Returns its balance, slot 0, slot 1 and the block's number and time.
        let code: [UInt8] =
            [0x47, 0x5F, 0x52, 0x5F, 0x54, 0x60, 0x20, 0x52, 0x60, 0x01, 0x54, 0x60, 0x40, 0x52]
            + [0x43, 0x60, 0x60, 0x52, 0x42, 0x60, 0x80, 0x52, 0x60, 0xA0, 0x5F, 0xF3]
        let chain = try TestChain(
            .prague,
            [
                contract: .init(
                    balance: UInt256(3), code: [0x00],
                    storage: [.zero: UInt256(11), .one: UInt256(12)])
            ])
        let service = EthereumService(chain)
        func words(_ override: String, _ block: String = "{}") throws -> [UInt64] {
            let code = Hex.encode(code)
            let found = try service.call(
                "eth_call",
                #"[{"to":"\#(contract)"},"latest",{"\#(contract)":{"code":"0x\#(code)"\#(override)}},\#(block)]"#
            )
            let bytes = try Hex.decode(try #require(found.string))
            return stride(from: 0, to: bytes.count, by: 32).map {
                UInt256(bigEndian: bytes.span.extracting($0..<$0 + 32))!.l0
            }
        }
        let time: UInt64 = 1_700_000_000
        #expect(try words("") == [3, 11, 12, 0, time])
        #expect(try words(#","balance":"0x63""#) == [99, 11, 12, 0, time])
        let (zero, five) = (Hex.encode(Contracts.word(0)), Hex.encode(Contracts.word(5)))
        #expect(
            try words(#","stateDiff":{"0x\#(zero)":"0x\#(five)"}"#) == [3, 5, 12, 0, time])
        #expect(try words(#","state":{"0x\#(zero)":"0x\#(five)"}"#) == [3, 5, 0, 0, time])
        #expect(try words("", #"{"number":"0x7","time":"0x8"}"#) == [3, 11, 12, 7, 8])
        // Nothing of it lasts.
        #expect(
            try service.call("eth_getStorageAt", #"["\#(contract)","0x0"]"#).string
                == "0x" + Hex.encode(Contracts.word(11)))
        let both = try service.error(
            "eth_call",
            #"[{"to":"\#(contract)"},"latest",{"\#(contract)":{"state":{},"stateDiff":{}}}]"#)
        #expect(both?.message.contains("both 'state' and 'stateDiff'") == true)
        // A nonce that has no successor.
        let last = try service.error(
            "eth_call",
            #"[{"from":"\#(contract)"},"latest",{"\#(contract)":{"nonce":"0xffffffffffffffff"}}]"#)
        #expect(last?.code == -32000)
    }

    /// Calls come from contracts as well, which no transaction does.
    @Test func callsOfContracts() throws {
        let contract = Address(UInt256(0xC0DE))
        let chain = try TestChain(.prague, [contract: .init(code: Contracts.recorder)])
        let five = Hex.encode(Contracts.word(5))
        let found = try EthereumService(chain).call(
            "eth_call", #"[{"from":"\#(contract)","to":"\#(contract)","input":"0x\#(five)"}]"#)
        #expect(found.string == "0x" + five)
    }

    // MARK: The pool's answers

    @Test func refusalsHaveTheWordsThatWalletsKnow() throws {
        _ = try send(alice.transaction(0, to: bob.address, gas: 21_000))
        func refused(_ transaction: Transaction) throws -> String {
            let error = try service.error(
                "eth_sendRawTransaction", #"["0x\#(Hex.encode(transaction.encoded))"]"#)
            #expect(error?.code == -32000)
            return error?.message ?? ""
        }
        #expect(try refused(alice.transaction(0, to: bob.address, gas: 21_000)) == "already known")
        #expect(
            try refused(alice.transaction(0, to: bob.address, value: 1, gas: 21_000))
                .hasPrefix("replacement transaction underpriced"))
        try chain.commit()
        #expect(
            try refused(alice.transaction(0, to: bob.address, value: 1, gas: 21_000))
                .hasPrefix("nonce too low"))
        #expect(
            try refused(Wallet(9).transaction(0, to: bob.address, gas: 21_000))
                .hasPrefix("insufficient funds for gas * price + value"))
        #expect(
            try refused(alice.transaction(1, to: bob.address, gas: 20_000))
                .hasPrefix("intrinsic gas too low"))
        let error = try service.error("eth_sendRawTransaction", #"["0x00"]"#)
        #expect(error?.code == -32000)
    }
}
