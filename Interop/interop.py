"""Runs Chorale against foreign implementations and prints the tables of what works."""

from __future__ import annotations

import argparse
import json
import re
import shutil
import signal
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from itertools import chain
from pathlib import Path
from types import FrameType
from typing import Callable, Iterator, NoReturn, Optional

from harness.columns import CHORALE_COLUMNS, FOREIGN_COLUMNS, Column
from harness.evm_rows import EVM_ROWS, REVM, EVMRow
from harness.fleet import Fleet, Part
from harness.peer import NotAvailable, PeerFailure
from harness.processes import Children
from harness.rows import ROWS, Row

HERE = Path(__file__).resolve().parent
PASSED, FAILED, UNAVAILABLE = "ok", "failed", "n/a"


@dataclass
class Result:
    row: str
    column: str
    status: str
    #: What was seen, or why not.
    text: str
    seconds: float


class Hung(BaseException):
    """A cell took longer than it may. No `Exception`, so that no cell can swallow it."""


class Stopped(BaseException):
    """Ctrl-C or SIGTERM."""


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="Interop/run",
        description="Chorale and foreign libp2p peers as real processes, in both directions; and its "
        "virtual machine beside revm, instruction by instruction.",
        epilog="example: Interop/run --only 'ping|kad' --chorale .build/release/chorale",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object instead")
    parser.add_argument(
        "--only", metavar="REGEX", type=_regex, help="run the cells whose 'row column' matches"
    )
    parser.add_argument("--chorale", metavar="PATH", type=Path, help="the program under test")
    parser.add_argument(
        "--foreign", action="store_true", help="the foreign peers among themselves, no Chorale"
    )
    parser.add_argument("--keep-logs", action="store_true", help="leave the peers' logs there")
    parser.add_argument("--p2pd", metavar="PATH", type=Path, required=True, help=argparse.SUPPRESS)
    return parser.parse_args()


def _regex(text: str) -> "re.Pattern[str]":
    try:
        return re.compile(text)
    except re.error as error:
        raise argparse.ArgumentTypeError(f"'{text}' is no regular expression: {error}")


def chorale_program(chosen: Optional[Path]) -> Path:
    candidates = (
        [chosen]
        if chosen is not None
        else [HERE.parent / ".build-test/release/chorale", HERE.parent / ".build/release/chorale"]
    )
    for path in candidates:
        if path.is_file():
            return path.resolve()
    fail(f"no program at {' or '.join(str(path) for path in candidates)}: run make build")


def fail(text: str) -> NoReturn:
    print(f"interop: {text}", file=sys.stderr)
    raise SystemExit(2)


def attempt(limit: int, check: Callable[[], str]) -> tuple[str, str, float]:
    """The status, the words and the seconds of one cell."""

    def hung(_number: int, _frame: Optional[FrameType]) -> None:
        raise Hung

    begin = time.monotonic()
    signal.signal(signal.SIGALRM, hung)
    try:
        signal.alarm(limit)
        status, text = PASSED, check()
    except NotAvailable as reason:
        status, text = UNAVAILABLE, str(reason)
    except Hung:
        status, text = FAILED, f"not over after {time.monotonic() - begin:.0f} s"
    except PeerFailure as failure:
        status, text = FAILED, str(failure)
    except Exception as error:  # a peer that answers nonsense fails its cell, not the run
        status, text = FAILED, f"{type(error).__name__}: {error}"
    finally:
        signal.alarm(0)
    return status, text, time.monotonic() - begin


def run_cell(fleet: Fleet, row: Row, column: Column) -> Result:
    status, text, seconds = attempt(row.limit, lambda: row.check(fleet, column))
    deaths = fleet.deaths(row.parts(column))
    if deaths:
        status, text = FAILED, f"{', '.join(deaths)} died; {text}"
    return Result(row.title, column.title, status, text, seconds)


def run_evm(program: Path, rows: list[EVMRow]) -> Iterator[Result]:
    for row in rows:
        status, text, seconds = attempt(row.limit, lambda: row.check(program))
        yield Result(row.title, REVM, status, text, seconds)


def run(fleet: Fleet, cells: list[tuple[Row, Column]]) -> Iterator[Result]:
    wanted: dict[Part, None] = {}
    for row, column in cells:
        for part in row.parts(column):
            wanted[part] = None
    fleet.start(list(wanted))
    for part in wanted:
        try:
            fleet[part]
        except PeerFailure:
            pass  # said again by the cells that need it
    for row, column in cells:
        yield run_cell(fleet, row, column)


# --- what is shown -------------------------------------------------------------------------------


def show_table(results: list[Result], titles: list[str]) -> None:
    columns = [title for title in titles if any(result.column == title for result in results)]
    results = [result for result in results if result.column in columns]
    if not results:
        return
    by_cell = {(result.row, result.column): result for result in results}
    rows = list(dict.fromkeys(result.row for result in results))
    wide = max(len(row) for row in rows)
    print()
    print(" " * wide, *(f"{column:<11}" for column in columns), sep="  ")
    for row in rows:
        cells = []
        for column in columns:
            result = by_cell.get((row, column))
            cells.append(f"{result.status if result else '-':<11}")
        print(f"{row:<{wide}}", *cells, sep="  ")
    print()


def show_reasons(results: list[Result]) -> None:
    for status in (UNAVAILABLE, FAILED):
        reasons: dict[tuple[str, str], list[str]] = {}
        for result in results:
            if result.status == status:
                reasons.setdefault((result.row, result.text), []).append(result.column)
        for (row, text), where in reasons.items():
            print(f"{status}: {row}, {', '.join(where)}: {text}")


def as_json(results: list[Result], seconds: float) -> str:
    counts = {
        status: sum(1 for result in results if result.status == status)
        for status in (PASSED, FAILED, UNAVAILABLE)
    }
    return json.dumps(
        {
            "cells": [
                {**asdict(result), "seconds": round(result.seconds, 3)} for result in results
            ],
            "passed": counts[PASSED],
            "failed": counts[FAILED],
            "unavailable": counts[UNAVAILABLE],
            "seconds": round(seconds, 1),
        },
        indent=2,
        ensure_ascii=False,
    )


def main() -> int:
    chosen = options()
    programs = {"go": chosen.p2pd}
    if not chosen.foreign:
        programs["chorale"] = chorale_program(chosen.chorale)
    columns = FOREIGN_COLUMNS if chosen.foreign else CHORALE_COLUMNS
    cells = [
        (row, column)
        for row in ROWS
        for column in columns
        if chosen.only is None or chosen.only.search(f"{row.title} {column.title}")
    ]
    evm_rows = [
        row
        for row in ([] if chosen.foreign else EVM_ROWS)
        if chosen.only is None or chosen.only.search(f"{row.title} {REVM}")
    ]
    if not cells and not evm_rows:
        fail(f"no cell matches '{chosen.only.pattern}'")

    def stop(number: int, _frame: Optional[FrameType]) -> None:
        raise Stopped(number)

    signal.signal(signal.SIGINT, stop)
    signal.signal(signal.SIGTERM, stop)
    begin = time.monotonic()
    # Unix socket paths are short, and a checkout's may not be.
    folder = Path(tempfile.mkdtemp(prefix="chorale-interop-"))
    children = Children(folder)
    results: list[Result] = []
    keep = chosen.keep_logs
    try:
        peers = run(Fleet(children, folder, programs), cells)
        machines = run_evm(programs["chorale"], evm_rows) if evm_rows else iter(())
        for result in chain(peers, machines):
            results.append(result)
            if not chosen.json:
                where = f"{result.row}, {result.column}"
                line = f"{result.status:<7} {where:<45} {result.seconds:5.1f} s  {result.text}"
                print(line[:200], flush=True)
        failed = sum(1 for result in results if result.status == FAILED)
        keep = keep or failed > 0
        if chosen.json:
            print(as_json(results, time.monotonic() - begin))
        else:
            show_table(results, [column.title for column in columns])
            show_table(results, [REVM])
            show_reasons(results)
            print(f"{time.monotonic() - begin:.0f} s")
        if keep:
            print(f"the peers' logs are in {folder}", file=sys.stderr)
        if not chosen.json:
            passed = sum(1 for result in results if result.status == PASSED)
            print(f"{passed} passed, {failed} failed", flush=True)
        return 1 if failed else 0
    except PeerFailure as failure:
        fail(str(failure))
    except Stopped as stopped:
        print("\ninterop: stopped", file=sys.stderr)
        return 128 + int(stopped.args[0])
    finally:
        # A second Ctrl-C must not leave processes behind.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        children.stop_all()
        if not keep:
            shutil.rmtree(folder, ignore_errors=True)


sys.exit(main())
