"""`chorale op` and `chorale executor` on a chain of one validator, where nobody executes: what is paid, and given back."""

import json
import os
import urllib.request

from harness import ROOT, ProgramTest, chorale, listening_socket, until
from keccak import keccak256

CONTRACT = "0x" + "0" * 32 + "0c402a1e"
ETHER = 10**18


class OperationTests(ProgramTest):
    def call(self, method, *params):
        body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params})
        request = urllib.request.Request(
            self.rpc, body.encode(), {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.load(answer)["result"]

    def balance(self, address):
        return int(self.call("eth_getBalance", address, "latest"), 16)

    def height(self):
        return int(self.call("eth_blockNumber"), 16)

    def account(self, index):
        """Address and a file with the key, of the network's accounts."""
        with open(self.path("net", "accounts.yaml"), encoding="utf-8") as file:
            words = [line.split('"')[1] for line in file if "0x" in line]
        address, key = sorted(words[2 * index:2 * index + 2], key=len)
        path = self.path(f"account-{index}.key")
        with open(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600), "w", encoding="utf-8") as file:
            file.write(key + "\n")
        return address, path

    def start(self):
        server, port = listening_socket()
        server.close()
        made = chorale("genesis", "--validators", "1", "--seed", "11", "--json", "--genesis-time",
                       "+1", "--block-time", "1", "--output", self.path("net"))
        self.assertEqual(made.status, 0, str(made))
        os.rename(self.path("net", "validator-0"), self.path("validator"))
        self.rpc = f"http://127.0.0.1:{port}"
        node = self.node("validator", "--network", self.path("net"), "--role", "validator",
                         "--rpc-address", f"127.0.0.1:{port}")
        until("a block", lambda: self.height() > 0)
        return node

    def ask(self, *arguments):
        """A command that signs, with the first account that has enough."""
        return chorale(*arguments, "--admin-socket", self.path("validator", "chorale.ipc"),
                       "--network", self.path("net"), "--rpc", self.rpc)

    def submit(self, *flags):
        digits = os.path.join(ROOT, "models", "digits")
        return self.ask("op", "submit", "--kind", "inference", "--model",
                        os.path.join(digits, "digits.model"), "--input",
                        os.path.join(digits, "inputs", "7.input"), *flags)

    def test_what_nobody_executes_is_given_back(self):
        node = self.start()
        address, _ = self.account(0)
        first = self.submit("--ttl", "16", "--fee", str(ETHER), "--json")
        self.assertEqual(first.status, 0, str(first))
        name = keccak256(
            (1337).to_bytes(32, "big") + bytes(12) + bytes.fromhex(address[2:]) + bytes(32))
        self.assertEqual(first.document["operation"], "0x" + name.hex())
        self.assertEqual(first.document["partCount"], 8)
        until("the fee is in the contract", lambda: self.balance(CONTRACT) == ETHER)
        bodies = node.admin("body", "list", "--json").document
        self.assertEqual(len(bodies), 2)
        self.assertIn(first.document["inputRoot"], ["0x" + body["root"] for body in bodies])

        # What the network would not execute is not sent, and costs nothing.
        self.assertFails(self.submit("--ttl", "5000"), 2, "--ttl must be from 16 to 4096")
        early = self.ask("op", "expire", first.document["operation"])
        self.assertFails(early, 1, "can still be settled until block")
        self.assertFails(self.ask("op", "withdraw"), 1, "nothing is owed")
        self.assertFails(
            self.ask("op", "expire", "0x" + "12" * 32), 1, "nobody has requested")

        # An executor's bond is paid by an account of its own.
        payer, key = self.account(3)
        executor = self.initialised("executor")
        registered = chorale(
            "executor", "register", "--data-dir", executor, "--network", self.path("net"), "--rpc",
            self.rpc, "--bond", "32.5", "--account", key, "--json")
        self.assertEqual(registered.status, 0, str(registered))
        self.assertEqual(self.balance(CONTRACT), ETHER * 67 // 2)
        self.assertLess(self.balance(payer), 10**24 - ETHER * 65 // 2)

        begun = self.height()
        until("its time is over", lambda: self.height() > begun + 17, limit=60)
        before = self.balance(address)
        given = self.ask("op", "expire", first.document["operation"], "--json")
        self.assertEqual(given.status, 0, str(given))
        # The fee, less the gas of asking for it.
        self.assertGreater(self.balance(address), before + ETHER * 99 // 100)
        again = self.ask("op", "expire", first.document["operation"])
        self.assertFails(again, 1, "its fee was given back")
