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
    func trace<Tracer: InstructionTracer>(
        _ opcode: UInt8, _ r: Registers, _ tracer: inout Tracer
    ) {
        let instruction = TracedInstruction(
            opcode: opcode, position: r.position, gas: r.gas, gasKept: gasKept, stack: r.stack,
            height: r.stack.distance(from: r.bottom) / MemoryLayout<UInt256>.stride,
            memorySize: memory.size, depth: frames.count, refund: state.refund)
        returnData.withSpan(0..<returnData.count) {
            tracer.willRun(instruction, returnData: $0)
        }
    }

    /// What gas that is negative says: an instruction that must not run takes more than there ever is.
    @inline(never)
    static func failure(ofGas gas: Int64) -> FrameFailure {
        switch gas {
        case boundsFailure: .returnDataBounds
        case staticFailure: .writeInStaticCall
        case initcodeFailure: .initcodeTooLarge
        default: .outOfGas
        }
    }

    static var boundsFailure: Int64 { .min }
    static var staticFailure: Int64 { .min + 1 }
    static var initcodeFailure: Int64 { .min + 2 }

    @inline(never)
    static func failure(of rule: InstructionRule, _ height: Int) -> FrameFailure {
        guard rule.isDefined else { return .undefinedInstruction }
        return height < Int(rule.heightMin) ? .stackUnderflow : .stackOverflow
    }
}
