"""Wrap a network in scaling and augmentation, so that these run in one graph with the training step."""

from __future__ import annotations

from typing import Any, Final

import keras
import numpy as np
import numpy.typing as npt
from keras import ops

from ..recipes import Augmentation, Recipe
from .augmentation import Tensor, augment, scaled

OUTLIER_WEIGHT: Final = 0.3  # weight of the outliers' loss


class TrainingModel(keras.Model):  # type: ignore[misc]
    """A model from pixels uint8[N, H, W] or uint8[N, H, W, 3] to logits float32[N, C] that augments them in training.

    The network inside takes float32[N, H, W, 1 or 3] in [0, 1]. If it is taught, the pictures are augmented already,
    and the targets are one-hot labels with the teachers' logits beside them, float32[N, 2 * C]. If there are outliers,
    uint8[K, H, W], each batch has some, and it learns to be unsure of them. The seed is that of the augmentation.
    """

    def __init__(
        self,
        network: keras.Model,
        recipe: Recipe,
        seed: int,
        taught: bool = False,
        outliers: npt.NDArray[np.uint8] | None = None,
    ) -> None:
        super().__init__(dtype="float32")
        self.network = network
        self.taught = taught
        self.outliers = None if outliers is None else ops.convert_to_tensor(outliers)
        self.augmentation = recipe.augmentation
        self.traced: Augmentation | None = None  # the augmentation that the training step was last compiled with
        self.recipe = recipe
        self._draws = keras.random.SeedGenerator(seed)

    def call(self, pixels: Tensor, training: bool = False) -> Tensor:
        """Compute the logits of a batch."""
        if not training:
            return self.network(scaled(pixels), training=False)
        pictures, count = scaled(pixels), ops.shape(pixels)[0]
        if not self.taught:
            pictures = augment(pictures, self.augmentation, self._draws)
        if self.outliers is None:
            logits = self.network(pictures, training=True)
        else:  # in one batch with the pictures: batch normalisation must not tell them apart
            logits = self.network(ops.concatenate([pictures, self._drawn_outliers()]), training=True)
            logits, unsure = logits[:count], logits[count:]
            # cross-entropy to equal probabilities of all classes
            self.add_loss(OUTLIER_WEIGHT * ops.mean(ops.logsumexp(unsure, axis=1) - ops.mean(unsure, axis=1)))
        return logits

    def compute_loss(
        self, x: Any = None, y: Any = None, y_pred: Any = None, sample_weight: Any = None, training: bool = True
    ) -> Tensor:
        """Add up the losses: of the labels, of the teachers' answers (Hinton et al. 2015), of the outliers."""
        classes = y_pred.shape[-1]
        loss = super().compute_loss(x, y[:, :classes], y_pred, sample_weight, training)
        if not self.taught:
            return loss
        softness = self.recipe.softness
        answers = ops.softmax(y[:, classes:] / softness)
        distance = ops.mean(ops.categorical_crossentropy(answers, y_pred / softness, from_logits=True))
        return loss + self.recipe.distillation * softness**2 * distance

    def compute_metrics(self, x: Any, y: Any, y_pred: Any, sample_weight: Any = None) -> dict[str, Any]:
        """Judge by the labels."""
        return dict(super().compute_metrics(x, y[:, : y_pred.shape[-1]], y_pred, sample_weight))

    def _drawn_outliers(self) -> Tensor:
        """Draw and augment outliers for one batch: float32[M, H, W, 1] in [0, 1]."""
        shape = (max(1, round(self.recipe.outliers * self.recipe.batch_size)),)
        rows = keras.random.randint(shape, 0, ops.shape(self.outliers)[0], seed=self._draws)
        return augment(scaled(ops.take(self.outliers, rows, axis=0)), self.augmentation, self._draws)


def compile_training_model(model: TrainingModel, recipe: Recipe, steps: int) -> None:
    """Compile a built model with its recipe's loss, optimizer, and schedule over all steps of the run."""
    rate: Any = recipe.learning_rate
    if recipe.schedule == "cosine":
        warmup = steps // 10
        rate = keras.optimizers.schedules.CosineDecay(
            rate / 10 if warmup else rate,
            max(1, steps - warmup),
            warmup_target=rate if warmup else None,
            warmup_steps=warmup,
        )
    if recipe.optimizer == "adamw":
        optimizer = keras.optimizers.AdamW(rate, weight_decay=recipe.weight_decay)
        optimizer.exclude_from_weight_decay(var_names=["bias", "beta", "gamma"])
    else:
        optimizer = {"adam": keras.optimizers.Adam, "rmsprop": keras.optimizers.RMSprop}[recipe.optimizer](rate)
    optimizer.build(model.trainable_variables)
    model.compile(
        optimizer=optimizer,
        loss=keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=recipe.label_smoothing),
        loss_weights=1 - recipe.distillation if model.taught else None,
        metrics=["accuracy"],
    )
