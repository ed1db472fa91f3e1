"""Four validators on loopback: empty blocks, full ones, and who comes late."""

from __future__ import annotations

import json
import time
from pathlib import Path

from .report import Report
from .system import Stage, cpu_seconds, note, resident_bytes
from .validators import Validators, catch_up, metric, thread_seconds

VALIDATORS = 4
#: Heights that a node needs to be in step with the others.
WARM_UP = 5
#: Accounts of a validator whose memory is measured.
ACCOUNTS = 1_000_000


def percentile(values: list[float], percent: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))]


def chain(stage: Stage, report: Report) -> None:
    """four validators: commit latency, transfers and gas a second, late joiners and their loop's turns"""
    validators = Validators(stage, "chain", VALIDATORS)
    try:
        empty_blocks(stage, report, validators)
        rate, _ = catch_up(validators, "joiner-empty")
        report.floor("late joiner, blocks of a network that makes one a second", "1/s", rate, 20)
        load(stage, report, validators)
        rate, metrics = catch_up(validators, "joiner-full")
        report.add("late joiner, the same with full blocks", "1/s", rate)
        report.add(
            "loop turns p99 of a node that imports full blocks", "ms",
            1e3 * metric(metrics, "chorale_loop_turn_p99_seconds"))
        report.at_most(
            "the longest of them", "ms", 1e3 * metric(metrics, "chorale_loop_turn_max_seconds"), 50)
    finally:
        validators.close()


def empty_blocks(stage: Stage, report: Report, validators: Validators) -> None:
    heights = 40 if stage.is_quick else 300
    validators.wait(WARM_UP + heights, 60 + 3 * heights)
    times = [
        float(line["milliseconds"])
        for index in range(VALIDATORS)
        for line in validators.commits(index)
        if WARM_UP < line["height"] <= WARM_UP + heights and line["count"] == 0
    ]
    note(f"{len(times)} commits of empty blocks: {min(times):g} to {max(times):g} ms")
    report.at_most("commit of an empty block, 4 validators, p50", "ms", percentile(times, 50), 30)
    report.at_most("commit of an empty block, 4 validators, p99", "ms", percentile(times, 99), 80)


def load(stage: Stage, report: Report, validators: Validators) -> None:
    seconds = 20 if stage.is_quick else 60
    pids = [node.pid for node in validators.nodes[:VALIDATORS]]
    before = validators.height()
    used, threads = cpu_seconds(pids), thread_seconds(pids[1])
    start = time.monotonic()
    told = validators.load(seconds)
    took = time.monotonic() - start
    used = cpu_seconds(pids) - used
    blocks = [line for line in validators.commits() if line["height"] > before and line["count"] > 0]
    note(f"load: {json.dumps(told)}")
    note(f"{len(blocks)} blocks, {max((b['count'] for b in blocks), default=0)} transactions at most")
    report.add("transfers, 4 validators on this machine", "1/s", told["includedPerSecond"])
    report.add(
        "the same in gas", "Mgas/s",
        sum(block["gas"] for block in blocks) / 1e6 / max(seconds, 1))
    report.add("CPU of a validator meanwhile", "%", 100 * used / took / VALIDATORS)
    if blocks:
        report.add(
            "commit of a block with transfers, p50", "ms",
            percentile([float(block["milliseconds"]) for block in blocks], 50))
    # Which layer: threads are named after what they do.
    own = thread_seconds(pids[1])
    share = {name: own[name] - threads.get(name, 0) for name in own}
    whole = sum(share.values()) or 1
    for name, value in sorted(share.items(), key=lambda item: -item[1])[:4]:
        report.add(f"of that, thread `{name}`", "%", 100 * value / whole)


def accounts(stage: Stage, report: Report) -> None:
    """memory of a validator whose state has a million accounts, under a load of transfers"""
    path = stage.folder / "alloc.json"
    with open(path, "w", encoding="utf-8") as file:
        file.write("{")
        for index in range(ACCOUNTS):
            comma = "," if index else ""
            file.write(f'{comma}"0x{(1 << 32) + index:040x}":{{"balance":"0xde0b6b3a7640000"}}')
        file.write("}")
    validators = Validators(stage, "accounts", 1, alloc=path)
    try:
        validators.wait(3, 300)
        validators.load(20 if stage.is_quick else 120)
        pid = validators.nodes[0].pid
        note(f"peak {peak_bytes(pid) / 2**20:.0f} MiB")
        report.at_most(
            "resident memory of a validator, a million accounts", "MiB", resident_bytes(pid) / 2**20,
            300)
        report.at_most(
            "the same at its highest, genesis included", "MiB", peak_bytes(pid) / 2**20, 300)
    finally:
        validators.close()


def peak_bytes(pid: int) -> int:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    raise RuntimeError(f"process {pid} has no resident set")
