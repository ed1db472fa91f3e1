"""Starts the program, and gives what it said."""

import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
LIMIT = 20  # seconds until a command that does not end is a failure

binary = ""


class Missing(Exception):
    pass


def find_binary(given):
    """The binary asked for, or the last one that `make` built."""
    paths = [given] if given else [
        os.path.join(ROOT, folder, "chorale") for folder in (".build-test/release", ".build/release")]
    for path in paths:
        if os.access(path, os.X_OK):
            return os.path.abspath(path)
    raise Missing(f"no program at {' or '.join(paths)}: run `make build`, or give --chorale PATH")


def environment(**variables):
    """That of whoever runs the tests, without what would configure a node."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("CHORALE_")}
    return {**kept, **variables}


class Outcome:
    def __init__(self, status, output, error):
        self.status, self.output, self.error = status, output, error

    def __str__(self):
        return f"status {self.status}\n--- output\n{self.output}--- error\n{self.error}"

    @property
    def document(self):
        return json.loads(self.output)


def chorale(*arguments, stdin=subprocess.DEVNULL, cwd=None, **variables):
    """Runs one command to its end."""
    done = subprocess.run(
        [binary, *arguments], stdin=stdin, capture_output=True, timeout=LIMIT, check=False, cwd=cwd,
        env=environment(**variables))
    return Outcome(
        done.returncode, done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace"))


def until(what, condition, limit=LIMIT):
    """Waits until `condition()` is true and returns what it gave."""
    deadline = time.monotonic() + limit
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"{what}: not within {limit} s")
        time.sleep(0.05)


class Node:
    """A running node on loopback. Its log is in `log` of its directory."""

    def __init__(self, directory, *flags, prefix=(), wait=True):
        self.directory, self.prefix = directory, list(prefix)
        if not os.path.exists(os.path.join(directory, "identity.key")) and not prefix:
            made = chorale("init", "--data-dir", directory)
            assert made.status == 0, str(made)
        self.flags = ["--listen", "/ip4/127.0.0.1/tcp/0", "--address-policy", "local", *flags]
        self.start(wait=wait)

    def start(self, *flags, wait=True):
        # Outside the data directory: the disk of that may be full.
        self.log_path = self.directory + ".log"
        log = open(self.log_path, "ab")
        self.process = subprocess.Popen(
            [*self.prefix, binary, "run", "--data-dir", self.directory, *self.flags, *flags],
            stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment())
        log.close()
        if wait:
            self.ready()

    def ready(self):
        def answers():
            assert self.process.poll() is None, f"ended at once: {self.log}"
            info = chorale("admin", "info", "--json", "--admin-socket", self.socket)
            return info.document if info.status == 0 and info.document["listenAddr"] else None

        self.info = until("an admin socket and a listener", answers)
        self.id = self.info["id"]
        self.address = self.info["addresses"][0] if self.info["addresses"] else None

    @property
    def socket(self):
        return os.path.join(self.directory, "chorale.ipc")

    @property
    def log(self):
        with open(self.log_path, errors="replace") as file:
            return file.read()

    def admin(self, *arguments):
        return chorale(*arguments, "--admin-socket", self.socket)

    def signal(self, number):
        self.process.send_signal(number)

    def wait(self, limit=LIMIT):
        """Exit status, and how many seconds it took to end."""
        begin = time.monotonic()
        status = self.process.wait(timeout=limit)
        return status, time.monotonic() - begin

    def end(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
            self.process.kill()
        self.process.wait()


class ProgramTest(unittest.TestCase):
    """A test with a directory of its own; its nodes end with it."""

    def setUp(self):
        self.directory = tempfile.mkdtemp(prefix="chorale-program-")
        self.nodes = []

    def tearDown(self):
        for node in self.nodes:
            node.end()
        shutil.rmtree(self.directory, ignore_errors=True)

    def path(self, *parts):
        return os.path.join(self.directory, *parts)

    def node(self, name="node", *flags, **options):
        node = Node(self.path(name), *flags, **options)
        self.nodes.append(node)
        return node

    def file(self, name, content):
        path = self.path(name)
        with open(path, "wb") as file:
            file.write(content if isinstance(content, bytes) else content.encode())
        return path

    def initialised(self, name="node"):
        """The directory of a node that does not run."""
        made = chorale("init", "--data-dir", self.path(name))
        self.assertEqual(made.status, 0, str(made))
        return self.path(name)

    def assertFails(self, outcome, status, *words):
        """One line on standard error that has all words, and nothing on standard output."""
        self.assertEqual(outcome.status, status, str(outcome))
        self.assertEqual(outcome.output, "", str(outcome))
        first = outcome.error.splitlines()[0] if outcome.error else ""
        self.assertTrue(first.startswith("chorale: "), str(outcome))
        # Wrong usage adds how it is right.
        if status == 1:
            self.assertEqual(len(outcome.error.splitlines()), 1, str(outcome))
        for word in words:
            self.assertIn(word, first, str(outcome))


def listening_socket():
    """A port of this process."""
    server = socket.create_server(("127.0.0.1", 0))
    return server, server.getsockname()[1]
