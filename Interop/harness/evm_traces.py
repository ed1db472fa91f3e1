"""Traces of Chorale's virtual machine and of revm, line by line.

Both trace as EIP-3155 has it. Where that leaves a choice Chorale writes what geth writes, and revm something
else; each such place is named here and turned into the other's form exactly. Nothing else is passed over,
but `returnData`, which revm's tracer leaves empty.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable, Iterator, Optional

from .evm_cases import Case, fixtures, hand_written, official
from .peer import NotAvailable, PeerFailure

#: Tests of each official file, and words that revm is asked for, of one test and of all: pyrevm writes
#: its lines a word or a sign at a time, some 50,000 words a second.
FILE_MAX, WORDS_MAX, WORDS_TOTAL_MAX = 3, 10_000, 500_000

CREATIONS = {"CREATE", "CREATE2"}
#: Why code is not deployed. The instruction that returned it ran all the same, which is all revm says.
DEPLOYMENT_ERRORS = {
    "contract creation code storage out of gas",
    "max code size exceeded",
    "invalid code: must not begin with 0xef",
}
#: revm's older name.
NAMES = {"DIFFICULTY": "PREVRANDAO"}

Line = dict[str, Any]


@dataclass
class Trace:
    lines: list[Line]
    summary: Line


def traces(text: str) -> Iterator[Trace]:
    """The traces of several tests, each ended by a line that names its test."""
    lines: list[Line] = []
    for row in text.splitlines():
        line = json.loads(row)
        if "test" in line:
            yield Trace(lines, line)
            lines = []
        else:
            lines.append(line)
    if lines:
        raise PeerFailure(f"{len(lines)} lines of a trace without an end")


# --- one form for both ---------------------------------------------------------------------------


def of_chorale(trace: Trace) -> list[Line]:
    return [_of_chorale(line) for line in trace.lines]


def _of_chorale(line: Line) -> Line:
    name, gas, cost = line["opName"], int(line["gas"], 16), int(line["gasCost"], 16)
    error: Optional[str] = line.get("error")
    end = ""
    if error == "execution reverted":
        end = "reverted"
    elif error is not None and not (name == "RETURN" and error in DEPLOYMENT_ERRORS):
        end = "failed"
    if end == "failed":
        # Chorale: all that the frame had. revm: what was taken before the failure was seen.
        if cost != gas:
            raise PeerFailure(f"a {name} that failed costs {cost} and not {gas} gas")
        cost = -1
    elif name in CREATIONS:
        # Chorale and geth: what the instruction itself costs. revm: what the initcode gets as well,
        # all but one 64th of the rest.
        rest = gas - cost
        cost += rest - rest // 64
    fields = ["pc", "op", "opName", "stack", "depth", "refund", "memSize"]
    return {**{field: line[field] for field in fields}, "gas": gas, "gasCost": cost, "end": end}


def of_revm(trace: Trace) -> list[Line]:
    rows: list[Line] = []
    # The refund that each frame began with, by depth. revm: of the frame alone, as it was before the
    # instruction. Chorale and geth: of the whole transaction, and an SSTORE shows what it leaves.
    begin = [0, 0]
    for line in trace.lines:
        depth = line["depth"]
        if rows and depth > rows[-1]["depth"]:
            begin[depth:] = [rows[-1]["refund"]]
        refund = int(line["refund"], 16)
        refund = begin[depth] + (refund - (1 << 64) if refund >> 63 else refund)
        if rows and rows[-1]["opName"] == "SSTORE" and not rows[-1]["end"]:
            rows[-1]["refund"] = refund
        error = line.get("error", "CallOrCreate")
        end = {"CallOrCreate": "", "Revert": "reverted"}.get(error, "failed")
        name = line.get("opName") or f"opcode {line['op']:#x} not defined"
        rows.append(
            {
                "pc": line["pc"],
                "op": line["op"],
                "opName": NAMES.get(name, name),
                "stack": line["stack"],
                "depth": depth,
                "refund": refund,
                "memSize": int(line["memSize"]),
                "gas": int(line["gas"], 16),
                "gasCost": -1 if end == "failed" else int(line["gasCost"], 16),
                "end": end,
            }
        )
    return rows


def difference(ours: Trace, theirs: Trace) -> Optional[str]:
    """What is first unlike in the traces, in a line; nil if nothing is."""
    refused = "refused" in theirs.summary
    if refused or "error" in ours.summary:
        if refused and "error" in ours.summary and not ours.lines and not theirs.lines:
            return None
        return f"Chorale: {ours.summary.get('error')}; revm: {theirs.summary.get('refused')}"
    left, right = of_chorale(ours), of_revm(theirs)
    for index, (one, other) in enumerate(zip(left, right)):
        for field in one:
            if one[field] != other[field]:
                return (
                    f"line {index + 1}, {one['opName']} at {one['pc']}: {field} is"
                    f" {one[field]}, revm has {other[field]}"
                )
    if len(left) != len(right):
        return f"{len(left)} lines, revm has {len(right)}"
    for field in ["pass", "gasUsed", "output"]:
        if ours.summary[field] != theirs.summary[field]:
            return f"{field} is {ours.summary[field]}, revm has {theirs.summary[field]}"
    return None


# --- running both --------------------------------------------------------------------------------


def chorale_traces(program: Path, file: Path) -> dict[str, Trace]:
    run = subprocess.run(
        [program, "evm", "statetest", "--trace", file], capture_output=True, text=True
    )
    # Exit status 1: the roots are those of the original tests, not of the prepared ones.
    text = "".join(
        line for line in run.stderr.splitlines(keepends=True) if line.startswith("{")
    )
    return {trace.summary["test"]: trace for trace in traces(text)}


def revm_traces(file: Path) -> dict[str, Trace]:
    script = Path(__file__).with_name("revm_process.py")
    run = subprocess.run([sys.executable, script, file], capture_output=True, text=True)
    if run.returncode != 0:
        raise PeerFailure(f"revm: {run.stderr.strip().splitlines()[-1:]}")
    return {trace.summary["test"]: trace for trace in traces(run.stdout)}


def compared(program: Path, cases: dict[str, Case]) -> str:
    with tempfile.TemporaryDirectory(prefix="chorale-traces-") as folder:
        file = Path(folder) / "cases.json"
        file.write_text(json.dumps(cases), encoding="utf-8")
        ours = chorale_traces(program, file)
        missing = [name for name in cases if name not in ours]
        if missing:
            raise PeerFailure(f"no trace of {len(missing)} tests, such as {missing[0]}")
        chosen: dict[str, Case] = {}
        total = 0
        for name, case in cases.items():
            words = sum(12 + len(line["stack"]) for line in ours[name].lines)
            if words <= WORDS_MAX and total + words <= WORDS_TOTAL_MAX:
                total += words
                chosen[name] = case
        file.write_text(json.dumps(chosen), encoding="utf-8")
        theirs = revm_traces(file)
    faults = []
    for name in chosen:
        fault = difference(ours[name], theirs[name])
        if fault is not None:
            faults.append(f"{name}: {fault}")
    if faults:
        raise PeerFailure(f"{len(faults)} of {len(chosen)} tests: {faults[0]}")
    lines = [line for name in chosen for line in ours[name].lines]
    ends = sum("error" in line for line in lines)
    return f"{len(chosen)} tests, {len(lines)} instructions, {ends} that fail or revert"


def require_revm() -> None:
    try:
        import pyrevm  # noqa: F401
    except ImportError as error:
        raise NotAvailable(f"pyrevm is not installed: {error}") from None


def by_hand(fork: str) -> Callable[[Path], str]:
    def check(program: Path) -> str:
        require_revm()
        return compared(program, hand_written(fork))

    return check


def by_fixtures(fork: str) -> Callable[[Path], str]:
    def check(program: Path) -> str:
        require_revm()
        root = fixtures()
        if not (root / "state").is_dir():
            raise NotAvailable(f"no EVM fixtures at {root}: set CHORALE_EVM_FIXTURES")
        return compared(program, dict(official(root, fork, FILE_MAX)))

    return check
