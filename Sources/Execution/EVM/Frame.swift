/// One call or creation that is under way.
struct Frame: BitwiseCopyable {
    enum Kind: UInt8, BitwiseCopyable { case call, create }

    // Set when the frame begins.
    let kind: Kind
    let isStatic: Bool
    let code: CodeCursor
    let codeSize: Int
    let jumps: JumpMap
    /// Whose storage and balance the code acts on.
    let account: AccountID
    let address: UInt256
    let caller: UInt256
    /// In wei.
    let value: UInt256
    /// Where the input begins and ends in the memories of all frames.
    let inputStart: Int
    let inputEnd: Int
    /// Where the caller wants the output, in its memory.
    let outputOffset: Int
    let outputSizeMax: Int
    let stackBottom: StackCursor
    /// Of the caller.
    let memoryStart: Int
    let memorySize: Int
    let checkpoint: WorldState.Checkpoint

    // Current only while another frame runs on top of this one.
    var position = 0
    var stack: StackCursor
    var gas: Int64

    @inline(__always) var input: Range<Int> { inputStart..<inputEnd }

    @inline(__always) var registers: Registers {
        Registers(
            position: position, gas: gas, stack: stack, bottom: stackBottom, code: code,
            jumps: jumps)
    }
}

/// What the dispatch loop keeps at hand of the frame that runs.
struct Registers {
    /// Of the next instruction.
    var position: Int
    var gas: Int64
    var stack: StackCursor
    let bottom: StackCursor
    let code: CodeCursor
    let jumps: JumpMap
}

/// How a frame ended.
enum FrameEnd {
    /// With output in the frame's memory.
    case returned(offset: Int, size: Int)
    case reverted(offset: Int, size: Int)
    case failed(FrameFailure)
}

/// How a message ended, as the one who sent it sees it.
struct MessageResult {
    enum Status: Hashable {
        case succeeded, reverted
        case failed(FrameFailure)
    }

    var status: Status
    /// What is left of it.
    var gas: Int64
}
