"""What a classifier gives, decided by its answers and not by its last layer; and the same classifier with logits."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final, Literal

import numpy as np
import numpy.typing as npt

from .keras_backend import import_keras
from .keras_models import Prepare, activation_of, predict_outputs
from .numerics import scale, softmax

if TYPE_CHECKING:
    import keras

Outputs = Literal["logits", "probabilities"]
Array = npt.NDArray[np.float32]

ROUNDING: Final = 1e-3  # of sums of probabilities, in models of half precision, too
PROVEN: Final = 1e-4  # the largest difference in probability between a model and what was made of it
SMALLEST: Final = 1e-7  # the smallest probability that a logarithm is taken of
# Layers and operations that pass on their one input in another shape, or as it is in inference.
PASSING: Final = ("Reshape", "Flatten", "Dropout", "Identity", "ActivityRegularization", "Squeeze", "ExpandDims")


def kind_of(answers: Array, step: float = 0) -> Outputs:
    """Tell what a model gives from its answers float32[N, C]: rows in [0, 1] that add up to 1 are probabilities.

    `step` is the difference of two neighbouring numbers of a quantized output, which are rounded.

    Raises:
        ValueError: They are neither probabilities nor logits, or one is not a finite number.
    """
    if bad := int((~np.isfinite(answers)).any(axis=1).sum()):
        raise ValueError(f"expected finite numbers, received NaN or infinity for {bad} of {len(answers)} pictures")
    sums = answers.sum(axis=1)
    if answers.min() >= -ROUNDING and answers.max() <= 1 + ROUNDING:
        if np.abs(sums - 1).max() <= min(0.5, ROUNDING + step * answers.shape[1]):
            return "probabilities"
        raise ValueError(
            "expected logits, or probabilities that add up to 1, received numbers from 0 to 1 that add up to "
            f"{sums.min():.3g} to {sums.max():.3g}, as sigmoids give"
        )
    if answers.max() <= ROUNDING and np.abs(np.exp(answers).sum(axis=1) - 1).max() <= ROUNDING:
        raise ValueError("expected logits or probabilities, received log-probabilities, as log_softmax gives")
    return "logits"


def probes(shape: tuple[int, ...]) -> npt.NDArray[np.uint8]:
    """Pictures of which no model has seen the like, uint8[32, *shape]: all black, all white, and noise of any share."""
    random = np.random.default_rng(0)
    noise = random.integers(0, 256, (30, *shape), dtype=np.uint8)
    noise *= random.random(noise.shape) < np.linspace(0.05, 1, 30).reshape(-1, *(1 for _ in shape))
    return np.concatenate([np.zeros((1, *shape), np.uint8), np.full((1, *shape), 255, np.uint8), noise])


def with_logits(
    model: keras.Model, pixels: npt.NDArray[np.uint8], prepare: Prepare = scale
) -> tuple[keras.Model, Outputs]:
    """Make a model of the same function that ends in logits, and prove it on these pictures; `model` stays as it is.

    A softmax is taken off where it stands alone near the end. Where it does not (an average of two, a function), the
    logarithm of the probabilities is their logits.

    Args:
        model: Classifier with one output float32[N, C].
        pixels: Pictures uint8[N, H, W] or uint8[N, H, W, 3].
        prepare: Turns them into what the model takes.

    Returns:
        The model, the same object if it gives logits already, and what the given one gives.

    Raises:
        ValueError: It gives neither logits nor probabilities.
    """
    answers = predict_outputs(model, pixels, prepare)
    finite = np.isfinite(answers).all(axis=1)
    if finite.any():  # some divide by the contrast of a picture, and a black one has none
        answers, pixels = answers[finite], pixels[finite]
    kind = kind_of(answers)
    if kind == "logits":
        return model, kind
    for logits in _candidates(model):
        made = import_keras().Model(model.inputs, logits, name=model.name)
        if np.abs(softmax(predict_outputs(made, pixels, prepare)) - answers).max() <= PROVEN:
            return made, kind
    raise ValueError("expected probabilities of which the logarithm gives logits, received others")


def _candidates(model: keras.Model) -> Iterator[Any]:
    """Tensors that may be the logits of a model of probabilities."""
    output, ops = model.outputs[0], import_keras().ops
    if (logits := _before_softmax(output)) is not None:
        yield logits
    yield ops.log(ops.maximum(output, SMALLEST))


def _before_softmax(output: Any) -> Any:
    """What goes into the softmax that a tensor comes from, in the tensor's shape; None if it does not come from one."""
    keras = import_keras()
    operation, node, _ = output._keras_history
    sources = operation._inbound_nodes[node].input_tensors
    if len(sources) != 1:
        return None
    if isinstance(operation, keras.Model):
        inner = _before_softmax(operation.outputs[0])
        return None if inner is None else keras.Model(operation.inputs, inner)(sources[0])
    kind, activation = type(operation).__name__, activation_of(operation)
    if kind == "Softmax" or (kind == "Activation" and activation == "softmax"):
        return sources[0]
    if activation == "softmax":
        linear = type(operation).from_config({**operation.get_config(), "activation": "linear"})
        logits = linear(sources[0])
        linear.set_weights(operation.get_weights())
        return logits
    if kind in PASSING or (kind == "Activation" and activation == "linear"):
        before = _before_softmax(sources[0])
        return None if before is None else operation(before)
    return None
