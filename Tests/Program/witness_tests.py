"""Blocks executed from their witnesses, and Ethereum's tests, by the program."""

import glob
import gzip
import json
import os
import signal
import socket
import subprocess
import time

import harness
from harness import ProgramTest, chorale, until

FIXTURES = os.environ.get("CHORALE_EVM_FIXTURES") or os.path.join(
    os.path.dirname(harness.ROOT), "shared", "evm")

#: What every line of a trace has (EIP-3155), in the order of the text.
TRACED = ["pc", "op", "gas", "gasCost", "stack", "depth", "returnData", "refund", "memSize", "opName"]


def lines(path):
    with gzip.open(os.path.join(FIXTURES, path), "rt") as file:
        return [json.loads(line) for line in file]


def raw(digits):
    return bytes.fromhex(digits[2:])


class FixtureTest(ProgramTest):
    def setUp(self):
        super().setUp()
        if not os.path.isdir(FIXTURES):
            self.skipTest(f"no EVM fixtures at {FIXTURES}: set CHORALE_EVM_FIXTURES")

    def write(self, name, content):
        path = os.path.join(self.directory, name)
        with open(path, "wb") as file:
            file.write(content if isinstance(content, bytes) else content.encode())
        return path

    def case(self, status="VALID", name="fixtures"):
        return next(c for c in lines(f"witness/{name}.jsonl.gz")
                    if c["expect"]["status"] == status)

    def parts(self, case):
        """The block and the witness of a case as files of their own."""
        chain = ["--fork", case["fork"], "--chain-id", str(case["chainId"])]
        return (self.write("block.rlp", raw(case["block"])),
                self.write("witness.json", json.dumps(case["witness"])), chain)


class ExecuteTests(FixtureTest):
    def test_real_blocks(self):
        paths = sorted(glob.glob(os.path.join(FIXTURES, "real", "*.json.gz")))
        self.assertTrue(paths)
        for path in paths:
            with self.subTest(os.path.basename(path)):
                with gzip.open(path, "rt") as file:
                    expect = json.load(file)["expect"]
                outcome = chorale("witness", "execute", path, "--json", "--compare-roots")
                self.assertEqual(outcome.status, 0, str(outcome))
                answer = outcome.document
                self.assertEqual(
                    list(answer), ["status", "stateRoot", "receiptsRoot", "gasUsed",
                                   "validationError", "seconds"])
                for name in ["status", "stateRoot", "receiptsRoot", "gasUsed"]:
                    self.assertEqual(answer[name], expect[name])
                self.assertIsNone(answer["validationError"])
                self.assertGreater(answer["seconds"], 0)

    def test_damaged_ones_are_invalid_and_say_why(self):
        for case in lines("witness/damaged.jsonl.gz")[::9]:
            path = self.write("case.json", json.dumps(case))
            outcome = chorale("witness", "execute", path, "--json")
            if case["expect"]["status"] == "VALID":
                self.assertEqual(outcome.status, 0, str(outcome))
                continue
            with self.subTest(case["name"]):
                self.assertEqual(outcome.status, 1, str(outcome))
                self.assertEqual(outcome.document["status"], "INVALID")
                self.assertGreater(len(outcome.document["validationError"]), 10)
                self.assertIn("chorale: ", outcome.error)

    def test_a_block_and_its_witness_in_every_form(self):
        case = self.case()
        block, witness, chain = self.parts(case)
        expected = case["expect"]["stateRoot"]
        answer = json.dumps({"jsonrpc": "2.0", "id": 1, "result": case["block"]})
        blocks = [block, self.write("block.hex", case["block"] + "\n"),
                  self.write("block.json", answer),
                  self.write("block.gz", gzip.compress(raw(case["block"])))]
        witnesses = [witness]
        for form in ["rlp", "ssz", "json"]:
            path = os.path.join(self.directory, f"canonical.{form}")
            made = chorale("witness", "build", block, witness, *chain, "--format", form,
                           "--output", path)
            self.assertEqual(made.status, 0, str(made))
            self.assertIn(expected, made.error)
            witnesses.append(path)
            with open(path, "rb") as file:
                content = file.read()
            self.assertEqual(chorale("witness", "lint", block, path, *chain, "--strict").status, 0)
            if form != "json":
                witnesses.append(self.write(f"hex-{form}", "0x" + content.hex()))
        for blob in blocks:
            for path in witnesses:
                with self.subTest(f"{blob} {path}"):
                    strict = [] if path == witness else ["--strict"]
                    outcome = chorale("witness", "execute", blob, path, *chain, *strict, "--json")
                    self.assertEqual(outcome.status, 0, str(outcome))
                    self.assertEqual(outcome.document["stateRoot"], expected)
        with open(witness, "rb") as file:
            piped = chorale("witness", "execute", block, "-", *chain, "--json", stdin=file)
        self.assertEqual(piped.document["stateRoot"], expected)

    def test_the_header_s_roots_are_not_what_is_printed(self):
        case = self.case()
        expect = case["expect"]
        forged = case["block"].replace(expect["stateRoot"][2:], "5a" * 32).replace(
            expect["receiptsRoot"][2:], "a5" * 32)
        self.assertNotEqual(forged, case["block"])
        path = self.write("case.json", json.dumps({**case, "block": forged}))
        outcome = chorale("witness", "execute", path, "--json")
        self.assertEqual(outcome.status, 0, str(outcome))
        self.assertEqual(outcome.document["stateRoot"], expect["stateRoot"])
        self.assertEqual(outcome.document["receiptsRoot"], expect["receiptsRoot"])
        text = chorale("witness", "execute", path)
        self.assertIn("the header says 0x" + "5a" * 32, text.output)
        self.assertEqual(chorale("witness", "execute", path, "--compare-roots").status, 1)

    def test_traces_of_whole_blocks(self):
        case = next(c for c in lines("witness/fixtures.jsonl.gz")
                    if c["expect"]["status"] == "VALID" and c["fork"] == "prague")
        path = self.write("case.json", json.dumps(case))
        plain = chorale("witness", "execute", path, "--json")
        self.assertEqual((plain.status, plain.error), (0, ""), str(plain))
        outcome = chorale("witness", "execute", path, "--json", "--trace")
        self.assertEqual(outcome.status, 0, str(outcome))
        for name in ["status", "stateRoot", "receiptsRoot", "gasUsed"]:
            self.assertEqual(outcome.document[name], plain.document[name])
        traced = [json.loads(line) for line in outcome.error.splitlines()]
        end = traced.pop()
        self.assertEqual(end["stateRoot"], plain.document["stateRoot"])
        self.assertEqual(int(end["gasUsed"], 16), plain.document["gasUsed"])
        self.assertIs(end["pass"], True)
        # Each transaction ends with its gas; a block of Prague begins and ends with the system's calls.
        transactions = [line for line in traced if "transaction" in line]
        self.assertEqual([line["transaction"] for line in transactions],
                         list(range(len(transactions))))
        self.assertEqual(sum(int(line["gasUsed"], 16) for line in transactions),
                         plain.document["gasUsed"])
        for address in [line["system"] for line in traced if "system" in line]:
            self.assertRegex(address, "^0x[0-9a-f]{40}$")
        self.assertGreaterEqual(sum("system" in line for line in traced), 4)
        self.assertGreater(sum("pc" in line for line in traced), 10)
        for line in traced:
            if "pc" in line:
                self.assertEqual([member for member in line if member != "error"], TRACED)

    def test_a_trace_goes_as_far_as_the_witness(self):
        case = next(c for c in lines("witness/fixtures.jsonl.gz")
                    if c["expect"]["status"] == "VALID" and c["fork"] == "prague")
        complete = self.write("complete.json", json.dumps(case))
        whole = chorale("witness", "execute", complete, "--trace").error.splitlines()
        ends = []
        for index in range(len(case["witness"]["codes"])):
            codes = case["witness"]["codes"]
            codes = codes[:index] + codes[index + 1:]
            path = self.write("less.json", json.dumps(
                {**case, "witness": {**case["witness"], "codes": codes}}))
            outcome = chorale("witness", "execute", path, "--trace")
            self.assertEqual(outcome.status, 1, str(outcome))
            printed = outcome.error.splitlines()
            self.assertTrue(printed[-1].startswith("chorale: "), printed[-1])
            end = json.loads(printed[-2])
            self.assertIs(end["pass"], False)
            self.assertIn("not in the witness", end["error"])
            # All before is as it was in the whole trace, but for the line that could not be ended.
            same = [a == b for a, b in zip(printed, whole)]
            self.assertIn(len(printed) - 2 - sum(same), [0, 1])
            ends.append(len(printed))
        self.assertGreater(len(set(ends)), 1, ends)

    def test_a_reader_of_traces_may_leave(self):
        path = sorted(glob.glob(os.path.join(FIXTURES, "real", "mainnet-18884864*.json.gz")))[0]
        with subprocess.Popen(
                [harness.binary, "witness", "execute", path, "--json", "--trace"],
                stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                env=harness.environment()) as process:
            json.loads(process.stderr.readline())
            process.stderr.close()
            answer = json.loads(process.stdout.read())
            self.assertEqual(process.wait(harness.LIMIT), 0)
        self.assertEqual(answer["status"], "VALID")

    def test_what_is_wrong_is_said(self):
        case = self.case()
        block, witness, _ = self.parts(case)
        for arguments, status, words in [
                (["execute", block], 2, "holds no block"),
                (["execute", block, witness, block], 2, "a block and a witness"),
                (["execute", witness, block], 1, "JSON without hexadecimal"),
                (["execute", block, "nothing.json"], 1, "nothing.json"),
                (["execute", block, witness, "--fork", "frontier"], 2, "--fork is one of"),
                (["execute", block, witness, "--network", "maynet"], 2, "mainnet, sepolia"),
                (["execute", block, witness, "--chain-id", "1"], 2, "belongs to --fork"),
                (["execute", block, witness, "--genesis", witness], 1, "config.chainId"),
                (["lint", self.write("rubbish", b"\x01\x02")], 1, "witness"),
                (["build", block, "--state", witness], 2, "--headers"),
                (["show", witness, "--accounts", "-1"], 2, "--accounts"),
        ]:
            with self.subTest(" ".join(arguments)):
                outcome = chorale("witness", *arguments)
                self.assertEqual(outcome.status, status, str(outcome))
                self.assertIn(words, outcome.error)


class LookTests(FixtureTest):
    def test_lint_names_deviations_and_who_writes_them(self):
        case = self.case()
        block, witness, chain = self.parts(case)
        parts = {**case["witness"], "keys": None, "state": case["witness"]["state"][::-1]}
        parts["state"].append(parts["state"][0])
        path = self.write("other.json", json.dumps(parts))
        outcome = chorale("witness", "lint", block, path, *chain, "--json")
        self.assertEqual(outcome.status, 0, str(outcome))
        found = {finding["name"]: finding for finding in outcome.document["findings"]}
        self.assertIn("keys-null", found)
        self.assertTrue(any("geth" in writer for writer in found["keys-null"]["writers"]))
        self.assertIn("repeated", found)
        self.assertTrue(outcome.document["verifiable"])
        self.assertFalse(outcome.document["canonical"])
        self.assertEqual(chorale("witness", "lint", block, path, *chain, "--strict").status, 1)

        missing = {**case["witness"], "state": case["witness"]["state"][1:]}
        path = self.write("missing.json", json.dumps(missing))
        outcome = chorale("witness", "lint", block, path, *chain)
        if chorale("witness", "execute", block, path, *chain).status != 0:
            self.assertEqual(outcome.status, 1, str(outcome))
            self.assertIn("missing", outcome.output)

    def test_show_accounts_for_every_byte(self):
        case = self.case()
        block, witness, chain = self.parts(case)
        shape = chorale("witness", "show", block, witness, *chain, "--json").document
        parts = case["witness"]
        entries = sum(len(parts[name]) for name in ["headers", "codes", "state"])
        size = sum(len(raw(part)) for name in ["headers", "codes", "state"] for part in parts[name])
        self.assertEqual(shape["total"]["entries"], entries)
        self.assertEqual(shape["total"]["bytes"], size)
        self.assertTrue(any(account["address"] for account in shape["accounts"]))
        drawn = chorale("witness", "show", block, witness, *chain)
        self.assertEqual(drawn.status, 0, str(drawn))
        self.assertIn("█", drawn.output)

    def test_build_from_a_whole_state(self):
        """A block of a chain test, from its first state; strictly executed from what was built."""
        tests = json.load(gzip.open(os.path.join(
            FIXTURES, "blockchain", "cancun-eip5656_mcopy.json.gz")))
        test = next(t for t in tests.values() if "expectException" not in t["blocks"][0])
        genesis = raw(test["genesisRLP"])
        state = self.write("state.json", json.dumps({"alloc": test["pre"]}))
        block = self.write("block.rlp", raw(test["blocks"][0]["rlp"]))
        parent = self.write("parent.rlp", header_of(genesis))
        output = os.path.join(self.directory, "witness.ssz")
        chain = ["--fork", test["network"], "--chain-id",
                 str(int(test["config"]["chainid"], 16))]
        made = chorale("witness", "build", block, "--state", state, "--headers", parent,
                       "--format", "ssz", "--output", output, *chain)
        self.assertEqual(made.status, 0, str(made))
        done = chorale("witness", "execute", block, output, *chain, "--strict", "--json",
                       "--compare-roots")
        self.assertEqual(done.status, 0, str(done))
        self.assertEqual(
            done.document["stateRoot"], test["blocks"][0]["blockHeader"]["stateRoot"])


def header_of(block):
    """The first item of a block's RLP list: both are lists with lengths of their own."""
    def payload(data):
        return 1 if data[0] < 0xf8 else 1 + data[0] - 0xf7
    inner = block[payload(block):]
    start = payload(inner)
    size = inner[0] - 0xc0 if inner[0] < 0xf8 else int.from_bytes(inner[1:start], "big")
    return inner[:start + size]


class ServeTests(FixtureTest):
    def serve(self, *flags):
        path = os.path.join(self.directory, "witness.sock")
        process = subprocess.Popen(
            [harness.binary, "witness", "serve", "--socket", path, *flags],
            stderr=subprocess.PIPE, env=harness.environment())
        self.addCleanup(self.end, process)
        until("a socket", lambda: os.path.exists(path))
        return process, path

    def end(self, process):
        process.kill()
        process.wait()
        process.stderr.close()

    def connect(self, path):
        client = socket.socket(socket.AF_UNIX)
        client.settimeout(harness.LIMIT)
        self.addCleanup(client.close)
        # The path is there a moment before anybody listens.
        deadline = time.monotonic() + harness.LIMIT
        while True:
            try:
                client.connect(path)
                break
            except ConnectionRefusedError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.01)
        return client, client.makefile("rb")

    def call(self, connection, method, params, name=1):
        client, answers = connection
        request = {"jsonrpc": "2.0", "id": name, "method": method, "params": params}
        client.sendall(json.dumps(request).encode() + b"\n")
        return json.loads(answers.readline())

    def engine_request(self):
        line = next(line for line in lines("engine/stateless.jsonl.gz")
                    if line["fork"] == "cancun" and line["result"]["status"] == "VALID")
        return line["request"], line["result"]

    def test_calls_are_answered(self):
        request, result = self.engine_request()
        process, path = self.serve("--fork", "cancun")
        self.assertEqual(os.stat(path).st_mode & 0o777, 0o600)
        connection = self.connect(path)
        answer = self.call(connection, request["method"], request["params"], name="a")
        self.assertEqual(answer["id"], "a")
        for name in ["status", "stateRoot", "receiptsRoot"]:
            self.assertEqual(answer["result"][name], result[name])
        # Wrong calls are errors, and the connection goes on.
        client, answers = connection
        for line, code in [(b"{", -32700), (b"[]", -32600),
                           (b'{"jsonrpc":"2.0","id":2,"method":"engine_x"}', -32601),
                           (b'{"jsonrpc":"2.0","id":2,"method":"chorale_executeBlock"}', -32602)]:
            client.sendall(line + b"\n")
            self.assertEqual(json.loads(answers.readline())["error"]["code"], code)
        listed = self.call(connection, "rpc_methods", [])["result"]
        self.assertIn(request["method"], listed)
        self.assertIn("chorale_executeBlock", listed)
        second = chorale("witness", "serve", "--socket", path)
        self.assertEqual(second.status, 1)
        self.assertIn("another process answers", second.error)
        process.send_signal(signal.SIGTERM)
        self.assertEqual(process.wait(harness.LIMIT), 0)
        self.assertFalse(os.path.exists(path))

    def test_one_block_by_its_rlp(self):
        case = next(c for c in lines("witness/fixtures.jsonl.gz")
                    if c["expect"]["status"] == "VALID" and c["fork"] == "prague")
        _, path = self.serve("--fork", "prague", "--chain-id", str(case["chainId"]))
        answer = self.call(self.connect(path), "chorale_executeBlock",
                           {"block": case["block"], "witness": case["witness"]})["result"]
        self.assertEqual(answer["stateRoot"], case["expect"]["stateRoot"])
        self.assertGreater(answer["seconds"], 0)

    def test_requests_that_are_too_long_end_their_client_only(self):
        _, path = self.serve("--request-max", "1")
        long, _ = self.connect(path)
        other = self.connect(path)
        try:
            long.sendall(b"x" * (2 << 20))
            self.assertEqual(long.recv(1), b"")
        except (BrokenPipeError, ConnectionResetError):
            pass
        self.assertIn("result", self.call(other, "rpc_methods", []))

    def test_memory_stays_flat(self):
        request, result = self.engine_request()
        process, path = self.serve("--fork", "cancun", "--workers", "1")
        connection = self.connect(path)
        sizes = []
        for round_number in range(5):
            for _ in range(400):
                answer = self.call(connection, request["method"], request["params"])
                self.assertEqual(answer["result"]["stateRoot"], result["stateRoot"])
            with open(f"/proc/{process.pid}/statm", encoding="ascii") as file:
                sizes.append(int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE"))
        self.assertLess(sizes[-1] - sizes[0], 4 << 20, f"resident bytes after rounds: {sizes}")


class OfficialTests(FixtureTest):
    def state_test(self):
        path = os.path.join(FIXTURES, "state", "cancun-eip5656_mcopy.json.gz")
        with gzip.open(path, "rt") as file:
            return json.load(file)

    def test_results_have_a_line_each_and_are_counted(self):
        tests = dict(list(self.state_test().items())[:5])
        path = self.write("some.json", json.dumps(tests))
        outcome = chorale("evm", "statetest", path)
        self.assertEqual(outcome.status, 0, str(outcome))
        printed = outcome.output.splitlines()
        self.assertEqual(printed[-1], f"{len(printed) - 1} passed, 0 failed")
        self.assertTrue(all(line.startswith("ok ") for line in printed[:-1]))

        # One that expects another root fails, by itself, and the program with it.
        name = next(iter(tests))
        post = next(iter(tests[name]["post"].values()))
        right, post[0]["hash"] = post[0]["hash"], "0x" + "00" * 32
        path = self.write("wrong.json.gz", gzip.compress(json.dumps(tests).encode()))
        outcome = chorale("evm", "statetest", path, "--json")
        self.assertEqual(outcome.status, 1)
        results = [json.loads(line) for line in outcome.output.splitlines()]
        self.assertEqual(results[-1], {"passed": len(printed) - 2, "failed": 1})
        failed = [result for result in results[:-1] if not result["pass"]]
        self.assertEqual([result["name"] for result in failed], [name])
        self.assertEqual(failed[0]["stateRoot"], right)
        self.assertIn(right, failed[0]["error"])

        outcome = chorale("evm", "statetest", path, "--filter", "no such test")
        self.assertEqual(outcome.status, 1)
        self.assertIn("no test was run", outcome.error)

    def test_traces_are_lines_of_json(self):
        name, test = next((name, test) for name, test in self.state_test().items()
                          if "expectException" not in next(iter(test["post"].values()))[0])
        path = self.write("one.json", json.dumps({name: test}))
        outcome = chorale("evm", "statetest", path, "--trace")
        self.assertEqual(outcome.status, 0, str(outcome))
        traced = [json.loads(line) for line in outcome.error.splitlines()]
        self.assertGreater(len(traced), 1)
        for line in traced:
            if "stateRoot" not in line:
                self.assertEqual([member for member in line if member != "error"], TRACED)
        ends = [line for line in traced if "stateRoot" in line]
        posts = [(fork, post) for fork, posts in test["post"].items() for post in posts]
        self.assertEqual([end["stateRoot"] for end in ends], [post["hash"] for _, post in posts])
        self.assertEqual([end["fork"] for end in ends], [fork for fork, _ in posts])
        self.assertEqual({end["test"] for end in ends}, {name})
        self.assertIn("stateRoot", traced[-1])
        self.assertEqual(chorale("evm", "statetest", path).error, "")

    def test_chains_also_from_their_witnesses(self):
        path = os.path.join(FIXTURES, "blockchain", "cancun-eip5656_mcopy.json.gz")
        outcome = chorale("evm", "blocktest", "--stateless", "--reasons", path)
        self.assertEqual(outcome.status, 0, str(outcome))
        self.assertRegex(outcome.output.splitlines()[-1], r"^[1-9]\d* passed, 0 failed$")

    def test_what_cannot_be_read_is_named(self):
        for content, words in [("{", "not JSON"), ("[]", "an array instead of an object"),
                               ('{"a": {}}', None)]:
            path = self.write("bad.json", content)
            outcome = chorale("evm", "statetest", path)
            self.assertEqual(outcome.status, 1, str(outcome))
            if words:
                self.assertIn(words, outcome.error)
                self.assertIn(path, outcome.error)
            else:
                self.assertIn("FAILED  a: `post` is not there", outcome.output)
