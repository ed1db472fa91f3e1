"""ristretto255, RFC 9496, as the RFC writes it: slow, and sharing nothing with the module it judges."""

from __future__ import annotations

import hashlib
from functools import cache

P = 2**255 - 19
ORDER = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, -1, P) % P
ROOT_OF_MINUS_ONE = pow(2, (P - 1) // 4, P)
ROOT_OF_AD_MINUS_ONE = 25063068953384623474111414158702152701244531502492656460079210482610430750235
INVERSE_ROOT_OF_A_MINUS_D = (
    54469307008909316920995813868745141605393597292927456921205312896311721017578
)

Point = tuple[int, int, int, int]
IDENTITY: Point = (0, 1, 1, 0)


def root_of_ratio(u: int, v: int) -> tuple[bool, int]:
    """Section 4.2."""
    root = u * pow(v, 3, P) * pow(u * pow(v, 7, P), (P - 5) // 8, P) % P
    check = v * root * root % P
    is_square, is_flipped = check == u % P, check == -u % P
    if is_flipped or check == -u * ROOT_OF_MINUS_ONE % P:
        root = root * ROOT_OF_MINUS_ONE % P
    return is_square or is_flipped, P - root if root & 1 else root


def decode(encoding: bytes) -> Point | None:
    """Section 4.3.1."""
    s = int.from_bytes(encoding, "little")
    if s >= P or s & 1:
        return None
    u1, u2 = (1 - s * s) % P, (1 + s * s) % P
    v = (-D * u1 * u1 - u2 * u2) % P
    is_square, inverse = root_of_ratio(1, v * u2 * u2 % P)
    x_part = inverse * u2 % P
    x = 2 * s * x_part % P
    x = P - x if x & 1 else x
    y = u1 * inverse * x_part * v % P
    t = x * y % P
    return (x, y, 1, t) if is_square and not t & 1 and y else None


def encode(point: Point) -> bytes:
    """Section 4.3.2."""
    x0, y0, z0, t0 = point
    u1, u2 = (z0 + y0) * (z0 - y0) % P, x0 * y0 % P
    _, inverse = root_of_ratio(1, u1 * u2 * u2 % P)
    first, second = inverse * u1 % P, inverse * u2 % P
    z_inverse = first * second * t0 % P
    x, y, denominator = x0, y0, second
    if t0 * z_inverse % P & 1:
        x, y = y0 * ROOT_OF_MINUS_ONE % P, x0 * ROOT_OF_MINUS_ONE % P
        denominator = first * INVERSE_ROOT_OF_A_MINUS_D % P
    if x * z_inverse % P & 1:
        y = -y % P
    s = denominator * (z0 - y) % P
    return (P - s if s & 1 else s).to_bytes(32, "little")


def is_identity(point: Point) -> bool:
    return point[0] == 0 or point[1] == 0


def add(p: Point, q: Point) -> Point:
    a, b = (p[1] - p[0]) * (q[1] - q[0]), (p[1] + p[0]) * (q[1] + q[0])
    c, d = 2 * D * p[3] * q[3], 2 * p[2] * q[2]
    e, f, g, h = b - a, d - c, d + c, b + a
    return e * f % P, g * h % P, f * g % P, e * h % P


def multiply(scalar: int, point: Point) -> Point:
    result = IDENTITY
    for bit in f"{scalar % ORDER:b}":
        result = add(result, result)
        if bit == "1":
            result = add(result, point)
    return result


def from_uniform(uniform: bytes) -> Point:
    """Section 4.3.4."""

    def mapped(half: bytes) -> Point:
        t = int.from_bytes(half, "little") % 2**255 % P
        r = ROOT_OF_MINUS_ONE * t * t % P
        u, v, c = (r + 1) * (1 - D * D) % P, (-1 - r * D) * (r + D) % P, -1
        is_square, s = root_of_ratio(u, v)
        if not is_square:
            s = s * t % P
            s, c = s if s & 1 else -s % P, r
        n = (c * (r - 1) * (D - 1) ** 2 - v) % P
        w0, w1, w2, w3 = 2 * s * v, n * ROOT_OF_AD_MINUS_ONE, 1 - s * s, 1 + s * s
        return w0 * w3 % P, w2 * w1 % P, w1 * w3 % P, w0 * w2 % P

    return add(mapped(uniform[:32]), mapped(uniform[32:]))


@cache
def generator(index: int) -> Point:
    message = b"chorale.spartan.generator.v1" + index.to_bytes(4, "little")
    return from_uniform(hashlib.sha512(message).digest())
