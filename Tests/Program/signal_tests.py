"""How a running node ends."""

import os
import signal
import subprocess
import time

import harness
from harness import ProgramTest, until


class SignalTests(ProgramTest):
    def pair(self):
        """Two nodes that are connected."""
        first = self.node("first")
        second = self.node("second", "--bootnodes", first.address)
        until("a connection", lambda: first.admin("admin", "peers", "--json").document)
        return first, second

    def test_asked_politely_it_drains_and_ends_in_time(self):
        for number in (signal.SIGTERM, signal.SIGINT):
            with self.subTest(number.name):
                first, second = self.pair()
                second.signal(number)
                status, took = second.wait(limit=8)
                self.assertEqual(status, 0, second.log)
                self.assertLess(took, 5)
                self.assertIn(f"signal={number.name}", second.log)
                self.assertTrue(second.log.splitlines()[-1].endswith("stopped"), second.log)
                self.assertFalse(os.path.exists(second.socket))
                # The other side was told, and did not have to find out.
                until("the end of the connection", lambda: "peer disconnected" in first.log, 2)
                first.end()
                second.end()

    def test_a_peer_that_hangs_does_not_keep_it(self):
        first, second = self.pair()
        first.signal(signal.SIGSTOP)
        second.signal(signal.SIGTERM)
        status, took = second.wait(limit=8)
        self.assertEqual(status, 0, second.log)
        self.assertLess(took, 5)

    def test_asked_twice_it_ends_at_once(self):
        first, second = self.pair()
        # A body on its way to a peer that does not take it keeps the connection from draining.
        first.signal(signal.SIGSTOP)
        second.signal(signal.SIGTERM)
        until("draining", lambda: "draining" in second.log)
        if second.process.poll() is not None:
            self.skipTest("it had ended before it could be asked again")
        begin = time.monotonic()
        second.signal(signal.SIGTERM)
        status, _ = second.wait(limit=8)
        took = time.monotonic() - begin
        self.assertEqual(status, 1, second.log)
        self.assertLess(took, 0.5)
        self.assertIn("ending at once", second.log)
        # The database does not mind.
        second.start()
        self.assertEqual(second.admin("admin", "info").status, 0)

    def test_while_it_starts(self):
        for wait in (0.0, 0.02, 0.05, 0.1, 0.2):
            node = self.node(f"node-{wait}", wait=False)
            time.sleep(wait)
            node.signal(signal.SIGTERM)
            status, took = node.wait(limit=8)
            # Before signals are watched, the kernel ends it.
            self.assertIn(status, (0, -signal.SIGTERM), node.log)
            self.assertLess(took, 5)

    def test_streams_of_clients_end_with_it(self):
        node = self.node()
        follower = subprocess.Popen(
            [harness.binary, "gossip", "subscribe", "--topic", "t", "--admin-socket", node.socket],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            env=harness.environment())
        until("the subscription", lambda: any(
            topic["topic"] == "t" for topic in node.admin("admin", "mesh", "--json").document))
        node.signal(signal.SIGTERM)
        status, _ = node.wait(limit=8)
        self.assertEqual(status, 0, node.log)
        _, error = follower.communicate(timeout=5)
        self.assertEqual(follower.returncode, 1)
        self.assertIn("stopping", error.decode())
