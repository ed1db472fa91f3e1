"""Processes of `chorale-bench` and the lines they are told."""

from __future__ import annotations

import json
import socket
import time
from pathlib import Path
from typing import Any

from harness.processes import Children

TOPIC = "bench"


class Control:
    """A process that says its address and then answers lines on a Unix socket, one each."""

    def __init__(self, name: str, children: Children, folder: Path, command: list[str]) -> None:
        self.name = name
        control = folder / f"{name}.sock"
        self._process = children.start(name, [*command, "--control", str(control)], pipes=True)
        self.pid = self._process.pid
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"{name} said nothing: its log is {folder / name}.log")
        self.address: str = json.loads(line)["address"]
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(120)
        end = time.monotonic() + 5
        while True:
            try:
                self._socket.connect(str(control))
                break
            except OSError:
                if time.monotonic() > end:
                    raise
                time.sleep(0.02)
        self._lines = self._socket.makefile("rb")

    def ask(self, line: str) -> str:
        self._socket.sendall(line.encode() + b"\n")
        answer = self._lines.readline().decode().strip()
        if not answer or answer.startswith("failed"):
            raise RuntimeError(f"{self.name}: {line}: {answer or 'the process is gone'}")
        return answer

    def told(self, line: str) -> dict[str, Any]:
        return json.loads(self.ask(line))

    def close(self) -> None:
        self._socket.close()


class ChoraleNode(Control):
    def __init__(
        self, name: str, children: Children, tool: Path, folder: Path, *, seed: int = 1,
        peers: int = 2048, plain: int = 0,
    ) -> None:
        super().__init__(
            name, children, folder,
            [str(tool), "node", "--topic", TOPIC, "--seed", str(seed), "--peers", str(peers),
             "--plain", str(plain)])

    def connect(self, address: str) -> None:
        self.ask(f"dial {address}")

    def publish(self, size: int) -> None:
        self.ask(f"publish {size} 1 1")

    def stats(self) -> dict[str, int]:
        return json.loads(self.ask("stats"))

    @property
    def peer_count(self) -> int:
        return self.stats()["peers"]

    @property
    def delivered(self) -> int:
        """Messages of others that it has taken in."""
        return self.stats()["gossip_messages_accepted"]

    def lag(self) -> dict[str, float]:
        return json.loads(self.ask("lag"))

    def perf(self, address: str, upload: int, download: int) -> float:
        return json.loads(self.ask(f"perf {address} {upload} {download}"))["seconds"]
