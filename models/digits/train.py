#!/usr/bin/env python3
"""Trains a small network on scikit-learn's bundled handwritten digits, quantises it to int8 and writes it here.

    python3 -m venv .venv && .venv/bin/pip install -r ../requirements.txt
    .venv/bin/python train.py [--out FOLDER]

The same seed gives the same files with the pinned packages on the same kind of processor; floating-point sums may
differ elsewhere, which is why the files themselves are kept and named by their hashes (README.md).
"""

import argparse
import hashlib
import json
import os
import pathlib
import sys

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # sums in one order
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))

import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier

import quantised

SEED = 2026
HIDDEN = (48, 32)
# Eight bits: the error of a scale is at most 1/256, and each bit more is one more constraint for each neuron.
MULTIPLIER_BITS = 8
# So small that the model is in eight parts.
PART_CONSTRAINTS = 440
VECTOR_COUNT = 50
INPUT_COUNT = 10


def quantise(classifier: MLPClassifier, calibration: np.ndarray) -> quantised.Model:
    """Symmetric quantisation by layer; a pixel (0…16, trained as pixel / 16) is its own int8."""
    layers = []
    scale_in, activations = 1 / 16, calibration / 16
    for index, (weights, bias) in enumerate(zip(classifier.coefs_, classifier.intercepts_)):
        scale_weights = np.abs(weights).max() / 127
        scale_sum = scale_in * scale_weights
        layer = quantised.Layer(
            weights=np.rint(weights.T / scale_weights).astype(np.int64),
            bias=np.rint(bias / scale_sum).astype(np.int64),
        )
        if index + 1 < len(classifier.coefs_):
            activations = np.maximum(activations @ weights + bias, 0)
            scale_out = np.quantile(activations, 0.9995) / 127
            layer.output = quantised.RECTIFIED
            layer.multiplier, layer.shift = quantised.multiplier_and_shift(scale_sum / scale_out, MULTIPLIER_BITS)
            scale_in = scale_out
        layers.append(layer)
    return quantised.Model(calibration.shape[1], layers, PART_CONSTRAINTS)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path(__file__).resolve().parent)
    folder = parser.parse_args().out

    images, labels = load_digits(return_X_y=True)
    train_x, test_x, train_y, test_y = train_test_split(
        images, labels, test_size=0.25, random_state=SEED, stratify=labels
    )
    classifier = MLPClassifier(HIDDEN, alpha=1e-3, max_iter=400, random_state=SEED)
    classifier.fit(train_x / 16, train_y)
    model = quantise(classifier, train_x)
    outputs = [model.run(image.astype(np.int64)) for image in test_x]
    accuracy = float(np.mean([int(np.argmax(output)) == label for output, label in zip(outputs, test_y)]))
    print(f"accuracy on {len(test_y)} images not trained on: {classifier.score(test_x / 16, test_y):.4f} as float, "
          f"{accuracy:.4f} as int8")
    if accuracy < 0.95:
        sys.exit("the quantised network is not good enough")

    data = model.encode()
    assert quantised.decode(data).encode() == data
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "digits.model").write_bytes(data)
    print(f"digits.model: {len(data)} bytes, SHA-256 {hashlib.sha256(data).hexdigest()}")
    for stale in (folder / "inputs").glob("*.input"):
        stale.unlink()
    (folder / "inputs").mkdir(exist_ok=True)
    # For trying the model: of each digit the first image, not trained on, that it reads rightly.
    for digit in range(INPUT_COUNT):
        image = next(
            image for image, label, output in zip(test_x, test_y, outputs) if label == digit == np.argmax(output)
        )
        (folder / "inputs" / f"{digit}.input").write_bytes(quantised.encode_vector(image))
    vectors = [
        {"label": int(label), "input": [int(value) for value in image], "output": [int(value) for value in output]}
        for image, label, output in list(zip(test_x, test_y, outputs))[:VECTOR_COUNT]
    ]
    rows = ",\n".join(json.dumps(row, separators=(",", ":")) for row in vectors)
    (folder / "vectors.json").write_text(f"[\n{rows}\n]\n")


if __name__ == "__main__":
    main()
