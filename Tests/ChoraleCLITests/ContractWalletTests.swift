import ChoraleBase
import ChoraleTypes
import Codec
import Crypto
import Execution
import Foundation
import Inference
import OperationKinds
import Operations
import Testing

@testable import ChoraleCLI

/// What is signed, as the execution layer reads it.
@Suite struct ContractWalletTests {
    static let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
        .deletingLastPathComponent().deletingLastPathComponent().path

    static func submission(
        _ kind: SubmittedKind = .inference, input: String = "7.input"
    ) throws -> InferenceSubmission {
        try InferenceSubmission(
            kind, model: root + "/models/digits/digits.model",
            input: root + "/models/digits/inputs/" + input)
    }

    @Test func aRequestIsWhatTheContractAndTheExecutorExpect() throws {
        let submission = try Self.submission()
        #expect(submission.partCount == 8)
        // The same bodies and hash, and nothing to prove.
        let judged = try Self.submission(.inferenceCommittee)
        #expect(judged.partCount == 0 && judged.kind.number == 2)
        #expect(judged.inputHash == submission.inputHash)
        #expect(judged.inputRoot == submission.inputRoot)
        let model = try Files.read(
            Self.root + "/models/digits/digits.model", sizeMax: 1 << 20)
        let vector = try Files.read(
            Self.root + "/models/digits/inputs/7.input", sizeMax: 1 << 20)
        // The body decodes to both names, and the hash is of them.
        let body = try RequestedInference.input(submission.inputBody)
        #expect(body.model == SHA256.hash(model))
        #expect(body.vector == vector)
        #expect(body.modelFile.root == submission.modelRoot)
        let hash = SHA256.hash(
            Array("chorale/inference-request/1".utf8) + SHA256.hash(model).bytes
                + SHA256.hash(vector).bytes)
        #expect(submission.inputHash == hash)

        let key = try Secp256k1.PrivateKey(
            SecretBytes(copying: [UInt8](repeating: 0, count: 31) + [1]))
        let signed = ContractWallet.transaction(
            submission.request(ttl: 300), value: UInt256(5), chainID: 1337, nonce: 9, gas: 100_000,
            baseFee: UInt256(7)
        ).signed(by: key)
        let decoded = try Transaction(signed.encoded.span)
        #expect(decoded.kind == .dynamicFee && decoded.nonce == 9)
        #expect(decoded.gasLimit == 120_000)
        #expect(decoded.maxFeePerGas == UInt256(1_000_000_014))
        #expect(decoded.maxPriorityFeePerGas == UInt256(1_000_000_000))
        #expect(decoded.value == UInt256(5))
        #expect(decoded.chainID == UInt256(1337))
        // The address of the key 1 is known to everybody.
        let sender = try decoded.sender()
        #expect(sender.description == "0x7e5f4552091a69125d5dfcb7b8c2659029395bdf")
        #expect(decoded.to?.description == "0x000000000000000000000000000000000c402a1e")
        #expect(decoded.data.count == 4 + 5 * 32)
        // request(uint16,bytes32,bytes32,uint64,uint32)
        #expect(
            Array(decoded.data.prefix(4))
                == Array(
                    Keccak256.hash(Array("request(uint16,bytes32,bytes32,uint64,uint32)".utf8))
                        .bytes.prefix(4)))
        let words = stride(from: 4, to: decoded.data.count, by: 32).map {
            Array(decoded.data[$0..<$0 + 32])
        }
        #expect(words[0].last == 1)
        #expect(words[1] == submission.inputHash.bytes)
        #expect(words[2] == submission.inputRoot.bytes)
        #expect(
            UInt256(try #require(Bytes32(words[3]))) == UInt256(UInt64(submission.inputBody.count)))
        #expect(UInt256(try #require(Bytes32(words[4]))) == UInt256(300))
    }

    @Test func filesAreCheckedBeforeAnythingIsPaid() throws {
        let scratch = try Scratch()
        let model = Self.root + "/models/digits/digits.model"
        let short = scratch.path + "/short.input"
        try Files.create(short, QuantisedVector.int8([1, 2, 3]).encoded())
        let wide = scratch.path + "/wide.input"
        try Files.create(
            wide, QuantisedVector.int32([Int32](repeating: 1, count: 64)).encoded())
        for (input, words) in [
            (short, "has 3 values, and"), (wide, "takes int8"), (model, "is no vector file"),
            (scratch.path + "/none", "cannot read"),
        ] {
            #expect(throws: Failure.self) {
                do throws(Failure) {
                    _ = try InferenceSubmission(.inference, model: model, input: input)
                } catch {
                    #expect(error.message.contains(words), "\(error)")
                    throw error
                }
            }
        }
        #expect(throws: Failure.self) {
            try InferenceSubmission(.inference, model: wide, input: short)
        }
    }

    @Test func whatTheNetworkWouldNotExecuteIsNotSent() throws {
        let submission = try Self.submission()
        let network = try #require(NetworkDigest([1, 2, 3, 4]))
        let record = try KindRecord(
            number: 1, capability: 1, policy: .proof, isDeterministic: true, proofTypes: [64],
            inputSizeMax: 1 << 20, outputSizeMax: 65_536, partsMax: 7, ttlMin: 20, ttlMax: 400,
            feeMin: 1000)
        let wide = try KindRecord(
            number: 1, capability: 1, policy: .proof, isDeterministic: true, proofTypes: [64],
            inputSizeMax: 1 << 20, outputSizeMax: 65_536, partsMax: 8, ttlMin: 20, ttlMax: 400,
            feeMin: 1000)
        let none = try OperationParameters(network: network, kinds: [])
        let few = try OperationParameters(network: network, kinds: [record])
        let right = try OperationParameters(network: network, kinds: [wide])
        try submission.check(against: right, fee: 1000, ttl: 400)
        for (parameters, fee, ttl) in [
            (none, 1000, 300), (few, 1000, 300), (right, 999, 300), (right, 1000, 401),
            (right, 1000, 19),
        ] as [(OperationParameters, UInt128, UInt64)] {
            #expect(throws: Failure.self) {
                try submission.check(against: parameters, fee: fee, ttl: ttl)
            }
        }
    }

    @Test func theReceiptTellsTheOperation() throws {
        let id = SHA256.hash([1])
        let word = { (number: UInt8) in [UInt8](repeating: 0, count: 31) + [number] }
        let log = ChainClient.ReceiptSummary.Log(
            address: Address(OperationsContract.address),
            topics: [
                OperationsContract.Topic.requested, id, try #require(Bytes32(word(9))),
            ],
            data: word(1) + SHA256.hash([2]).bytes + SHA256.hash([3]).bytes + word(40) + word(200)
                + word(5))
        var receipt = ChainClient.ReceiptSummary(
            block: 3, succeeded: true, gasUsed: 1, logs: [log])
        #expect(ContractWallet.operation(in: receipt) == id)
        // Of another contract.
        receipt.logs[0].address = .zero
        #expect(ContractWallet.operation(in: receipt) == nil)
    }

    @Test func accountsAreReadInEachForm() throws {
        let one = [UInt8](repeating: 0, count: 31) + [1]
        let address = "0x7e5f4552091a69125d5dfcb7b8c2659029395bdf"
        let scratch = try Scratch()
        let hex = scratch.path + "/hex"
        try Files.create(hex, "0x" + Hex.encode(one) + "\n", mode: 0o600)
        #expect(try AccountFile.load(hex).address.description == address)
        let list = scratch.path + "/list"
        try Files.create(
            list, "- name: a\n  address: \"\(address)\"\n  privateKey: \"0x\(Hex.encode(one))\"\n",
            mode: 0o600)
        #expect(try AccountFile.load(list).address.description == address)
        let key = scratch.path + "/key"
        let made = try ProgramTests.run(["key", "generate", key, "--type", "secp256k1"])
        #expect(made.status == 0)
        #expect(try AccountFile.load(key).address.description.count == 42)

        let open = scratch.path + "/open"
        try Files.create(open, Hex.encode(one), mode: 0o644)
        let zero = scratch.path + "/zero"
        try Files.create(zero, String(repeating: "0", count: 64), mode: 0o600)
        let words = scratch.path + "/words"
        try Files.create(words, "nothing", mode: 0o600)
        for path in [open, zero, words, scratch.path + "/none"] {
            #expect(throws: Failure.self, "\(path)") { try AccountFile.load(path) }
        }
    }

    /// Numbers of a chain client are those of JSON-RPC, whoever answers.
    @Test func aWalletAsksTheContract() throws {
        let key = try Secp256k1.PrivateKey(
            SecretBytes(copying: [UInt8](repeating: 0, count: 31) + [1]))
        let account = LoadAccount(name: "a", address: Address(key.publicKey), key: key)
        var asked: [String] = []
        var sent: [UInt8] = []
        let client = ChainClient(name: "a test") {
            method, parameters throws(ChainClient.CallError) in
            asked.append(method)
            switch method {
            case "eth_chainId": return .string("0x539")
            case "eth_estimateGas": return .string("0x186a0")
            case "eth_blockNumber": return .string("0x10")
            case "eth_getTransactionCount": return .string("0x3")
            case "eth_call": return .string("0x" + String(repeating: "0", count: 63) + "4")
            case "eth_getBlockByNumber":
                return .object([
                    "number": .string("0x10"), "gasUsed": .string("0x0"),
                    "baseFeePerGas": .string("0x7"), "transactions": .array([]),
                ])
            case "eth_sendRawTransaction":
                sent = (try? Hex.decode(parameters[0].string ?? "")) ?? []
                return .string("0x\(Keccak256.hash(sent))")
            default: throw .refused(.init(code: -32601, message: "no \(method)"))
            }
        }
        let wallet = try ContractWallet(client, account)
        #expect(try wallet.requestCount() == 4)
        let hash = try wallet.send(.expire(SHA256.hash([1])))
        #expect(hash == Keccak256.hash(sent))
        let transaction = try Transaction(sent.span)
        #expect(transaction.nonce == 3 && transaction.gasLimit == 120_000)
        #expect(asked.contains("eth_estimateGas"))
        #expect(throws: Failure.self) { try wallet.receipt(of: hash, within: 1) }
    }
}
