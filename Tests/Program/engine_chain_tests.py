"""`chorale engine` with blocks and transactions: on a disk, killed; and what cross-validation is for."""

import http.client
import json
import os
import threading
import time
import unittest
from random import Random

from disk_tests import can_mount
from engine_tests import FUNDED, FUNDED_ACCOUNT, TRANSFERS, ZERO, Engine, choice, wish
from harness import ProgramTest, chorale


class EngineOnDiskTests(ProgramTest):
    def setUp(self):
        super().setUp()
        self.genesis_file = self.file("genesis.json", json.dumps(FUNDED))
        self.engine = None

    def tearDown(self):
        if self.engine:
            self.engine.kill()
        super().tearDown()

    def start(self):
        if self.engine:
            self.engine.kill()
        self.engine = Engine("--genesis", self.genesis_file, "--data-dir", self.path("engine"),
                             "--http.port", "0")
        return self.engine

    def test_kill_loses_nothing(self):
        engine = self.start()
        self.assertEqual(engine.ready["state"], "disk")
        head, hashes = engine.ready["genesisHash"], []
        for number in range(1, 7):
            head = engine.build(head, number)[0]["blockHash"]
            hashes.append(head)
        # Two of the six are final; then another branch from the fourth on is chosen.
        engine.choose(head, hashes[3], hashes[1])
        side = engine.build(hashes[3], 5, suggestedFeeRecipient="0x" + 40 * "9")[0]["blockHash"]
        engine.choose(side, hashes[3], hashes[1])
        for _ in range(2):
            engine = self.start()
            self.assertEqual(engine.wallet.result("eth_getBlockByNumber", "latest", False)["hash"], side)
            self.assertEqual(engine.wallet.result("eth_getBlockByNumber", "safe", False)["number"], "0x4")
            self.assertEqual(
                engine.wallet.result("eth_getBlockByNumber", "finalized", False)["number"], "0x2")
        # The branch that was left is there, too, and what is final is in the database.
        engine.choose(head, hashes[3], hashes[3])
        self.assertEqual(engine.wallet.result("eth_getBlockByNumber", "0x3", False)["hash"], hashes[2])
        engine = self.start()
        self.assertEqual(engine.result("eth_blockNumber"), "0x6")
        files = os.listdir(self.path("engine", "unfinal"))
        # Blocks 5 and 6 of the one branch and 5 of the other.
        self.assertEqual(len(files), 3, files)

    def test_kills_at_any_time(self):
        """Whatever it was doing: what was answered is there, and at most the call under way besides."""
        engine = self.start()
        hashes, chosen, random = [engine.ready["genesisHash"]], [0, 0], Random(7)
        kills = 0
        # A busy machine is slow to get anywhere.
        while kills < 12 or chosen[0] <= 12:
            kills += 1
            self.assertLess(kills, 60, "it does not get on")
            under_way = list(chosen)
            end = time.monotonic() + random.uniform(0.02, 0.3)
            killer = threading.Timer(end - time.monotonic(), engine.process.kill)
            killer.start()
            try:
                while True:
                    del hashes[chosen[0] + 1:]
                    hashes.append(engine.build(hashes[-1], len(hashes))[0]["blockHash"])
                    under_way = [len(hashes) - 1, max(0, len(hashes) - 3)]
                    engine.choose(hashes[under_way[0]], hashes[under_way[1]], hashes[under_way[1]])
                    chosen = list(under_way)
            except (OSError, http.client.HTTPException):
                killer.join()
            engine = self.start()
            head = engine.wallet.result("eth_getBlockByNumber", "latest", False)["hash"]
            self.assertIn(head, {hashes[chosen[0]], hashes[min(under_way[0], len(hashes) - 1)]})
            chosen[0] = hashes.index(head)
            final = int(engine.wallet.result("eth_getBlockByNumber", "finalized", False)["number"], 16)
            self.assertIn(final, range(chosen[1], max(chosen[1], under_way[1]) + 1))
            chosen[1] = final
            for number in (final, max(0, final - 5)):
                self.assertEqual(engine.wallet.result(
                    "eth_getBlockByNumber", hex(number), False)["hash"], hashes[number])

    def test_a_torn_file_is_no_block(self):
        engine = self.start()
        head = engine.ready["genesisHash"]
        for number in range(1, 4):
            head = engine.build(head, number)[0]["blockHash"]
        engine.choose(head)
        engine.kill()
        self.engine = None
        name = sorted(os.listdir(self.path("engine", "unfinal")))[2]
        path = self.path("engine", "unfinal", name)
        with open(path, "rb+") as file:
            file.truncate(100)
        engine = self.start()
        # Its head is not there, so it begins with what is final, and has the blocks before.
        self.assertEqual(engine.result("eth_blockNumber"), "0x0")
        self.assertFalse(os.path.exists(path))
        self.assertEqual(
            engine.result("engine_forkchoiceUpdatedV3", choice(head), None)["payloadStatus"]["status"],
            "SYNCING")

    def test_another_genesis_is_refused(self):
        self.start().kill()
        self.engine = None
        other = self.file("other.json", json.dumps({**FUNDED, "extraData": "0x01"}))
        outcome = chorale("engine", "--genesis", other, "--data-dir", self.path("engine"),
                          "--authrpc.port", "0")
        self.assertFails(outcome, 1, "chain belongs to the network", "another data directory")

    def test_transactions_wait_for_the_next_payload(self):
        engine = self.start()
        genesis = engine.ready["genesisHash"]
        # Signed by the funded account: 1 wei to 0x22…, nonces 0 and 1.
        hashes = [engine.wallet.result("eth_sendRawTransaction", raw) for raw in TRANSFERS]
        self.assertEqual(
            engine.wallet.result("eth_getTransactionCount", FUNDED_ACCOUNT, "pending"), "0x2")
        first, _ = engine.build(genesis, 1)
        self.assertEqual(first["transactions"], TRANSFERS)
        engine.choose(first["blockHash"])
        receipt = engine.wallet.result("eth_getTransactionReceipt", hashes[1])
        self.assertEqual((receipt["status"], receipt["blockNumber"]), ("0x1", "0x1"))
        self.assertEqual(engine.wallet.result("eth_getBalance", "0x" + 40 * "2", "latest"), "0x2")
        self.assertEqual(engine.build(first["blockHash"], 2)[0]["transactions"], [])
        # A branch without them: they wait again.
        empty = self.empty_block(engine, genesis)
        engine.choose(empty)
        self.assertIsNone(engine.wallet.result("eth_getTransactionReceipt", hashes[1]))
        again, _ = engine.build(empty, 2)
        self.assertEqual(again["transactions"], TRANSFERS)
        # And after all that, the first branch, where they are included already.
        engine.choose(first["blockHash"])
        self.assertEqual(engine.build(first["blockHash"], 3)[0]["transactions"], [])
        self.assertLess(
            engine.wallet.call("eth_sendRawTransaction", TRANSFERS[0])["error"]["code"], 0)

    def empty_block(self, engine, parent):
        """A block that another engine has built, without transactions."""
        other = Engine("--genesis", self.genesis_file, "--authrpc.jwtsecret", self.path("other.hex"))
        try:
            payload, _ = other.build(parent, 1)
        finally:
            other.kill()
        self.assertEqual(payload["transactions"], [])
        taken = engine.result("engine_newPayloadV3", payload, [], ZERO)
        self.assertEqual(taken["status"], "VALID")
        return payload["blockHash"]


class SmallDiskEngine(Engine):
    """An engine whose data directory is a small disk that only its own process sees.

    The database of a chain leaves 512 MiB of its disk free.
    """

    def __init__(self, directory, genesis):
        os.mkdir(directory)
        self.directory = directory
        script = 'mount -t tmpfs -o size=700m,mode=0700 tmpfs "$1" && shift && exec "$@"'
        # The secret lies outside, where the test can read it.
        super().__init__(
            "--genesis", genesis, "--data-dir", directory, "--authrpc.jwtsecret", directory + ".secret",
            prefix=["unshare", "--mount", "--propagation", "private", "sh", "-c", script, "sh",
                    directory])

    @property
    def disk(self):
        """The data directory, as seen from outside."""
        return f"/proc/{self.process.pid}/root{self.directory}"

    def fill(self):
        status = os.statvfs(self.disk)
        with open(os.path.join(self.disk, "ballast"), "wb") as file:
            file.write(bytes(status.f_bavail * status.f_frsize - (400 << 20)))

    def make_room(self):
        os.remove(os.path.join(self.disk, "ballast"))


@unittest.skipUnless(can_mount(), "a small disk of its own needs root and mount namespaces")
class EngineOnFullDiskTests(ProgramTest):
    def test_it_refuses_what_it_cannot_keep_and_goes_on(self):
        engine = SmallDiskEngine(self.path("small"), self.file("genesis.json", json.dumps(FUNDED)))
        self.addCleanup(engine.process.kill)
        head, hashes = engine.ready["genesisHash"], []
        for number in range(1, 5):
            head = engine.build(head, number)[0]["blockHash"]
            hashes.append(head)
        engine.choose(head, hashes[1], hashes[0])
        engine.fill()
        # Blocks that are not final are in memory; a final one must be on the disk before that is said.
        self.assertEqual(
            engine.code("engine_forkchoiceUpdatedV3", choice(head, hashes[2], hashes[1]), None), -32603)
        answer = engine.call("engine_forkchoiceUpdatedV3", choice(head, hashes[2], hashes[1]), None)
        self.assertIn("512 MiB are kept free", answer["error"]["data"]["err"])
        self.assertEqual(engine.result("eth_getBlockByNumber", "finalized", False)["number"], "0x1")
        # It goes on without finality.
        head = engine.build(head, 5)[0]["blockHash"]
        engine.choose(head, hashes[1], hashes[0])
        self.assertEqual(engine.result("eth_blockNumber"), "0x5")
        engine.make_room()
        engine.choose(head, hashes[2], hashes[1])
        self.assertEqual(engine.result("eth_getBlockByNumber", "finalized", False)["number"], "0x2")
        self.assertEqual(engine.end(), 0)


class UseCaseTests(ProgramTest):
    """What cross-validation is for, each with processes of its own (row by row of the design)."""

    def setUp(self):
        super().setUp()
        genesis = self.file("genesis.json", json.dumps(FUNDED))
        self.builder = Engine("--genesis", genesis, "--authrpc.jwtsecret", self.path("a.hex"),
                              "--http.port", "0")
        self.other = Engine("--genesis", genesis, "--authrpc.jwtsecret", self.path("b.hex"))
        self.genesis = self.builder.ready["genesisHash"]
        for raw in TRANSFERS:
            self.builder.wallet.result("eth_sendRawTransaction", raw)

    def tearDown(self):
        self.builder.kill()
        self.other.kill()
        super().tearDown()

    @staticmethod
    def stateless(engine, payload, witness):
        withheld = {**payload, "stateRoot": ZERO, "receiptsRoot": ZERO}
        return engine.result("engine_executeStatelessPayloadV3", withheld, [], ZERO, witness)

    def assertSame(self, verdict, payload):
        self.assertEqual(verdict, {
            "status": "VALID", "stateRoot": payload["stateRoot"],
            "receiptsRoot": payload["receiptsRoot"], "validationError": None})

    def test_a_builder_checks_its_own_block_before_it_is_published(self):
        chosen = self.builder.result(
            "engine_forkchoiceUpdatedWithWitnessV3", choice(self.genesis), wish(1))
        built = self.builder.result("engine_getPayloadV3", chosen["payloadId"])
        payload = built["executionPayload"]
        self.assertEqual(payload["transactions"], TRANSFERS)
        self.assertSame(self.stateless(self.other, payload, built["witness"]), payload)

    def test_a_block_of_somebody_else_is_checked_after_it_was_processed(self):
        payload, _ = self.builder.build(self.genesis, 1)
        # Another engine processes it, its witness is from that, and the first one checks.
        taken = self.other.result("engine_newPayloadWithWitnessV3", payload, [], ZERO)
        self.assertEqual(taken["status"], "VALID")
        self.assertSame(self.stateless(self.builder, payload, taken["witness"]), payload)
        # One that lies about its result is found out by both.
        wrong = {**payload, "gasUsed": "0x5208"}
        verdict = self.stateless(self.builder, wrong, taken["witness"])
        self.assertEqual((verdict["status"], verdict["stateRoot"]), ("INVALID", ZERO))
        self.assertIn("gas", verdict["validationError"])

    def test_stateless_clients_are_fed(self):
        """A full engine gives block and witness; a client with neither state nor genesis executes them."""
        payload, _ = self.builder.build(self.genesis, 1)
        self.builder.choose(payload["blockHash"])
        block = self.builder.wallet.result("debug_executionWitness", "latest")
        self.assertTrue(block["state"])
        taken = self.other.result("engine_newPayloadWithWitnessV3", payload, [], ZERO)
        witness = taken["witness"]
        self.assertSame(self.stateless(self.other, payload, witness), payload)
        # Half of the witness is not enough, and that is said.
        verdict = self.stateless(self.other, payload, witness[:len(witness) // 4 * 2])
        self.assertEqual(verdict["status"], "INVALID")
        self.assertTrue(verdict["validationError"])

    def test_a_stateless_validator_follows_blocks_by_their_witnesses(self):
        """A chain of blocks is judged in turn, each from nothing but its witness and the header before it."""
        head, payloads = self.genesis, []
        for number in range(1, 5):
            payload, witness = self.builder.build(head, number)
            payloads.append((payload, witness))
            head = payload["blockHash"]
        for payload, witness in payloads:
            self.assertSame(self.stateless(self.other, payload, witness), payload)
        # Another block's witness proves nothing of this one.
        verdict = self.stateless(self.other, payloads[1][0], payloads[2][1])
        self.assertEqual(verdict["status"], "INVALID")
        # The validator that was fed has no state and no chain of these blocks.
        self.assertEqual(self.other.result("eth_blockNumber"), "0x0")
