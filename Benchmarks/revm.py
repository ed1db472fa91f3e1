"""Runs loads on revm as they are asked for; the counterpart of `chorale-bench execution`.

The first line of standard input is what `loads` answers there; each further line names one of them, and
is answered with one line of JSON: CPU seconds of this thread, and the gas used.
"""

from __future__ import annotations

import json
import sys
import time

from pyrevm import EVM, AccountInfo, BlockEnv, Env


def address(number: int) -> str:
    return f"0x{number:040x}"


def prepared(load: dict) -> EVM:
    evm = EVM(
        spec_id="Cancun",
        env=Env(block=BlockEnv(
            number=1, timestamp=1, basefee=0, gas_limit=1 << 60, coinbase=address(0xC01B))),
    )
    evm.insert_account_info(address(load["sender"]), AccountInfo(balance=1 << 250))
    for account in load["accounts"]:
        name = address(account["address"])
        evm.insert_account_info(name, AccountInfo(nonce=1, code=bytes.fromhex(account["code"])))
        for slot, value in account["storage"]:
            evm.insert_account_storage(name, slot, value)
    return evm


def run(load: dict) -> dict:
    evm = prepared(load)
    sender = address(load["sender"])
    calls = [
        (address(to), bytes.fromhex(data), value, gas) for to, value, data, gas in load["calls"]
    ]
    call = evm.message_call
    # What a transaction used is a property of the machine, asked for outside of the time if there is
    # only one and summed up over the others, where it costs little beside them.
    used = 0
    start = time.thread_time()
    for to, data, value, gas in calls:
        call(sender, to, data, value, gas)
        used += evm.result.gas_used
    return {"seconds": time.thread_time() - start, "gas": used}


def main() -> None:
    loads = {load["name"]: load for load in json.loads(sys.stdin.readline())}
    for line in sys.stdin:
        print(json.dumps(run(loads[line.strip()])), flush=True)


main()
