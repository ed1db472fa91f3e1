"""Single machines, in memory."""

from __future__ import annotations

import json
import os
from pathlib import Path

from .report import Report
from .system import Stage

ROOT = Path(__file__).resolve().parents[2]


def vectors() -> list[str]:
    """Where others' proofs are, for the tool; nothing where they are not."""
    folder = Path(os.environ.get("CHORALE_VECTORS") or ROOT.parent / "shared" / "vectors")
    return ["--vectors", str(folder)] if folder.is_dir() else []


def micro(stage: Stage, report: Report) -> None:
    """Yamux, Noise, gossip, kad and body machines, curves, proofs and votes by themselves, per CPU second"""
    told = stage.run_tool("micro", "--models", str(ROOT / "models"), *vectors(), timeout=600)
    for line in told.splitlines():
        row = json.loads(line)
        if "left_out" in row:
            report.left_out(row["name"], row["left_out"])
        elif "at_most" in row:
            report.at_most(row["name"], row["unit"], row["value"], row["at_most"])
        elif "at_least" in row:
            report.floor(row["name"], row["unit"], row["value"], row["at_least"])
        else:
            report.add(row["name"], row["unit"], row["value"])
