"""A bare multistream and Noise XX peer over sockets, which can lie, and a proxy that cuts.

The Noise arithmetic is written out here from the Noise specification (revision 34) and libp2p's
noise specification on the primitives of the `cryptography` package, so that it shares no code with
any peer of the table.
"""

from __future__ import annotations

import hashlib
import hmac
import socket
import threading
from enum import Enum
from typing import Optional

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from . import wire
from .peer import PeerFailure, require

_NAME = b"Noise_XX_25519_ChaChaPoly_SHA256"
_SIGNED = b"noise-libp2p-static-key:"
_MULTISTREAM = b"/multistream/1.0.0\n"
_NOISE = b"/noise\n"


class Lie(Enum):
    """What is wrong with the identity that a handshake carries."""

    NONE = "nothing"
    FLIPPED_SIGNATURE = "one bit of the signature"
    OTHER_STATIC_KEY = "a signature over another static key"
    OTHER_SIGNER = "a signature by another identity"
    NO_SIGNATURE = "no signature at all"


class _Symmetric:
    """Noise's symmetric state (section 5.2)."""

    def __init__(self) -> None:
        self.hash = _NAME  # exactly as long as the hash, so it is not hashed
        self.chaining = _NAME
        self.key: Optional[ChaCha20Poly1305] = None
        self.nonce = 0
        self.mix_hash(b"")  # the empty prologue

    def mix_hash(self, data: bytes) -> None:
        self.hash = hashlib.sha256(self.hash + data).digest()

    def mix_key(self, secret: bytes) -> None:
        self.chaining, key = self._derive(secret)
        self.key, self.nonce = ChaCha20Poly1305(key), 0

    def _derive(self, secret: bytes) -> tuple[bytes, bytes]:
        pseudorandom = hmac.digest(self.chaining, secret, "sha256")
        first = hmac.digest(pseudorandom, b"\x01", "sha256")
        return first, hmac.digest(pseudorandom, first + b"\x02", "sha256")

    def seal(self, data: bytes) -> bytes:
        if self.key is not None:
            data = self.key.encrypt(_nonce(self.nonce), data, self.hash)
            self.nonce += 1
        self.mix_hash(data)
        return data

    def open(self, data: bytes) -> bytes:
        plain = data
        if self.key is not None:
            try:
                plain = self.key.decrypt(_nonce(self.nonce), data, self.hash)
            except InvalidTag:
                raise PeerFailure("a handshake message does not decrypt") from None
            self.nonce += 1
        self.mix_hash(data)
        return plain

    def split(self) -> tuple[ChaCha20Poly1305, ChaCha20Poly1305]:
        first, second = self._derive(b"")
        return ChaCha20Poly1305(first), ChaCha20Poly1305(second)


def _nonce(counter: int) -> bytes:
    return bytes(4) + counter.to_bytes(8, "little")


class RawPeer:
    """One handshake over one connected socket."""

    def __init__(
        self, connected: socket.socket, identity: wire.Identity, lie: Lie = Lie.NONE
    ) -> None:
        self.socket = connected
        self.identity = identity
        self.lie = lie
        self.static = X25519PrivateKey.generate()
        self.ephemeral = X25519PrivateKey.generate()
        self.state = _Symmetric()
        self._receiving: Optional[ChaCha20Poly1305] = None
        #: The other side's id, once its payload was read and verified.
        self.remote = ""

    # --- both sides -------------------------------------------------------------------------------

    def dial(self) -> None:
        """The initiator's side, through message 3."""
        self._say(_MULTISTREAM, _NOISE)
        self._hear(_MULTISTREAM)
        self._hear(_NOISE)
        state = self.state
        own = self.ephemeral.public_key().public_bytes_raw()
        state.mix_hash(own)
        self._send(own + state.seal(b""))
        message = self._receive()
        require(len(message) >= 96, f"message 2 has only {len(message)} bytes")
        theirs = X25519PublicKey.from_public_bytes(message[:32])
        state.mix_hash(message[:32])
        state.mix_key(self.ephemeral.exchange(theirs))
        their_static = state.open(message[32:80])
        state.mix_key(self.ephemeral.exchange(X25519PublicKey.from_public_bytes(their_static)))
        self._check(state.open(message[80:]), their_static)
        static = state.seal(self.static.public_key().public_bytes_raw())
        state.mix_key(self.static.exchange(theirs))
        self._send(static + state.seal(self._payload()))
        _, self._receiving = state.split()

    def accept(self) -> None:
        """The responder's side, through message 3."""
        self._hear(_MULTISTREAM)
        self._hear(_NOISE)
        self._say(_MULTISTREAM, _NOISE)
        state = self.state
        message = self._receive()
        require(len(message) >= 32, f"message 1 has only {len(message)} bytes")
        theirs = X25519PublicKey.from_public_bytes(message[:32])
        state.mix_hash(message[:32])
        state.open(message[32:])
        own = self.ephemeral.public_key().public_bytes_raw()
        state.mix_hash(own)
        state.mix_key(self.ephemeral.exchange(theirs))
        static = state.seal(self.static.public_key().public_bytes_raw())
        state.mix_key(self.static.exchange(theirs))
        self._send(own + static + state.seal(self._payload()))
        message = self._receive()
        require(len(message) >= 64, f"message 3 has only {len(message)} bytes")
        their_static = state.open(message[:48])
        state.mix_key(self.ephemeral.exchange(X25519PublicKey.from_public_bytes(their_static)))
        self._check(state.open(message[48:]), their_static)
        self._receiving, _ = state.split()

    def accepted(self) -> bool:
        """Whether the other side goes on: it sends a frame that decrypts, instead of closing."""
        assert self._receiving is not None
        try:
            frame = self._receive()
            self._receiving.decrypt(_nonce(0), frame, b"")
        except (OSError, PeerFailure, InvalidTag):
            return False
        return True

    # --- payloads ---------------------------------------------------------------------------------

    def _payload(self) -> bytes:
        static = self.static.public_key().public_bytes_raw()
        signer = self.identity
        if self.lie is Lie.OTHER_STATIC_KEY:
            static = X25519PrivateKey.generate().public_key().public_bytes_raw()
        elif self.lie is Lie.OTHER_SIGNER:
            signer = wire.Identity(b"somebody else")
        signature: Optional[bytes] = signer.secret.sign(_SIGNED + static)
        if self.lie is Lie.FLIPPED_SIGNATURE:
            assert signature is not None
            signature = signature[:20] + bytes([signature[20] ^ 0x10]) + signature[21:]
        elif self.lie is Lie.NO_SIGNATURE:
            signature = None
        # Naming the muxer here saves its negotiation with peers that can do without.
        extensions = wire.message((2, "/yamux/1.0.0"))
        return wire.message((1, self.identity.public_key), (2, signature), (4, extensions))

    def _check(self, payload: bytes, static: bytes) -> None:
        told = wire.Fields(payload)
        key = told.blob(1)
        inner = wire.Fields(key)
        require(inner.integer(1) == 1, "the peer's identity is no Ed25519 key")
        Ed25519PublicKey.from_public_bytes(inner.blob(2)).verify(told.blob(2), _SIGNED + static)
        self.remote = wire.base58(b"\x00" + wire.framed(key))

    # --- frames -----------------------------------------------------------------------------------

    def _say(self, *lines: bytes) -> None:
        self.socket.sendall(b"".join(wire.framed(line) for line in lines))

    def _hear(self, line: bytes) -> None:
        heard = self._exactly(wire.read_uvarint(self._exactly))
        require(heard == line, f"expected {line!r}, heard {heard!r}")

    def _send(self, message: bytes) -> None:
        self.socket.sendall(len(message).to_bytes(2, "big") + message)

    def _receive(self) -> bytes:
        return self._exactly(int.from_bytes(self._exactly(2), "big"))

    def _exactly(self, count: int) -> bytes:
        data = b""
        while len(data) < count:
            piece = self.socket.recv(count - len(data))
            if not piece:
                raise PeerFailure("the peer closed the connection")
            data += piece
        return data


def dial_raw(address: str, identity: wire.Identity, lie: Lie) -> bool:
    """Dials and says whether the peer went on after a handshake with this lie."""
    parts = address.split("/")
    with socket.create_connection((parts[2], int(parts[4])), timeout=8) as connected:
        peer = RawPeer(connected, identity, lie)
        peer.dial()
        require(
            peer.remote == wire.peer_of(address),
            f"the listener showed the identity {peer.remote}",
        )
        return peer.accepted()


class RawListener:
    """Takes connections one after the other and answers each with the same lie."""

    def __init__(self, identity: wire.Identity, lie: Lie) -> None:
        self.identity = identity
        self.lie = lie
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self.listener.getsockname()[1]
        self.address = f"/ip4/127.0.0.1/tcp/{self.port}/p2p/{identity.id}"
        #: For each connection, whether the dialer went on after our message 2 and 3.
        self.went_on: list[bool] = []
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                connected, _ = self.listener.accept()
            except OSError:
                return
            with connected:
                connected.settimeout(8)
                peer = RawPeer(connected, self.identity, self.lie)
                try:
                    peer.accept()
                    self.went_on.append(peer.accepted())
                except (OSError, PeerFailure, wire.WireError):
                    self.went_on.append(False)

    def close(self) -> None:
        _close_listener(self.listener)


class CuttingProxy:
    """Carries one connection to `target` and ends it after some bytes of one direction.

    What the cut direction sends beyond `limit` is never delivered; then both sockets are closed.
    """

    def __init__(self, target: str, *, limit: int, of_listener: bool) -> None:
        parts = target.split("/")
        self._target = (parts[2], int(parts[4]))
        self._limit = limit
        self._of_listener = of_listener
        #: Whether the limit was reached, so that something was withheld.
        self.cut = threading.Event()
        self.listener = socket.create_server(("127.0.0.1", 0))
        port = self.listener.getsockname()[1]
        self.address = f"/ip4/127.0.0.1/tcp/{port}/p2p/{wire.peer_of(target)}"
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        try:
            near, _ = self.listener.accept()
            far = socket.create_connection(self._target, timeout=5)
        except OSError:
            return
        near_limit = None if self._of_listener else self._limit
        far_limit = self._limit if self._of_listener else None
        threading.Thread(target=self._carry, args=(far, near, far_limit), daemon=True).start()
        self._carry(near, far, near_limit)

    def _carry(self, source: socket.socket, sink: socket.socket, limit: Optional[int]) -> None:
        carried = 0
        try:
            while True:
                piece = source.recv(4096)
                if not piece:
                    break
                if limit is not None and carried + len(piece) >= limit:
                    sink.sendall(piece[: limit - carried])
                    self.cut.set()
                    break
                sink.sendall(piece)
                carried += len(piece)
        except OSError:
            pass
        # An orderly end in both directions: a FIN, so that the truncation is all there is to see.
        for end in (sink, source):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def close(self) -> None:
        _close_listener(self.listener)


def _close_listener(listener: socket.socket) -> None:
    try:
        listener.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass
    listener.close()
