import ChoraleBase
import Execution

/// Writes code that mostly runs: operands are on the stack, jumps land, memory is paid for.
///
/// Every choice is made by the program, so that mutating an input changes one thing at a time.
struct ContractWriter {
    /// Whom code may speak of, by numbers that the program draws.
    struct World {
        var addresses: [Address]
        var fork: Fork
        var number: UInt64
    }

    private(set) var code: [UInt8] = []
    private let world: World
    /// Words that are surely on the stack.
    private var height = 0
    private var depth: Int

    /// - Parameter depth: creations inside of creations that may still be written.
    init(_ world: World, depth: Int = 2) {
        self.world = world
        self.depth = depth
    }

    /// Code of at most about `stepCount` steps.
    static func code(_ program: inout Program, _ world: World, stepCount: Int) -> [UInt8] {
        var writer = ContractWriter(world)
        for _ in 0..<stepCount where writer.code.count < 1500 { writer.step(&program) }
        return writer.code
    }

    mutating func step(_ program: inout Program) {
        switch program.below(64) {
        case 0...6: compute(&program)
        case 7...9: push(&program)
        case 10, 11: shuffle(&program)
        case 12...14: memory(&program)
        case 15...33: storage(&program)
        case 34...36: context(&program)
        case 37...39: account(&program)
        case 40...48: call(&program)
        case 49...52: create(&program)
        case 53, 54: log(&program)
        case 55...57: branch(&program)
        case 58, 59: loop(&program)
        case 60: end(&program)
        case 61, 62: transient(&program)
        default:
            if program.chance(1, in: 4) { raw(&program) } else { push(&program) }
        }
    }

    // MARK: Parts

    private mutating func emit(_ opcodes: UInt8..., taking: Int = 0, giving: Int = 0) {
        code += opcodes
        height += giving - taking
    }

    private mutating func push(bytes: some Collection<UInt8>) {
        let bytes = bytes.drop { $0 == 0 }.prefix(32)
        if bytes.isEmpty {
            emit(0x60, 0, giving: 1)
        } else {
            code.append(0x5F + UInt8(bytes.count))
            code += bytes
            height += 1
        }
    }

    private mutating func push(_ number: Int) {
        push(bytes: UInt256(UInt64(max(number, 0))).minimalBytes)
    }

    private mutating func need(_ count: Int, _ program: inout Program) {
        while height < count { push(&program) }
    }

    private mutating func push(_ program: inout Program) {
        switch program.below(12) {
        case 0...3: push(program.below(5))
        case 4, 5: push(Int(program.byte()))
        case 6: push(bytes: (UInt256.max << program.below(256)).minimalBytes)
        case 7: push(bytes: (UInt256.one << program.below(256)).minimalBytes)
        case 8: push(bytes: program.take(program.below(33)))
        case 9: pushAddress(&program)
        case 10: emit(0x5A, giving: 1)
        default: emit(0x5F, giving: 1)
        }
    }

    private mutating func pushAddress(_ program: inout Program) {
        switch program.below(10) {
        case 0: push(1 + program.below(18))
        case 1: emit(0x30, giving: 1)
        case 2: emit(0x33, giving: 1)
        default:
            let address = world.addresses[program.below(world.addresses.count)]
            push(bytes: address.storage.span.copied())
        }
    }

    /// A place in memory: near, now and then absurd.
    private mutating func pushOffset(_ program: inout Program) {
        switch program.below(200) {
        case 0: push(bytes: (UInt256.max << program.below(256)).minimalBytes)
        case 1: push(program.word() * 16)
        default: push(program.below(160))
        }
    }

    private mutating func pushSize(_ program: inout Program) {
        switch program.below(200) {
        case 0: push(bytes: (UInt256.max << program.below(256)).minimalBytes)
        case 1: push(program.word())
        case 2...40: push(0)
        default: push(program.below(100))
        }
    }

    // MARK: Steps

    private mutating func compute(_ program: inout Program) {
        let choice = program.below(26)
        switch choice {
        case 0...7:
            need(2, &program)
            emit(UInt8(max(choice, 1)), taking: 2, giving: 1)
        case 8, 9:
            need(3, &program)
            emit(UInt8(choice), taking: 3, giving: 1)
        case 10:
            push(program.below(300))
            need(2, &program)
            emit(0x90, 0x0A, taking: 2, giving: 1)
        case 11:
            need(2, &program)
            emit(0x0B, taking: 2, giving: 1)
        case 12...16:
            need(2, &program)
            emit(0x10 + UInt8(choice - 12), taking: 2, giving: 1)
        case 17, 18:
            need(1, &program)
            emit(choice == 17 ? 0x15 : 0x19, taking: 1, giving: 1)
        case 19...21:
            need(2, &program)
            emit(0x16 + UInt8(choice - 19), taking: 2, giving: 1)
        case 22 where world.fork >= .osaka || program.chance(1, in: 64):
            need(1, &program)
            emit(0x1E, taking: 1, giving: 1)
        case 23:
            pushSize(&program)
            pushOffset(&program)
            emit(0x20, taking: 2, giving: 1)
        default:
            need(2, &program)
            emit(0x1A + UInt8(program.below(4)), taking: 2, giving: 1)
        }
    }

    private mutating func shuffle(_ program: inout Program) {
        let depth = program.below(16)
        switch program.below(3) {
        case 0:
            need(depth + 1, &program)
            emit(0x80 + UInt8(depth), giving: 1)
        case 1:
            need(depth + 2, &program)
            emit(0x90 + UInt8(depth))
        default:
            need(1, &program)
            emit(0x50, taking: 1)
        }
    }

    private mutating func memory(_ program: inout Program) {
        switch program.below(8) {
        case 0, 1:
            need(1, &program)
            pushOffset(&program)
            emit(0x52, taking: 2)
        case 2:
            need(1, &program)
            pushOffset(&program)
            emit(0x53, taking: 2)
        case 3:
            pushOffset(&program)
            emit(0x51, taking: 1, giving: 1)
        case 4 where world.fork >= .cancun:
            pushSize(&program)
            pushOffset(&program)
            pushOffset(&program)
            emit(0x5E, taking: 3)
        case 5:
            // What a call returned, exactly.
            emit(0x3D, 0x5F, 0x5F, 0x3E)
        default:
            pushSize(&program)
            pushOffset(&program)
            pushOffset(&program)
            // Beyond what a call returned there is nothing to copy, which ends a frame.
            let isReturned = program.chance(1, in: 40)
            emit(isReturned ? 0x3E : program.chance(1, in: 2) ? 0x37 : 0x39, taking: 3)
        }
    }

    private mutating func storage(_ program: inout Program) {
        let slot = program.below(24)
        if program.chance(1, in: 3) {
            push(slot)
            emit(0x54, taking: 1, giving: 1)
        } else {
            // Zero as often as not: entries that go are what makes tries collapse.
            if program.chance(1, in: 2) { push(0) } else { need(1, &program) }
            push(slot)
            emit(0x55, taking: 2)
        }
    }

    private mutating func transient(_ program: inout Program) {
        guard world.fork >= .cancun else { return storage(&program) }
        if program.chance(1, in: 2) {
            push(program.below(4))
            emit(0x5C, taking: 1, giving: 1)
        } else {
            need(1, &program)
            push(program.below(4))
            emit(0x5D, taking: 2)
        }
    }

    private mutating func context(_ program: inout Program) {
        let plain: [UInt8] = [
            0x30, 0x32, 0x33, 0x34, 0x36, 0x38, 0x3A, 0x3D, 0x41, 0x42, 0x43, 0x44, 0x45, 0x46,
            0x47, 0x48, 0x58, 0x59, 0x5A, world.fork >= .cancun ? 0x4A : 0x48,
        ]
        switch program.below(5) {
        case 0:
            // An ancestor: the parent, the farthest, one beyond.
            let distance = [1, 2, 3, 7, 255, 256, 257, 0][program.below(8)]
            push(max(0, Int(clamping: world.number) - distance))
            emit(0x40, taking: 1, giving: 1)
        case 1:
            push(program.below(3))
            emit(world.fork >= .cancun ? 0x49 : 0x35, taking: 1, giving: 1)
        case 2:
            push(program.below(70))
            emit(0x35, taking: 1, giving: 1)
        default:
            emit(plain[program.below(plain.count)], giving: 1)
        }
    }

    private mutating func account(_ program: inout Program) {
        if program.chance(1, in: 4) {
            pushSize(&program)
            pushOffset(&program)
            pushOffset(&program)
            pushAddress(&program)
            emit(0x3C, taking: 4)
        } else {
            pushAddress(&program)
            emit([0x31, 0x3B, 0x3F][program.below(3)], taking: 1, giving: 1)
        }
    }

    private mutating func call(_ program: inout Program) {
        let opcode: UInt8 = [0xF1, 0xF1, 0xF2, 0xF4, 0xFA][program.below(5)]
        pushSize(&program)
        pushOffset(&program)
        pushSize(&program)
        pushOffset(&program)
        if opcode <= 0xF2 {
            switch program.below(4) {
            case 0: push(1)
            case 1: emit(0x47, giving: 1)
            default: push(0)
            }
        }
        pushAddress(&program)
        switch program.below(4) {
        case 0: push(program.word())
        case 1: push(bytes: [UInt8](repeating: 0xFF, count: 32))
        default: emit(0x5A, giving: 1)
        }
        emit(opcode, taking: opcode <= 0xF2 ? 7 : 6, giving: 1)
    }

    /// Puts code into memory and creates a contract with it.
    private mutating func create(_ program: inout Program) {
        guard depth > 0 else { return push(&program) }
        var inner = ContractWriter(world, depth: depth - 1)
        for _ in 0..<program.below(6) { inner.step(&program) }
        var initcode = inner.code
        if program.chance(3, in: 4) {
            // Returns code that is itself of this writer's making, or a few bytes.
            var runtime = ContractWriter(world, depth: 0)
            for _ in 0..<program.below(5) { runtime.step(&program) }
            var body = runtime.code.prefix(31)
            if program.chance(1, in: 16) { body = [0xEF, 0x01, 0x00] }
            initcode += [0x5F + UInt8(body.count)] + body
            initcode += [0x5F, 0x52, 0x60, UInt8(body.count), 0x60, UInt8(32 - body.count), 0xF3]
        }
        initcode = Array(initcode.prefix(400))
        for start in stride(from: 0, to: initcode.count, by: 32) {
            let part = initcode[start..<min(start + 32, initcode.count)]
            code.append(0x7F)
            code += part + [UInt8](repeating: 0, count: 32 - part.count)
            height += 1
            push(start)
            emit(0x52, taking: 2)
        }
        let isSalted = program.chance(1, in: 2)
        if isSalted { push(program.below(3)) }
        push(initcode.count)
        push(0)
        push(program.chance(1, in: 4) ? 1 : 0)
        emit(isSalted ? 0xF5 : 0xF0, taking: isSalted ? 4 : 3, giving: 1)
        // What was created is called, as often as not.
        if program.chance(1, in: 2) {
            emit(0x5F, 0x5F, 0x5F, 0x5F, 0x5F, 0x85, 0x5A, 0xF1, giving: 1)
        }
    }

    private mutating func log(_ program: inout Program) {
        let topics = program.below(5)
        need(topics, &program)
        pushSize(&program)
        pushOffset(&program)
        emit(0xA0 + UInt8(topics), taking: 2 + topics)
    }

    /// A jump over some steps, taken or not; rarely to somewhere else.
    private mutating func branch(_ program: inout Program) {
        let isConditional = program.chance(2, in: 3)
        if isConditional { need(1, &program) }
        let place = code.count + 1
        code += [0x61, 0, 0]
        code.append(isConditional ? 0x57 : 0x56)
        if isConditional { height -= 1 }
        let before = height
        for _ in 0..<1 + program.below(3) { step(&program) }
        // Whichever way was taken, no more than this is there.
        height = min(height, before)
        var target = code.count
        code.append(0x5B)
        if program.chance(1, in: 100) { target += 1 + program.below(4) }
        code[place] = UInt8(truncatingIfNeeded: target >> 8)
        code[place + 1] = UInt8(truncatingIfNeeded: target)
    }

    /// Some steps, a few times over.
    private mutating func loop(_ program: inout Program) {
        push(1 + program.below(4))
        let before = height
        let target = code.count
        code.append(0x5B)
        for _ in 0..<1 + program.below(3) { step(&program) }
        while height > before { emit(0x50, taking: 1) }
        // A step may have taken the counter; then something else counts.
        need(1, &program)
        emit(0x60, 1, 0x90, 0x03, 0x80)
        code += [0x61, UInt8(truncatingIfNeeded: target >> 8), UInt8(truncatingIfNeeded: target)]
        emit(0x57)
        emit(0x50, taking: 1)
        height = min(height, before - 1)
    }

    private mutating func end(_ program: inout Program) {
        switch program.below(6) {
        case 0, 1:
            pushSize(&program)
            pushOffset(&program)
            emit(0xF3, taking: 2)
        case 2:
            pushSize(&program)
            pushOffset(&program)
            emit(0xFD, taking: 2)
        case 3, 4:
            pushAddress(&program)
            emit(0xFF, taking: 1)
        default: emit(program.chance(7, in: 8) ? 0x00 : 0xFE)
        }
    }

    private mutating func raw(_ program: inout Program) {
        code += program.take(1 + program.below(3))
    }
}
