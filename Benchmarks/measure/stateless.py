"""Real blocks from their witnesses."""

from __future__ import annotations

import gzip
import json
import os
from pathlib import Path

from .report import Report
from .requests import Asked
from .system import Stage, median, note, resident_bytes

#: Mgas a second of one core, everything included.
SPEED_GOAL = 100
#: Most that decoding may be of the whole, in percent.
DECODE_GOAL = 10
#: Most that a witness may cost over doing without, in percent.
OVERHEAD_GOAL = 10

#: Ways to execute a block; `RealBlock.swift` says what each is.
WAYS = (
    "stateless", "keeping-codes", "flat", "stateless-rootless", "flat-rootless", "plain", "noting",
    "witness",
)


def fixtures() -> Path:
    """The blocks that were collected for the tests."""
    default = Path(__file__).resolve().parents[3] / "shared" / "evm"
    folder = Path(os.environ.get("CHORALE_EVM_FIXTURES") or default) / "real"
    if not folder.is_dir():
        raise RuntimeError(
            f"there are no real blocks in {folder}: set CHORALE_EVM_FIXTURES to the folder of the "
            "execution tests' data, in which they are real/*.json.gz")
    return folder


def stateless(stage: Stage, report: Report) -> None:
    """real blocks from their witnesses: speed, its parts, and what statelessness and recording cost"""
    tool = stage.execution("stateless")
    rounds = 5 if stage.is_quick else 15
    gas = seconds = 0.0
    # Of all blocks, in milliseconds.
    together: dict[str, float] = dict.fromkeys((*WAYS, "decode", "stages"), 0)
    for path in sorted(fixtures().glob("*.json.gz")):
        name, block = opened(stage, tool, path)
        number, size = block["number"], block["gas"] / 1e6
        stages = [tool.ask(f"stages {number}") for _ in range(rounds)]
        kept = [tool.ask(f"stages {number} keeping-codes") for _ in range(rounds)]
        rows: dict[str, list[float]] = {way: [] for way in WAYS}
        for _ in range(rounds):
            for way in WAYS:
                rows[way].append(tool.ask(f"way {number} {way}")["seconds"])
        # Medians, in milliseconds.
        part, known = (
            {key: 1e3 * median([told[key] for told in all_told]) for key in all_told[0]}
            for all_told in (stages, kept))
        took = {way: 1e3 * median(values) for way, values in rows.items()}
        note(f"{name}: " + ", ".join(f"{key} {value:.2f}" for key, value in part.items()) + " ms")
        note(f"{name}: " + ", ".join(f"{key} {value:.2f}" for key, value in took.items()) + " ms")
        report.floor(
            f"{name}, stateless, one core", "Mgas/s", 1e3 * size / took["stateless"], SPEED_GOAL)
        report.at_most(
            f"{name}, decoding's part", "%", 100 * known["decode"] / sum(known.values()),
            DECODE_GOAL)
        report.add(
            f"{name}, the same with no code known", "%",
            100 * part["decode"] / sum(part.values()))
        report.at_most(
            f"{name}, over a flat state", "%", over(took["keeping-codes"], took["flat"]),
            OVERHEAD_GOAL)
        report.add(
            f"{name}, the same without the root", "%",
            over(took["stateless-rootless"], took["flat-rootless"]))
        report.at_most(
            f"{name}, recording over plain", "%", over(took["witness"], took["plain"]),
            OVERHEAD_GOAL)
        for way, value in took.items():
            together[way] += value
        together["decode"] += known["decode"]
        together["stages"] += sum(known.values())
        gas += size
        seconds += took["stateless"] / 1e3
    report.floor("all real blocks, stateless, one core", "Mgas/s", gas / seconds, SPEED_GOAL)
    report.at_most(
        "all real blocks, decoding's part", "%", 100 * together["decode"] / together["stages"],
        DECODE_GOAL)
    report.at_most(
        "all real blocks, over a flat state", "%",
        over(together["keeping-codes"], together["flat"]), OVERHEAD_GOAL)
    report.at_most(
        "all real blocks, recording over plain", "%", over(together["witness"], together["plain"]),
        OVERHEAD_GOAL)


def disk(stage: Stage, report: Report) -> None:
    """real blocks on a state that lies in a database, over the same in memory"""
    tool = stage.execution("disk")
    rounds = 5 if stage.is_quick else 15
    over_memory: dict[str, list[float]] = {
        "cached": [], "cold": [], "unchecked": [], "commit": []}
    for path in sorted(fixtures().glob("*.json.gz")):
        name, block = opened(stage, tool, path)
        folder = stage.folder / f"{name}.state"
        answers = [tool.ask(f"disk {block['number']} {folder}") for _ in range(rounds)]
        nodes = answers[0].pop("nodes")
        # Medians, in milliseconds.
        took = {
            key: 1e3 * median([told[key] for told in answers])
            for key in answers[0] if key != "nodes"}
        for key, ratios in over_memory.items():
            ratios.append(took[key] / took["memory"])
        note(
            f"{name}: " + ", ".join(f"{key} {value:.2f}" for key, value in took.items())
            + f" ms, {nodes} nodes")
    for key, what in (
        ("cached", "state on disk, nodes in the cache"),
        ("cold", "state on disk, nodes from the database"),
        ("unchecked", "the same without hashing them"), ("commit", "writing the new nodes"),
    ):
        report.add(f"{what}, over executing in memory", "", median(over_memory[key]))


def witness(stage: Stage, report: Report) -> None:
    """encodings of a witness of 17 MB, and memory after many stateless calls"""
    tool = stage.execution("witness")
    rounds = 5 if stage.is_quick else 15
    answers = [tool.ask("rlp") for _ in range(rounds)]
    report.at_most(
        "witness of 17 MB, RLP encoded and decoded", "ms",
        1e3 * median([answer["encode"] + answer["decode"] for answer in answers]), 60)
    answers = [tool.ask("hex") for _ in range(rounds)]
    for way in ("encode", "decode"):
        report.floor(
            f"hexadecimal, {way}, of bytes", "GB/s",
            answers[0]["size"] / 1e9 / median([answer[way] for answer in answers]), 2)

    serving = stage.execution("calls")
    blocks = [opened(stage, serving, path) for path in sorted(fixtures().glob("*.json.gz"))]
    # The smallest, so that the number of calls is what counts.
    name, block = min(blocks, key=lambda entry: entry[1]["gas"])
    count = 2000 if stage.is_quick else 10_000
    serving.ask(f"calls {block['number']} {count // 10}")
    early = resident_bytes(serving.pid)
    serving.ask(f"calls {block['number']} {count - count // 10}")
    grown = (resident_bytes(serving.pid) - early) / (1 << 20)
    note(f"{name}: {early / (1 << 20):.1f} MiB after {count // 10} calls")
    # What the allocator happens to keep differs by less.
    report.at_most(f"growth from {count // 10:,} to {count:,} stateless calls", "MiB", grown, 2)


def over(cost: float, base: float) -> float:
    return 100 * (cost / base - 1)


def opened(stage: Stage, tool: Asked, path: Path) -> tuple[str, dict[str, int]]:
    """Gives the tool a block and its witness in RLP."""
    name = path.name.removesuffix(".json.gz")
    with gzip.open(path) as file:
        case = json.load(file)
    parts = case["witness"]
    block, encoding = stage.folder / f"{name}.block", stage.folder / f"{name}.witness"
    block.write_bytes(_bytes(case["block"]))
    encoding.write_bytes(
        _list([
            _list([_bytes(header) for header in parts["headers"]]),
            _list([_string(_bytes(code)) for code in parts["codes"]]),
            _list([_string(_bytes(node)) for node in parts["state"]]),
            _list([]),
        ]))
    return name, tool.ask(f"open {case['network']} {block} {encoding}")


# RLP, as far as a witness has it.


def _bytes(digits: str) -> bytes:
    return bytes.fromhex(digits.removeprefix("0x"))


def _header(base: int, size: int) -> bytes:
    if size < 56:
        return bytes([base + size])
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes([base + 55 + len(length)]) + length


def _string(value: bytes) -> bytes:
    if len(value) == 1 and value[0] < 0x80:
        return value
    return _header(0x80, len(value)) + value


def _list(items: list[bytes]) -> bytes:
    payload = b"".join(items)
    return _header(0xC0, len(payload)) + payload
