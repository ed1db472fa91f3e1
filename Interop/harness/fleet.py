"""The processes that cells need, each started once, when the first cell asks for it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from .chorale_peer import ChoralePeer
from .go_peer import GoPeer
from .peer import Peer, PeerFailure
from .processes import Children
from .py_peer import PyPeer

#: The topic of the mixed mesh.
TOPIC = "/interop/mixed/1"


@dataclass(frozen=True)
class Part:
    """A process: what it is, a letter for its task, and what it is to the DHT."""

    kind: str
    letter: str
    dht: str = "off"

    @property
    def name(self) -> str:
        return f"{self.kind}-{self.letter}"


class Fleet:
    def __init__(
        self, children: Children, folder: Path, programs: dict[str, Path]
    ) -> None:
        self._children = children
        self._folder = folder
        self._programs = programs
        self._peers: dict[Part, Peer] = {}
        self._ready: set[Part] = set()
        self._unready: dict[Part, PeerFailure] = {}

    def start(self, parts: list[Part]) -> None:
        """Starts what does not run yet, all at once, and does not wait."""
        for part in parts:
            if part not in self._peers:
                self._peers[part] = self._new(part)

    def __getitem__(self, part: Part) -> Peer:
        """The process, ready to be asked; an error when it does not come up."""
        self.start([part])
        peer = self._peers[part]
        if part in self._unready:
            raise self._unready[part]
        if part not in self._ready:
            try:
                peer.ready()
            except PeerFailure as failure:
                self._unready[part] = failure
                raise
            self._ready.add(part)
        return peer

    def _new(self, part: Part) -> Peer:
        if part.kind == "go":
            program = self._programs["go"]
            return GoPeer(part.name, self._children, program, self._folder, dht=part.dht)
        # Neither of the others runs without its DHT; a client is in nobody's table.
        dht = "client" if part.dht == "off" else part.dht
        if part.kind == "py":
            return PyPeer(part.name, self._children, dht=dht)
        return ChoralePeer(
            part.name,
            self._children,
            self._programs["chorale"],
            self._folder,
            dht=dht,
            topics=(TOPIC,),
        )

    def deaths(self, parts: list[Part]) -> list[str]:
        """Those of `parts` that are no longer there although nobody stopped them."""
        return [
            part.name for part in parts if part in self._ready and not self._peers[part].alive()
        ]
