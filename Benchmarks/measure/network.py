"""The program as it is shipped, in a network of twenty."""

from __future__ import annotations

import base64
import json
import os
import random
import socket
import subprocess
import time
from pathlib import Path

from .chorale import TOPIC
from .gossip import DEGREE, NODES, random_graph
from .report import Report
from .system import Stage, median, note, private_bytes, resident_bytes, until

MESSAGES = 400
BODY = 4 * 1024 * 1024


class Program:
    """One `chorale run` and its admin socket."""

    def __init__(
        self, process: subprocess.Popen[bytes], path: Path, patience: float = 20
    ) -> None:
        self._process, self.pid = process, process.pid
        self._count = 0
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(30)

        def is_open() -> bool:
            if process.poll() is not None:
                raise RuntimeError(f"chorale run ended with status {process.returncode}")
            try:
                self._socket.connect(str(path))
                return True
            except OSError:
                return False

        until(is_open, patience, f"the admin socket {path}")
        self._lines = self._socket.makefile("rb")

    def call(self, method: str, **parameters: object) -> object:
        self._count += 1
        request = {"jsonrpc": "2.0", "id": self._count, "method": method, "params": parameters}
        self._socket.sendall(json.dumps(request).encode() + b"\n")
        answer = json.loads(self._lines.readline())
        if "error" in answer:
            raise RuntimeError(f"{method}: {answer['error']['message']}")
        return answer["result"]

    @property
    def accepted(self) -> int:
        return int(self.call("chorale_counters")["gossip_messages_accepted"])  # type: ignore[index]

    @property
    def has_body(self) -> bool:
        return any(body["isComplete"] for body in self.call("chorale_bodies"))  # type: ignore[attr-defined]

    def close(self) -> None:
        self._socket.close()


def base_port() -> int:
    """The first of enough ports, side by side, that nobody listens on now."""
    while True:
        first = random.randrange(20_000, 32_000)
        probes = []
        try:
            for port in range(first, first + 2 * NODES):
                probe = socket.socket()
                probes.append(probe)
                probe.bind(("127.0.0.1", port))
            return first
        except OSError:
            continue
        finally:
            for probe in probes:
                probe.close()


def start(stage: Stage) -> list[Program]:
    folder = stage.folder / "network"
    made = subprocess.run(
        [str(stage.program), "genesis", "--validators", str(NODES), "--output", str(folder),
         "--base-port", str(base_port()), "--seed", "1", "--json"],
        capture_output=True, text=True, check=True,
    )
    nodes = json.loads(made.stdout)["nodes"]
    neighbours: list[list[str]] = [[] for _ in range(NODES)]
    for a, b in random_graph(1):
        neighbours[a].append(nodes[b]["address"])
    processes = [
        stage.children.start(
            node["name"],
            [str(stage.program), "run", "--data-dir", node["dataDir"], "--bootnodes",
             ",".join(neighbours[index]), "--gossip-topics", TOPIC],
        )
        for index, node in enumerate(nodes)
    ]
    return [
        Program(process, Path(node["dataDir"]) / "chorale.ipc")
        for process, node in zip(processes, nodes)
    ]


def network(stage: Stage, report: Report) -> None:
    """memory of 20 nodes of `chorale run`, with their databases, while they gossip and carry a body"""
    nodes = start(stage)
    try:
        until(
            lambda: all(int(node.call("admin_nodeInfo")["peerCount"]) >= DEGREE for node in nodes),  # type: ignore[index]
            30, f"{DEGREE} peers of each node",
        )
        time.sleep(10)
        describe("formed", nodes)
        before = sum(node.accepted for node in nodes)
        for index in range(MESSAGES):
            data = base64.b64encode(os.urandom(1024)).decode()
            nodes[index % NODES].call("chorale_publish", topic=TOPIC, base64=data)
            time.sleep(1 / 40)
        until(
            lambda: sum(node.accepted for node in nodes) - before >= MESSAGES * (NODES - 1), 20,
            "all messages of 1 KiB",
        )
        gossiped = describe("after gossip", nodes)
        path = stage.folder / "body"
        path.write_bytes(os.urandom(BODY))
        nodes[0].call("chorale_publishBody", kind="generic", file=str(path))
        until(lambda: all(node.has_body for node in nodes), 60, "the body everywhere")
        carried = describe("after a body", nodes)
        time.sleep(5)
        describe("five seconds later", nodes)
    finally:
        for node in nodes:
            node.close()
    report.at_most(
        "resident memory of `chorale run`, one of the 20, gossiping", "MiB", gossiped, 25)
    report.add("the same, pages of its own", "MiB", private(nodes))
    report.add("the same, after a body of 4 MiB", "MiB", carried)


def describe(when: str, nodes: list[Program]) -> float:
    """The median resident set, in MiB."""
    resident = [resident_bytes(node.pid) / 2**20 for node in nodes]
    note(
        f"{when}: resident {median(resident):.1f} MiB, at most {max(resident):.1f}; "
        f"of its own {private(nodes):.1f}"
    )
    return median(resident)


def private(nodes: list[Program]) -> float:
    return median([private_bytes(node.pid) / 2**20 for node in nodes])
