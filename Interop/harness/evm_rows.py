"""The rows of the second table: virtual machines, which need no peers."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Callable

from .evm_cases import FORKS
from .evm_traces import by_fixtures, by_hand

#: The one column.
REVM = "revm"


@dataclass(frozen=True)
class EVMRow:
    title: str
    #: Seconds after which it counts as hung.
    limit: int
    #: Of the program; raises when the row fails; returns a few words on what was seen.
    check: Callable[[Path], str]


EVM_ROWS = [
    row
    for fork in FORKS
    for row in (
        EVMRow(f"traces by hand, {fork}", 240, by_hand(fork)),
        EVMRow(f"traces of official tests, {fork}", 600, by_fixtures(fork)),
    )
]
