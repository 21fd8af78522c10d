"""Read labelled pictures from any supported source."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
import numpy.typing as npt

from digits_edge.common.progress import progress
from digits_edge.runtime.batch.csv_rows import is_csv
from digits_edge.runtime.errors import DatasetError
from digits_edge.runtime.metadata import Preprocess

from . import builtin, csv, idx, npz, picture_folder
from .corrections import AS_STORED, Corrections, resized
from .dataset import Dataset, encode, guess_preprocess

SHAPE: Final = (28, 28)  # that pictures in folders are brought to unless another is asked for
Part = Literal["train", "test"]
Raw = tuple[npt.NDArray[np.uint8], npt.NDArray[Any], Preprocess | None]  # pixels, classes int64[N] or str[N]


def read_dataset(
    spec: str,
    *,
    part: Part = "train",
    names: tuple[str, ...] | None = None,
    preprocess: Preprocess | None = None,
    shape: tuple[int, ...] | None = None,
    corrections: Corrections = AS_STORED,
) -> Dataset:
    """Read labelled pictures.

    Args:
        spec: `sample` (5,000 embedded digits), `mnist` (downloaded), or a path: a Kaggle CSV (also `.gz`), a folder of
            IDX files, an `.npz` with arrays `x` and `y`, or a folder with one sub-folder of pictures per class.
        part: Part to read, if the dataset has a test part of its own; other datasets have one part only.
        names: Class names for the numbers 0, 1, …, or None to take the names from the data.
        preprocess: How a photograph becomes pixels, or None to decide by the data.
        shape: Size of a picture, (H, W) or (H, W, 3), or None to take it from the data.
        corrections: What to do with pixels that are not stored as models take them.

    Returns:
        The pictures with their targets and class names.

    Raises:
        DatasetError: The data cannot be read or used; the message says what was expected, what was found, and where.

    Example:
        from digits_edge.trainer import read_dataset

        dataset = read_dataset("sample")
        print(dataset.pixels.shape, dataset.labels)
    """
    pixels, classes, decided = _read(spec, part, preprocess, shape or SHAPE)
    if not len(pixels):
        raise DatasetError(f"{spec}: expected pictures, found none")
    pixels = corrections.apply(pixels)
    if decided is None:
        decided = "resize" if shape and len(shape) == 3 else guess_preprocess(pixels)
    if corrections.resize and shape:
        pixels = resized(pixels, shape)
    if shape and pixels.shape[1:] != shape:
        expected, found = (" x ".join(map(str, sides)) for sides in (shape, pixels.shape[1:]))
        raise DatasetError(f"{spec}: expected pictures of {expected}, found {found}")
    targets, labels = encode(classes, names, spec)
    return Dataset(
        pixels=pixels,
        targets=targets,
        labels=labels,
        name=spec if spec in ("sample", "mnist") else Path(spec).resolve().name,
        preprocess=decided,
        stratified=not is_csv(spec),
    )


def read_class_names(path: Path) -> tuple[str, ...]:
    """Read class names from a labels file with one name per line, the first for class 0."""
    try:
        names = tuple(line.strip() for line in path.read_text(encoding="utf-8-sig").splitlines() if line.strip())
    except (OSError, UnicodeDecodeError) as error:
        raise DatasetError(f"{path}: expected class names, one per line: {error}") from None
    if len(names) < 2:
        raise DatasetError(f"{path}: expected at least two class names, one per line, found {len(names)}")
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise DatasetError(f"{path}: expected each class name once, found {twice!r} twice")
    return names


def _read(spec: str, part: Part, preprocess: Preprocess | None, shape: tuple[int, ...]) -> Raw:
    if spec == "sample":
        return *builtin.read_sample(), preprocess
    if spec == "mnist":
        return *builtin.read_mnist(part), preprocess
    path = Path(spec)
    if path.is_dir():
        return _read_folder(path, part, preprocess, shape)
    if not path.exists():
        raise DatasetError(
            f"{spec}: expected a CSV, an .npz, a folder of IDX files or of pictures, `sample` or `mnist`, "
            "found no such file"
        )
    if path.suffix == ".npz":
        return *npz.read(path), preprocess
    if is_csv(path):
        return *csv.read_labelled(path), preprocess
    raise DatasetError(f"{spec}: expected a folder, or a file whose name ends in .csv, .csv.gz or .npz")


def _read_folder(path: Path, part: Part, preprocess: Preprocess | None, shape: tuple[int, ...]) -> Raw:
    train, test = idx.find(path, "train"), idx.find(path, "test")
    if files := (test or train) if part == "test" else train:
        return *idx.read(*files), preprocess
    if test:
        raise DatasetError(f"{path}: expected train-images and train-labels, found only the test part (t10k)")
    found = picture_folder.find(path)
    if preprocess is None:  # a class name of one character speaks for handwritten characters
        preprocess = "digit" if len(shape) == 2 and all(len(name) == 1 for _, name in found) else "resize"
    with progress("reading pictures", len(found)) as step:
        return *picture_folder.read(found, preprocess, shape, step), preprocess
