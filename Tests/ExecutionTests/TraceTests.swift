import ChoraleBase
import Codec
import Conformance
import Testing

@testable import Execution

/// Lines of traces: EIP-3155, and geth where that leaves a choice.
@Suite struct TraceTests {
    private static let other = UInt256(0xBEEF)

    private static func lines(
        _ code: [UInt8], fork: Fork = .osaka, gas: Int64 = 100_000, other: [UInt8] = []
    ) throws -> [JSONObject] {
        let run = try MachineTests.run(
            code, fork: fork, gas: gas, others: [Self.other: other], isTraced: true)
        let plain = try MachineTests.run(code, fork: fork, gas: gas, others: [Self.other: other])
        #expect(plain.result.gas == run.result.gas)
        #expect(plain.output == run.output)
        return try run.trace.map { line in
            guard case .object(let object) = try JSONValue(parsing: Array(line.utf8)) else {
                throw NoObject()
            }
            return object
        }
    }

    private struct NoObject: Error {}

    /// CALL of the other contract with this value and gas, with nothing in and out.
    private static func call(value: UInt8 = 0, gas: UInt8 = 100) -> [UInt8] {
        [0x5F, 0x5F, 0x5F, 0x5F, 0x60, value, 0x61, 0xBE, 0xEF, 0x60, gas, 0xF1]
    }

    private static func hex(_ value: Int) -> JSONValue { .string("0x" + String(value, radix: 16)) }

    @Test func fieldsAreThoseOfTheText() throws {
        let run = try MachineTests.run(
            [0x61, 1, 0, 0x5F, 0x52, 0x5F, 0x19], isTraced: true)
        #expect(
            run.trace.first
                == #"{"pc":0,"op":97,"gas":"0x186a0","gasCost":"0x3","stack":[],"depth":1,"#
                + #""returnData":"0x","refund":0,"memSize":0,"opName":"PUSH2"}"#)
        let words = "\"0x" + String(repeating: "f", count: 64) + "\""
        #expect(
            run.trace.last
                == #"{"pc":7,"op":0,"gas":"0x18690","gasCost":"0x0","stack":[\#(words)],"depth":1,"#
                + #""returnData":"0x","refund":0,"memSize":32,"opName":"STOP"}"#)
        #expect(run.trace[2].contains(#""stack":["0x100","0x0"]"#))
    }

    @Test func callsCostWhatTheyPassOn() throws {
        let lines = try Self.lines(Self.call() + [0x00], other: [0x60, 2, 0x50])
        #expect(
            lines.map { $0["opName"] }
                == [
                    "PUSH0", "PUSH0", "PUSH0", "PUSH0", "PUSH1", "PUSH2", "PUSH1", "CALL",
                    "PUSH1", "POP", "STOP", "STOP",
                ].map { .string($0) })
        // 2600 for the cold account and the 100 that were asked for.
        #expect(lines[7]["gasCost"] == Self.hex(2700))
        #expect(lines[8]["gas"] == Self.hex(100))
        #expect(lines[8]["depth"] == JSONValue(2))
    }

    /// Gas that comes back at once is passed on all the same, and the stipend is nobody's cost.
    @Test func callsOfNoCodeCostTheSame() throws {
        let empty = try Self.lines(Self.call())
        #expect(empty[7]["gasCost"] == Self.hex(2700))
        // The machine of these tests has 1000 wei; 9000 for the value.
        let paid = try Self.lines(Self.call(value: 1), other: [0x00])
        #expect(paid[7]["gasCost"] == Self.hex(2600 + 9000 + 100))
        #expect(paid[8]["gas"] == Self.hex(2400))
        let precompile: [UInt8] = [0x5F, 0x5F, 0x5F, 0x5F, 0x5F, 0x60, 4, 0x60, 100, 0xF1]
        #expect(try Self.lines(precompile)[7]["gasCost"] == Self.hex(200))
    }

    @Test func creationsCostTheInstruction() throws {
        // PUSH0 PUSH0 RETURN, which deploys nothing, twice with one salt.
        let initcode: [UInt8] = [0x62, 0x5F, 0x5F, 0xF3, 0x5F, 0x52]
        let create: [UInt8] = [0x5F, 0x60, 3, 0x60, 29, 0x5F, 0xF5]
        let lines = try Self.lines(initcode + create + create)
        let creations = lines.filter { $0["opName"] == .string("CREATE2") }
        #expect(creations.count == 2)
        // 32,000, a word of initcode to be hashed and a word of it to be looked through. The second finds
        // the address taken and loses all that it passed on.
        #expect(creations.allSatisfy { $0["gasCost"] == Self.hex(32_008) })
        #expect(lines.filter { $0["depth"] == JSONValue(2) }.count == 3)
        // Not the code that is deployed: 200 gas for this byte.
        let deploys = try Self.lines(
            [0x62, 0x59, 0x59, 0x60, 0x5F, 0x52, 0x5F, 0x5F, 0x5F, 0xF0])
        #expect(deploys.allSatisfy { $0["error"] == nil })
    }

    @Test func returnDataIsWhatTheLastCallGave() throws {
        let lines = try Self.lines(
            Self.call(gas: 200) + [0x5F, 0x50],
            other: [0x60, 0xAB, 0x5F, 0x53, 0x60, 1, 0x5F, 0xF3])
        #expect(
            lines.filter { $0["depth"] == JSONValue(2) }.allSatisfy {
                $0["returnData"] == .string("0x")
            })
        #expect(lines.suffix(3).allSatisfy { $0["returnData"] == .string("0xab") })
    }

    /// The refund is of the whole transaction, and there with the instruction that made it.
    @Test func storageShowsTheRefundItLeaves() throws {
        // Sets a slot, and sets it back: all but 100 of the 20,000 come back.
        let lines = try Self.lines([0x60, 1, 0x5F, 0x55, 0x5F, 0x5F, 0x55, 0x00])
        #expect(
            lines.map { $0["refund"] } == [0, 0, 0, 0, 0, 19_900, 19_900].map { JSONValue($0) })
    }

    struct Row: Sendable, CustomTestStringConvertible {
        let testDescription: String
        let code: [UInt8]
        var other: [UInt8] = []

        init(_ error: String, _ code: [UInt8], other: [UInt8] = []) {
            testDescription = error
            self.code = code
            self.other = other
        }
    }

    private static let staticCall: [UInt8] = [
        0x5F, 0x5F, 0x5F, 0x5F, 0x61, 0xBE, 0xEF, 0x61, 0xFF, 0xFF, 0xFA,
    ]

    /// Deploys what the three instructions return.
    private static func creation(_ initcode: [UInt8]) -> [UInt8] {
        [0x5F + UInt8(initcode.count)] + initcode
            + [
                0x5F, 0x52, 0x60, UInt8(initcode.count), 0x60, 32 - UInt8(initcode.count), 0x5F,
                0xF0,
            ]
    }

    static let errors = [
        Row("execution reverted", [0x5F, 0x5F, 0xFD]),
        Row("out of gas", [0x5F, 0x5F, 0x19, 0x52]),
        Row("stack underflow", [0x60, 1, 0x01]),
        Row("stack limit reached", [0x5B, 0x5F, 0x5F, 0x56]),
        Row("invalid opcode: INVALID", [0xFE]),
        Row("invalid opcode: opcode 0xc not defined", [0x0C]),
        Row("invalid jump destination", [0x60, 1, 0x56]),
        Row("return data out of bounds", [0x60, 1, 0x5F, 0x5F, 0x3E]),
        Row("max initcode size exceeded", [0x61, 0xC0, 0x01, 0x5F, 0x5F, 0xF0]),
        Row("write protection", staticCall, other: [0x5F, 0x5F, 0x55]),
        // A call that would move money is refused as what it is.
        Row(
            "write protection", staticCall,
            other: [0x5F, 0x5F, 0x5F, 0x5F, 0x60, 1, 0x5F, 0x61, 0xFF, 0xFF, 0xF1]),
        Row(
            "invalid code: must not begin with 0xef",
            creation([0x60, 0xEF, 0x5F, 0x53, 0x60, 1, 0x5F, 0xF3])),
        Row("max code size exceeded", creation([0x61, 0x60, 0x01, 0x5F, 0xF3])),
        Row(
            "contract creation code storage out of gas", creation([0x61, 0x10, 0x00, 0x5F, 0xF3])),
    ]

    @Test(arguments: errors) func failuresSayWhy(_ row: Row) throws {
        let lines = try Self.lines(row.code, other: row.other)
        let failed = lines.filter { $0["error"] != nil }
        #expect(failed.map { $0["error"] } == [.string(row.testDescription)])
        // All that the frame had is what it cost; a revert, and code that is only not deployed, cost less.
        let isAll = failed.first?["gasCost"] == failed.first?["gas"]
        let ran = ["execution reverted", "invalid code", "max code", "contract creation"]
        #expect(isAll != ran.contains { row.testDescription.hasPrefix($0) })
    }

    /// What the state cannot answer ends the trace at the instruction that asked.
    @Test func theLastLineIsThere() throws {
        let state = MemoryState()
        let code: [UInt8] = [0x60, 1, 0x61, 0xBE, 0xEF, 0x3B]
        state.entries[Address(MachineTests.contract)] = .init(
            nonce: 1, balance: .zero, code: code, storage: [:])
        state.add(Code(code))
        // Its code is nowhere.
        state.entries[Address(Self.other)] = .init(
            nonce: 1, balance: .zero, code: [0x00], storage: [:])
        state.entries[Address(MachineTests.sender)] = .init(
            nonce: 0, balance: UInt256(1 << 40), code: [], storage: [:])
        let block = BlockContext(
            fork: .osaka, chainID: 1, coinbase: .zero, number: 1, timestamp: 1,
            gasLimit: 1 << 20, baseFee: .zero, prevRandao: .zero, blobBaseFee: .one)
        let transaction = Transaction(
            kind: .legacy, chainID: nil, nonce: 0, maxPriorityFeePerGas: .one, maxFeePerGas: .one,
            gasLimit: 100_000, to: Address(MachineTests.contract), value: .zero, data: [])
        let lines = MachineTests.Lines()
        #expect(throws: ExecutionError.self) {
            _ = try TransactionExecution.run(
                transaction, sender: Address(MachineTests.sender), in: block, blobGasMax: 0,
                reader: state, trace: { lines.bytes += $0 })
        }
        #expect(lines.all.count == 3)
        #expect(lines.all.last?.contains(#""opName":"EXTCODESIZE","error":"the state did"#) == true)
    }

    /// Not a write for every line.
    @Test func linesAreWrittenTogether() throws {
        // A loop until the gas is gone.
        var writes: [Int] = []
        var tracer = LineTracer { writes.append($0.count) }
        let instruction = { (gas: Int64) in
            TracedInstruction(
                opcode: 0x5B, position: 0, gas: gas, gasKept: 0,
                stack: StackArena(frameCountMax: 1).bottom, height: 0, memorySize: 0, depth: 1,
                refund: 0)
        }
        for gas in (1...5000).reversed() {
            tracer.willRun(instruction(Int64(gas)), returnData: [UInt8]().span)
        }
        #expect((5...20).contains(writes.count))
        tracer.endMessage()
        tracer.flush()
        let total = writes.reduce(0, +)
        #expect(total > 5000 * 100 && writes.allSatisfy { $0 < 66_000 })
    }
}
