"""Learn from a few examples without training: nearest neighbours in a network's features.

An answer is blended with the labels of the examples that are near, as in a cache model (Orhan, "A Simple Cache Model
for Image Recognition", 2018). An example is near if features and pixels resemble its own, and if the network is hardly
surer of another class than it was there. Nothing else changes: the probabilities of all other pictures are the
network's own, bit for bit. benchmarks/teach.py measures what is learnt and what is forgotten; the constants were chosen
with it on training pictures.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np

from .errors import UsageError
from .metadata import Contract, is_text

if TYPE_CHECKING:
    import numpy.typing as npt

    Floats = npt.NDArray[np.float32]
    Pixels = npt.NDArray[np.uint8]
    Network = Callable[[Pixels], tuple[Floats, Floats]]  # pixels to probabilities and features

MOST: Final = 1000  # examples
LONGEST: Final = 100  # characters of a label
LARGEST: Final = 2**28  # bytes of a file, and of the pixels in it
FEATURES_REACH: Final = 0.8  # cosine distance of features at which an example ends to count
PIXELS_REACH: Final = 0.09  # the same of pixels
NEW_REACH: Final = 0.2  # the same for a class that the network does not know, which takes no pictures from others there
DOUBT_REACH: Final = 8.0  # how much surer of another class the network may be, in log odds
SURE: Final = 0.999  # score from which on examples of the same class add nothing
WHOLE: Final = 0.4  # nearness from which on the network no longer counts
FAINT: Final = 0.1  # of the usual length of the features: shorter ones resemble each other
SIDE: Final = 14  # rows and columns in which pixels are compared
BLUR: Final = 0.575  # standard deviation of the blur before, in these rows and columns
TINY: Final = 1e-7


class Example(NamedTuple):
    """A picture that a classifier was taught.

    Attributes:
        label: What it is.
        pixels: uint8 in the model's form.
        guess: What the network alone takes it for.
        score: The network's probability of that.
        doubt: What speaks against the example; None if nothing does.
    """

    label: str
    pixels: Pixels
    guess: str
    score: float
    doubt: str | None


class Taught:
    """Examples and how to blend them with a network's answers. Immutable.

    Args:
        network: Gives probabilities float32[N, C] and features float32[N, F] of pixels.
        contract: The network's contract.
        labels: Labels of the examples.
        pixels: Their pixels, uint8[M, *contract.shape].

    Raises:
        UsageError: There are more than 1,000 examples, or a label is no text.
    """

    __slots__ = (
        "_against",
        "_bias",
        "_classes",
        "_columns",
        "_grid",
        "_known",
        "_least",
        "_offset",
        "_rows",
        "_surest",
        "_votes",
        "classes",
        "examples",
        "labels",
        "pixels",
    )

    def __init__(self, network: Network, contract: Contract, labels: Sequence[str], pixels: Pixels) -> None:
        if len(labels) > MOST:
            raise UsageError(f"expected up to {MOST:,} examples, received {len(labels):,}")
        for label in labels:
            check_label(label)
        self.labels, self.pixels = tuple(labels), pixels
        pixels.flags.writeable = False
        self._known = len(contract.labels)
        self.classes = tuple(dict.fromkeys([*contract.labels, *labels]))
        self._classes = np.array([self.classes.index(label) for label in labels])
        self._grid = [_pooling(side) for side in contract.shape[:2]]
        _, usual = network(contract.golden.pixels)
        self._bias = FAINT * max(float(np.linalg.norm(usual, axis=1).mean()), TINY)
        probabilities, features = network(pixels)
        new = self._classes >= self._known
        reach = np.where(new, NEW_REACH, PIXELS_REACH).astype(np.float32)
        seen, shapes = self._directions(features, pixels)
        self._rows = np.concatenate([seen / np.float32(FEATURES_REACH), shapes / reach[:, None]], axis=1).T.copy()
        self._offset = 1 - 1 / np.float32(FEATURES_REACH) - 1 / reach
        self._columns = np.minimum(self._classes, self._known)
        self._against = _against(probabilities)[np.arange(len(labels)), self._columns]
        most = np.full(self._known + 1, -np.inf, np.float32)  # log odds against each class up to which examples count
        np.maximum.at(most, self._columns, self._against + DOUBT_REACH)
        with np.errstate(over="ignore"):
            odds = np.exp(-most)
        self._least, self._surest = odds[:-1], 1 / (1 + odds[-1])
        self._votes = np.eye(len(self.classes), dtype=np.float32)[self._classes]
        self.examples = self._examples(contract, probabilities, seen, shapes)

    def blend(self, probabilities: Floats, pixels: Pixels, network: Network) -> Floats:
        """The probabilities float32[N, len(classes)] of pictures to which the network gives these.

        It is asked again, for features, about those that an example could change, which most do not need.
        """
        rows = np.flatnonzero(self._may_change(probabilities))
        if len(self.classes) > self._known:
            more = np.zeros((len(probabilities), len(self.classes) - self._known), np.float32)
            probabilities = np.concatenate([probabilities, more], axis=1)
        if not rows.size:
            return probabilities
        surer = _against(probabilities[rows, : self._known])[:, self._columns] - self._against
        _, features = network(pixels[rows])
        places = np.concatenate(self._directions(features, pixels[rows]), axis=1)
        weights = np.maximum(0, places @ self._rows + self._offset - np.maximum(surer, 0) / DOUBT_REACH)  # [rows, M]
        nearest = weights.max(axis=1)
        near = np.flatnonzero(nearest > 0)
        if not near.size:
            return probabilities
        blended, rows, weights = probabilities.copy(), rows[near], weights[near]
        share = np.minimum(1, nearest[near] / np.float32(WHOLE))[:, None]
        votes = weights @ self._votes / weights.sum(axis=1, keepdims=True)
        blended[rows] = (1 - share) * probabilities[rows] + share * votes
        return blended

    def _may_change(self, probabilities: Floats) -> npt.NDArray[np.bool_]:
        """Whether an example of another class, or of the same where the network is not sure, could be near, bool[N]."""
        best = probabilities.max(axis=1, keepdims=True)
        likely = (probabilities + TINY > best * self._least) & ((probabilities < best) | (best < SURE))
        return np.asarray(likely.any(axis=1) | (best[:, 0] < self._surest))

    def _directions(self, features: Floats, pixels: Pixels) -> tuple[Floats, Floats]:
        """Features and coarse pixels as vectors of length 1, so that a product is a cosine."""
        faint = np.full((len(features), 1), self._bias, np.float32)
        rows, columns = self._grid
        grey: Floats = pixels.astype(np.float32)
        if grey.ndim == 4:
            grey = grey.mean(axis=3, dtype=np.float32)
        shapes = np.asarray(rows @ grey @ columns.T, np.float32).reshape(len(grey), -1)
        return _unit(np.concatenate([features, faint], axis=1)), _unit(shapes)

    def _examples(self, contract: Contract, probabilities: Floats, seen: Floats, shapes: Floats) -> tuple[Example, ...]:
        examples = []
        accepted = contract.accepts(probabilities) if len(probabilities) else ()
        for place, (label, answer) in enumerate(zip(self.labels, probabilities, strict=True)):
            best = int(answer.argmax())
            guess, score, doubt = contract.labels[best], float(answer[best]), None
            if guess != label and accepted[place]:
                alike = (seen @ seen[place] > 1 - FEATURES_REACH / 2) & (shapes @ shapes[place] > 1 - PIXELS_REACH)
                others = int((alike & (self._classes == best)).sum())
                more = f", and like {others} of your examples of {guess}" if others else ""
                doubt = f"looks like {guess} (score {score:.3f}){more}"
            examples.append(Example(label, self.pixels[place], guess, score, doubt))
        return tuple(examples)


def check_label(label: Any) -> str:
    """Return a label; raise a UsageError unless it is text of 1 to 100 characters that can be printed in a line."""
    if not is_text(label) or not 0 < len(label) <= LONGEST or not label.isprintable():
        raise UsageError(f"label: expected text of 1 to {LONGEST} characters, received {label!r:.80}")
    return str(label)


def save(path: str | os.PathLike[str], labels: Sequence[str], pixels: Pixels) -> None:
    """Write examples as an `.npz` with the arrays `labels` and `pixels`, atomically.

    Raises:
        UsageError: The file cannot be written.
    """
    from pathlib import Path

    from .atomic_file import replacing

    with replacing(Path(path)) as file:
        np.savez_compressed(file, labels=np.array(labels, np.str_), pixels=pixels)


def load(path: str | os.PathLike[str], shape: tuple[int, ...]) -> tuple[list[str], Pixels]:
    """Read what `save` wrote: labels and pixels uint8[M, *shape].

    Raises:
        UsageError: The file cannot be read, holds something else, or examples of another shape.
    """
    import io
    import zipfile
    import zlib

    from .files import read_file

    try:
        with zipfile.ZipFile(io.BytesIO(read_file(os.fspath(path), LARGEST))) as archive:
            arrays = [_array(archive, f"{name}.npy") for name in ("labels", "pixels")]
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror or error}") from None
    except (ValueError, KeyError, EOFError, zlib.error, zipfile.BadZipFile, NotImplementedError, RuntimeError) as error:
        raise UsageError(f"{path}: expected examples that digits-edge saved: {error}") from None
    labels, pixels = arrays
    if labels.dtype.kind != "U" or labels.ndim != 1 or len(labels) > MOST or pixels.dtype != np.uint8:
        raise UsageError(f"{path}: expected up to {MOST:,} labels and uint8 pixels, received other arrays")
    if pixels.shape != (len(labels), *shape):
        raise UsageError(f"{path}: expected pixels uint8{[len(labels), *shape]}, received {list(pixels.shape)}")
    return [check_label(str(label)) for label in labels], pixels


def _array(archive: Any, name: str) -> npt.NDArray[Any]:
    """Read one array of an `.npz` whose sizes are those that it claims; a ValueError says what is wrong."""
    import io
    from math import prod

    claimed = archive.getinfo(name).file_size
    if claimed > LARGEST:
        raise ValueError(f"{name} claims {claimed:,} bytes")
    with archive.open(name) as member:
        file = io.BytesIO(member.read(LARGEST + 1))
    version = np.lib.format.read_magic(file)
    if version != (1, 0):
        raise ValueError(f"{name} has version {version}")
    shape, fortran, dtype = np.lib.format.read_array_header_1_0(file)
    data = file.read()
    if fortran or dtype.hasobject or not dtype.itemsize or prod(shape) * dtype.itemsize != len(data):
        raise ValueError(f"{name} holds {len(data):,} bytes, not {dtype} {list(shape)}")
    return np.frombuffer(data, dtype).reshape(shape)


def _against(probabilities: Floats) -> Floats:
    """How sure a network is that a picture is not of a class, but of another, in log odds float32[N, C + 1].

    The last column is for a class that it does not know.
    """
    best = probabilities.max(axis=1, keepdims=True)
    logarithms = np.log(np.maximum(np.concatenate([probabilities, 1 - best], axis=1), np.float32(TINY)))
    return np.asarray(np.log(np.maximum(best, np.float32(TINY))) - logarithms)


def _pooling(side: int) -> Floats:
    """A matrix float32[SIDE, side] that blurs and shrinks."""
    middles = (np.arange(SIDE) + 0.5) * side / SIDE
    distances = (np.arange(side) + 0.5 - middles[:, None]) / (BLUR * side / SIDE)
    weights = np.exp(-(distances**2) / 2)
    return np.asarray(weights / weights.sum(axis=1, keepdims=True), np.float32)


def _unit(vectors: Floats) -> Floats:
    lengths = np.sqrt(np.einsum("ij,ij->i", vectors, vectors))
    return np.asarray(vectors / np.maximum(lengths, np.float32(TINY))[:, None], np.float32)
