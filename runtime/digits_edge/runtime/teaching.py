"""Learn from a few examples without training: nearest neighbours in a network's features.

An answer is blended with the labels of the examples that are near, as in a cache model (Orhan, "A Simple Cache Model
for Image Recognition", 2018). An example is near if features and pixels resemble its own, and if the network is hardly
surer of another class than it was there. Nothing else changes: the probabilities of all other pictures are the
network's own, bit for bit. benchmarks/teach.py measures what is learnt and what is forgotten, and its
option --choose how the constants were chosen.
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
REACH: Final = 0.04  # cosine distance of pixels at which an example ends to count, if the features are the same
WHOLE: Final = 0.3  # nearness from which on the network no longer counts
DOUBT_REACH: Final = 8.0  # how much surer of another class the network may be, in log odds
SURE: Final = 0.999  # score from which on examples of the same class add nothing
FAINT: Final = 0.2  # of the usual length of the features: shorter ones resemble each other
SIDE: Final = 14  # rows and columns in which pixels are compared, blurred by one of them
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


class Seen(NamedTuple):
    """Pictures as they are compared.

    Attributes:
        probabilities: What the network gives them, float32[N, C].
        features: The network's features as vectors of length 1, so that a product is a cosine; float32[N, F + 1].
        shapes: Coarse pixels, likewise, float32[N, SIDE * SIDE].
    """

    probabilities: Floats
    features: Floats
    shapes: Floats


class Eye:
    """Looks at pictures as they are compared.

    Args:
        shape: Of the network's pixels.
        usual: Features float32[N, F] of ordinary pictures, by whose length faint ones are told.
    """

    __slots__ = ("_bias", "_grid")

    def __init__(self, shape: tuple[int, ...], usual: Floats) -> None:
        self._bias = FAINT * max(float(np.linalg.norm(usual, axis=1).mean()), TINY)
        self._grid = [_pooling(side) for side in shape[:2]]

    def features(self, features: Floats) -> Floats:
        """Directions of features; short ones, which say little, resemble each other."""
        faint = np.full((len(features), 1), self._bias, np.float32)
        return _unit(np.concatenate([features, faint], axis=1))

    def shapes(self, pixels: Pixels) -> Floats:
        """Directions of coarse pixels."""
        rows, columns = self._grid
        grey: Floats = pixels.astype(np.float32)
        if grey.ndim == 4:
            grey = grey.mean(axis=3, dtype=np.float32)
        return _unit(np.asarray(rows @ grey @ columns.T, np.float32).reshape(len(grey), SIDE * SIDE))


class Taught:
    """Examples and how to blend them with a network's answers. Immutable.

    Args:
        contract: The network's contract.
        eye: Looks at pictures.
        labels: What the examples are.
        pixels: Their pixels, uint8[M, *contract.shape].
        seen: How they are compared.

    Raises:
        UsageError: There are more than 1,000 examples.
    """

    __slots__ = (
        "_against",
        "_columns",
        "_contract",
        "_eye",
        "_least",
        "_seen",
        "_surest",
        "_votes",
        "classes",
        "labels",
        "pixels",
    )

    def __init__(self, contract: Contract, eye: Eye, labels: Sequence[str], pixels: Pixels, seen: Seen) -> None:
        if len(labels) > MOST:
            raise UsageError(f"expected up to {MOST:,} examples, received {len(labels):,}")
        self._contract, self._eye, self._seen = contract, eye, seen
        self.labels, self.pixels = tuple(labels), pixels
        pixels.flags.writeable = False
        known = len(contract.labels)
        self.classes = tuple(dict.fromkeys([*contract.labels, *labels]))
        places = np.array([self.classes.index(label) for label in labels], int)
        self._votes = np.eye(len(self.classes), dtype=np.float32)[places]
        self._columns = np.minimum(places, known)
        self._against = _against(seen.probabilities)[np.arange(len(places)), self._columns]
        most = np.full(known + 1, -np.inf, np.float32)  # log odds against each class up to which examples count
        np.maximum.at(most, self._columns, self._against + DOUBT_REACH)
        with np.errstate(over="ignore"):
            odds = np.exp(-most)
        self._least, self._surest = odds[:-1].tolist(), float(1 / (1 + odds[-1]))

    @classmethod
    def by(cls, network: Network, contract: Contract, labels: Sequence[str], pixels: Pixels) -> Taught:
        """Examples of which nothing is known yet; a UsageError says that a label is no text."""
        for label in labels:
            check_label(label)
        eye = Eye(contract.shape, network(contract.golden.pixels)[1])
        return cls(contract, eye, labels, pixels, _see(eye, network, pixels))

    def plus(self, network: Network, label: str, pixels: Pixels) -> Taught:
        """With one more example of pixels uint8[1, *contract.shape], in the place of one of the same pixels."""
        others = self.only(np.flatnonzero((self.pixels != pixels).reshape(len(self.pixels), -1).any(axis=1)))
        seen = Seen(*map(np.concatenate, zip(others._seen, _see(self._eye, network, pixels), strict=True)))
        pixels = np.concatenate([others.pixels, pixels])
        return Taught(self._contract, self._eye, [*others.labels, label], pixels, seen)

    def only(self, places: npt.NDArray[np.intp]) -> Taught:
        """With these examples alone."""
        if len(places) == len(self.labels):
            return self
        labels, seen = [self.labels[place] for place in places], Seen(*(array[places] for array in self._seen))
        return Taught(self._contract, self._eye, labels, self.pixels[places], seen)

    def blend(self, probabilities: Floats, features: Floats, pixels: Pixels) -> Floats:
        """The probabilities float32[N, len(classes)] of pictures to which the network gives these."""
        blended = probabilities
        if len(self.classes) > probabilities.shape[1]:
            blended = np.zeros((len(probabilities), len(self.classes)), np.float32)
            blended[:, : probabilities.shape[1]] = probabilities
        rows = self._open(probabilities)
        if not rows:
            return blended
        surer = _against(probabilities[rows])[:, self._columns] - self._against
        near = self._eye.features(features[rows]) @ self._seen.features.T  # [rows, M]
        near -= np.maximum(surer, 0) / DOUBT_REACH
        some = np.flatnonzero((near > 0).any(axis=0))
        if not some.size:
            return blended
        looks = self._eye.shapes(pixels[rows]) @ self._seen.shapes[some].T
        weights = np.maximum(0, near[:, some] - (1 - looks) / REACH)
        share = np.minimum(1, weights.max(axis=1, keepdims=True) / WHOLE)
        votes = weights @ self._votes[some] / np.maximum(weights.sum(axis=1, keepdims=True), TINY)
        blended = blended.copy()
        blended[rows] = np.where(share > 0, (1 - share) * blended[rows] + share * votes, blended[rows])
        return blended

    def _open(self, probabilities: Floats) -> list[int]:
        """The rows in which an example of another class could be near, or of the same where the network is not sure."""
        if len(probabilities) == 1:  # the same as below, in a fifth of the time
            (answer,) = probabilities.tolist()
            best = max(answer)
            if best >= self._surest:
                for one, least in zip(answer, self._least, strict=True):
                    if one + TINY > best * least and (one < best or best < SURE):
                        return [0]
                return []
            return [0]
        tops = probabilities.max(axis=1, keepdims=True)
        likely = (probabilities + TINY > tops * self._least) & ((probabilities < tops) | (tops < SURE))
        return np.flatnonzero(likely.any(axis=1) | (tops[:, 0] < self._surest)).tolist()

    def examples(self) -> tuple[Example, ...]:
        """The examples, with what the network alone takes them for and what speaks against them."""
        contract, (probabilities, features, shapes) = self._contract, self._seen
        accepted = contract.accepts(probabilities)
        near = features @ features.T > (1 - shapes @ shapes.T) / REACH
        alike = near.astype(int) @ self._votes.astype(int)  # [M, classes]
        examples = []
        for label, pixels, answer, sure, counts in zip(
            self.labels, self.pixels, probabilities, accepted, alike, strict=True
        ):
            best = int(answer.argmax())
            guess, score, doubts = contract.labels[best], float(answer[best]), []
            if guess != label and sure:
                doubts.append(f"{guess} (score {score:.3f})")
            if guess != label and counts[best] >= counts[self.classes.index(label)]:
                doubts.append(f"{counts[best]} of your examples of {guess}")
            doubt = f"looks like {', and like '.join(doubts)}" if doubts else None
            examples.append(Example(label, pixels, guess, score, doubt))
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


def _see(eye: Eye, network: Network, pixels: Pixels) -> Seen:
    probabilities, features = network(pixels)
    return Seen(probabilities, eye.features(features), eye.shapes(pixels))


def _pooling(side: int) -> Floats:
    """A matrix float32[SIDE, side] that blurs and shrinks."""
    middles = (np.arange(SIDE) + 0.5) * side / SIDE
    distances = (np.arange(side) + 0.5 - middles[:, None]) / (side / SIDE)
    weights = np.exp(-(distances**2) / 2)
    return np.asarray(weights / weights.sum(axis=1, keepdims=True), np.float32)


def _unit(vectors: Floats) -> Floats:
    lengths = np.sqrt(np.einsum("ij,ij->i", vectors, vectors))
    return np.asarray(vectors / np.maximum(lengths, np.float32(TINY))[:, None], np.float32)
