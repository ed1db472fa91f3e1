import ChoraleBase
import Conformance
import Crypto
import Testing

@testable import Execution

/// The machine on code written here: what each rule does, without any fixture.
@Suite struct MachineTests {
    static let contract = UInt256(0xC0DE)
    static let sender = UInt256(0x5E4D)

    struct Run {
        var result: MessageResult
        var output: [UInt8]
        var trace: [String] = []
    }

    /// Runs code at an address of its own with 100,000 gas.
    static func run(
        _ code: [UInt8], fork: Fork = .osaka, gas: Int64 = 100_000, input: [UInt8] = [],
        others: [UInt256: [UInt8]] = [:], isTraced: Bool = false
    ) throws -> Run {
        let state = MemoryState()
        for (address, code) in others.merging([contract: code], uniquingKeysWith: { $1 }) {
            state.entries[Address(address)] = .init(
                nonce: 1, balance: UInt256(1000), code: code, storage: [:])
            state.add(Code(code))
        }
        state.entries[Address(sender)] = .init(
            nonce: 0, balance: UInt256(1_000_000), code: [], storage: [:])
        var machine = Machine(
            reader: state,
            block: BlockContext(
                fork: fork, chainID: 7, coinbase: .zero, number: 300, timestamp: 12,
                gasLimit: 30_000_000, baseFee: UInt256(9), prevRandao: UInt256(77),
                blobBaseFee: UInt256(3)))
        let lines = Lines()
        if isTraced { machine.tracer = LineTracer { lines.bytes += $0 } }
        let callee = machine.state.account(contract)
        let caller = machine.state.account(sender)
        try machine.state.load(caller)
        let result = try machine.call(
            to: callee, from: caller, value: .zero, input: input.span, gas: gas)
        let output = machine.returnData.withSpan(0..<machine.returnData.count) { $0.copied() }
        machine.tracer?.flush()
        return Run(result: result, output: output, trace: lines.all)
    }

    final class Lines {
        var bytes: [UInt8] = []

        var all: [String] {
            String(decoding: bytes, as: UTF8.self).split(separator: "\n").map(String.init)
        }
    }

    /// Returns the word on top of the stack.
    static let returnTop: [UInt8] = [0x5F, 0x52, 0x60, 32, 0x5F, 0xF3]

    static func word(_ code: [UInt8], fork: Fork = .osaka, input: [UInt8] = []) throws -> UInt256? {
        let run = try run(code + returnTop, fork: fork, input: input)
        guard run.result.status == .succeeded else { return nil }
        return UInt256(bigEndian: run.output.span)
    }

    struct Row: Sendable, CustomTestStringConvertible {
        let testDescription: String
        let code: [UInt8]
        let value: UInt256

        init(_ name: String, _ code: [UInt8], _ value: UInt256) {
            testDescription = name
            self.code = code
            self.value = value
        }
    }

    static let values = [
        Row("SUB takes the second from the top", [0x60, 3, 0x60, 5, 0x03], UInt256(2)),
        Row("DIV by zero is zero", [0x5F, 0x60, 5, 0x04], .zero),
        Row(
            "SDIV of −2²⁵⁵ by −1 is itself", [0x5F, 0x19, 0x60, 1, 0x60, 255, 0x1B, 0x05],
            UInt256(1 << 63, 0, 0, 0)),
        Row("SMOD has the dividend's sign", [0x60, 3, 0x60, 5, 0x5F, 0x03, 0x07], .max &- .one),
        Row("ADDMOD does not wrap", [0x60, 7, 0x60, 2, 0x5F, 0x19, 0x08], UInt256(3)),
        Row("MULMOD does not wrap", [0x60, 7, 0x5F, 0x19, 0x5F, 0x19, 0x09], .one),
        Row("EXP", [0x60, 8, 0x60, 2, 0x0A], UInt256(256)),
        Row("SIGNEXTEND from byte 0", [0x60, 0xFF, 0x5F, 0x0B], .max),
        Row("BYTE 31 is the lowest", [0x61, 1, 2, 0x60, 31, 0x1A], UInt256(2)),
        Row("SHL by 256 is zero", [0x60, 1, 0x61, 1, 0, 0x1B], .zero),
        Row("SAR of a negative by 256 is −1", [0x5F, 0x19, 0x61, 1, 0, 0x1D], .max),
        Row("CLZ of one", [0x60, 1, 0x1E], UInt256(255)),
        Row("PUSH beyond the end reads zeros", [0x60, 1, 0x50, 0x60, 9], UInt256(9)),
        Row("CHAINID", [0x46], UInt256(7)),
        Row("BLOBHASH beyond the list is zero", [0x60, 1, 0x49], .zero),
        Row("BLOBBASEFEE", [0x4A], UInt256(3)),
        Row("BLOCKHASH of the block itself is zero", [0x61, 1, 44, 0x40], .zero),
        Row("BLOCKHASH of 257 below is zero", [0x60, 43, 0x40], .zero),
        Row("MSIZE counts words", [0x60, 1, 0x60, 32, 0x53, 0x59], UInt256(64)),
        Row("CALLDATALOAD beyond the input is zero", [0x5F, 0x19, 0x35], .zero),
        Row("EXTCODEHASH of no account is zero", [0x61, 0xAB, 0xCD, 0x3F], .zero),
    ]

    @Test(arguments: values) func gives(_ row: Row) throws {
        #expect(try Self.word(row.code) == row.value)
    }

    struct Failure: Sendable, CustomTestStringConvertible {
        let testDescription: String
        let code: [UInt8]
        let fork: Fork
        let reason: FrameFailure

        init(_ name: String, _ code: [UInt8], _ reason: FrameFailure, _ fork: Fork = .osaka) {
            testDescription = name
            self.code = code
            self.reason = reason
            self.fork = fork
        }
    }

    static let failures = [
        Failure("ADD of one word", [0x60, 1, 0x01], .stackUnderflow),
        Failure("the 1025th word", [0x5B, 0x5F, 0x5F, 0x56], .stackOverflow),
        Failure("INVALID", [0xFE], .undefinedInstruction),
        Failure("a jump to no JUMPDEST", [0x60, 1, 0x56], .jumpTarget),
        Failure("a jump into a PUSH", [0x60, 5, 0x56, 0, 0x60, 0x5B], .jumpTarget),
        Failure("a jump beyond 2⁶⁴", [0x5F, 0x19, 0x56], .jumpTarget),
        Failure("RETURNDATACOPY beyond the end", [0x60, 1, 0x5F, 0x5F, 0x3E], .returnDataBounds),
        Failure("memory beyond all gas", [0x5F, 0x5F, 0x19, 0x52], .outOfGas),
        Failure("memory at 2⁶³", [0x5F, 0x60, 1, 0x60, 63, 0x1B, 0x52], .outOfGas),
        Failure("KECCAK256 of 2²⁵⁶ − 1 bytes", [0x5F, 0x19, 0x5F, 0x20], .outOfGas),
        Failure(
            "LOG0 of 2⁶⁴ − 1 bytes", [0x67] + [UInt8](repeating: 0xFF, count: 8) + [0x5F, 0xA0],
            .outOfGas),
        Failure("MCOPY from beyond all gas", [0x60, 1, 0x5F, 0x19, 0x5F, 0x5E], .outOfGas),
        Failure("TLOAD before Cancun", [0x5F, 0x5C], .undefinedInstruction, .shanghai),
        Failure("CLZ before Osaka", [0x5F, 0x1E], .undefinedInstruction, .prague),
        Failure("PUSH0 before Shanghai", [0x5F], .undefinedInstruction, .paris),
        Failure(
            "initcode of 49,153 bytes", [0x61, 0xC0, 0x01, 0x5F, 0x5F, 0xF0], .initcodeTooLarge),
    ]

    @Test(arguments: failures) func fails(_ row: Failure) throws {
        // The overflow needs more than the other rows have: 1024 turns of a loop that pushes.
        let code =
            row.testDescription == "the 1025th word"
            ? [0x5B, 0x5F, 0x60, 0, 0x56] : row.code
        let run = try Self.run(code, fork: row.fork)
        #expect(run.result.status == .failed(row.reason))
        #expect(run.result.gas == 0)
        #expect(run.output.isEmpty)
    }

    /// A static call may read and must not write, by itself or through those it calls.
    @Test(
        arguments: [
            [0x5F, 0x5F, 0x55], [0x5F, 0x5F, 0x5D], [0x5F, 0x5F, 0xA0], [0x5F, 0x5F, 0x5F, 0xF0],
            [0x5F, 0xFF], [0x5F, 0x5F, 0x5F, 0x5F, 0x60, 1, 0x5F, 0x61, 0xFF, 0xFF, 0xF1],
        ] as [[UInt8]])
    func staticCallsDoNotWrite(_ code: [UInt8]) throws {
        let callee = UInt256(0xBEEF)
        let call: [UInt8] = [0x5F, 0x5F, 0x5F, 0x5F, 0x61, 0xBE, 0xEF, 0x61, 0xFF, 0xFF, 0xFA]
        let run = try Self.run(call + Self.returnTop, others: [callee: code])
        #expect(run.output.allSatisfy { $0 == 0 })
        let harmless = try Self.run(call + Self.returnTop, others: [callee: [0x5F, 0x54]])
        #expect(harmless.output.last == 1)
    }

    /// Calls nest 1024 deep, and a call that is refused for its depth returns its gas.
    @Test func callsEndAtTheirDepth() throws {
        // Calls itself with all gas, after adding one to a counter in transient storage; returns it.
        let code: [UInt8] = [
            0x60, 1, 0x5F, 0x5C, 0x01, 0x5F, 0x5D, 0x5F, 0x5F, 0x5F, 0x5F, 0x5F, 0x30, 0x5A, 0xF1,
            0x50, 0x5F, 0x5C,
        ]
        let run = try Self.run(code + Self.returnTop, gas: 1 << 40)
        #expect(run.result.status == .succeeded)
        #expect(UInt256(bigEndian: run.output.span) == UInt256(1025))
    }

    @Test func revertsKeepTheRestOfTheGas() throws {
        let run = try Self.run([0x60, 0xAA, 0x5F, 0x53, 0x60, 1, 0x5F, 0xFD])
        #expect(run.result.status == .reverted)
        #expect(run.output == [0xAA])
        #expect(run.result.gas == 100_000 - 3 - 2 - 3 - 3 - 3 - 2)
    }

    /// What the state cannot answer ends everything: it is never taken for zero.
    @Test func missingCodeIsNotEmptyCode() throws {
        let state = MemoryState()
        let code: [UInt8] = [0x60, 1]
        state.entries[Address(Self.contract)] = .init(
            nonce: 1, balance: .zero, code: code, storage: [:])
        var machine = Machine(
            reader: state,
            block: BlockContext(
                fork: .osaka, chainID: 1, coinbase: .zero, number: 1, timestamp: 1,
                gasLimit: 1, baseFee: .zero, prevRandao: .zero, blobBaseFee: .one))
        let callee = machine.state.account(Self.contract)
        let caller = machine.state.account(Self.sender)
        var found: StateError?
        do throws(StateError) {
            _ = try machine.call(
                to: callee, from: caller, value: .zero, input: [UInt8]().span, gas: 1000)
        } catch {
            found = error
        }
        #expect(found == .codeMissing(Keccak256.hash(code)))
    }
}
