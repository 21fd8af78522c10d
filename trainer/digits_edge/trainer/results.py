"""Write what a fit has produced into the run's folder: models, pictures, history and plots."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import keras
import numpy as np

from digits_edge.common.keras_models import in_float32, predict_logits
from digits_edge.common.numerics import expected_calibration_error, scale, softmax

from .datasets.dataset import Dataset
from .datasets.split import Split
from .fitting.augmentation import augment
from .fitting.calibration import calibrate
from .fitting.fit import Fitted
from .options import TrainOptions
from .plots import draw_confusion, draw_curves, draw_mistakes, draw_samples
from .run_info import Metrics

CALIBRATION_PICTURES: Final = 1024


def write_results(folder: Path, options: TrainOptions, parts: Split, network: keras.Model, fitted: Fitted) -> Metrics:
    """Write everything but `run.json`, and return the metrics of the calibrated network after the last epoch.

    The weights of the network are changed.
    """
    dataset = parts.dataset
    x, y = dataset.take(parts.validation)
    exact = in_float32(network)
    for name, snapshot in (("best", fitted.best), ("model", fitted.last)):
        exact.set_weights(snapshot.weights)
        logits = snapshot.logits if exact is network else predict_logits(exact, x)
        temperature = calibrate(exact, logits, y)
        exact.save(folder / f"{name}.keras")
    np.savez_compressed(folder / "validation.npz", x=x, y=y)
    if parts.held_out:
        own_x, own_y = dataset.take(parts.judged)
        np.savez_compressed(folder / "own.npz", x=own_x, y=own_y)
    count = min(CALIBRATION_PICTURES, len(parts.train))
    rows = np.random.default_rng(options.seed).choice(parts.train, count, replace=False)
    np.savez_compressed(folder / "calibration.npz", x=dataset.pixels[rows])  # to calibrate int8 models with
    fitted.recorder.write(folder)

    probabilities = softmax(logits / np.float32(temperature))  # of the last epoch
    plots = folder / "plots"
    plots.mkdir()
    _draw_samples(plots / "samples.png", dataset, options)
    draw_curves(plots / "curves.png", fitted.recorder.history, fitted.recorder.batches)
    draw_confusion(plots / "confusion.png", y, probabilities.argmax(axis=1), dataset.labels)
    wrong = draw_mistakes(plots / "mistakes.png", x, y, probabilities, dataset.labels)
    last = fitted.recorder.history[-1].rounded()
    return Metrics(
        loss=last.loss,
        accuracy=last.accuracy,
        val_loss=last.val_loss,
        val_accuracy=last.val_accuracy,
        val_wrong=wrong,
        temperature=round(temperature, 4),
        val_ece=round(expected_calibration_error(probabilities, y), 6),
        val_ece_uncalibrated=round(expected_calibration_error(softmax(logits), y), 6),
    )


def _draw_samples(path: Path, dataset: Dataset, options: TrainOptions) -> None:
    """Draw ten pictures, and four augmented versions of each."""
    rows = dataset.first_ten()
    seed = keras.random.SeedGenerator(options.seed)
    pixels = dataset.pixels[rows]
    augmented = augment(scale(np.concatenate([pixels] * 4)), options.recipe.augmentation, seed)
    changed = np.asarray(keras.ops.convert_to_numpy(augmented)).reshape(-1, *dataset.shape)
    draw_samples(path, pixels, dataset.targets[rows], dataset.labels, changed)
