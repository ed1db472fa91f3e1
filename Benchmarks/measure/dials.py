"""Connections made and taken down again."""

from __future__ import annotations

import json

from .report import Report
from .system import Stage, cpu_seconds, median, note


def dials(stage: Stage, report: Report) -> None:
    """connections with handshake and identify, per CPU second of both ends"""
    count = 300 if stage.is_quick else 1000
    rounds = 2 if stage.is_quick else 3
    plain, whole = stage.chorale("plain-server", plain=1), stage.chorale("whole-server")
    go_client, go_server = stage.go("dial-a"), stage.go("dial-b")
    rates: dict[str, list[float]] = {
        "one": [], "eight": [], "whole": [], "go": []
    }
    for _ in range(rounds):
        for name, concurrency, server in (
            ("one", 1, plain), ("eight", 8, plain), ("whole", 8, whole)
        ):
            before = cpu_seconds([server.pid])
            told = json.loads(
                stage.run_tool(
                    "dials", server.address, "--count", str(count), "--concurrency",
                    str(concurrency), "--plain", str(int(server is plain)),
                )
            )
            used = told["cpu"] + cpu_seconds([server.pid]) - before
            rates[name].append(count / used)
            note(f"chorale, {name}, {concurrency} at once: {count / used:,.0f} per CPU second")

        before = cpu_seconds([go_client.pid, go_server.pid])
        for _ in range(count // 2):
            go_client.connect(go_server.address)
            go_client.disconnect(go_server.id)
        used = cpu_seconds([go_client.pid, go_server.pid]) - before
        rates["go"].append(count / 2 / used)
        note(f"go: {count / 2 / used:,.0f} per CPU second")
    go = median(rates["go"])
    report.at_least("dials per CPU second, one at a time", "1/s", median(rates["one"]), 3, go=go)
    report.at_least("dials per CPU second, eight at once", "1/s", median(rates["eight"]), 3, go=go)
    report.add(
        "the same with status requests and DHT probes", "1/s", median(rates["whole"]), go=go,
        ratio=median(rates["whole"]) / go,
    )
