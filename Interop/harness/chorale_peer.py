"""Chorale's own program, driven over its admin socket (JSON-RPC 2.0, one object a line)."""

from __future__ import annotations

import base64
import json
import queue
import socket
import subprocess
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Optional

from . import wire
from .peer import Peer, PeerFailure, Received, Sight, require, until
from .processes import Children, free_port


class RefusedByChorale(PeerFailure):
    """An error of the admin socket, with its `kind` (such as "unreachable")."""

    def __init__(self, text: str, kind: str) -> None:
        super().__init__(text)
        self.kind = kind


@dataclass
class Closed:
    """A connection's end as Chorale told it: the counted reason and the words behind it."""

    reason: str
    detail: str


class AdminClient:
    """One connection to the admin socket: calls, and the items of its subscriptions."""

    def __init__(self, path: Path) -> None:
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(10)
        try:
            self._socket.connect(str(path))
        except OSError as error:
            self._socket.close()
            raise PeerFailure(f"admin socket: {error}") from error
        self._socket.settimeout(None)
        self._lock = threading.Lock()
        self._next = 0
        self._waiting: dict[int, queue.Queue[dict[str, Any]]] = {}
        self._items: dict[str, list[Any]] = {}
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        try:
            for line in self._socket.makefile("rb"):
                told = json.loads(line)
                with self._lock:
                    if "id" in told:
                        waiting = self._waiting.pop(told["id"], None)
                        if waiting is not None:
                            waiting.put(told)
                    else:
                        params = told["params"]
                        if "result" in params:
                            items = self._items.setdefault(params["subscription"], [])
                            items.append(params["result"])
        except (OSError, ValueError):
            pass
        with self._lock:
            orphans, self._waiting = self._waiting, {}
        for waiting in orphans.values():
            waiting.put({"error": {"message": "the admin socket was closed"}})

    def call(self, method: str, timeout: float = 15, **params: Any) -> Any:
        answer: queue.Queue[dict[str, Any]] = queue.Queue()
        with self._lock:
            self._next += 1
            number = self._next
            self._waiting[number] = answer
        request = {"jsonrpc": "2.0", "id": number, "method": method, "params": params}
        try:
            self._socket.sendall(json.dumps(request).encode() + b"\n")
            told = answer.get(timeout=timeout)
        except queue.Empty:
            raise PeerFailure(f"{method}: no answer in {timeout:g} s") from None
        except OSError as error:
            raise PeerFailure(f"{method}: {error}") from error
        if "error" in told:
            refusal = told["error"]
            data = refusal.get("data")
            kind = data.get("kind", "") if isinstance(data, dict) else ""
            raise RefusedByChorale(f"{method}: {refusal['message']}", kind)
        return told["result"]

    def items(self, subscription: str) -> list[Any]:
        with self._lock:
            return list(self._items.get(subscription, []))

    def close(self) -> None:
        try:
            self._socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self._socket.close()


class ChoralePeer(Peer):
    kind = "chorale"

    def __init__(
        self,
        name: str,
        children: Children,
        program: Path,
        folder: Path,
        *,
        dht: str,
        topics: tuple[str, ...] = (),
    ) -> None:
        super().__init__(name)
        self._children = children
        self._data = folder / name
        self._port = free_port()
        self._admin: Optional[AdminClient] = None
        self._events = ""
        self._subscriptions: dict[str, str] = {}
        created = subprocess.run(
            [str(program), "init", f"--data-dir={self._data}"],
            capture_output=True,
            text=True,
            timeout=20,
        )
        require(created.returncode == 0, f"chorale init failed: {created.stderr.strip()}")
        arguments = [
            str(program),
            "run",
            f"--data-dir={self._data}",
            f"--listen=/ip4/127.0.0.1/tcp/{self._port}",
            "--address-policy=local",
            f"--dht-mode={dht}",
            "--kad-protocol=/ipfs/kad/1.0.0",
            "--gossip-signing=strict-sign",
            "--no-chorale-requests",
        ]
        if topics:
            arguments.append(f"--gossip-topics={','.join(topics)}")
        self._process = children.start(name, arguments)

    # --- life -------------------------------------------------------------------------------------

    def ready(self) -> None:
        path = self._data / "chorale.ipc"

        def answers() -> bool:
            self.require_alive()
            if not path.exists():
                return False
            self._admin = self._admin or AdminClient(path)
            told = self._admin.call("admin_nodeInfo")
            self.id = told["id"]
            return bool(told["listenAddr"])

        until(f"{self.name}: an admin socket and a listener", answers, timeout=20)
        self.address = f"/ip4/127.0.0.1/tcp/{self._port}/p2p/{self.id}"
        self._events = self.call("chorale_watchEvents")

    def stop(self) -> None:
        if self._admin is not None:
            self._admin.close()
        self._children.stop(self._process, grace=6)

    def alive(self) -> bool:
        return self._process.poll() is None

    def call(self, method: str, timeout: float = 15, **params: Any) -> Any:
        require(self._admin is not None, f"{self.name} is not ready")
        assert self._admin is not None
        try:
            return self._admin.call(method, timeout, **params)
        except RefusedByChorale as refusal:
            raise RefusedByChorale(f"{self.name}: {refusal}", refusal.kind) from None
        except PeerFailure as failure:
            raise PeerFailure(f"{self.name}: {failure}") from None

    # --- what it tells of itself ------------------------------------------------------------------

    def counters(self) -> dict[str, int]:
        return dict(self.call("chorale_counters"))

    def events(self) -> list[dict[str, Any]]:
        assert self._admin is not None
        return self._admin.items(self._events)

    def closed(self, since: int) -> list[Closed]:
        """The connections that ended after the event with the number `since`."""
        return [
            Closed(event["reason"], event["detail"])
            for event in self.events()[since:]
            if event["event"] == "connection_closed"
        ]

    # --- what it can do ---------------------------------------------------------------------------

    def connect(self, address: str, timeout: float = 10) -> None:
        self.call("admin_addPeer", timeout, address=address)

    def disconnect(self, peer: str) -> None:
        self.call("admin_removePeer", peer=peer)

    def connected(self) -> set[str]:
        return {peer["id"] for peer in self.call("chorale_peers")}

    def sight(self, peer: str) -> Sight:
        def identified() -> Optional[Sight]:
            for told in self.call("chorale_peers"):
                if told["id"] == peer and told["agent"] and told["protocols"]:
                    return Sight(told["id"], told["agent"], told["protocols"])
            return None

        found = until(f"{self.name}: identify of {peer}", identified)
        assert found is not None
        return found

    def ping(self, peer: str, count: int) -> list[float]:
        address = f"/p2p/{peer}"
        for told in self.call("chorale_peers"):
            if told["id"] == peer:
                address = wire.transport_of(told["remoteAddress"]) + address
        times = self.call("chorale_ping", address=address, count=count)["roundTripsMs"]
        return [time / 1000 for time in times]

    def bulk(self, address: str, upload: int, download: int, timeout: float = 60) -> None:
        self.call(
            "chorale_bulk", timeout, address=address, upload=upload, download=download
        )

    def subscribe(self, topic: str) -> None:
        self._subscriptions[topic] = self.call("chorale_subscribe", topic=topic)

    def publish(self, topic: str, data: bytes) -> None:
        self.call("chorale_publish", topic=topic, base64=base64.b64encode(data).decode())

    def received(self, topic: str) -> list[Received]:
        assert self._admin is not None
        return [
            Received.of(told["author"] or "", base64.b64decode(told["base64"]))
            for told in self._admin.items(self._subscriptions[topic])
        ]

    def learn(self, peer: str) -> None:
        def holds() -> bool:
            buckets = self.call("chorale_dht")["buckets"]
            return any(peer in bucket["peers"] for bucket in buckets)

        until(f"{self.name}: {peer} in its DHT table", holds)

    def put(self, key: bytes, value: bytes) -> None:
        told = self.call(
            "chorale_dhtPut", key="0x" + key.hex(), base64=base64.b64encode(value).decode()
        )
        require(told["acknowledged"] > 0, f"{self.name}: nobody acknowledged the value")

    def get(self, key: bytes) -> Optional[bytes]:
        return base64.b64decode(self.call("chorale_dhtGet", key="0x" + key.hex())["base64"])

    def provide(self, multihash: bytes) -> None:
        told = self.call("chorale_dhtProvide", cid="0x" + multihash.hex())
        require(told["sent"] > 0, f"{self.name}: the provider record was sent to nobody")

    def find_providers(self, multihash: bytes) -> set[str]:
        found = self.call("chorale_dhtProviders", cid="0x" + multihash.hex())
        return {peer["id"] for peer in found}

    def find_peer(self, peer: str) -> list[str]:
        return list(self.call("chorale_dhtFindPeer", peer=peer)["addresses"])
