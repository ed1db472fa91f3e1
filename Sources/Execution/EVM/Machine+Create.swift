import ChoraleBase
import Codec
import Crypto

extension Machine {
    /// CREATE and CREATE2: begins to run the code that makes a contract.
    ///
    /// - Returns: the gas that is left, negative when it did not suffice or the code is too large.
    @inline(never)
    mutating func create(
        _ opcode: UInt8, _ stack: StackCursor, _ gas: Int64
    ) throws(StateError) -> Int64 {
        let isSalted = opcode == Opcode.create2
        let (value, offset, size) = (stack[0], stack[1], stack[2])
        if fork >= .shanghai, size > UInt256(UInt64(Self.initcodeSizeMax)) {
            return Self.initcodeFailure
        }
        var gas = gas - Self.gasPerWord((fork >= .shanghai ? 2 : 0) + (isSalted ? 6 : 0), size)
        guard gas >= 0 else { return gas }
        gas = expand(offset, size, gas)
        guard gas >= 0 else { return gas }

        returnData.truncate(to: 0)
        callOutcome = .finished(.zero)
        gasKept = gas
        let creator = frames[frames.count - 1]
        try state.load(creator.account)
        let record = state.accounts[creator.account.index]
        guard record.balance >= value, record.nonce < .max, frames.count <= Self.depthMax else {
            return gas
        }
        let given = gas - gas / 64
        gas -= given

        let start = size.isZero ? 0 : Int(offset.l0)
        let initcode = memory.withSpan(at: start, count: Int(size.l0)) { Code($0, hash: .zero) }
        let address =
            isSalted
            ? Self.address(creator: creator.address, salt: stack[3], initcode)
            : Self.address(creator: creator.address, nonce: record.nonce)
        let account = state.account(address)
        _ = state.warm(account)
        try state.load(account)
        state.setNonce(creator.account, record.nonce + 1)
        guard !isTaken(account) else { return gas }

        let checkpoint = state.checkpoint
        begin(account)
        state.transfer(value, from: creator.account, to: account)
        let saved = memory.begin()
        let bottom = stack.advanced(by: isSalted ? -4 : -3)
        precondition(stacks.hasRoom(at: bottom), "every frame has room for its stack")
        initcodes.append(initcode)
        frames.append(
            Frame(
                kind: .create, isStatic: false, code: initcode.cursor, codeSize: initcode.size,
                jumps: initcode.jumpMap, account: account, address: address,
                caller: creator.address, value: value, inputStart: 0, inputEnd: 0,
                outputOffset: 0, outputSizeMax: 0, stackBottom: bottom, memoryStart: saved.start,
                memorySize: saved.size, checkpoint: checkpoint, stack: bottom, gas: given))
        callOutcome = .entered
        return gas
    }

    /// Whether no contract can be created at the account (EIP-684, EIP-7610).
    func isTaken(_ account: AccountID) -> Bool {
        let record = state.accounts[account.index]
        return record.nonce != 0 || record.codeHash != Account.emptyCodeHash
            || state.hasStorage(account)
    }

    /// Makes the account a contract's whose code is about to be made.
    mutating func begin(_ account: AccountID) {
        state.markCreated(account)
        state.setNonce(account, 1)
    }

    /// Yellow paper (88).
    static func address(creator: UInt256, nonce: UInt64) -> UInt256 {
        var writer = RLPWriter()
        let list = writer.beginList()
        writer.address(Address(creator))
        writer.integer(nonce)
        writer.endList(list)
        return UInt256(Keccak256.hash(writer.bytes)).address
    }

    /// EIP-1014.
    static func address(creator: UInt256, salt: UInt256, _ initcode: Code) -> UInt256 {
        var hasher = Keccak256.Hasher()
        hasher.update([0xFF])
        hasher.update(Address(creator).storage.span)
        hasher.update(salt.bytes32)
        hasher.update(initcode.withSpan { Keccak256.hash($0) })
        return UInt256(hasher.finish()).address
    }
}
