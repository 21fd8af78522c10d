"""Datasets have labels, targets and a fingerprint, whatever they are read from."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from digits_edge.runtime.errors import DatasetError
from digits_edge.trainer.datasets.dataset import align
from digits_edge.trainer.datasets.read import read_class_names, read_dataset
from digits_edge.trainer.datasets.split import split


def test_no_such_file_and_no_such_kind(tmp_path, refused):
    assert "found no such file" in refused("train", "--data", tmp_path / "none.csv", "--out", tmp_path / "run")
    (tmp_path / "data.parquet").write_bytes(b"PAR1")
    said = refused("train", "--data", tmp_path / "data.parquet", "--out", tmp_path / "run")
    assert "data.parquet: not readable as parquet" in said
    (tmp_path / "data.rar").write_bytes(b"Rar!")
    assert "found a file of another kind" in refused("train", "--data", tmp_path / "data.rar")
    for name in ("mnist.pkl.gz", "training.pt"):
        (tmp_path / name).write_bytes(b"\x80\x04")
        assert "because it runs code when it is opened" in refused("train", "--data", tmp_path / name)


def test_a_labels_file_names_the_classes(few, tmp_path):
    np.savez(tmp_path / "set.npz", x=few.pixels, y=few.targets % 3)
    (tmp_path / "labels.txt").write_text("shirt\nshoe\nbag\n")
    dataset = read_dataset(str(tmp_path / "set.npz"), names=read_class_names(tmp_path / "labels.txt"))
    assert dataset.labels == ("shirt", "shoe", "bag")
    np.testing.assert_array_equal(dataset.targets, few.targets % 3)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a\nb\n", "expected classes among 'a', 'b', found '0', '1', '2'"),
        ("a\na\nb\n", "'a' twice"),
        ("", "found 0"),
    ],
)
def test_a_labels_file_that_does_not_fit(few, tmp_path, refused, text, expected):
    np.savez(tmp_path / "set.npz", x=few.pixels, y=few.targets % 3)
    (tmp_path / "labels.txt").write_text(text)
    words = ("--data", tmp_path / "set.npz", "--labels", tmp_path / "labels.txt", "--out", tmp_path / "run")
    assert expected in refused("train", *words)


def save_classes(folder, few, names):
    """A picture of each row in the folder of its class."""
    for row, target in enumerate(few.targets):
        place = folder / names[target]
        place.mkdir(parents=True, exist_ok=True)
        Image.fromarray(few.pixels[row]).save(place / f"{row}.png")


def test_a_labels_file_decides_the_order_of_folders_and_of_numbers(few, tmp_path, capfd):
    names = tuple(sorted(map(str, range(12))))  # 0, 1, 10, 11, 2: the order of Keras and torchvision
    save_classes(tmp_path / "set", few, [str(digit) for digit in range(10)])
    dataset = read_dataset(str(tmp_path / "set"), names=names)
    assert dataset.labels == names
    assert [names[target] for target in dataset.targets] == [str(target) for target in sorted(few.targets)]
    np.savez(tmp_path / "set.npz", x=few.pixels, y=few.targets)
    numbers = read_dataset(str(tmp_path / "set.npz"), names=names)
    assert [names[target] for target in numbers.targets] == [str(target) for target in few.targets]
    assert "matched by name, not by position: '0', '1', '10', '11', '2'" in capfd.readouterr().err


def test_numbers_take_the_names_of_their_places(few, tmp_path):
    letters = tuple("abcdefghij")
    save_classes(tmp_path, few, [f"0{digit}" for digit in range(10)])
    dataset = read_dataset(str(tmp_path), names=letters)
    assert dataset.labels == letters
    assert dataset.targets.tolist() == sorted(few.targets)


def test_classes_without_a_picture_are_allowed_and_said_to_be_unjudged(few, tmp_path, capfd):
    names = ("zebra", "cat", "dog", "yak")
    save_classes(tmp_path, few, ["cat", "dog"] * 5)
    (tmp_path / "yak").mkdir()
    dataset = read_dataset(str(tmp_path), names=names)
    assert (dataset.labels, sorted(set(dataset.targets))) == (names, [1, 2])
    assert "no pictures of 'zebra', 'yak': not judged" in capfd.readouterr().err
    parts = split(dataset, 0.2, 0)
    assert (len(parts.train), len(parts.validation)) == (24, 6)


def test_a_labels_file_of_other_names_is_refused_with_both_lists(few, tmp_path, refused):
    save_classes(tmp_path / "set", few, ["cat", "dog"] * 5)
    (tmp_path / "labels.txt").write_text("Katze\nHund\n")
    said = refused("train", "--data", tmp_path / "set", "--labels", tmp_path / "labels.txt")
    assert said.endswith("set: expected classes among 'Katze', 'Hund', found 'cat', 'dog'")


def test_other_data_are_matched_to_a_models_labels_by_name_or_by_number(digits):
    letters = tuple("abcdefghij")
    np.testing.assert_array_equal(align(digits, letters), digits.targets)
    backwards = tuple(reversed(digits.labels))
    np.testing.assert_array_equal(align(digits, backwards), 9 - digits.targets)
    with pytest.raises(DatasetError, match=r"expected classes among '0', '1', found '2', '3'"):
        align(digits, ("0", "1"))


def test_the_fingerprint_is_that_of_the_content(digits):
    changed = digits.pixels.copy()
    changed[7, 3, 3] += 1
    assert digits.fingerprint == replace(digits, name="other").fingerprint
    assert digits.fingerprint != replace(digits, pixels=changed).fingerprint
    assert digits.fingerprint != replace(digits, targets=digits.targets[::-1]).fingerprint


def test_the_sample_is_5000_digits_500_a_class():
    sample = read_dataset("sample")
    assert sample.pixels.shape == (5000, 28, 28)
    assert np.bincount(sample.targets).tolist() == [500] * 10
    assert sample.preprocess == "digit"


NAMES = ["a.csv", "a.csv.gz", "a.csv.zip", "a.csv.xz", "a.csv.bz2", "a.npz", "a.npy", "a.mat", "a.parquet"]
MAGIC = (b"", b"\x1f\x8b", b"PK\x03\x04", b"\xfd7zXZ\0", b"BZh9", b"\x93NUMPY\x01\0", b"MATLAB 5.0 MAT-file", b"5,0,0")


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    magic=st.sampled_from(MAGIC),
    data=st.binary(max_size=3000),
    name=st.sampled_from([*NAMES, "train-images-idx3-ubyte"]),
)
def test_whatever_the_bytes_only_our_errors_come_out(tmp_path, magic, data, name):
    (tmp_path / name).write_bytes(magic + data)
    with pytest.raises(DatasetError):
        read_dataset(str(tmp_path if "idx" in name else tmp_path / name))
    (tmp_path / name).unlink()
