"""Keccak-256, which the standard library does not have, and reading RLP: enough to play a chain."""

ROUNDS = (
    0x0000000000000001, 0x0000000000008082, 0x800000000000808A, 0x8000000080008000,
    0x000000000000808B, 0x0000000080000001, 0x8000000080008081, 0x8000000000008009,
    0x000000000000008A, 0x0000000000000088, 0x0000000080008009, 0x000000008000000A,
    0x000000008000808B, 0x800000000000008B, 0x8000000000008089, 0x8000000000008003,
    0x8000000000008002, 0x8000000000000080, 0x000000000000800A, 0x800000008000000A,
    0x8000000080008081, 0x8000000000008080, 0x0000000080000001, 0x8000000080008008)
MASK = (1 << 64) - 1


def _rotate(value, count):
    count %= 64
    return ((value << count) | (value >> (64 - count))) & MASK


def _permute(lanes):
    for constant in ROUNDS:
        parity = [lanes[x][0] ^ lanes[x][1] ^ lanes[x][2] ^ lanes[x][3] ^ lanes[x][4]
                  for x in range(5)]
        for x in range(5):
            mixed = parity[(x + 4) % 5] ^ _rotate(parity[(x + 1) % 5], 1)
            lanes[x] = [lane ^ mixed for lane in lanes[x]]
        x, y, current = 1, 0, lanes[1][0]
        for step in range(24):
            x, y = y, (2 * x + 3 * y) % 5
            current, lanes[x][y] = lanes[x][y], _rotate(current, (step + 1) * (step + 2) // 2)
        for y in range(5):
            row = [lanes[x][y] for x in range(5)]
            for x in range(5):
                lanes[x][y] = row[x] ^ (~row[(x + 1) % 5] & row[(x + 2) % 5] & MASK)
        lanes[0][0] ^= constant
    return lanes


def keccak256(data):
    rate = 136
    data = bytearray(data) + b"\x01"
    data += bytes(-len(data) % rate)
    data[-1] |= 0x80
    lanes = [[0] * 5 for _ in range(5)]
    for start in range(0, len(data), rate):
        for index in range(rate // 8):
            word = int.from_bytes(data[start + 8 * index:start + 8 * index + 8], "little")
            lanes[index % 5][index // 5] ^= word
        lanes = _permute(lanes)
    return b"".join(lanes[i % 5][i // 5].to_bytes(8, "little") for i in range(4))


def rlp_items(data):
    """The items of a list, lists inside as they are encoded."""
    def size(at):
        first = data[at]
        if first < 0x80:
            return at, 1
        if first < 0xB8:
            return at + 1, first - 0x80
        if first < 0xC0:
            return at + 1 + first - 0xB7, int.from_bytes(data[at + 1:at + 1 + first - 0xB7], "big")
        if first < 0xF8:
            return at + 1, first - 0xC0
        return at + 1 + first - 0xF7, int.from_bytes(data[at + 1:at + 1 + first - 0xF7], "big")
    at, count = size(0)
    end, items = at + count, []
    assert end == len(data), "a list and nothing else"
    while at < end:
        start, length = size(at)
        items.append(bytes(data[start:start + length]))
        at = start + length
    return items
