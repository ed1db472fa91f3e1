"""Single machines, in memory."""

from __future__ import annotations

import json

from .report import Report
from .system import Stage


def micro(stage: Stage, report: Report) -> None:
    """Yamux, Noise, gossip, kad and body machines, curves and proofs by themselves, per CPU second"""
    for line in stage.run_tool("micro").splitlines():
        told = json.loads(line)
        report.add(told["name"], told["unit"], told["value"])
