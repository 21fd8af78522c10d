"""Open any Keras 3 image classifier, and adapt it for export: pixels in [0, 1] in, logits out."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from digits_edge.common.keras_backend import import_keras
from digits_edge.common.keras_models import load_model, predict, without_softmax
from digits_edge.runtime.errors import ExportError, first_line

from ..engines.tensor_spec import PIXEL_RANGES

if TYPE_CHECKING:
    import keras


@dataclass(frozen=True)
class KerasModelFile:
    """A Keras model in a `.keras` file."""

    path: Path
    pixel_range: str = "0..1"  # that it was trained on, one of `tensor_spec.PIXEL_RANGES`


@dataclass(frozen=True)
class ModelFacts:
    """What is known about a network."""

    name: str  # in Keras
    shape: tuple[int, ...]  # of a picture, (H, W) or (H, W, 3)
    classes: int  # number of outputs
    cost: dict[str, int]  # of one picture, as `model_cost` counts it; empty if a layer is used more than once


def open_network(path: Path) -> keras.Model:
    """Load a `.keras` file in safe mode, to compute in float32.

    Raises:
        ExportError: The file cannot be loaded, or is no classifier of one picture of fixed size.
    """
    try:
        model = load_model(path)
        source, sink = model.input_shape, model.output_shape
    except (AttributeError, ValueError) as error:  # AttributeError: a model without a fixed input shape
        raise ExportError(f"{path}: {first_line(error)}") from None
    sides = (*source, 1) if isinstance(source, tuple) and len(source) == 3 else source
    if (
        not isinstance(sides, tuple)
        or len(sides) != 4
        or not all(isinstance(side, int) for side in sides[1:])
        or sides[3] not in (1, 3)
    ):
        raise ExportError(
            f"{path}: expected one input of a fixed size, (H, W), (H, W, 1) or (H, W, 3), received {_sizes(source)}"
        )
    if not isinstance(sink, tuple) or len(sink) != 2 or not isinstance(sink[1], int) or sink[1] < 2:
        raise ExportError(f"{path}: expected one output of two classes or more, received {_sizes(sink)}")
    return model


def facts(model: keras.Model) -> ModelFacts:
    """The facts about a model by `open_network`."""
    from digits_edge.common.model_cost import cost

    shape = tuple(model.input_shape[1:])
    try:
        price = asdict(cost(model))
    except (AttributeError, ValueError):  # a layer used twice has no one input
        price = {}
    return ModelFacts(model.name, shape[:2] if shape[2:] == (1,) else shape, int(model.output_shape[1]), price)


def adapt(model: keras.Model, pixel_range: str) -> keras.Model:
    """Adapt a model by `open_network` to take float32[N, H, W, C] in [0, 1] and return logits float32[N, classes].

    Its softmax may be removed in place. Raises ExportError if it ends in neither logits nor their softmax.
    """
    keras = import_keras()
    try:
        model = without_softmax(model)
    except ValueError as error:
        raise ExportError(f"{model.name}: {first_line(error)}") from None
    shape = model.input_shape[1:]
    if pixel_range == "0..1" and len(shape) == 3:
        return model
    image = keras.Input((*shape[:2], *(shape[2:] or (1,))), name="image")
    pixels = image if len(shape) == 3 else keras.layers.Reshape(shape)(image)
    if pixel_range != "0..1":
        low, high = PIXEL_RANGES[pixel_range]
        pixels = keras.layers.Rescaling(high - low, low)(pixels)
    return keras.Model(image, model(pixels), name=model.name)


def _sizes(shape: Any) -> str:
    return " and ".join(map(str, shape)) if isinstance(shape, list | dict) else str(shape)


def as_function(model: keras.Model, name: str, batch: int | None = 1) -> Any:
    """A model as a `tf.function` from float32[batch, H, W, C] in [0, 1], with this name, to logits.

    TFLite needs a batch of 1, and with it every shape in the ONNX graph is a constant.
    """
    import tensorflow as tf

    spec = tf.TensorSpec((batch, *model.input_shape[1:]), tf.float32, name=name)
    return tf.function(lambda pixels: model(pixels, training=False), input_signature=[spec])


def read_facts(source: KerasModelFile) -> ModelFacts:
    """The facts about a model file that can be adapted."""
    return _opened(source)[0]


def adapted(source: KerasModelFile) -> keras.Model:
    """The adapted model of a file."""
    return _opened(source)[1]


@lru_cache(maxsize=4)
def _opened(source: KerasModelFile) -> tuple[ModelFacts, keras.Model]:
    """Facts and adapted model of a file; cached, so that the worker process opens each file once."""
    model = open_network(source.path)
    return facts(model), adapt(model, source.pixel_range)


def summarize(source: KerasModelFile) -> tuple[ModelFacts, list[tuple[str, str, str, int]]]:
    """The facts about a model file, and the name, kind, output shape and parameters of each layer."""
    model = open_network(source.path)
    layers = [
        (layer.name, type(layer).__name__, " x ".join(map(str, layer.output.shape[1:])), layer.count_params())
        for layer in model.layers
    ]
    return facts(model), layers


def keras_probabilities(source: KerasModelFile, pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """Keras's own class probabilities float32[N, C] of uint8[N, H, W] or uint8[N, H, W, 3]."""
    return predict(adapted(source), pixels)
