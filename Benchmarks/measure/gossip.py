"""Twenty nodes in a random graph of degree seven, all subscribed to one topic."""

from __future__ import annotations

import random
import time
from typing import Sequence

from .chorale import ChoraleNode
from .go import GoNode
from .report import Report
from .system import Stage, cpu_seconds, median, note, resident_bytes, tcp_bytes_sent, until

NODES = 20
DEGREE = 7
#: go counts its framing towards 1 MiB and drops silently what is larger.
LARGE = 1_048_000

Nodes = Sequence[ChoraleNode | GoNode]


def random_graph(seed: int) -> list[tuple[int, int]]:
    """The edges of a graph in which each node has `DEGREE` others, by the pairing model."""
    source = random.Random(seed)
    while True:
        ends = [node for node in range(NODES) for _ in range(DEGREE)]
        source.shuffle(ends)
        edges = {tuple(sorted(pair)) for pair in zip(ends[::2], ends[1::2])}
        if len(edges) == NODES * DEGREE // 2 and all(a != b for a, b in edges):
            return sorted(edges)


def connect(nodes: Nodes) -> None:
    for a, b in random_graph(1):
        nodes[a].connect(nodes[b].address)
    try:
        until(lambda: all(node.peer_count == DEGREE for node in nodes), 30, "the graph")
    except RuntimeError as error:
        counts = [node.peer_count for node in nodes]
        raise RuntimeError(f"{kind(nodes)}: {DEGREE} peers each are wanted, not {counts}") from error


class Burst:
    """Messages of one size at one rate, from all nodes in turn, and what they cost."""

    def __init__(self, nodes: Nodes, size: int, count: int, rate: float, patience: float) -> None:
        pids = [node.pid for node in nodes]
        # What a node has of its own messages differs: go's subscribers get them, Chorale's do not.
        others = NODES if isinstance(nodes[0], GoNode) else NODES - 1
        expected = count * others

        def delivered() -> int:
            return sum(node.delivered for node in nodes)

        before = delivered()
        cpu, wire, start = cpu_seconds(pids), tcp_bytes_sent(pids), time.monotonic()
        for index in range(count):
            delay = start + index / rate - time.monotonic()
            if delay > 0:
                time.sleep(delay)
            nodes[index % NODES].publish(size)
        self.publishing = time.monotonic() - start
        end = time.monotonic() + patience
        while delivered() - before < expected and time.monotonic() < end:
            time.sleep(0.1)
        own = count if others == NODES else 0
        self.delivered = delivered() - before - own
        self.cpu_per_delivery = (cpu_seconds(pids) - cpu) / max(1, self.delivered) * 1e3
        self.wire_per_byte = (tcp_bytes_sent(pids) - wire) / max(1, self.delivered * size)
        self.ratio = self.delivered / (count * (NODES - 1))
        #: Whether the publishers kept the rate and nobody was left behind.
        self.was_sustained = self.ratio == 1 and self.publishing <= count / rate * 1.1 + 0.1


def is_sustained(nodes: Nodes, rate: int, seconds: float) -> bool:
    """Whether all messages of 1 KiB reach all nodes in time; a hiccup of the machine has a second try."""
    for _ in range(2):
        burst = Burst(nodes, 1024, int(rate * seconds), rate, patience=1)
        note(f"{kind(nodes)}: {rate}/s: {'yes' if burst.was_sustained else 'no'}")
        # What was left behind must not burden the next burst.
        time.sleep(1 if burst.was_sustained else 4)
        if burst.was_sustained:
            return True
    return False


def sustained_rate(nodes: Nodes, seconds: float) -> int:
    """The highest sustained rate, in steps of a fifth, between doublings from 50 a second."""
    low, high = 0, 50
    while high <= 6400 and is_sustained(nodes, high, seconds):
        low, high = high, high * 2
    if low == 0:
        return 0
    # The interval is a factor of two; two halvings of its logarithm leave 19 %.
    for _ in range(2):
        middle = round((low * high) ** 0.5)
        if is_sustained(nodes, middle, seconds):
            low = middle
        else:
            high = middle
    return low


def kind(nodes: Nodes) -> str:
    return "go" if isinstance(nodes[0], GoNode) else "chorale"


def gossip(stage: Stage, report: Report) -> None:
    """20 nodes of degree 7: CPU, bytes on the wire, delivery, rate and memory"""
    chorale: list[ChoraleNode] = [
        stage.chorale(f"gossip-{index}", seed=index + 1, peers=160, plain=1) for index in range(NODES)
    ]
    go = [stage.go(f"mesh-{index}") for index in range(NODES)]
    for node in go:
        node.subscribe_counting()
    networks: list[Nodes] = [chorale, go]
    for nodes in networks:
        connect(nodes)
    time.sleep(5)

    rounds = 1 if stage.is_quick else 2
    for name, size, count, rate, cost, bytes_goal in (
        ("1 KiB", 1024, 200 if stage.is_quick else 400, 40.0, 1 / 3, 1.0),
        ("1 MiB", LARGE, 8 if stage.is_quick else 20, 1.0, 1 / 3, 0.5),
    ):
        bursts: dict[str, list[Burst]] = {"chorale": [], "go": []}
        for _ in range(rounds):
            for nodes in networks:
                burst = Burst(nodes, size, count, rate, patience=20)
                bursts[kind(nodes)].append(burst)
                note(
                    f"{kind(nodes)}, {name}: {burst.cpu_per_delivery:.3f} ms, "
                    f"{burst.wire_per_byte:.2f} bytes, {burst.ratio:.1%}"
                )

        def of(which: str, what: str) -> float:
            return median([getattr(burst, what) for burst in bursts[which]])

        report.at_most(
            f"gossip {name}, CPU per delivery", "ms", of("chorale", "cpu_per_delivery"), cost,
            go=of("go", "cpu_per_delivery"),
        )
        report.at_most(
            f"gossip {name}, wire bytes per delivered byte", "", of("chorale", "wire_per_byte"),
            bytes_goal, go=of("go", "wire_per_byte"),
        )
        worst = min(burst.ratio for burst in bursts["chorale"]) * 100
        report.add(
            f"gossip {name}, delivered", "%", worst, go=of("go", "ratio") * 100, goal="100 %",
            met=worst == 100,
        )

    for name, nodes in (("chorale", chorale), ("go", go)):
        note(f"{name}: {max(resident_bytes(node.pid) for node in nodes) / 2**20:.1f} MiB at most")
    report.add(
        "resident memory of a node of the 20", "MiB",
        median([resident_bytes(node.pid) / 2**20 for node in chorale]),
        go=median([resident_bytes(node.pid) / 2**20 for node in go]), goal="≤ 25 MiB",
        met=median([resident_bytes(node.pid) / 2**20 for node in chorale]) <= 25,
    )

    seconds = 3.0 if stage.is_quick else 5.0
    rates = {kind(nodes): sustained_rate(nodes, seconds) for nodes in networks}
    report.at_least(
        "gossip 1 KiB, sustained messages", "1/s", rates["chorale"], 2, go=rates["go"]
    )
