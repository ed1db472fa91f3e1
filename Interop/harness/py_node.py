"""A py-libp2p node that obeys JSON lines on standard input and answers them on standard output.

Run by `py_peer.py` in the harness's virtual environment. It leaves when its standard input ends.
"""

from __future__ import annotations

import hashlib
import json
import logging
import secrets
import sys
import time
from pathlib import Path
from typing import Any, Optional, cast

import trio

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from harness import wire  # noqa: E402

from libp2p import new_host  # noqa: E402
from libp2p.crypto.ed25519 import create_new_key_pair  # noqa: E402
from libp2p.custom_types import TProtocol  # noqa: E402
from libp2p.identity.identify.pb.identify_pb2 import Identify  # noqa: E402
from libp2p.io.utils import read_exactly  # noqa: E402
from libp2p.kad_dht.kad_dht import DHTMode, KadDHT  # noqa: E402
from libp2p.network.config import RetryConfig  # noqa: E402
from libp2p.peer.id import ID  # noqa: E402
from libp2p.peer.peerinfo import info_from_p2p_addr  # noqa: E402
from libp2p.pubsub.gossipsub import GossipSub  # noqa: E402
from libp2p.pubsub.pubsub import Pubsub  # noqa: E402
from libp2p.tools.anyio_service import background_trio_service  # noqa: E402
from libp2p.utils.varint import read_varint_prefixed_bytes  # noqa: E402
from multiaddr import Multiaddr  # noqa: E402

IDENTIFY_PROTOCOL = TProtocol("/ipfs/id/1.0.0")
PING_PROTOCOL = TProtocol("/ipfs/ping/1.0.0")
GOSSIP_PROTOCOLS = [TProtocol("/meshsub/1.1.0"), TProtocol("/meshsub/1.0.0")]


class Node:
    def __init__(self, port: int, seed: bytes, dht_mode: str) -> None:
        self.port = port
        self.host = new_host(key_pair=create_new_key_pair(hashlib.sha256(seed).digest()))
        # One attempt a dial: the harness says when to try again.
        self.swarm = cast(Any, self.host.get_network())
        self.swarm.retry_config = RetryConfig(max_retries=0)
        self.host.set_stream_handler(TProtocol(wire.BULK_PROTOCOL), self.serve_bulk)
        # The defaults (a heartbeat of two minutes, ten messages a second) are for nobody.
        self.gossip = GossipSub(
            GOSSIP_PROTOCOLS,
            degree=6,
            degree_low=5,
            degree_high=12,
            heartbeat_initial_delay=0.5,
            heartbeat_interval=1,
            spam_protection_enabled=False,
            eclipse_protection_enabled=False,
        )
        self.pubsub = Pubsub(self.host, self.gossip, strict_signing=True)
        mode = {"server": DHTMode.SERVER, "client": DHTMode.CLIENT}[dht_mode]
        self.dht = KadDHT(self.host, mode)
        self.nursery: Optional[trio.Nursery] = None
        self.messages: dict[str, list[tuple[str, int, str]]] = {}

    # --- what can be asked ------------------------------------------------------------------------

    async def connect(self, address: str) -> None:
        info = info_from_p2p_addr(Multiaddr(address))
        # It would dial every address it ever heard of and refuse a peer that failed before.
        self.host.get_peerstore().clear_addrs(info.peer_id)
        self.swarm.unblock_peer(info.peer_id)
        await self.host.connect(info)

    async def disconnect(self, peer: str) -> None:
        await self.host.disconnect(ID.from_base58(peer))

    async def connected(self) -> list[str]:
        return [str(peer) for peer in self.host.get_connected_peers()]

    async def sight(self, peer: str) -> dict[str, Any]:
        stream = await self.host.new_stream(ID.from_base58(peer), [IDENTIFY_PROTOCOL])
        try:
            told = Identify()
            told.ParseFromString(await read_varint_prefixed_bytes(stream))
        finally:
            await stream.close()
        return {
            "id": str(ID.from_pubkey(_public_key(told.public_key))),
            "agent": told.agent_version,
            "protocols": list(told.protocols),
        }

    async def ping(self, peer: str, count: int) -> list[float]:
        stream = await self.host.new_stream(ID.from_base58(peer), [PING_PROTOCOL])
        times = []
        try:
            for _ in range(count):
                sent = secrets.token_bytes(32)
                begin = time.perf_counter()
                await stream.write(sent)
                if await read_exactly(stream, 32) != sent:
                    raise ValueError("a ping came back changed")
                times.append(time.perf_counter() - begin)
        finally:
            await stream.close()
        return times

    async def bulk(self, peer: str, upload: int, download: int) -> None:
        stream = await self.host.new_stream(ID.from_base58(peer), [TProtocol(wire.BULK_PROTOCOL)])
        try:
            await stream.write(upload.to_bytes(8, "big") + download.to_bytes(8, "big"))
            digest = hashlib.sha256()
            at = 0
            while at < upload:
                piece = wire.pattern(at, min(wire.PATTERN_CHUNK, upload - at))
                await stream.write(piece)
                digest.update(piece)
                at += len(piece)
            if await read_exactly(stream, 32) != digest.digest():
                raise ValueError("the server's hash of what was sent is another one")
            at = 0
            while at < download:
                piece = await stream.read(min(wire.PATTERN_CHUNK, download - at))
                if not piece:
                    raise ValueError(f"the stream ended at byte {at} of {download}")
                if piece != wire.pattern(at, len(piece)):
                    raise ValueError(f"wrong bytes from offset {at} on")
                at += len(piece)
        finally:
            await stream.close()

    async def serve_bulk(self, stream: Any) -> None:
        try:
            head = await read_exactly(stream, 16)
            upload, download = int.from_bytes(head[:8], "big"), int.from_bytes(head[8:], "big")
            digest = hashlib.sha256()
            left = upload
            while left:
                piece = await stream.read(min(wire.PATTERN_CHUNK, left))
                if not piece:
                    raise ValueError("the stream ended early")
                digest.update(piece)
                left -= len(piece)
            await stream.write(digest.digest())
            at = 0
            while at < download:
                piece = wire.pattern(at, min(wire.PATTERN_CHUNK, download - at))
                await stream.write(piece)
                at += len(piece)
            await stream.close()
        except Exception as error:  # a stream's end must not end the node
            logging.warning("bulk: %r", error)
            await stream.reset()

    async def subscribe(self, topic: str) -> None:
        subscription = await self.pubsub.subscribe(topic)
        inbox = self.messages.setdefault(topic, [])

        async def collect() -> None:
            while True:
                told = await subscription.get()
                digest = hashlib.sha256(told.data).hexdigest()
                inbox.append((wire.base58(told.from_id), len(told.data), digest))

        assert self.nursery is not None
        self.nursery.start_soon(collect)

    async def publish(self, topic: str, data: str) -> None:
        await self.pubsub.publish(topic, bytes.fromhex(data))

    async def received(self, topic: str) -> list[tuple[str, int, str]]:
        return list(self.messages.get(topic, []))

    async def learn(self, peer: str) -> bool:
        """Takes a connected peer into the routing table, as py-libp2p leaves to its user."""
        return await self.dht.add_peer(ID.from_base58(peer))

    async def provide(self, multihash: str) -> bool:
        return await self.dht.provide(multihash)

    async def find_providers(self, multihash: str) -> list[str]:
        return [str(info.peer_id) for info in await self.dht.find_providers(multihash)]

    async def find_peer(self, peer: str) -> list[str]:
        info = await self.dht.find_peer(ID.from_base58(peer))
        return [] if info is None else [str(address) for address in info.addrs]

    # --- life -------------------------------------------------------------------------------------

    async def run(self) -> None:
        listen = [Multiaddr(f"/ip4/127.0.0.1/tcp/{self.port}")]
        async with (
            self.host.run(listen_addrs=listen),
            trio.open_nursery() as nursery,
            background_trio_service(self.pubsub),
            background_trio_service(self.gossip),
            background_trio_service(self.dht),
        ):
            self.nursery = nursery
            await self.pubsub.wait_until_ready()
            say({"ready": str(self.host.get_id())})
            await self.obey(nursery)
            nursery.cancel_scope.cancel()

    async def obey(self, nursery: trio.Nursery) -> None:
        stdin = trio.lowlevel.FdStream(0)
        rest = b""
        async for piece in stdin:
            *lines, rest = (rest + piece).split(b"\n")
            for line in lines:
                nursery.start_soon(self.answer, json.loads(line))

    async def answer(self, order: dict[str, Any]) -> None:
        try:
            with trio.fail_after(order["timeout"]):
                result = await getattr(self, order["do"])(*order["with"])
            say({"id": order["id"], "result": result})
        except Exception as error:
            say({"id": order["id"], "error": describe(error)})


def _public_key(data: bytes) -> Any:
    from libp2p.crypto.serialization import deserialize_public_key

    return deserialize_public_key(data)


def describe(error: BaseException) -> str:
    """The error and what caused it, innermost last, on one line."""
    parts: list[str] = []
    seen: Optional[BaseException] = error
    while seen is not None and len(parts) < 4:
        if isinstance(seen, BaseExceptionGroup):
            seen = seen.exceptions[0]
            continue
        parts.append(f"{type(seen).__name__}: {seen}".strip().rstrip(":").replace("\n", " "))
        seen = seen.__cause__ or seen.__context__
    return "; ".join(parts)[:400]


def say(answer: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()


def main() -> None:
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr)
    port, seed, dht_mode = int(sys.argv[1]), sys.argv[2].encode(), sys.argv[3]
    trio.run(Node(port, seed, dht_mode).run)


main()
