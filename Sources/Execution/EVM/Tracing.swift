import ChoraleBase

/// Sees every instruction before it runs.
///
/// The dispatch loop is compiled once for each kind of tracer. In the one without, nothing is left of
/// the calls.
protocol InstructionTracer {
    static var isActive: Bool { get }

    mutating func willRun(_ instruction: TracedInstruction)
    mutating func didEnd(_ result: MessageResult, depth: Int)
}

/// What is known when an instruction is about to run.
struct TracedInstruction {
    let opcode: UInt8
    let position: Int
    let gas: Int64
    /// Gas that every run of it costs.
    let gasBase: UInt64
    /// The lowest word first.
    let stack: [UInt256]
    /// Bytes of the frame's memory.
    let memorySize: Int
    /// Frames under way; the outermost is at one.
    let depth: Int
    let refund: Int64
}

struct NoTracer: InstructionTracer {
    @inline(__always) static var isActive: Bool { false }
    @inline(__always) mutating func willRun(_ instruction: TracedInstruction) {}
    @inline(__always) mutating func didEnd(_ result: MessageResult, depth: Int) {}
}

/// One line of JSON for each instruction, as EIP-3155 has them.
struct LineTracer: InstructionTracer {
    static var isActive: Bool { true }

    /// Takes each line, without a line feed.
    let write: (String) -> Void

    mutating func willRun(_ instruction: TracedInstruction) {
        let stack = instruction.stack.map { "\"\($0)\"" }.joined(separator: ",")
        write(
            "{\"pc\":\(instruction.position),\"op\":\(instruction.opcode),"
                + "\"gas\":\"\(Self.hex(instruction.gas))\","
                + "\"gasCost\":\"\(Self.hex(Int64(instruction.gasBase)))\","
                + "\"memSize\":\(instruction.memorySize),\"stack\":[\(stack)],"
                + "\"depth\":\(instruction.depth),\"refund\":\(instruction.refund),"
                + "\"opName\":\"\(Opcode.name(instruction.opcode))\"}")
    }

    mutating func didEnd(_ result: MessageResult, depth: Int) {
        switch result.status {
        case .succeeded: break
        case .reverted: write("{\"depth\":\(depth + 1),\"error\":\"reverted\"}")
        case .failed(let failure): write("{\"depth\":\(depth + 1),\"error\":\"\(failure)\"}")
        }
    }

    private static func hex(_ value: Int64) -> String { "0x" + String(max(value, 0), radix: 16) }
}
