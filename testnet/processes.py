"""Processes of a local network: starting and asking them, and the ports that they get. Used by testnet/run."""

import json
import os
import socket
import subprocess

import chain as chains

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


class Failure(Exception):
    """Something that ends the run, in words for a person."""


class Admin:
    """A client of one node's admin socket: JSON-RPC 2.0, one object a line."""

    def __init__(self, path, timeout=10.0):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.settimeout(timeout)
        self.socket.connect(path)
        self.buffer = b""
        self.count = 0
        self.notifications = []

    def close(self):
        self.socket.close()

    def line(self):
        while b"\n" not in self.buffer:
            chunk = self.socket.recv(1 << 16)
            if not chunk:
                raise Failure("the admin socket was closed")
            self.buffer += chunk
        line, self.buffer = self.buffer.split(b"\n", 1)
        return json.loads(line)

    def send(self, method, **params):
        self.count += 1
        request = {"jsonrpc": "2.0", "id": self.count, "method": method, "params": params}
        self.socket.sendall(json.dumps(request).encode() + b"\n")
        return self.count

    def receive(self, number):
        while True:
            answer = self.line()
            if answer.get("id") == number:
                if "error" in answer:
                    raise Failure(answer["error"]["message"])
                return answer["result"]
            if "method" in answer:
                self.notifications.append(answer)

    def call(self, method, **params):
        return self.receive(self.send(method, **params))


class Node:
    """One process and what is known of it."""

    def __init__(self, name, role, directory, binary, log_level):
        self.name, self.role, self.directory = name, role, directory
        self.binary, self.log_level = binary, log_level
        self.process = None
        self.peer_id = ""
        self.state = "down"
        self.peers = self.mesh = self.dht = self.received = self.sent = 0
        self.bodies = {}
        # What `chorale run` is told besides, and what the node says of its chain.
        self.flags = []
        self.rpc = None
        self.is_stateless = False
        self.chain = chains.Status()

    @property
    def socket_path(self):
        return os.path.join(self.directory, "chorale.ipc")

    def start(self, without_bootnodes=False):
        arguments = [self.binary, "run", "--data-dir", self.directory, "--log-level", self.log_level]
        arguments += self.flags
        if without_bootnodes:
            arguments += ["--bootnodes", ""]
        log = open(os.path.join(self.directory, "node.log"), "ab")
        # A group of its own, so that Ctrl-C reaches this script first.
        self.process = subprocess.Popen(
            arguments, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
        log.close()
        self.state = "starting"

    def check_alive(self):
        if self.process is None or self.process.poll() is None:
            return
        with open(os.path.join(self.directory, "node.log"), errors="replace") as log:
            last = "".join(log.readlines()[-3:]).strip()
        raise Failure(f"{self.name} exited with status {self.process.returncode}: {last}")

    def admin(self, timeout=10.0):
        return Admin(self.socket_path, timeout)

    def call(self, method, **params):
        client = self.admin()
        try:
            return client.call(method, **params)
        finally:
            client.close()

    def refresh(self):
        """Reads what the table shows. A node that does not answer is shown so, not an error."""
        try:
            client = self.admin(timeout=3.0)
        except OSError:
            if self.state not in ("killed", "starting"):
                self.state = "silent"
            return
        try:
            info = client.call("admin_nodeInfo")
            peers = client.call("chorale_peers")
            mesh = client.call("chorale_mesh")
            dht = client.call("chorale_dht")
            counters = client.call("chorale_counters")
            self.peer_id = info["id"]
            self.peers = len(peers)
            self.mesh = max((len(topic["mesh"]) for topic in mesh), default=0)
            self.dht = dht.get("peerCount", 0)
            self.received = counters.get("node_bytes_received", 0)
            self.sent = counters.get("node_bytes_sent", 0)
            for body in client.call("chorale_bodies"):
                self.bodies[body["root"]] = body
            self.state = "up"
        except (OSError, Failure, ValueError):
            self.state = "silent"
        finally:
            client.close()

    def stop(self):
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()

    def kill(self):
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait()


PORTS_PER_CLAIM = 128


def free_ports(count, wanted):
    """The first of `count` free consecutive ports, and a claim on them.

    A network that starts at the same instant finds the same ports free, so they are claimed first:
    by names in the abstract namespace of Unix sockets, which the kernel gives to one process and
    takes back when that ends. The claim lasts as long as this process.
    """
    for base in range(wanted, 60000, PORTS_PER_CLAIM):
        claim = []
        try:
            last = (base + count - 1) // PORTS_PER_CLAIM
            for block in range(base // PORTS_PER_CLAIM, last + 1):
                name = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
                claim.append(name)
                name.bind(f"\0chorale-testnet-ports-{block}")
            for port in range(base, base + count):
                with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
                    probe.bind(("127.0.0.1", port))
            return base, claim
        except OSError:
            for name in claim:
                name.close()
    raise Failure("no run of free ports on 127.0.0.1")


def binary_path(given):
    if given:
        return os.path.abspath(given)
    for folder in (".build/release", ".build-test/release"):
        path = os.path.join(ROOT, folder, "chorale")
        if os.access(path, os.X_OK):
            return path
    raise Failure("no chorale binary: run `make build`, or give --chorale PATH")
