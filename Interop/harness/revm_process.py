"""Runs state tests in revm, by pyrevm, and prints its traces; a process of its own.

Reads the cases of `evm_cases.py` as JSON from the file that is named, and prints for each the lines of
revm's EIP-3155 tracer and then one line of ours: `{"test", "pass", "gasUsed", "output"}`, or
`{"test", "refused"}`.
"""

from __future__ import annotations

import contextlib
import io
import json
import sys
from typing import Any

import pyrevm


def number(text: str) -> int:
    return int(text, 16) if text not in ("", "0x") else 0


def binary(text: str) -> bytes:
    return bytes.fromhex(text.removeprefix("0x"))


def machine(case: dict[str, Any], fork: str) -> pyrevm.EVM:
    env, transaction = case["env"], case["transaction"]
    evm = pyrevm.EVM(
        env=pyrevm.Env(
            cfg=pyrevm.CfgEnv(chain_id=number(case["config"]["chainid"])),
            block=pyrevm.BlockEnv(
                number=number(env["currentNumber"]),
                coinbase=env["currentCoinbase"],
                timestamp=number(env["currentTimestamp"]),
                prevrandao=binary(env["currentRandom"]).rjust(32, b"\0"),
                excess_blob_gas=number(env.get("currentExcessBlobGas", "0x0")),
            ),
            tx=pyrevm.TxEnv(
                access_list=[
                    (entry["address"], [number(key) for key in entry["storageKeys"]])
                    for entry in (transaction.get("accessLists") or [None])[0] or []
                ],
                blob_hashes=[binary(h) for h in transaction.get("blobVersionedHashes", [])],
                max_fee_per_blob_gas=(
                    number(transaction["maxFeePerBlobGas"])
                    if "blobVersionedHashes" in transaction
                    else None
                ),
            ),
        ),
        gas_limit=number(env["currentGasLimit"]),
        tracing=True,
        # In this spelling: any other is the newest fork, without a word.
        spec_id=fork,
    )
    fill(evm, case)
    return evm


def fill(evm: pyrevm.EVM, case: dict[str, Any]) -> None:
    """Puts the accounts into the database, and into no transaction's warm set."""
    sender = case["transaction"]["sender"]
    # A message call has no sender that pays and counts: `evm_cases.py` gave the other machine what
    # it will pay, and its nonce is one higher here. A deployment is a whole transaction.
    is_call = bool(case["transaction"]["to"])
    for address, account in case["pre"].items():
        code = binary(account["code"])
        balance, nonce = number(account["balance"]), number(account["nonce"])
        if address == sender and is_call:
            balance -= number(case["transactionFee"])
            nonce += 1
        evm.insert_account_info(
            address,
            pyrevm.AccountInfo(balance=balance, nonce=nonce, code=code if code else None),
        )
    # To set a slot loads the account, which makes it warm; going back makes it cold again.
    before = evm.snapshot()
    for address, account in case["pre"].items():
        for slot, value in account["storage"].items():
            held = evm.snapshot()
            evm.insert_account_storage(address, number(slot), number(value))
            evm.revert(held)
    evm.revert(before)


def run(name: str, case: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    (fork,) = case["post"]
    transaction = case["transaction"]
    evm = machine(case, fork)
    printed = io.StringIO()
    arguments = {
        "value": number(transaction["value"][0]),
        "gas": number(transaction["gasLimit"][0]),
        "gas_price": number(transaction["gasPrice"]),
    }
    refusal = ""
    with contextlib.redirect_stdout(printed):
        try:
            if transaction["to"]:
                evm.message_call(
                    transaction["sender"],
                    transaction["to"],
                    calldata=binary(transaction["data"][0]),
                    **arguments,
                )
            else:
                evm.deploy(transaction["sender"], binary(transaction["data"][0]), **arguments)
        except RuntimeError as error:  # also how a revert or a halt is told
            refusal = str(error)
    result = evm.result
    if result is None:
        return printed.getvalue(), {"test": name, "refused": refusal}
    lines = printed.getvalue().splitlines()
    summary = json.loads(lines[-1])
    if summary["fork"] != fork:
        raise ValueError(f"revm ran {summary['fork']} and not {fork}")
    return "\n".join(lines[:-1]), {
        "test": name,
        "pass": result.is_success,
        "gasUsed": hex(result.gas_used),
        "output": summary["output"],
    }


def main() -> None:
    with open(sys.argv[1], encoding="utf-8") as file:
        cases = json.load(file)
    for name, case in cases.items():
        lines, summary = run(name, case)
        if lines:
            print(lines)
        print(json.dumps(summary), flush=True)


main()
