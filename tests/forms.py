"""The forms in which people have labelled pictures: each is written here, read by the tests, and a row of the docs."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import struct
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
Write = Callable[[Path, Array, Array], Path]  # folder, pixels uint8[N, 28, 28], classes int64[N] → the SPEC


@dataclass(frozen=True)
class Form:
    """One form of data, which is read as the same pictures and classes as any other."""

    group: str
    what: str  # in Markdown, for the docs
    write: Write
    said: str = ""  # a part of what is said about it


PIXELS: Final = [f"pixel{i}" for i in range(784)]


def rows_of(pixels: Array, classes: Array, *, last: bool = False) -> list[list[Any]]:
    """The cells of a CSV, with the label first or last."""
    flat = pixels.reshape(len(pixels), -1).tolist()
    rows = [[label, *row] for label, row in zip(classes.tolist(), flat, strict=True)]
    return [row[1:] + row[:1] for row in rows] if last else rows


def text_of(header: Sequence[str] | None, rows: Sequence[Sequence[Any]], separator: str = ",", end: str = "") -> str:
    """A CSV as text."""
    lines = [*([header] if header else []), *rows]
    return "".join(separator.join(map(str, line)) + end + "\n" for line in lines)


def table(
    header: Sequence[str] | None, *, last: bool = False, separator: str = ",", end: str = "", name: str = "train.csv"
) -> Write:
    """Write a CSV with these column names."""

    def write(folder: Path, pixels: Array, classes: Array) -> Path:
        (folder / name).write_text(text_of(header, rows_of(pixels, classes, last=last), separator, end))
        return folder / name

    return write


def counted(header: Sequence[str], first: int) -> Write:
    """Write a CSV whose first column counts."""

    def write(folder: Path, pixels: Array, classes: Array) -> Path:
        rows = [[at, *row] for at, row in enumerate(rows_of(pixels, classes), first)]
        (folder / "train.csv").write_text(text_of(header, rows))
        return folder / "train.csv"

    return write


def packed(name: str, pack: Callable[[bytes], bytes]) -> Write:
    """Write a packed CSV."""

    def write(folder: Path, pixels: Array, classes: Array) -> Path:
        (folder / name).write_bytes(pack(text_of(["label", *PIXELS], rows_of(pixels, classes)).encode()))
        return folder / name

    return write


def zipped(data: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("train.csv", data)
        archive.writestr("__MACOSX/._train.csv", b"\0")
    return file.getvalue()


def scaled(folder: Path, pixels: Array, classes: Array) -> Path:
    (folder / "train.csv").write_text(text_of(["label", *PIXELS], rows_of((pixels / 255).round(5), classes)))
    return folder / "train.csv"


def npz(convert: Callable[[Array, Array], dict[str, Array]], name: str = "set.npz") -> Write:
    """Write an `.npz` with the arrays that a function makes."""

    def write(folder: Path, pixels: Array, classes: Array) -> Path:
        arrays: dict[str, Any] = convert(pixels, classes)
        np.savez(folder / name, **arrays)
        return folder / name

    return write


def files(name: Callable[[str], str], save: Callable[[Path, Array], None], spec: str = "") -> Write:
    """Write pictures and classes to two files, whose names a function makes of `images` and `labels`."""

    def write(folder: Path, pixels: Array, classes: Array) -> Path:
        for kind, array in (("images", pixels), ("labels", classes.astype(np.uint8))):
            path = folder / name(kind)
            path.parent.mkdir(parents=True, exist_ok=True)
            save(path, array)
        return folder / spec

    return write


def save_idx(path: Path, array: Array) -> None:
    data = bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)


def save_arr_0(path: Path, array: Array) -> None:
    np.savez_compressed(path, array)


def idx_name(kind: str) -> str:
    return f"{kind}-idx{3 if kind == 'images' else 1}-ubyte"


def emnist_mat(folder: Path, pixels: Array, classes: Array) -> Path:
    from scipy.io import savemat

    def part(rows: slice) -> dict[str, Array]:
        flat = pixels[rows].transpose(0, 2, 1).reshape(-1, 784)  # as MATLAB stores a matrix: column after column
        return {"images": flat, "labels": classes[rows, None].astype(float), "writers": classes[rows, None]}

    mapping = np.array([[digit, 48 + digit] for digit in range(10)])
    dataset = {"train": part(slice(None)), "test": part(slice(0, 3)), "mapping": mapping}
    savemat(folder / "emnist-digits.mat", {"dataset": dataset})
    return folder / "emnist-digits.mat"


def svhn_mat(folder: Path, pixels: Array, classes: Array) -> Path:
    from scipy.io import savemat

    colour = np.repeat(pixels[..., None], 3, axis=3)
    arrays = {"X": colour.transpose(1, 2, 3, 0), "y": np.where(classes == 0, 10, classes)[:, None].astype(np.uint8)}
    savemat(folder / "train_32x32.mat", arrays)
    return folder / "train_32x32.mat"


def parquet(folder: Path, pixels: Array, classes: Array) -> Path:
    """The form of Hugging Face's `ylecun/mnist`."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    images = [{"bytes": encoded(picture), "path": None} for picture in pixels]
    features = {"image": {"_type": "Image"}, "label": {"names": [str(i) for i in range(10)], "_type": "ClassLabel"}}
    table = pa.table({"image": images, "label": classes}).replace_schema_metadata(
        {"huggingface": json.dumps({"info": {"features": features}})}
    )
    (folder / "mnist").mkdir()
    pq.write_table(table, folder / "mnist/train-00000-of-00001.parquet")
    pq.write_table(table.slice(0, 3), folder / "mnist/test-00000-of-00001.parquet")
    return folder


def parquet_of_columns(folder: Path, pixels: Array, classes: Array) -> Path:
    import pandas as pd

    table = pd.DataFrame(pixels.reshape(-1, 784), columns=PIXELS)
    table["label"] = classes
    table.to_parquet(folder / "train.parquet")
    return folder / "train.parquet"


def encoded(picture: Array, form: str = "PNG") -> bytes:
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(picture).save(file, form)
    return file.getvalue()


def folders(name: Callable[[int, int], str], also: Callable[[Path], object] = lambda folder: None) -> Write:
    """Write a PNG for each picture, at a path that a function makes of its row and its class."""

    def write(folder: Path, pixels: Array, classes: Array) -> Path:
        for row, (picture, label) in enumerate(zip(pixels, classes.tolist(), strict=True)):
            path = folder / name(row, label)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(encoded(picture))
        also(folder)
        return folder

    return write


def parts(row: int, label: int) -> str:
    """Three of each hundred pictures are for validation."""
    return f"{'valid' if row % 3 == 2 else 'train'}/{label}/{row}.png"


def list_them(folder: Path) -> None:
    """A labels.csv, which leaves out a picture and calls another one none of the classes."""
    rows = [f"{path.name},{path.name[0]}" for path in sorted(folder.glob("*.png"))]
    for name in ("new.png", "none.png"):
        (folder / name).write_bytes(encoded(np.full((28, 28), 99, np.uint8)))
    (folder / "labels.csv").write_text("\n".join(["file,label", *rows, "none.png,", "gone.png,3"]))


def add_test_part(folder: Path) -> None:
    (folder / "test/0").mkdir(parents=True)
    (folder / "test/0/other.png").write_bytes(encoded(np.full((28, 28), 99, np.uint8)))


def add_flat_test(folder: Path) -> None:
    (folder / "test").mkdir()
    (folder / "test/other.png").write_bytes(encoded(np.full((28, 28), 99, np.uint8)))


FORMS: Final = (
    Form("CSV", "columns `label`, `pixel0` … `pixel783` (Kaggle's Digit Recognizer)", table(["label", *PIXELS])),
    Form("CSV", "`pixel1` … `pixel784` (Sign Language MNIST)", table(["Label", *(f"pixel{i}" for i in range(1, 785))])),
    Form(
        "CSV",
        "`1x1` … `28x28` (MNIST in CSV)",
        table(["label", *(f"{r}x{c}" for r in range(1, 29) for c in range(1, 29))]),
    ),
    Form("CSV", "`0` … `783`, the label last and called `class`", table([*map(str, range(784)), "class"], last=True)),
    Form("CSV", "columns numbered by pandas, without a name for the label", table([*map(str, range(785))]), "is taken"),
    Form("CSV", "such columns with pandas' index", counted(["", *map(str, range(785))], 0), "the first is taken"),
    Form("CSV", "no header, the label first (MNIST in CSV, EMNIST, A–Z)", table(None), "the first is taken"),
    Form("CSV", "no header, the label last", table(None, last=True), "the last is taken"),
    Form("CSV", "the label by any other name", table(["what", *PIXELS]), "'what' is taken for the label"),
    Form("CSV", "an index, as pandas writes it", counted(["", "label", *PIXELS], 0), "left out the first column"),
    Form("CSV", "a column `id`", counted(["id", "label", *PIXELS], 100), "left out column 'id'"),
    Form("CSV", "semicolons", table(["label", *PIXELS], separator=";")),
    Form("CSV", "tabs", table(["label", *PIXELS], separator="\t", name="TRAIN.TSV")),
    Form("CSV", "a comma at the end of each line", table(["label", *PIXELS], end=",")),
    Form("CSV", "a comma at the end of each row, without a header", table(None, end=","), "the first is taken"),
    Form("CSV", "a name in capitals", table(["label", *PIXELS], name="TRAIN.CSV")),
    Form("CSV", "packed as `.csv.gz`", packed("train.csv.gz", gzip.compress)),
    Form("CSV", "packed as `.csv.zip`", packed("train.csv.zip", zipped)),
    Form("CSV", "packed as `.csv.bz2`", packed("train.csv.bz2", bz2.compress)),
    Form("CSV", "packed as `.csv.xz`", packed("train.csv.xz", lzma.compress)),
    Form("CSV", "pixels from 0 to 1", scaled, "pixels from 0 to 1 are read"),
    Form("Arrays", "`.npz` of `x` and `y`", npz(lambda x, y: {"x": x, "y": y})),
    Form(
        "Arrays",
        "`.npz` of `x_train`, `y_train`, `x_test`, `y_test` (Keras)",
        npz(lambda x, y: {"x_train": x, "y_train": y, "x_test": x[:3], "y_test": y[:3]}, "mnist.npz"),
    ),
    Form(
        "Arrays",
        "`.npz` of `train_images`, `train_labels`, `val_…`, `test_…`, labels `[N, 1]` (MedMNIST)",
        npz(
            lambda x, y: {
                "train_images": x[:20],
                "train_labels": y[:20, None].astype(np.uint8),
                "val_images": x[20:],
                "val_labels": y[20:, None].astype(np.uint8),
                "test_images": x[:3],
                "test_labels": y[:3, None].astype(np.uint8),
            },
            "digitmnist.npz",
        ),
    ),
    Form(
        "Arrays",
        "a pair of `.npz` files of one array each (`kmnist-train-imgs.npz`, `kmnist-train-labels.npz`)",
        files(lambda kind: f"kmnist-train-{kind.replace('images', 'imgs')}.npz", save_arr_0, "kmnist-train-imgs.npz"),
    ),
    Form("Arrays", "`.npz` without names, `savez(file, pictures, labels)`", npz(lambda x, y: {"arr_0": x, "arr_1": y})),
    Form("Arrays", "one-hot labels", npz(lambda x, y: {"x": x, "y": np.eye(10)[y]})),
    Form("Arrays", "labels as floats", npz(lambda x, y: {"images": x, "labels": y.astype(np.float32)})),
    Form("Arrays", "labels as bytes", npz(lambda x, y: {"images": x, "labels": y.astype("S1")})),
    Form("Arrays", "flat pixels", npz(lambda x, y: {"data": x.reshape(-1, 784), "target": y})),
    Form("Arrays", "pixels as floats from 0 to 1", npz(lambda x, y: {"X": x / 255, "y": y}), "are read as 0 for black"),
    Form("Arrays", "pixels from -1 to 1", npz(lambda x, y: {"X": x / 127.5 - 1, "y": y}), "are read as -1 for black"),
    Form("Arrays", "pixels as int64, with a channel", npz(lambda x, y: {"x": x[..., None].astype(int), "y": y})),
    Form("Arrays", "pixels with the channel first", npz(lambda x, y: {"x": x[:, None], "y": y})),
    Form("Arrays", "a pair of `.npy` files", files(lambda kind: f"{kind}.npy", np.save, "images.npy")),
    Form("Arrays", "a folder of `X_train.npy`, `y_train.npy`", files(lambda k: f"{'Xy'[k > 'k']}_train.npy", np.save)),
    Form("Arrays", "`.mat` of EMNIST", emnist_mat, "read column after column"),
    Form("Arrays", "`.mat` of SVHN's cropped digits, 10 for 0", svhn_mat, "is read as 0, as in SVHN"),
    Form("Parquet", "`.parquet` files of Hugging Face's form (`digits-edge[parquet]`)", parquet),
    Form("Parquet", "`.parquet` files with a column for each pixel", parquet_of_columns),
    Form(
        "IDX",
        "`train-images-idx3-ubyte`, plain or `.gz`",
        files(lambda k: f"train-{idx_name(k)}.gz", save_idx),
    ),
    Form("IDX", "torchvision's `MNIST/raw`", files(lambda k: f"MNIST/raw/train-{idx_name(k)}", save_idx)),
    Form(
        "IDX",
        "Kaggle's nested `train-images-idx3-ubyte/train-images-idx3-ubyte`",
        files(lambda k: f"train-{idx_name(k)}/train-{idx_name(k)}", save_idx),
    ),
    Form(
        "IDX",
        "one file of a pair, as in EMNIST's folder of several datasets",
        files(
            lambda k: f"emnist-digits-train-{idx_name(k)}.gz",
            save_idx,
            "emnist-digits-train-images-idx3-ubyte.gz",
        ),
    ),
    Form("Pictures", "a folder for each class", folders(lambda row, label: f"{label}/{row}.png"), "single characters"),
    Form("Pictures", "folders within a class", folders(lambda row, label: f"{label}/{row % 2}/{row}.png")),
    Form("Pictures", "a folder around all of them", folders(lambda row, label: f"archive/digits/{label}/{row}.png")),
    Form("Pictures", "`train`, `valid` and `test`, which are kept apart", folders(parts, add_test_part)),
    Form(
        "Pictures",
        "a flat folder called `test`, which is no class",
        folders(lambda row, label: f"{label}/{row}.png", add_flat_test),
        "left out 1 picture in",
    ),
    Form(
        "Pictures",
        "a folder with a `labels.csv` of the columns `file` and `label`, as `digits-edge label` writes it",
        folders(lambda row, label: f"{label}-{row}.png", list_them),
        "left out 1 picture marked as none of the classes",
    ),
    Form("Pictures", "`.jfif` and other endings of JPEG", folders(lambda row, label: f"{label}/{row}.JFIF")),
)
