import ChoraleBase
import Codec
import Crypto
import Execution
import Testing

@testable import ChoraleCLI
@testable import Operations

/// Settlements that a node sends for its executor.
@Suite struct SettlementDeskTests {
    /// A node's answers, and what it was given.
    final class FakeNode {
        var sent: [[UInt8]] = []
        var pooled: Set<String> = []
        var receipts: [String: String] = [:]
        var refusal: String?

        func answer(
            _ method: String, _ parameters: [JSONValue]
        ) throws(ChainClient.CallError) -> JSONValue {
            let name = parameters.first?.string ?? ""
            switch method {
            case "eth_chainId": return .string("0x539")
            case "eth_estimateGas":
                if let refusal { throw .refused(.init(code: 3, message: refusal)) }
                return .string("0x186a0")
            case "eth_blockNumber": return .string("0x10")
            case "eth_getTransactionCount": return .string("0x\(sent.count)")
            case "eth_getBlockByNumber":
                return .object([
                    "number": .string("0x10"), "gasUsed": .string("0x0"),
                    "baseFeePerGas": .string("0x7"), "transactions": .array([]),
                ])
            case "eth_getTransactionReceipt":
                guard let status = receipts[name] else { return .null }
                return .object([
                    "blockNumber": .string("0x11"), "status": .string(status),
                    "gasUsed": .string("0x1"), "logs": .array([]),
                ])
            case "eth_getTransactionByHash":
                return pooled.contains(name) ? .object(["hash": .string(name)]) : .null
            case "eth_sendRawTransaction":
                guard let bytes = try? Hex.decode(name) else { return .null }
                sent.append(bytes)
                let hash = "0x\(Keccak256.hash(bytes))"
                pooled.insert(hash)
                return .string(hash)
            default: throw .refused(.init(code: -32601, message: "no \(method)"))
            }
        }
    }

    static func settlement(_ output: [UInt8]) throws -> Settlement {
        Settlement(
            operation: SHA256.hash([1]), outputHash: Keccak256.hash(output),
            outputSize: UInt64(output.count), price: 1000,
            executor: try #require(ExecutionAddress([UInt8](repeating: 1, count: 20))),
            committers: [try #require(ExecutionAddress([UInt8](repeating: 2, count: 20)))])
    }

    @Test func oneTransactionAtATime() throws {
        let node = FakeNode()
        let key = try Secp256k1.PrivateKey(
            SecretBytes(copying: [UInt8](repeating: 0, count: 31) + [1]))
        let desk = SettlementDesk(
            LoadAccount(name: "a", address: Address(key.publicKey), key: key),
            ChainClient(name: "a test") { method, parameters throws(ChainClient.CallError) in
                try node.answer(method, parameters)
            })
        let output = [UInt8](repeating: 5, count: 40)
        let settlement = try Self.settlement(output)

        // A node that cannot judge it yet is asked again.
        node.refusal = "execution reverted"
        let refused = desk.settle(settlement, output)
        #expect(
            refused
                == .failed(
                    operation: settlement.operation,
                    reason: "the node refused: execution reverted"))
        node.refusal = nil

        let first = desk.settle(settlement, output)
        let hash = Keccak256.hash(try #require(node.sent.first))
        #expect(first == .sent(operation: settlement.operation, transaction: hash))
        let sent = node.sent[0]
        let transaction = try Transaction(sent.span)
        #expect(transaction.data == ContractCall.settle(settlement, output: output).data)
        #expect(transaction.value.isZero)

        // It waits in the pool; then it is in a block.
        #expect(desk.settle(settlement, output) == .waiting)
        node.pooled = []
        node.receipts["0x\(hash)"] = "0x1"
        #expect(desk.settle(settlement, output) == .waiting)
        #expect(node.sent.count == 1)

        // Lost, or refused by the contract: sent again.
        node.receipts = [:]
        let second = desk.settle(settlement, output)
        #expect(node.sent.count == 2 && second != .waiting)
        node.receipts["0x\(Keccak256.hash(node.sent[1]))"] = "0x0"
        let third = desk.settle(settlement, output)
        #expect(node.sent.count == 3 && third != .waiting)
    }

    /// The contract takes longer ones by their hash only.
    @Test func longOutputsAreNotSent() throws {
        let node = FakeNode()
        let key = try Secp256k1.PrivateKey(
            SecretBytes(copying: [UInt8](repeating: 0, count: 31) + [1]))
        let desk = SettlementDesk(
            LoadAccount(name: "a", address: Address(key.publicKey), key: key),
            ChainClient(name: "a test") { method, parameters throws(ChainClient.CallError) in
                try node.answer(method, parameters)
            })
        let output = [UInt8](repeating: 5, count: 1025)
        _ = desk.settle(try Self.settlement(output), output)
        let sent = try #require(node.sent.first)
        let transaction = try Transaction(sent.span)
        #expect(
            transaction.data
                == ContractCall.settle(try Self.settlement(output), output: []).data)
    }
}
