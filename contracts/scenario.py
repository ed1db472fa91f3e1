#!/usr/bin/env python3
"""Runs the operations contract in py-evm and writes down what came out, as vectors for our own machine.

    pip install py-evm==0.12.1b1 'eth-hash[pycryptodome]'
    contracts/scenario.py        # writes contracts/vectors.txt

The file: lines `code ADDRESS CODE` and `genesis ROOT`, then a line for each transaction: name | block | sender |
recipient | value | data | 1 if it succeeded | gas | what it returned | logs | root of the state behind it.
A log is address, topics and data.
"""

import pathlib

from eth import constants
from eth.db.atomic import AtomicDB
from eth.vm.execution_context import ExecutionContext
from eth.vm.forks.prague import PragueVM
from eth_hash.auto import keccak
from eth_keys import keys
from yul import compile_yul

HERE = pathlib.Path(__file__).resolve().parent
PREDEPLOY = bytes.fromhex("000000000000000000000000000000000c402a1e")
CHAIN = 1337
ETHER = 10**18
GWEI = 10**9
BASE_FEE = 7
GAS = 4_000_000

# A wallet with code: the first word of the call data is whom to call, the rest with what. Sent ether alone, it does what `receive` says.
WALLET = """{
    if iszero(calldatasize()) { receive() stop() }
    let size := sub(calldatasize(), 32)
    calldatacopy(memoryguard(0x80), 32, size)
    let free := memoryguard(0x80)
    let success := call(gas(), calldataload(0), callvalue(), free, size, 0, 0)
    returndatacopy(free, 0, returndatasize())
    if iszero(success) { revert(free, returndatasize()) }
    return(free, returndatasize())
    function receive() { %s }
}"""
# Keeps the first word of an operation's output, for which it asks with the call data's word.
CONSUMER = """{
    let free := memoryguard(0x80)
    mstore(free, shl(224, 0xc4c9a48f))
    mstore(add(free, 4), calldataload(0))
    let success := staticcall(gas(), 0x0c402a1e, free, 36, 0, 0)
    returndatacopy(free, 0, returndatasize())
    if iszero(success) { revert(free, returndatasize()) }
    sstore(calldataload(0), mload(add(free, 0x40)))
}"""

def address(number):
    return (0xC0DE0000 + number).to_bytes(20, "big")

REFUSER, BURNER, AGAIN, TAKER, USER = map(address, range(1, 6))
CODES = {
    PREDEPLOY: compile_yul((HERE / "operations.yul").read_text()),
    REFUSER: compile_yul(WALLET % "revert(0, 0)"),
    BURNER: compile_yul(WALLET % "for { } 1 { } { }"),
    # Withdraws to itself once more while it is being paid.
    AGAIN: compile_yul(WALLET % """
        mstore(0, shl(224, 0x51cff8d9)) mstore(4, address())
        sstore(0, add(sload(0), 1))
        sstore(1, call(gas(), 0x0c402a1e, 0, 0, 36, 0, 0))"""),
    TAKER: compile_yul(WALLET % ""),
    USER: compile_yul(CONSUMER),
}
KEYS = [keys.PrivateKey(bytes([n] * 32)) for n in (1, 2, 3)]
ALICE, BOB, CAROL = [key.public_key.to_canonical_address() for key in KEYS]
# Paid, and with nothing before.
PAYEES = [(0xFEE0000 + n).to_bytes(20, "big") for n in range(64)]
COINBASE = (0xC01).to_bytes(20, "big")


def word(value):
    return value.rjust(32, b"\0") if isinstance(value, bytes) else value.to_bytes(32, "big")


def call(signature, *words):
    return keccak(signature.encode())[:4] + b"".join(map(word, words))


def request(kind=7, hash=b"\x11" * 32, root=b"\x22" * 32, size=1000, ttl=100):
    return call("request(uint16,bytes32,bytes32,uint64,uint32)", kind, hash, root, size, ttl)


def payment(payee, amount):
    return (int.from_bytes(payee, "big") << 96 | amount).to_bytes(32, "big")


def settle(id, output, reward=0, payments=(), hash=None, size=None, stored=None, offsets=None, pad=b"\0"):
    hash = keccak(output) if hash is None else hash
    size = len(output) if size is None else size
    stored = (output if len(output) <= 1024 else b"") if stored is None else stored
    first, second = offsets or (0xC0, 0xE0 + 32 * len(payments))
    return (
        call("settle(bytes32,bytes32,uint256,uint256,uint256[],bytes)", id, hash, size, reward, first, second)
        + word(len(payments)) + b"".join(payments) + word(len(stored)) + stored + pad * (-len(stored) % 32)
    )


def id_of(requester, nonce):
    return keccak(word(CHAIN) + word(requester) + word(nonce))


def view(name, *words):
    types = {"operationID": "address,uint256", "nonces": "address", "owed": "address"}.get(name, "bytes32")
    return call(f"{name}({types})", *words)


STEPS = []


def step(block, name, data, value=0, sender=0, to=PREDEPLOY, ok=True):
    STEPS.append(dict(block=block, name=name, data=data, value=value, sender=sender, to=to, ok=ok))


def by(wallet, block, name, data, value=0, sender=0, ok=True):
    step(block, name, word(PREDEPLOY) + data, value, sender, wallet, ok)


def scenario():
    # requests: every bound
    step(100, "ether alone", b"", 1, ok=False)
    step(100, "no function", b"\1\2\3\4", ok=False)
    step(100, "three bytes", b"\1\2\3", ok=False)
    good = request()
    step(100, "id before", view("operationID", ALICE, 0))
    step(100, "first request", good, ETHER)  # alice 0
    step(100, "second request of one requester", good, ETHER)  # alice 1
    step(100, "of another", request(kind=0xFFFF, root=b"", size=0, ttl=16), 1, sender=1)  # bob 0
    step(100, "the longest ttl, the largest fee that fits", request(kind=1, size=2**64 - 1, ttl=65536), 10**6 * ETHER)  # alice 2
    step(100, "nonces", view("nonces", ALICE))
    step(100, "an address of 21 bytes", view("nonces", b"\1" + ALICE), ok=False)
    for name, data, value in [
        ("kind 0", request(kind=0), 1), ("kind 65536", request(kind=65536), 1), ("kind 2^255", request(kind=1 << 255), 1),
        ("a root without size", request(size=0), 1), ("a size without root", request(root=b""), 1),
        ("size 2^64", request(size=2**64), 1), ("ttl 15", request(ttl=15), 1), ("ttl 65537", request(ttl=65537), 1),
        ("ttl 2^255", request(ttl=1 << 255), 1), ("no fee", good, 0), ("fee 2^96", good, 2**96),
        ("a byte short", good[:-1], 1), ("a byte long", good + b"\0", 1),
    ]:
        step(100, name, data, value, ok=False)
    a0, a1, a2, b0 = id_of(ALICE, 0), id_of(ALICE, 1), id_of(ALICE, 2), id_of(BOB, 0)
    step(100, "a requested operation", view("operation", a0))
    step(100, "an unknown operation", view("operation", b"\x77" * 32))
    for name in ("output", "outputHash"):
        step(100, f"{name} of a requested", view(name, a0), ok=False)
        step(100, f"{name} of an unknown", view(name, b"\x77" * 32), ok=False)
    step(100, "consumer, too early", a0, to=USER, ok=False)

    # settlement
    out = bytes(range(70))
    price = [payment(PAYEES[0], ETHER // 2), payment(PAYEES[1], 1), payment(PAYEES[2], ETHER // 10)]
    for name, data, value in [
        ("settles an unknown", settle(b"\x77" * 32, out), 0), ("settles with ether", settle(a0, out), 1),
        ("another output than its hash", settle(a0, out, hash=keccak(b"")), 0),
        ("an output that must be here and is not", settle(a0, out, stored=b""), 0),
        ("a byte of the output missing", settle(a0, out, stored=out[:-1]), 0),
        ("size 0", settle(a0, b""), 0), ("size 2^40", settle(a0, b"", size=2**40, hash=b"\1" * 32), 0),
        ("a large output stored", settle(a0, bytes(1025), stored=bytes(1025)), 0),
        ("a large output, a little of it", settle(a0, bytes(1025), stored=bytes(1)), 0),
        ("a reward above the fee", settle(a0, out, ETHER + 1), 0),
        ("payments above the fee by a wei", settle(a0, out, ETHER // 2 - ETHER // 10, price), 0),
        ("payments that overflow", settle(a0, out, 0, [payment(PAYEES[0], 2**96 - 1)] * 2), 0),
        ("65 payments", settle(a0, out, 0, [payment(PAYEES[0], 1)] * 65), 0),
        ("another first offset", settle(a0, out, offsets=(0xE0, 0xE0)), 0),
        ("another second offset", settle(a0, out, offsets=(0xC0, 0x100)), 0),
        ("a byte short", settle(a0, out)[:-1], 0), ("a byte long", settle(a0, out) + b"\0", 0),
        ("the head alone", settle(a0, out)[:196], 0), ("2^255 payments", settle(a0, out)[:196] + word(1 << 255) + word(0), 0),
    ]:
        step(101, name, data, value, sender=2, ok=False)
    step(101, "settled, three paid", settle(a0, out, ETHER // 20, price, pad=b"\xFF"), sender=2)
    step(101, "settled twice", settle(a0, out), sender=2, ok=False)
    step(101, "settled again with another output", settle(a0, b"else"), sender=2, ok=False)
    step(300, "a settled operation expires", call("expire(bytes32)", a0), ok=False)
    step(101, "its output", view("output", a0))
    step(101, "its hash", view("outputHash", a0))
    step(101, "its state", view("operation", a0))
    step(102, "consumer", a0, to=USER)
    step(101, "its requester was given back the rest", view("owed", ALICE))
    large = bytes(1025)
    step(200, "an output by hash, the whole fee as reward, in the last block", settle(a1, large, ETHER), sender=2)
    step(201, "output of it", view("output", a1), ok=False)
    step(201, "hash of it", view("outputHash", a1))
    step(201, "consumer of it", a1, to=USER, ok=False)
    most = [payment(payee, 10**6 * ETHER // 64) for payee in PAYEES]
    step(201, "64 payments to the last wei, 1,024 bytes", settle(a2, b"\xAB" * 1024, 0, most), sender=2)
    step(201, "1,024 bytes", view("output", a2))

    # expiry
    step(116, "expires a block early", call("expire(bytes32)", b0), sender=2, ok=False)
    step(117, "settled too late", settle(b0, out), sender=2, ok=False)
    step(117, "late output", view("output", b0), ok=False)
    step(117, "late state", view("operation", b0))
    step(117, "expires with ether", call("expire(bytes32)", b0), 1, sender=2, ok=False)
    step(117, "an unknown one expires", call("expire(bytes32)", b"\x77" * 32), ok=False)
    step(117, "expires", call("expire(bytes32)", b0), sender=2)
    step(117, "expires again", call("expire(bytes32)", b0), sender=2, ok=False)
    step(117, "settled after that", settle(b0, out), sender=2, ok=False)
    step(117, "state after that", view("operation", b0))
    step(117, "output after that", view("output", b0), ok=False)
    step(117, "output after that, in a block before", view("output", b0), ok=False)

    # payees that do not take it
    for index, wallet in enumerate((REFUSER, BURNER, AGAIN, TAKER)):
        by(wallet, 300, f"a wallet requests, {index}", request(), ETHER)
        id = id_of(wallet, 0)
        step(301, f"and is paid, and others, {index}", settle(id, b"x" * 32, 10, [payment(wallet, 5), payment(BURNER, 3), payment(ALICE, 2)]), sender=2)
        step(301, f"owed, {index}", view("owed", wallet))
        step(301, f"consumer, {index}", id, to=USER)
    by(REFUSER, 302, "a wallet that is paid by itself and does not want it", call("withdraw(address)", REFUSER), ok=False)
    by(REFUSER, 302, "to 21 bytes", call("withdraw(address)", b"\1" + BOB), ok=False)
    by(REFUSER, 302, "with ether", call("withdraw(address)", BOB), 1, ok=False)
    by(REFUSER, 302, "to somebody", call("withdraw(address)", BOB))
    by(REFUSER, 302, "twice", call("withdraw(address)", BOB), ok=False)
    by(AGAIN, 302, "and again while it is paid", call("withdraw(address)", AGAIN))
    step(302, "nothing is left", view("owed", AGAIN))
    step(302, "whoever is owed nothing", call("withdraw(address)", ALICE), ok=False)
    by(REFUSER, 310, "a wallet requests once more", request(), 12345)
    step(411, "and it expires", call("expire(bytes32)", id_of(REFUSER, 1)), sender=2)
    step(411, "is owed all of it", view("owed", REFUSER))
    by(REFUSER, 320, "a wallet settles", request(), 100, sender=1)
    by(REFUSER, 320, "its reward is owed", settle(id_of(REFUSER, 2), b"y", 60, [payment(PAYEES[0], 40)]), sender=1)

    # executors
    register = "registerExecutor(bytes32,address,uint256,bytes32,bytes32)"
    key, r, s = b"\x31" * 32, b"\x52" * 32, b"\x53" * 32
    step(400, "an executor", call(register, key, BOB, 3, r, s), 2 * ETHER, sender=1)
    step(400, "the largest bond", call(register, key, BOB, 2**256 - 1, r, s), (2**20) * ETHER)
    for name, data, value in [
        ("no recipient", call(register, key, 0, 3, r, s), ETHER), ("21 bytes", call(register, key, b"\1" + BOB, 3, r, s), ETHER),
        ("no capability", call(register, key, BOB, 0, r, s), ETHER), ("a gwei less", call(register, key, BOB, 3, r, s), ETHER - GWEI),
        ("a wei more", call(register, key, BOB, 3, r, s), ETHER + 1), ("2^64 gwei", call(register, key, BOB, 3, r, s), GWEI << 64),
        ("a byte short", call(register, key, BOB, 3, r, s)[:-1], ETHER), ("a byte long", call(register, key, BOB, 3, r, s) + b"\0", ETHER),
    ]:
        step(400, "an executor: " + name, data, value, ok=False)
    step(401, "it leaves", call("exitExecutor(bytes32)", key), sender=1)
    step(401, "it leaves with ether", call("exitExecutor(bytes32)", key), 1, sender=1, ok=False)
    step(401, "it leaves with a byte more", call("exitExecutor(bytes32)", key) + b"\0", sender=1, ok=False)


def run():
    db = AtomicDB()
    state = state_at(db, 1, constants.BLANK_ROOT_HASH)
    for account in (ALICE, BOB, CAROL):
        state.set_balance(account, GENESIS_BALANCE)
    for account, code in CODES.items():
        state.set_code(account, code)
        state.set_nonce(account, 1)
    state.persist()
    root = state.state_root
    nonces = [0, 0, 0]
    rows = [f"code {account.hex()} {code.hex()}" for account, code in CODES.items() if account != PREDEPLOY]
    rows.append(f"genesis {root.hex()}")
    for one in STEPS:
        state = state_at(db, one["block"], root)
        key = KEYS[one["sender"]]
        transaction = PragueVM.get_transaction_builder().new_unsigned_dynamic_fee_transaction(
            chain_id=CHAIN, nonce=nonces[one["sender"]], max_priority_fee_per_gas=0, max_fee_per_gas=BASE_FEE, gas=GAS,
            to=one["to"], value=one["value"], data=one["data"], access_list=(),
        ).as_signed_transaction(key)
        nonces[one["sender"]] += 1
        before = state.get_balance(key.public_key.to_canonical_address())
        computation = state.apply_transaction(transaction)
        ok = computation.is_success
        if ok != one["ok"]:
            raise SystemExit(f"{one['name']}: {computation.output.hex()} {computation._error if not ok else ''}")
        gas = gas_used(transaction, computation)
        logs = ";".join(
            ",".join([a.hex()] + [word(t).hex() for t in topics] + [data.hex()])
            for a, topics, data in (computation.get_log_entries() if ok else ())
        )
        state.persist()
        root = state.state_root
        rows.append("|".join([
            one["name"], str(one["block"]), str(one["sender"]), one["to"].hex(), f"{one['value']:064x}", one["data"].hex(),
            "1" if ok else "0", str(gas), computation.output.hex(), logs, root.hex(),
        ]))
    return rows


GENESIS_BALANCE = 10**11 * ETHER


def gas_used(transaction, computation):
    spent = transaction.gas - computation.get_gas_remaining()
    used = spent - min(computation.get_gas_refund(), spent // 5)
    floor = 21000 + 10 * sum(1 if byte == 0 else 4 for byte in transaction.data)  # EIP-7623
    return max(used, floor)


def state_at(db, number, root):
    return PragueVM.get_state_class()(db, context(number), root)


def context(number):
    return ExecutionContext(
        coinbase=COINBASE, timestamp=1000 + number, block_number=number, difficulty=0, mix_hash=b"\0" * 32,
        gas_limit=30_000_000, prev_hashes=(), chain_id=CHAIN, base_fee_per_gas=BASE_FEE, excess_blob_gas=0,
    )


if __name__ == "__main__":
    scenario()
    rows = run()
    (HERE / "vectors.txt").write_text("\n".join(rows) + "\n")
    print(f"{len(STEPS)} transactions")
