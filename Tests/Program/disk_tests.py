"""A disk that becomes full under a running node, and has room again."""

import json
import os
import signal
import subprocess
import unittest
import urllib.error
import urllib.request

import harness
from harness import Node, ProgramTest, until


def can_mount():
    """Whether this user may have a small disk in a mount namespace of its own."""
    probe = subprocess.run(
        ["unshare", "--mount", "--propagation", "private", "mount", "-t", "tmpfs", "tmpfs", "/mnt"],
        capture_output=True, check=False)
    return probe.returncode == 0


class SmallDiskNode(Node):
    """A node whose data directory is a disk of 64 MiB that only its own process sees.

    A database leaves 32 MiB of its disk free, so half of it is what a node may use.
    """

    def __init__(self, directory, *flags):
        os.mkdir(directory)
        # The key is made inside: what is on the disk goes with the process.
        script = (
            'mount -t tmpfs -o size=64m,mode=0700 tmpfs "$1" && '
            '"$2" init --data-dir "$1" >/dev/null && shift && exec "$@"')
        super().__init__(
            directory, "--admin-socket", directory + ".ipc", *flags,
            prefix=["unshare", "--mount", "--propagation", "private", "sh", "-c", script, "sh",
                    directory])

    @property
    def socket(self):
        return self.directory + ".ipc"

    @property
    def disk(self):
        """The data directory, as seen from outside."""
        return f"/proc/{self.process.pid}/root{self.directory}"

    def fill(self, leaving):
        status = os.statvfs(self.disk)
        size = status.f_bavail * status.f_frsize - leaving
        with open(os.path.join(self.disk, "ballast"), "wb") as file:
            file.write(bytes(max(0, size)))

    def make_room(self):
        os.remove(os.path.join(self.disk, "ballast"))

    def complete_bodies(self):
        return {body["root"] for body in self.admin("body", "list", "--json").document
                if body["isComplete"]}


@unittest.skipUnless(can_mount(), "a small disk of its own needs root and mount namespaces")
class FullDiskTests(ProgramTest):
    def health(self, node):
        address = next(line.split("address=")[1].split()[0]
                       for line in node.log.splitlines() if "serving HTTP" in line)
        try:
            with urllib.request.urlopen(f"http://{address}/health", timeout=5) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            return error.code, json.load(error)

    def publish(self, node, name, size):
        published = node.admin(
            "body", "publish", "--json", self.file(name, os.urandom(size)))
        self.assertEqual(published.status, 0, str(published))
        return published.document["root"]

    def test_intake_stops_and_goes_on(self):
        other = self.node("other")
        node = SmallDiskNode(
            self.path("small"), "--http-address", "127.0.0.1:0", "--bootnodes", other.address)
        self.nodes.append(node)
        until("a connection", lambda: other.admin("admin", "peers", "--json").document)
        first = self.publish(other, "first", 500_000)
        until("a body while there is room", lambda: first in node.complete_bodies())
        self.assertEqual(self.health(node), (200, {"status": "ok"}))

        node.fill(leaving=100_000)
        roots = [self.publish(other, f"body-{index}", 4_000_000) for index in range(3)]
        until("the log to say so", lambda: "no room left on the disk" in node.log)
        self.assertIn(node.directory, node.log)
        until("health to say so", lambda: self.health(node)[0] == 503, 5)
        self.assertIn("no room left", self.health(node)[1]["reason"])
        # It lives, answers, says no to its own user, and keeps what it had.
        refused = node.admin("body", "publish", self.file("own", os.urandom(4_000_000)))
        self.assertEqual(refused.status, 1, str(refused))
        self.assertFalse(set(roots) & node.complete_bodies())
        self.assertIn(first, node.complete_bodies())
        self.assertEqual(node.admin("body", "get", first, "--output", self.path("copy")).status, 0)

        # What was begun goes on; what was announced meanwhile was not taken, and later things are.
        begun = {body["root"] for body in node.admin("body", "list", "--json").document}
        self.assertTrue(begun & set(roots))
        node.make_room()
        until("what was begun", lambda: begun <= node.complete_bodies(), 30)
        later = self.publish(other, "later", 4_000_000)
        until("a later body", lambda: later in node.complete_bodies())
        self.assertIn("database works again", node.log)
        until("health", lambda: self.health(node)[0] == 200, 5)

    def test_it_ends_in_good_order_on_a_full_disk(self):
        other = self.node("other")
        node = SmallDiskNode(self.path("small"), "--bootnodes", other.address)
        self.nodes.append(node)
        until("a connection", lambda: other.admin("admin", "peers", "--json").document)
        node.fill(leaving=0)
        self.publish(other, "body", 6_000_000)
        until("the log to say so", lambda: "no room left on the disk" in node.log)
        node.signal(signal.SIGTERM)
        status, took = node.wait(limit=8)
        self.assertEqual(status, 0, node.log)
        self.assertLess(took, 5)

    def test_it_does_not_start_without_room(self):
        directory = self.path("small")
        os.mkdir(directory)
        script = (
            'mount -t tmpfs -o size=1m,mode=0700 tmpfs "$1" && "$2" init --data-dir "$1" >/dev/null'
            ' && exec "$2" run --data-dir "$1" --listen /ip4/127.0.0.1/tcp/0')
        done = subprocess.run(
            ["unshare", "--mount", "--propagation", "private", "sh", "-c", script, "sh", directory,
             harness.binary],
            capture_output=True, timeout=harness.LIMIT, check=False, env=harness.environment())
        self.assertFails(
            harness.Outcome(done.returncode, done.stdout.decode(), done.stderr.decode()), 1,
            "no room left on the disk", directory, "free some space")
