import ChoraleBase
import Execution
import Foundation
import TestSupport
import Testing

@testable import Operations

/// The contract in our machine against the same in py-evm, transaction by transaction: `contracts/scenario.py`.
@Suite struct ContractVectorTests {
    /// A line of `contracts/vectors.txt`.
    struct Row {
        let name: String
        let block: UInt64
        let sender: Int
        let recipient: Address
        let value: UInt256
        let data: [UInt8]
        let succeeded: Bool
        let gas: UInt64
        let output: [UInt8]
        let logs: [Log]
        let root: Bytes32

    }

    static func hash(_ digits: String) throws -> Bytes32 {
        try #require(Bytes32(try Hex.decode(digits)))
    }

    static func log(_ text: String) throws -> Log {
        let parts = text.split(separator: ",", omittingEmptySubsequences: false).map(String.init)
        var topics: [Bytes32] = []
        for part in parts[1..<parts.count - 1] { topics.append(try hash(part)) }
        return Log(
            address: try ContractState.address(parts[0]), topics: topics,
            data: try Hex.decode(parts[parts.count - 1]))
    }

    static func row(_ line: String) throws -> Row {
        let fields = line.split(separator: "|", omittingEmptySubsequences: false).map(String.init)
        try #require(fields.count == 11)
        let block = try #require(UInt64(fields[1]))
        let sender = try #require(Int(fields[2]))
        let value = UInt256(try hash(fields[4]))
        let gas = try #require(UInt64(fields[7]))
        var logs: [Log] = []
        for text in fields[9].split(separator: ";") { logs.append(try log(String(text))) }
        return Row(
            name: fields[0], block: block, sender: sender,
            recipient: try ContractState.address(fields[3]), value: value,
            data: try Hex.decode(fields[5]), succeeded: fields[6] == "1", gas: gas,
            output: try Hex.decode(fields[8]), logs: logs, root: try hash(fields[10]))
    }

    @Test func everyTransactionIsAsInPyEVM() throws {
        let url = Vectors.checkout.appendingPathComponent("contracts/vectors.txt")
        let lines = try String(contentsOf: url, encoding: .utf8).split(separator: "\n")
        var codes: [(Address, [UInt8])] = []
        var rows: [Row] = []
        var genesis: Bytes32?
        for line in lines {
            let words = line.split(separator: " ").map(String.init)
            switch words[0] {
            case "code":
                codes.append((try ContractState.address(words[1]), try Hex.decode(words[2])))
            case "genesis": genesis = Bytes32(try Hex.decode(words[1]))
            default: rows.append(try Self.row(String(line)))
            }
        }
        #expect(rows.count > 100)
        let state = try ContractState.with(codes)
        #expect(state.root == genesis)
        var events = 0
        for row in rows {
            let found = try state.run(
                block: row.block, sender: ContractState.senders[row.sender], to: row.recipient,
                value: row.value, data: row.data)
            #expect(found.succeeded == row.succeeded, "\(row.name)")
            #expect(found.gasUsed == row.gas, "\(row.name)")
            #expect(found.output == row.output, "\(row.name)")
            #expect(found.logs == row.logs, "\(row.name)")
            for log in row.logs where log.address == ContractState.contract {
                let written = ContractLog(topics: log.topics, data: log.data)
                let event = try ContractEvent(written)
                #expect(event.log == written, "\(row.name)")
                events += 1
            }
            #expect(state.root == row.root, "\(row.name)")
        }
        #expect(events > 30)
    }
}
