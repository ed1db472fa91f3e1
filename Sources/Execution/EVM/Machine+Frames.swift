import ChoraleBase

// What the dispatch loop does at the edges of frames.

extension Machine {
    /// After an instruction that calls: goes on in the frame that it entered, or behind it.
    @inline(__always)
    mutating func resume(_ registers: Registers) -> Registers {
        var r = registers
        switch callOutcome {
        case .finished(let word):
            r.stack.push(word)
            return r
        case .entered:
            let caller = frames.count - 2
            frames[caller].position = r.position
            frames[caller].stack = r.stack
            frames[caller].gas = r.gas
            return frames[caller + 1].registers
        }
    }

    @inline(never)
    func traced(_ opcode: UInt8, _ r: Registers) -> TracedInstruction {
        let height = r.stack.distance(from: r.bottom) / MemoryLayout<UInt256>.stride
        return TracedInstruction(
            opcode: opcode, position: r.position, gas: r.gas,
            callerGas: frames.count > 1 ? frames[frames.count - 2].gas : 0,
            stack: (0..<height).map { r.stack[height - 1 - $0] }, memorySize: memory.size,
            depth: frames.count, refund: state.refund)
    }

    @inline(never)
    static func failure(of rule: InstructionRule, _ height: Int) -> FrameFailure {
        guard rule.isDefined else { return .undefinedInstruction }
        return height < Int(rule.heightMin) ? .stackUnderflow : .stackOverflow
    }
}
