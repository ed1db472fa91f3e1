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
from typing import Any, Callable, Iterable, Iterator, Optional, Sequence

from .evm_cases import Case, fixtures, hand_written, official
from .peer import NotAvailable, PeerFailure

#: Tests of each official file; words that revm is asked for, of one test and of all. pyrevm writes its lines a
#: word or a sign at a time: some ten thousand words a second.
FILE_MAX, WORDS_MAX, WORDS_TOTAL_MAX = 2, 5_000, 150_000
#: Lines of a test beyond which nobody looks at it.
LINES_MAX = WORDS_MAX // 12

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
    #: None if there are too many.
    lines: Optional[list[Line]]
    summary: Line


def traces(output: Iterable[str]) -> Iterator[Trace]:
    """The traces of several tests, each ended by a line that names its test.

    Those with more than `LINES_MAX` lines come without any.
    """
    lines: list[str] = []
    for line in output:
        # Behind the traces come words for people.
        if not line.startswith("{"):
            continue
        if line.startswith('{"pc"'):
            if len(lines) <= LINES_MAX:
                lines.append(line)
            continue
        whole = [json.loads(line) for line in lines] if len(lines) <= LINES_MAX else None
        yield Trace(whole, json.loads(line))
        lines = []
    if lines:
        raise PeerFailure("a trace without an end")


# --- one form for both ---------------------------------------------------------------------------


def of_chorale(trace: Trace) -> list[Line]:
    return [_of_chorale(line) for line in trace.lines or []]


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
    fields = ["pc", "op", "opName", "stack", "depth", "refund", "memSize"]
    return {**{field: line[field] for field in fields}, "gas": gas, "gasCost": cost, "end": end}


def of_revm(trace: Trace) -> list[Line]:
    rows: list[Line] = []
    # The refund that each frame began with, by depth. revm: of the frame alone, as it was before the
    # instruction. Chorale and geth: of the whole transaction, and an SSTORE shows what it leaves.
    begin = [0, 0]
    for line in trace.lines or []:
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
    for row, following in zip(rows, rows[1:]):
        if row["opName"] in CREATIONS and not row["end"]:
            row["gasCost"] = creation_cost(row, following)
    return rows


def creation_cost(row: Line, following: Line) -> int:
    """revm: with what the initcode gets, all but one 64th. Chorale and geth: of the instruction alone."""
    kept = row["gas"] - row["gasCost"]
    if following["depth"] > row["depth"]:
        return row["gas"] - kept - following["gas"]
    if following["gas"] > kept:
        # Nothing was begun, for want of money or nonces: all came back.
        return row["gas"] - following["gas"]
    # The address was taken, and all that the initcode would have got is gone: its size tells.
    words = (int(row["stack"][-3], 16) + 31) // 32
    memory = memory_gas(following["memSize"]) - memory_gas(row["memSize"])
    return 32_000 + words * (2 if row["opName"] == "CREATE" else 8) + memory


def memory_gas(size: int) -> int:
    return size // 32 * 3 + (size // 32) ** 2 // 512


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
    fields = ["pass", "gasUsed", "output"]
    if left and ours.lines and ours.lines[-1].get("error") in DEPLOYMENT_ERRORS:
        # Code that is not deployed: revm puts it out, as if it were.
        fields.remove("output")
        if ours.summary["output"] != "0x":
            return f"output is {ours.summary['output']} of a creation that failed"
    for field in fields:
        if ours.summary[field] != theirs.summary[field]:
            return f"{field} is {ours.summary[field]}, revm has {theirs.summary[field]}"
    return None


# --- running both --------------------------------------------------------------------------------


def traced(command: Sequence[object], *, on_errors: bool) -> dict[str, Trace]:
    """Runs a program that writes traces to standard error, or else to standard output."""
    with tempfile.TemporaryFile("w+") as other:
        with subprocess.Popen(
            [str(part) for part in command],
            stdout=other if on_errors else subprocess.PIPE,
            stderr=subprocess.PIPE if on_errors else other,
            text=True,
        ) as process:
            try:
                stream = process.stderr if on_errors else process.stdout
                assert stream is not None
                found = {trace.summary["test"]: trace for trace in traces(stream)}
            except BaseException:
                process.kill()
                raise
        other.seek(0)
        # Chorale's status is 1: the roots are those of the original tests, not of the prepared ones.
        if process.returncode not in ([0, 1] if on_errors else [0]):
            words = other.read().strip().splitlines()[-1:]
            raise PeerFailure(f"{command[0]} ended with {process.returncode}: {words}")
    return found


def chorale_traces(program: Path, file: Path) -> dict[str, Trace]:
    return traced([program, "evm", "statetest", "--trace", file], on_errors=True)


def revm_traces(file: Path) -> dict[str, Trace]:
    script = Path(__file__).with_name("revm_process.py")
    return traced([sys.executable, script, file], on_errors=False)


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
            lines = ours[name].lines
            if lines is None:
                continue
            words = sum(12 + len(line["stack"]) for line in lines)
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
    seen = [line for name in chosen for line in ours[name].lines or []]
    ends = sum("error" in line for line in seen)
    return f"{len(chosen)} tests, {len(seen)} instructions, {ends} that fail or revert"


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
