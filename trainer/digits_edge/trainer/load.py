"""A Keras model from a file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from digits_edge.runtime.errors import RunError, first_line

from .backend import import_keras

if TYPE_CHECKING:
    import keras


def load(path: Path, shape: tuple[int, ...], classes: int) -> keras.Model:
    """Load a `.keras` file in safe mode.

    Args:
        path: of the file, or of a run's folder.
        shape: of a picture, (H, W) or (H, W, 3).
        classes: how many outputs.

    Raises:
        RunError: the file is damaged, or does not fit these pictures and classes.
    """
    if path.is_dir():
        path /= "model.keras"
    try:
        model = import_keras().models.load_model(path, compile=False, safe_mode=True)
        sides = (model.input_shape, model.output_shape)
    except Exception as error:  # zip, h5py, json and keras errors alike
        raise RunError(f"{path}: not readable as a Keras model: {first_line(error)}") from None
    expected = ((None, *shape, *((1,) if len(shape) == 2 else ())), (None, classes))
    if sides != expected:
        raise RunError(f"{path}: expected input and output {expected}, received {sides}")
    return model


def load_to_train(path: Path, shape: tuple[int, ...], classes: int) -> keras.Model:
    """Load a `.keras` file to train on or to learn from: in float32, without the softmax that it may end in.

    Raises:
        RunError: as `load`, or the model does not end in logits or their softmax.
    """
    keras = import_keras()
    model = in_float32(load(path, shape, classes))
    last = model.layers[-1]
    if isinstance(last, keras.layers.Softmax) or activation_of(last) == "softmax":
        if isinstance(last, keras.layers.Softmax | keras.layers.Activation):
            model = keras.Model(model.inputs, last.input, name=model.name)
        else:
            last.activation = keras.activations.linear
    last = model.layers[-1]
    if (
        not isinstance(last, keras.layers.Dense)
        or activation_of(last) != "linear"
        or last.output is not model.outputs[0]
    ):
        raise RunError(
            f"{path}: expected a model that ends in a dense layer, with a softmax or nothing after it, "
            f"received one that ends in {type(last).__name__} with activation {activation_of(last)}"
        )
    if not model.trainable_variables:
        raise RunError(f"{path}: expected a model with something to train, received a frozen one")
    return model


def in_float32(model: keras.Model) -> keras.Model:
    """The same model with the same weights, computing in float32; itself where it does."""
    keras = import_keras()
    if all(layer.compute_dtype == "float32" for layer in model.layers):
        return model

    def clone(layer: Any) -> Any:
        return type(layer).from_config({**layer.get_config(), "dtype": "float32"})

    copy = keras.models.clone_model(model, clone_function=clone)
    copy.set_weights(model.get_weights())
    return copy


def activation_of(layer: Any) -> str:
    """The name of a layer's activation; `linear` where it has none."""
    activation = getattr(layer, "activation", None)
    return "linear" if activation is None else str(getattr(activation, "__name__", activation))
