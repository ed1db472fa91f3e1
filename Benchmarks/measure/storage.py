"""Small records in the node's database, beside RocksDB's own benchmark."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

from .report import Report
from .system import Stage, median, note

#: Records of a batch, and whether each batch is synced.
KINDS = ((1, False), (128, False), (128, True))
#: Which part of db_bench's rate is to be reached.
GOAL = 0.7
#: The family that the records go to, as the store's options file names it.
FAMILY = "witness"


def storage(stage: Stage, report: Report) -> None:
    """200-byte records through Chorale's store, beside RocksDB's own db_bench with the same settings"""
    db_bench = shutil.which("db_bench")
    if db_bench is None:
        raise RuntimeError("there is no db_bench: apt-get install rocksdb-tools")
    rounds = 3 if stage.is_quick else 5
    for batch, is_synced in KINDS:
        count = (200_000 if batch == 1 else 400_000) // (1 if not stage.is_quick else 2)
        own, other = [], []
        for _ in range(rounds):
            folder = stage.folder / "records"
            told = json.loads(stage.run_tool(
                "records", "--directory", str(folder), "--count", str(count), "--batch", str(batch),
                "--sync", str(int(is_synced))))
            own.append(count / told["seconds"])
            options = settings(folder, stage.folder / "db_bench.options")
            shutil.rmtree(folder)
            other.append(fill(db_bench, stage.folder / "db_bench", options, count, batch, is_synced))
        name = f"records of 200 bytes, batches of {batch}, " + ("synced" if is_synced else "not synced")
        note(f"{name}: {[round(rate) for rate in own]}, db_bench {[round(rate) for rate in other]}")
        report.at_least(name, "1/s", median(own), GOAL, pipeline=median(other))


def settings(database: Path, path: Path) -> Path:
    """What RocksDB says that the store has set, with the settings of one family as those of the only one."""
    newest = max(database.glob("OPTIONS-*"), key=lambda file: file.name)
    kept: list[str] = []
    for section in re.split(r"(?m)^(?=\[)", newest.read_text()):
        owner = re.match(r'\[(?:CFOptions|TableOptions/\w+) "(\w+)"\]', section)
        if owner is None:
            kept.append(section)
        elif owner[1] == FAMILY:
            kept.append(section.replace(f'"{FAMILY}"', '"default"', 1))
    path.write_text("".join(kept))
    return path


def fill(
    db_bench: str, folder: Path, options: Path, count: int, batch: int, is_synced: bool
) -> float:
    """Records a second of `db_bench fillrandom`."""
    told = subprocess.run(
        [db_bench, "--benchmarks=fillrandom", f"--db={folder}", f"--options_file={options}",
         f"--num={count}", f"--batch_size={batch}", f"--sync={int(is_synced)}", "--key_size=32",
         "--value_size=200", "--compression_ratio=0.5", "--histogram=0"],
        capture_output=True, text=True, check=False, timeout=300,
    )
    shutil.rmtree(folder, ignore_errors=True)
    rate = re.search(r"fillrandom\s*:.*?([\d.]+) ops/sec", told.stdout)
    if told.returncode != 0 or rate is None:
        raise RuntimeError(f"db_bench failed: {(told.stderr or told.stdout).strip()[-300:]}")
    return float(rate[1])
