import ChoraleBase

extension Machine {
    /// Runs the frame on top, and those that it calls, until it ends.
    ///
    /// The registers are locals that never have their address taken, so that they are the processor's:
    /// what needs them outside of this function takes and returns them by value. Instructions that
    /// read or write state, and those that are long anyway, are functions that return the gas that is
    /// left, negative when it did not suffice.
    ///
    /// Cases name every opcode rather than a range of them: a range would be compared for, where values
    /// are jumped to. Gas never overflows: it is below 2⁶³ and prices are small.
    mutating func run<Tracer: InstructionTracer>(
        _ tracer: inout Tracer
    ) throws(StateError) -> MessageResult {
        let outermost = frames.count - 1
        let table = self.table
        var r = frames[outermost].registers
        while true {
            let end: FrameEnd
            instructions: while true {
                let opcode = r.code[r.position]
                let rule = table[opcode]
                if Tracer.isActive { trace(opcode, r, &tracer) }
                let height = r.stack.distance(from: r.bottom)
                guard rule.allows(height) else {
                    end = .failed(Self.failure(of: rule, height))
                    break instructions
                }
                r.gas &-= Int64(rule.gas)
                guard r.gas >= 0 else {
                    end = .failed(.outOfGas)
                    break instructions
                }
                r.position &+= 1

                switch opcode {
                case 0x00:  // STOP
                    end = .returned(offset: 0, size: 0)
                    break instructions

                // MARK: Arithmetic
                case 0x01:  // ADD
                    r.stack.replace2(r.stack[0] &+ r.stack[1])
                case 0x02:  // MUL
                    r.stack.replace2(r.stack[0] &* r.stack[1])
                case 0x03:  // SUB
                    r.stack.replace2(r.stack[0] &- r.stack[1])
                case 0x04:  // DIV
                    r.stack.replace2(
                        r.stack[0].quotientAndRemainder(dividingBy: r.stack[1]).quotient)
                case 0x05:  // SDIV
                    r.stack.replace2(r.stack[0].quotientSigned(dividingBy: r.stack[1]))
                case 0x06:  // MOD
                    r.stack.replace2(
                        r.stack[0].quotientAndRemainder(dividingBy: r.stack[1]).remainder)
                case 0x07:  // SMOD
                    r.stack.replace2(r.stack[0].remainderSigned(dividingBy: r.stack[1]))
                case 0x08:  // ADDMOD
                    r.stack.replace3(r.stack[0].adding(r.stack[1], modulo: r.stack[2]))
                case 0x09:  // MULMOD
                    r.stack.replace3(r.stack[0].multiplied(by: r.stack[1], modulo: r.stack[2]))
                case 0x0A:  // EXP
                    let exponent = r.stack[1]
                    r.gas -= 50 * Int64((exponent.bitWidth + 7) / 8)
                    guard r.gas >= 0 else {
                        end = .failed(.outOfGas)
                        break instructions
                    }
                    r.stack.replace2(r.stack[0].power(exponent))
                case 0x0B:  // SIGNEXTEND
                    let size = r.stack[0]
                    let value = r.stack[1]
                    r.stack.replace2(
                        size < UInt256(31) ? value.signExtended(fromByte: Int(size.l0)) : value)

                // MARK: Comparison and bits
                case 0x10:  // LT
                    r.stack.replace2(r.stack[0] < r.stack[1])
                case 0x11:  // GT
                    r.stack.replace2(r.stack[1] < r.stack[0])
                case 0x12:  // SLT
                    r.stack.replace2(r.stack[0].isLessSigned(r.stack[1]))
                case 0x13:  // SGT
                    r.stack.replace2(r.stack[1].isLessSigned(r.stack[0]))
                case 0x14:  // EQ
                    r.stack.replace2(r.stack[0] == r.stack[1])
                case 0x15:  // ISZERO
                    r.stack[0] = UInt256(r.stack[0].isZero ? 1 : 0)
                case 0x16:  // AND
                    r.stack.replace2(r.stack[0] & r.stack[1])
                case 0x17:  // OR
                    r.stack.replace2(r.stack[0] | r.stack[1])
                case 0x18:  // XOR
                    r.stack.replace2(r.stack[0] ^ r.stack[1])
                case 0x19:  // NOT
                    r.stack[0] = ~r.stack[0]
                case 0x1A:  // BYTE
                    let index = r.stack[0]
                    let value = r.stack[1]
                    r.stack.replace2(
                        UInt256(index < UInt256(32) ? UInt64(value.byte(Int(index.l0))) : 0))
                case 0x1B:  // SHL
                    let count = r.stack[0]
                    let value = r.stack[1]
                    r.stack.replace2(count < UInt256(256) ? value << Int(count.l0) : .zero)
                case 0x1C:  // SHR
                    let count = r.stack[0]
                    let value = r.stack[1]
                    r.stack.replace2(count < UInt256(256) ? value >> Int(count.l0) : .zero)
                case 0x1D:  // SAR
                    let count = r.stack[0]
                    let value = r.stack[1]
                    r.stack.replace2(
                        value.shiftedRightSigned(count < UInt256(256) ? Int(count.l0) : 256))
                case 0x1E:  // CLZ
                    r.stack[0] = UInt256(UInt64(r.stack[0].leadingZeroBitCount))
                case 0x20:  // KECCAK256
                    r.gas = keccak(r.stack, r.gas)
                    guard r.gas >= 0 else {
                        end = .failed(.outOfGas)
                        break instructions
                    }
                    r.stack.drop()

                // MARK: Context
                case 0x30:  // ADDRESS
                    r.stack.push(frames[frames.count - 1].address)
                case 0x31, 0x3B, 0x3F:  // BALANCE EXTCODESIZE EXTCODEHASH
                    r.gas = try accountQuery(opcode, r.stack, r.gas)
                    guard r.gas >= 0 else {
                        end = .failed(.outOfGas)
                        break instructions
                    }
                case 0x32:  // ORIGIN
                    r.stack.push(transaction.origin)
                case 0x33:  // CALLER
                    r.stack.push(frames[frames.count - 1].caller)
                case 0x34:  // CALLVALUE
                    r.stack.push(frames[frames.count - 1].value)
                case 0x35:  // CALLDATALOAD
                    r.stack[0] = memory.inputWord(
                        frames[frames.count - 1].input, at: r.stack[0])
                case 0x36:  // CALLDATASIZE
                    r.stack.push(UInt256(UInt64(frames[frames.count - 1].input.count)))
                case 0x38:  // CODESIZE
                    r.stack.push(UInt256(UInt64(frames[frames.count - 1].codeSize)))
                case 0x37, 0x39, 0x3E, 0x5E:  // CALLDATACOPY CODECOPY RETURNDATACOPY MCOPY
                    r.gas = copy(opcode, r.stack, r.gas)
                    guard r.gas >= 0 else {
                        end = .failed(Self.failure(ofGas: r.gas))
                        break instructions
                    }
                    r.stack.drop(3)
                case 0x3A:  // GASPRICE
                    r.stack.push(transaction.gasPrice)
                case 0x3C:  // EXTCODECOPY
                    r.gas = try copyCode(r.stack, r.gas)
                    guard r.gas >= 0 else {
                        end = .failed(.outOfGas)
                        break instructions
                    }
                    r.stack.drop(4)
                case 0x3D:  // RETURNDATASIZE
                    r.stack.push(UInt256(UInt64(returnData.count)))
                case 0x40:  // BLOCKHASH
                    r.stack[0] = try blockHash(r.stack[0])
                case 0x41:  // COINBASE
                    r.stack.push(block.coinbase.word)
                case 0x42:  // TIMESTAMP
                    r.stack.push(UInt256(block.timestamp))
                case 0x43:  // NUMBER
                    r.stack.push(UInt256(block.number))
                case 0x44:  // PREVRANDAO
                    r.stack.push(block.prevRandao)
                case 0x45:  // GASLIMIT
                    r.stack.push(UInt256(block.gasLimit))
                case 0x46:  // CHAINID
                    r.stack.push(UInt256(block.chainID))
                case 0x47:  // SELFBALANCE
                    let account = frames[frames.count - 1].account
                    try state.load(account)
                    r.stack.push(state.accounts[account.index].balance)
                case 0x48:  // BASEFEE
                    r.stack.push(block.baseFee)
                case 0x49:  // BLOBHASH
                    let index = r.stack[0]
                    r.stack[0] =
                        index < UInt256(UInt64(transaction.blobHashes.count))
                        ? UInt256(transaction.blobHashes[Int(index.l0)]) : .zero
                case 0x4A:  // BLOBBASEFEE
                    r.stack.push(block.blobBaseFee)

                // MARK: Memory, storage, flow
                case 0x50:  // POP
                    r.stack.drop()
                case 0x51:  // MLOAD
                    let offset = r.stack[0]
                    if !memory.holds(offset, 32) {
                        r.gas = expand(offset, UInt256(32), r.gas)
                        guard r.gas >= 0 else {
                            end = .failed(.outOfGas)
                            break instructions
                        }
                    }
                    r.stack[0] = memory.word(at: Int(offset.l0))
                case 0x52:  // MSTORE
                    let offset = r.stack[0]
                    if !memory.holds(offset, 32) {
                        r.gas = expand(offset, UInt256(32), r.gas)
                        guard r.gas >= 0 else {
                            end = .failed(.outOfGas)
                            break instructions
                        }
                    }
                    memory.store(r.stack[1], at: Int(offset.l0))
                    r.stack.drop(2)
                case 0x53:  // MSTORE8
                    let offset = r.stack[0]
                    if !memory.holds(offset, 1) {
                        r.gas = expand(offset, .one, r.gas)
                        guard r.gas >= 0 else {
                            end = .failed(.outOfGas)
                            break instructions
                        }
                    }
                    memory.store(UInt8(truncatingIfNeeded: r.stack[1].l0), at: Int(offset.l0))
                    r.stack.drop(2)
                case 0x54:  // SLOAD
                    r.gas = try loadSlot(r.stack, r.gas)
                    guard r.gas >= 0 else {
                        end = .failed(.outOfGas)
                        break instructions
                    }
                case 0x55:  // SSTORE
                    guard !frames[frames.count - 1].isStatic else {
                        end = .failed(.writeInStaticCall)
                        break instructions
                    }
                    r.gas = try storeSlot(r.stack, r.gas)
                    guard r.gas >= 0 else {
                        end = .failed(.outOfGas)
                        break instructions
                    }
                    r.stack.drop(2)
                case 0x56:  // JUMP
                    let target = r.stack[0]
                    guard r.jumps.allows(target) else {
                        end = .failed(.jumpTarget)
                        break instructions
                    }
                    r.position = Int(truncatingIfNeeded: target.l0)
                    r.stack.drop()
                case 0x57:  // JUMPI
                    let target = r.stack[0]
                    let condition = r.stack[1]
                    r.stack.drop(2)
                    if !condition.isZero {
                        guard r.jumps.allows(target) else {
                            end = .failed(.jumpTarget)
                            break instructions
                        }
                        r.position = Int(truncatingIfNeeded: target.l0)
                    }
                case 0x58:  // PC
                    r.stack.push(UInt256(UInt64(r.position - 1)))
                case 0x59:  // MSIZE
                    r.stack.push(UInt256(UInt64(memory.size)))
                case 0x5A:  // GAS
                    r.stack.push(UInt256(UInt64(r.gas)))
                case 0x5B:  // JUMPDEST
                    break
                case 0x5C:  // TLOAD
                    r.stack[0] = state.transient.value(
                        r.stack[0], of: frames[frames.count - 1].account)
                case 0x5D:  // TSTORE
                    guard !frames[frames.count - 1].isStatic else {
                        end = .failed(.writeInStaticCall)
                        break instructions
                    }
                    state.setTransient(
                        r.stack[0], of: frames[frames.count - 1].account, r.stack[1])
                    r.stack.drop(2)

                // MARK: The stack
                case 0x5F:  // PUSH0
                    r.stack.push(.zero)
                case 0x60:  // PUSH1
                    r.stack.push(UInt256(UInt64(r.code[r.position])))
                    r.position &+= 1
                case 0x61:  // PUSH2
                    r.stack.push(UInt256(r.code.limb(at: r.position) >> 48))
                    r.position &+= 2
                case 0x62, 0x63, 0x64, 0x65, 0x66, 0x67:  // PUSH3 to PUSH8: within a limb
                    let count = Int(opcode) - 0x5F
                    r.stack.push(
                        UInt256(
                            r.code.limb(at: r.position)
                                >> UInt64(truncatingIfNeeded: 64 - 8 * count)
                        ))
                    r.position &+= count
                // PUSH9 to PUSH32
                case 0x68, 0x69, 0x6A, 0x6B, 0x6C, 0x6D, 0x6E, 0x6F, 0x70, 0x71, 0x72, 0x73,
                    0x74, 0x75, 0x76, 0x77, 0x78, 0x79, 0x7A, 0x7B, 0x7C, 0x7D, 0x7E, 0x7F:
                    let count = Int(opcode) - 0x5F
                    r.stack.push(r.code.word(at: r.position) >> (256 - 8 * count))
                    r.position &+= count
                case 0x80, 0x81, 0x82, 0x83, 0x84, 0x85, 0x86, 0x87, 0x88, 0x89, 0x8A, 0x8B,
                    0x8C, 0x8D, 0x8E, 0x8F:  // DUP
                    r.stack.push(r.stack[Int(opcode) - 0x80])
                case 0x90, 0x91, 0x92, 0x93, 0x94, 0x95, 0x96, 0x97, 0x98, 0x99, 0x9A, 0x9B,
                    0x9C, 0x9D, 0x9E, 0x9F:  // SWAP
                    let depth = Int(opcode) - 0x8F
                    let top = r.stack[0]
                    r.stack[0] = r.stack[depth]
                    r.stack[depth] = top

                // MARK: Logs, calls, ends
                case 0xA0, 0xA1, 0xA2, 0xA3, 0xA4:  // LOG
                    guard !frames[frames.count - 1].isStatic else {
                        end = .failed(.writeInStaticCall)
                        break instructions
                    }
                    r.gas = log(opcode, r.stack, r.gas)
                    guard r.gas >= 0 else {
                        end = .failed(.outOfGas)
                        break instructions
                    }
                    r.stack.drop(2 + Int(opcode) - 0xA0)
                case 0xF0, 0xF5:  // CREATE CREATE2
                    guard !frames[frames.count - 1].isStatic else {
                        end = .failed(.writeInStaticCall)
                        break instructions
                    }
                    r.gas = try create(opcode, r.stack, r.gas)
                    guard r.gas >= 0 else {
                        end = .failed(Self.failure(ofGas: r.gas))
                        break instructions
                    }
                    r.stack.drop(opcode == Opcode.create ? 3 : 4)
                    r = resume(r)
                case 0xF1, 0xF2, 0xF4, 0xFA:  // CALL CALLCODE DELEGATECALL STATICCALL
                    r.gas = try call(opcode, r.stack, r.gas)
                    guard r.gas >= 0 else {
                        end = .failed(Self.failure(ofGas: r.gas))
                        break instructions
                    }
                    r.stack.drop(opcode <= Opcode.callcode ? 7 : 6)
                    r = resume(r)
                case 0xF3, 0xFD:  // RETURN REVERT
                    let offset = r.stack[0]
                    let size = r.stack[1]
                    r.gas = expand(offset, size, r.gas)
                    guard r.gas >= 0 else {
                        end = .failed(.outOfGas)
                        break instructions
                    }
                    // An offset with no bytes behind it may be anything.
                    let start = size.isZero ? 0 : Int(offset.l0)
                    end =
                        opcode == 0xF3
                        ? .returned(offset: start, size: Int(size.l0))
                        : .reverted(offset: start, size: Int(size.l0))
                    break instructions
                case 0xFF:  // SELFDESTRUCT
                    guard !frames[frames.count - 1].isStatic else {
                        end = .failed(.writeInStaticCall)
                        break instructions
                    }
                    r.gas = try selfdestruct(r.stack, r.gas)
                    end = r.gas >= 0 ? .returned(offset: 0, size: 0) : .failed(.outOfGas)
                    break instructions
                default:
                    end = .failed(.undefinedInstruction)
                    break instructions
                }
            }

            let (result, pushed) = finish(end, r.gas)
            if Tracer.isActive { tracer.didEnd(end, gas: r.gas, result) }
            guard frames.count > outermost else { return result }
            r = frames[frames.count - 1].registers
            r.gas += result.gas
            r.stack.push(pushed)
        }
    }
}
