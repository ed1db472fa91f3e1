"""Quantised models: the file format of docs/inference.md, and a reference implementation in NumPy.

Written from that page alone and sharing no code with the node, so that two readers of the page can be compared.
Arithmetic is int64 throughout; whatever the format allows fits.
"""

from __future__ import annotations

import dataclasses
import struct

import numpy as np

ACCUMULATORS, SIGNED, RECTIFIED = 0, 1, 2  # what a layer gives
DENSE, CONVOLUTION = 1, 2
VECTOR_INT8, VECTOR_INT32 = 1, 2


@dataclasses.dataclass
class Layer:
    """A linear map with a bias, and what becomes of its accumulators."""

    weights: np.ndarray  # dense: [outputs, inputs]; convolution: [filters, kernel height, kernel width, channels]
    bias: np.ndarray  # [outputs] or [filters]
    output: int = ACCUMULATORS
    multiplier: int = 0
    shift: int = 0
    image: tuple[int, int, int] | None = None  # height, width, channels, for a convolution
    stride: int = 1

    def accumulate(self, vector: np.ndarray) -> np.ndarray:
        weights, bias = self.weights.astype(np.int64), self.bias.astype(np.int64)
        if self.image is None:
            return weights @ vector + bias
        height, width, channels = self.image
        filters, kernel_height, kernel_width, _ = weights.shape
        image = vector.reshape(height, width, channels)
        rows = (height - kernel_height) // self.stride + 1
        columns = (width - kernel_width) // self.stride + 1
        result = np.zeros((rows, columns, filters), dtype=np.int64)
        for row in range(rows):
            for column in range(columns):
                top, left = row * self.stride, column * self.stride
                window = image[top : top + kernel_height, left : left + kernel_width, :]
                result[row, column] = (weights * window).sum(axis=(1, 2, 3)) + bias
        return result.reshape(-1)

    def run(self, vector: np.ndarray) -> np.ndarray:
        accumulators = self.accumulate(vector.astype(np.int64))
        assert np.abs(accumulators).max() < 2**31
        if self.output == ACCUMULATORS:
            return accumulators
        scaled = (accumulators * self.multiplier + (1 << (self.shift - 1))) >> self.shift
        return np.clip(scaled, 0 if self.output == RECTIFIED else -128, 127)

    def encode(self) -> bytes:
        kind = DENSE if self.image is None else CONVOLUTION
        out = struct.pack("<BBBBI", kind, self.output, self.shift, 0, self.multiplier)
        if self.image is None:
            out += struct.pack("<I", self.weights.shape[0])
        else:
            filters, kernel_height, kernel_width, _ = self.weights.shape
            out += struct.pack("<HHHHBBBB", *self.image, filters, kernel_height, kernel_width, self.stride, 0)
        return out + self.weights.astype("<i1").tobytes() + self.bias.astype("<i4").tobytes()


@dataclasses.dataclass
class Model:
    input_count: int
    layers: list[Layer]
    part_constraints: int = 65536  # the finer a model is divided, the more validators share its verification

    def run(self, vector: np.ndarray) -> np.ndarray:
        for layer in self.layers:
            vector = layer.run(vector)
        return vector

    def encode(self) -> bytes:
        return struct.pack(
            "<4sHHII", b"CHQM", 1, len(self.layers), self.input_count, self.part_constraints
        ) + b"".join(
            layer.encode() for layer in self.layers
        )


def decode(data: bytes) -> Model:
    """The model in a file that is known to be well formed: this is no validator."""
    magic, version, layer_count, input_count, part_constraints = struct.unpack_from("<4sHHII", data, 0)
    assert magic == b"CHQM" and version == 1
    offset, layers, count = 16, [], input_count
    for _ in range(layer_count):
        kind, output, shift, _, multiplier = struct.unpack_from("<BBBBI", data, offset)
        offset += 8
        if kind == DENSE:
            (outputs,) = struct.unpack_from("<I", data, offset)
            offset += 4
            shape, image, stride = (outputs, count), None, 1
            count = outputs
        else:
            height, width, channels, filters, kernel_height, kernel_width, stride, _ = struct.unpack_from(
                "<HHHHBBBB", data, offset
            )
            offset += 12
            shape, image = (filters, kernel_height, kernel_width, channels), (height, width, channels)
            count = ((height - kernel_height) // stride + 1) * ((width - kernel_width) // stride + 1) * filters
        size = int(np.prod(shape))
        weights = np.frombuffer(data, "<i1", size, offset).reshape(shape)
        offset += size
        bias = np.frombuffer(data, "<i4", shape[0], offset)
        offset += 4 * shape[0]
        layers.append(Layer(weights, bias, output, multiplier, shift, image, stride))
    assert offset == len(data)
    return Model(input_count, layers, part_constraints)


def encode_vector(vector: np.ndarray, element: int = VECTOR_INT8) -> bytes:
    """An input file (int8), or an output file (int8 or int32)."""
    body = np.asarray(vector).astype("<i1" if element == VECTOR_INT8 else "<i4")
    assert np.array_equal(body.astype(np.int64), np.asarray(vector).astype(np.int64))
    return struct.pack("<4sHBBI", b"CHQV", 1, element, 0, body.size) + body.tobytes()


def decode_vector(data: bytes) -> np.ndarray:
    magic, version, element, _, count = struct.unpack_from("<4sHBBI", data, 0)
    assert magic == b"CHQV" and version == 1
    return np.frombuffer(data, "<i1" if element == VECTOR_INT8 else "<i4", count, 12).astype(np.int64)


def multiplier_and_shift(scale: float, bits: int) -> tuple[int, int]:
    """The multiplier of `bits` bits and the shift such that multiplier / 2^shift is nearest to `scale`."""
    assert scale > 0
    shift = 1
    while shift < 48 and round(scale * 2 ** (shift + 1)) < 2**bits:
        shift += 1
    multiplier = round(scale * 2**shift)
    assert 1 <= multiplier < 2**bits, "a scale out of range"
    return multiplier, shift
