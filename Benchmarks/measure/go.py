"""A go-libp2p daemon, with what only benchmarks ask of it."""

from __future__ import annotations

import os
import socket
import threading
from pathlib import Path

from harness import go_peer, wire
from harness.go_peer import GoPeer, Pipe
from harness.processes import Children

TOPIC = "bench"
SINK = "/chorale/bench/sink/1"


class GoNode(GoPeer):
    def __init__(self, name: str, children: Children, program: Path, folder: Path) -> None:
        # One heartbeat a second, go's default and Chorale's.
        super().__init__(name, children, program, folder, dht="off", heartbeat="1s")
        self.pid = self._process.pid
        self._sink_path = folder / f"{name}.sink"
        self._publishing: Pipe | None = None
        self._counted = 0
        self._count = 0

    def close(self) -> None:
        for held in self._open:
            held.close()
        self._open.clear()

    @property
    def peer_count(self) -> int:
        return len(self.connected())

    # --- gossip -----------------------------------------------------------------------------------

    @property
    def delivered(self) -> int:
        """Messages that its subscriber was given, own ones included."""
        return self._count

    def subscribe_counting(self) -> None:
        """Counts messages without looking into them."""
        pipe = self._dial()
        request = wire.message((1, go_peer._SUBSCRIBE), (2, TOPIC))
        pipe.write(wire.framed(wire.message((1, go_peer._PUBSUB), (8, request))))
        self._accept(pipe.read_frame())
        pipe.socket.settimeout(None)
        self._open.append(pipe.socket)
        threading.Thread(target=self._count_frames, args=(pipe.socket,), daemon=True).start()

    def _count_frames(self, source: socket.socket) -> None:
        held = bytearray()
        to_skip = 0
        while True:
            try:
                piece = source.recv(1 << 20)
            except OSError:
                return
            if not piece:
                return
            if to_skip >= len(piece):
                to_skip -= len(piece)
                continue
            held += piece[to_skip:]
            to_skip = 0
            at = 0
            while at < len(held):
                try:
                    length, behind = wire.take_uvarint(held, at)
                except wire.WireError:
                    break
                self._count += 1
                at = behind + length
            to_skip = max(0, at - len(held))
            del held[: min(at, len(held))]

    def publish(self, size: int) -> None:
        if self._publishing is None:
            self._publishing = self._dial()
            self._open.append(self._publishing.socket)
        data = os.urandom(16) + bytes(size - 16)
        request = wire.message((1, go_peer._PUBLISH), (2, TOPIC), (3, data))
        self._publishing.write(wire.framed(wire.message((1, go_peer._PUBSUB), (8, request))))
        self._accept(self._publishing.read_frame())

    # --- one stream -------------------------------------------------------------------------------

    def serve_sink(self) -> None:
        """Takes streams whose first eight bytes say how many follow, and answers with one byte."""
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(str(self._sink_path))
        listener.listen(8)
        self._open.append(listener)
        threading.Thread(target=self._accept_sinks, args=(listener,), daemon=True).start()
        request = wire.message((1, wire.multiaddr(f"/unix{self._sink_path}")), (2, SINK), (3, 0))
        self._ask(go_peer._STREAM_HANDLER, (4, request))

    def _accept_sinks(self, listener: socket.socket) -> None:
        while True:
            try:
                connected, _ = listener.accept()
            except OSError:
                return
            with connected:
                pipe = Pipe(connected)
                pipe.read_frame()  # who opened the stream
                left = int.from_bytes(pipe.read(8), "big")
                buffer = bytearray(1 << 20)
                while left > 0:
                    count = connected.recv_into(buffer, min(left, len(buffer)))
                    if count == 0:
                        return
                    left -= count
                connected.sendall(b"\x01")
                # The daemon ends both directions when one ends, so the client closes first.
                connected.recv(1)

    def upload(self, peer: str, size: int) -> None:
        pipe = self.open_stream(peer, SINK, 60)
        pipe.socket.settimeout(120)
        block = memoryview(bytes(1 << 20))
        pipe.write(size.to_bytes(8, "big"))
        left = size
        while left > 0:
            pipe.socket.sendall(block[: min(left, len(block))])
            left -= min(left, len(block))
        pipe.read(1)
        pipe.close()
