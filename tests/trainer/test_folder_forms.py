"""Folders of pictures are read as predict would read them; what is left out is said."""

from __future__ import annotations

import os
import sys
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from digits_edge.runtime.errors import DatasetError, UsageError
from digits_edge.trainer.datasets import picture_folder
from digits_edge.trainer.datasets.read import read_dataset


def save_folders(folder, few, names):
    for row, target in enumerate(few.targets):
        place = folder / names[target % len(names)]
        place.mkdir(parents=True, exist_ok=True)
        Image.fromarray(few.pixels[row]).save(place / f"{row:03}.png")


def blots(count, size=(16, 20)):
    """Noisy pictures uint8[count, H, W, 3] in colour, filled to their borders."""
    return np.random.default_rng(3).integers(0, 256, (count, *size, 3), dtype=np.uint8)


def on_paper(digit):
    """A digit in MNIST's form as one would photograph it: dark and large, off the middle of a grey sheet."""
    paper = np.full((200, 240), 190, np.uint8)
    paper[40:152, 90:202] = 190 - (np.kron(digit, np.ones((4, 4), np.uint8)) * 0.6).astype(np.uint8)
    return paper


NAMES = {
    "figures": [*"0123456789"],
    "two figures": [f"0{digit}" for digit in range(10)],
    "words": ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"],
}


@pytest.mark.parametrize("names", NAMES.values(), ids=NAMES)
@pytest.mark.parametrize("look", ["in MNIST's form", "on paper"])
def test_digits_are_found_whatever_their_folders_are_called(few, tmp_path, capfd, names, look):
    shown = few if look == "in MNIST's form" else replace(few, pixels=np.stack([on_paper(one) for one in few.pixels]))
    save_folders(tmp_path, shown, names)
    dataset = read_dataset(str(tmp_path))
    assert dataset.preprocess == "digit"
    assert "single characters, to be found and centred; --preprocess resize" in capfd.readouterr().err
    assert dataset.pixels.shape == (30, 28, 28)
    by_label = {names[digit]: few.pixels[few.targets == digit] for digit in range(10)}
    for label, expected in by_label.items():
        found = dataset.pixels[dataset.targets == dataset.labels.index(label)]
        assert np.abs(found.astype(int) - expected).mean() < (1 if look == "in MNIST's form" else 25)


def test_pictures_that_are_no_characters_keep_their_size_and_colour(few, tmp_path, capfd):
    save_folders(tmp_path, replace(few, pixels=blots(30)), [*"0123456789"])
    dataset = read_dataset(str(tmp_path))
    assert (dataset.preprocess, dataset.pixels.shape) == ("resize", (30, 16, 20, 3))
    assert "whole pictures are taken; --preprocess digit finds" in capfd.readouterr().err
    np.testing.assert_array_equal(np.sort(dataset.pixels.ravel()), np.sort(blots(30).ravel()))


def test_pictures_of_several_sizes_are_resized_which_is_said(few, tmp_path, capfd):
    save_folders(tmp_path, replace(few, pixels=blots(30)[..., 0]), ["cat", "dog"])
    Image.fromarray(blots(1, (150, 90))[0, ..., 1]).save(tmp_path / "cat" / "large.png")
    assert read_dataset(str(tmp_path)).pixels.shape == (31, 28, 28)
    assert "the pictures, of 2 sizes, are resized to 28 x 28; --size decides" in capfd.readouterr().err


def test_a_bad_or_blank_picture_is_left_out_in_one_line(few, tmp_path, capfd):
    save_folders(tmp_path / "set", few, ["cat", "dog"])
    (tmp_path / "set" / "cat" / "bad.jpg").write_bytes(b"no picture")
    Image.new("L", (40, 40), 255).save(tmp_path / "set" / "dog" / "blank.png")
    assert len(read_dataset(str(tmp_path / "set"))) == 30
    said = [line for line in capfd.readouterr().err.splitlines() if "warning" in line]
    bad = "cat/bad.jpg: expected a picture, received bytes of no known picture format (and 1 more)"
    assert len(said) == 1
    assert "left out 2 pictures of 32: " in said[0]
    assert said[0].endswith(bad)
    for row in range(40):
        (tmp_path / "set" / "cat" / f"bad{row}.jpg").write_bytes(b"no picture")
    with pytest.raises(DatasetError, match=r"cat/bad\.jpg: expected a picture.*\(and 41 more\)"):
        read_dataset(str(tmp_path / "set"))


def test_heic_is_read_or_counted(few, tmp_path, capfd, monkeypatch):
    heif = pytest.importorskip("pillow_heif")
    save_folders(tmp_path, few, ["cat", "dog"])
    (tmp_path / "dog" / "notes.txt").write_text("no picture")
    for row in range(3):
        heif.from_pillow(Image.fromarray(few.pixels[row]).resize((64, 64))).save(tmp_path / "cat" / f"{row}.HEIC")
    assert len(read_dataset(str(tmp_path))) == 33
    assert "left out files that are no pictures: 1 .txt" in capfd.readouterr().err
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    assert len(read_dataset(str(tmp_path))) == 30
    said = 'left out 3 pictures: .heic needs pillow-heif: pip install "digits-edge[heic]"'
    assert said in capfd.readouterr().err


def test_flat_folders_called_after_parts_are_no_classes(few, tmp_path, refused):
    save_folders(tmp_path, few, ["train", "test"])
    said = refused("train", "--data", tmp_path)
    assert "expected arrays, or one sub-folder of pictures per class; found neither" in said
    assert said.endswith(f"{tmp_path / 'test'}, {tmp_path / 'train'} is no class")


def test_parts_are_read_as_such(few, tmp_path):
    for part, rows in (("Training", slice(0, 20)), ("testing", slice(20, 30))):
        save_folders(tmp_path / part, replace(few, pixels=few.pixels[rows], targets=few.targets[rows]), [*"01"])
    assert len(read_dataset(str(tmp_path))) == 20
    assert len(read_dataset(str(tmp_path), part="test")) == 10


def test_links_to_folders_are_followed_once(few, tmp_path):
    save_folders(tmp_path / "elsewhere", few, ["cat", "dog"])
    (tmp_path / "set").mkdir()
    for name in ("cat", "dog"):
        (tmp_path / "set" / name).symlink_to(tmp_path / "elsewhere" / name)
    (tmp_path / "elsewhere" / "dog" / "again").symlink_to(tmp_path / "set")
    assert len(read_dataset(str(tmp_path / "set"))) >= 30


def test_a_folder_without_pictures(tmp_path, refused):
    (tmp_path / "set" / "cat").mkdir(parents=True)
    assert "found neither" in refused("train", "--data", tmp_path / "set", "--out", tmp_path / "run")
    (tmp_path / "set" / "dog").mkdir()
    Image.new("L", (28, 28), 80).save(tmp_path / "set" / "dog" / "1.png")
    assert "expected pictures of class 'cat'" in refused("train", "--data", tmp_path / "set", "--out", tmp_path / "run")


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have no such names")
def test_a_class_whose_name_is_not_utf8_is_rejected_before_its_pictures_are_read(few, tmp_path, monkeypatch):
    save_folders(tmp_path, few, [os.fsdecode(b"\xff"), "b"])
    monkeypatch.setattr(picture_folder, "read", None)
    with pytest.raises(UsageError, match=r"expected a name in UTF-8, received '\\udcff'"):
        read_dataset(str(tmp_path))


def test_labels_csv_decides_and_what_it_leaves_out_is_said(few, tmp_path, capfd):
    save_folders(tmp_path, few, ["x"])
    for path in (tmp_path / "x").iterdir():
        path.rename(tmp_path / path.name)
    rows = [f"{row:03}.png,{'even' if row % 2 else 'odd'}" for row in range(20)]
    (tmp_path / "labels.csv").write_text("\n".join(["file,label", *rows, "020.png,", "gone.png,odd"]))
    dataset = read_dataset(str(tmp_path))
    assert (len(dataset), dataset.labels) == (20, ("even", "odd"))
    said = capfd.readouterr().err
    assert "labels.csv: left out 9 pictures without a label\n" in said
    assert "labels.csv: left out 1 picture marked as none of the classes\n" in said
    assert "labels.csv: left out 1 picture that could not be found\n" in said


def test_a_labels_csv_without_a_class(few, tmp_path, refused):
    save_folders(tmp_path, few, ["."])
    (tmp_path / "labels.csv").write_text("file,label\n000.png,\n")
    assert "labels.csv: expected pictures with a label, found none" in refused("train", "--data", tmp_path)
    (tmp_path / "labels.csv").write_text("file,label\n000.png\n")
    assert "labels.csv: row 2: expected 2 cells, found 1" in refused("train", "--data", tmp_path)


def test_a_labels_csv_of_something_else_is_no_matter(few, tmp_path):
    save_folders(tmp_path, few, ["cat", "dog"])
    (tmp_path / "labels.csv").write_text("file,label\nelsewhere.png,1\n")
    assert read_dataset(str(tmp_path)).labels == ("cat", "dog")
