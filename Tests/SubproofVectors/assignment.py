#!/usr/bin/env python3
"""Writes assignment.txt: what the order of validators must be.

An implementation of its own, from consensus-specs (phase0/beacon-chain.md, compute_shuffled_index),
that follows each index alone. Standard library only:

    python3 assignment.py > assignment.txt

Each line: beacon, operation, part, count of validators, and the first 16 whom the part asks; then `*`
and the SHA-256 of the whole order as two-byte little-endian numbers.
"""
import hashlib

SHUFFLE_ROUND_COUNT = 90


def sha256(data):
    return hashlib.sha256(data).digest()


def compute_shuffled_index(index, index_count, seed):
    assert index < index_count
    for current_round in range(SHUFFLE_ROUND_COUNT):
        pivot = int.from_bytes(sha256(seed + bytes([current_round]))[0:8], "little") % index_count
        flip = (pivot + index_count - index) % index_count
        position = max(index, flip)
        source = sha256(seed + bytes([current_round]) + (position // 256).to_bytes(4, "little"))
        byte = source[(position % 256) // 8]
        bit = (byte >> (position % 8)) % 2
        index = flip if bit else index
    return index


def part_seed(beacon, operation, part):
    return sha256(b"chorale/subproof/part/1" + beacon + operation + part.to_bytes(2, "little"))


for count in (1, 2, 3, 7, 31, 32, 33, 100, 128, 129, 255, 256, 257, 511, 512, 513, 1000, 1024):
    for number in range(2):
        beacon = sha256(b"beacon %d" % number)
        operation = sha256(b"operation %d %d" % (count, number))
        part = number * 700 + count % 64
        seed = part_seed(beacon, operation, part)
        order = [compute_shuffled_index(i, count, seed) for i in range(count)]
        assert sorted(order) == list(range(count))
        digest = sha256(b"".join(i.to_bytes(2, "little") for i in order))
        first = " ".join(str(i) for i in order[:16])
        print(beacon.hex(), operation.hex(), part, count, first, "*", digest.hex())
