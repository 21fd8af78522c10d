"""Read labelled pictures: `read("train.csv")`, an IDX folder, an `.npz`, a folder of pictures, `sample`, `mnist`."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from digits_edge.common.progress import progress
from digits_edge.runtime.batch.csv_rows import is_csv
from digits_edge.runtime.errors import DatasetError
from digits_edge.runtime.metadata import Preprocess

from . import builtin as embedded
from . import csv, idx, npz
from . import picture_folder as folder
from .dataset import Dataset, align, encode, guess_preprocess

__all__ = ["SHAPE", "Dataset", "align", "read", "read_names"]

SHAPE: Final = (28, 28)
Part = Literal["train", "test"]


class _Raw(NamedTuple):
    """What a reader gives: uint8[N, H, W(, 3)], int64[N] or str[N], and how photographs become pixels."""

    pixels: npt.NDArray[np.uint8]
    classes: npt.NDArray[Any]
    preprocess: Preprocess | None = None


def read(
    spec: str,
    *,
    part: Part = "train",
    names: tuple[str, ...] | None = None,
    preprocess: Preprocess | None = None,
    shape: tuple[int, ...] = SHAPE,
) -> Dataset:
    """Read the labelled pictures that a SPEC means.

    Args:
        spec: `sample`, `mnist`, or the path of a Kaggle CSV (also `.gz`), of a folder of IDX files, of an `.npz`
            (`x`, `y`), or of a folder with one sub-folder of pictures per class.
        part: which part, of a set that has a test part of its own; others have one part only.
        names: class names for the numbers 0, 1, …; else the data name their classes.
        preprocess: how a photograph becomes pixels; None to judge by the data.
        shape: of each picture, (H, W) or (H, W, 3).

    Raises:
        DatasetError: what was expected, what was found, and where.
    """
    raw = _read(spec, part, preprocess, shape)
    name = spec if spec in ("sample", "mnist") else Path(spec).resolve().name
    if not len(raw.pixels):
        raise DatasetError(f"{spec}: expected pictures, found none")
    if raw.pixels.shape[1:] != shape:
        sides = " x ".join(map(str, shape))
        raise DatasetError(f"{spec}: expected pictures of {sides}, found {' x '.join(map(str, raw.pixels.shape[1:]))}")
    targets, labels = encode(raw.classes, names, spec)
    return Dataset(
        pixels=raw.pixels,
        targets=targets,
        labels=labels,
        name=name,
        preprocess=raw.preprocess or preprocess or guess_preprocess(raw.pixels),
        stratified=not is_csv(spec),
    )


def read_names(path: Path) -> tuple[str, ...]:
    """Class names from a labels file: one name a line, the first for class 0.

    Raises:
        DatasetError: the file cannot be read, or names fewer than two classes or one twice.
    """
    try:
        names = tuple(line.strip() for line in path.read_text(encoding="utf-8-sig").splitlines() if line.strip())
    except (OSError, UnicodeDecodeError) as error:
        raise DatasetError(f"{path}: expected class names, one a line: {error}") from None
    if len(names) < 2:
        raise DatasetError(f"{path}: expected two class names or more, one a line, found {len(names)}")
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise DatasetError(f"{path}: expected each class name once, found {twice!r} twice")
    return names


def _read(spec: str, part: Part, preprocess: Preprocess | None, shape: tuple[int, ...]) -> _Raw:
    if spec == "sample":
        return _Raw(*embedded.read_sample())
    if spec == "mnist":
        return _Raw(*embedded.read_mnist(part))
    path = Path(spec)
    if path.is_dir():
        return _read_folder(path, part, preprocess, shape)
    if not path.exists():
        raise DatasetError(
            f"{spec}: no such file; expected a CSV, an .npz, a folder of IDX files or of pictures, `sample` or `mnist`"
        )
    if path.suffix == ".npz":
        return _Raw(*npz.read(path))
    if is_csv(path):
        return _Raw(*csv.read_labelled(path))
    raise DatasetError(f"{spec}: expected a name ending in .csv, .csv.gz or .npz, or a folder")


def _read_folder(path: Path, part: Part, preprocess: Preprocess | None, shape: tuple[int, ...]) -> _Raw:
    train, test = idx.find(path, "train"), idx.find(path, "test")
    if files := (test or train) if part == "test" else train:
        return _Raw(*idx.read(*files))
    if test:
        raise DatasetError(f"{path}: expected train-images and train-labels, found only the test part (t10k)")
    found = folder.find(path)
    preprocess = preprocess or folder.choose_preprocess(found)
    with progress("reading pictures", len(found)) as step:
        return _Raw(*folder.read(found, preprocess, shape, step), preprocess)
