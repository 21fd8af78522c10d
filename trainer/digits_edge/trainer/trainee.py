"""What is fitted: a model behind scaling and augmentation, so that they are in one graph with the training step."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from .augment import Tensor, augment
from .recipes import Recipe


class Trainee(keras.Model):  # type: ignore[misc]
    """Takes pixels uint8[N, H, W], gives logits float32[N, C]; augments where it trains.

    Args:
        network: takes float32[N, H, W, 1] in [0, 1], gives logits.
        recipe: how it is augmented, and taught.
        seed: of the augmentation.
        teacher: a trained model that the network is to agree with on each augmented picture, or None.
    """

    def __init__(self, network: keras.Model, recipe: Recipe, seed: int, teacher: keras.Model | None = None) -> None:
        super().__init__(dtype="float32")
        self.network = network
        self.teacher = teacher
        self.augmentation = recipe.augmentation
        self._recipe = recipe
        if teacher:
            teacher.trainable = False
        self._draws = keras.random.SeedGenerator(seed)

    def call(self, pixels: Tensor, training: bool = False) -> Tensor:
        """Logits of a batch."""
        pictures = ops.cast(pixels, "float32")[..., None] / 255
        if training:
            pictures = augment(pictures, self.augmentation, self._draws)
        logits = self.network(pictures, training=training)
        if training and self.teacher:
            softness = self._recipe.softness
            taught = ops.softmax(self.teacher(pictures, training=False) / softness)
            loss = ops.mean(ops.categorical_crossentropy(taught, logits / softness, from_logits=True))
            self.add_loss(self._recipe.distillation * softness**2 * loss)
        return logits


def compile_trainee(trainee: Trainee, recipe: Recipe, steps: int) -> None:
    """Give a trainee its recipe's optimizer, schedule over so many steps, and loss, less a teacher's share."""
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
    optimizer.build(trainee.trainable_variables)
    trainee.compile(
        optimizer=optimizer,
        loss=keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=recipe.label_smoothing),
        loss_weights=1 - recipe.distillation if trainee.teacher else None,
        metrics=["accuracy"],
    )
