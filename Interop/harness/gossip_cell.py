"""Gossipsub in a ring of all peers, so that what arrives was relayed by every kind."""

from __future__ import annotations

import hashlib
from typing import Union

from .columns import Column
from .fleet import TOPIC, Fleet, Part
from .peer import Peer, PeerFailure, Received, require, until

#: Sizes of the messages that each peer publishes. The largest stays below the 1 MiB that
#: gossipsub implementations take for one RPC.
SIZES = [1, 1000, 60_000, 400_000]

#: Neighbours are of different kinds: each Chorale node has one go and one py node beside it.
_RING = [
    Part("chorale", "a"),
    Part("go", "a"),
    Part("py", "b"),
    Part("chorale", "b"),
    Part("go", "b"),
    Part("py", "a"),
]


def gossip_parts(column: Column) -> list[Part]:
    if "chorale" in (column.dialer, column.listener):
        return _RING
    return [part for part in _RING if part.kind != "chorale"]


Outcome = Union[dict[tuple[str, str], str], PeerFailure]
_outcomes: dict[tuple[Part, ...], Outcome] = {}


def gossip(fleet: Fleet, column: Column) -> str:
    """Whether all that the first kind published reached all of the second kind."""
    parts = tuple(gossip_parts(column))
    if parts not in _outcomes:
        try:
            _outcomes[parts] = _run([fleet[part] for part in parts])
        except PeerFailure as failure:
            _outcomes[parts] = failure
    outcome = _outcomes[parts]
    if isinstance(outcome, PeerFailure):
        raise outcome
    wrong = [
        text
        for (author, reader), text in sorted(outcome.items())
        if text and author.startswith(column.dialer) and reader.startswith(column.listener)
    ]
    require(not wrong, "; ".join(wrong))
    # The ring is only whole when the other pairs are served too.
    others = [text for text in outcome.values() if text]
    require(not others, f"this pair is complete, but not the ring: {'; '.join(sorted(others))}")
    received = (len(parts) - 1) * len(SIZES)
    return f"each of {len(parts)} published {len(SIZES)}, each received {received}"


def _run(peers: list[Peer]) -> dict[tuple[str, str], str]:
    """Text for each author and reader: empty, or what was wrong."""
    for peer, neighbour in zip(peers, peers[1:] + peers[:1]):
        if neighbour.id not in peer.connected():
            peer.connect(neighbour.address)
    for peer in peers:
        peer.subscribe(TOPIC)
    _form_mesh(peers)
    expected = {
        peer.id: [_message(f"{peer.name} {size}", size) for size in SIZES] for peer in peers
    }
    for index, _ in enumerate(SIZES):
        for peer in peers:
            peer.publish(TOPIC, expected[peer.id][index])
    wanted = {
        (author.id, len(data), hashlib.sha256(data).hexdigest())
        for author in peers
        for data in expected[author.id]
    }

    def complete() -> bool:
        return all(
            {message for message in wanted if message[0] != peer.id} <= _told(peer)
            for peer in peers
        )

    try:
        until("every message everywhere", complete, timeout=20, pause=0.2)
    except PeerFailure:
        pass  # told in detail below
    return {
        (author.name, reader.name): _judge(author, reader, expected[author.id])
        for author in peers
        for reader in peers
        if author is not reader
    }


def _form_mesh(peers: list[Peer]) -> None:
    """Publishes probes until everybody has heard everybody: a message before that may be lost."""
    probes: dict[str, set[str]] = {peer.id: set() for peer in peers}
    count = 0

    def formed() -> bool:
        nonlocal count
        silent = [
            f"{reader} has not heard {author}"
            for reader in peers
            for author in peers
            if author is not reader
            and not any(
                told.author == author.id and told.digest in probes[author.id]
                for told in reader.received(TOPIC)
            )
        ]
        if not silent:
            return True
        count += 1
        for peer in peers:
            data = _message(f"probe {peer.name} {count}", 40)
            probes[peer.id].add(hashlib.sha256(data).hexdigest())
            peer.publish(TOPIC, data)
        raise PeerFailure(", ".join(silent))

    until("a mesh of all", formed, timeout=20, pause=0.7)


def _message(label: str, size: int) -> bytes:
    """Bytes that tell their author apart, whatever their size but for a single byte."""
    seed = hashlib.sha256(label.encode()).digest()
    return (seed * (size // 32 + 1))[:size]


def _told(peer: Peer) -> set[tuple[str, int, str]]:
    return {(told.author, told.size, told.digest) for told in peer.received(TOPIC)}


def _judge(author: Peer, reader: Peer, messages: list[bytes]) -> str:
    """What of `author` is missing, doubled or changed at `reader`."""
    got = [told for told in reader.received(TOPIC) if told.author == author.id]
    wrong = []
    for data in messages:
        copies = got.count(Received.of(author.id, data))
        if copies != 1:
            wrong.append(f"{len(data)} bytes came {copies} times")
    return f"{author}→{reader}: {', '.join(wrong)}" if wrong else ""
