"""A chain of real validators, as `chorale genesis` and `chorale run` make it."""

from __future__ import annotations

import json
import shutil
import subprocess
import time
import urllib.request
from collections import defaultdict
from pathlib import Path
from typing import Any, Iterator

from .network import Program, base_port
from .system import _TICKS, Stage, note, until

#: What a network makes public, for whoever joins.
PUBLIC = ("config.yaml", "genesis.json", "validators.yaml", "network-digest", "bootnodes.txt")


class Validators:
    """The processes of a fresh network with a block a second, and what they say."""

    def __init__(
        self, stage: Stage, name: str, count: int, *, accounts: int = 100, alloc: Path | None = None
    ) -> None:
        self.stage, self.folder = stage, stage.folder / name
        self.ports = base_port()
        command = [
            str(stage.program), "genesis", "--validators", str(count), "--output", str(self.folder),
            "--base-port", str(self.ports), "--block-time", "1", "--accounts", str(accounts), "--json"]
        if alloc is not None:
            command += ["--alloc", str(alloc)]
        made = subprocess.run(command, capture_output=True, text=True, check=False, timeout=900)
        if made.returncode != 0:
            raise RuntimeError(f"chorale genesis: {made.stderr.strip()}")
        self.rpc = f"127.0.0.1:{self.ports + 2 * count}"
        self._free = self.ports + 2 * count + 1
        self.names: list[str] = []
        self.nodes: list[Program] = []
        for index, node in enumerate(json.loads(made.stdout)["nodes"]):
            more = ["--rpc-address", self.rpc] if index == 0 else []
            self._start(f"{name}-{node['name']}", Path(node["dataDir"]), *more)

    def _start(self, name: str, home: Path, *more: str) -> Program:
        process = self.stage.children.start(
            name, [str(self.stage.program), "run", "--data-dir", str(home), "--log-format", "json", *more])
        self.names.append(name)
        self.nodes.append(Program(process, home / "chorale.ipc", patience=600))
        return self.nodes[-1]

    def join(self, name: str) -> tuple[Program, str]:
        """Starts an observer from the public files. Gives it, and where its metrics are."""
        public, home = self.folder / f"{name}-public", self.folder / name
        public.mkdir()
        for file in PUBLIC:
            shutil.copy(self.folder / file, public)
        subprocess.run(
            [str(self.stage.program), "init", "--data-dir", str(home), "--network", str(public)],
            capture_output=True, check=True, timeout=300)
        metrics = f"127.0.0.1:{self._free}"
        self._free += 1
        node = self._start(
            name, home, "--listen", "/ip4/127.0.0.1/tcp/0", "--address-policy", "local",
            "--metrics-address", metrics)
        return node, metrics

    def commits(self, index: int = 0) -> Iterator[dict[str, Any]]:
        """What a node's log says of the heights that it committed."""
        path = self.stage.children.log_folder / f"{self.names[index]}.log"
        with open(path, encoding="utf-8", errors="replace") as log:
            for line in log:
                if '"message":"committed"' in line and line.endswith("\n"):
                    yield json.loads(line)

    def height(self, index: int = 0) -> int:
        return height(self.nodes[index])

    def wait(self, wanted: int, seconds: float) -> None:
        until(lambda: self.height() >= wanted, seconds, f"height {wanted}")

    def load(self, seconds: int) -> dict[str, Any]:
        """As many transfers as the first node takes. What `chorale load` says."""
        told = subprocess.run(
            [str(self.stage.program), "load", "--rpc", f"http://{self.rpc}", "--accounts",
             str(self.folder / "accounts.yaml"), "--rate", "0", "--duration", str(seconds), "--json"],
            capture_output=True, text=True, check=False, timeout=seconds + 120)
        if told.returncode != 0:
            raise RuntimeError(f"chorale load: {told.stderr.strip()}")
        return json.loads(told.stdout)

    def close(self) -> None:
        for node in self.nodes:
            node.close()


def height(node: Program) -> int:
    told = node.call("chorale_chain")
    latest = told.get("height", 0)  # type: ignore[attr-defined]
    return int(latest if not isinstance(latest, str) else int(latest, 0))


def metric(address: str, name: str) -> float:
    with urllib.request.urlopen(f"http://{address}/metrics", timeout=10) as page:
        for line in page.read().decode().splitlines():
            if line.startswith(f"{name} "):
                return float(line.split()[1])
    raise RuntimeError(f"http://{address}/metrics has no {name}")


def thread_seconds(pid: int) -> dict[str, float]:
    """CPU seconds of a process's threads, by their names."""
    total: dict[str, float] = defaultdict(float)
    for task in Path(f"/proc/{pid}/task").iterdir():
        try:
            name = (task / "comm").read_text().strip()
            fields = (task / "stat").read_text().rsplit(")", 1)[1].split()
        except OSError:
            continue
        total[name] += (int(fields[11]) + int(fields[12])) / _TICKS
    return dict(total)


def catch_up(validators: Validators, name: str) -> tuple[float, str]:
    """Blocks a second of a late joiner, from its first block to the last that there was; its metrics."""
    target = validators.height()
    node, metrics = validators.join(name)
    first: tuple[int, float] | None = None
    end = time.monotonic() + 300
    while True:
        now, reached = time.monotonic(), height(node)
        if reached > 0 and first is None:
            first = (reached, now)
        if reached >= target:
            break
        if now > end:
            raise RuntimeError(f"{name} is at height {reached} of {target} after 300 s")
        time.sleep(0.02)
    assert first is not None
    # All of it before the first look: then that look is what is known.
    took = max(now - first[1], 0.02)
    note(f"{name}: height {first[0]} to {reached} in {took:.2f} s")
    return max(reached - first[0], 1) / took, metrics
