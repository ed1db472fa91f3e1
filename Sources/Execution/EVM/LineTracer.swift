import ChoraleBase
import Codec

/// One line of JSON for each instruction, as EIP-3155 has them.
///
/// What an instruction cost is known when the next one comes, so a line is ended then. Where the text
/// leaves a choice, lines are those of geth:
///
/// - the cost of a call includes the gas that it passes on, without the stipend, also when nothing
///   runs at the callee; that of a creation does not, and that of `RETURN` does not include the
///   deployed code;
/// - an `SSTORE` shows the refund that it leaves behind;
/// - `refund` is a number, not hexadecimal.
///
/// An instruction that fails costs all that its frame has, and says why in `error`.
struct LineTracer: InstructionTracer {
    static var isActive: Bool { true }

    /// Bytes that are gathered for one write: two hundred lines or so. One at a time would take ten
    /// times as long.
    private static let chunkSize = 64 << 10

    private let write: TraceWriter
    /// Lines that are not written yet; the last may lack what comes behind `gasCost`.
    private var lines: [UInt8] = []
    /// That of the last line, from behind the cost to `returnData`.
    private var tail: [UInt8] = []
    private var pending: Pending?

    /// The instruction whose line is not ended.
    private struct Pending {
        let opcode: UInt8
        let gas: Int64
        let memorySize: Int
        let refund: Int64
    }

    init(write: @escaping TraceWriter) { self.write = write }

    // MARK: Instructions

    mutating func willRun(_ instruction: TracedInstruction, returnData: Span<UInt8>) {
        if let pending {
            let rest = Opcode.begins(pending.opcode) ? instruction.gasKept : instruction.gas
            end(
                pending, cost: pending.gas - rest,
                refund: pending.opcode == Opcode.sstore ? instruction.refund : pending.refund)
        }
        begin(instruction)
        tail.removeAll(keepingCapacity: true)
        tail += "\",\"stack\":[".utf8
        for index in 0..<instruction.height {
            tail += (index == 0 ? "\"0x" : ",\"0x").utf8
            Self.appendHex(instruction.stack[instruction.height - 1 - index], to: &tail)
            tail.append(UInt8(ascii: "\""))
        }
        tail += "],\"depth\":\(instruction.depth),\"returnData\":\"0x".utf8
        for index in returnData.indices {
            tail.append(Self.digit(returnData[index] >> 4))
            tail.append(Self.digit(returnData[index] & 15))
        }
    }

    mutating func didEnd(_ end: FrameEnd, gas: Int64, _ result: MessageResult) {
        guard let pending else { return }
        self.pending = nil
        // All that there was, if the instruction failed.
        var cost = pending.gas
        var error: String?
        switch end {
        case .failed(let failure): error = failure.text(of: pending.opcode)
        case .reverted:
            cost -= gas
            error = "execution reverted"
        case .returned:
            cost -= gas
            // The code ran to its end, and what it returned cannot be deployed.
            if case .failed(let failure) = result.status {
                error =
                    failure == .outOfGas
                    ? "contract creation code storage out of gas" : failure.text(of: pending.opcode)
            }
        }
        self.end(pending, cost: cost, refund: pending.refund, error: error)
    }

    /// The message is over, with its result or because the state did not answer.
    mutating func endMessage() {
        guard let pending else { return }
        self.pending = nil
        end(pending, cost: 0, refund: pending.refund, error: "the state did not answer")
    }

    private mutating func begin(_ instruction: TracedInstruction) {
        pending = Pending(
            opcode: instruction.opcode, gas: instruction.gas, memorySize: instruction.memorySize,
            refund: instruction.refund)
        lines += "{\"pc\":\(instruction.position),\"op\":\(instruction.opcode),\"gas\":\"0x".utf8
        Self.appendHex(UInt64(max(instruction.gas, 0)), to: &lines)
    }

    private mutating func end(
        _ pending: Pending, cost: Int64, refund: Int64, error: String? = nil
    ) {
        lines += "\",\"gasCost\":\"0x".utf8
        Self.appendHex(UInt64(max(cost, 0)), to: &lines)
        lines += tail
        lines += "\",\"refund\":\(refund),\"memSize\":\(pending.memorySize),\"opName\":\"".utf8
        lines += Opcode.traceName(pending.opcode).utf8
        if let error { lines += "\",\"error\":\"\(error)".utf8 }
        lines += "\"}\n".utf8
        if lines.count >= Self.chunkSize { flush() }
    }

    // MARK: Summaries

    /// A line for what a message of a block came to.
    mutating func add(_ message: TracedMessage, gasUsed: UInt64, pass: Bool, output: Span<UInt8>) {
        var line: JSONObject = [
            "output": .string("0x" + Hex.encode(output.copied())),
            "gasUsed": .string("0x" + String(gasUsed, radix: 16)), "pass": .bool(pass),
        ]
        switch message {
        case .transaction(let index): line["transaction"] = JSONValue(index)
        case .system(let address): line["system"] = .string("\(address)")
        }
        lines += JSONValue.object(line).text.utf8
        lines.append(UInt8(ascii: "\n"))
        if lines.count >= Self.chunkSize { flush() }
    }

    /// Writes what has been gathered.
    mutating func flush() {
        guard !lines.isEmpty else { return }
        write(lines)
        lines.removeAll(keepingCapacity: true)
    }

    // MARK: Digits

    private static func appendHex(_ word: UInt256, to bytes: inout [UInt8]) {
        let limbs: [4 of UInt64] = [word.l3, word.l2, word.l1, word.l0]
        var isLeading = true
        for index in limbs.indices {
            if isLeading {
                guard limbs[index] != 0 || index == 3 else { continue }
                appendHex(limbs[index], to: &bytes)
                isLeading = false
            } else {
                appendHex(limbs[index], digits: 16, to: &bytes)
            }
        }
    }

    private static func appendHex(_ value: UInt64, to bytes: inout [UInt8]) {
        appendHex(value, digits: max((67 - value.leadingZeroBitCount) / 4, 1), to: &bytes)
    }

    private static func appendHex(_ value: UInt64, digits: Int, to bytes: inout [UInt8]) {
        for index in (0..<digits).reversed() {
            bytes.append(digit(UInt8(truncatingIfNeeded: value >> UInt64(4 * index)) & 15))
        }
    }

    private static func digit(_ value: UInt8) -> UInt8 { value < 10 ? 48 + value : 87 + value }
}

/// Whose lines come before a summary.
enum TracedMessage {
    /// The transaction's place in its block, from zero.
    case transaction(Int)
    /// A call by the system, to this contract.
    case system(Address)
}

extension Opcode {
    /// Whether the instruction may begin a frame.
    fileprivate static func begins(_ opcode: UInt8) -> Bool {
        switch opcode {
        case create, call, callcode, delegatecall, create2, staticcall: true
        default: false
        }
    }

    /// The name, or for what no fork has the words of geth.
    fileprivate static func traceName(_ opcode: UInt8) -> String {
        let name = name(opcode)
        return name.isEmpty ? "opcode 0x\(String(opcode, radix: 16)) not defined" : name
    }
}

extension FrameFailure {
    /// The words of geth, where it has some.
    fileprivate func text(of opcode: UInt8) -> String {
        switch self {
        case .outOfGas: "out of gas"
        case .stackUnderflow: "stack underflow"
        case .stackOverflow: "stack limit reached"
        case .undefinedInstruction: "invalid opcode: \(Opcode.traceName(opcode))"
        case .jumpTarget: "invalid jump destination"
        case .writeInStaticCall: "write protection"
        case .returnDataBounds: "return data out of bounds"
        case .initcodeTooLarge: "max initcode size exceeded"
        case .codeTooLarge: "max code size exceeded"
        case .codeReserved: "invalid code: must not begin with 0xef"
        case .precompile: "precompile failed"
        }
    }
}
