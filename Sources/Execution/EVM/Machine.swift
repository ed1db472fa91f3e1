import ChoraleBase

/// The Ethereum virtual machine: runs messages on a state.
///
/// One machine runs the transactions of a block one after the other. Its stacks and memories are
/// allocated once; running an instruction allocates nothing.
///
/// A thrown ``StateError`` means that the state could not answer. The machine is then to be discarded:
/// what ran is neither finished nor undone.
///
/// Specification: yellow paper 9 and appendix H; the EIPs named in the extensions.
struct Machine: ~Copyable {
    /// Calls inside of calls, the outermost at depth zero.
    static let depthMax = 1024

    var state: WorldState
    var block: BlockContext {
        didSet { table = InstructionTable.table(for: block.fork) }
    }
    var transaction = TransactionContext()

    private(set) var table: InstructionTable
    var frames = Arena<Frame>(capacity: 64)
    let stacks = StackArena(frameCountMax: Machine.depthMax + 1)
    var memory = FrameMemory()
    /// What the last call of the frame on top returned; at the end, what the message did.
    var returnData = Arena<UInt8>(capacity: 4096)
    /// Of the creations under way, the outermost first: nothing else keeps this code.
    var initcodes: [Code] = []
    /// What a call instruction has come to, set by ``call(_:_:_:)`` and ``create(_:_:_:)``.
    var callOutcome = CallOutcome.finished(.zero)

    /// Gas that the last call left to its frame when it passed the rest on; for creations what was there before.
    /// Only traces show it.
    var gasKept: Int64 = 0

    /// Where lines about every instruction go, if anywhere.
    var tracer: LineTracer?

    enum CallOutcome: BitwiseCopyable {
        /// Without a frame of its own; the word goes on the stack.
        case finished(UInt256)
        /// A frame was pushed.
        case entered
    }

    init(reader: any StateReader, block: BlockContext) {
        state = WorldState(reader: reader)
        self.block = block
        table = InstructionTable.table(for: block.fork)
    }

    var fork: Fork { block.fork }

    // MARK: Gas of memory

    /// Grows the memory of the frame on top so that it holds `size` bytes at `offset`.
    ///
    /// - Returns: the gas that is left, or −1 when it does not suffice.
    @inline(__always)
    mutating func expand(_ offset: UInt256, _ size: UInt256, _ gas: Int64) -> Int64 {
        if size.isZero { return gas }
        if let offset = offset.int, let size = size.int, offset <= memory.size,
            size <= memory.size - offset
        {
            return gas
        }
        return grow(offset, size, gas)
    }

    @inline(never)
    private mutating func grow(_ offset: UInt256, _ size: UInt256, _ gas: Int64) -> Int64 {
        guard let offset = offset.int, let size = size.int, offset <= FrameMemory.sizeMax,
            size <= FrameMemory.sizeMax - 32, offset + size <= FrameMemory.sizeMax - 32
        else { return -1 }
        let end = (offset + size + 31) & ~31
        let cost = Self.memoryGas(end / 32) - Self.memoryGas(memory.size / 32)
        guard cost <= gas else { return -1 }
        memory.grow(to: end)
        return gas - cost
    }

    /// Yellow paper, appendix H, (326): at most 2⁵⁰ for the largest memory there is.
    @inline(__always)
    private static func memoryGas(_ words: Int) -> Int64 {
        Int64(words * words / 512 + 3 * words)
    }

    /// Gas for each word of `size` bytes begun; more than there ever is for sizes beyond all memory.
    @inline(__always)
    static func gasPerWord(_ gas: Int64, _ size: UInt256) -> Int64 {
        guard size.l1 | size.l2 | size.l3 == 0, size.l0 < 1 << 40 else { return 1 << 60 }
        return gas * Int64((size.l0 + 31) / 32)
    }
}
