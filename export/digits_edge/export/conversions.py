"""What needs TensorFlow, as functions that run in the child process (see `converter`)."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from digits_edge.runtime.errors import ExportError, first_line
from digits_edge.trainer.predict import predict

from . import equalize, fine_tune, network, to_onnx, to_tflite
from .engines import MicroModel
from .network import Facts, Network

if TYPE_CHECKING:
    import keras


def describe(source: Network) -> Facts:
    """What a network says of itself."""
    return _adapted(source)[0]


def summarize(source: Network) -> tuple[Facts, list[tuple[str, str, str, int]]]:
    """What a network says of itself, and each layer's name, kind, output and parameters."""
    model = network.open_network(source.path)
    layers = [
        (layer.name, type(layer).__name__, " x ".join(map(str, layer.output.shape[1:])), layer.count_params())
        for layer in model.layers
    ]
    return network.facts(model), layers


def answers(source: Network, pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """Keras's own class probabilities float32[N, C] of uint8[N, H, W] or uint8[N, H, W, 3]."""
    return predict(_adapted(source)[1], pixels)


def onnx_core(source: Network) -> bytes:
    """The network as a float core (see `graph`), serialized."""
    return to_onnx.convert(_adapted(source)[1])


def tflite(source: Network, calibration: npt.NDArray[np.uint8] | None = None) -> bytes:
    """The network as TFLite: float, or full-integer where calibration pictures are given."""
    return to_tflite.convert(_adapted(source)[1], calibration)


def equalized(source: Network, target: Path) -> Network | None:
    """The same function with weights of even ranges, written to `target`; None where no layers allow it."""
    model = network.open_network(source.path)
    if not equalize.equalize(model):
        return None
    model.save(target)
    return Network(target, source.pixel_range)


def fine_tuned(source: Network, target: Path, pixels: npt.NDArray[np.uint8]) -> Network:
    """A network taught to bear quantization by its own float answers on `pixels`, written to `target`."""
    model = network.open_network(source.path)
    teacher = predict(_adapted(source)[1], pixels)
    try:
        fine_tune.fine_tune(network.adapt(model, source.pixel_range), pixels, teacher)
    except Exception as error:  # a layer of a kind that keras cannot clone or differentiate
        raise ExportError(f"{model.name} cannot be fine-tuned: {first_line(error)}") from None
    model.save(target)
    return Network(target, source.pixel_range)


def microcontroller(data: bytes, pixels: npt.NDArray[np.uint8]) -> tuple[npt.NDArray[np.float32], int]:
    """What TensorFlow Lite for Microcontrollers makes of an int8 TFLite model: probabilities, and its arena in bytes.

    Raises:
        BundleError: it cannot run the model. Of some models it dies without a word.
    """
    model = MicroModel.load(data, "model.int8.tflite")
    return model.predict_proba(pixels), model.arena_bytes


@lru_cache(maxsize=4)
def _adapted(source: Network) -> tuple[Facts, keras.Model]:
    model = network.open_network(source.path)
    facts = network.facts(model)
    return facts, network.adapt(model, source.pixel_range)
