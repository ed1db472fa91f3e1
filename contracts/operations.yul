// The operations contract: requests of operations, their fees and outputs, and the bonds of executors.
//
// It decides nothing about outputs. A block in which it says `Settled` other than what validators have certified is
// invalid by the rules of consensus, so whoever calls `settle` is believed here. ABI, events and gas:
// docs/operations-contract.md
//
// Storage. The words of an operation begin at its id, which is a hash:
//   id          requester (160 bits) | last block in which it can be settled (48) | size of the output (40) | state (8)
//   id + 1      requested: the fee, in wei.  settled: the output's Keccak-256.  expired: zero
//   id + 2 + i  word i of an output that is stored
// keccak256(address, 0) is how many operations an address has requested,
// keccak256(address, 1) how much it is owed, in wei.
{
    if lt(calldatasize(), 4) { revert(0, 0) }
    switch shr(224, calldataload(0))
    // request(uint16,bytes32,bytes32,uint64,uint32)
    case 0x5bfbd506 { request() }
    // settle(bytes32,bytes32,uint256,uint256,uint256[],bytes)
    case 0xa088cd2a { settle() }
    // expire(bytes32)
    case 0xc6441798 { expire() }
    // withdraw(address)
    case 0x51cff8d9 { withdraw() }
    // registerExecutor(bytes32,address,uint256,bytes32,bytes32)
    case 0x5e8335be { registerExecutor() }
    // exitExecutor(bytes32)
    case 0x846a5366 { exitExecutor() }
    // output(bytes32)
    case 0xc4c9a48f { output() }
    // outputHash(bytes32)
    case 0xd86f5b71 { outputHash() }
    // operation(bytes32)
    case 0x47da73be { operation() }
    // operationID(address,uint256)
    case 0x994efc05 { viewOperationID() }
    // nonces(address)
    case 0x7ecebe00 { viewOfAddress(0) }
    // owed(address)
    case 0xdf18e047 { viewOfAddress(1) }
    default { revert(0, 0) }

    // Operations

    // Asks for an operation, with the value as the most that it may cost.
    function request() {
        requireSize(164)
        let kind := calldataload(4)
        if or(iszero(kind), gt(kind, 0xffff)) { invalid(0) }
        let inputRoot := calldataload(68)
        let inputSize := calldataload(100)
        // A root and a size, or neither.
        if xor(iszero(inputRoot), iszero(inputSize)) { invalid(3) }
        if gt(inputSize, 0xffffffffffffffff) { invalid(3) }
        let ttl := calldataload(132)
        if or(lt(ttl, 16), gt(ttl, 65536)) { invalid(4) }
        let fee := callvalue()
        if or(iszero(fee), gt(fee, 0xffffffffffffffffffffffff)) { invalid(5) }

        let nonceSlot := slotOf(caller(), 0)
        let nonce := sload(nonceSlot)
        sstore(nonceSlot, add(nonce, 1))
        let id := operationID(caller(), nonce)
        let expiry := add(number(), ttl)
        sstore(id, record(caller(), expiry, 0, 1))
        sstore(add(id, 1), fee)

        let free := memoryguard(0x80)
        mstore(free, kind)
        mstore(add(free, 0x20), calldataload(36))
        mstore(add(free, 0x40), inputRoot)
        mstore(add(free, 0x60), inputSize)
        mstore(add(free, 0x80), expiry)
        mstore(add(free, 0xa0), fee)
        // Requested(bytes32 indexed,address indexed,uint16,bytes32,bytes32,uint64,uint64,uint96)
        log3(free, 0xc0, 0xe4dae1c9d574ae95667c88564213640236f24092e4bda7b094ad559e0ef3d7ce, id, caller())
        give(id)
    }

    // Pays for an operation and keeps its output. The call data are in the one form that the ABI's rules make.
    function settle() {
        requireNoValue()
        if lt(calldatasize(), 260) { revert(0, 0) }
        let id := calldataload(4)
        let hash := calldataload(36)
        let size := calldataload(68)
        let reward := calldataload(100)
        let count := calldataload(196)
        if or(gt(count, 64), xor(calldataload(132), 0xc0)) { invalid(4) }
        let outputAt := add(228, mul(32, count))
        if xor(calldataload(164), sub(outputAt, 4)) { invalid(5) }
        let stored := calldataload(outputAt)
        if gt(stored, 1024) { invalid(5) }
        let words := div(add(stored, 31), 32)
        requireSize(add(add(outputAt, 32), mul(32, words)))

        let found := sload(id)
        requireOpen(found)
        if or(iszero(size), gt(size, 0xffffffffff)) { invalid(2) }
        let free := memoryguard(0x80)
        // What may be stored must be here.
        switch gt(size, 1024)
        case 0 {
            if xor(stored, size) { invalid(5) }
            calldatacopy(free, add(outputAt, 32), stored)
            if xor(keccak256(free, stored), hash) { invalid(1) }
        }
        default { if stored { invalid(5) } }

        let rest := sload(add(id, 1))
        if gt(reward, rest) { invalid(3) }
        rest := sub(rest, reward)
        for { let i := 0 } lt(i, count) { i := add(i, 1) } {
            let amount := and(calldataload(add(228, mul(32, i))), 0xffffffffffffffffffffffff)
            if gt(amount, rest) { invalid(4) }
            rest := sub(rest, amount)
        }

        // Everything is written before anybody is paid.
        let requester := shr(96, found)
        sstore(id, record(requester, and(shr(48, found), 0xffffffffffff), size, 2))
        sstore(add(id, 1), hash)
        for { let j := 0 } lt(j, words) { j := add(j, 1) } {
            sstore(add(add(id, 2), j), mload(add(free, mul(32, j))))
        }
        calldatacopy(free, 228, mul(32, count))
        let payments := keccak256(free, mul(32, count))
        mstore(free, hash)
        mstore(add(free, 0x20), size)
        mstore(add(free, 0x40), reward)
        mstore(add(free, 0x60), payments)
        // Settled(bytes32 indexed,bytes32,uint256,uint256,bytes32)
        log2(free, 0x80, 0xcd26644b0c43ad4eec5624d71f7bc5008d7069eed4b6f845a5e3ffea115b9e60, id)

        for { let k := 0 } lt(k, count) { k := add(k, 1) } {
            let payment := calldataload(add(228, mul(32, k)))
            pay(shr(96, payment), and(payment, 0xffffffffffffffffffffffff))
        }
        pay(caller(), reward)
        pay(requester, rest)
    }

    // Gives the fee back when nobody has settled in time.
    function expire() {
        requireNoValue()
        requireSize(36)
        let id := calldataload(4)
        let found := sload(id)
        switch and(found, 0xff)
        case 1 { }
        default { requireOpen(found) }
        // OperationPending()
        if iszero(isOver(found)) { fail(0x8a51ba41) }
        let fee := sload(add(id, 1))
        let requester := shr(96, found)
        sstore(id, record(requester, and(shr(48, found), 0xffffffffffff), 0, 3))
        sstore(add(id, 1), 0)
        // Expired(bytes32 indexed)
        log2(0, 0, 0x3077f64f92ad91c6479071531304fa3c1e0bb9b63e130c746f3a564292f0ddc6, id)
        pay(requester, fee)
    }

    // Sends the caller what could not be paid to it.
    function withdraw() {
        requireNoValue()
        let recipient := addressArgument(36, 4, 0)
        let slot := slotOf(caller(), 1)
        let amount := sload(slot)
        if iszero(amount) { invalid(0) }
        sstore(slot, 0)
        // PaymentFailed()
        if iszero(call(gas(), recipient, amount, 0, 0, 0, 0)) { fail(0xf499da20) }
    }

    // Executors

    // Offers to execute, or adds to a bond. The value stays here for good: a bond is given back by consensus.
    function registerExecutor() {
        let recipient := addressArgument(164, 36, 1)
        if iszero(recipient) { invalid(1) }
        let capabilities := calldataload(68)
        if iszero(capabilities) { invalid(2) }
        let amount := div(callvalue(), 1000000000)
        // At least an ether, in whole gwei, below 2^64 of them.
        if or(lt(amount, 1000000000), gt(amount, 0xffffffffffffffff)) { invalid(5) }
        if mod(callvalue(), 1000000000) { invalid(5) }
        let free := memoryguard(0x80)
        mstore(free, capabilities)
        mstore(add(free, 0x20), amount)
        mstore(add(free, 0x40), calldataload(100))
        mstore(add(free, 0x60), calldataload(132))
        // ExecutorRegistered(bytes32 indexed,address indexed,uint256,uint64,bytes32,bytes32)
        log3(free, 0x80, 0xf12d922ee51324c80eddb4cd961293db125d88b060fdb2b0111d647429e3b9d9, calldataload(4), recipient)
    }

    // Asks for a bond back. Whether the caller may is for consensus to say.
    function exitExecutor() {
        requireNoValue()
        requireSize(36)
        // ExecutorExit(bytes32 indexed,address indexed)
        log3(0, 0, 0x61321a9bdb4698e4ad27583d7399b68d4a94a91c33f9ea1218c2a9be2bb16575, calldataload(4), caller())
    }

    // Views

    function output() {
        requireNoValue()
        requireSize(36)
        let id := calldataload(4)
        let found := sload(id)
        requireSettled(found)
        let size := and(shr(8, found), 0xffffffffff)
        let free := memoryguard(0x80)
        if gt(size, 1024) {
            // OutputByHash(bytes32,uint256)
            mstore(free, shl(224, 0x70ffd719))
            mstore(add(free, 4), sload(add(id, 1)))
            mstore(add(free, 36), size)
            revert(free, 68)
        }
        let words := div(add(size, 31), 32)
        mstore(free, 0x20)
        mstore(add(free, 0x20), size)
        for { let i := 0 } lt(i, words) { i := add(i, 1) } {
            mstore(add(add(free, 0x40), mul(32, i)), sload(add(add(id, 2), i)))
        }
        return(free, add(0x40, mul(32, words)))
    }

    function outputHash() {
        requireNoValue()
        requireSize(36)
        let id := calldataload(4)
        let found := sload(id)
        requireSettled(found)
        let free := memoryguard(0x80)
        mstore(free, sload(add(id, 1)))
        mstore(add(free, 0x20), and(shr(8, found), 0xffffffffff))
        return(free, 0x40)
    }

    // State (0 unknown, 1 requested, 2 settled, 3 expired), requester, fee held, and the last block to settle in.
    function operation() {
        requireNoValue()
        requireSize(36)
        let id := calldataload(4)
        let found := sload(id)
        let state := and(found, 0xff)
        let fee := 0
        if eq(state, 1) {
            fee := sload(add(id, 1))
            if isOver(found) { state := 3 }
        }
        let free := memoryguard(0x80)
        mstore(free, state)
        mstore(add(free, 0x20), shr(96, found))
        mstore(add(free, 0x40), fee)
        mstore(add(free, 0x60), and(shr(48, found), 0xffffffffffff))
        return(free, 0x80)
    }

    function viewOperationID() {
        requireNoValue()
        give(operationID(addressArgument(68, 4, 0), calldataload(36)))
    }

    function viewOfAddress(purpose) {
        requireNoValue()
        give(sload(slotOf(addressArgument(36, 4, 0), purpose)))
    }

    // Parts

    // keccak256(chain, requester, nonce): of another length than what slotOf hashes.
    function operationID(requester, nonce) -> id {
        let free := memoryguard(0x80)
        mstore(free, chainid())
        mstore(add(free, 0x20), requester)
        mstore(add(free, 0x40), nonce)
        id := keccak256(free, 0x60)
    }

    function slotOf(owner, purpose) -> slot {
        let free := memoryguard(0x80)
        mstore(free, owner)
        mstore(add(free, 0x20), purpose)
        slot := keccak256(free, 0x40)
    }

    function record(requester, expiry, size, state) -> word {
        word := or(or(shl(96, requester), shl(48, expiry)), or(shl(8, size), state))
    }

    function isOver(found) -> over {
        over := gt(number(), and(shr(48, found), 0xffffffffffff))
    }

    // Pays with nothing but the stipend of 2,300 gas, in which nobody can write or call on. Whoever does not take it is
    // owed it. What the payee gets to run with does not depend on the gas of the transaction, so whoever settles cannot
    // make a payment fail.
    function pay(payee, amount) {
        if iszero(amount) { leave }
        if call(0, payee, amount, 0, 0, 0, 0) { leave }
        let slot := slotOf(payee, 1)
        sstore(slot, add(sload(slot), amount))
        let free := memoryguard(0x80)
        mstore(free, amount)
        // Owed(address indexed,uint256)
        log2(free, 0x20, 0x7393c924ac30f9256e6cebcfb78841b1e7ef11bf8b09d87c2257b32b8063c979, payee)
    }

    // Unless it is requested and not over.
    function requireOpen(found) {
        switch and(found, 0xff)
        // OperationUnknown()
        case 0 { fail(0xb1914399) }
        // OperationExpired()
        case 1 { if isOver(found) { fail(0x74ed780a) } }
        // OperationSettled()
        case 2 { fail(0x3ae1620f) }
        default { fail(0x74ed780a) }
    }

    function requireSettled(found) {
        switch and(found, 0xff)
        case 2 { }
        default {
            requireOpen(found)
            // OperationPending()
            fail(0x8a51ba41)
        }
    }

    function addressArgument(size, offset, index) -> argument {
        requireSize(size)
        argument := calldataload(offset)
        if shr(160, argument) { invalid(index) }
    }

    function requireSize(size) {
        if xor(calldatasize(), size) { revert(0, 0) }
    }

    function requireNoValue() {
        if callvalue() { revert(0, 0) }
    }

    function give(word) {
        let free := memoryguard(0x80)
        mstore(free, word)
        return(free, 0x20)
    }

    function fail(error) {
        mstore(0, shl(224, error))
        revert(0, 4)
    }

    // Invalid(uint256): an argument's index, or the number of arguments for the value.
    function invalid(argument) {
        mstore(0, shl(224, 0x93c6fe66))
        mstore(4, argument)
        revert(0, 36)
    }
}
