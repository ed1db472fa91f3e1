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
FUNDED_ACCOUNT = "0x19e7e376e7c213b7e7e7e46cc70a5dd086daff2a"
FUNDED = {**GENESIS, "alloc": {FUNDED_ACCOUNT: {"balance": "0xde0b6b3a7640000"}}}
# Made with eth_account and the key 0x11…11: 1 wei to 0x22…22 at most 10 gwei a gas, nonces 0 and 1.
TRANSFERS = [
    "0x02f86d82053980843b9aca008502540be4008252089422222222222222222222222222222222222222220180c080a0"
    "e31f90d0b47ce4f08b957bcd80e7dff89635b07c6dacf0ce71b55e5f777ce8e5a0"
    "5cea55e26f01d45f1ae66be06afb98b1dc713dba251e2d4f45ae56d7273bbdba",
    "0x02f86d82053901843b9aca008502540be4008252089422222222222222222222222222222222222222220180c080a0"
    "971cb0b207c31086b439b2fdc072804524831087f42a75981e0a7f64d00885a9a0"
    "68194d3173bb4f50851a933f275cfaad155dd765aec5034e2de17d03b0d31099",
]


def token(secret, made=None, algorithm="HS256"):
    def part(value):
        return base64.urlsafe_b64encode(value).rstrip(b"=")

    head = part(json.dumps({"alg": algorithm, "typ": "JWT"}).encode())
    signed = head + b"." + part(json.dumps({"iat": int(made or time.time())}).encode())
    return (signed + b"." + part(hmac.new(secret, signed, hashlib.sha256).digest())).decode()


def wish(number, time=None, **fields):
    """Payload attributes of Cancun."""
    return {
        "timestamp": hex(time or 0x6553F100 + 12 * number), "prevRandao": ZERO,
        "suggestedFeeRecipient": "0x" + 40 * "1", "withdrawals": [], "parentBeaconBlockRoot": ZERO,
        **fields}


def choice(head, safe=ZERO, finalized=ZERO):
    return {"headBlockHash": head, "safeBlockHash": safe, "finalizedBlockHash": finalized}


class Caller:
    """Somebody who has the secret of an engine port."""

    def __init__(self, address, secret):
        self.address, self.secret = address, secret

    def post(self, body, bearer=None, **fields):
        host = self.address.removeprefix("http://")
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
            token(self.secret) if self.secret else None)
        assert status == 200, text
        return json.loads(text)

    def result(self, method, *params):
        answer = self.call(method, *params)
        assert "result" in answer, f"{method}: {answer}"
        return answer["result"]

    def code(self, method, *params):
        """The code of the error that a call must have."""
        answer = self.call(method, *params)
        assert "error" in answer, f"{method}: {answer}"
        assert answer["error"]["message"], answer
        return answer["error"]["code"]

    def build(self, head, number, **fields):
        """Builds on a head and takes what was built; the payload and its witness."""
        chosen = self.result("engine_forkchoiceUpdatedWithWitnessV3", choice(head), wish(number, **fields))
        assert chosen["payloadStatus"]["status"] == "VALID", chosen
        built = self.result("engine_getPayloadV3", chosen["payloadId"])
        payload = built["executionPayload"]
        taken = self.result("engine_newPayloadV3", payload, [], ZERO)
        assert taken["status"] == "VALID", taken
        return payload, built["witness"]

    def choose(self, head, safe=ZERO, finalized=ZERO):
        chosen = self.result("engine_forkchoiceUpdatedV3", choice(head, safe, finalized), None)
        assert chosen["payloadStatus"]["status"] == "VALID", chosen


class Engine(Caller):
    def __init__(self, *arguments, prefix=()):
        self.process = subprocess.Popen(
            [*prefix, harness.binary, "engine", *arguments, "--authrpc.port", "0", "--json"],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
            env=harness.environment())
        self.ready = json.loads(self.process.stdout.readline())
        with open(self.ready["jwtsecret"], encoding="ascii") as file:
            super().__init__(self.ready["address"], bytes.fromhex(file.read().strip()))
        self.wallet = Caller(self.ready["http"], None) if "http" in self.ready else None

    def kill(self):
        self.process.kill()
        self.process.stdout.close()
        self.process.wait()

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
        self.assertFails(chorale("engine", "--genesis", empty), 1, "empty.json", "alloc")
        bad = self.file("jwt.hex", "0x12")
        outcome = chorale(
            "engine", "--genesis", self.path("genesis.json"), "--authrpc.jwtsecret", bad)
        self.assertFails(outcome, 1, "jwt.hex", "64 hexadecimal digits")
        port = self.engine.ready["address"].rpartition(":")[2]
        outcome = chorale(
            "engine", "--genesis", self.path("genesis.json"), "--data-dir", self.path("other"),
            "--authrpc.port", port)
        self.assertFails(outcome, 1, port, "in use")


class EngineErrorTests(ProgramTest):
    """Every code of the specification, through HTTP."""

    def setUp(self):
        super().setUp()
        self.engine = Engine(
            "--genesis", self.file("genesis.json", json.dumps(GENESIS)), "--authrpc.jwtsecret",
            self.path("jwt.hex"))
        self.genesis = self.engine.ready["genesisHash"]

    def tearDown(self):
        self.engine.kill()
        super().tearDown()

    def error(self, body):
        status, text = self.engine.post(body, token(self.engine.secret))
        self.assertEqual(status, 200)
        return json.loads(text)["error"]["code"]

    def test_codes_of_json_rpc(self):
        self.assertEqual(self.error("{"), -32700)
        self.assertEqual(self.error({"id": 1}), -32600)
        self.assertEqual(self.engine.code("engine_newPayloadV9"), -32601)
        self.assertEqual(self.engine.code("engine_newPayloadV3", 1), -32602)
        payload, _ = self.engine.build(self.genesis, 1)
        # A structure of another version.
        self.assertEqual(self.engine.code("engine_newPayloadV2", payload), -32602)

    def test_codes_of_the_engine(self):
        engine = self.engine
        payload, _ = engine.build(self.genesis, 1)
        self.assertEqual(engine.code("engine_getPayloadV3", "0x0123456789abcdef"), -38001)
        for bad in (choice(ZERO), choice(self.genesis, safe="0x" + 64 * "7"),
                    choice(self.genesis, finalized=payload["blockHash"])):
            self.assertEqual(engine.code("engine_forkchoiceUpdatedV3", bad, None), -38002, bad)
        for bad in (wish(1, time=0x6553F100), {**wish(1), "prevRandao": "0x1"},
                    {name: value for name, value in wish(1).items() if name != "withdrawals"}):
            self.assertEqual(
                engine.code("engine_forkchoiceUpdatedV3", choice(self.genesis), bad), -38003, bad)
        hashes = [self.genesis] * 1025
        self.assertEqual(engine.code("engine_getPayloadBodiesByHashV1", hashes), -38004)
        self.assertEqual(
            engine.code("engine_getPayloadBodiesByRangeV1", "0x1", "0x401"), -38004)
        self.assertEqual(engine.code("engine_newPayloadV4", payload, [], ZERO, []), -38005)
        self.assertEqual(engine.code("engine_getPayloadV4", engine.result(
            "engine_forkchoiceUpdatedV3", choice(self.genesis), wish(2))["payloadId"]), -38005)
        self.assertEqual(engine.code(
            "engine_executeStatelessPayloadV4", payload, [], ZERO, [], "0x"), -38005)

    def test_a_reorg_that_is_too_deep(self):
        engine, head = self.engine, self.genesis
        for number in range(1, 130):
            payload, _ = engine.build(head, number)
            head = payload["blockHash"]
        engine.choose(head)
        self.assertEqual(
            engine.code("engine_forkchoiceUpdatedV3", choice(self.genesis), None), -38006)
        # One less is allowed, and the one that was left can be chosen again.
        engine.choose(engine.result("eth_getBlockByNumber", "0x1", False)["hash"])
        engine.choose(head)

    def test_an_error_leaves_the_forkchoice(self):
        """An error of attributes comes after the head was chosen, as the specification has it."""
        payload, _ = self.engine.build(self.genesis, 1)
        head = payload["blockHash"]
        bad = wish(1, time=1)
        self.assertEqual(
            self.engine.code("engine_forkchoiceUpdatedV3", choice(head), bad), -38003)
        self.assertEqual(self.engine.result("eth_blockNumber"), "0x1")


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
