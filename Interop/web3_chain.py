"""Drives a chain through JSON-RPC as scripts do, with web3.py: transfer, deploy, call, logs.

    python3 Interop/web3_chain.py --rpc http://127.0.0.1:8545 --key 0x…
    chorale validator deposit … --json | python3 Interop/web3_chain.py --rpc … --key … --send -

Needs web3.py (Interop/requirements-web3.txt) and an account with funds. Exit status 0 when all is as it must be.
"""

from __future__ import annotations

import argparse
import json
import sys
from typing import Any

from web3 import Web3
from web3.exceptions import ContractLogicError, Web3RPCError

#: Stores its first word in slot 0, logs it with the topics 0xAA and the word, and returns it; reverts with
#: `Error("nope")` where the word is zero.
RECORDER = bytes.fromhex(
    "5f35806029576308c379a060e01b5f5260206004526004602452636e6f706560e01b60445260645ffd"
    "5b805f55805f528060aa60205fa260205ff3"
)


def deploying(code: bytes) -> bytes:
    """Code that deploys another: PUSH1 size DUP1 PUSH1 9 PUSH0 CODECOPY PUSH0 RETURN."""
    return bytes([0x60, len(code), 0x80, 0x60, 0x09, 0x5F, 0x39, 0x5F, 0xF3]) + code


def word(number: int) -> bytes:
    return number.to_bytes(32, "big")


class Script:
    def __init__(self, rpc: str, key: str, patience: float) -> None:
        self.web3 = Web3(Web3.HTTPProvider(rpc))
        self.eth = self.web3.eth
        self.account = self.eth.account.from_key(key)
        self.patience = patience

    def send(self, **fields: Any) -> Any:
        """Signs, sends, waits; gives the receipt."""
        transaction = {
            "type": 2, "chainId": self.eth.chain_id, "from": self.account.address,
            "nonce": self.eth.get_transaction_count(self.account.address, "pending"),
            "maxPriorityFeePerGas": self.eth.max_priority_fee, "value": 0, **fields,
        }
        transaction["maxFeePerGas"] = (
            2 * self.eth.get_block("latest")["baseFeePerGas"] + transaction["maxPriorityFeePerGas"])
        # Not `setdefault`, which asks in any case: what reverts has no estimate.
        if "gas" not in transaction:
            transaction["gas"] = self.eth.estimate_gas(transaction)
        signed = self.account.sign_transaction(transaction)
        sent = self.eth.send_raw_transaction(signed.raw_transaction)
        assert sent == signed.hash, "the node gives the transaction another hash"
        receipt = self.eth.wait_for_transaction_receipt(sent, timeout=self.patience, poll_latency=0.2)
        assert receipt["transactionHash"] == sent
        assert self.eth.get_transaction(sent)["blockHash"] == receipt["blockHash"]
        block = self.eth.get_block(receipt["blockNumber"])
        assert block["hash"] == receipt["blockHash"] and sent in block["transactions"]
        return receipt

    def transfer(self) -> str:
        receiver = self.eth.account.create().address
        before = self.eth.get_balance(self.account.address)
        receipt = self.send(to=receiver, value=12345)
        assert receipt["status"] == 1 and receipt["gasUsed"] == 21000
        assert self.eth.get_balance(receiver) == 12345
        cost = 21000 * receipt["effectiveGasPrice"] + 12345
        assert self.eth.get_balance(self.account.address) == before - cost, "the balance does not add up"
        return f"12345 wei in block {receipt['blockNumber']}"

    def deploy(self) -> str:
        receipt = self.send(data=deploying(RECORDER))
        assert receipt["status"] == 1
        self.contract = receipt["contractAddress"]
        assert bytes(self.eth.get_code(self.contract)) == RECORDER
        return f"{len(RECORDER)} bytes at {self.contract}"

    def call(self) -> str:
        question = {"to": self.contract, "from": self.account.address, "data": word(7)}
        assert bytes(self.eth.call(question)) == word(7)
        # A call changes nothing.
        assert int.from_bytes(self.eth.get_storage_at(self.contract, 0), "big") == 0
        self.receipt = self.send(to=self.contract, data=word(42))
        assert self.receipt["status"] == 1
        assert int.from_bytes(self.eth.get_storage_at(self.contract, 0), "big") == 42
        try:
            self.eth.call({**question, "data": word(0)})
            raise AssertionError("a revert was not one")
        except (ContractLogicError, Web3RPCError) as error:
            assert "nope" in str(error), f"no reason: {error}"
        failed = self.send(to=self.contract, data=word(0), gas=100_000)
        assert failed["status"] == 0
        return "42 stored, a revert with its reason"

    def logs(self) -> str:
        number = self.receipt["blockNumber"]
        wanted = {"fromBlock": number, "toBlock": number, "address": self.contract,
                  "topics": [word(0xAA), word(42)]}
        found = self.eth.get_logs(wanted)
        assert len(found) == 1 and bytes(found[0]["data"]) == word(42)
        assert found[0]["transactionHash"] == self.receipt["transactionHash"]
        assert not self.eth.get_logs({**wanted, "topics": [word(0xAB)]})
        return "one log, by address and topics"

    def given(self, file: str) -> str:
        """Sends a transaction that somebody wrote down: receiver, value and call data."""
        with (sys.stdin if file == "-" else open(file)) as source:
            told = json.load(source)
        receipt = self.send(to=Web3.to_checksum_address(told["to"]), value=int(told["value"], 0), data=told["data"])
        assert receipt["status"] == 1, f"it failed, with {receipt['gasUsed']} gas used"
        return f"in block {receipt['blockNumber']}"

    def tags(self) -> str:
        numbers = {tag: self.eth.get_block(tag)["number"] for tag in ("latest", "safe", "finalized")}
        assert numbers["finalized"] <= numbers["safe"] <= numbers["latest"], numbers
        assert self.web3.client_version and int(self.web3.net.version) == self.eth.chain_id
        return ", ".join(f"{tag} {number}" for tag, number in numbers.items())


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--rpc", required=True, metavar="URL")
    parser.add_argument("--key", required=True, metavar="HEX", help="private key of an account with funds")
    parser.add_argument("--patience", type=float, default=60, metavar="SECONDS")
    parser.add_argument("--send", metavar="FILE", help="send only this: JSON with to, value and data; - is standard input")
    chosen = parser.parse_args()
    script = Script(chosen.rpc, chosen.key, chosen.patience)
    if chosen.send:
        print(f"send      ok      {script.given(chosen.send)}", flush=True)
        return 0
    for step in (script.transfer, script.deploy, script.call, script.logs, script.tags):
        try:
            print(f"{step.__name__:9} ok      {step()}", flush=True)
        except Exception as error:
            print(f"{step.__name__:9} FAILED  {type(error).__name__}: {error}", flush=True)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
