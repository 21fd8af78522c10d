"""Open any Keras 3 image classifier, and adapt it for export: pixels in [0, 1] in, logits out."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from digits_edge.common.keras_backend import import_keras
from digits_edge.common.keras_models import Prepare, load_model, predict, predict_outputs
from digits_edge.common.keras_outputs import PROVEN, Outputs, kind_of, probes, with_logits
from digits_edge.common.numerics import scale, softmax
from digits_edge.runtime.errors import ExportError, first_line

from ..engines.pixel_range import ends_of
from ..engines.tensor_spec import Pixels

if TYPE_CHECKING:
    import keras


@dataclass(frozen=True)
class KerasModelFile:
    """A Keras model in a file, or in the folder of a SavedModel."""

    path: Path
    pixel_range: str = "0..1"  # that it was trained on, see `pixel_range.ends_of`
    custom: str | None = None  # module with the author's own layers

    def prepare(self, pixels: Pixels, *, channel: bool = True) -> npt.NDArray[np.float32]:
        """What its author feeds it for uint8[N, H, W] or uint8[N, H, W, 3], float32; with an axis for one channel."""
        low, high = np.array(ends_of(self.pixel_range)).T  # [1] or [3]
        scaled: npt.NDArray[np.float32] = scale(pixels) * np.float32(high - low) + np.float32(low)
        return scaled if channel or pixels.ndim == 4 else scaled[..., 0]


@dataclass(frozen=True)
class ModelFacts:
    """What is known about a network."""

    name: str  # in Keras
    shape: tuple[int, ...]  # of a picture, (H, W) or (H, W, 3)
    classes: int  # number of outputs
    cost: dict[str, int]  # of one picture, as `model_cost` counts it; empty if a layer is used more than once


@dataclass(frozen=True, eq=False)
class OpenedModel:
    """A model as its author wrote it, and what is exported in its place."""

    facts: ModelFacts
    outputs: Outputs  # of the untouched model, by its answers to noise
    model: keras.Model  # untouched
    prepare: Prepare  # for the untouched model
    adapted: keras.Model  # from float32[N, H, W, C] in [0, 1] to logits


def open_network(source: KerasModelFile) -> keras.Model:
    """Load a model file in safe mode, to compute in float32.

    Raises:
        ExportError: The file cannot be loaded, or is no classifier of one picture of fixed size.
    """
    path = source.path
    try:
        model = load_model(path, source.custom)
        inputs, sink = model.input_shape, model.output_shape
    except (AttributeError, ValueError) as error:  # AttributeError: a model without a fixed input shape
        raise ExportError(f"{path}: {first_line(error)}") from None
    sides = (*inputs, 1) if isinstance(inputs, tuple) and len(inputs) == 3 else inputs
    if (
        not isinstance(sides, tuple)
        or len(sides) != 4
        or not all(isinstance(side, int) for side in sides[1:])
        or sides[3] not in (1, 3)
    ):
        raise ExportError(
            f"{path}: expected one input of a fixed size, (H, W), (H, W, 1) or (H, W, 3), received {_sizes(inputs)}"
        )
    if not isinstance(sink, tuple) or len(sink) != 2 or not isinstance(sink[1], int) or sink[1] < 2:
        raise ExportError(f"{path}: expected one output of two classes or more, received {_sizes(sink)}")
    return model


def _facts(model: keras.Model) -> ModelFacts:
    from digits_edge.common.model_cost import cost

    shape = tuple(model.input_shape[1:])
    try:
        price = asdict(cost(model))
    except (AttributeError, ValueError):  # a layer used twice has no one input
        price = {}
    return ModelFacts(model.name, shape[:2] if shape[2:] == (1,) else shape, int(model.output_shape[1]), price)


def open_adapted(source: KerasModelFile) -> OpenedModel:
    """Open a model file, and adapt its model to take float32[N, H, W, C] in [0, 1] and to return logits.

    What the model gives is decided by its answers to noise and extremes, and the adapted model is proved on them.

    Raises:
        ExportError: The file cannot be opened, or its model gives neither logits nor probabilities.
    """
    keras = import_keras()
    model = open_network(source)
    facts, shape = _facts(model), model.input_shape[1:]
    prepare = partial(source.prepare, channel=len(shape) == 3)
    try:
        adapted, outputs = with_logits(model, probes(facts.shape), prepare)
    except ValueError as error:
        raise ExportError(f"{source.path}: {first_line(error)}") from None
    ends = ends_of(source.pixel_range)
    if len(ends) not in (1, *facts.shape[2:]):
        raise ExportError(f"{source.path}: expected one pixel range for one channel, received {source.pixel_range}")
    is_ours = list(ends) == [(0, 1)]
    if not is_ours or len(shape) == 2:
        image = keras.Input((*shape[:2], *(shape[2:] or (1,))), name="image")
        pixels = image if len(shape) == 3 else keras.layers.Reshape(shape)(image)
        scales, lows = [high - low for low, high in ends], [low for low, _ in ends]
        rescaled = keras.layers.Rescaling(scales, lows) if len(ends) > 1 else keras.layers.Rescaling(scales[0], lows[0])
        pixels = pixels if is_ours else rescaled(pixels)
        adapted = keras.Model(image, adapted(pixels), name=model.name)
    return OpenedModel(facts, outputs, model, prepare, adapted)


def _sizes(shape: Any) -> str:
    return " and ".join(map(str, shape)) if isinstance(shape, list | dict) else str(shape)


def as_function(model: keras.Model, name: str, batch: int | None = 1) -> Any:
    """A model as a `tf.function` from float32[batch, H, W, C] in [0, 1], with this name, to logits.

    TFLite needs a batch of 1, and with it every shape in the ONNX graph is a constant.
    """
    import tensorflow as tf

    spec = tf.TensorSpec((batch, *model.input_shape[1:]), tf.float32, name=name)
    return tf.function(lambda pixels: model(pixels, training=False), input_signature=[spec])


def read_facts(source: KerasModelFile) -> tuple[ModelFacts, Outputs]:
    """The facts about a model file that can be adapted, and what the model gives."""
    opened = _opened(source)
    return opened.facts, opened.outputs


def adapted(source: KerasModelFile) -> keras.Model:
    """The adapted model of a file."""
    return _opened(source).adapted


@lru_cache(maxsize=4)
def _opened(source: KerasModelFile) -> OpenedModel:
    """An opened model; cached, so that the worker process opens each file once."""
    return open_adapted(source)


def summarize(source: KerasModelFile) -> tuple[ModelFacts, list[tuple[str, str, str, int]]]:
    """The facts about a model file, and the name, kind, output shape and parameters of each layer."""
    model = open_network(source)
    layers = [
        (layer.name, type(layer).__name__, " x ".join(map(str, layer.output.shape[1:])), layer.count_params())
        for layer in model.layers
    ]
    return _facts(model), layers


def keras_answers(source: KerasModelFile, pixel_range: str, pixels: Pixels) -> npt.NDArray[np.float32]:
    """What the untouched model gives, float32[N, C], for pixels in another range than `source` says."""
    opened = _opened(source)
    prepare = partial(replace(source, pixel_range=pixel_range).prepare, channel=len(opened.model.input_shape) == 4)
    return predict_outputs(opened.model, pixels, prepare)


def keras_probabilities(source: KerasModelFile, pixels: Pixels) -> npt.NDArray[np.float32]:
    """The class probabilities float32[N, C] that the untouched model gives for uint8[N, H, W] or uint8[N, H, W, 3].

    Raises:
        ExportError: It gives something else for them than for noise, or the adapted model gives other probabilities.
    """
    opened = _opened(source)
    answers = predict_outputs(opened.model, pixels, opened.prepare)
    try:
        outputs = kind_of(answers)
    except ValueError as error:
        raise ExportError(f"{source.path}: {first_line(error)}") from None
    if outputs != opened.outputs:
        raise ExportError(f"{source.path}: expected {opened.outputs}, as for noise, received {outputs}")
    probabilities = answers if outputs == "probabilities" else softmax(answers)
    if opened.adapted is not opened.model:
        difference = float(np.abs(predict(opened.adapted, pixels) - probabilities).max())
        if not difference <= PROVEN:
            raise ExportError(f"{source.path}: its adapted model differs from it by {difference:.2g} in a probability")
    return probabilities
