"""The go-libp2p daemon, driven over its control socket (varint-framed protobuf, `p2pd.proto`)."""

from __future__ import annotations

import hashlib
import os
import socket
import threading
import time
from contextlib import closing
from pathlib import Path
from typing import Optional

from . import wire
from .peer import NotAvailable, Peer, PeerFailure, Received, Sight, require, until
from .processes import Children, free_port

PING_PROTOCOL = "/ipfs/ping/1.0.0"

_IDENTIFY, _CONNECT, _STREAM_OPEN, _STREAM_HANDLER, _DHT, _LIST_PEERS = 0, 1, 2, 3, 4, 5
_DISCONNECT, _PUBSUB, _PERSISTENT = 7, 8, 9
_FIND_PEER, _FIND_PROVIDERS, _GET_CLOSEST, _GET_VALUE, _PUT_VALUE, _PROVIDE = 0, 2, 3, 5, 7, 8
_PUBLISH, _SUBSCRIBE = 2, 3
_DHT_VALUE, _DHT_END = 1, 2


class Pipe:
    """A socket read and written in exact amounts."""

    def __init__(self, connected: socket.socket) -> None:
        self.socket = connected

    def read(self, count: int) -> bytes:
        parts = bytearray()
        while len(parts) < count:
            piece = self.socket.recv(min(count - len(parts), 1 << 20))
            if not piece:
                raise PeerFailure(f"closed after {len(parts)} of {count} bytes")
            parts += piece
        return bytes(parts)

    def read_frame(self) -> bytes:
        return self.read(wire.read_uvarint(self.read))

    def write(self, data: bytes) -> None:
        self.socket.sendall(data)

    def close(self) -> None:
        self.socket.close()


class GoPeer(Peer):
    kind = "go"

    def __init__(
        self, name: str, children: Children, program: Path, folder: Path, *, dht: str,
        heartbeat: str = "500ms",
    ) -> None:
        super().__init__(name)
        self._children = children
        self._control = folder / f"{name}.sock"
        self._handlers = folder / f"{name}.streams"
        self._port = free_port()
        self._messages: dict[str, list[Received]] = {}
        self._open: list[socket.socket] = []
        self._process = children.start(
            name,
            [
                str(program),
                f"-listen=/unix{self._control}",
                f"-hostAddrs=/ip4/127.0.0.1/tcp/{self._port}",
                *{"server": ["-dhtServer"], "client": ["-dhtClient"], "off": []}[dht],
                "-pubsub",
                f"-gossipsubHeartbeatInterval={heartbeat}",
                "-tls=false",
                "-relay=false",
                "-autonat=false",
                "-idleTimeout=60s",
            ],
        )

    # --- life -------------------------------------------------------------------------------------

    def ready(self) -> None:
        def answers() -> bool:
            self.require_alive()
            return self._control.exists() and self._ask(_IDENTIFY) is not None

        until(f"{self.name}: a control socket", answers, timeout=20)
        # While this connection is held the daemon stays, and when it ends (however the harness
        # ended) the daemon leaves.
        held = self._dial()
        held.write(wire.framed(wire.message((1, _PERSISTENT))))
        self._accept(held.read_frame())
        self._open.append(held.socket)
        told = wire.Fields(self._ask(_IDENTIFY).blob(4))
        self.id = wire.base58(told.blob(1))
        self.address = f"/ip4/127.0.0.1/tcp/{self._port}/p2p/{self.id}"
        self._serve_bulk()

    def stop(self) -> None:
        for held in self._open:
            held.close()
        self._children.stop(self._process)

    def alive(self) -> bool:
        return self._process.poll() is None

    # --- control requests -------------------------------------------------------------------------

    def _dial(self, timeout: float = 10) -> Pipe:
        connected = socket.socket(socket.AF_UNIX)
        connected.settimeout(timeout)
        try:
            connected.connect(str(self._control))
        except OSError as error:
            connected.close()
            raise PeerFailure(f"{self.name}: control socket: {error}") from error
        return Pipe(connected)

    def _accept(self, frame: bytes) -> wire.Fields:
        response = wire.Fields(frame)
        if response.integer(1) != 0:
            reason = wire.Fields(response.blob(2)).blob(1) if 2 in response else b"no reason"
            raise PeerFailure(f"{self.name}: {reason.decode(errors='replace')}")
        return response

    def _ask(
        self, kind: int, *fields: tuple[int, Optional[bytes]], timeout: float = 10
    ) -> wire.Fields:
        with closing(self._dial(timeout)) as pipe:
            try:
                pipe.write(wire.framed(wire.message((1, kind), *fields)))
                return self._accept(pipe.read_frame())
            except OSError as error:
                raise PeerFailure(f"{self.name}: control request {kind}: {error}") from error

    # --- connections ------------------------------------------------------------------------------

    def connect(self, address: str, timeout: float = 10) -> None:
        request = wire.message(
            (1, wire.unbase58(wire.peer_of(address))),
            (2, wire.multiaddr(wire.transport_of(address))),
            (3, int(timeout)),
        )
        self._ask(_CONNECT, (2, request), timeout=timeout + 2)

    def disconnect(self, peer: str) -> None:
        self._ask(_DISCONNECT, (7, wire.message((1, wire.unbase58(peer)))))

    def connected(self) -> set[str]:
        response = self._ask(_LIST_PEERS)
        return {wire.base58(wire.Fields(peer).blob(1)) for peer in response.blobs(6)}

    def sight(self, peer: str) -> Sight:
        raise NotAvailable("p2pd does not tell what identify brought it")

    def open_stream(self, peer: str, protocol: str, timeout: float = 10) -> Pipe:
        pipe = self._dial(timeout)
        try:
            request = wire.message((1, wire.unbase58(peer)), (2, protocol), (3, int(timeout)))
            pipe.write(wire.framed(wire.message((1, _STREAM_OPEN), (3, request))))
            self._accept(pipe.read_frame())
            return pipe
        except OSError as error:
            pipe.close()
            raise PeerFailure(f"{self.name}: opening {protocol}: {error}") from error
        except PeerFailure:
            pipe.close()
            raise

    def ping(self, peer: str, count: int) -> list[float]:
        times = []
        with closing(self.open_stream(peer, PING_PROTOCOL)) as pipe:
            for _ in range(count):
                sent = os.urandom(32)
                begin = time.perf_counter()
                try:
                    pipe.write(sent)
                    back = pipe.read(32)
                except OSError as error:
                    raise PeerFailure(f"{self.name}: ping: {error}") from error
                require(back == sent, f"{self.name}: a ping came back changed")
                times.append(time.perf_counter() - begin)
        return times

    # --- bulk -------------------------------------------------------------------------------------

    def bulk(self, address: str, upload: int, download: int, timeout: float = 60) -> None:
        peer = wire.peer_of(address)
        with closing(self.open_stream(peer, wire.BULK_PROTOCOL, timeout)) as pipe:
            try:
                _bulk_as_client(pipe, upload, download)
            except OSError as error:
                raise PeerFailure(f"{self.name}: bulk: {error}") from error

    def _serve_bulk(self) -> None:
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(str(self._handlers))
        listener.listen(8)
        self._open.append(listener)
        threading.Thread(target=self._accept_streams, args=(listener,), daemon=True).start()
        request = wire.message(
            (1, wire.multiaddr(f"/unix{self._handlers}")), (2, wire.BULK_PROTOCOL), (3, 0)
        )
        self._ask(_STREAM_HANDLER, (4, request))

    def _accept_streams(self, listener: socket.socket) -> None:
        while True:
            try:
                connected, _ = listener.accept()
            except OSError:
                return
            connected.settimeout(60)
            threading.Thread(target=_bulk_as_server, args=(connected,), daemon=True).start()

    # --- gossip -----------------------------------------------------------------------------------

    def subscribe(self, topic: str) -> None:
        pipe = self._dial()
        request = wire.message((1, _SUBSCRIBE), (2, topic))
        pipe.write(wire.framed(wire.message((1, _PUBSUB), (8, request))))
        self._accept(pipe.read_frame())
        pipe.socket.settimeout(None)
        self._open.append(pipe.socket)
        inbox = self._messages.setdefault(topic, [])
        threading.Thread(target=self._collect, args=(pipe, inbox), daemon=True).start()

    @staticmethod
    def _collect(pipe: Pipe, inbox: list[Received]) -> None:
        while True:
            try:
                told = wire.Fields(pipe.read_frame())
            except (OSError, PeerFailure, wire.WireError):
                return
            data = told.blob(2) if 2 in told else b""
            inbox.append(Received.of(wire.base58(told.blob(1)), data))

    def publish(self, topic: str, data: bytes) -> None:
        self._ask(_PUBSUB, (8, wire.message((1, _PUBLISH), (2, topic), (3, data))))

    def received(self, topic: str) -> list[Received]:
        return list(self._messages.get(topic, []))

    # --- kad --------------------------------------------------------------------------------------

    def learn(self, peer: str) -> None:
        # p2pd does not show its table; a lookup fails as long as it is empty.
        def finds() -> bool:
            self._ask_dht(_GET_CLOSEST, (4, wire.unbase58(peer)))
            return True

        until(f"{self.name}: {peer} in its DHT table", finds, pause=0.2)

    def _ask_dht(
        self, kind: int, *fields: tuple[int, Optional[bytes]], timeout: int = 10
    ) -> wire.Fields:
        request = wire.message((1, kind), *fields, (7, timeout))
        response = self._ask(_DHT, (5, request), timeout=timeout + 2)
        return wire.Fields(response.blob(5) if 5 in response else b"")

    def put(self, key: bytes, value: bytes) -> None:
        self._ask_dht(_PUT_VALUE, (4, key), (5, value))

    def get(self, key: bytes) -> Optional[bytes]:
        values = self._ask_dht(_GET_VALUE, (4, key)).blobs(3)
        return values[0] if values else None

    def provide(self, multihash: bytes) -> None:
        self._ask_dht(_PROVIDE, (3, wire.raw_cid(multihash)))

    def find_providers(self, multihash: bytes) -> set[str]:
        request = wire.message(
            (1, _FIND_PROVIDERS), (3, wire.raw_cid(multihash)), (6, 20), (7, 10)
        )
        found: set[str] = set()
        with closing(self._dial(12)) as pipe:
            try:
                pipe.write(wire.framed(wire.message((1, _DHT), (5, request))))
                self._accept(pipe.read_frame())
                while True:
                    told = wire.Fields(pipe.read_frame())
                    if told.integer(1) == _DHT_END:
                        return found
                    if told.integer(1) == _DHT_VALUE and 2 in told:
                        found.add(wire.base58(wire.Fields(told.blob(2)).blob(1)))
            except OSError as error:
                raise PeerFailure(f"{self.name}: find providers: {error}") from error

    def find_peer(self, peer: str) -> list[str]:
        told = self._ask_dht(_FIND_PEER, (2, wire.unbase58(peer)))
        require(2 in told, f"{self.name}: no peer in the answer")
        info = wire.Fields(told.blob(2))
        return [wire.multiaddr_text(address) for address in info.blobs(2)]


def _bulk_as_client(pipe: Pipe, upload: int, download: int) -> None:
    pipe.write(upload.to_bytes(8, "big") + download.to_bytes(8, "big"))
    digest = hashlib.sha256()
    at = 0
    while at < upload:
        piece = wire.pattern(at, min(wire.PATTERN_CHUNK, upload - at))
        pipe.write(piece)
        digest.update(piece)
        at += len(piece)
    require(pipe.read(32) == digest.digest(), "the server's hash of what was sent is another one")
    at = 0
    while at < download:
        piece = pipe.read(min(wire.PATTERN_CHUNK, download - at))
        require(piece == wire.pattern(at, len(piece)), f"wrong bytes from offset {at} on")
        at += len(piece)


def _bulk_as_server(connected: socket.socket) -> None:
    with connected:
        pipe = Pipe(connected)
        try:
            pipe.read_frame()  # who opened the stream
            upload = int.from_bytes(pipe.read(8), "big")
            download = int.from_bytes(pipe.read(8), "big")
            digest = hashlib.sha256()
            left = upload
            while left:
                piece = pipe.read(min(wire.PATTERN_CHUNK, left))
                digest.update(piece)
                left -= len(piece)
            pipe.write(digest.digest())
            at = 0
            while at < download:
                piece = wire.pattern(at, min(wire.PATTERN_CHUNK, download - at))
                pipe.write(piece)
                at += len(piece)
            # The daemon ends both directions when one ends, so the client closes first.
            connected.recv(1)
        except (OSError, PeerFailure, wire.WireError):
            return
