"""The classifier: one model file, ready to answer."""

from __future__ import annotations

import json
import operator
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib import resources
from itertools import islice
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import onnxruntime

from .bundle import Bundle
from .contract import METADATA_KEY, Contract
from .errors import BundleError, PictureError, first_line
from .picture import read_picture
from .prepare import prepare

DEFAULT_MODEL: Final = "default.onnx"
CHUNK: Final = 256  # pictures a session sees at once: bounds the memory of its activations
SELF_TEST_TOLERANCE: Final = 0.05  # in probability; integer kernels may round differently from CPU to CPU


@dataclass(frozen=True, eq=False)
class Prediction:
    """What the model makes of one picture.

    Attributes:
        label: the most probable class, also when not accepted; None where there is no ink or the picture failed.
        score: its probability, 0 where there is no label.
        accepted: whether the score reaches the model's threshold.
        probabilities: float32[C] in the order of `Classifier.labels`; zeros where there is no label.
        reason: why it was not accepted: `no ink`, `unsure`, or what is wrong with the picture; else None.
        error: in `predict_many`, what `predict` would have raised; else None.
    """

    label: str | None
    score: float
    accepted: bool
    probabilities: npt.NDArray[np.float32]
    reason: str | None = None
    error: PictureError | None = None


@dataclass(frozen=True)
class SelfTest:
    """How this device's answers compare with those of the machine that made the model.

    Attributes:
        passed: every label is the same and no probability differs by more than 0.05.
        pictures: how many golden vectors there are.
        mismatches: how many got another label.
        largest_difference: in probability, over all pictures and classes.
    """

    passed: bool
    pictures: int
    mismatches: int
    largest_difference: float


class Classifier:
    """One model with its contract. Immutable after loading, safe to share between threads, can be pickled.

    Get one with `Classifier.load()`. It uses one thread, does not spin, keeps no memory arena, writes nothing
    and never touches the network.
    """

    __slots__ = ("_contract", "_model", "_session")

    def __init__(self, model: bytes, where: str = "model") -> None:
        self._model = model
        self._session = _open_session(model, where)
        self._contract = _read_contract(self._session, where)

    @classmethod
    def load(cls, path: str | os.PathLike[str] | None = None) -> Classifier:
        """Load the bundled model, a bundle, or one `.onnx` file that digits-edge exported.

        Args:
            path: a bundle's folder (its int8 model is preferred, its hash checked) or an `.onnx` file; None for the
                model that comes with the package.

        Raises:
            BundleError: there is none, or it is not one of ours.
            IntegrityError: a bundle's model is missing or was altered.
        """
        if path is None:
            return cls((resources.files(__package__) / DEFAULT_MODEL).read_bytes(), DEFAULT_MODEL)
        try:
            path = Path(os.fsdecode(path))
            if path.suffix == ".onnx" and not path.is_dir():
                return cls(path.read_bytes(), str(path))
            bundle = Bundle.open(path)
            name = bundle.best_onnx
            return cls(bundle.read(name), str(bundle.path / name))
        except OSError as error:
            raise BundleError(f"{path}: cannot be read: {error.strerror}") from None
        except (TypeError, ValueError) as error:  # no path at all, or one with a null character
            raise BundleError(f"{path!r:.200}: expected the path of a bundle or an .onnx file: {error}") from None

    @property
    def name(self) -> str:
        """What the model is called."""
        return self._contract.name

    @property
    def labels(self) -> tuple[str, ...]:
        """Class names, in the order of `probabilities`."""
        return self._contract.labels

    @property
    def contract(self) -> Contract:
        """Everything the model says of itself."""
        return self._contract

    def predict(self, picture: Any) -> Prediction:
        """Find the digit in a picture, normalise it and classify it.

        Args:
            picture: a path, an encoded file's bytes, a PIL image, or uint8[H, W], uint8[H, W, 3], uint8[H, W, 4] of
                either polarity, from 8 pixels a side up.

        Raises:
            PictureError: the picture cannot be read.
            MissingExtra: a file is to be decoded and pillow is not installed.
        """
        pixels = self._prepare(picture)
        return self._no_ink() if pixels is None else self._judge(self.predict_proba(pixels[None])[0])

    def predict_many(self, pictures: Iterable[Any], *, batch_size: int = 64) -> Iterator[Prediction]:
        """Predict lazily, in batches, in the order of `pictures`.

        A picture that cannot be read gives a prediction with `error` set instead of ending the iteration.

        Args:
            pictures: any iterable of what `predict` takes; it is read one batch ahead at most.
            batch_size: pictures a batch, at least 1.
        """
        if operator.index(batch_size) < 1:
            raise ValueError(f"expected a batch_size of at least 1, received {batch_size}")
        return self._predict_many(iter(pictures), batch_size)

    def _predict_many(self, pictures: Iterator[Any], batch_size: int) -> Iterator[Prediction]:
        while batch := list(islice(pictures, batch_size)):
            read = [self._try_prepare(picture) for picture in batch]
            readable = [item for item in read if isinstance(item, np.ndarray)]
            answers = iter(self.predict_proba(np.stack(readable)) if readable else ())
            for item in read:
                if isinstance(item, PictureError):
                    yield Prediction(None, 0.0, False, self._nothing(), str(item), item)
                else:
                    yield self._no_ink() if item is None else self._judge(next(answers))

    def predict_proba(self, pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        """Class probabilities of pixels that are in the model's own form already: the fast path.

        Args:
            pixels: uint8[N, *contract.shape], white ink (255) on black (0); N may be 0, a large N runs in chunks.

        Returns:
            float32[N, C]; each row adds up to 1.

        Raises:
            PictureError: another shape or dtype.
        """
        shape = self._contract.shape
        if (
            not isinstance(pixels, np.ndarray)
            or pixels.dtype != np.uint8
            or pixels.shape[1:] != shape
            or not pixels.ndim
        ):
            got = f"{pixels.dtype}{list(pixels.shape)}" if isinstance(pixels, np.ndarray) else type(pixels).__name__
            raise PictureError(f"expected pixels uint8[N, {', '.join(map(str, shape))}], received {got}")
        if len(pixels) <= CHUNK and len(pixels):
            return self._run(pixels)
        chunks = [self._run(pixels[start : start + CHUNK]) for start in range(0, len(pixels), CHUNK)]
        return np.concatenate([np.empty((0, len(self.labels)), np.float32), *chunks])

    def self_test(self) -> SelfTest:
        """Run the model's golden vectors on this very device and compare with the answers they came with."""
        golden = self._contract.golden
        here = self.predict_proba(golden.pixels)
        difference = float(np.abs(here - golden.probabilities).max(initial=0))
        mismatches = int((here.argmax(axis=1) != golden.probabilities.argmax(axis=1)).sum())
        passed = mismatches == 0 and difference <= SELF_TEST_TOLERANCE
        return SelfTest(passed, len(here), mismatches, difference)

    def __reduce__(self) -> tuple[type[Classifier], tuple[bytes]]:
        return Classifier, (self._model,)

    def __repr__(self) -> str:
        return f"<Classifier {self.name!r}: {len(self.labels)} classes, {len(self._model):,} bytes>"

    def _run(self, pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        try:
            probabilities: npt.NDArray[np.float32] = self._session.run(["probabilities"], {"image": pixels})[0]
        except Exception as error:  # onnxruntime's exceptions share no base class
            raise BundleError(f"{self.name}: onnxruntime cannot run it: {first_line(error)}") from None
        return probabilities

    def _prepare(self, picture: Any) -> npt.NDArray[np.uint8] | None:
        return prepare(read_picture(picture), self._contract.preprocess, self._contract.shape)

    def _try_prepare(self, picture: Any) -> npt.NDArray[np.uint8] | PictureError | None:
        try:
            return self._prepare(picture)
        except PictureError as error:
            return error

    def _judge(self, probabilities: npt.NDArray[np.float32]) -> Prediction:
        best = int(probabilities.argmax())
        score = float(probabilities[best])
        accepted = score >= self._contract.min_score
        return Prediction(self.labels[best], score, accepted, probabilities, None if accepted else "unsure")

    def _no_ink(self) -> Prediction:
        return Prediction(None, 0.0, False, self._nothing(), "no ink")

    def _nothing(self) -> npt.NDArray[np.float32]:
        return np.zeros(len(self.labels), np.float32)


def _open_session(model: bytes, where: str) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.enable_cpu_mem_arena = False
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.add_session_config_entry("session.inter_op.allow_spinning", "0")
    options.log_severity_level = 4  # what goes wrong comes as an exception, not as a line on somebody's stderr
    try:
        return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's exceptions share no base class
        raise BundleError(f"{where}: onnxruntime cannot load it: {first_line(error)}") from None


def _read_contract(session: onnxruntime.InferenceSession, where: str) -> Contract:
    try:
        text = session.get_modelmeta().custom_metadata_map.get(METADATA_KEY)
        if text is None:
            raise BundleError(f"{where}: expected a model that digits-edge exported, found no contract in its metadata")
        contract = Contract.from_json(json.loads(text), where)
    except (ValueError, RecursionError) as error:  # UnicodeDecodeError and JSONDecodeError are ValueErrors
        raise BundleError(f"{where}: the model's description is no JSON: {error}") from None
    inputs, outputs = session.get_inputs(), session.get_outputs()
    image = [(i.name, i.type, i.shape[1:]) for i in inputs]
    if image != [("image", "tensor(uint8)", list(contract.shape))] or isinstance(inputs[0].shape[0], int):
        raise BundleError(f"{where}: expected one input image: uint8[N, {contract.shape}], received {image}")
    first = (outputs[0].name, outputs[0].type, outputs[0].shape[1:])
    if first != ("probabilities", "tensor(float)", [len(contract.labels)]):
        raise BundleError(f"{where}: expected a first output probabilities: float[N, C], received {first}")
    return contract
