"""`run.json`: what a finished run says of itself."""

from __future__ import annotations

import json
from dataclasses import asdict, astuple, dataclass, fields, is_dataclass
from pathlib import Path
from types import NoneType
from typing import Any, Final, Literal, get_args, get_origin, get_type_hints

from digits_edge.runtime.errors import RunError, UsageError
from digits_edge.runtime.files import read_json
from digits_edge.runtime.metadata import Preprocess

from .datasets.corrections import AS_STORED, Corrections
from .recipes import Recipe

KIND: Final = "digits-edge run"
SCHEMA: Final = 1
MARKER: Final = "run.json"  # the file by which a run's folder is recognised
LARGEST: Final = 2**63 - 1

_PLAIN: Final[dict[Any, tuple[str, tuple[type, ...]]]] = {
    bool: ("true or false", (bool,)),
    int: ("a whole number", (int,)),
    float: ("a number", (int, float)),
    str: ("text", (str,)),
    str | None: ("text or null", (str, NoneType)),
}


@dataclass(frozen=True)
class DatasetInfo:
    """The dataset that a run was trained on."""

    name: str  # file or folder name, or `sample` or `mnist`
    pictures: int  # both parts together
    fingerprint: str  # SHA-256 of pixels, targets and labels
    corrections: Corrections = AS_STORED  # that were made to the pixels as they were read


@dataclass(frozen=True)
class SplitInfo:
    """How the dataset was split into training and validation."""

    seed: int
    fraction: float  # of the pictures held out for validation
    training: int  # pictures trained on
    validation: int  # pictures held out


@dataclass(frozen=True)
class EpochMetrics:
    """Metrics of one epoch."""

    epoch: int  # from 1
    loss: float  # mean over the epoch's batches, on augmented pictures
    accuracy: float  # likewise
    val_loss: float  # cross-entropy on the validation split after the epoch, in nats
    val_accuracy: float

    def rounded(self) -> EpochMetrics:
        """The same metrics to six decimals, as they are saved and compared."""
        return EpochMetrics(*(round(value, 6) for value in astuple(self)))


@dataclass(frozen=True)
class Metrics:
    """Metrics of the model after the last epoch; the first four as in `EpochMetrics`."""

    loss: float
    accuracy: float
    val_loss: float  # before calibration
    val_accuracy: float
    val_wrong: int  # validation pictures that are classified wrongly
    temperature: float  # what the logits were divided by to calibrate the probabilities
    val_ece: float  # expected calibration error on the validation split, after calibration
    val_ece_uncalibrated: float


@dataclass(frozen=True)
class Judged:
    """How a model answers some pictures that it was not trained on, before and after it was adapted."""

    pictures: int
    wrong_before: int
    wrong: int


@dataclass(frozen=True)
class Adaptation:
    """How a model was adapted to pictures of one's own while others were rehearsed; each part is judged apart."""

    also: str  # name of the rehearsed dataset
    rehearsed: Judged  # its validation part
    max_forgetting: float  # how much of its accuracy might be lost
    own: Judged  # one's own pictures that were held out; of folds, all of them
    low: float  # 95 % confidence interval of the accuracy on one's own, from here …
    high: float  # … to here
    folds: int  # models that were trained, each without some of one's own, to judge by these; 0 if some were held out
    unjudged: tuple[str, ...]  # classes that one has no pictures of to judge by


@dataclass(frozen=True)
class RunInfo:
    """All of `run.json`, in the order of the file."""

    name: str  # of the run's folder, and of the model
    created: str  # when the run was finished, ISO 8601 in UTC
    recipe: Recipe
    init: str | None  # file or folder name of the model that training started from, None for fresh weights
    teacher: str | None  # file or folder name; of several, with commas
    labels: tuple[str, ...]  # in the order of the model's outputs
    preprocess: Preprocess
    seed: int  # of weights, order, augmentation and dropout
    dataset: DatasetInfo
    split: SplitInfo
    parameters: int
    macs: int  # multiply-accumulates per picture
    activation_bytes: int  # peak memory per picture in an int8 model, see `model_cost`
    metrics: Metrics
    best: EpochMetrics  # of the epoch with the lowest validation loss
    backend: str  # Keras's
    precision: str  # Keras dtype policy
    cpu: str
    versions: dict[str, str]  # of Python and of the libraries
    wall_seconds: float  # all interrupted attempts included
    device: str  # e.g. `cpu:0` or `2 x gpu`
    adaptation: Adaptation | None = None  # None if nothing was rehearsed

    @classmethod
    def read(cls, path: Path) -> RunInfo:
        """Read a `run.json`, or raise RunError if it is damaged or a newer digits-edge wrote it."""
        try:
            data = read_json(path)
        except (OSError, ValueError) as error:
            raise RunError(f"{path}: not readable as JSON: {error}") from None
        if not isinstance(data, dict) or data.get("kind") != KIND:
            raise RunError(f"{path}: expected the description of a {KIND}, received another JSON")
        if data.get("schema") != SCHEMA:
            raise RunError(f"{path}: expected schema {SCHEMA}, received {data.get('schema')!r:.80}")
        try:
            info: RunInfo = parse(cls, data, "")
        except (ValueError, UsageError) as error:
            raise RunError(f"{path}: {error}") from None
        return info

    def write(self, path: Path) -> None:
        """Write a `run.json`."""
        path.write_text(json.dumps(self.to_json(), indent=1) + "\n", encoding="utf-8")

    def to_json(self) -> dict[str, Any]:
        """The file's content as JSON values."""
        return {"kind": KIND, "schema": SCHEMA, **asdict(self)}

    def provenance(self) -> dict[str, Any]:
        """What the manifest of an exported bundle repeats: all but what it states itself or has no use for."""
        omitted = {"labels", "preprocess", "best", "precision", "cpu", "wall_seconds"}
        return {key: value for key, value in asdict(self).items() if key not in omitted}


def parse(kind: Any, value: Any, key: str) -> Any:
    """Turn a JSON value into the type of a field above, or raise ValueError with its key, such as `split.seed`."""
    arguments = get_args(kind)
    if isinstance(kind, type) and is_dataclass(kind) and isinstance(value, dict):
        hints = get_type_hints(kind)
        required = {field.name for field in fields(kind) if field.default is field.default_factory}  # without a default
        names = [name for name in hints if name in value or name in required]  # an older recipe has fewer fields
        return kind(**{name: parse(hints[name], value.get(name), f"{key}.{name}".lstrip(".")) for name in names})
    if NoneType in arguments and kind not in _PLAIN:
        return None if value is None else parse(arguments[0], value, key)
    if get_origin(kind) is tuple and isinstance(value, list):
        return tuple(parse(arguments[0], item, key) for item in value)
    if get_origin(kind) is dict and isinstance(value, dict):
        return {name: parse(arguments[1], item, f"{key}.{name}") for name, item in value.items()}
    if get_origin(kind) is Literal:
        expected, allowed = " or ".join(arguments), value in arguments
    else:
        expected, types = _PLAIN.get(kind, ("a list" if get_origin(kind) is tuple else "an object", ()))
        allowed = type(value) in types
        if allowed and isinstance(value, int) and abs(value) > LARGEST:
            expected, allowed = f"{expected} of up to 63 bits", False
    if not allowed:
        raise ValueError(f"{key}: expected {expected}, received {value!r:.80}")
    return value
