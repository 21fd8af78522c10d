"""Read labelled pictures from any supported source."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, Literal, NamedTuple, TypeVar

import numpy as np

from digits_edge.common.progress import progress, say
from digits_edge.runtime.batch.csv_rows import is_csv
from digits_edge.runtime.errors import DatasetError
from digits_edge.runtime.files import read_file
from digits_edge.runtime.metadata import Preprocess

from . import arrays, builtin, csv, parquet, picture_folder
from .corrections import AS_STORED, Corrections, resized
from .dataset import Dataset, encode, places_of
from .handwriting import SAMPLE, guess_preprocess
from .picture_folder import Picture
from .pixels import Labelled

LARGEST_LIST: Final = 2**22  # bytes of a labels file
SHAPE: Final = (28, 28)  # of digits in MNIST's form, (H, W)
FORMS: Final = (
    "a CSV (also packed), an .npz, .npy, .mat or .parquet file, a folder of IDX files, of arrays or of pictures, "
    "`sample` or `mnist`"
)
GUESSED: Final = {
    "digit": "the pictures are single characters, to be found and centred; --preprocess resize takes whole pictures",
    "resize": "whole pictures are taken; --preprocess digit finds and centres one character in each",
}
Part = Literal["train", "test"]
Some = TypeVar("Some")


class Ask(NamedTuple):
    """What is asked for."""

    spec: str
    part: Part
    names: tuple[str, ...] | None  # of a labels file
    preprocess: Preprocess | None
    shape: tuple[int, ...] | None
    label_column: str | None


class Raw(NamedTuple):
    """What was read."""

    labelled: Labelled
    preprocess: Preprocess | None = None
    held_out: int = 0  # the last rows, which the data set aside for validation
    names: tuple[str, ...] | None = None  # of the classes, in the order of the data


def read_dataset(
    spec: str,
    *,
    part: Part = "train",
    names: tuple[str, ...] | None = None,
    preprocess: Preprocess | None = None,
    shape: tuple[int, ...] | None = None,
    corrections: Corrections = AS_STORED,
    label_column: str | None = None,
    least_classes: int = 2,
) -> Dataset:
    """Read labelled pictures. What is guessed, left out or scaled is said in one line on stderr.

    Args:
        spec: `sample` (5,000 embedded digits), `mnist` (downloaded), or a path: a CSV, an `.npz`, `.npy`, `.mat` or
            `.parquet` file, a folder of such files or of IDX files, a folder with one sub-folder of pictures per class,
            or a folder of pictures with a `labels.csv` of the columns `file` and `label`.
        part: Part to read, if the dataset has a test part of its own; other datasets have one part only.
        names: Class names in the order of the targets, or None to take names and order from the data.
        preprocess: How a photograph becomes pixels, or None to decide by the data.
        shape: Size of a picture, (H, W) or (H, W, 3), or None to take it from the data.
        corrections: What to do with pixels that are not stored as models take them.
        label_column: Name or number (from 1) of the label column of a CSV or parquet file, or None to find it.
        least_classes: Number of classes that must have pictures.

    Returns:
        The pictures with their targets and class names.

    Raises:
        DatasetError: The data cannot be read or used; the message says what was expected, what was found, and where.
        MissingExtra: A package that reads such files is not installed.

    Example:
        from digits_edge.trainer import read_dataset

        dataset = read_dataset("sample")
        print(dataset.pixels.shape, dataset.labels)
    """
    found = _read(Ask(spec, part, names, preprocess, shape, label_column))
    pixels, classes = found.labelled
    if not len(pixels):
        raise DatasetError(f"{spec}: expected pictures, found none")
    pixels = corrections.apply(pixels)
    decided = found.preprocess
    if decided is None:
        decided = "resize" if len(shape or pixels.shape[1:]) == 3 else guess_preprocess(pixels, found=False)
    if corrections.resize and shape:
        pixels = resized(pixels, shape)
    if shape and pixels.shape[1:] != shape:
        expected, received = (" x ".join(map(str, sides)) for sides in (shape, pixels.shape[1:]))
        raise DatasetError(f"{spec}: expected pictures of {expected}, found {received}")
    targets, labels = encode(classes, names or found.names, spec, least_classes)
    return Dataset(
        pixels=pixels,
        targets=targets,
        labels=labels,
        name=spec if spec in ("sample", "mnist") else Path(spec).resolve().name,
        preprocess=decided,
        stratified=not is_csv(spec),
        held_out=found.held_out,
    )


def read_class_names(path: Path) -> tuple[str, ...]:
    """Read class names from a labels file with one name per line, the first for class 0."""
    try:
        text = read_file(str(path), LARGEST_LIST).decode("utf-8-sig")
        names = tuple(line.strip() for line in text.splitlines() if line.strip())
    except (OSError, UnicodeDecodeError) as error:
        raise DatasetError(f"{path}: expected class names, one per line: {error}") from None
    if len(names) < 2:
        raise DatasetError(f"{path}: expected at least two class names, one per line, found {len(names)}")
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise DatasetError(f"{path}: expected each class name once, found {twice!r} twice")
    return names


def _read(ask: Ask) -> Raw:
    if ask.spec == "sample":
        return Raw(Labelled(*builtin.read_sample()), ask.preprocess)
    if ask.spec == "mnist":
        return Raw(Labelled(*builtin.read_mnist(ask.part)), ask.preprocess)
    path = Path(ask.spec)
    if path.is_dir():
        return _read_folder(path, ask)
    if not path.exists():
        raise DatasetError(f"{ask.spec}: expected {FORMS}, found no such file")
    if is_csv(path):
        return Raw(csv.read_labelled(path, ask.label_column, ask.shape), ask.preprocess)
    if arrays.is_array_file(path):
        return _read_arrays(arrays.find_in_file(path), ask)
    if path.suffix.lower() == ".parquet":
        return _read_parquet({"train": [path]}, ask)
    if {suffix.lower() for suffix in path.suffixes} & set(arrays.WITH_CODE):
        raise DatasetError(
            f"{ask.spec}: a pickle is not read, because it runs code when it is opened; where you trust it, save its "
            "arrays with numpy.savez_compressed(FILE, x=pictures, y=classes)"
        )
    raise DatasetError(f"{ask.spec}: expected {FORMS}, found a file of another kind")


def _read_folder(path: Path, ask: Ask) -> Raw:
    files = list(picture_folder.files_under(path))
    found = arrays.find_in_folder(path, [file for file in files if arrays.is_array_file(file)])
    if found:
        return _read_arrays(found, ask)
    if tables := [file for file in files if file.suffix.lower() == ".parquet"]:
        return _read_parquet(parquet.find(tables), ask)
    if labelled := picture_folder.find_labelled(path, files):
        return _read_pictures([labelled], ask)
    return _read_pictures(_chosen(picture_folder.find(path, files, empty_allowed=ask.names is not None), ask), ask)


def _chosen(found: Mapping[str, Some], ask: Ask) -> list[Some]:
    """The parts to read: the test part, or the training part and the validation part, if there is one."""
    if ask.part == "test" and "test" in found:
        return [found["test"]]
    if "train" not in found:
        raise DatasetError(f"{ask.spec}: expected a training part, found only {', '.join(found)}")
    return [found["train"], *([found["validation"]] if "validation" in found else [])]


def _read_arrays(found: Mapping[str, arrays.ArrayPair], ask: Ask) -> Raw:
    return _joined([pair.read(ask.shape) for pair in _chosen(found, ask)], ask)


def _joined(parts: Sequence[Labelled], ask: Ask) -> Raw:
    """Join the parts of a dataset, of which the second is held out."""
    if len(parts) == 1:
        return Raw(parts[0], ask.preprocess)
    if parts[0].pixels.shape[1:] != parts[1].pixels.shape[1:]:
        raise DatasetError(f"{ask.spec}: expected pictures of one size, found others in the validation part")
    pixels, classes = (np.concatenate(columns) for columns in zip(*parts, strict=True))
    return Raw(Labelled(pixels, classes), ask.preprocess, len(parts[1].pixels))


def _read_parquet(found: Mapping[str, list[Path]], ask: Ask) -> Raw:
    tables = [parquet.read(files, ask.label_column, ask.shape) for files in _chosen(found, ask)]
    decoded = [table.content for table in tables if isinstance(table.content, Labelled)]
    encoded = [table.content for table in tables if isinstance(table.content, list)]
    return (_joined(decoded, ask) if decoded else _read_pictures(encoded, ask))._replace(names=tables[0].names)


def _read_pictures(parts: Sequence[Sequence[Picture]], ask: Ask) -> Raw:
    """Decode encoded pictures, and decide by some of them how all are prepared."""
    pictures = [picture for part in parts for picture in part]
    if ask.names:  # before much time is spent
        places_of(sorted({str(picture.label) for picture in pictures}), ask.names, ask.spec)
    preprocess, shape = ask.preprocess, ask.shape
    some = picture_folder.sample(pictures, SAMPLE) if preprocess is None or shape is None else []
    if preprocess is None:
        preprocess = guess_preprocess(some, found=True) if some and len(shape or SHAPE) == 2 else "resize"
        say(f"{ask.spec}: {GUESSED[preprocess]}")
    if shape is None:
        shape = SHAPE if preprocess == "digit" else picture_folder.own_shape(some, ask.spec)
    with progress("reading pictures", len(pictures)) as step:
        found, rows = picture_folder.read(pictures, preprocess, shape, step)
    return Raw(found, preprocess, int((rows >= len(parts[0])).sum()))
