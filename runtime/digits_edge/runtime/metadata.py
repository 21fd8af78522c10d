"""A model's contract: its input, labels, thresholds and golden vectors.

The contract is JSON. It is in the bundle's manifest and, under the key `digits_edge`, in the `metadata_props` of each
`.onnx` file, so that one file alone can be deployed.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple, cast

import numpy as np

from .errors import BundleError, UsageError

if TYPE_CHECKING:
    import numpy.typing as npt

METADATA_KEY: Final = "digits_edge"
SCHEMA: Final = 1
Preprocess = Literal["digit", "resize"]
MAX_GOLDEN_BYTES: Final = 2**24
PREPROCESS: Final[tuple[Preprocess, ...]] = ("digit", "resize")


class Golden(NamedTuple):
    """Golden vectors: pictures with the answers that the exporting machine got for them from this file."""

    pixels: npt.NDArray[np.uint8]  # uint8[K, H, W] or uint8[K, H, W, 3]
    probabilities: npt.NDArray[np.float32]  # float32[K, C]


@dataclass(frozen=True, eq=False)
class Contract:
    """What a model file promises to whoever runs it.

    Attributes:
        name: Name of the model.
        labels: Class names, in the order of the model's outputs.
        shape: Shape of a picture, (H, W) or (H, W, 3); uint8, white ink (255) on black (0).
        preprocess: How a picture becomes pixels: `digit` (found, boxed, centred) or `resize`.
        min_score: Smallest accepted score, in [0, 1].
        min_familiarity: Smallest accepted familiarity, in [0, 1]; see `familiarity`.
        golden: Golden vectors for the self-test.
    """

    name: str
    labels: tuple[str, ...]
    shape: tuple[int, ...]
    preprocess: Preprocess
    min_score: float
    min_familiarity: float
    golden: Golden

    def accepts(self, probabilities: npt.NDArray[np.float32]) -> npt.NDArray[np.bool_]:
        """Which of the answers float32[N, C] are accepted, bool[N]."""
        return np.asarray(self._is_familiar(probabilities) & (probabilities.max(axis=1) >= self.min_score))

    def rejection_reason(self, probabilities: npt.NDArray[np.float32]) -> str | None:
        """Why one answer float32[C] is rejected: `not like training data` or `unsure`; None if it is accepted."""
        if self.accepts(probabilities[None])[0]:
            return None
        return "unsure" if self._is_familiar(probabilities[None])[0] else "not like training data"

    def _is_familiar(self, probabilities: npt.NDArray[np.float32]) -> npt.NDArray[np.bool_]:
        return familiarity(probabilities) >= self.min_familiarity

    def to_json(self) -> dict[str, Any]:
        """The contract as plain JSON values. Golden pixels are deflated in C order and encoded as base64."""
        import binascii
        import zlib

        deflated = zlib.compress(self.golden.pixels.tobytes(), 9)
        return {
            "schema": SCHEMA,
            "name": self.name,
            "labels": list(self.labels),
            "input": {"shape": list(self.shape), "dtype": "uint8", "ink": "white on black"},
            "preprocess": self.preprocess,
            "thresholds": {"min_score": self.min_score, "min_familiarity": self.min_familiarity},
            "golden": {
                "pixels": binascii.b2a_base64(deflated, newline=False).decode("ascii"),
                "probabilities": [[round(float(p), 6) for p in row] for row in self.golden.probabilities],
            },
        }

    @classmethod
    def from_json(cls, data: Any, where: str) -> Contract:
        """Read what `to_json` wrote from parsed JSON, which may be anything.

        Raises:
            BundleError: A part is missing, has the wrong type, or a newer digits-edge wrote it.
        """
        import binascii  # here, so that programs that do not need it start faster
        import zlib

        try:
            check_schema(data["schema"], where)
            shape = tuple(int(side) for side in data["input"]["shape"])
            if len(shape) not in (2, 3) or not all(1 <= side <= 4096 for side in shape) or shape[2:] not in ((), (3,)):
                raise BundleError(f"{where}: expected an input shape [H, W] or [H, W, 3], received {list(shape)}")
            given = data["labels"]
            labels = tuple(given) if isinstance(given, list) else ()
            if len(labels) < 2 or not all(is_text(label) for label in labels) or len(set(labels)) < len(labels):
                raise BundleError(f"{where}: expected two or more labels, all text, none twice, received {given!r:.80}")
            if not is_text(data["name"]):
                raise BundleError(f"{where}: expected a name, received {data['name']!r:.80}")
            if data["preprocess"] not in PREPROCESS:
                raise BundleError(f"{where}: expected preprocess {PREPROCESS}, received {data['preprocess']!r:.80}")
            min_score = float(data["thresholds"]["min_score"])
            min_familiarity = float(data["thresholds"].get("min_familiarity", 0))  # earlier versions wrote none
            for name, value in (("min_score", min_score), ("min_familiarity", min_familiarity)):
                if not (math.isfinite(value) and 0 <= value <= 1):
                    raise BundleError(f"{where}: expected a {name} from 0 to 1, received {value}")
            deflated = binascii.a2b_base64(data["golden"]["pixels"], strict_mode=True)
            inflated = zlib.decompressobj().decompress(deflated, MAX_GOLDEN_BYTES)  # limits a decompression bomb
            pixels = np.frombuffer(inflated, np.uint8).reshape(-1, *shape)
            probabilities = np.asarray(data["golden"]["probabilities"], np.float32).reshape(len(pixels), len(labels))
            if not len(pixels) or not np.isfinite(probabilities).all():
                raise BundleError(f"{where}: expected golden pictures with their probabilities, found none that count")
            return cls(
                name=data["name"],
                labels=labels,
                shape=shape,
                preprocess=cast(Preprocess, data["preprocess"]),
                min_score=min_score,
                min_familiarity=min_familiarity,
                golden=Golden(pixels, probabilities),
            )
        except (KeyError, TypeError, ValueError, OverflowError, zlib.error) as error:
            raise BundleError(f"{where}: the model's description is damaged: {type(error).__name__}: {error}") from None


def familiarity(probabilities: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Out-of-distribution score: the sum of the two largest probabilities, float32[N] of float32[N, C].

    A digit that could be another has its probability on two classes. A picture that is no digit has it spread over many
    classes, because recipes train with outliers for which all classes are equally likely (Hendrycks, Mazeika and
    Dietterich, "Deep Anomaly Detection with Outlier Exposure", 2019). Metadata files call this score familiarity.
    """
    return np.asarray(np.partition(probabilities, -2, axis=1)[:, -2:].sum(axis=1))


def is_text(value: Any) -> bool:
    """Whether a value is text that can be printed. JSON can hold lone surrogates, which cannot."""
    return isinstance(value, str) and value.encode(errors="ignore").decode() == value


def check_schema(schema: Any, where: str) -> None:
    """Check that this digits-edge can read a contract: its `schema` is a whole number from 1 to `SCHEMA`."""
    if type(schema) is not int or schema < 1:
        raise BundleError(f"{where}: expected schema 1 to {SCHEMA}, received {schema!r:.80}")
    if schema > SCHEMA:
        raise BundleError(
            f"{where}: it has schema {schema}, this digits-edge reads up to {SCHEMA}: pip install --upgrade digits-edge"
        )


def checked_min_score(min_score: Any) -> float:
    """Return `min_score` as a float; raise a UsageError unless it is a number from 0 to 1."""
    try:
        value = math.nan if isinstance(min_score, bool | str | bytes) else float(min_score)
    except (TypeError, ValueError, OverflowError):
        value = math.nan
    if not 0 <= value <= 1:  # also rejects nan
        raise UsageError(f"min_score: expected a number from 0 to 1, received {min_score!r:.80}")
    return value
