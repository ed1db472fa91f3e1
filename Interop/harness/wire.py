"""The few encodings that the harness speaks itself: varints, protobuf, multiaddr, base58, peer ids.

Written by hand and small, so that what is checked does not depend on the code under test nor on a
foreign peer's library.
"""

from __future__ import annotations

import hashlib
from typing import Callable, Iterator, Union

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

FieldValue = Union[int, bytes]


class WireError(ValueError):
    """Bytes that are not what their format says."""


# --- varints -------------------------------------------------------------------------------------


def uvarint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(0x80 | (value & 0x7F))
        value >>= 7
    out.append(value)
    return bytes(out)


def take_uvarint(data: bytes, at: int = 0) -> tuple[int, int]:
    """The number at `at` and the offset behind it."""
    value = 0
    for index in range(10):
        if at + index >= len(data):
            raise WireError("varint cut short")
        byte = data[at + index]
        value |= (byte & 0x7F) << (7 * index)
        if byte < 0x80:
            return value, at + index + 1
    raise WireError("varint longer than ten bytes")


def read_uvarint(read_exactly: Callable[[int], bytes]) -> int:
    value = 0
    for index in range(10):
        byte = read_exactly(1)[0]
        value |= (byte & 0x7F) << (7 * index)
        if byte < 0x80:
            return value
    raise WireError("varint longer than ten bytes")


# --- protobuf ------------------------------------------------------------------------------------


def message(*fields: tuple[int, Union[int, bytes, str, None]]) -> bytes:
    """One protobuf message; a field whose value is None is left out."""
    out = bytearray()
    for number, value in fields:
        if value is None:
            continue
        if isinstance(value, bool) or isinstance(value, int):
            out += uvarint(number << 3) + uvarint(int(value))
        else:
            raw = value.encode() if isinstance(value, str) else bytes(value)
            out += uvarint(number << 3 | 2) + uvarint(len(raw)) + raw
    return bytes(out)


def fields_of(data: bytes) -> Iterator[tuple[int, FieldValue]]:
    at = 0
    while at < len(data):
        key, at = take_uvarint(data, at)
        number, kind = key >> 3, key & 7
        if kind == 0:
            value, at = take_uvarint(data, at)
            yield number, value
        elif kind == 2:
            length, at = take_uvarint(data, at)
            if at + length > len(data):
                raise WireError("protobuf field cut short")
            yield number, data[at : at + length]
            at += length
        elif kind in (1, 5):
            at += 8 if kind == 1 else 4
        else:
            raise WireError(f"protobuf wire type {kind}")


class Fields:
    """The fields of one message. What is missing or of the wrong type is a `WireError`."""

    def __init__(self, data: bytes) -> None:
        self._values: dict[int, list[FieldValue]] = {}
        for number, value in fields_of(data):
            self._values.setdefault(number, []).append(value)

    def __contains__(self, number: int) -> bool:
        return number in self._values

    def blobs(self, number: int) -> list[bytes]:
        values = self._values.get(number, [])
        blobs = [value for value in values if isinstance(value, bytes)]
        if len(blobs) != len(values):
            raise WireError(f"field {number} is a number")
        return blobs

    def blob(self, number: int) -> bytes:
        blobs = self.blobs(number)
        if not blobs:
            raise WireError(f"field {number} is missing")
        return blobs[0]

    def integer(self, number: int) -> int:
        for value in self._values.get(number, []):
            if isinstance(value, int):
                return value
        raise WireError(f"field {number} is missing or no number")


def framed(data: bytes) -> bytes:
    return uvarint(len(data)) + data


# --- base58 and peer ids -------------------------------------------------------------------------

_ALPHABET = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"


def base58(data: bytes) -> str:
    number = int.from_bytes(data, "big")
    out = ""
    while number:
        number, digit = divmod(number, 58)
        out = _ALPHABET[digit] + out
    zeros = len(data) - len(data.lstrip(b"\0"))
    return "1" * zeros + out


def unbase58(text: str) -> bytes:
    number = 0
    for letter in text:
        digit = _ALPHABET.find(letter)
        if digit < 0:
            raise WireError(f"'{letter}' is no base58 letter")
        number = number * 58 + digit
    zeros = len(text) - len(text.lstrip("1"))
    return b"\0" * zeros + number.to_bytes((number.bit_length() + 7) // 8, "big")


class Identity:
    """An Ed25519 identity that belongs to the harness itself."""

    def __init__(self, seed: bytes) -> None:
        self.secret = Ed25519PrivateKey.from_private_bytes(hashlib.sha256(seed).digest())
        raw = self.secret.public_key().public_bytes_raw()
        self.public_key = message((1, 1), (2, raw))
        self.multihash = b"\x00" + uvarint(len(self.public_key)) + self.public_key
        self.id = base58(self.multihash)


def sha256_multihash(data: bytes) -> bytes:
    return b"\x12\x20" + hashlib.sha256(data).digest()


def raw_cid(multihash: bytes) -> bytes:
    return b"\x01\x55" + multihash


# --- multiaddr -----------------------------------------------------------------------------------

_IP4, _TCP, _IP6, _UNIX, _P2P = 4, 6, 41, 400, 421


def multiaddr(text: str) -> bytes:
    """The binary form of an address made of ip4, tcp, unix and p2p parts."""
    out = bytearray()
    parts = text.strip("/").split("/")
    at = 0
    while at < len(parts):
        name = parts[at]
        if name == "unix":
            path = ("/" + "/".join(parts[at + 1 :])).encode()
            return bytes(out + uvarint(_UNIX) + framed(path))
        value = parts[at + 1]
        if name == "ip4":
            out += uvarint(_IP4) + bytes(int(part) for part in value.split("."))
        elif name == "tcp":
            out += uvarint(_TCP) + int(value).to_bytes(2, "big")
        elif name == "p2p":
            out += uvarint(_P2P) + framed(unbase58(value))
        else:
            raise WireError(f"address part '{name}' is not known here")
        at += 2
    return bytes(out)


def multiaddr_text(data: bytes) -> str:
    out, at = "", 0
    while at < len(data):
        code, at = take_uvarint(data, at)
        if code == _IP4:
            out += "/ip4/" + ".".join(str(byte) for byte in data[at : at + 4])
            at += 4
        elif code == _IP6:
            out += "/ip6/" + data[at : at + 16].hex(":", 2)
            at += 16
        elif code == _TCP:
            out += f"/tcp/{int.from_bytes(data[at : at + 2], 'big')}"
            at += 2
        elif code == _P2P:
            length, at = take_uvarint(data, at)
            out += "/p2p/" + base58(data[at : at + length])
            at += length
        else:
            return out + f"/{code}:{data[at:].hex()}"
    return out


def transport_of(address: str) -> str:
    """The address without the peer id at its end."""
    return address.split("/p2p/")[0]


def peer_of(address: str) -> str:
    return address.rsplit("/p2p/", 1)[1]


# --- the bulk protocol ---------------------------------------------------------------------------

BULK_PROTOCOL = "/chorale/bulk/1.0.0"

#: Byte i of everything that the bulk protocol carries is i mod 251: 251 is prime, so that no block
#: size of a transport divides the period and a block lost, doubled or swapped shows.
PERIOD = bytes(range(251))
_RUN = PERIOD * 1046


def pattern(offset: int, length: int) -> bytes:
    """`length` (at most 256 KiB) bytes of the pattern from `offset` on."""
    start = offset % 251
    return _RUN[start : start + length]


PATTERN_CHUNK = 256 * 1024
assert len(_RUN) >= PATTERN_CHUNK + 251
