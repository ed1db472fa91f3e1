"""One stream over one secured connection, on loopback."""

from __future__ import annotations

import json
import subprocess
import time

from .report import Report
from .system import Stage, cpu_seconds, median, note


def throughput(stage: Stage, report: Report) -> None:
    """one stream, Noise and Yamux over TCP loopback, against go and a bare C pipeline"""
    size = (1 if stage.is_quick else 4) * 1_000_000_000
    rounds = 2 if stage.is_quick else 3
    client, server = stage.chorale("perf-a", seed=1), stage.chorale("perf-b", seed=2)
    go_client, go_server = stage.go("bulk-a"), stage.go("bulk-b")
    go_server.serve_sink()
    go_client.connect(go_server.address)

    # Bytes per second of wall time and per CPU second of both ends together.
    wall: dict[str, list[float]] = {"chorale": [], "go": [], "pipeline": []}
    cpu: dict[str, list[float]] = {"chorale": [], "go": [], "pipeline": []}

    def record(name: str, count: int, seconds: float, used: float) -> None:
        wall[name].append(count / seconds / 1e9)
        cpu[name].append(count / used / 1e9)
        note(f"{name}: {count / seconds / 1e9:.2f} GB/s, {count / used / 1e9:.2f} GB per CPU second")

    client.perf(server.address, 50_000_000, 0)
    go_client.upload(go_server.id, 50_000_000)
    for _ in range(rounds):
        pids = [client.pid, server.pid]
        before = cpu_seconds(pids)
        seconds = client.perf(server.address, size, 0)
        record("chorale", size, seconds, cpu_seconds(pids) - before)

        pids = [go_client.pid, go_server.pid]
        before, start = cpu_seconds(pids), time.monotonic()
        go_client.upload(go_server.id, size // 2)
        record("go", size // 2, time.monotonic() - start, cpu_seconds(pids) - before)

        told = json.loads(
            subprocess.run(
                [str(stage.pipeline), str(size)], capture_output=True, text=True, check=True
            ).stdout
        )
        record("pipeline", size, told["seconds"], told["writer_cpu"] + told["reader_cpu"])

    for name, rates, unit in (
        ("one stream, per CPU second of both ends", cpu, "GB"),
        ("one stream, wall time", wall, "GB/s"),
    ):
        chorale = median(rates["chorale"])
        report.at_least(f"{name}, against go", unit, chorale, 2, go=median(rates["go"]))
        report.at_least(
            f"{name}, against C", unit, chorale, 0.7, pipeline=median(rates["pipeline"])
        )
