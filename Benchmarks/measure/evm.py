"""The virtual machine beside revm's."""

from __future__ import annotations

import json

from .report import Report
from .system import Stage, median, note

#: Least part of revm's speed.
GOAL = 0.5


def evm(stage: Stage, report: Report) -> None:
    """loops and transactions on the virtual machine, and the same on revm"""
    chorale = stage.execution("evm-chorale")
    loads = chorale.ask("loads")
    revm = stage.revm("evm-revm")
    revm.tell(json.dumps(loads))
    for load in loads:
        name = load["name"]
        ours: list[float] = []
        theirs: list[float] = []
        for _ in range(5 if stage.is_quick else 15):
            mine, other = chorale.ask(f"run {name}"), revm.ask(name)
            # The same gas is the same work. pyrevm runs transactions as parts of one, so that what one
            # has touched is warm for the next: where there are several, it has less to do.
            if mine["gas"] != other["gas"] and (
                len(load["calls"]) == 1 or mine["gas"] < other["gas"]
            ):
                raise RuntimeError(f"{name}: {mine['gas']} gas, but revm uses {other['gas']}")
            ours.append(mine["seconds"])
            theirs.append(other["seconds"])
        if len(load["calls"]) == 1:
            unit, amount = "Mgas/s", mine["gas"] / 1e6
        else:
            unit, amount = "1/s", len(load["calls"])
            note(f"{name}: {mine['gas']} gas, in pyrevm {other['gas']}")
        report.at_least(
            name, unit, amount / median(ours), GOAL, revm=amount / median(theirs))
