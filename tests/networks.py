"""Networks that several tests of C and of the page share."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import numpy.typing as npt
from keras import layers

from digits_edge.export.codegen.c.library import library_files
from digits_edge.export.codegen.c.sources import Sources, write_sources
from digits_edge.export.codegen.int8_network import (
    Convolution,
    Int8Network,
    Layer,
    MaxPool,
    Mean,
    Multiplier,
    Requantization,
    Table,
)
from digits_edge.export.codegen.tflite_reader import read_network
from digits_edge.export.convert.keras_model import KerasModelFile, read_facts
from digits_edge.export.convert.tflite import to_tflite
from digits_edge.export.engines.litert import TfliteModel
from digits_edge.export.engines.tensor_spec import Quantization
from digits_edge.runtime.bundle import Bundle
from digits_edge.runtime.metadata import Contract, Golden

ARTIFACTS = Path(__file__).resolve().parents[1] / "artifacts"
STRICT = ("-std=c99", "-O2", "-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Wshadow", "-Werror")


def released(name: str) -> bytes:
    """A released model's int8 TFLite."""
    return (ARTIFACTS / name / "model.int8.tflite").read_bytes()


def write_library(name: str, folder: Path) -> Path:
    """Write a released model's C with all that makes it a library, as an export does."""
    data = released(name)
    network, spec = read_network(data), TfliteModel.load(data, name).spec
    contract = Bundle.open(ARTIFACTS / name).contract()
    golden = contract.golden.pixels
    contract = replace(contract, golden=Golden(golden, spec.probabilities(network.logits(golden))))
    sources = write_sources(network, contract, spec.output)
    for path, text in {**sources.files, **library_files(sources, contract, spec.output)}.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text, encoding="utf-8")
    return folder


def plain():
    """Padding, strides, colour, windows that overlap, dense layers one after the other."""
    parts = [
        layers.Conv2D(6, (3, 5), strides=2, padding="same", use_bias=False),
        layers.BatchNormalization(),
        layers.ReLU(6.0),
        layers.MaxPooling2D(3, 2, padding="same"),
        layers.Conv2D(5, 2),
        layers.Flatten(),
        layers.Dense(9, activation="relu"),
        layers.Dense(3, activation="softmax", use_bias=False),
    ]
    return keras.Sequential([keras.Input((20, 24, 3)), *parts])


def averaged():
    """Few classes, a convolution of one pixel, a mean over many."""
    parts = [layers.Conv2D(7, 3, activation="relu"), layers.Conv2D(3, 1), layers.GlobalAveragePooling2D()]
    return keras.Sequential([keras.Input((13, 11, 1)), *parts, layers.Dense(2)])


def dense():
    """No convolution, and no channel."""
    return keras.Sequential(
        [keras.Input((12, 12)), layers.Flatten(), layers.Dense(16, activation="relu"), layers.Dense(3)]
    )


OWN = {plain: "-1..1", averaged: "0..255", dense: "-1..1"}


def tflite_of(architecture, pixel_range, folder):
    """An int8 TFLite model of random weights, and pictures for it."""
    keras.utils.set_random_seed(3)
    model, random = architecture(), np.random.default_rng(0)
    model.set_weights([w + np.abs(0.1 * random.standard_normal(w.shape)) for w in model.get_weights()])
    model.save(folder / "own.keras")
    network = KerasModelFile(folder / "own.keras", pixel_range)
    shape = read_facts(network)[0].shape
    pixels = random.integers(0, 256, (60, *shape), dtype=np.uint8)
    return to_tflite(network, pixels), pixels


def sources_of(
    network: Int8Network,
    labels: tuple[str, ...] | None = None,
    name: str = "model",
    golden: npt.NDArray[np.uint8] | None = None,
) -> Sources:
    """The C of a network, with golden vectors of some pictures, of noise unless given."""
    labels = labels or tuple(str(label) for label in range(network.classes))
    shape = network.shape if network.shape[2] == 3 else network.shape[:2]
    if golden is None:
        golden = np.random.default_rng(1).integers(0, 256, (2, *shape), dtype=np.uint8)
    answers = np.zeros((len(golden), len(labels)), np.float32)
    contract = Contract(name, labels, shape, "digit", 0.5, 0.5, Golden(golden, answers))
    return write_sources(network, contract, Quantization(0.1, 0))


def pair(numbers):
    down, across = numbers
    return down, across


def random_network(seed):
    """Layers of any kernel, stride and padding, which read whatever the one before makes."""
    random = np.random.default_rng(seed)
    shape = (int(random.integers(9, 21)), int(random.integers(9, 21)), int(random.choice([1, 3])))
    made: list[Layer] = []
    if random.random() < 0.5:
        entries = random.permutation(256).astype(np.uint8)
        made.append(Table(name="table", source=shape, shape=shape, entries=entries))
    least = -127 - seed % 2  # TFLite's converter writes no -128, others may
    while shape[0] > 3 and shape[1] > 3 and len(made) < 6:
        kernel = pair(int(random.integers(1, min(5, side) + 1)) for side in shape[:2])
        stride = pair(int(random.integers(1, 3)) for _ in range(2))
        padding = pair(int(random.integers(0, side)) for side in kernel)
        sides = pair((shape[i] + padding[i] * 2 - kernel[i]) // stride[i] + 1 for i in range(2))
        window = {"kernel": kernel, "stride": stride, "padding": padding}
        if made and isinstance(made[-1], Convolution) and random.random() < 0.4:
            halves = (shape[0] // 2, shape[1] // 2, shape[2])
            made.append(MaxPool(name="pool", source=shape, shape=halves, kernel=(2, 2), stride=(2, 2)))
        elif random.random() < 0.2:
            made.append(MaxPool(name="pool", source=shape, shape=(*sides, shape[2]), **window))
        else:
            made.append(convolution(random, shape, (*sides, int(random.integers(1, 9))), least, **window))
        shape = made[-1].shape
    if random.random() < 0.5:
        multiplier = Multiplier.of(1.3 / (shape[0] * shape[1]))
        made.append(mean(shape, -40 * shape[0] * shape[1], Requantization((multiplier,), 30)))
        shape = made[-1].shape
    made.append(convolution(random, shape, (1, 1, int(random.integers(2, 12))), least, kernel=shape[:2]))
    return Int8Network(tuple(made)), random.integers(0, 256, (20, *made[0].source), dtype=np.uint8)


def mean(source, bias, requantization):
    shape = (1, 1, source[2])
    return Mean(name="mean", source=source, shape=shape, kernel=source[:2], bias=bias, requantization=requantization)


def convolution(random, source, shape, least, *, kernel, **window):
    weights = random.integers(least, 128, (shape[2], *kernel, source[2]), dtype=np.int8)
    spread = 74 * 74 * np.sqrt(weights[0].size)  # of the sums, where values are anything
    multipliers = tuple(Multiplier.of(float(random.uniform(60, 180) / spread)) for _ in range(shape[2]))
    fill, zero = int(random.integers(0, 256)), int(random.integers(80, 176))
    bias = random.integers(-1000, 1000, shape[2]) - 128 * weights.reshape(shape[2], -1).sum(axis=1, dtype=np.int64)
    return Convolution(
        name="conv",
        source=source,
        shape=shape,
        kernel=kernel,
        fill=fill,
        weights=weights,
        bias=bias.astype(np.int32),
        requantization=Requantization(
            multipliers, zero, int(random.choice([0, zero - 40])), int(random.choice([255, zero + 60]))
        ),
        **window,
    )
