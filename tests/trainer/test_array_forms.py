"""Arrays in files are read as pictures and classes, and refused in one line when they are not."""

from __future__ import annotations

import gzip
import io
import os
import re
import struct
import sys
import tracemalloc
import zipfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from forms import save_idx
from scipy.io import savemat

from digits_edge.runtime.errors import DatasetError
from digits_edge.trainer.datasets import claims as bounds
from digits_edge.trainer.datasets.read import read_dataset


@pytest.mark.parametrize("packed", ["", ".gz"])
def test_an_idx_folder_trains_on_train_and_evaluates_on_t10k(few, tmp_path, packed):
    for prefix, rows in (("train", slice(0, 20)), ("t10k", slice(20, 30))):
        save_idx(tmp_path / f"{prefix}-images-idx3-ubyte{packed}", few.pixels[rows])
        save_idx(tmp_path / f"{prefix}-labels-idx1-ubyte{packed}", few.targets[rows].astype(np.uint8))
    np.testing.assert_array_equal(read_dataset(str(tmp_path)).pixels, few.pixels[:20])
    np.testing.assert_array_equal(read_dataset(str(tmp_path), part="test").pixels, few.pixels[20:])


def bad_idx():
    images, labels = np.zeros((6, 28, 28), np.uint8), np.arange(6, dtype=np.uint8) % 2
    return {
        "wrong magic": (
            images,
            labels,
            lambda data: b"\x00\x00\x0d\x03" + data[4:],
            "expected an IDX file with magic 00000803",
        ),
        "truncated": (
            images,
            labels,
            lambda data: data[:-5],
            "expected 4,720 bytes for shape [6, 28, 28], received 4,715",
        ),
        "no header": (images, labels, lambda data: data[:6], "the file ends after 6"),
        "other counts": (
            images,
            labels[:4],
            lambda data: data,
            "train-images-idx3-ubyte: expected as many classes as pictures, found 4 classes for uint8[6, 28, 28]",
        ),
        "other size": (
            np.zeros((6, 4, 20), np.uint8),
            labels,
            lambda data: data,
            "expected pictures of 8 to 128 pixels a side, grey or RGB, received 4 x 20",
        ),
        "no pictures": (images[:0], labels[:0], lambda data: data, "found none"),
    }


@pytest.mark.parametrize("kind", bad_idx())
def test_idx_files_that_cannot_be_used(tmp_path, refused, kind):
    images, labels, damage, expected = bad_idx()[kind]
    path = tmp_path / "train-images-idx3-ubyte"
    save_idx(path, images)
    path.write_bytes(damage(path.read_bytes()))
    save_idx(tmp_path / "train-labels-idx1-ubyte", labels)
    assert expected in refused("train", "--data", tmp_path, "--out", tmp_path / "run")


def test_an_idx_folder_without_labels(tmp_path, refused):
    save_idx(tmp_path / "train-images-idx3-ubyte", np.zeros((6, 28, 28), np.uint8))
    assert "found only train-images-idx3-ubyte" in refused("train", "--data", tmp_path, "--out", tmp_path / "run")


def bad_npz():
    x, y = np.zeros((6, 28, 28), np.uint8), np.arange(6) % 2
    return {
        "no y": ({"x": x, "z": y}, "expected images and labels, found only set.npz: x"),
        "other names": ({"a": x, "b": y}, "x_train and y_train, or train_images and train_labels, found a, b"),
        "one array": ({"x": x}, "expected files of pictures and of classes beside each other"),
        "pixels without a range": ({"x": x - 7.5, "y": y}, "or pixels from 0 to 1, found -7.5 to -7.5"),
        "pixels of no number": ({"x": x * np.nan, "y": y}, "found nan to nan"),
        "deep pixels": (
            {"x": x.astype(int) + 4095, "y": y},
            "from 0 to 255, found 4095 to 4095",
        ),
        "complex pixels": ({"x": x * 1j, "y": y}, "expected numbers as pixels, found complex128"),
        "flat pixels of no picture": ({"x": x.reshape(6, -1)[:, 1:], "y": y}, "received uint8[6, 783]"),
        "other size": ({"x": x[:, :5], "y": y}, "grey or RGB, received 5 x 28"),
        "fewer classes": ({"x": x, "y": y[:4]}, "found 4 classes for uint8[6, 28, 28]"),
        "two classes a picture": ({"x": x, "y": np.ones((6, 3))}, "one class for each picture"),
        "classes between": ({"x": x, "y": y + 0.5}, "received float64[6]"),
        "negative": ({"x": x, "y": y - 1}, "expected classes from 0 up, received -1"),
        "pickled": ({"x": x, "y": np.array([{}] * 6, object)}, "allow_pickle=False"),
        "huge classes": ({"x": x, "y": np.full(6, 2**64 - 1, np.uint64)}, "expected classes from 0 up"),
    }


@pytest.mark.parametrize("kind", bad_npz())
def test_an_npz_that_cannot_be_used(tmp_path, refused, kind):
    arrays, expected = bad_npz()[kind]
    path = tmp_path / "set.npz"
    np.savez(path, **arrays)
    assert expected in refused("train", "--data", path, "--out", tmp_path / "run")


def test_an_npz_that_is_none(tmp_path, refused):
    path = tmp_path / "set.npz"
    path.write_bytes(b"PK\x03\x04 not really")
    assert "not readable as .npz of plain arrays" in refused("train", "--data", path, "--out", tmp_path / "run")


def test_truth_values_are_black_and_white(few, tmp_path):
    np.savez(tmp_path / "set.npz", x=few.pixels > 99, y=few.targets)
    np.testing.assert_array_equal(read_dataset(str(tmp_path / "set.npz")).pixels, 255 * (few.pixels > 99))


def test_flat_colours_are_told_from_planes_of_colour(few, tmp_path, capfd):
    smooth = np.stack([few.pixels, few.pixels // 2, 255 - few.pixels], axis=3)
    for name, flat in (("mixed", smooth), ("planes", np.moveaxis(smooth, 3, 1))):
        np.savez(tmp_path / f"{name}.npz", x=flat.reshape(30, -1), y=few.targets)
        np.testing.assert_array_equal(read_dataset(str(tmp_path / f"{name}.npz")).pixels, smooth)
    assert "planes.npz: x: the values of a picture are read as three planes" in capfd.readouterr().err


def test_pictures_of_other_sizes_keep_them(few, tmp_path):
    np.savez(tmp_path / "set.npz", x=few.pixels[:, 4:24], y=few.targets)
    assert read_dataset(str(tmp_path / "set.npz")).pixels.shape == (30, 20, 28)
    with pytest.raises(DatasetError, match="expected pictures of 28 x 28, found 20 x 28"):
        read_dataset(str(tmp_path / "set.npz"), shape=(28, 28))


def test_several_datasets_in_a_folder_are_named(few, tmp_path):
    for name in ("emnist-digits", "emnist-letters"):
        for kind, array in (("images-idx3", few.pixels), ("labels-idx1", few.targets.astype(np.uint8))):
            save_idx(tmp_path / f"{name}-train-{kind}-ubyte", array)
    with pytest.raises(DatasetError, match=r"found 2; give the file of one of them: .*digits-train.*letters-train"):
        read_dataset(str(tmp_path))


def npy_of(shape: tuple[int, ...]) -> bytes:
    """An `.npy` file that claims a shape and ends after its header."""
    file = io.BytesIO()
    np.lib.format.write_array_header_1_0(file, {"descr": "|u1", "fortran_order": False, "shape": shape})
    return file.getvalue()


def claims():
    """Files that claim more than they hold, with what is said of them."""
    far = (10**7, 28, 28)
    zipped = io.BytesIO()
    with zipfile.ZipFile(zipped, "w") as archive:
        archive.writestr("x.npy", npy_of(far))
        archive.writestr("y.npy", npy_of((6,)) + bytes(6))
    idx = struct.pack(">4I", 0x803, *far)
    return {
        "train-images-idx3-ubyte": (idx, "expected 7,840,000,016 bytes for shape [10000000, 28, 28], received 16"),
        "train-images-idx3-ubyte.gz": (gzip.compress(idx), "up to 100 times its size"),
        "x.npy": (npy_of(far), "expected 7,840,000,000 bytes for uint8[10000000, 28, 28], received 0"),
        "set.npz": (zipped.getvalue(), "expected 7,840,000,000 bytes for uint8[10000000, 28, 28], received 0"),
    }


@pytest.mark.parametrize("name", claims())
def test_a_file_that_claims_more_than_it_holds_is_refused_before_memory_is_taken(name, tmp_path):
    data, expected = claims()[name]
    (tmp_path / name).write_bytes(data)
    if not name.endswith("z"):
        with (tmp_path / name).open("r+b") as file:
            file.truncate(2**26)  # no more than a claim, too: the file is sparse
        expected = expected.rpartition("received")[0]
    np.save(tmp_path / "y.npy", np.zeros(6, np.uint8))
    save_idx(tmp_path / "train-labels-idx1-ubyte", np.zeros(6, np.uint8))
    source = tmp_path / name if name.startswith(("x", "set")) else tmp_path
    if source == tmp_path:
        (tmp_path / "y.npy").unlink()
    tracemalloc.start()
    try:
        with pytest.raises(DatasetError, match=re.escape(expected)):
            read_dataset(str(source))
        assert tracemalloc.get_traced_memory()[1] < 2**22
    finally:
        tracemalloc.stop()


def zeros_in(form: str, path: Path) -> None:
    """Write 40 MB of zeros packed into 40 kB."""
    x, y = np.zeros((50_000, 28, 28), np.uint8), np.zeros(50_000, np.uint8)
    if form == "npz":
        np.savez_compressed(path, x=x, y=y)
    elif form == "mat":
        savemat(path, {"x": x, "y": y}, do_compression=True)
    elif form == "gz":
        save_idx(path, x)
        save_idx(path.with_name("train-labels-idx1-ubyte"), y)
    else:
        pq.write_table(pa.table({"image": [bytes(20_000)] * 2000, "label": [0] * 2000}), path, compression="zstd")


@pytest.mark.parametrize("name", ["set.npz", "set.mat", "train-images-idx3-ubyte.gz", "set.parquet"])
def test_a_decompression_bomb_is_refused(name, tmp_path, monkeypatch):
    monkeypatch.setattr(bounds, "ALWAYS", 2**24)  # a gigabyte, where there is time
    zeros_in(name.rpartition(".")[2], tmp_path / name)
    with pytest.raises(DatasetError, match=r"expected packed data of up to 100 times its size, received [\d,]+ bytes"):
        read_dataset(str(tmp_path / name))


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such pipes")
@pytest.mark.parametrize("name", ["x.npy", "set.npz", "set.mat", "set.parquet", "train-images-idx3-ubyte"])
def test_a_pipe_that_nobody_writes_to_is_no_dataset(name, tmp_path, refused):
    os.mkfifo(tmp_path / name)
    np.save(tmp_path / "y.npy", np.zeros(6, np.uint8))
    save_idx(tmp_path / "train-labels-idx1-ubyte", np.zeros(6, np.uint8))
    assert f"{name}: cannot be read: expected a regular file" in refused("train", "--data", tmp_path / name)
