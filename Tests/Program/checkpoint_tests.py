"""A node that begins at a checkpoint, beside one that was there from the genesis."""

import json
import os
import signal
import time
import urllib.request

from harness import ProgramTest, chorale, listening_socket, until


def call(port, method, *params):
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params})
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}", body.encode(), {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=10) as answer:
        return json.load(answer)


class CheckpointTests(ProgramTest):
    def free_port(self):
        server, port = listening_socket()
        server.close()
        return port

    def start(self, name, *flags):
        node = self.node(name, *flags)
        node.rpc = int(flags[flags.index("--rpc-address") + 1].split(":")[1])
        return node

    def chain(self, node):
        told = node.admin("admin", "chain", "--json")
        return told.document if told.status == 0 else {}

    def flags(self, *more):
        return ["--network", self.path("net"), "--rpc-address",
                f"127.0.0.1:{self.free_port()}", *more]

    def block_hash(self, node, height):
        return call(node.rpc, "eth_getBlockByNumber", hex(height), False)["result"]["hash"]

    def test_a_node_begins_at_a_checkpoint(self):
        made = chorale("genesis", "--validators", "1", "--seed", "3", "--json", "--genesis-time",
                       "+1", "--block-time", "1", "--accounts", "3000", "--output", self.path("net"))
        self.assertEqual(made.status, 0, str(made))
        home = made.document["nodes"][0]["dataDir"]
        home = home if os.path.isabs(home) else self.path("net", home)
        os.rename(home, self.path("validator"))
        validator = self.start("validator", *self.flags("--role", "validator"))
        peers = ["--bootnodes", validator.address]
        witness = self.start("witness", *self.flags(*peers))
        target = "0x" + "ca" * 20
        accounts = self.path("net", "accounts.yaml")
        loaded = chorale("load", "--rpc", f"http://127.0.0.1:{witness.rpc}", "--accounts",
                         accounts, "--rate", "10", "--duration", "6", "--mix", "--json")
        self.assertEqual(loaded.status, 0, str(loaded))
        checkpoint = until(
            "a checkpoint", lambda: self.chain(validator).get("checkpoint"), limit=60)
        height = int(checkpoint.split(":")[0])
        self.assertEqual(height % 16, 0)
        self.assertIn(f"checkpoint   {checkpoint}", validator.admin("admin", "chain").output)

        # Killed again and again at any moment of the download.
        late = self.start("late", *self.flags(*peers, "--checkpoint", checkpoint))
        for pause in (0.02, 0.1, 0.2, 0.3):
            time.sleep(pause)
            late.signal(signal.SIGKILL)
            late.wait()
            late.start()
        until("the late node is there",
              lambda: self.chain(late).get("latest", 0) >= self.chain(validator)["latest"] > height,
              limit=60)
        self.assertIn("the chain begins at the checkpoint", late.log)
        last = self.chain(late)["latest"]
        for number in range(height, last + 1):
            hashes = {self.block_hash(node, number) for node in (validator, witness, late)}
            self.assertEqual(len(hashes), 1, f"height {number}")
        # The state is the same: accounts, code, storage.
        told = json.loads(open(self.path("net", "genesis.json"), encoding="utf-8").read())
        for address in [target, *list(told["alloc"])[:60]]:
            address = address if address.startswith("0x") else "0x" + address
            for method, params in (("eth_getBalance", []), ("eth_getCode", []),
                                   ("eth_getTransactionCount", []), ("eth_getStorageAt", ["0x0"])):
                answers = [call(node.rpc, method, address, *params, hex(last))["result"]
                           for node in (witness, late)]
                self.assertEqual(answers[0], answers[1], f"{method} {address}")
        # What is not there is said not to be, and a wallet finds what it needs.
        early = call(late.rpc, "eth_getBlockByNumber", hex(height - 1), False)
        self.assertIn("error", early, str(early))
        for method, params in (("eth_gasPrice", []), ("eth_feeHistory", ["0x40", "latest", [50]]),
                               ("eth_blockNumber", []), ("eth_syncing", [])):
            self.assertIn("result", call(late.rpc, method, *params), method)
        receipts = call(late.rpc, "eth_getBlockReceipts", hex(height))
        self.assertIn("error", receipts, str(receipts))

        # The flag stays: the database is past the checkpoint.
        late.signal(signal.SIGTERM)
        self.assertEqual(late.wait()[0], 0)
        late.start()
        self.assertIn("past the checkpoint, which is ignored", late.log)
        # It serves others: who knows nobody else begins there by it.
        newer = until(
            "a checkpoint of its own",
            lambda: (self.chain(late).get("checkpoint") or checkpoint) != checkpoint
            and self.chain(late)["checkpoint"], limit=40)
        self.assertEqual(newer, self.chain(validator)["checkpoint"])
        stateless = self.start(
            "stateless", *self.flags("--bootnodes", late.address, "--checkpoint", newer,
                                     "--stateless"))
        until("the stateless node is there",
              lambda: self.chain(stateless).get("latest", 0) >= int(newer.split(":")[0]), limit=40)

    def test_what_is_no_checkpoint_is_refused(self):
        made = chorale("genesis", "--validators", "1", "--seed", "4", "--json", "--output",
                       self.path("net"))
        self.assertEqual(made.status, 0, str(made))
        home = self.initialised()
        for text in ("16", "16:0x12", "17:0x" + "ab" * 32, "0x10:0x" + "ab" * 32):
            told = chorale("run", "--data-dir", home, "--network", self.path("net"),
                           "--checkpoint", text)
            self.assertFails(told, 2, "HEIGHT:0xROOT")
        told = chorale("run", "--data-dir", home, "--checkpoint", "16:0x" + "ab" * 32)
        self.assertFails(told, 2, "needs a network with a chain")

    def test_a_database_that_is_behind_is_not_skipped_over(self):
        made = chorale("genesis", "--validators", "1", "--seed", "5", "--json", "--output",
                       self.path("net"))
        self.assertEqual(made.status, 0, str(made))
        node = self.node("node", "--network", self.path("net"))
        node.signal(signal.SIGTERM)
        node.wait()
        told = chorale("run", "--data-dir", self.path("node"), "--network", self.path("net"),
                       "--checkpoint", "32:0x" + "ab" * 32)
        self.assertFails(told, 1, "at height 0, before the checkpoint at 32")
