"""A CSV is read whichever program wrote it, and refused in one line when it cannot be."""

from __future__ import annotations

import gzip
import json
from contextlib import suppress

import numpy as np
import pytest
from forms import PIXELS
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from digits_edge.runtime.batch.csv_rows import read_rows
from digits_edge.runtime.errors import DatasetError
from digits_edge.trainer.datasets import csv
from digits_edge.trainer.datasets.read import read_dataset


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
    said = f"{path}: left out the first column, which has no name\n"
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


def test_a_chosen_label_column(few, tmp_path, capfd):
    columns = ["class", "label", *PIXELS]
    rows = [[9 - target, target, *row] for target, row in zip(few.targets, few.pixels.reshape(30, -1), strict=True)]
    (tmp_path / "train.csv").write_text("\n".join(",".join(map(str, row)) for row in [columns, *rows]))
    with pytest.raises(DatasetError, match="one 'label', found also 'class'"):
        read_dataset(str(tmp_path / "train.csv"))
    for column, sign in (("Class", -1), ("1", -1), ("label", 1), ("2", 1), ("-785", 1)):
        dataset = read_dataset(str(tmp_path / "train.csv"), label_column=column)
        assert dataset.targets.tolist() == [target if sign > 0 else 9 - target for target in few.targets]
        assert f"train.csv: left out column {'label' if sign < 0 else 'class'!r}" in capfd.readouterr().err
    with pytest.raises(DatasetError, match="expected a column 'what' by --label-column, found class, label, pixel0"):
        read_dataset(str(tmp_path / "train.csv"), label_column="what")


def test_evaluate_takes_the_label_column_too(few, tmp_path, exported, digits_edge):
    rows = [[0, target, *row] for target, row in zip(few.targets, few.pixels.reshape(30, -1), strict=True)]
    text = "\n".join(",".join(map(str, row)) for row in [["y", "label", *PIXELS], *rows])
    (tmp_path / "train.csv").write_text(text)
    done = digits_edge("evaluate", exported.path, "--data", tmp_path / "train.csv", "--label-column", "2", "--json")
    assert done.code == 0, done.err
    assert json.loads(done.out)["models"][0]["accuracy"] > 0.7


def test_a_csv_of_other_sizes_and_colours(few, tmp_path):
    for shape in ((20, 20), (8, 8, 3)):
        pixels = np.random.default_rng(0).integers(0, 256, (30, *shape))
        header = ",".join(["label", *(f"pixel{i:04}" for i in range(pixels[0].size))])
        rows = [",".join(map(str, [target, *row.ravel()])) for target, row in zip(few.targets, pixels, strict=True)]
        (tmp_path / "train.csv").write_text("\n".join([header, *rows]))
        np.testing.assert_array_equal(read_dataset(str(tmp_path / "train.csv")).pixels, pixels)
        np.testing.assert_array_equal(
            np.concatenate([rows.pixels for rows in read_rows(tmp_path / "train.csv")]), pixels
        )
    oblong = read_dataset(str(tmp_path / "train.csv"), shape=(16, 12))
    assert oblong.pixels.shape == (30, 16, 12)


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
        "no header": (lambda p: p.write_text("7" * 99), "expected a column 'label', found none among 1 columns"),
        "a column twice": (lambda p: p.write_text(f"{header},pixel7\n{row},0\n"), "found 'pixel7' twice"),
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
