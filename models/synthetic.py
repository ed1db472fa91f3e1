#!/usr/bin/env python3
"""Models with random weights, and vectors for them, made by the reference implementation.

    python3 synthetic.py [--out FOLDER]

synthetic.model is small and has every feature of the format:

two convolutions, one of them with a stride and signed outputs, a dense layer and int8 outputs, with scales so large
that values saturate at both ends. Weights and inputs come from SHA-256 in counter mode: NumPy promises no sequence.

large.json names a larger model, which the node makes itself of the same seed (`QuantisedModel.synthetic`): its hash, and
what it gives for inputs made likewise.
"""

import argparse
import hashlib
import json
import math
import pathlib

import numpy as np

import quantised

VECTOR_COUNT = 20


class Stream:
    """Bytes of SHA-256(seed ‖ counter)."""

    def __init__(self, seed: bytes) -> None:
        self.seed, self.counter, self.rest = seed, 0, b""

    def int8(self, *shape: int) -> np.ndarray:
        size = int(np.prod(shape))
        while len(self.rest) < size:
            self.rest += hashlib.sha256(self.seed + self.counter.to_bytes(8, "little")).digest()
            self.counter += 1
        taken, self.rest = self.rest[:size], self.rest[size:]
        return np.frombuffer(taken, "<i1").reshape(shape).astype(np.int64)


def model(stream: Stream) -> quantised.Model:
    return quantised.Model(
        8 * 8 * 2,
        [
            quantised.Layer(
                stream.int8(4, 3, 3, 2), stream.int8(4) * 100, quantised.SIGNED, 900_000_001, 38, (8, 8, 2)
            ),
            quantised.Layer(
                stream.int8(6, 2, 3, 4), stream.int8(6) * 50, quantised.RECTIFIED, 181, 15, (6, 6, 4), 2
            ),
            quantised.Layer(stream.int8(12, 3 * 2 * 6), stream.int8(12) * 90, quantised.RECTIFIED, 3, 9),
            quantised.Layer(stream.int8(5, 12), stream.int8(5), quantised.SIGNED, 3, 8),
        ],
        part_constraints=1024,
    )


class Generator:
    """The node's seeded generator: xoshiro256** 1.0, seeded through SplitMix64."""

    MASK = 2**64 - 1

    def __init__(self, seed: int) -> None:
        self.state = []
        for _ in range(4):
            seed = (seed + 0x9E3779B97F4A7C15) & self.MASK
            mixed = ((seed ^ (seed >> 30)) * 0xBF58476D1CE4E5B9) & self.MASK
            mixed = ((mixed ^ (mixed >> 27)) * 0x94D049BB133111EB) & self.MASK
            self.state.append(mixed ^ (mixed >> 31))

    def next(self) -> int:
        def rotate(value: int, count: int) -> int:
            return (value << count | value >> (64 - count)) & self.MASK

        a, b, c, d = self.state
        result = rotate(b * 5 & self.MASK, 7) * 9 & self.MASK
        shifted = b << 17 & self.MASK
        c ^= a
        d ^= b
        b ^= c
        a ^= d
        self.state = [a, b, c ^ shifted, rotate(d, 45)]
        return result

    def below(self, bound: int) -> int:
        while True:
            product = self.next() * bound
            if product & self.MASK >= (2**64 - bound) % bound:
                return product >> 64

    def int8(self, count: int) -> np.ndarray:
        words = b"".join(self.next().to_bytes(8, "little") for _ in range((count + 7) // 8))
        return np.frombuffer(words[:count], "<i1").astype(np.int64)


def large(widths: list[int], seed: int) -> quantised.Model:
    """As `QuantisedModel.synthetic` makes it."""
    random, layers = Generator(seed), []
    for index, (inputs, outputs) in enumerate(zip(widths, widths[1:])):
        weights = random.int8(inputs * outputs).reshape(outputs, inputs)
        bias = np.array([random.below(40_001) - 20_000 for _ in range(outputs)])
        layer = quantised.Layer(weights, bias)
        if index + 2 < len(widths):
            shift = (181 * 74 * math.isqrt(inputs)).bit_length() - 1
            layer.output, layer.multiplier, layer.shift = quantised.RECTIFIED, 181, shift
        layers.append(layer)
    return quantised.Model(widths[0], layers)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path(__file__).resolve().parent / "synthetic")
    folder = parser.parse_args().out
    stream = Stream(b"chorale")
    made = model(stream)
    data = made.encode()
    assert quantised.decode(data).encode() == data
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "synthetic.model").write_bytes(data)
    print(f"synthetic.model: {len(data)} bytes, SHA-256 {hashlib.sha256(data).hexdigest()}")
    inputs = [stream.int8(made.input_count) for _ in range(VECTOR_COUNT - 3)]
    inputs += [np.full(made.input_count, value) for value in (0, 127, -128)]
    outputs = [made.run(vector) for vector in inputs]
    seen = np.concatenate(outputs)
    assert seen.min() == -128 and seen.max() == 127 and len(set(seen.tolist())) > 20
    rows = ",\n".join(
        json.dumps({"input": list(map(int, vector)), "output": list(map(int, output))}, separators=(",", ":"))
        for vector, output in zip(inputs, outputs)
    )
    (folder / "vectors.json").write_text(f"[\n{rows}\n]\n")

    widths, seed = [784, 512, 256, 10], 2026
    made = large(widths, seed)
    described = {
        "widths": widths,
        "seed": seed,
        "hash": hashlib.sha256(made.encode()).hexdigest(),
        "outputs": {
            str(seed): list(map(int, made.run(Generator(seed).int8(made.input_count)))) for seed in range(1, 9)
        },
    }
    (folder / "large.json").write_text(json.dumps(described, indent=1) + "\n")


if __name__ == "__main__":
    main()
