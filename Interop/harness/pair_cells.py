"""Two peers and one connection: dial, identify, ping, bulk."""

from __future__ import annotations

from . import wire
from .columns import Column
from .fleet import Fleet, Part
from .peer import NotAvailable, Peer, require, until

BULK_SIZE = 100 << 20

def pair(column: Column) -> list[Part]:
    return list(column.pair)


def linked(fleet: Fleet, column: Column) -> tuple[Peer, Peer]:
    """The column's pair with a connection between them, dialled by the first."""
    dialer, listener = (fleet[part] for part in column.pair)
    if listener.id not in dialer.connected():
        dialer.connect(listener.address)
    until(
        f"{listener}: a connection of {dialer}", lambda: dialer.id in listener.connected()
    )
    return dialer, listener


_AGENTS = {"go": "p2pd/", "py": "py-libp2p/", "chorale": "chorale/"}
_EXPECTED = {
    "go": {"/ipfs/id/1.0.0", "/ipfs/ping/1.0.0", "/meshsub/1.1.0"},
    "py": {"/ipfs/id/1.0.0", "/ipfs/ping/1.0.0", "/meshsub/1.1.0"},
    "chorale": {
        "/ipfs/id/1.0.0",
        "/ipfs/id/push/1.0.0",
        "/ipfs/ping/1.0.0",
        "/meshsub/1.2.0",
        "/meshsub/1.1.0",
        wire.BULK_PROTOCOL,
    },
}


def _recognises(observer: Peer, other: Peer) -> str:
    require(other.id in observer.connected(), f"{observer} is not connected to {other}")
    try:
        sight = observer.sight(other.id)
    except NotAvailable as reason:
        return str(reason)
    require(sight.id == other.id, f"{observer} took {other} for {sight.id}")
    agent = _AGENTS[other.kind]
    require(
        sight.agent.startswith(agent), f"{observer} read the agent '{sight.agent}', not {agent}…"
    )
    missing = _EXPECTED[other.kind] - set(sight.protocols)
    require(not missing, f"{observer} read no {', '.join(sorted(missing))}")
    return f"{sight.agent} with {len(sight.protocols)} protocols"


def dial_and_identify(fleet: Fleet, column: Column) -> str:
    dialer, listener = linked(fleet, column)
    return f"{_recognises(dialer, listener)}; {_recognises(listener, dialer)}"


def ping(fleet: Fleet, column: Column) -> str:
    dialer, listener = linked(fleet, column)
    times = dialer.ping(listener.id, 5)
    require(len(times) == 5, f"{len(times)} answers to 5 pings")
    require(all(0 < time < 5 for time in times), f"odd round trips: {times}")
    return f"5 round trips, median {sorted(times)[2] * 1e6:.0f} µs"


def bulk(fleet: Fleet, column: Column) -> str:
    dialer, listener = linked(fleet, column)
    dialer.bulk(listener.address, BULK_SIZE, BULK_SIZE)
    return "100 MiB each way on one stream"


