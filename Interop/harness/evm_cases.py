"""State tests that Chorale and revm both run: written by hand, and a sample of the official ones."""

from __future__ import annotations

import gzip
import json
import os
from pathlib import Path
from typing import Any, Iterator

from .evm_code import assembled

#: The forks of revm 8, which pyrevm 0.3.7 holds, that Chorale's virtual machine has as well.
FORKS = ["Shanghai", "Cancun"]

Case = dict[str, Any]

SENDER = "0xa94f5374fce5edbc8e2a8697c15331677e6ebf0b"
CONTRACT = "0x00000000000000000000000000000000000c0de0"
OTHER = "0x00000000000000000000000000000000000c0de1"

#: Gas of a blob (EIP-4844), and the fraction by which its price moves until Prague.
BLOB_GAS, BLOB_FRACTION = 1 << 17, 3_338_477

#: Gas that an official test gets at most. To run out of it is as good a thing to compare as any, and some of
#: them would write millions of lines.
GAS_MAX = 400_000


#: What each does, by code: of the contract that is called, and of another that it may call.
HAND_WRITTEN: dict[str, tuple[str, str]] = {
    "arithmetic": ("3 5 MUL 10 SWAP1 EXP 255 0 SIGNEXTEND 0 MSTORE 32 0 RETURN", ""),
    "a loop in memory": (
        "5 JUMPDEST 1 SWAP1 SUB DUP1 DUP1 0x20 MUL MSTORE DUP1 2 JUMPI MSIZE GAS 0 0 REVERT",
        "",
    ),
    "the hash of new memory": ("256 64 KECCAK256 0 MSTORE 32 0 RETURN", ""),
    "storage: set, clear, set back": (
        "1 1 SSTORE 0 1 SSTORE 0 0 SSTORE 7 0 SSTORE 0 SLOAD 1 SLOAD",
        "",
    ),
    "a call that refunds": (
        "0 0 SSTORE 0 0 0 0 0 OTHER 100000 CALL 0 0 0 0 OTHER 100000 DELEGATECALL"
        " 1 0 SSTORE 0 0 SSTORE",
        "0 0 SSTORE",
    ),
    "a call that takes refunds back": (
        "0 0 SSTORE 0 0 0 0 OTHER 100000 DELEGATECALL POP GAS",
        "7 0 SSTORE 1 0 SSTORE",
    ),
    "a call that reverts": (
        "0 0 0 0 0 OTHER 0xffff CALL RETURNDATASIZE 0 0 RETURNDATACOPY RETURNDATASIZE 0 RETURN",
        "0 0 SSTORE 2 0 MSTORE 32 0 REVERT",
    ),
    "a call that fails": (
        "0 0 0 0 0 OTHER 0xffff CALL POP RETURNDATASIZE POP 1 RETURNDATASIZE 0 RETURNDATACOPY",
        "0 0 SSTORE 0xaa JUMP",
    ),
    "calls with value": (
        "0 0 0 0 1 OTHER 10000 CALL 0 0 0 0 1 0x1234 10000 CALL 0 0 0 0 1 OTHER 0 CALLCODE",
        "CALLVALUE ADDRESS BALANCE GAS",
    ),
    "a call of a precompile": ("32 0 0 0 0 2 0xffff CALL RETURNDATASIZE 0 MLOAD", ""),
    "a precompile that fails": ("0 0 200 0 0 8 0xffff CALL RETURNDATASIZE GAS", ""),
    "a static call that writes": ("0 0 0 0 OTHER 0xffff STATICCALL GAS", "1 0 SSTORE"),
    "a static call that calls with value": (
        "0 0 0 0 OTHER 0xffff STATICCALL GAS",
        "0 0 0 0 1 0x1234 GAS CALL",
    ),
    "a call without the money for it": (
        "0 0 0 0 0xffffffffffffffff OTHER 0xffff CALL GAS",
        "STOP",
    ),
    # The first word is code that deploys one byte, 0xfe.
    "creations, two of them at one address": (
        "0x60fe5f5360015ff3 0 MSTORE 8 24 0 CREATE DUP1 EXTCODESIZE 8 24 0xffffffffffff CREATE"
        " 9 8 24 0 CREATE2 9 8 24 0 CREATE2 GAS",
        "",
    ),
    "a creation of reserved code": ("0x60ef5f5360015ff3 0 MSTORE 8 24 0 CREATE GAS", ""),
    "a creation that reverts": (
        "0x60015ffd 0 MSTORE 4 28 0 CREATE RETURNDATASIZE 0 0 RETURNDATACOPY",
        "",
    ),
    "a creation that is too large": ("0xc001 0 0 CREATE", ""),
    "logs": ("32 0 LOG0 0xaa 0xbb 32 0 LOG2", ""),
    "the end of an account": (
        "0 0 0 0 0 OTHER 0xffff CALL POP OTHER BALANCE POP OTHER SELFDESTRUCT",
        "0x1234 SELFDESTRUCT",
    ),
    "copies": (
        "4 1 0 CALLDATACOPY 40 2 8 CODECOPY 4 0 64 OTHER EXTCODECOPY OTHER EXTCODEHASH"
        " 0 CALLDATALOAD",
        "1 2 3",
    ),
    "the block": (
        "COINBASE TIMESTAMP NUMBER PREVRANDAO GASLIMIT CHAINID SELFBALANCE BASEFEE GASPRICE"
        " ORIGIN CALLER CALLVALUE ADDRESS CODESIZE PC 299 BLOCKHASH 0 BLOCKHASH",
        "",
    ),
    "no such instruction": ("1 UNDEFINED", ""),
    "the designated one": ("1 INVALID", ""),
    "too little on the stack": ("1 ADD", ""),
    "a jump that goes nowhere": ("255 JUMP", ""),
    "a jump that goes nowhere, if": ("1 255 JUMPI", ""),
    "all the gas": ("JUMPDEST 2 0 SSTORE 100000 0 KECCAK256 POP 0 JUMP", ""),
    "more memory than there is": ("0 0 NOT MSTORE", ""),
}


def hand_written(fork: str) -> dict[str, Case]:
    rows = dict(HAND_WRITTEN)
    if fork == "Shanghai":
        rows["an instruction of a later fork"] = ("0 TLOAD", "")
    else:
        rows["transient storage, copies in memory, blobs"] = (
            "5 1 TSTORE 1 TLOAD 32 0 64 MCOPY 0 BLOBHASH BLOBBASEFEE",
            "",
        )
    return {
        f"{name} ({fork})": state_test(
            fork, *(assembled(code.replace("OTHER", OTHER)) for code in row)
        )
        for name, row in rows.items()
    }


def state_test(fork: str, code: str, other: str) -> Case:
    def account(code: str, balance: str = "0x3e8") -> dict[str, Any]:
        return {"balance": balance, "nonce": "0x1", "code": "0x" + code, "storage": {"0x0": "0x7"}}

    return prepared(
        {
            "env": {
                "currentBaseFee": "0x7",
                "currentCoinbase": "0x2adc25665018aa1fe0e6bc666dac8fc2697ff9ba",
                "currentExcessBlobGas": "0xe0000",
                "currentGasLimit": "0x1c9c380",
                "currentNumber": "0x12c",
                "currentRandom": "0x" + "5a" * 32,
                "currentTimestamp": "0x3e8",
            },
            "pre": {
                SENDER: {"balance": "0xde0b6b3a7640000", "nonce": "0x0", "code": "0x", "storage": {}},
                CONTRACT: account(code),
                OTHER: account(other),
            },
            "transaction": {
                "sender": SENDER,
                "to": CONTRACT,
                "nonce": "0x0",
                "gasPrice": "0xa",
                "data": ["0x0102"],
                "gasLimit": ["0x493e0"],
                "value": ["0x3"],
            },
        },
        fork,
    )


def official(root: Path, fork: str, file_max: int) -> Iterator[tuple[str, Case]]:
    """Up to `file_max` of each file's tests, evenly spread over it.

    Without delegations (EIP-7702): the forks refuse them, and pyrevm cannot be told of them. And without
    accounts that have storage and nothing else: revm 8 creates contracts over them, before EIP-7610.
    """
    for path in sorted((root / "state").glob("*.json.gz")):
        with gzip.open(path, "rt", encoding="utf-8") as file:
            tests = {
                name: test
                for name, test in json.load(file).items()
                if fork in test["post"]
                and "authorizationList" not in test["transaction"]
                and not any(map(is_only_storage, test["pre"].values()))
            }
        step = max(len(tests) // file_max, 1)
        for name in list(tests)[::step][:file_max]:
            test = tests[name]
            post = test["post"][fork]
            indexes = post[len(name) % len(post)]["indexes"]
            yield f"{path.name}: {name} ({fork}) {indexes}", variant(test, fork, indexes)


def is_only_storage(account: dict[str, Any]) -> bool:
    return bool(
        account["storage"] and int(account["nonce"], 16) == 0 and account["code"] in ("", "0x")
    )


def variant(test: Case, fork: str, indexes: dict[str, int]) -> Case:
    """The test with one of its transactions, priced as it would be in its block."""
    transaction = dict(test["transaction"])
    for field, index in [("data", "data"), ("gasLimit", "gas"), ("value", "value")]:
        transaction[field] = [transaction[field][indexes[index]]]
    transaction["gasLimit"] = [hex(min(int(transaction["gasLimit"][0], 16), GAS_MAX))]
    if "accessLists" in transaction:
        transaction["accessLists"] = [transaction["accessLists"][indexes["data"]]]
    if "gasPrice" not in transaction:
        base = int(test["env"]["currentBaseFee"], 16)
        cap = int(transaction.pop("maxFeePerGas"), 16)
        tip = int(transaction.pop("maxPriorityFeePerGas"), 16)
        transaction["gasPrice"] = hex(min(cap, base + tip))
    return prepared({**test, "transaction": transaction}, fork)


def prepared(test: Case, fork: str) -> Case:
    """The test as both machines can run it: pyrevm's message calls know no base fee, and charge nobody.

    Without a base fee the price of gas is the same for both. The sender gets what the transaction will
    cost at first; whoever charges nobody takes `transactionFee` away before.
    """
    transaction = test["transaction"]
    env = {**test["env"], "currentBaseFee": "0x0"}
    env.setdefault("currentRandom", "0x" + "00" * 32)
    sender = transaction["sender"].lower()
    pre = {address.lower(): account for address, account in test["pre"].items()}
    blobs = len(transaction.get("blobVersionedHashes", [])) * BLOB_GAS
    blob_price = fake_exponential(int(env.get("currentExcessBlobGas", "0x0"), 16))
    gas = int(transaction["gasLimit"][0], 16) * int(transaction["gasPrice"], 16)
    most = (
        gas
        + blobs * int(transaction.get("maxFeePerBlobGas", "0x0"), 16)
        + int(transaction["value"][0], 16)
    )
    fee = gas + blobs * blob_price
    account = pre.get(sender, {"balance": "0x0", "nonce": "0x0", "code": "0x", "storage": {}})
    balance = min(max(int(account["balance"], 16), most) + fee, (1 << 256) - 1)
    pre[sender] = {**account, "balance": hex(balance)}
    return {
        "config": {"chainid": test.get("config", {}).get("chainid", "0x1")},
        "env": env,
        "pre": pre,
        "transaction": {**transaction, "sender": sender},
        "transactionFee": hex(fee),
        # The state's root is not that of the original: the comparison is the test.
        "post": {
            fork: [
                {
                    "hash": "0x" + "00" * 32,
                    "logs": "0x" + "00" * 32,
                    "indexes": {"data": 0, "gas": 0, "value": 0},
                }
            ]
        },
    }


def fake_exponential(excess: int) -> int:
    """The price of blob gas (EIP-4844)."""
    total, term, index = 0, BLOB_FRACTION, 1
    while term > 0:
        total += term
        term = term * excess // (BLOB_FRACTION * index)
        index += 1
    return total // BLOB_FRACTION


def fixtures() -> Path:
    chosen = os.environ.get("CHORALE_EVM_FIXTURES")
    here = Path(__file__).resolve().parents[2]
    return Path(chosen) if chosen else here.parent / "shared" / "evm"
