"""Rows of results, as a table and as JSON."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Optional


@dataclass
class Row:
    """One number of Chorale, beside what it is compared with."""

    name: str
    unit: str
    chorale: float
    go: Optional[float] = None
    pipeline: Optional[float] = None
    revm: Optional[float] = None
    #: What the ratio is of, and how it is compared with the goal.
    ratio: Optional[float] = None
    goal: Optional[str] = None
    met: Optional[bool] = None


class Report:
    def __init__(self) -> None:
        self.rows: list[Row] = []
        self.failures: dict[str, str] = {}
        #: What was not measured because its data are not here.
        self.omissions: dict[str, str] = {}

    def add(self, name: str, unit: str, chorale: float, **more: object) -> None:
        self.rows.append(Row(name, unit, chorale, **more))  # type: ignore[arg-type]

    def at_least(
        self, name: str, unit: str, chorale: float, goal: float, *, go: Optional[float] = None,
        pipeline: Optional[float] = None, revm: Optional[float] = None,
    ) -> None:
        """A rate: how many times the other's it is."""
        other = next((value for value in (go, pipeline, revm) if value is not None), None)
        assert other is not None
        ratio = chorale / other if other else None
        self.add(
            name, unit, chorale, go=go, pipeline=pipeline, revm=revm, ratio=ratio,
            goal=f"≥ {goal:g} ×", met=ratio is not None and ratio >= goal,
        )

    def floor(self, name: str, unit: str, chorale: float, goal: float) -> None:
        """A rate that has nothing beside it."""
        self.add(name, unit, chorale, goal=f"≥ {goal:g} {unit}", met=chorale >= goal)

    def at_most(
        self, name: str, unit: str, chorale: float, goal: float, *, go: Optional[float] = None
    ) -> None:
        """A cost: which part of the other's it is, or how large it is where there is none."""
        if go is None:
            self.add(name, unit, chorale, goal=f"≤ {goal:g} {unit}", met=chorale <= goal)
            return
        ratio = chorale / go if go else None
        self.add(
            name, unit, chorale, go=go, ratio=ratio, goal=f"≤ {goal:.2g} ×",
            met=ratio is not None and ratio <= goal,
        )

    def failure(self, name: str, reason: str) -> None:
        self.failures[name] = reason

    def left_out(self, name: str, reason: str) -> None:
        self.omissions[name] = reason

    def document(self) -> dict[str, object]:
        return {
            "rows": [asdict(row) for row in self.rows], "failures": self.failures,
            "leftOut": self.omissions,
        }

    def table(self) -> str:
        heads = ("what", "unit", "chorale", "go", "pipeline", "revm", "ratio", "goal", "")
        lines = [heads]
        for row in self.rows:
            verdict = "" if row.met is None else "met" if row.met else "MISSED"
            lines.append(
                (row.name, row.unit, _text(row.chorale), _text(row.go), _text(row.pipeline),
                 _text(row.revm), _text(row.ratio), row.goal or "", verdict)
            )
        widths = [max(len(line[column]) for line in lines) for column in range(len(heads))]
        text = []
        for line in lines:
            cells = [
                cell.ljust(width) if column in (0, 1, 7, 8) else cell.rjust(width)
                for column, (cell, width) in enumerate(zip(line, widths))
            ]
            text.append("  ".join(cells).rstrip())
        text += [f"{name}: left out: {reason}" for name, reason in self.omissions.items()]
        text += [f"{name}: failed: {reason}" for name, reason in self.failures.items()]
        return "\n".join(text)


def _text(value: Optional[float]) -> str:
    if value is None:
        return ""
    if value == 0 or abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}"
