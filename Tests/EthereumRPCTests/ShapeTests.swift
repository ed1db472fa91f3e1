import ChoraleBase
import Codec
import Crypto
import JSONRPC
import Testing

@testable import EthereumRPC
@testable import Execution

/// The fields that web3.py and ethers look for: all of them, and none more.
@Suite struct ShapeTests {
    static let alice = Wallet.all[0]
    static let bob = Wallet.all[1]

    /// A chain with one block that has a transaction of every type and withdrawals.
    static func chain() throws -> TestChain {
        let chain = try TestChain()
        try chain.commit(
            [
                alice.transaction(0, to: bob.address, value: 1, kind: .legacy),
                alice.transaction(
                    1, to: bob.address, kind: .accessList,
                    accessList: [.init(address: bob.address, slots: [.zero])]),
                alice.transaction(2, to: nil, data: Contracts.deploying(Contracts.recorder)),
                alice.transaction(
                    3, to: bob.address, kind: .setCode,
                    authorizations: [bob.authorization(alice.address, nonce: 0)]),
            ],
            withdrawals: [
                Withdrawal(index: 4, validatorIndex: 5, address: bob.address, amount: 6)
            ])
        return chain
    }

    static let headerFields = [
        "number", "hash", "parentHash", "nonce", "mixHash", "sha3Uncles", "logsBloom",
        "stateRoot", "miner", "difficulty", "extraData", "gasLimit", "gasUsed", "timestamp",
        "transactionsRoot", "receiptsRoot", "baseFeePerGas", "withdrawalsRoot", "blobGasUsed",
        "excessBlobGas", "parentBeaconBlockRoot", "requestsHash", "size", "transactions", "uncles",
        "withdrawals",
    ]

    @Test func blocks() throws {
        let chain = try Self.chain()
        let service = EthereumService(chain)
        let block = try service.call("eth_getBlockByNumber", #"["0x1",false]"#)
        #expect(Set(block.object?.names ?? []) == Set(Self.headerFields))
        let header = chain.blocks[1].block.header
        #expect(block["hash"]?.string == "0x\(header.hash)")
        #expect(block["nonce"]?.string == "0x0000000000000000")
        #expect(block["difficulty"]?.string == "0x0")
        #expect(block["extraData"]?.string == "0x")
        #expect(block["logsBloom"]?.string?.utf8.count == 514)
        #expect(block["uncles"] == .array([]))
        #expect(block["size"]?.string == "0x" + String(chain.blocks[1].size, radix: 16))
        let withdrawal = try #require(block["withdrawals"]?.array?[0])
        #expect(
            withdrawal
                == .object([
                    "index": .string("0x4"), "validatorIndex": .string("0x5"),
                    "address": .string("\(Self.bob.address)"), "amount": .string("0x6"),
                ]))
        let hashes = chain.blocks[1].block.transactions.map { JSONValue.string("0x\($0.hash)") }
        #expect(block["transactions"] == .array(hashes))
        #expect(
            try service.call("eth_getBlockByHash", #"["0x\#(header.hash)",false]"#) == block)
        #expect(
            try service.call("eth_getBlockTransactionCountByNumber", #"["latest"]"#).string
                == "0x4")
        #expect(
            try service.call(
                "eth_getBlockTransactionCountByHash", #"["0x\#(header.hash)"]"#
            ).string == "0x4")
        // The hash is that of the fields that are shown.
        let full = try service.call("eth_getBlockByNumber", #"["latest",true]"#)
        #expect(full["transactions"]?.array?.count == 4)
        for (index, hash) in hashes.enumerated() {
            let one = try service.call("eth_getTransactionByHash", "[\(hash.text)]")
            #expect(full["transactions"]?.array?[index] == one)
        }
    }

    @Test func forksAddFields() throws {
        let chain = try TestChain(.cancun)
        let block = try EthereumService(chain).call(
            "eth_getBlockByNumber", #"["earliest",false]"#)
        #expect(
            Set(block.object?.names ?? []) == Set(Self.headerFields).subtracting(["requestsHash"]))
    }

    @Test func transactions() throws {
        let service = EthereumService(try Self.chain())
        let block = try service.call("eth_getBlockByNumber", #"["latest",true]"#)
        let found = try #require(block["transactions"]?.array)
        let common: Set = [
            "blockHash", "blockNumber", "transactionIndex", "from", "to", "gas", "gasPrice",
            "hash", "input", "nonce", "value", "type", "v", "r", "s", "chainId",
        ]
        let typed = common.union(["yParity", "accessList"])
        let dynamic = typed.union(["maxFeePerGas", "maxPriorityFeePerGas"])
        #expect(
            found.map { Set($0.object?.names ?? []) }
                == [common, typed, dynamic, dynamic.union(["authorizationList"])])
        #expect(found.map { $0["type"]?.string } == ["0x0", "0x1", "0x2", "0x4"])
        // EIP-155: 35 + 2 · 1337 and the parity.
        #expect(["0xa95", "0xa96"].contains(found[0]["v"]?.string))
        #expect(found[1]["v"] == found[1]["yParity"])
        #expect(found[2]["to"] == .null)
        #expect(
            found[1]["accessList"]
                == .array([
                    .object([
                        "address": .string("\(Self.bob.address)"),
                        "storageKeys": .array([.string("0x\(Bytes32.zero)")]),
                    ])
                ]))
        let authorization = try #require(found[3]["authorizationList"]?.array?[0])
        #expect(
            authorization.object?.names == ["chainId", "address", "nonce", "yParity", "r", "s"])
        for transaction in found {
            #expect(transaction["from"]?.string == "\(Self.alice.address)")
            #expect(transaction["chainId"]?.string == "0x539")
        }
    }

    @Test func receipts() throws {
        let chain = try Self.chain()
        let service = EthereumService(chain)
        let found = try #require(
            service.call("eth_getBlockReceipts", #"["latest"]"#).array)
        let fields: Set = [
            "blockHash", "blockNumber", "contractAddress", "cumulativeGasUsed",
            "effectiveGasPrice", "from", "to", "gasUsed", "logs", "logsBloom", "status",
            "transactionHash", "transactionIndex", "type",
        ]
        var total: UInt64 = 0
        for (index, receipt) in found.enumerated() {
            #expect(Set(receipt.object?.names ?? []) == fields)
            let hash = try #require(receipt["transactionHash"])
            #expect(try service.call("eth_getTransactionReceipt", "[\(hash.text)]") == receipt)
            #expect(receipt["transactionIndex"]?.string == "0x\(index)")
            total += try #require(
                receipt["gasUsed"]?.string.flatMap { UInt64($0.dropFirst(2), radix: 16) })
            #expect(receipt["cumulativeGasUsed"]?.string == "0x" + String(total, radix: 16))
        }
        #expect(total == chain.blocks[1].block.header.gasUsed)
        #expect(
            found[2]["contractAddress"]?.string
                == "\(Address(creator: Self.alice.address, nonce: 2))")
        // The older types pay all that they offer.
        #expect(found[0]["effectiveGasPrice"]?.string == "\(UInt256(20_000_000_000))")
        #expect(found[3]["effectiveGasPrice"]?.string == "\(UInt256(2_875_000_000))")
        // Bob's account runs Alice's code now.
        #expect(
            try service.call("eth_getCode", #"["\#(Self.bob.address)"]"#).string
                == "0xef0100" + "\(Self.alice.address)".dropFirst(2))
    }

    @Test func thePendingBlock() throws {
        let service = EthereumService(try Self.chain())
        let pending = try service.call("eth_getBlockByNumber", #"["pending",true]"#)
        let latest = try service.call("eth_getBlockByNumber", #"["latest",true]"#)
        #expect(pending["number"]?.string == "0x2")
        #expect(pending["parentHash"] == latest["hash"])
        #expect(Set(pending.object?.names ?? []) == Set(Self.headerFields))
        for name in ["hash", "nonce", "miner", "logsBloom"] { #expect(pending[name] == .null) }
        #expect(pending["transactions"] == .array([]))
    }

    @Test func whatIsNotThereIsNull() throws {
        let service = EthereumService(try Self.chain())
        let nothing = #""0x\#(Bytes32.zero)""#
        for (method, params) in [
            ("eth_getBlockByNumber", #"["0x9",false]"#),
            ("eth_getBlockByNumber", #"["safe",false]"#),
            ("eth_getBlockByHash", "[\(nothing),false]"),
            ("eth_getTransactionByHash", "[\(nothing)]"),
            ("eth_getTransactionReceipt", "[\(nothing)]"),
            ("eth_getBlockReceipts", "[\(nothing)]"),
            ("eth_getBlockTransactionCountByNumber", #"["0x9"]"#),
            ("eth_getBlockTransactionCountByHash", "[\(nothing)]"),
        ] {
            #expect(try service.call(method, params) == .null, "\(method) \(params)")
        }
    }

    @Test func theRest() throws {
        let chain = try TestChain()
        let service = EthereumService(chain)
        #expect(try service.call("eth_chainId").string == "0x539")
        #expect(try service.call("net_version").string == "1337")
        #expect(try service.call("net_listening") == .bool(true))
        #expect(try service.call("net_peerCount").string == "0x3")
        #expect(try service.call("web3_clientVersion").string == "Chorale/test")
        #expect(try service.call("eth_accounts") == .array([]))
        #expect(try service.call("eth_syncing") == .bool(false))
        chain.syncing = SyncProgress(starting: 1, current: 16, highest: 255)
        #expect(
            try service.call("eth_syncing")
                == .object([
                    "startingBlock": .string("0x1"), "currentBlock": .string("0x10"),
                    "highestBlock": .string("0xff"),
                ]))
        #expect(
            try service.call("web3_sha3", #"["0x68656c6c6f20776f726c64"]"#).string
                == "0x47173285a8d7341e5e972fc677286384f802f8ef42a5ec5f03bbfa254cb01fad")
        #expect(
            try service.call("rpc_modules").object?.names == ["debug", "eth", "net", "rpc", "web3"]
        )
    }

    @Test func witnesses() throws {
        let chain = try Self.chain()
        let service = EthereumService(chain)
        let found = try service.call("debug_executionWitness", #"["latest"]"#)
        #expect(found.object?.names == ["state", "codes", "headers"])
        // It is one: the block executes from it.
        let witness = try Witness(json: found.encoded)
        let block = chain.blocks[1]
        let verdict = try StatelessExecution(rules: chain.rules).verdict(
            block.block, size: block.size, witness)
        #expect(verdict.roots.stateRoot == block.block.header.stateRoot)
        #expect(
            try service.error("debug_executionWitness", #"["earliest"]"#)?.message
                == "the genesis block has no witness")
        #expect(try service.error("debug_executionWitness", #"["pending"]"#)?.code == -32000)
    }
}
