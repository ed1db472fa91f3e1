"""The harness's side of a py-libp2p node: JSON lines over its standard input and output."""

from __future__ import annotations

import json
import queue
import sys
import threading
from pathlib import Path
from typing import Any, Optional

from . import wire
from .peer import NotAvailable, Peer, PeerFailure, Received, Sight, require, until
from .processes import Children, free_port

VALUES = "py-libp2p's DHT keys are UTF-8 text and its /pk/ keys hex; go's and Chorale's are binary"


class PyPeer(Peer):
    kind = "py"

    def __init__(self, name: str, children: Children, *, dht: str) -> None:
        super().__init__(name)
        self._children = children
        self._port = free_port()
        self._process = children.start(
            name,
            [
                sys.executable,
                str(Path(__file__).parent / "py_node.py"),
                str(self._port),
                f"chorale interop {name}",
                dht,
            ],
            pipes=True,
        )
        self._answers: dict[int, queue.Queue[dict[str, Any]]] = {}
        self._started: queue.Queue[dict[str, Any]] = queue.Queue()
        self._lock = threading.Lock()
        self._next = 0
        threading.Thread(target=self._listen, daemon=True).start()

    # --- life -------------------------------------------------------------------------------------

    def ready(self) -> None:
        try:
            told = self._started.get(timeout=45)
        except queue.Empty:
            raise PeerFailure(f"{self.name}: no sign of life in 45 s") from None
        require("ready" in told, f"{self.name}: left while starting; its log says why")
        self.id = told["ready"]
        self.address = f"/ip4/127.0.0.1/tcp/{self._port}/p2p/{self.id}"

    def stop(self) -> None:
        # Its own shutdown takes seconds and nothing depends on it.
        self._children.kill(self._process)

    def alive(self) -> bool:
        return self._process.poll() is None

    def _listen(self) -> None:
        assert self._process.stdout is not None
        try:
            for line in self._process.stdout:
                told = json.loads(line)
                if "id" not in told:
                    self._started.put(told)
                    continue
                with self._lock:
                    waiting = self._answers.pop(told["id"], None)
                if waiting is not None:
                    waiting.put(told)
        except ValueError:
            pass  # the pipe was closed under us, or the node wrote something that is no JSON
        self._started.put({})
        with self._lock:
            orphans, self._answers = self._answers, {}
        for waiting in orphans.values():
            waiting.put({"error": "the node left"})

    def _order(self, what: str, *arguments: Any, timeout: float = 15) -> Any:
        answer: queue.Queue[dict[str, Any]] = queue.Queue()
        with self._lock:
            self._next += 1
            number = self._next
            self._answers[number] = answer
        line = json.dumps({"id": number, "do": what, "with": arguments, "timeout": timeout})
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(line.encode() + b"\n")
            self._process.stdin.flush()
            told = answer.get(timeout=timeout + 5)
        except queue.Empty:
            raise PeerFailure(f"{self.name}: {what}: no answer in {timeout + 5:g} s") from None
        except (OSError, ValueError) as error:
            raise PeerFailure(f"{self.name}: {what}: {error}") from error
        if "error" in told:
            raise PeerFailure(f"{self.name}: {what}: {told['error']}")
        return told["result"]

    # --- what it can do ---------------------------------------------------------------------------

    def connect(self, address: str, timeout: float = 10) -> None:
        self._order("connect", address, timeout=timeout)

    def disconnect(self, peer: str) -> None:
        self._order("disconnect", peer)

    def connected(self) -> set[str]:
        return set(self._order("connected"))

    def sight(self, peer: str) -> Sight:
        told = self._order("sight", peer)
        return Sight(told["id"], told["agent"], told["protocols"])

    def ping(self, peer: str, count: int) -> list[float]:
        return list(self._order("ping", peer, count))

    def bulk(self, address: str, upload: int, download: int, timeout: float = 60) -> None:
        self._order("bulk", wire.peer_of(address), upload, download, timeout=timeout)

    def subscribe(self, topic: str) -> None:
        self._order("subscribe", topic)

    def publish(self, topic: str, data: bytes) -> None:
        self._order("publish", topic, data.hex())

    def received(self, topic: str) -> list[Received]:
        return [Received(*told) for told in self._order("received", topic)]

    def learn(self, peer: str) -> None:
        # It asks what identify brought, which runs behind the connection.
        until(f"{self.name}: {peer} in its DHT table", lambda: self._order("learn", peer))

    def put(self, key: bytes, value: bytes) -> None:
        raise NotAvailable(VALUES)

    def get(self, key: bytes) -> Optional[bytes]:
        raise NotAvailable(VALUES)

    def provide(self, multihash: bytes) -> None:
        require(
            self._order("provide", multihash.hex(), timeout=20),
            f"{self.name}: nobody took the provider record",
        )

    def find_providers(self, multihash: bytes) -> set[str]:
        return set(self._order("find_providers", multihash.hex(), timeout=20))

    def find_peer(self, peer: str) -> list[str]:
        return list(self._order("find_peer", peer, timeout=20))
