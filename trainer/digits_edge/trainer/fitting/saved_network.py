"""Load a network to train on or to learn from."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from digits_edge.common.keras_backend import import_keras
from digits_edge.common.keras_models import load_model
from digits_edge.common.keras_outputs import probes, with_logits
from digits_edge.runtime.errors import RunError, first_line

from ..released import model_file

if TYPE_CHECKING:
    import keras


def load_network(path: Path, shape: tuple[int, ...], classes: int) -> keras.Model:
    """Load a `.keras` file, a run's model or a released one, without its softmax.

    Raises:
        RunError: The file is damaged, does not fit these pictures and classes, does not end in a dense layer or its
            softmax, or has no trainable weights.
    """
    path = model_file(path)
    expected = ((None, *shape, *((1,) if len(shape) == 2 else ())), (None, classes))
    try:
        model = load_model(path)
        if (sides := (model.input_shape, model.output_shape)) != expected:
            raise ValueError(f"expected input and output {expected}, received {sides}")
        model, _ = with_logits(model, probes(shape))
    except (AttributeError, ValueError) as error:  # AttributeError: a model without a fixed input shape
        raise RunError(f"{path}: {first_line(error)}") from None
    last = model.layers[-1]
    if not isinstance(last, import_keras().layers.Dense) or last.output is not model.outputs[0]:
        raise RunError(
            f"{path}: expected a model that ends in a dense layer, with or without a softmax, "
            f"received one that ends in {type(last).__name__}"
        )
    if not model.trainable_variables:
        raise RunError(f"{path}: expected a model with trainable weights, received a frozen one")
    return model


def freeze_statistics(network: keras.Model, frozen: bool = True) -> None:
    """Keep batch normalisation as it is while the network is trained on: few pictures have no statistics.

    Its scales and shifts are kept, too. With `frozen` False it is as it was before.
    """
    for layer in network.layers:
        if isinstance(layer, import_keras().layers.BatchNormalization):
            layer.trainable = not frozen
