import ChoraleBase

/// Takes lines of a trace (EIP-3155), many at a time, each with its line feed.
public typealias TraceWriter = (_ lines: [UInt8]) -> Void

/// Sees every instruction before it runs.
///
/// The dispatch loop is compiled once for each kind of tracer. In the one without, nothing is left of
/// the calls.
protocol InstructionTracer {
    static var isActive: Bool { get }

    /// - Parameter returnData: what the last call of the frame returned.
    mutating func willRun(_ instruction: TracedInstruction, returnData: Span<UInt8>)
    /// - Parameters:
    ///   - end: of the frame's code.
    ///   - gas: that was left then, if the code did not fail.
    ///   - result: what the caller gets, who pays for deployed code besides.
    mutating func didEnd(_ end: FrameEnd, gas: Int64, _ result: MessageResult)
}

/// What is known when an instruction is about to run.
struct TracedInstruction {
    let opcode: UInt8
    let position: Int
    let gas: Int64
    /// What the last call or creation left of its frame's gas; see ``Machine/gasKept``.
    let gasKept: Int64
    let stack: StackCursor
    /// Words on the stack.
    let height: Int
    /// Bytes of the frame's memory.
    let memorySize: Int
    /// Frames under way; the outermost is at one.
    let depth: Int
    let refund: Int64
}

struct NoTracer: InstructionTracer {
    @inline(__always) static var isActive: Bool { false }
    @inline(__always)
    mutating func willRun(_ instruction: TracedInstruction, returnData: Span<UInt8>) {}
    @inline(__always)
    mutating func didEnd(_ end: FrameEnd, gas: Int64, _ result: MessageResult) {}
}
