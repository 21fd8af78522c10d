"""Every kind of dataset is read as it is, and refused in one line when it cannot be."""

from __future__ import annotations

import gzip
import struct
from contextlib import suppress
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from digits_edge.runtime.batch.csv_rows import read_rows
from digits_edge.runtime.errors import DatasetError
from digits_edge.trainer.datasets import csv
from digits_edge.trainer.datasets.dataset import align
from digits_edge.trainer.datasets.read import read_class_names, read_dataset

PIXELS = [f"pixel{i}" for i in range(784)]


@pytest.fixture
def few(digits):
    """Thirty digits in mixed order."""
    rows = np.random.default_rng(0).permutation(len(digits))[:30]
    return replace(digits, pixels=digits.pixels[rows], targets=digits.targets[rows])


def write_csv(path, pixels, classes=None, columns=None):
    """A Kaggle CSV, its columns in the order of `columns`."""
    columns = columns or ([] if classes is None else ["label"]) + PIXELS
    cells = {name: [str(v) for v in pixels[:, i]] for i, name in enumerate(PIXELS)}
    if classes is not None:
        cells["label"] = [str(c) for c in classes]
    lines = [",".join(columns), *(",".join(cells[name][row] for name in columns) for row in range(len(pixels)))]
    data = ("\n".join(lines) + "\n").encode()
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
    return path


def write_idx(path, array):
    data = bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)


@pytest.mark.parametrize("name", ["train.csv", "train.csv.gz"])
def test_a_kaggle_csv_is_read_by_column_names_wherever_the_label_stands(few, tmp_path, name):
    shuffled = [*PIXELS[400:], "label", *PIXELS[:400]]
    path = write_csv(tmp_path / name, few.pixels.reshape(30, -1), few.targets, shuffled)
    dataset = read_dataset(str(path))
    assert dataset.pixels.dtype == np.uint8
    np.testing.assert_array_equal(dataset.pixels, few.pixels)
    assert [dataset.labels[t] for t in dataset.targets] == [str(t) for t in few.targets]
    assert dataset.name == name
    assert dataset.preprocess == "digit"


def other_csvs(text):
    """The same CSV, which begins with the column `label`, as other programs write it."""
    lines = text.splitlines()
    return {
        "a byte order mark": "\ufeff" + text,
        "Windows line ends": text.replace("\n", "\r\n"),
        "old Mac line ends": text.replace("\n", "\r"),
        "quotes": "\n".join('"' + line.replace(",", '","') + '"' for line in lines),
        "spaces": text.replace(",", " , "),
        "semicolons": text.replace(",", ";"),
        "tabs": text.replace(",", "\t"),
        "fractions": "\n".join([lines[0], *(line.replace(",", ".0,") for line in lines[1:])]),
        "exponents": text.replace(",0", ",0e0"),
        "empty lines": text.replace("\n", "\n\n") + "   \n",
        "an index": "\n".join(["," + lines[0], *(f"{at},{line}" for at, line in enumerate(lines[1:]))]),
    }


@pytest.mark.parametrize("kind", other_csvs("a\n"))
def test_a_csv_is_read_whichever_program_wrote_it(few, tmp_path, monkeypatch, capfd, kind):
    monkeypatch.setattr(csv, "CHUNK", 7)
    path = write_csv(tmp_path / "train.csv", few.pixels.reshape(30, -1), few.targets)
    path.write_bytes(other_csvs(path.read_text())[kind].encode())
    dataset = read_dataset(str(path))
    np.testing.assert_array_equal(dataset.pixels, few.pixels)
    assert [int(dataset.labels[target]) for target in dataset.targets] == few.targets.tolist()
    said = f"{path}: the first column has no name and counts the rows from 0: it is left out\n"
    assert capfd.readouterr().err == (said if kind == "an index" else "")


def test_a_csv_may_name_its_classes(few, tmp_path):
    names = np.array(["zebra", "ape"])[few.targets % 2]
    dataset = read_dataset(str(write_csv(tmp_path / "train.csv", few.pixels.reshape(30, -1), names)))
    assert dataset.labels == ("ape", "zebra")
    assert [dataset.labels[t] for t in dataset.targets] == names.tolist()


def test_classes_are_those_of_the_data_and_sorted_by_value(few, tmp_path):
    dataset = read_dataset(str(write_csv(tmp_path / "train.csv", few.pixels.reshape(30, -1), few.targets % 3 * 10 + 2)))
    assert dataset.labels == ("2", "12", "22")
    np.testing.assert_array_equal(dataset.targets, few.targets % 3)


BAD_CELLS = {
    "256": "'256'",
    "-1": "'-1'",
    "1.5": "'1.5'",
    "seven": "'seven'",
    "": "an empty cell",
    "99999999999999999999": "'99999999999999999999'",
    "nan": "'nan'",
}


@pytest.mark.parametrize("cell", BAD_CELLS)
def test_a_bad_pixel_is_named_by_row_and_column(few, tmp_path, refused, cell):
    cells = few.pixels.reshape(30, -1).astype(object)
    cells[16, 300] = cell
    path = write_csv(tmp_path / "train.csv", cells, few.targets)
    said = refused("train", "--data", path, "--out", tmp_path / "run")
    assert f"{path}: row 17 (line 18), column 'pixel300': expected a whole number from 0 to 255" in said
    assert said.endswith(f"found {BAD_CELLS[cell]}")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("cell", ["", "-3", "2.5", "inf", "1e300"])
def test_a_bad_label_is_named_by_row(few, tmp_path, refused, cell):
    classes = few.targets.astype(object)
    classes[4] = cell
    path = write_csv(tmp_path / "train.csv", few.pixels.reshape(30, -1), classes)
    assert "row 5 (line 6), column 'label'" in refused("train", "--data", path, "--out", tmp_path / "run")


def bad_csvs():
    flat, classes = np.zeros((4, 784), int), [0, 1, 0, 1]
    row = ",".join(["1", *["0"] * 784])
    header = ",".join(["label", *PIXELS])
    return {
        "no label": (lambda p: write_csv(p, flat), "expected a column 'label'"),
        "783 pixels": (lambda p: write_csv(p, flat, classes, ["label", *PIXELS[:-1]]), "found 783"),
        "785 pixels": (lambda p: p.write_text(f"{header},pixel784\n{row},0\n"), "found 785"),
        "a gap": (lambda p: p.write_text(f"{header.replace('pixel5,', 'pixel999,')}\n{row}\n"), "found no 'pixel5'"),
        "a strange column": (lambda p: p.write_text(f"{header},weight\n{row},0\n"), "found also 'weight'"),
        "empty": (lambda p: p.write_bytes(b""), "received an empty file"),
        "header only": (lambda p: p.write_text(f"{header}\n"), "found only the header"),
        "binary": (lambda p: p.write_bytes(bytes(range(256)) * 40), "received binary data"),
        "a long row": (
            lambda p: p.write_text(f"{header}\n{row}\n{row},7\n"),
            "row 2 (line 3): expected 785 cells, found 786",
        ),
        "an open quote": (lambda p: p.write_text(f'{header}\n{row[:-1]}"0\n' + f"{row}\n" * 200), "from line 2 on"),
        "an endless number": (lambda p: p.write_text(f"{header}\n{row[:-1]}{'7' * 5000}\n"), "column 'pixel783'"),
        "longer rows": (lambda p: p.write_text(f"{header}\n{row},7\n{row},7\n"), "row 1 (line 2): expected 785 cells"),
        "truth values": (
            lambda p: p.write_text(f"{header}\n{row[:-1]}True\n{row[:-1]}False\n"),
            "row 1 (line 2), column 'pixel783': expected a whole number from 0 to 255, found 'True'",
        ),
        "an open quote at the end": (lambda p: p.write_text(f'{header}\n{row}\n{row[:-1]}"0\n'), "from line 3 on"),
        "a name in Latin-1": (lambda p: p.write_bytes(f"{header}\n\xe9{row}\n".encode("latin-1")), "column 'label'"),
        "an index that does not count": (
            lambda p: p.write_text(f",{header}\n0,{row}\n2,{row}\n"),
            "expected the first column, without a name, to count rows from 0",
        ),
        "a second column without a name": (lambda p: p.write_text(f"{header},\n{row},0\n"), "found also ''"),
        "a short row": (
            lambda p: p.write_text(f"{header}\n{row}\n1,2,3\n"),
            "row 2 (line 3): expected 785 cells, found 3",
        ),
        "one class": (lambda p: write_csv(p, flat, [3, 3, 3, 3]), "expected at least two classes, found '3'"),
        "a single row": (lambda p: write_csv(p, flat, [0, 0, 0, 1]), "found 1 of class '1'"),
    }


@pytest.mark.parametrize("kind", bad_csvs())
def test_a_csv_that_cannot_be_used_is_one_clear_line(tmp_path, refused, kind):
    write, expected = bad_csvs()[kind]
    path = tmp_path / "train.csv"
    write(path)
    said = refused("train", "--data", path, "--out", tmp_path / "run")
    assert expected in said
    assert "train.csv" in said
    assert sorted(p.name for p in tmp_path.iterdir()) == ["train.csv"]


def test_a_gz_that_ends_too_early(tmp_path, refused):
    path = tmp_path / "train.csv.gz"
    path.write_bytes(gzip.compress(b"label" * 9999)[:40])
    assert "ends too early or is damaged" in refused("train", "--data", path, "--out", tmp_path / "run")


@pytest.mark.parametrize("packed", ["", ".gz"])
def test_an_idx_folder_trains_on_train_and_evaluates_on_t10k(few, tmp_path, packed):
    for prefix, rows in (("train", slice(0, 20)), ("t10k", slice(20, 30))):
        write_idx(tmp_path / f"{prefix}-images-idx3-ubyte{packed}", few.pixels[rows])
        write_idx(tmp_path / f"{prefix}-labels-idx1-ubyte{packed}", few.targets[rows].astype(np.uint8))
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
            "found 6 images in train-images-idx3-ubyte and 4 labels",
        ),
        "other size": (
            np.zeros((6, 20, 20), np.uint8),
            labels,
            lambda data: data,
            "expected pictures of 28 x 28, found 20 x 20",
        ),
        "no pictures": (images[:0], labels[:0], lambda data: data, "found none"),
    }


@pytest.mark.parametrize("kind", bad_idx())
def test_idx_files_that_cannot_be_used(tmp_path, refused, kind):
    images, labels, damage, expected = bad_idx()[kind]
    path = tmp_path / "train-images-idx3-ubyte"
    write_idx(path, images)
    path.write_bytes(damage(path.read_bytes()))
    write_idx(tmp_path / "train-labels-idx1-ubyte", labels)
    assert expected in refused("train", "--data", tmp_path, "--out", tmp_path / "run")


def test_an_idx_folder_without_labels(tmp_path, refused):
    write_idx(tmp_path / "train-images-idx3-ubyte", np.zeros((6, 28, 28), np.uint8))
    assert "found only train-images-idx3-ubyte" in refused("train", "--data", tmp_path, "--out", tmp_path / "run")


def bad_npz():
    x, y = np.zeros((6, 28, 28), np.uint8), np.arange(6) % 2
    return {
        "no y": ({"x": x}, "found no y"),
        "float pixels": ({"x": x / 255, "y": y}, "received float64[6, 28, 28]"),
        "flat pixels": ({"x": x.reshape(6, -1), "y": y}, "received uint8[6, 784]"),
        "other size": ({"x": x[:, :20], "y": y}, "expected pictures of 28 x 28, found 20 x 28"),
        "fewer classes": ({"x": x, "y": y[:4]}, "a class for each of 6 pictures, received int64[4]"),
        "one-hot": ({"x": x, "y": np.eye(6)}, "received float64[6, 6]"),
        "negative": ({"x": x, "y": y - 1}, "expected classes from 0 up in y, received -1"),
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
    assert "not readable as an .npz" in refused("train", "--data", path, "--out", tmp_path / "run")


def save_folders(folder, few, names):
    for row, target in enumerate(few.targets):
        place = folder / names[target % len(names)]
        place.mkdir(parents=True, exist_ok=True)
        Image.fromarray(few.pixels[row]).save(place / f"{row:03}.png")


def test_a_folder_of_class_folders_is_read_as_predict_would(few, tmp_path):
    save_folders(tmp_path, few, ["10", "9", "cat"])
    (tmp_path / "cat" / "notes.txt").write_text("not a picture")
    dataset = read_dataset(str(tmp_path))
    assert dataset.labels == ("9", "10", "cat")
    assert dataset.preprocess == "resize"
    assert len(dataset) == 30
    save_folders(tmp_path / "digits", few, [str(d) for d in range(10)])
    characters = read_dataset(str(tmp_path / "digits"))
    assert characters.preprocess == "digit"
    order = np.argsort(few.targets, kind="stable")
    np.testing.assert_array_equal(characters.pixels, few.pixels[order])  # MNIST digits are in MNIST form already


def test_a_bad_picture_in_a_folder_is_named(few, tmp_path, refused):
    save_folders(tmp_path / "set", few, ["cat", "dog"])
    (tmp_path / "set" / "cat" / "bad.jpg").write_bytes(b"no picture")
    outcome = "cat/bad.jpg: expected a picture, received bytes of no known picture format"
    with pytest.raises(DatasetError, match=outcome):
        read_dataset(str(tmp_path / "set"))


def test_a_folder_without_pictures(tmp_path, refused):
    (tmp_path / "set" / "cat").mkdir(parents=True)
    assert "found neither" in refused("train", "--data", tmp_path / "set", "--out", tmp_path / "run")
    (tmp_path / "set" / "dog").mkdir()
    Image.new("L", (28, 28), 80).save(tmp_path / "set" / "dog" / "1.png")
    assert "expected pictures of class 'cat'" in refused("train", "--data", tmp_path / "set", "--out", tmp_path / "run")


def test_no_such_file_and_no_such_kind(tmp_path, refused):
    assert "found no such file" in refused("train", "--data", tmp_path / "none.csv", "--out", tmp_path / "run")
    (tmp_path / "data.parquet").write_bytes(b"PAR1")
    assert "expected a folder, or a file whose name ends in" in refused(
        "train", "--data", tmp_path / "data.parquet", "--out", tmp_path / "run"
    )


def test_a_labels_file_names_the_classes(few, tmp_path):
    np.savez(tmp_path / "set.npz", x=few.pixels, y=few.targets % 3)
    (tmp_path / "labels.txt").write_text("shirt\nshoe\nbag\n")
    dataset = read_dataset(str(tmp_path / "set.npz"), names=read_class_names(tmp_path / "labels.txt"))
    assert dataset.labels == ("shirt", "shoe", "bag")
    np.testing.assert_array_equal(dataset.targets, few.targets % 3)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a\nb\n", "expected classes 0 to 1"),
        ("a\nb\nc\nd\n", "of all classes in the labels file, found none of 'd'"),
        ("a\na\nb\n", "'a' twice"),
        ("", "found 0"),
    ],
)
def test_a_labels_file_that_does_not_fit(few, tmp_path, refused, text, expected):
    np.savez(tmp_path / "set.npz", x=few.pixels, y=few.targets % 3)
    (tmp_path / "labels.txt").write_text(text)
    words = ("--data", tmp_path / "set.npz", "--labels", tmp_path / "labels.txt", "--out", tmp_path / "run")
    assert expected in refused("train", *words)


def test_other_data_are_matched_to_a_models_labels_by_name_or_by_number(digits):
    letters = tuple("abcdefghij")
    np.testing.assert_array_equal(align(digits, letters), digits.targets)
    backwards = tuple(reversed(digits.labels))
    np.testing.assert_array_equal(align(digits, backwards), 9 - digits.targets)
    with pytest.raises(DatasetError, match=r"expected classes among 0, 1, found '2'"):
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


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.binary(max_size=3000), name=st.sampled_from(["a.csv", "a.csv.gz", "a.npz", "train-images-idx3-ubyte"]))
def test_whatever_the_bytes_only_our_errors_come_out(tmp_path, data, name):
    (tmp_path / name).write_bytes(data)
    with pytest.raises(DatasetError):
        read_dataset(str(tmp_path if "idx" in name else tmp_path / name))
    (tmp_path / name).unlink()


WHOLE_CSV = "\n".join(
    [",".join(["label", *PIXELS]), *(",".join([str(i), *["12"] * 784]) for i in range(4)), ""]
).encode()
ROWS_BEGIN = WHOLE_CSV.index(b"\n") + 1


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    edits=st.lists(
        st.tuples(
            st.integers(0, len(WHOLE_CSV)) | st.integers(ROWS_BEGIN, len(WHOLE_CSV)),
            st.integers(0, 2),
            st.text(' \t,;"\r\n+-.e01259_x\x00\u0663\ufeff', max_size=3).map(str.encode) | st.binary(max_size=2),
        ),
        max_size=2,
    ),
    end=st.integers(0, len(WHOLE_CSV)) | st.just(len(WHOLE_CSV)),
)
def test_whatever_is_done_to_a_csv_it_is_read_alike_on_the_device_or_refused(tmp_path, edits, end):
    data = bytearray(WHOLE_CSV)
    for at, length, put in edits:
        data[at : at + length] = put
    path = tmp_path / "train.csv"
    path.write_bytes(data[:end])
    try:
        trained_on = csv.read_labelled(path)[0]
    except DatasetError as error:
        assert "\n" not in str(error)
        with suppress(DatasetError):  # the device ignores labels
            list(read_rows(path))
    else:
        np.testing.assert_array_equal(np.concatenate([rows.pixels for rows in read_rows(path)]), trained_on)
