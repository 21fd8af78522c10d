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

from .errors import BundleError, PictureError, UsageError, reason_of
from .metadata import Contract
from .model_limits import CHUNK
from .ort import ORT_ERRORS
from .prediction import Prediction, SelfTest
from .session import (
    FEATURES,
    Provider,
    SessionSettings,
    check_features,
    checked_min_score,
    has_threads,
    open_session,
    read_contract,
)

if TYPE_CHECKING:
    import numpy.typing as npt
    import onnxruntime

    from .numbers.reading import Reading
    from .picture.finder import Finding
    from .teaching import Example, Taught

SELF_TEST_TOLERANCE: Final = 0.05  # in probability, since integer kernels round differently on different CPUs


class Classifier:
    """One model with its contract. Load it with `Classifier.load()`.

    A classifier is immutable, thread-safe, picklable and fork-safe. By default it uses one thread, does not spin and
    keeps no memory arena. It prints and writes nothing, and never uses the network.
    """

    __slots__ = ("__weakref__", "_contract", "_model", "_session", "_settings", "_taught")

    _session: onnxruntime.InferenceSession | None  # None in a forked child until it is needed
    _taught: Taught | None

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
        self._taught = None
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
        taught: str | os.PathLike[str] | None = None,
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
            taught: A file of examples that `save` wrote, with this model or another one for pictures of this form.

        Raises:
            BundleError: There is no model, digits-edge did not export it, or it has no features to teach it with.
            IntegrityError: A bundle's model is missing or was altered.
            UsageError: Another argument has an invalid value.
        """
        from .bundle import read_model

        model, where = read_model(path)
        loaded = cls(
            model,
            where,
            threads=threads,
            providers=providers,
            session_options=session_options,
            min_score=min_score,
            trust=trust,
        )
        if taught is None:
            return loaded
        from .teaching import load

        return loaded._taught_by(*load(taught, loaded._contract.shape))

    @property
    def name(self) -> str:
        """Name of the model."""
        return self._contract.name

    @property
    def labels(self) -> tuple[str, ...]:
        """Class names, in the order of `probabilities`; classes that were taught stand at the end."""
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

    @property
    def examples(self) -> tuple[Example, ...]:
        """The examples that it was taught, in this order."""
        return self._taught.examples() if self._taught else ()

    def teach(self, picture: Any, label: str) -> Classifier:
        """Return a classifier that has learnt what a picture is, also a new class; this one stays as it is.

        It changes the answers for pictures that are much like it, in `predict` and `read`, and no others. A picture
        that was taught before gets the new label. The example's `doubt`, in `examples`, says what speaks against it.

        Args:
            picture: As for `predict`; or a prediction or a digit of a reading, whose pixels are taken.
            label: What it is, 1 to 100 characters.

        Raises:
            PictureError: The picture cannot be read.
            UsageError: The picture has no ink, the label is no text, or there are 1,000 examples.
            BundleError: The model has no features; digits-edge exports them since this version.
            MissingExtra: pillow, which decodes files, is not installed.
        """
        from .numbers.reading import Digit
        from .teaching import check_label

        check_label(label)
        own = isinstance(picture, Prediction | Digit)
        pixels = picture.pixels if own else self.find(picture).pixels
        if pixels is None:
            raise UsageError("expected a picture with ink to teach, received one without")
        if pixels.shape != self._contract.shape or pixels.dtype != np.uint8:
            raise UsageError(
                f"expected pixels uint8{list(self._contract.shape)}, received {pixels.dtype}{list(pixels.shape)}"
            )
        if self._taught is None:
            return self._taught_by([label], pixels[None].copy())
        return self._knowing(self._taught.plus(self._features, label, pixels[None]))

    def untaught(self, *numbers: int) -> Classifier:
        """Return a classifier without some examples, by their places in `examples`; without numbers, without any.

        Raises:
            UsageError: There is no example of that number.
        """
        count = len(self._taught.labels) if self._taught else 0
        for number in numbers:
            if isinstance(number, bool) or not 0 <= operator.index(number) < count:
                raise UsageError(f"expected the number of one of {count} examples, received {number!r:.80}")
        kept = np.setdiff1d(np.arange(count), numbers) if numbers else np.empty(0, int)
        return self._knowing(self._taught.only(kept) if self._taught else None)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the examples to an `.npz` file for `Classifier.load(..., taught=path)`, atomically.

        It holds labels and pixels, no features, so that it also teaches the next model.

        Raises:
            UsageError: The file cannot be written, or there are no examples.
        """
        from .teaching import save

        if not self._taught:
            raise UsageError(f"{self.name}: expected a classifier that was taught something, to save it")
        save(path, self._taught.labels, self._taught.pixels)

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
        taught = self._taught
        run = self._run if taught is None else partial(self._run_taught, taught)
        if len(pixels) <= CHUNK and len(pixels):
            return run(pixels)
        chunks = [run(pixels[start : start + CHUNK]) for start in range(0, len(pixels), CHUNK)]
        return np.concatenate([np.empty((0, len(self.labels)), np.float32), *chunks])

    def self_test(self) -> SelfTest:
        """Run the golden vectors on this device, and compare the answers with those of the exporting machine.

        What was taught does not count.
        """
        if self._taught:
            return self.untaught().self_test()
        golden = self._contract.golden
        here = self.predict_proba(golden.pixels)
        difference = float(np.abs(here - golden.probabilities).max(initial=0))
        mismatches = int((here.argmax(axis=1) != golden.probabilities.argmax(axis=1)).sum())
        passed = mismatches == 0 and difference <= SELF_TEST_TOLERANCE
        return SelfTest(passed, len(here), mismatches, difference)

    def __reduce__(self) -> tuple[Callable[..., Classifier], tuple[Any, ...]]:
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
        if self._taught:
            return _again, (again, self._model, self._taught.labels, self._taught.pixels)
        return again, (self._model,)

    def __repr__(self) -> str:
        return f"<Classifier {self.name!r}: {len(self.labels)} classes, {len(self._model):,} bytes>"

    def _open(self, where: str) -> onnxruntime.InferenceSession:
        return self._use(open_session(self._model, where, self._settings))

    def _use(self, session: onnxruntime.InferenceSession) -> onnxruntime.InferenceSession:
        self._session = session
        if has_threads(session):
            from .fork_safety import owners

            owners.add(self)
        return session

    def _run(self, pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        return self._outputs(["probabilities"], pixels)[0]

    def _run_taught(self, taught: Taught, pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        probabilities, features = self._outputs(["probabilities", FEATURES], pixels)
        return taught.blend(probabilities, features, pixels)

    def _outputs(self, names: list[str], pixels: npt.NDArray[np.uint8]) -> list[npt.NDArray[np.float32]]:
        session = self._session or self._open(self.name)
        try:
            outputs: list[npt.NDArray[np.float32]] = session.run(names, {"image": pixels})
        except ORT_ERRORS as error:
            if type(error) not in ORT_ERRORS:  # raised by the program around us, such as by a signal handler
                raise
            raise BundleError(f"{self.name}: onnxruntime cannot run it: {reason_of(error)}") from None
        for name, output in zip(names, outputs, strict=True):
            if len(output) != len(pixels):
                raise BundleError(f"{self.name}: expected {name} of {len(pixels)} pictures, received {len(output)}")
        return outputs

    def _taught_by(self, labels: Sequence[str], pixels: npt.NDArray[np.uint8]) -> Classifier:
        """The same network, taught these examples and no others."""
        from .teaching import Taught

        check_features(self._session or self._open(self.name), self.name)
        known = self._contract.golden.probabilities.shape[1]
        contract = replace(self._contract, labels=self._contract.labels[:known])
        return self._knowing(Taught.by(self._features, contract, labels, pixels))

    def _knowing(self, taught: Taught | None) -> Classifier:
        """The same network with other examples; without any, as it was loaded."""
        again = object.__new__(type(self))
        again._model, again._settings = self._model, self._settings
        again._use(self._session or self._open(self.name))
        again._taught = taught if taught and taught.labels else None
        known = self._contract.golden.probabilities.shape[1]
        again._contract = replace(self._contract, labels=taught.classes if taught else self._contract.labels[:known])
        return again

    def _features(self, pixels: npt.NDArray[np.uint8]) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
        """The network's probabilities and features of any number of pictures from 1."""
        starts = range(0, len(pixels), CHUNK)
        chunks = [self._outputs(["probabilities", FEATURES], pixels[start : start + CHUNK]) for start in starts]
        probabilities, features = zip(*chunks, strict=True)
        return np.concatenate(probabilities), np.concatenate(features)

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


def _again(
    make: Callable[[bytes], Classifier], model: bytes, labels: Sequence[str], pixels: npt.NDArray[np.uint8]
) -> Classifier:
    """Unpickle a classifier that was taught."""
    return make(model)._taught_by(labels, pixels)
