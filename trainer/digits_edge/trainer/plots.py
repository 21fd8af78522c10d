"""Draw the plots of a run: samples, learning curves, confusion matrix and mistakes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple
from pathlib import Path
from typing import IO

import numpy as np
import numpy.typing as npt
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter

from .run_info import EpochMetrics

Pixels = npt.NDArray[np.uint8]


def draw_samples(
    path: Path,
    pixels: Pixels,
    targets: npt.NDArray[np.int64],
    labels: Sequence[str],
    augmented: npt.NDArray[np.float32],
) -> None:
    """Draw pictures uint8[N, H, W] or uint8[N, H, W, 3] under their labels.

    Below are augmented versions of each: float32[K * N, *shape] in [0, 1], K versions of all N pictures.
    """
    names = [labels[t] for t in targets] + [""] * len(augmented)
    rows = np.concatenate([pixels, np.rint(augmented * 255).astype(np.uint8)])
    _grid(path, rows, names, "Training pictures, and augmented versions below each", columns=len(pixels))


def draw_confusion(
    path: Path, targets: npt.NDArray[np.int64], guesses: npt.NDArray[np.int64], labels: Sequence[str]
) -> None:
    """Draw the confusion matrix without its diagonal: right answers would outshine the rest."""
    size = len(labels)
    counts = np.bincount(targets * size + guesses, minlength=size * size).reshape(size, size)
    np.fill_diagonal(counts, 0)
    side = max(4.0, 0.45 * size + 1.5)
    figure = Figure(figsize=(side + 0.8, side), layout="constrained")
    axes = figure.subplots()
    image = axes.imshow(counts, cmap="Reds", vmin=0, vmax=max(1, counts.max()))
    axes.set_xticks(range(size), labels, rotation=90 if max(map(len, labels)) > 2 else 0, parse_math=False)
    axes.set_yticks(range(size), labels, parse_math=False)
    axes.set(xlabel="predicted class", ylabel="true class", title=f"{counts.sum()} wrong of {len(targets):,}")
    if size <= 30:
        for row, column in zip(*counts.nonzero(), strict=True):
            dark = counts[row, column] > counts.max() / 2
            axes.text(column, row, counts[row, column], ha="center", va="center", color="white" if dark else "black")
    figure.colorbar(image, ax=axes, shrink=0.8).locator = MaxNLocator(integer=True)
    figure.savefig(path, dpi=100)


def draw_curves(path: Path, history: Sequence[EpochMetrics], batches: Sequence[tuple[int, int, float]]) -> None:
    """Draw loss and accuracy of each epoch, and the loss of each batch from its (epoch, batch, loss)."""
    figure = Figure(figsize=(11, 3.6), layout="constrained")
    losses, accuracies, steps = figure.subplots(1, 3)
    epochs, loss, accuracy, val_loss, val_accuracy = zip(*map(astuple, history), strict=True)
    for axes, train, validation, name in (
        (losses, loss, val_loss, "loss"),
        (accuracies, [100 * a for a in accuracy], [100 * a for a in val_accuracy], "accuracy, %"),
    ):
        axes.plot(epochs, train, marker=".", label="training (augmented)")
        axes.plot(epochs, validation, marker=".", label="validation")
        axes.set(xlabel="epoch", title=name)
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.legend()
        axes.grid(alpha=0.3)
    every = np.array([row[2] for row in batches])
    window = max(1, len(every) // 50)
    smooth = np.convolve(every, np.ones(window) / window, mode="valid")
    steps.semilogy(np.maximum(every, 1e-6), linewidth=0.5, alpha=0.4, label="each batch")
    steps.semilogy(np.arange(len(smooth)) + window - 1, np.maximum(smooth, 1e-6), label=f"mean of {window}")
    steps.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    steps.yaxis.set_major_formatter("{x:g}")
    steps.yaxis.set_minor_formatter(NullFormatter())
    steps.set(xlabel="batch", title="loss of each batch")
    steps.legend()
    steps.grid(alpha=0.3)
    figure.savefig(path, dpi=100)


def draw_mistakes(
    target: Path | IO[bytes],
    pixels: Pixels,
    targets: npt.NDArray[np.int64],
    probabilities: npt.NDArray[np.float32],
    labels: Sequence[str],
) -> int:
    """Draw up to 60 pictures that are classified wrongly, those with the highest probability first, as PNG.

    The number of all mistakes is returned. Pixels are uint8[N, H, W] or uint8[N, H, W, 3].
    """
    guesses = probabilities.argmax(axis=1)
    wrong = np.flatnonzero(guesses != targets)
    wrong = wrong[np.argsort(-probabilities[wrong, guesses[wrong]], kind="stable")]
    titles = [
        f"{labels[targets[i]]} read as {labels[guesses[i]]}\n{probabilities[i, guesses[i]]:.0%}" for i in wrong[:60]
    ]
    shown = f"; the {len(titles)} most confident" if len(wrong) > len(titles) else "; the most confident first"
    _grid(target, pixels[wrong[:60]], titles, f"{len(wrong)} wrong of {len(targets):,}{shown if len(wrong) else ''}")
    return len(wrong)


def draw_flips(
    path: Path,
    pixels: Pixels,
    targets: npt.NDArray[np.int64],
    before: npt.NDArray[np.float32],
    after: npt.NDArray[np.float32],
    labels: Sequence[str],
) -> None:
    """Draw up to 60 pictures that two models label differently, those that the second gets wrong first.

    Pixels are uint8[N, H, W] or uint8[N, H, W, 3]; `before` and `after` are the models' probabilities float32[N, C].
    """
    old, new = before.argmax(axis=1), after.argmax(axis=1)
    flipped = np.flatnonzero(old != new)
    flipped = flipped[np.argsort(new[flipped] == targets[flipped], kind="stable")]
    titles = [f"{labels[targets[i]]}: read as\n{labels[old[i]]}, then {labels[new[i]]}" for i in flipped[:60]]
    _grid(path, pixels[flipped[:60]], titles, f"{len(flipped)} of {len(targets):,} pictures changed their label")


def _grid(target: Path | IO[bytes], pixels: Pixels, titles: Sequence[str], heading: str, columns: int = 10) -> None:
    """Draw pictures in rows under their titles, in one image: matplotlib axes for each would take seconds."""
    columns = max(1, min(columns, len(pixels)))
    rows = max(1, -(-len(pixels) // columns))
    height, width = pixels.shape[1:3] if len(pixels) else (28, 28)
    above = (0.45 if any("\n" in title for title in titles) else 0.25) if any(titles) else 0.0
    tall, wide = round(height * (1.1 + above)), round(width * 1.1)  # a picture with its margin, in pixels
    sheet = np.full((rows * tall, columns * wide, *pixels.shape[3:]), 255, np.uint8)
    figure = Figure(figsize=(max(4.0, 1.1 * columns), 0.5 + 1.1 * rows * tall / wide))
    axes = figure.add_axes((0, 0, 1, 1 - 0.5 / figure.get_figheight()))
    for i, (picture, title) in enumerate(zip(pixels, titles, strict=True)):
        top, left = i // columns * tall + tall - height, i % columns * wide + (wide - width) // 2
        sheet[top : top + height, left : left + width] = picture
        axes.text(left + width / 2, top - 1, title, fontsize=8, ha="center", va="bottom", parse_math=False)
    figure.suptitle(heading)
    axes.imshow(sheet, cmap="gray", vmin=0, vmax=255)
    axes.axis("off")
    figure.savefig(target, dpi=100)
