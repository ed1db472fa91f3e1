"""What every peer can be asked to do, whatever it is made of."""

from __future__ import annotations

import hashlib
import time
from dataclasses import dataclass, field
from typing import Callable, Optional, TypeVar

Result = TypeVar("Result")


class PeerFailure(Exception):
    """The peer said no, said something wrong, or said nothing in time."""


class Gone(PeerFailure):
    """The process ended by itself; waiting changes nothing."""


class NotAvailable(Exception):
    """This kind of peer cannot do that at all; the text says why."""


@dataclass
class Sight:
    """What a peer learnt of another by identify."""

    id: str
    agent: str
    protocols: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Received:
    """A gossip message as it was handed to a subscriber."""

    #: The peer id of its author.
    author: str
    size: int
    #: SHA-256 of its data, in hex.
    digest: str

    @classmethod
    def of(cls, author: str, data: bytes) -> "Received":
        return cls(author, len(data), hashlib.sha256(data).hexdigest())


class Peer:
    """One process. Methods block until done or raise; none waits longer than its `timeout`."""

    #: "go", "py" or "chorale".
    kind = ""
    #: Its peer id as base58 text and its full address; both known once `ready` returned.
    id = ""
    address = ""

    def __init__(self, name: str) -> None:
        self.name = name

    def ready(self) -> None:
        raise NotImplementedError

    def stop(self) -> None:
        raise NotImplementedError

    def alive(self) -> bool:
        raise NotImplementedError

    def require_alive(self) -> None:
        if not self.alive():
            raise Gone(f"{self.name} left by itself; its log says why")

    def connect(self, address: str, timeout: float = 10) -> None:
        raise NotImplementedError

    def disconnect(self, peer: str) -> None:
        """Ends the connection to the peer, if there is one."""
        raise NotImplementedError

    def connected(self) -> set[str]:
        raise NotImplementedError

    def sight(self, peer: str) -> Sight:
        raise NotImplementedError

    def ping(self, peer: str, count: int) -> list[float]:
        raise NotImplementedError

    def bulk(self, address: str, upload: int, download: int, timeout: float = 60) -> None:
        raise NotImplementedError

    def subscribe(self, topic: str) -> None:
        raise NotImplementedError

    def publish(self, topic: str, data: bytes) -> None:
        raise NotImplementedError

    def received(self, topic: str) -> list[Received]:
        raise NotImplementedError

    def learn(self, peer: str) -> None:
        """Waits until a connected peer is one that its DHT lookups ask."""
        raise NotImplementedError

    def put(self, key: bytes, value: bytes) -> None:
        raise NotImplementedError

    def get(self, key: bytes) -> Optional[bytes]:
        raise NotImplementedError

    def provide(self, multihash: bytes) -> None:
        raise NotImplementedError

    def find_providers(self, multihash: bytes) -> set[str]:
        raise NotImplementedError

    def find_peer(self, peer: str) -> list[str]:
        raise NotImplementedError

    def __repr__(self) -> str:
        return self.name


def until(
    what: str, probe: Callable[[], Result], *, timeout: float = 10, pause: float = 0.05
) -> Result:
    """The first true answer of `probe`; a `PeerFailure` naming `what` when there is none in time.

    What `probe` raises as `PeerFailure` counts as not yet.
    """
    deadline = time.monotonic() + timeout
    last: Optional[PeerFailure] = None
    while True:
        try:
            answer = probe()
            if answer:
                return answer
            last = None
        except Gone:
            raise
        except PeerFailure as failure:
            last = failure
        if time.monotonic() >= deadline:
            because = f": {last}" if last is not None else ""
            raise PeerFailure(f"{what} did not happen in {timeout:g} s{because}")
        time.sleep(pause)


def require(condition: bool, otherwise: str) -> None:
    if not condition:
        raise PeerFailure(otherwise)
