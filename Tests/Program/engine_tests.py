"""`chorale engine` and `chorale witness compare`, as processes."""

import base64
import hashlib
import hmac
import http.client
import json
import os
import signal
import stat
import subprocess
import time

import harness
from harness import ProgramTest, chorale
from witness_tests import FixtureTest

GENESIS = {
    "config": {"chainId": 1337, "shanghaiTime": 0, "cancunTime": 0},
    "timestamp": "0x6553f100", "gasLimit": "0x1c9c380", "difficulty": "0x0", "extraData": "0x",
    "alloc": {"0x00000000000000000000000000000000000000aa": {"balance": "0x10"}},
}
ZERO = "0x" + 64 * "0"


def token(secret, made=None, algorithm="HS256"):
    def part(value):
        return base64.urlsafe_b64encode(value).rstrip(b"=")

    head = part(json.dumps({"alg": algorithm, "typ": "JWT"}).encode())
    signed = head + b"." + part(json.dumps({"iat": int(made or time.time())}).encode())
    return (signed + b"." + part(hmac.new(secret, signed, hashlib.sha256).digest())).decode()


class Engine:
    def __init__(self, *arguments):
        self.process = subprocess.Popen(
            [harness.binary, "engine", *arguments, "--authrpc.port", "0", "--json"],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
            env=harness.environment())
        self.ready = json.loads(self.process.stdout.readline())
        with open(self.ready["jwtsecret"], encoding="ascii") as file:
            self.secret = bytes.fromhex(file.read().strip())

    def post(self, body, bearer=None, **fields):
        host = self.ready["address"].removeprefix("http://")
        connection = http.client.HTTPConnection(host, timeout=harness.LIMIT)
        headers = {"Content-Type": "application/json", **fields}
        if bearer:
            headers["Authorization"] = f"Bearer {bearer}"
        connection.request("POST", "/", body if isinstance(body, str) else json.dumps(body), headers)
        response = connection.getresponse()
        text = response.read().decode()
        connection.close()
        return response.status, text

    def call(self, method, *params):
        status, text = self.post(
            {"jsonrpc": "2.0", "id": 1, "method": method, "params": list(params)},
            token(self.secret))
        assert status == 200, text
        return json.loads(text)

    def end(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.stdout.close()
        return self.process.wait(timeout=harness.LIMIT)


class EngineTests(ProgramTest):
    def setUp(self):
        super().setUp()
        self.engine = Engine(
            "--genesis", self.file("genesis.json", json.dumps(GENESIS)), "--data-dir",
            self.path("engine"))

    def tearDown(self):
        if self.engine.process.poll() is None:
            self.engine.end()
        super().tearDown()

    def test_a_consensus_client_drives_it(self):
        names = self.engine.call("engine_exchangeCapabilities", [])["result"]
        self.assertIn("engine_newPayloadV4", names)
        self.assertIn("engine_newPayloadWithWitnessV3", names)
        head = self.engine.ready["genesisHash"]
        for number in range(1, 4):
            state = {"headBlockHash": head, "safeBlockHash": ZERO, "finalizedBlockHash": ZERO}
            wish = {
                "timestamp": hex(0x6553F100 + 12 * number), "prevRandao": ZERO,
                "suggestedFeeRecipient": "0x" + 40 * "1", "withdrawals": [
                    {"index": hex(number), "validatorIndex": "0x1", "address": "0x" + 40 * "2",
                     "amount": "0x5"}],
                "parentBeaconBlockRoot": ZERO}
            chosen = self.engine.call("engine_forkchoiceUpdatedWithWitnessV3", state, wish)["result"]
            self.assertEqual(chosen["payloadStatus"]["status"], "VALID")
            built = self.engine.call("engine_getPayloadV3", chosen["payloadId"])["result"]
            payload = built["executionPayload"]
            taken = self.engine.call("engine_newPayloadWithWitnessV3", payload, [], ZERO)["result"]
            self.assertEqual(taken["status"], "VALID")
            self.assertEqual(taken["witness"], built["witness"])
            verdict = self.engine.call(
                "engine_executeStatelessPayloadV3", {**payload, "stateRoot": ZERO,
                                                     "receiptsRoot": ZERO}, [], ZERO,
                built["witness"])["result"]
            self.assertEqual(verdict["stateRoot"], payload["stateRoot"])
            head = payload["blockHash"]
        state = {"headBlockHash": head, "safeBlockHash": head, "finalizedBlockHash": head}
        chosen = self.engine.call("engine_forkchoiceUpdatedV3", state, None)["result"]
        self.assertEqual(chosen["payloadStatus"], {
            "status": "VALID", "latestValidHash": head, "validationError": None})
        bodies = self.engine.call("engine_getPayloadBodiesByRangeV1", "0x1", "0x8")["result"]
        self.assertEqual(len(bodies), 3)
        self.assertEqual(self.engine.call("eth_blockNumber")["result"], "0x3")

    def test_who_has_no_token_is_refused(self):
        call = {"jsonrpc": "2.0", "id": 1, "method": "eth_chainId"}
        good = token(self.engine.secret)
        self.assertEqual(self.engine.post(call, good)[0], 200)
        for bearer in [None, "x", token(bytes(32)), token(self.engine.secret, time.time() - 100),
                       token(self.engine.secret, time.time() + 100),
                       token(self.engine.secret, algorithm="none"), good[:-1]]:
            status, text = self.engine.post(call, bearer)
            self.assertEqual(status, 401, text)
        self.assertEqual(self.engine.post(call, good, Host="evil.example")[0], 403)
        self.assertEqual(self.engine.post(call, good, **{"Content-Type": "text/plain"})[0], 415)
        for body in ["", "{", "[]", "[" * 100]:
            status, text = self.engine.post(body, good)
            self.assertEqual(status, 200)
            self.assertIn("error", json.loads(text))

    def test_the_secret_is_private_and_kept(self):
        path = self.engine.ready["jwtsecret"]
        self.assertEqual(stat.S_IMODE(os.stat(path).st_mode), 0o600)
        self.assertEqual(self.engine.end(), 0)
        again = Engine("--genesis", self.path("genesis.json"), "--authrpc.jwtsecret", path)
        self.assertEqual(again.secret, self.engine.secret)
        self.assertEqual(again.end(), 0)

    def test_wrong_files_are_named(self):
        outcome = chorale("engine", "--genesis", self.path("none.json"))
        self.assertFails(outcome, 1, "none.json")
        empty = self.file("empty.json", "{}")
        self.assertFails(chorale("engine", "--genesis", empty), 1, "empty.json", "config")
        bad = self.file("jwt.hex", "0x12")
        outcome = chorale(
            "engine", "--genesis", self.path("genesis.json"), "--authrpc.jwtsecret", bad)
        self.assertFails(outcome, 1, "jwt.hex", "64 hexadecimal digits")
        port = self.engine.ready["address"].rpartition(":")[2]
        outcome = chorale(
            "engine", "--genesis", self.path("genesis.json"), "--data-dir", self.path("other"),
            "--authrpc.port", port)
        self.assertFails(outcome, 1, port, "in use")


class CompareTests(FixtureTest):
    def verifier(self, name, text):
        path = self.write(name, "#!/bin/sh\n" + text + "\n")
        os.chmod(path, 0o755)
        return f"{name}=exec:{path}"

    def test_a_disagreement_is_kept_and_replays(self):
        case = self.case()
        file = self.write("case.json", json.dumps(case))
        # This implementation by another name.
        right = self.verifier("right", f"exec {harness.binary} witness execute - --json")
        wrong = self.verifier("wrong", "cat >/dev/null; echo '{\"status\":\"INVALID\"}'")
        incidents = self.path("incident")
        arguments = ["witness", "compare", file, "--incidents", incidents]
        agreed = chorale(*arguments, "--with", right, "--json")
        self.assertEqual(agreed.status, 0, str(agreed))
        self.assertEqual(agreed.document["decision"], "accept")
        self.assertFalse(os.path.exists(incidents))
        alarm = chorale(*arguments, "--with", right, "--with", wrong, "--json")
        self.assertEqual(alarm.status, 0, str(alarm))
        self.assertEqual(alarm.document["decision"], "accept_alarm_disagreement")
        bundle = alarm.document["incident"]
        again = chorale("witness", "execute", os.path.join(bundle, "case.json"), "--json")
        self.assertEqual(again.document["stateRoot"], case["expect"]["stateRoot"])
        refused = chorale(*arguments, "--with", wrong)
        self.assertEqual(refused.status, 1, str(refused))
        self.assertIn("wrong disagrees: invalid", refused.output)

    def test_a_chain_of_its_own_says_its_rules(self):
        case = self.case()
        case["config"] = {"chainId": 1, "shanghaiTime": 0}
        if case["fork"] != "shanghai":
            self.skipTest("the first case is of another fork")
        for name in ["fork", "network", "chainId"]:
            del case[name]
        outcome = chorale("witness", "execute", self.write("own.json", json.dumps(case)), "--json")
        self.assertEqual(outcome.document["stateRoot"], case["expect"]["stateRoot"])

    def test_wrong_verifiers_are_usage(self):
        file = self.write("case.json", json.dumps(self.case()))
        for text in ["geth", "geth=ftp://a", "geth=exec:relative"]:
            outcome = chorale("witness", "compare", file, "--with", text)
            self.assertFails(outcome, 2, text.rpartition("=")[2], "NAME=URL")
