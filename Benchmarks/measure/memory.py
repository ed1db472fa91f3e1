"""What a connection costs that does nothing."""

from __future__ import annotations

import time

from .report import Report
from .system import Stage, cpu_seconds, note, resident_bytes

COUNT = 1000


def memory(stage: Stage, report: Report) -> None:
    """resident memory of an idle secured connection, over 1,000 of them"""
    server = stage.chorale("idle-server")
    # What the first connections bring once is not the price of each.
    warm = stage.children.start(
        "warm", [str(stage.tool), "hold", server.address, "--count", "20"], pipes=True
    )
    assert warm.stdout is not None
    if not warm.stdout.readline():
        raise RuntimeError("the first connections were not made")
    before, connected = resident_bytes(server.pid), server.peer_count
    crowd = stage.children.start(
        "crowd",
        [str(stage.tool), "hold", server.address, "--count", str(COUNT), "--seed", "300000"],
        pipes=True,
    )
    assert crowd.stdout is not None
    if not crowd.stdout.readline():
        raise RuntimeError("1,000 connections were not made")
    time.sleep(5)
    peers = server.peer_count - connected
    if peers != COUNT:
        raise RuntimeError(f"{peers} of {COUNT} peers are connected")
    grown = resident_bytes(server.pid) - before
    cpu = cpu_seconds([server.pid])
    time.sleep(5)
    note(f"1,000 idle connections use {(cpu_seconds([server.pid]) - cpu) / 5:.1%} of a CPU")
    report.at_most("idle secured connection", "KiB", grown / COUNT / 1024, 64)
