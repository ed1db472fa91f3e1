"""The engine port of `chorale run`, and reports of cross-validation, on a network of one validator."""

import json
import os
import re

import harness
from engine_tests import ZERO, Caller, choice, token, wish
from harness import ProgramTest, chorale, until


class NodeEngineTests(ProgramTest):
    def network(self, *flags):
        """A validator that makes a block a second, and a caller of its engine port."""
        if not os.path.exists(self.path("net")):
            made = chorale("genesis", "--validators", "1", "--seed", "3", "--block-time", "1",
                           "--output", self.path("net"))
            self.assertEqual(made.status, 0, str(made))
        node = self.node(os.path.join("net", "validator-0"), "--rpc-address", "127.0.0.1:0",
                         "--engine-address", "127.0.0.1:0", *flags)
        return node, self.caller(node)

    def caller(self, node):
        def address(words):
            return until(words, lambda: re.search(words + r".*address=([0-9.:]+)", node.log))[1]

        with open(os.path.join(node.directory, "jwt.hex"), encoding="ascii") as file:
            secret = bytes.fromhex(file.read().strip())
        node.wallet = Caller(address("serving JSON-RPC"), None)
        return Caller(address("serving the engine API"), secret)

    def block(self, node, number):
        return until(f"block {number}", lambda: node.wallet.result(
            "eth_getBlockByNumber", hex(number), True))

    @staticmethod
    def payload(block):
        """The parameters of `engine_newPayloadV4` for a block without transactions and requests."""
        assert not block["transactions"], block
        names = {"feeRecipient": "miner", "prevRandao": "mixHash", "blockNumber": "number",
                 "blockHash": "hash"}
        same = ("parentHash", "stateRoot", "receiptsRoot", "logsBloom", "gasLimit", "gasUsed",
                "timestamp", "extraData", "baseFeePerGas", "withdrawals", "blobGasUsed",
                "excessBlobGas")
        payload = {name: block[name] for name in same}
        payload.update({name: block[key] for name, key in names.items()})
        return [{**payload, "transactions": []}, [], block["parentBeaconBlockRoot"], []]

    def test_it_verifies_and_chooses_nothing(self):
        node, engine = self.network()
        names = engine.result("engine_exchangeCapabilities", [])
        self.assertIn("engine_newPayloadWithWitnessV4", names)
        self.assertIn("engine_executeStatelessPayloadV4", names)
        self.assertFalse([name for name in names if "forkchoice" in name or "getPayloadV" in name])
        block = self.block(node, 2)
        params = self.payload(block)
        # Part of the chain, with its witness; from which anybody may execute it.
        taken = engine.result("engine_newPayloadWithWitnessV4", *params)
        self.assertEqual((taken["status"], taken["latestValidHash"]), ("VALID", block["hash"]))
        withheld = [{**params[0], "stateRoot": ZERO, "receiptsRoot": ZERO}, *params[1:]]
        verdict = engine.result("engine_executeStatelessPayloadV4", *withheld, taken["witness"])
        self.assertEqual(verdict["stateRoot"], block["stateRoot"], verdict)
        # Not part of it: executed on the state of its parent, and judged.
        wrong = {**params[0], "stateRoot": "0x" + 64 * "7"}
        told = engine.result("engine_newPayloadV4", wrong, *params[1:])
        self.assertEqual(told["status"], "INVALID")
        self.assertIn("hash", told["validationError"])
        wrong["blockHash"] = re.search(r"is (0x[0-9a-f]{64})", told["validationError"])[1]
        told = engine.result("engine_newPayloadV4", wrong, *params[1:])
        self.assertEqual((told["status"], told["latestValidHash"]), ("INVALID", block["parentHash"]))
        self.assertIn("state root", told["validationError"])
        # Nothing is known of its parent.
        orphan = {**params[0], "parentHash": "0x" + 64 * "5"}
        told = engine.result("engine_newPayloadV4", orphan, *params[1:])
        orphan["blockHash"] = re.search(r"is (0x[0-9a-f]{64})", told["validationError"])[1]
        self.assertEqual(
            engine.result("engine_newPayloadV4", orphan, *params[1:])["status"], "SYNCING")
        # Its own consensus decides, which is said.
        for method, arguments in (("engine_forkchoiceUpdatedV3", [choice(block["hash"]), wish(9)]),
                                  ("engine_getPayloadV4", ["0x0011223344556677"])):
            error = engine.call(method, *arguments)["error"]
            self.assertEqual(error["code"], -32000)
            self.assertIn("consensus decides", error["data"]["err"])
        bodies = engine.result("engine_getPayloadBodiesByRangeV1", "0x1", "0x2")
        self.assertEqual(bodies, [{"transactions": [], "withdrawals": []}] * 2)
        self.assertEqual(engine.code("engine_newPayloadV3", *params[:3]), -38005)
        self.assertEqual(engine.code("engine_newPayloadV4", params[0]), -32602)
        self.assertEqual(engine.code("engine_nonsense"), -32601)
        # What consensus clients ask besides; nothing more of wallets' calls is here.
        self.assertEqual(engine.result("eth_chainId"), "0x539")
        self.assertEqual(engine.result("eth_getBlockByNumber", "0x2", False)["hash"], block["hash"])
        self.assertEqual(engine.code("eth_getBalance", "0x" + 40 * "1", "latest"), -32601)

    def test_who_has_no_token_is_refused(self):
        _, engine = self.network()
        call = {"jsonrpc": "2.0", "id": 1, "method": "eth_chainId"}
        for bearer in (None, token(bytes(32)), token(engine.secret, algorithm="none")):
            self.assertEqual(engine.post(call, bearer)[0], 401)
        self.assertEqual(engine.post(call, token(engine.secret), Host="evil.example")[0], 403)
        secret = os.path.join(self.path("net", "validator-0"), "jwt.hex")
        self.assertEqual(os.stat(secret).st_mode & 0o777, 0o600)

    def test_it_needs_a_chain(self):
        outcome = chorale("run", "--data-dir", self.initialised(), "--engine-address", "127.0.0.1:0")
        self.assertFails(outcome, 2, "engine-address", "network with a chain")
        with_bad = chorale("run", "--data-dir", self.path("node"), "--engine-address", "8551")
        self.assertFails(with_bad, 2, "engine-address", "HOST:PORT")

    def test_reports_are_kept_and_shown(self):
        wrong = self.file("wrong", "#!/bin/sh\ncat >/dev/null\necho '{\"status\":\"INVALID\"}'\n")
        right = self.file("right", f"#!/bin/sh\nexec {harness.binary} witness execute - --json\n")
        for path in (wrong, right):
            os.chmod(path, 0o755)
        flags = ["--cross-validate", f"right=exec:{right}", "--cross-validate", f"wrong=exec:{wrong}"]
        node, _ = self.network(*flags)
        socket = ("--admin-socket", node.socket, "--json")

        def reports():
            told = chorale("admin", "validations", *socket)
            found = told.document if told.status == 0 else []
            return found if len(found) >= 2 else None

        found = until("two reports", reports)
        self.assertGreater(found[0]["blockNumber"], found[-1]["blockNumber"])
        for report in found:
            self.assertEqual(report["decision"], "accept_alarm_disagreement")
            self.assertEqual(
                {answer["family"]: answer["outcome"] for answer in report["answers"]},
                {"right": "agree", "wrong": "disagree"})
        height = found[0]["blockNumber"]
        text = chorale("admin", "validations", str(height), "--admin-socket", node.socket).output
        for words in (found[0]["blockHash"], "2 agree, this one counted, 1 disagree", "invalid"):
            self.assertIn(words, text)
        # A bundle of this chain, with this chain's rules, replays.
        case = os.path.join(found[0]["incident"], "case.json")
        again = chorale("witness", "execute", case, "--json")
        self.assertEqual(again.status, 0, str(again))
        self.assertEqual(again.document["stateRoot"], found[0]["stateRoot"])
        compared = chorale("witness", "compare", case, "--with", f"right=exec:{right}", "--json")
        self.assertEqual(compared.document["decision"], "accept", str(compared))
        # They outlive the process.
        node.end()
        node.start()
        kept = chorale("admin", "validations", str(height), *socket).document
        self.assertEqual([report["blockHash"] for report in kept], [found[0]["blockHash"]])
        none = chorale("admin", "validations", "1000000", *socket)
        self.assertEqual((none.status, none.document), (0, []))
        self.assertEqual(chorale("admin", "validations", "x", *socket).status, 2)
