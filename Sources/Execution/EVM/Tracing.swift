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
    /// Gas that the caller of the frame has kept; zero for the outermost.
    let callerGas: Int64
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
///
/// What an instruction cost is known when the next runs, so a line is written then. The cost of a call
/// includes the gas that it passed on.
struct LineTracer: InstructionTracer {
    static var isActive: Bool { true }

    /// Takes each line, without a line feed.
    let write: (String) -> Void
    /// Instructions whose cost is not known yet: the last of every frame that goes on.
    private var pending: TracedInstruction?

    init(write: @escaping (String) -> Void) { self.write = write }

    mutating func willRun(_ instruction: TracedInstruction) {
        if let pending {
            let rest =
                instruction.depth > pending.depth ? instruction.callerGas : instruction.gas
            flush(pending, cost: pending.gas - rest)
        }
        pending = instruction
    }

    mutating func didEnd(_ result: MessageResult, depth: Int) {
        if let pending {
            // What ended the frame: its gas goes back to the caller, or is gone.
            flush(
                pending, cost: result.status == .succeeded ? pending.gas - result.gas : pending.gas)
        }
        pending = nil
    }

    private func flush(_ instruction: TracedInstruction, cost: Int64) {
        let stack = instruction.stack.map { "\"\($0)\"" }.joined(separator: ",")
        write(
            "{\"pc\":\(instruction.position),\"op\":\(instruction.opcode),"
                + "\"gas\":\"\(Self.hex(instruction.gas))\","
                + "\"gasCost\":\"\(Self.hex(cost))\","
                + "\"memSize\":\(instruction.memorySize),\"stack\":[\(stack)],"
                + "\"depth\":\(instruction.depth),\"refund\":\(instruction.refund),"
                + "\"opName\":\"\(Opcode.name(instruction.opcode))\"}")
    }

    private static func hex(_ value: Int64) -> String { "0x" + String(max(value, 0), radix: 16) }
}
