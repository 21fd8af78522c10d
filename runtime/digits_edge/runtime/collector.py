"""Keep pictures that a model is unsure of, to be labelled later: on the device, in a folder that does not grow."""

from __future__ import annotations

import os
import re
import time
from collections import deque
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

import numpy as np

from .errors import DigitsEdgeError, UsageError, one_of
from .files import read_file
from .picture.decode import MAX_BYTES, read_picture
from .picture.png import SIGNATURE, encode

if TYPE_CHECKING:
    import numpy.typing as npt

    from .classifier import Classifier
    from .numbers.reading import Digit, Reading
    from .prediction import Prediction

Keep = Literal["rejected", "unsure", "all"]
Kept = tuple["npt.NDArray[np.uint8]", dict[str, Any]]  # pixels and the answer for them
KEEP: Final[tuple[Keep, ...]] = ("rejected", "unsure", "all")
SURE: Final = 0.95  # score below which `unsure` keeps accepted answers
ORIGINALS: Final = "originals"  # folder in the folder
ABANDONED: Final = 60 * 10**9  # nanoseconds after which a file that is not yet whole is one that a killed process left
STAMP: Final = 26  # characters of a name that are its time
KINDS: Final = (
    (SIGNATURE, ".png"),
    (b"\xff\xd8", ".jpg"),
    (b"GIF8", ".gif"),
    (b"BM", ".bmp"),
    (b"RIFF", ".webp"),
    (b"II*\0", ".tif"),
    (b"MM\0*", ".tif"),
    (b"P", ".ppm"),
)
_NAME: Final = re.compile(r"\.?(\d{8}T\d{6}-\d{9}Z)-[0-9a-f]{8}\b.*")


class Collector:
    """Keeps pictures and their answers in a folder of limited size, the newest ones.

    Each is a PNG of the pixels in the model's form, named after the time, with the answer as JSON in its text. Several
    threads and processes may use one folder. Whatever happens to the folder or the disk, answers come as always.

    Args:
        folder: Where to keep them; it is made when the first picture is kept.
        keep: `rejected` keeps the pictures whose answer is not accepted, `unsure` also those accepted with a score
            below 0.95, `all` keeps all. Pictures without ink are never kept.
        limit: Most pictures in the folder; the oldest are removed.
        originals: Whether to keep also what was given, the file's bytes or a PNG of an array or image, in the folder
            `originals`. They may be large.

    Attributes:
        failed: How many answers could not be kept.
        error: Why the last of them could not; None if all were kept.

    Raises:
        UsageError: An argument has an invalid value.

    Example:
        from digits_edge.runtime import Classifier, Collector

        collector = Collector("collected", limit=200)
        classifier = collector.wrap(Classifier.load())
        print(classifier.predict("photo.jpg").label, collector.failed)
    """

    def __init__(
        self, folder: str | os.PathLike[str], keep: Keep = "rejected", limit: int = 1000, originals: bool = False
    ) -> None:
        self.folder = Path(folder)
        self.keep = one_of("keep", keep, KEEP)
        if isinstance(limit, bool) or not isinstance(limit, int) or limit < 1:
            raise UsageError(f"limit: expected a whole number from 1, received {limit!r:.80}")
        self.limit = limit
        self.originals = originals
        self.failed = 0
        self.error: str | None = None

    def wrap(self, classifier: Classifier) -> CollectingClassifier:
        """A classifier that gives the same answers, and keeps pictures here."""
        return CollectingClassifier(self, classifier)

    def __reduce__(self) -> tuple[type[Collector], tuple[Path, Keep, int, bool]]:
        return Collector, (self.folder, self.keep, self.limit, self.originals)

    def _keep_prediction(self, picture: Any, found: Prediction, model: str) -> None:
        """Keep a picture, if its answer is one to keep."""
        if found.pixels is not None and self._is_wanted(found.accepted, found.score):
            self._store(picture, [(found.pixels, _facts(model, found) | {"reason": found.reason})])

    def _keep_reading(self, picture: Any, reading: Reading, model: str) -> None:
        """Keep those digits of a picture that are to be kept; of a number of accepted digits that is unsure, all."""
        from .numbers.answer import LIKELY

        wanted: list[Kept] = []
        for number in reading.numbers:
            divided = number.score >= LIKELY or not all(digit.accepted for digit in number.digits)
            wanted += [
                (digit.pixels, _facts(model, digit) | {"box": digit.box})
                for digit in number.digits
                if self._is_wanted(digit.accepted and divided, digit.score)
            ]
        if wanted:
            self._store(picture, wanted)

    def _is_wanted(self, accepted: bool, score: float) -> bool:
        return not accepted or self.keep == "all" or (self.keep == "unsure" and score < SURE)

    def _store(self, picture: Any, wanted: list[Kept]) -> None:
        try:
            self._write(picture, wanted)
        except (OSError, ValueError, DigitsEdgeError) as error:
            if isinstance(error, OSError) and error.errno is None:  # raised by a signal handler, such as a TimeoutError
                raise
            self.failed += 1
            self.error = str(error)

    def _write(self, picture: Any, wanted: list[Kept]) -> None:
        import json

        from .atomic_file import write_new

        now = time.time_ns()
        moment = f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(now // 10**9))}.{now // 1000 % 10**6:06}Z"
        name, more = f"{_stamp(now)}-{os.urandom(4).hex()}", {"time": moment}
        self.folder.mkdir(parents=True, exist_ok=True)
        if self.originals:
            data = _original(picture)
            more["original"] = f"{ORIGINALS}/{name}{_suffix(data)}"
            (self.folder / ORIGINALS).mkdir(exist_ok=True)
            write_new(self.folder / more["original"], data)
        for place, (pixels, facts) in enumerate(wanted):
            digit = f"-{place:02}" if len(wanted) > 1 else ""
            write_new(self.folder / f"{name}{digit}.png", encode(pixels, json.dumps(facts | more)))
        self._tidy(now)

    def _tidy(self, now: int) -> None:
        """Remove the oldest pictures. The newest `limit` stay, whoever tidies at the same time."""
        kept = _whole(self.folder, now)
        surplus = kept[: -self.limit]
        for name in surplus:
            (self.folder / name).unlink(missing_ok=True)  # another process may have been faster
        originals = self.folder / ORIGINALS
        if surplus and originals.is_dir():
            oldest = kept[-self.limit][:STAMP]
            for name in _whole(originals, now):
                if name[:STAMP] < oldest:
                    (originals / name).unlink(missing_ok=True)


class CollectingClassifier:
    """A classifier whose answers a `Collector` sees; all else is that of the classifier."""

    __slots__ = ("_classifier", "_collector")

    def __init__(self, collector: Collector, classifier: Classifier) -> None:
        self._collector = collector
        self._classifier = classifier

    def predict(self, picture: Any) -> Prediction:
        """Predict as `Classifier.predict` does."""
        found = self._classifier.predict(picture)
        self._collector._keep_prediction(picture, found, self._classifier.name)
        return found

    def predict_many(self, pictures: Iterable[Any], *, batch_size: int = 64) -> Iterator[Prediction]:
        """Predict as `Classifier.predict_many` does."""
        given: deque[Any] = deque()

        def remembered() -> Iterator[Any]:
            for picture in pictures:
                given.append(picture)
                yield picture

        return self._seen(given, self._classifier.predict_many(remembered(), batch_size=batch_size))

    def _seen(self, given: deque[Any], answers: Iterator[Prediction]) -> Iterator[Prediction]:
        for found in answers:
            self._collector._keep_prediction(given.popleft(), found, self._classifier.name)
            yield found

    def read(self, picture: Any, *, digits: int | None = None) -> Reading:
        """Read as `Classifier.read` does."""
        reading = self._classifier.read(picture, digits=digits)
        self._collector._keep_reading(picture, reading, self._classifier.name)
        return reading

    def teach(self, picture: Any, label: str) -> CollectingClassifier:
        """Teach as `Classifier.teach` does, and go on keeping pictures."""
        return self._collector.wrap(self._classifier.teach(picture, label))

    def untaught(self, *numbers: int) -> CollectingClassifier:
        """Forget as `Classifier.untaught` does, and go on keeping pictures."""
        return self._collector.wrap(self._classifier.untaught(*numbers))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._classifier, name)

    def __reduce__(self) -> tuple[type[CollectingClassifier], tuple[Collector, Classifier]]:
        return CollectingClassifier, (self._collector, self._classifier)


def _facts(model: str, found: Prediction | Digit) -> dict[str, Any]:
    return {"model": model, "label": found.label, "score": round(found.score, 6), "accepted": found.accepted}


def _stamp(nanoseconds: int) -> str:
    """A time as the begin of a name, so that names are sorted by time: 20261126T053327-123456789Z."""
    seconds, rest = divmod(nanoseconds, 10**9)
    return f"{time.strftime('%Y%m%dT%H%M%S', time.gmtime(seconds))}-{rest:09}Z"


def _whole(folder: Path, now: int) -> list[str]:
    """The names of our files in a folder, the oldest first; what killed processes left there is removed."""
    with os.scandir(folder) as entries:
        names = sorted(entry.name for entry in entries if _NAME.fullmatch(entry.name))
    for name in names:
        if name.startswith(".") and name[1:] < _stamp(now - ABANDONED):
            (folder / name).unlink(missing_ok=True)
    return [name for name in names if not name.startswith(".")]


def _original(picture: Any) -> bytes:
    """The bytes of the file that was given, or a PNG of the array, or of the PIL image, shrunk if it is large."""
    if isinstance(picture, str | os.PathLike):
        return read_file(os.fsdecode(picture), MAX_BYTES)
    if isinstance(picture, bytes | bytearray | memoryview):
        return bytes(picture)
    return encode(picture if isinstance(picture, np.ndarray) else read_picture(picture))


def _suffix(data: bytes) -> str:
    return next((suffix for begin, suffix in KINDS if data.startswith(begin)), "")
