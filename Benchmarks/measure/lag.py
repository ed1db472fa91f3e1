"""How late the event loop is while it serves bulk."""

from __future__ import annotations

from .report import Report
from .system import Stage, note, until

BODY = 15 * 1024 * 1024
BODIES = 7


def lag(stage: Stage, report: Report) -> None:
    """turns of the loop while 100 MiB of bodies, and a stream, are served"""
    server, client = stage.chorale("lag-server", seed=1), stage.chorale("lag-client", seed=2)
    client.connect(server.address)
    until(lambda: client.stats()["mesh"] > 0, 20, "a mesh of two")

    server.ask(f"make {BODY} {BODIES}")
    server.lag()
    client.lag()
    for index in range(BODIES):
        server.ask("body")
        until(
            lambda: client.stats()["bodies_completed"] > index, 60, f"body {index + 1} of {BODIES}"
        )
    told, taken = server.lag(), client.lag()
    note(f"bodies, serving: {told}")
    note(f"bodies, fetching: {taken}")
    report.at_most("loop lag p99, 105 MiB of bodies served", "ms", told["p99"], 5)
    report.add("loop lag p99, the same bodies fetched", "ms", taken["p99"])

    client.perf(server.address, 0, (1 if stage.is_quick else 4) * 1_000_000_000)
    told = server.lag()
    note(f"stream: {told}")
    report.at_most("loop lag p99, a stream served at full speed", "ms", told["p99"], 5)
