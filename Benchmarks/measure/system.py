"""What the kernel says of processes, and the processes of one measurement."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Callable, Iterable

from harness.processes import Children

from .chorale import ChoraleNode
from .go import GoNode
from .requests import Asked

_TICKS = os.sysconf("SC_CLK_TCK")


def cpu_seconds(pids: Iterable[int]) -> float:
    """User and system time that the processes have used, all threads together."""
    total = 0
    for pid in pids:
        fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
        total += int(fields[11]) + int(fields[12])
    return total / _TICKS


def resident_bytes(pid: int) -> int:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    raise RuntimeError(f"process {pid} has no resident set")


def private_bytes(pid: int) -> int:
    """The part of the resident set that no other process shares: not the pages of libraries."""
    total = 0
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith(("Private_Clean:", "Private_Dirty:")):
            total += int(line.split()[1]) * 1024
    return total


def tcp_bytes_sent(pids: Iterable[int]) -> int:
    """Bytes that open TCP sockets of the processes have handed to the network."""
    wanted = set(pids)
    listing = subprocess.run(
        ["ss", "-tinpOH"], capture_output=True, text=True, check=True
    ).stdout
    total = 0
    for line in listing.splitlines():
        owner = re.search(r"pid=(\d+)", line)
        sent = re.search(r"bytes_sent:(\d+)", line)
        if owner and sent and int(owner[1]) in wanted:
            total += int(sent[1])
    return total


def median(values: list[float]) -> float:
    ordered = sorted(values)
    middle = len(ordered) // 2
    if len(ordered) % 2:
        return ordered[middle]
    return (ordered[middle - 1] + ordered[middle]) / 2


def until(condition: Callable[[], bool], seconds: float, what: str) -> None:
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise RuntimeError(f"{what}: not within {seconds:g} s")
        time.sleep(0.05)


def note(text: str) -> None:
    print(f"bench:   {text}", file=sys.stderr)


class Stage:
    """Where one measurement's processes live and end."""

    def __init__(
        self, folder: Path, tool: Path, program: Path, pipeline: Path, p2pd: Path, revm: Path,
        is_quick: bool,
    ) -> None:
        self.tool, self.program, self.pipeline, self.p2pd = tool, program, pipeline, p2pd
        self._revm = revm
        self.folder, self.is_quick = folder, is_quick
        self.children = Children(folder)
        self._nodes: list[ChoraleNode | GoNode] = []

    def chorale(self, name: str, **options: int) -> ChoraleNode:
        node = ChoraleNode(name, self.children, self.tool, self.folder, **options)
        self._nodes.append(node)
        return node

    def go(self, name: str) -> GoNode:
        node = GoNode(name, self.children, self.p2pd, self.folder)
        self._nodes.append(node)
        node.ready()
        return node

    def execution(self, name: str) -> Asked:
        """`chorale-bench execution`, which is asked for one measurement after the other."""
        return Asked(name, self.children, self.folder, [str(self.tool), "execution"])

    def revm(self, name: str) -> Asked:
        """The same for revm."""
        script = Path(__file__).resolve().parents[1] / "revm.py"
        return Asked(name, self.children, self.folder, [str(self._revm), str(script)])

    def run_tool(self, *arguments: str, timeout: float = 180) -> str:
        return subprocess.run(
            [str(self.tool), *arguments], capture_output=True, text=True, check=True,
            timeout=timeout,
        ).stdout

    def close(self) -> None:
        for node in self._nodes:
            node.close()
        self.children.stop_all()
