#!/usr/bin/env python3
"""A small model with every feature of the format, and vectors for it, made by the reference implementation.

    python3 synthetic.py [--out FOLDER]

Two convolutions, one of them with a stride and signed outputs, a dense layer and int8 outputs, with scales so large
that values saturate at both ends. Weights and inputs come from SHA-256 in counter mode: NumPy promises no sequence.
"""

import argparse
import hashlib
import json
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


if __name__ == "__main__":
    main()
