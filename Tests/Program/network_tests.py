"""Networks as they are published and joined: `chorale network`, testnet/join, testnet/public/ceremony."""

import json
import os
import shutil
import subprocess
import sys

import harness
from harness import ROOT, ProgramTest, chorale

sys.path.insert(0, os.path.join(ROOT, "testnet"))
sys.dont_write_bytecode = True

import chain  # noqa: E402  (of testnet/)


class NetworkTests(ProgramTest):
    def script(self, name, *arguments):
        done = subprocess.run(
            [sys.executable, os.path.join(ROOT, "testnet", name), *arguments,
             "--chorale", harness.binary],
            capture_output=True, text=True, timeout=harness.LIMIT, check=False)
        return harness.Outcome(done.returncode, done.stdout, done.stderr)

    def genesis(self, name="net", *flags):
        made = chorale("genesis", "--validators", "3", "--seed", "7", "--json",
                       "--output", self.path(name), *flags)
        self.assertEqual(made.status, 0, str(made))
        return made.document

    def test_network_says_what_genesis_said(self):
        made = self.genesis("net", "--block-time", "2", "--epoch-blocks", "7", "--chain-id", "99")
        told = chorale("network", self.path("net"), "--json").document
        for name in ("digest", "shortDigest", "stateRoot", "blockHash", "blockId", "genesisTime"):
            self.assertEqual(told[name], made[name], name)
        self.assertEqual((told["blockSeconds"], told["epochBlocks"], told["chainId"]), (2, 7, 99))
        # Ten accounts and six contracts.
        self.assertEqual(told["accounts"], 16)
        self.assertEqual(len(told["validators"]), 3)
        text = chorale("network", self.path("net")).output
        self.assertIn(made["digest"], text)
        self.assertIn(told["validators"][2]["feeRecipient"], text)

    def test_network_names_what_is_wrong_and_where(self):
        self.genesis()
        path = self.path("net", "validators.yaml")
        with open(path, encoding="utf-8") as file:
            text = file.read()
        with open(path, "w", encoding="utf-8") as file:
            file.write(text.replace("index: 1", "index: 2"))
        self.assertFails(chorale("network", self.path("net")), 2, "was changed")
        os.remove(self.path("net", "network-digest"))
        self.assertFails(chorale("network", self.path("net")), 2,
                         "validators.yaml line 8: `index: 2` is not 1, its place in the list")

    def public(self, name="public"):
        os.makedirs(self.path(name))
        for file in ("config.yaml", "genesis.json", "validators.yaml", "bootnodes.yaml"):
            shutil.copy(self.path("net", file), self.path(name))
        return self.path(name)

    def test_a_stranger_joins_with_the_public_files(self):
        digest = self.genesis()["digest"]
        public = self.public()
        told = self.script("join", public, "--check", "--digest", digest)
        self.assertEqual(told.status, 0, str(told))
        self.assertIn(digest, told.output)
        self.assertIn("3 validators, 1 bootnodes", told.output)
        other = self.script("join", public, "--check", "--digest", "ab" * 32)
        self.assertEqual(other.status, 1)
        self.assertIn(f"the files hash to {digest}, not to {'ab' * 32}", other.error)
        os.remove(os.path.join(public, "genesis.json"))
        self.assertIn("has no genesis.json", self.script("join", public, "--check").error)

    def entry(self, home, **fields):
        name, home = home, self.initialised(home)
        key = chorale("key", "inspect", os.path.join(home, "identity.key"), "--json").document
        lines = {"name": name, "publicKey": key["publicKey"],
                 "feeRecipient": f'"0x{len(name):040x}"', **fields}
        os.makedirs(self.path("entries"), exist_ok=True)
        return self.file(os.path.join("entries", name + ".yaml"),
                         "".join(f"{key}: {value}\n" for key, value in lines.items() if value))

    def ceremony(self, output):
        alloc = self.file("alloc.json", json.dumps({"0x" + "aa" * 20: {"balance": "5"}}))
        return self.script(
            os.path.join("public", "ceremony"), self.path("entries"), "--output",
            self.path(output), "--name", "mynet", "--chain-id", "7357", "--genesis-time",
            "1798761600", "--alloc", alloc)

    def test_a_ceremony_gives_everybody_the_same_network(self):
        self.entry("a")
        self.entry("bb", stake="7")
        self.entry("ccc")
        for output in ("first", "second"):
            held = self.ceremony(output)
            self.assertEqual(held.status, 0, str(held))
        networks = [chorale("network", self.path(name), "--json").document
                    for name in ("first", "second")]
        self.assertEqual(networks[0], networks[1])
        # Six contracts and the one account; no key that the ceremony made.
        self.assertEqual((networks[0]["accounts"], networks[0]["chainId"]), (7, 7357))
        self.assertEqual(sorted(one["stake"] for one in networks[0]["validators"]),
                         [7, 32_000_000_000, 32_000_000_000])
        keys = [one["publicKey"] for one in networks[0]["validators"]]
        self.assertEqual(keys, sorted(keys))
        self.assertIn(networks[0]["digest"], self.script("join", self.path("first"), "--check").output)
        again = self.ceremony("first")
        self.assertIn("exists already", again.error)

    def test_a_ceremony_refuses_bad_entries(self):
        first = self.entry("a")
        for change, words in (
                ({"feeRecipient": '"0x12"'}, "b.yaml line 3"), ({"stake": "0"}, "b.yaml line 4"),
                ({"publicKey": None}, "`publicKey` is missing"), ({"note": "x"}, "b.yaml line 4"),
                ({"name": "a"}, "name a is there twice")):
            shutil.rmtree(self.path("b"), ignore_errors=True)
            self.entry("b", **change)
            held = self.ceremony("net")
            self.assertEqual(held.status, 1, str(held))
            self.assertIn(words, held.error)
            self.assertFalse(os.path.exists(self.path("net")))
        self.assertTrue(os.path.exists(first))


class ValidatorTests(ProgramTest):
    """What wallets are given to send; that networks take it is shown by Interop."""

    TO = "0x" + "ab" * 20

    def setUp(self):
        super().setUp()
        self.network = self.path("net")
        made = chorale("genesis", "--validators", "1", "--output", self.network, "--seed", "4")
        self.assertEqual(made.status, 0, str(made))
        self.key = self.path("validator.key")
        self.assertEqual(chorale("key", "generate", self.key).status, 0)
        inspected = chorale("key", "inspect", "--json", self.key).document
        # In libp2p's protobuf: four bytes, then the key.
        self.public = inspected["publicKey"][8:]

    def deposit(self, *arguments):
        return chorale("validator", "deposit", self.key, "--network", self.network, *arguments)

    def test_a_deposit_is_what_the_contract_takes(self):
        outcome = self.deposit("--to", self.TO, "--gwei", "32000000001", "--json")
        self.assertEqual(outcome.status, 0, str(outcome))
        told = outcome.document
        data = bytes.fromhex(told["data"][2:])
        self.assertEqual(told["to"].lower(), "0x" + "0" * 36 + "6110")
        self.assertEqual(int(told["value"], 16), 32000000001 * 10**9)
        self.assertEqual(len(data), 48 + 32 + 96)
        self.assertEqual(data[:48].hex(), self.public + "00" * 16)
        self.assertEqual(data[48:80].hex(), "00" * 12 + "ab" * 20)
        self.assertEqual(data[144:], bytes(32))
        self.assertNotEqual(data[80:144], bytes(64))

    def test_an_exit_names_key_and_amount(self):
        outcome = chorale("validator", "exit", self.key, "--gwei", "5", "--json")
        self.assertEqual(outcome.status, 0, str(outcome))
        data = bytes.fromhex(outcome.document["data"][2:])
        self.assertEqual(data.hex(), self.public + "00" * 16 + "0000000000000005")
        self.assertEqual(int(outcome.document["value"], 16), 1)

    def test_wrong_values_are_named(self):
        rows = [
            (("--to", "0x12", "--gwei", "32000000000"), "'0x12' is no address"),
            (("--to", self.TO, "--gwei", "5"), "at least 1000000000"),
            (("--to", self.TO, "--gwei", str(2**63)), "at most"),
        ]
        for arguments, text in rows:
            with self.subTest(text):
                outcome = self.deposit(*arguments)
                self.assertEqual(outcome.status, 2, str(outcome))
                self.assertIn(text, outcome.error)
        other = self.path("other.key")
        chorale("key", "generate", "--type", "secp256k1", other)
        outcome = chorale("validator", "exit", other)
        self.assertEqual(outcome.status, 1, str(outcome))
        self.assertIn("Ed25519", outcome.error)


class ChainVerdictTests(ProgramTest):
    """What testnet/run says of chains that it compared."""

    def test_equal_chains_agree_as_far_as_the_shortest(self):
        self.assertEqual(chain.compare({"a": ["0", "1", "2"], "b": ["0", "1"]}), (1, None))
        self.assertEqual(chain.compare({"a": ["0"]}), (0, None))
        self.assertEqual(chain.compare({}), (-1, None))

    def test_a_fork_is_found_at_its_first_height(self):
        self.assertEqual(
            chain.compare({"a": ["0", "1", "2"], "b": ["0", "x", "2"], "c": ["0", "1", "y"]}),
            (0, {"1": ["a", "c"], "x": ["b"]}))

    def test_a_chain_from_a_checkpoint_is_compared_from_there(self):
        late = [chain.ABSENT, chain.ABSENT, "2"]
        self.assertEqual(chain.compare({"a": ["0", "1", "2"], "b": late}), (2, None))
        self.assertEqual(
            chain.compare({"a": ["0", "1", "x"], "b": late}), (1, {"x": ["a"], "2": ["b"]}))

    def test_numbers_come_in_several_forms(self):
        status = chain.Status({"height": 7, "latest": {"height": 8}, "safe": "0x9", "gasUsed": None,
                               "finalized": {"number": "10"}, "isSyncing": True, "proposer": "v"})
        self.assertEqual(
            (status.height, status.latest, status.safe, status.gasUsed, status.finalized),
            (7, 8, 9, 0, 10))
        self.assertTrue(status.is_syncing and status.is_known)
        self.assertFalse(chain.Status().is_known)
