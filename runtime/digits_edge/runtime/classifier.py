"""The classifier: one model file, loaded and ready to answer."""

from __future__ import annotations

import operator
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from .errors import BundleError, PictureError, reason_of
from .metadata import Contract
from .model_limits import CHUNK
from .ort import ORT_ERRORS
from .prediction import Prediction, SelfTest
from .session import Provider, SessionSettings, checked_min_score, has_threads, open_session, read_contract

if TYPE_CHECKING:
    import numpy.typing as npt
    import onnxruntime

    from .numbers.reading import Reading
    from .picture.finder import Finding

SELF_TEST_TOLERANCE: Final = 0.05  # in probability, since integer kernels round differently on different CPUs


class Classifier:
    """One model with its contract. Load it with `Classifier.load()`.

    A classifier is immutable, thread-safe, picklable and fork-safe. By default it uses one thread, does not spin and
    keeps no memory arena. It prints and writes nothing, and never uses the network.
    """

    __slots__ = ("__weakref__", "_contract", "_model", "_session", "_settings")

    _session: onnxruntime.InferenceSession | None  # None in a forked child until it is needed

    def __init__(
        self,
        model: bytes,
        where: str = "model",
        *,
        threads: int | None = None,
        providers: Sequence[Provider] | None = None,
        session_options: onnxruntime.SessionOptions | None = None,
        min_score: float | None = None,
        trust: bool = False,
    ) -> None:
        if not isinstance(model, bytes):
            raise BundleError(f"{where}: expected a model's bytes, received {type(model).__name__}")
        self._model = model
        self._settings = SessionSettings(threads, providers, session_options, trust)
        own = None if min_score is None else checked_min_score(min_score)
        session = self._open(where)
        contract = read_contract(session, where)
        self._contract = contract if own is None else replace(contract, min_score=own)

    @classmethod
    def load(
        cls,
        path: str | os.PathLike[str] | None = None,
        *,
        threads: int | None = None,
        providers: Sequence[Provider] | None = None,
        session_options: onnxruntime.SessionOptions | None = None,
        min_score: float | None = None,
        trust: bool = False,
    ) -> Classifier:
        """Load the package's own model, a bundle, or one `.onnx` file that digits-edge exported.

        Args:
            path: A bundle's folder (the int8 model is preferred, and its hash is checked) or an `.onnx` file; None for
                the package's own model.
            threads: Threads for one operator, 1 to 256; 1 unless given.
            providers: Execution providers as onnxruntime takes them, e.g. `["CUDAExecutionProvider"]`; the CPU unless
                given.
            session_options: Your own `onnxruntime.SessionOptions`, used unchanged; not together with `threads`.
            min_score: Smallest score of an accepted answer, in [0, 1]; the model's own threshold unless given.
            trust: Load a model whose operators, size or work are not those of the models that digits-edge exports. It
                may take any time and memory.

        Raises:
            BundleError: There is no model, or digits-edge did not export it.
            IntegrityError: A bundle's model is missing or was altered.
            UsageError: Another argument has an invalid value.
        """
        from .bundle import read_model

        model, where = read_model(path)
        return cls(
            model,
            where,
            threads=threads,
            providers=providers,
            session_options=session_options,
            min_score=min_score,
            trust=trust,
        )

    @property
    def name(self) -> str:
        """Name of the model."""
        return self._contract.name

    @property
    def labels(self) -> tuple[str, ...]:
        """Class names, in the order of `probabilities`."""
        return self._contract.labels

    @property
    def contract(self) -> Contract:
        """The model's contract: labels, input, thresholds, golden vectors."""
        return self._contract

    def predict(self, picture: Any) -> Prediction:
        """Find the digit in a picture, normalise it and classify it.

        Args:
            picture: A path, an encoded file's bytes, a PIL image, or an array uint8[H, W], uint8[H, W, 3] or
                uint8[H, W, 4]; dark ink on light paper or light on dark, at least 8 pixels a side.

        Raises:
            PictureError: The picture cannot be read.
            MissingExtra: pillow, which decodes files, is not installed.
        """
        found = self.find(picture)
        return self._judge(found, None if found.pixels is None else self.predict_proba(found.pixels[None])[0])

    def read(self, picture: Any, *, digits: int | None = None) -> Reading:
        """Read the numbers in a picture: digits apart or touching, in one line or several.

        Args:
            picture: As for `predict`.
            digits: How many digits the picture has, e.g. 5 for a field of five boxes; None if that is unknown.

        Raises:
            PictureError: The picture cannot be read.
            UsageError: `digits` is no number from 1 to 50, or the model does not find digits in pictures.
            MissingExtra: pillow, which decodes files, is not installed.
        """
        from .numbers.read import read_numbers

        return read_numbers(picture, self.predict_proba, self._contract, digits)

    def find(self, picture: Any) -> Finding:
        """Return what `predict` classifies: the pixels in the model's form, and the steps that led to them.

        Args:
            picture: As for `predict`.

        Raises:
            PictureError: The picture cannot be read.
            MissingExtra: pillow, which decodes files, is not installed.
        """
        from .picture.decode import read_picture  # here, so that a program that only calls predict_proba starts faster
        from .picture.preprocess import prepare

        contract = self._contract
        return prepare(read_picture(picture, grey=contract.preprocess == "digit"), contract.preprocess, contract.shape)

    def predict_many(self, pictures: Iterable[Any], *, batch_size: int = 64) -> Iterator[Prediction]:
        """Predict many pictures lazily, in batches, in the order of `pictures`.

        A picture that cannot be read gives a prediction with `error` set, and the iteration continues.

        Args:
            pictures: Any iterable of what `predict` takes; it is read at most one batch ahead.
            batch_size: Pictures in a batch, at least 1.
        """
        if operator.index(batch_size) < 1:
            raise ValueError(f"expected a batch_size of at least 1, received {batch_size}")
        return self._predict_many(iter(pictures), batch_size)

    def _predict_many(self, pictures: Iterator[Any], batch_size: int) -> Iterator[Prediction]:
        while batch := list(islice(pictures, batch_size)):
            read = [self._try_find(picture) for picture in batch]
            inked = [found.pixels for found in read if not isinstance(found, PictureError) and found.pixels is not None]
            answers = iter(self.predict_proba(np.stack(inked)) if inked else ())
            for found in read:
                if isinstance(found, PictureError):
                    yield Prediction(None, 0.0, False, self._nothing(), str(found), found)
                else:
                    yield self._judge(found, None if found.pixels is None else next(answers))

    def predict_proba(self, pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        """Classify pixels that already have the model's form. This is the fast path.

        Args:
            pixels: uint8[N, *contract.shape], white ink (255) on black (0). N may be 0; a large N runs in chunks.

        Returns:
            Class probabilities float32[N, C]; each row adds up to 1.

        Raises:
            PictureError: The array has another shape or dtype.
        """
        shape = self._contract.shape
        if not isinstance(pixels, np.ndarray) or pixels.dtype != np.uint8 or pixels.shape[1:] != shape:
            got = f"{pixels.dtype}{list(pixels.shape)}" if isinstance(pixels, np.ndarray) else type(pixels).__name__
            raise PictureError(f"expected pixels uint8[N, {', '.join(map(str, shape))}], received {got}")
        if len(pixels) <= CHUNK and len(pixels):
            return self._run(pixels)
        chunks = [self._run(pixels[start : start + CHUNK]) for start in range(0, len(pixels), CHUNK)]
        return np.concatenate([np.empty((0, len(self.labels)), np.float32), *chunks])

    def self_test(self) -> SelfTest:
        """Run the golden vectors on this device, and compare the answers with those of the exporting machine."""
        golden = self._contract.golden
        here = self.predict_proba(golden.pixels)
        difference = float(np.abs(here - golden.probabilities).max(initial=0))
        mismatches = int((here.argmax(axis=1) != golden.probabilities.argmax(axis=1)).sum())
        passed = mismatches == 0 and difference <= SELF_TEST_TOLERANCE
        return SelfTest(passed, len(here), mismatches, difference)

    def __reduce__(self) -> tuple[Callable[[bytes], Classifier], tuple[bytes]]:
        settings = self._settings
        if settings.session_options is not None:  # a copy without them would silently run otherwise
            raise TypeError(
                "a Classifier with session_options of its own cannot be pickled, since onnxruntime.SessionOptions "
                "cannot: load it in each process, or give threads= and providers= instead"
            )
        again = partial(
            type(self),
            threads=settings.threads,
            providers=settings.providers,
            min_score=self._contract.min_score,
            trust=settings.trust,
        )
        return again, (self._model,)

    def __repr__(self) -> str:
        return f"<Classifier {self.name!r}: {len(self.labels)} classes, {len(self._model):,} bytes>"

    def _open(self, where: str) -> onnxruntime.InferenceSession:
        session = self._session = open_session(self._model, where, self._settings)
        if has_threads(session):
            from .fork_safety import owners

            owners.add(self)
        return session

    def _run(self, pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        session = self._session or self._open(self.name)
        try:
            probabilities: npt.NDArray[np.float32] = session.run(["probabilities"], {"image": pixels})[0]
        except ORT_ERRORS as error:
            if type(error) not in ORT_ERRORS:  # raised by the program around us, such as by a signal handler
                raise
            raise BundleError(f"{self.name}: onnxruntime cannot run it: {reason_of(error)}") from None
        if len(probabilities) != len(pixels):
            raise BundleError(
                f"{self.name}: expected probabilities of {len(pixels)} pictures, received {len(probabilities)}"
            )
        return probabilities

    def _try_find(self, picture: Any) -> Finding | PictureError:
        try:
            return self.find(picture)
        except PictureError as error:
            return error

    def _judge(self, found: Finding, probabilities: npt.NDArray[np.float32] | None) -> Prediction:
        if probabilities is None:
            return Prediction(None, 0.0, False, self._nothing(), "no ink")
        best = int(probabilities.argmax())
        reason = "several" if found.several else self._contract.rejection_reason(probabilities)
        score = float(probabilities[best])
        return Prediction(self.labels[best], score, reason is None, probabilities, reason, pixels=found.pixels)

    def _nothing(self) -> npt.NDArray[np.float32]:
        return np.zeros(len(self.labels), np.float32)
