"""Read folders of pictures: one sub-folder per class, perhaps below a folder for each part, or a `labels.csv`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from digits_edge.common import labels_csv
from digits_edge.common.progress import say
from digits_edge.runtime.batch.csv_header import SIDES
from digits_edge.runtime.errors import DatasetError, PictureError, check_utf8
from digits_edge.runtime.metadata import Preprocess
from digits_edge.runtime.picture.decode import SUFFIXES, read_picture
from digits_edge.runtime.picture.preprocess import prepare

from .arrays import PARTS
from .pixels import Labelled

TINT: Final = 6  # mean difference between the largest and the smallest channel that still counts as grey
HEIC: Final = (".heic", ".heif")
PART_FOLDERS: Final = {
    **PARTS,
    **{f"{name}{joint}set": part for name, part in PARTS.items() for joint in ("", "_", "-")},
}
IGNORED: Final = ("Thumbs.db", "desktop.ini", "__MACOSX")


class Picture(NamedTuple):
    """A picture with its class, still to be decoded."""

    where: str  # its path, or its row in a file
    source: Path | bytes
    label: str | int


def files_under(folder: Path, above: tuple[Path, ...] = ()) -> Iterator[Path]:
    """Yield all files and empty folders under a folder, sorted by name; hidden ones are skipped, links are followed."""
    try:
        entries = sorted(folder.iterdir(), key=lambda path: path.name)  # the same order on every system
        place = folder.resolve()
    except OSError as error:
        raise DatasetError(f"{folder}: cannot be read: {error.strerror}") from None
    shown = [entry for entry in entries if not entry.name.startswith(".") and entry.name not in IGNORED]
    if not shown and above:
        yield folder
    for entry in shown:
        if not entry.is_dir():
            yield entry
        elif entry.resolve() not in (*above, place):
            yield from files_under(entry, (*above, place))


def find(folder: Path, files: Sequence[Path], *, empty_allowed: bool) -> dict[str, list[Picture]]:
    """Find all pictures, by part, each with the name of its class folder; what is left out is said.

    Raises:
        DatasetError: There are no class folders with pictures, or one is empty and that is not allowed.
    """
    readable = (*SUFFIXES, *(HEIC if _opens_heic() else ()))
    pictures = [path for path in files if path.suffix.lower() in readable]
    others = Counter(path.suffix.lower() or path.name for path in files if path.suffix.lower() not in readable)
    others -= Counter(path.name for path in files if path.is_dir())
    placed = [(path.relative_to(folder).parts, path) for path in pictures]
    depth = 0
    while len({parts[depth] for parts, _ in placed}) == 1 and all(len(parts) > depth + 2 for parts, _ in placed):
        depth += 1  # a folder with nothing but one folder of folders
    tops = {parts[depth]: max(len(other) for other, _ in placed if other[depth] == parts[depth]) for parts, _ in placed}
    parted = {name for name, length in tops.items() if name.lower() in PART_FOLDERS and length > depth + 2}
    found: dict[str, list[Picture]] = {}
    beside: Counter[str] = Counter()
    for parts, path in placed:
        names = parts[depth:]
        part = PART_FOLDERS[names[0].lower()] if names[0] in parted else "train"
        if parted:
            names = names[1:] if names[0] in parted else ()
        elif names[0].lower() in PART_FOLDERS:
            names = ()
        if len(names) < 2:
            beside[str(path.parent)] += 1
        else:
            check_utf8(names[0], path.parent)
            found.setdefault(part, []).append(Picture(str(path), path, names[0]))
    if not found:
        flat = f": {', '.join(sorted(beside))} is no class" if beside else ""
        raise DatasetError(f"{folder}: expected arrays, or one sub-folder of pictures per class; found neither{flat}")
    _say_what_is_left_out(folder, others, beside)
    empty = [
        path for path in files if path.is_dir() and len(path.relative_to(folder).parts) == depth + bool(parted) + 1
    ]
    if empty and not empty_allowed:
        raise DatasetError(
            f"{empty[0]}: expected pictures of class {empty[0].name!r}, found none; --labels FILE allows such classes"
        )
    return found


def find_labelled(folder: Path, files: Sequence[Path]) -> list[Picture] | None:
    """Find the pictures that the folder's `labels.csv` gives a class; None if it names no file that is there.

    What has no label or is none of the classes is left out, which is said.

    Raises:
        DatasetError: A row of the file is wrong, or no picture has a label.
    """
    labels = labels_csv.read_labels(folder / labels_csv.NAME)
    present = {file: folder / file for file in labels or () if (folder / file).is_file()}
    if not labels or not present:
        return None
    labelled = [Picture(str(path), path, labels[file]) for file, path in present.items() if labels[file]]
    if not labelled:
        raise DatasetError(f"{folder / labels_csv.NAME}: expected pictures with a label, found none")
    folders, named = {path.parent for path in present.values()}, set(present.values())
    left_out = {
        "without a label": sum(
            path.parent in folders and path.suffix.lower() in SUFFIXES and path not in named for path in files
        ),
        "marked as none of the classes": sum(labels[file] == labels_csv.NONE for file in present),
        "that could not be found": len(labels) - len(present),
    }
    for what, count in left_out.items():
        if count:
            say(f"{folder / labels_csv.NAME}: left out {_count(count)} {what}")
    return labelled


def read(
    pictures: Sequence[Picture], preprocess: Preprocess, shape: tuple[int, ...], step: Callable[[], None]
) -> tuple[Labelled, npt.NDArray[np.int64]]:
    """Read pictures and bring them to the form that models take, with the code that `predict` uses.

    Pictures that cannot be read or have no ink are left out, which is said; `step` is called after each picture.

    Returns:
        The pixels uint8[N, *shape] with their classes, and the row of each among the pictures, int64[N].

    Raises:
        DatasetError: More than half of the pictures cannot be used; the message names the first.
    """
    pixels = np.empty((len(pictures), *shape), np.uint8)
    bad: dict[int, str] = {}
    for row, picture in enumerate(pictures):
        try:
            ready = prepare(decode(picture), preprocess, shape).pixels
            if ready is None:
                bad[row] = f"{picture.where}: expected ink, found none"
            else:
                pixels[row] = ready
        except PictureError as error:
            bad[row] = str(error)
        step()
    if bad:
        first = next(iter(bad.values())) + (f" (and {len(bad) - 1:,} more)" if len(bad) > 1 else "")
        if 2 * len(bad) > len(pictures):
            raise DatasetError(first)
        say(f"warning: left out {_count(len(bad))} of {len(pictures):,}: {first}")
    rows = np.array([row for row in range(len(pictures)) if row not in bad], np.int64)
    labels = np.array([pictures[row].label for row in rows])
    return Labelled(pixels[rows] if bad else pixels, labels), rows


def decode(picture: Picture) -> npt.NDArray[np.uint8]:
    """Decode a picture to uint8[H, W] or uint8[H, W, 3]; a PictureError names it."""
    try:
        return read_picture(picture.source)
    except PictureError as error:
        if isinstance(picture.source, Path):
            raise
        raise PictureError(f"{picture.where}: {error}") from None


def sample(pictures: Sequence[Picture], count: int) -> list[npt.NDArray[np.uint8]]:
    """Decode at most so many pictures, evenly spaced, without those that cannot be read."""
    decoded = []
    for picture in pictures[:: max(1, len(pictures) // count)]:
        with suppress(PictureError):
            decoded.append(decode(picture))
    return decoded


def own_shape(some: Sequence[npt.NDArray[np.uint8]], where: str) -> tuple[int, ...]:
    """The shape (H, W) or (H, W, 3) in which pictures like these are kept: their own, or 28 x 28 if they differ."""
    sizes = {picture.shape[:2] for picture in some}
    size = next(iter(sizes)) if len(sizes) == 1 else ()
    coloured = np.mean([picture.ndim == 3 and np.ptp(picture.astype(int), axis=2).mean() > TINT for picture in some])
    if not size or not all(side in SIDES for side in size):
        kept = f"all of {size[0]} x {size[1]}" if size else f"of {len(sizes)} sizes"
        size = (28, 28)
        say(f"{where}: the pictures, {kept}, are resized to 28 x 28; --size decides")
    return (*size, 3) if coloured >= 0.1 else size


def _opens_heic() -> bool:
    """Whether Pillow can decode HEIC, which pillow-heif teaches it."""
    try:
        import pillow_heif
    except ImportError:
        return False
    pillow_heif.register_heif_opener()
    return True


def _say_what_is_left_out(folder: Path, others: Counter[str], beside: Counter[str]) -> None:
    for place, count in beside.items():
        say(f"{folder}: left out {_count(count)} in {place}, which is no folder of a class")
    heic = sum(others.pop(suffix, 0) for suffix in HEIC)
    if heic:
        say(f'{folder}: left out {_count(heic)}: .heic needs pillow-heif: pip install "digits-edge[heic]"')
    if others:
        kinds = ", ".join(f"{count:,} {suffix}" for suffix, count in others.most_common(5))
        say(f"{folder}: left out files that are no pictures: {kinds}")


def _count(number: int) -> str:
    return "1 picture" if number == 1 else f"{number:,} pictures"
