"""Quantization-aware fine-tuning: a network learns its own float answers with rounding, so that no labels are needed.

Weights and activations are rounded in the forward pass as in int8, and gradients pass straight through the rounding.
Source: B. Jacob et al., Quantization and Training of Neural Networks for Efficient Integer-Arithmetic-Only
Inference, CVPR 2018, section 3; the straight-through estimator of Y. Bengio et al., arXiv:1308.3432.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt

from digits_edge.common.keras_backend import import_keras
from digits_edge.common.numerics import scale
from digits_edge.runtime.errors import ExportError, first_line

from ..convert.keras_model import KerasModelFile, keras_probabilities, open_adapted

if TYPE_CHECKING:
    import keras

EPOCHS: Final = 10
BATCH: Final = 64
LEARNING_RATE: Final = 1e-4
MIN_PICTURES: Final = 256
WEIGHT_LEVELS: Final = 63  # of the 7-bit weights in ONNX


def fine_tuned(source: KerasModelFile, target: Path, pixels: npt.NDArray[np.uint8]) -> KerasModelFile:
    """Fine-tune a network on its own float answers for `pixels`, and write it to `target`.

    Raises ExportError for a layer that Keras cannot clone or differentiate.
    """
    model = open_adapted(source).adapted
    teacher = keras_probabilities(source, pixels)
    try:
        fine_tune(model, pixels, teacher)
    except Exception as error:  # whatever the layer raises
        raise ExportError(f"{model.name} cannot be fine-tuned: {first_line(error)}") from None
    model.save(target)
    return KerasModelFile(target, custom=source.custom)


def fine_tune(model: keras.Model, pixels: npt.NDArray[np.uint8], teacher: npt.NDArray[np.float32]) -> None:
    """Change the weights of a model of logits so that its quantized answers come nearer to its float answers.

    Batch normalisations keep their statistics. `teacher` holds the float probabilities for `pixels`, float32[K, C].
    """
    import tensorflow as tf

    from digits_edge.common.model_cost import leaves

    keras = import_keras()
    student = keras.models.clone_model(
        keras.Model(model.inputs, model.outputs), call_function=_call_rounded, recursive=True
    )
    student.set_weights(model.get_weights())
    optimizer = keras.optimizers.Adam(LEARNING_RATE)
    weighted = keras.layers.Conv2D | keras.layers.Dense
    kernels = [layer.kernel for layer in leaves(student) if isinstance(layer, weighted)]
    variables = list(student.trainable_variables)
    optimizer.build(variables)

    @tf.function(autograph=False)  # type: ignore[untyped-decorator]
    def step(pictures: Any, wanted: Any) -> Any:
        masters = [kernel.value + 0 for kernel in kernels]
        for kernel, master in zip(kernels, masters, strict=True):
            kernel.assign(_rounded(master))
        with tf.GradientTape() as tape:
            logits = student(pictures, training=False)
            loss = keras.ops.mean(keras.losses.categorical_crossentropy(wanted, logits, from_logits=True))
        gradients = tape.gradient(loss, [variable.value for variable in variables])
        for kernel, master in zip(kernels, masters, strict=True):
            kernel.assign(master)
        optimizer.apply(gradients, variables)
        return loss

    order = np.random.default_rng(0)
    for _ in range(EPOCHS):
        rows = order.permutation(len(pixels))
        for start in range(0, len(rows) - BATCH + 1, BATCH):
            some = rows[start : start + BATCH]
            step(scale(pixels[some]), teacher[some])
    model.set_weights(student.get_weights())


def _call_rounded(layer: Any, *inputs: Any, **options: Any) -> Any:
    """A layer's output rounded to 8 bits over its range; unrounded where its activation is a separate layer."""
    keras = import_keras()
    outputs = layer(*inputs, **options)
    rounding = (keras.layers.Activation, keras.layers.ReLU, keras.layers.LeakyReLU, keras.layers.Add)
    linear = keras.activations.linear
    if isinstance(layer, rounding) or getattr(layer, "activation", linear) is not linear:
        return keras.layers.Lambda(_in_8_bits)(outputs)
    return outputs


def _in_8_bits(activations: Any) -> Any:
    keras = import_keras()
    ops = keras.ops
    least, most = (ops.stop_gradient(extreme(activations)) for extreme in (ops.min, ops.max))
    return keras.quantizers.fake_quant_with_min_max_vars(activations, least, most)


def _rounded(kernel: Any) -> Any:
    """A kernel rounded as int8 weights: symmetric, one scale per output channel."""
    ops = import_keras().ops
    largest = ops.max(ops.abs(kernel), axis=tuple(range(len(kernel.shape) - 1)), keepdims=True)
    size = ops.maximum(largest, 1e-12) / WEIGHT_LEVELS
    return ops.round(kernel / size) * size
