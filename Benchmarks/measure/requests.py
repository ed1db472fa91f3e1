"""A process that answers each line it is given with one line of JSON."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from harness.processes import Children


class Asked:
    def __init__(self, name: str, children: Children, folder: Path, command: list[str]) -> None:
        self._name, self._log = name, folder / f"{name}.log"
        self._process = children.start(name, command, pipes=True)
        self.pid = self._process.pid

    def tell(self, line: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(line.encode() + b"\n")
        self._process.stdin.flush()

    def ask(self, line: str) -> Any:
        self.tell(line)
        assert self._process.stdout is not None
        answer = self._process.stdout.readline()
        if not answer:
            said = self._log.read_text(errors="replace").strip()
            raise RuntimeError(f"{self._name}: no answer to '{line}': {said}")
        return json.loads(answer)
