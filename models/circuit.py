#!/usr/bin/env python3
"""The parts, programs and constraint systems of docs/inference.md, written from that page and sharing no code with the node.

    python3 circuit.py FILE.model…

Prints for each model SHA-256 of the programs and the systems' digests of all its parts: what the tests of the node compare with.
"""

import hashlib
import pathlib
import sys

import quantised

ORDER = 2**252 + 27742317777372353535851937790883648493
TERMS_MAX, PARTS_MAX = 2**20, 256


class System:
    """Constraints a · b = c over sums, which are dictionaries from columns to integers; columns are (section, place)."""

    ONE = (3, 0)

    def __init__(self) -> None:
        self.counts, self.rows = [0, 0, 0], []

    def variable(self, section: int) -> tuple[int, int]:
        self.counts[section] += 1
        return section, self.counts[section] - 1

    def constrain(self, a: dict, b: dict, c: dict) -> None:
        self.rows.append((a, b, c))

    def digest(self) -> bytes:
        starts = [0, self.counts[0], sum(self.counts[:2]), sum(self.counts)]
        out = hashlib.sha256(b"chorale.r1cs.v1")
        for count in (*self.counts, len(self.rows)):
            out.update(count.to_bytes(8, "little"))
        for matrix in range(3):
            for row in self.rows:
                entries = sorted(
                    (starts[section] + place, value % ORDER)
                    for (section, place), value in row[matrix].items()
                    if value % ORDER
                )
                out.update(len(entries).to_bytes(4, "little"))
                for column, value in entries:
                    out.update(column.to_bytes(4, "little") + value.to_bytes(32, "little"))
        return out.digest()


def plus(*sums: dict) -> dict:
    total: dict = {}
    for terms in sums:
        for column, value in terms.items():
            total[column] = total.get(column, 0) + value
    return total


def times(factor: int, terms: dict) -> dict:
    return {column: factor * value for column, value in terms.items()}


class LayerCircuit:
    """What the constraints of one layer's outputs need to know of it."""

    def __init__(self, layer: quantised.Layer, inputs: int, low: int) -> None:
        self.layer, self.inputs, self.low = layer, inputs, low
        self.rows = layer.weights.reshape(layer.weights.shape[0], -1).astype(object)
        if layer.image is None:
            self.outputs = self.rows.shape[0]
        else:
            height, width, _ = layer.image
            self.down = (height - layer.weights.shape[1]) // layer.stride + 1
            self.across = (width - layer.weights.shape[2]) // layer.stride + 1
            self.outputs = self.down * self.across * self.rows.shape[0]

    def row(self, output: int) -> int:
        return output if self.layer.image is None else output % self.rows.shape[0]

    def terms(self, output: int) -> list[tuple[int, int]]:
        """(input, weight) of one output."""
        if self.layer.image is None:
            return list(enumerate(map(int, self.rows[output])))
        _, width, channels = self.layer.image
        filters, kernel_height, kernel_width, _ = self.layer.weights.shape
        place, weights = output // filters, self.layer.weights[output % filters]
        top, left = place // self.across * self.layer.stride, place % self.across * self.layer.stride
        return [
            (((top + y) * width + left + x) * channels + channel, int(weights[y, x, channel]))
            for y in range(kernel_height)
            for x in range(kernel_width)
            for channel in range(channels)
        ]

    def shape(self, row: int) -> tuple[int, int, int, int, bool, int]:
        """m, s, lowest, k, whether there is a sign, N."""
        layer, weights, bias = self.layer, self.rows[row], int(self.layer.bias[row])
        lowest = 0 if layer.output == quantised.RECTIFIED else -128
        least = bias + sum(min(int(w) * self.low, int(w) * 127) for w in weights)
        most = bias + sum(max(int(w) * self.low, int(w) * 127) for w in weights)
        offset = (1 << (layer.shift - 1)) - (lowest << layer.shift)
        least, most = least * layer.multiplier + offset, most * layer.multiplier + offset
        size = 0
        while most >= 2**size or (least < 0 and least < -(2**size)):
            size += 1
        return layer.multiplier, layer.shift, lowest, 7 if lowest == 0 else 8, least < 0, size

    def cost(self, row: int) -> int:
        if self.layer.output == quantised.ACCUMULATORS:
            return 1
        _, shift, _, bits, signed, size = self.shape(row)
        excess = max(0, size - shift - bits)
        return size + signed + 1 + max(0, excess - 1) + (excess > 0) + 1

    def add(self, system: System, output: int, inputs: list, out: tuple) -> None:
        one = {System.ONE: 1}
        bias = int(self.layer.bias[self.row(output)])
        sum_ = plus({inputs[place]: weight for place, weight in self.terms(output)}, {System.ONE: bias})
        if self.layer.output == quantised.ACCUMULATORS:
            return system.constrain(sum_, one, {out: 1})
        multiplier, shift, lowest, bit_count, signed, size = self.shape(self.row(output))
        bits = [system.variable(2) for _ in range(size + signed)]
        for bit in bits:
            system.constrain({bit: 1}, {bit: 1, System.ONE: -1}, {})
        offset = (1 << (shift - 1)) - (lowest << shift) + (signed << size)
        system.constrain(
            plus(times(multiplier, sum_), {System.ONE: offset}),
            one,
            {bit: 1 << index for index, bit in enumerate(bits)},
        )
        value = {bit: 1 << index for index, bit in enumerate(bits[:size][shift : shift + bit_count])}
        excess, total = bits[:size][shift + bit_count :], value
        if excess:
            any_ = excess[0]
            for bit in excess[1:]:
                new = system.variable(2)
                system.constrain({System.ONE: 1, any_: -1}, {bit: 1}, {new: 1, any_: -1})
                any_ = new
            addition = system.variable(2)
            system.constrain({any_: 1}, plus({System.ONE: 2**bit_count - 1}, times(-1, value)), {addition: 1})
            total = plus(value, {addition: 1})
        system.constrain({bits[size]: 1} if signed else one, total, {out: 1, System.ONE: -lowest})


def parts(layer: LayerCircuit, constraints_max: int) -> list[tuple[int, int]]:
    costs = [layer.cost(row) for row in range(layer.rows.shape[0])]
    for count in range(1, PARTS_MAX + 1):
        bounds = [index * layer.outputs // count for index in range(count + 1)]
        ranges = list(zip(bounds, bounds[1:]))
        if all(
            sum(costs[layer.row(output)] for output in range(first, end)) <= constraints_max
            and (end - first) * layer.rows.shape[1] <= TERMS_MAX
            for first, end in ranges
        ):
            return ranges
    raise ValueError("too many parts")


def main() -> None:
    for name in sys.argv[1:]:
        file = pathlib.Path(name).read_bytes()
        model, out = quantised.decode(file), hashlib.sha256()
        count, low = model.input_count, -128
        for index, layer in enumerate(model.layers):
            circuit = LayerCircuit(layer, count, low)
            for first, end in parts(circuit, model.part_constraints):
                program = b"chorale/inference-part/1" + hashlib.sha256(file).digest()
                program += b"".join(number.to_bytes(4, "little") for number in (index, first, end))
                out.update(hashlib.sha256(program).digest())

                system, is_last = System(), end == circuit.outputs
                inputs = [system.variable(0) for _ in range(count + first)]
                outputs = [system.variable(1) for _ in range(end if is_last else count + end)]
                carried = inputs[count:] if is_last else inputs
                for taken, given in zip(carried, outputs):
                    system.constrain({taken: 1}, {System.ONE: 1}, {given: 1})
                for output, given in zip(range(first, end), outputs[len(carried) :]):
                    circuit.add(system, output, inputs, given)
                out.update(system.digest())
            count, low = circuit.outputs, 0 if layer.output == quantised.RECTIFIED else -128
        print(f"{pathlib.Path(name).name} {out.hexdigest()}")


if __name__ == "__main__":
    main()
