"""Many pictures at once: CSVs and folders as streams, in bounded memory."""

from __future__ import annotations

import gzip
import importlib.util
import io
import json
import os
import random
import subprocess
import sys
import threading
import tracemalloc
from contextlib import suppress
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from digits_edge.runtime import Classifier
from digits_edge.runtime.batch import csv_header, csv_rows, predict_paths
from digits_edge.runtime.batch.csv_rows import is_csv, read_rows
from digits_edge.runtime.batch.image_folder import pictures_in
from digits_edge.runtime.batch.ordered_map import AHEAD, ordered_map
from digits_edge.runtime.batch.submission import write_submission
from digits_edge.runtime.errors import DatasetError
from digits_edge.runtime.picture import decode

EXAMPLE = Path(__file__).parents[2] / "examples/dask_partitions.py"
PREDICT = [sys.executable, "-m", "digits_edge.cli", "predict"]
HEADER = ",".join(f"pixel{i}" for i in range(784))
ROWS = 20


@pytest.fixture
def pixels(digits):
    return digits.pixels[np.random.default_rng(0).permutation(len(digits))[:ROWS]]


@pytest.fixture
def rows(pixels):
    """Each picture as a line of a CSV."""
    return [",".join(map(str, row)) for row in pixels.reshape(ROWS, -1)]


@pytest.fixture
def test_csv(rows, tmp_path):
    path = tmp_path / "test.csv"
    path.write_text("\n".join([HEADER, *rows]) + "\n")
    return path


def lines(outcome):
    """What a command printed with --jsonl."""
    return [json.loads(line) for line in outcome.out.splitlines()]


def unusual(rows):
    """The same pictures as other programs write them."""
    shuffled = random.Random(0).sample(range(784), 784)
    names = [f"a {number}" for number in range(ROWS)]
    return {
        "Windows line ends": "\r\n".join([HEADER, *rows, ""]),
        "old Mac line ends in the rows": "\n".join([HEADER, "\r".join(rows)]),
        "a byte order mark": "\ufeff" + "\n".join([HEADER, *rows]),
        "no newline at the end": "\n".join([HEADER, *rows]),
        "empty lines": "\n\n".join([HEADER, *rows, "  ", ""]),
        "spaces": "\n".join([HEADER.replace(",", ", "), *(row.replace(",", " , ") for row in rows)]),
        "decimals": "\n".join([HEADER, *(row.replace(",", ".0,") for row in rows)]),
        "decimals and Windows line ends": "\r\n".join([HEADER, *(row.replace(",", ".0,") + ".0" for row in rows), ""]),
        "exponents": "\n".join([HEADER, *(row.replace(",0,", ",0e0,") for row in rows)]),
        "leading zeros": "\n".join([HEADER, *(row.replace(",", ",0") for row in rows)]),
        "more leading zeros": "\n".join([HEADER, *(row.replace(",", ",000") for row in rows)]),
        "quotes": "\n".join('"' + row.replace(",", '","') + '"' for row in [HEADER, *rows]),
        "semicolons": "\n".join([HEADER, *rows]).replace(",", ";"),
        "tabs": "\n".join([HEADER, *rows]).replace(",", "\t"),
        "other columns first": "\n".join(",".join(row.split(",")[at] for at in shuffled) for row in [HEADER, *rows]),
        "labels": "\n".join([f"label,{HEADER}", *(f"7,{row}" for row in rows)]),
        "large labels": "\n".join([f"label,{HEADER}", *(f"7000,{row}" for row in rows)]),
        "names": "\n".join([f"{HEADER},label", *(f"{row},{name}" for row, name in zip(rows, names, strict=True))]),
        "names of two lines": "\n".join([f"{HEADER},label", *(f'{row},"a\n""b"", c"' for row in rows)]),
    }


@pytest.mark.parametrize("kind", unusual([HEADER] * ROWS))
@pytest.mark.parametrize("size", [3000, csv_rows.BLOCK])
def test_a_csv_is_read_however_it_was_written_and_wherever_it_is_cut(rows, pixels, tmp_path, monkeypatch, kind, size):
    monkeypatch.setattr(csv_rows, "BLOCK", size)
    path = tmp_path / "test.csv"
    path.write_bytes(unusual(rows)[kind].encode())
    np.testing.assert_array_equal(np.concatenate([block.pixels for block in read_rows(path)]), pixels)


CELLS = st.text("0123456789", max_size=4) | st.integers(0, 300).map(str) | st.sampled_from([" 7", "+7", "7.0", "7e0"])
PLACED = st.tuples(st.integers(0, 783), CELLS)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.lists(PLACED, max_size=3), min_size=1, max_size=4))
def test_rows_are_what_they_are_cell_by_cell_up_to_the_first_that_is_wrong(tmp_path, table):
    rows = [["0"] * 784 for _ in table]
    for row, placed in zip(rows, table, strict=True):
        for column, cell in placed:
            row[column] = cell
    (tmp_path / "test.csv").write_text("\n".join([HEADER, *map(",".join, rows)]))
    wrong = [
        (at, column)
        for at, row in enumerate(rows)
        for column, cell in enumerate(row)
        if not cell.strip() or not 0 <= float(cell) <= 255
    ]
    found: list[npt.NDArray[np.uint8]] = []
    try:
        found.extend(block.pixels.reshape(-1, 784) for block in read_rows(tmp_path / "test.csv"))
    except DatasetError as error:
        at, column = wrong[0]
        assert f"row {at + 1} (line {at + 2}), column 'pixel{column}': expected a whole number" in str(error)
    else:
        assert not wrong
    good = rows[: wrong[0][0]] if wrong else rows
    assert np.concatenate([np.empty((0, 784)), *found]).tolist() == [[float(cell) for cell in row] for row in good]


def test_packed_rows_are_known_by_their_bytes_and_not_by_their_name(test_csv, pixels, tmp_path):
    for data, name in ((test_csv.read_bytes(), "plain.csv.gz"), (gzip.compress(test_csv.read_bytes()), "packed.csv")):
        (tmp_path / name).write_bytes(data)
        assert is_csv(name)
        np.testing.assert_array_equal(next(read_rows(tmp_path / name)).pixels, pixels)


@pytest.mark.parametrize("beginning", ["", '"', "7,"])
def test_a_line_without_an_end_is_not_read_whole(tmp_path, monkeypatch, beginning):
    monkeypatch.setattr(csv_rows, "LONGEST", 2**20)
    monkeypatch.setattr(csv_header, "LONGEST", 2**20)
    with (tmp_path / "test.csv").open("w") as file:
        file.write(f"{HEADER}\n{beginning}")
        file.truncate(4_000_000_000)  # a hole: it takes no room on the disk, but to read it would take all memory
    tracemalloc.start()
    try:
        with pytest.raises(DatasetError, match="from line 2 on: expected rows of a CSV"):
            list(read_rows(tmp_path / "test.csv"))
        assert tracemalloc.get_traced_memory()[1] < 64 * 2**20
    finally:
        tracemalloc.stop()


def test_answers_come_as_objects_a_line_with_the_fields_of_the_document(test_csv, exported, digits_edge):
    words = ("predict", test_csv, "--bundle", exported.path)
    done = digits_edge(*words, "--jsonl")
    assert done.code == 0, done.err
    assert [line["path"] for line in lines(done)] == [f"{test_csv}:{row}" for row in range(1, ROWS + 1)]
    assert lines(done) == json.loads(digits_edge(*words, "--json").out)


def test_a_bad_file_is_one_failed_line_and_the_others_are_answered(pixels, test_csv, exported, tmp_path, digits_edge):
    folder = tmp_path / "folder"
    folder.mkdir()
    for name in ("1.png", "3.png"):
        Image.fromarray(255 - pixels[0]).resize((112, 112)).save(folder / name)
    (folder / "2.png").write_bytes(b"no picture")
    (tmp_path / "empty").mkdir()
    paths = (folder, tmp_path / "none.csv", tmp_path / "empty", test_csv)
    done = digits_edge("predict", *paths, "--bundle", exported.path, "--jsonl")
    assert done.code == 2
    found = lines(done)
    assert [Path(line["path"]).name for line in found[:5]] == ["1.png", "2.png", "3.png", "none.csv", "empty"]
    assert ["error" in line for line in found] == [False, True, False, True, True, *[False] * ROWS]
    assert all(line["label"] is None and not line["accepted"] for line in found if "error" in line)
    assert [f"digits-edge: {line['error']}" for line in found if "error" in line] == done.err.splitlines()


@pytest.mark.parametrize(
    ("cell", "expected"),
    [("256", "found '256'"), ("300", "found '300'"), ("999", "found '999'"), ("", "an empty cell"), ("x", "found 'x'")],
)
def test_the_rows_before_a_bad_one_are_answered_and_it_is_named(rows, test_csv, exported, digits_edge, cell, expected):
    bad = test_csv.with_name("bad.csv")
    cells = rows[12].split(",")
    cells[300] = cell
    bad.write_text("\n".join([HEADER, *rows[:12], ",".join(cells), *rows[13:]]))
    done = digits_edge("predict", bad, test_csv, "--bundle", exported.path)
    assert done.code == 2
    answered = [line.partition("\t")[0] for line in done.out.splitlines()]
    assert answered == [f"{bad}:{row}" for row in range(1, 13)] + [f"{test_csv}:{row}" for row in range(1, ROWS + 1)]
    assert f"{bad}: row 13 (line 14), column 'pixel300': expected a whole number from 0 to 255" in done.err
    assert done.err.endswith(f"{expected}\n")
    assert len(done.err.splitlines()) == 1


def test_a_packed_csv_that_ends_too_early_is_answered_as_far_as_it_goes(digits, tmp_path, exported, digits_edge):
    path = tmp_path / "test.csv.gz"
    many = "\n".join([HEADER, *(",".join(map(str, row)) for row in digits.pixels.reshape(len(digits), -1))])
    packed = gzip.compress(many.encode())
    path.write_bytes(packed[: len(packed) // 2])
    done = digits_edge("predict", path, "--bundle", exported.path, "--jsonl")
    assert done.code == 2
    *answered, failed = lines(done)
    assert len(answered) > 100
    assert failed["error"] == f"{path}: the packed data ends too early or is damaged"


def test_a_bad_row_leaves_the_earlier_submission_and_nothing_beside_it(rows, test_csv, exported, refused):
    target = test_csv.with_name("out.csv")
    target.write_text("earlier")
    test_csv.write_text("\n".join([HEADER, *rows, "1,2,3"]))
    said = refused("predict", test_csv, "--bundle", exported.path, "--submission", target)
    assert f"{test_csv}: row 21 (line 22): expected 784 cells, found 3" in said
    assert target.read_text() == "earlier"
    assert {path.name for path in test_csv.parent.iterdir()} == {"test.csv", "out.csv"}


def test_the_size_of_a_batch_changes_no_answer(test_csv, exported, digits_edge, refused):
    words = ("predict", test_csv, "--bundle", exported.path)
    usual = digits_edge(*words).out
    for size in (1, 7, 1000):
        assert digits_edge(*words, "--batch-size", size).out == usual
    assert refused(*words, "--batch-size", 0) == "digits-edge: --batch-size: expected 1 or more, received 0"


def test_one_document_or_an_object_a_line_but_not_both(test_csv, refused):
    assert "expected one of them, received both" in refused("predict", test_csv, "--json", "--jsonl")


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_a_csv_may_come_from_stdin(test_csv, exported, digits_edge, pack):
    command = [*PREDICT, "-", "--bundle", str(exported.path)]
    done = subprocess.run(command, input=pack(test_csv.read_bytes()), capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    usual = digits_edge("predict", test_csv, "--bundle", exported.path).out
    assert done.stdout.decode() == usual.replace(f"{test_csv}:", "-:")


class Endless(io.RawIOBase):
    """A stream of a picture's beginning and bytes without end, which counts those that were read."""

    given = 0

    def readable(self):
        return True

    def readinto(self, buffer):
        buffer[:8] = b"\x89PNG\r\n\x1a\n"[: len(buffer)]
        self.given += len(buffer)
        return len(buffer)


def test_a_picture_without_end_on_stdin_is_read_up_to_the_limit_of_a_file(monkeypatch):
    for module in (decode, predict_paths):
        monkeypatch.setattr(module, "MAX_BYTES", 2**22)
    raw = Endless()
    (batch,) = predict_paths.predict_paths(Classifier.load(), ["-"], stdin=io.BufferedReader(raw))
    assert str(batch.results[0].error) == "picture bytes: expected at most 4,194,304 bytes, received more"
    assert raw.given < 2**23


@pytest.fixture
def endless(rows, exported):
    """`digits-edge predict -` while rows come and come, until nobody reads them or `enough` is set."""
    enough = threading.Event()
    command = [*PREDICT, "-", "--bundle", str(exported.path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as child:
        stdin = child.stdin
        assert stdin is not None

        def write():
            with suppress(BrokenPipeError), stdin:
                stdin.write(f"{HEADER}\n".encode())
                while not enough.is_set():
                    stdin.write("".join(f"{row}\n" for row in rows).encode())

        writer = threading.Thread(target=write)
        writer.start()
        yield child, enough
        enough.set()
        child.kill()
        writer.join()


def test_answers_come_while_rows_still_come(endless):
    child, enough = endless
    assert child.stdout.readline().startswith(b"-:1\t")
    assert child.poll() is None
    enough.set()
    rest = child.stdout.read().splitlines()
    assert child.wait() == 0
    assert rest[-1].startswith(f"-:{len(rest) + 1}\t".encode())


def test_a_reader_that_has_had_enough_ends_it_quietly(endless):
    child, _ = endless
    child.stdout.readline()
    child.stdout.close()
    assert child.wait() == 0
    assert child.stderr.read() == b""


def test_memory_does_not_grow_with_the_rows(classifier, tmp_path):
    path = tmp_path / "test.csv"
    row = ",".join(["0"] * 784) + "\n"
    path.write_text(HEADER + "\n" + row * 40_000)
    assert path.stat().st_size > 60_000_000
    tracemalloc.start()
    try:
        assert write_submission(classifier, path, tmp_path / "out.csv", batch_size=32, threads=2) == 40_000
        assert tracemalloc.get_traced_memory()[1] < 30_000_000
    finally:
        tracemalloc.stop()


def test_work_is_taken_only_a_few_items_ahead_of_its_results():
    taken = []

    def items():
        for item in range(1000):
            taken.append(item)
            yield item

    for at, result in enumerate(ordered_map(lambda item: 2 * item, items(), threads=2)):
        assert result == 2 * at
        assert len(taken) <= at + 2 + 2 * AHEAD


MEASURED = """
import sys
from digits_edge.cli.app import run
code = run(sys.argv[1:])
print(next(line for line in open("/proc/self/status") if line.startswith("VmHWM")), file=sys.stderr)
sys.exit(code)
"""


@pytest.mark.soak
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="only Linux tells a process its peak like that")
@pytest.mark.parametrize("words", [("--jsonl",), ("--submission", "out.csv")], ids=["jsonl", "submission"])
def test_a_million_rows_take_no_more_memory_than_a_few_thousand(rows, tmp_path, words):
    def most(count):
        with (tmp_path / "test.csv").open("w") as file:
            file.write(f"{HEADER}\n")
            file.writelines("".join(f"{row}\n" for row in rows) for _ in range(count // ROWS))
        command = [sys.executable, "-c", MEASURED, "predict", "test.csv", *words]
        done = subprocess.run(command, cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, check=True)
        (tmp_path / "test.csv").unlink()
        return int(done.stderr.split()[1]) / 1024  # MiB

    few, many = most(5000), most(1_000_000)
    assert many < 250
    assert many < few + 60


def test_the_pictures_of_a_folder_come_in_the_order_of_their_paths(tmp_path):
    names = ["b/1.png", "b.png", "b-1.PNG", "b0.jpg", "a/z/1.png", "a/z.png", "a/z0/1.gif", "c.txt", "d.png/1.png"]
    hidden = [".1.png", ".hidden/1.png", "a/.git/1.png"]
    for name in names + hidden:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    found = [Path(path).relative_to(tmp_path).as_posix() for path in pictures_in(tmp_path)]
    assert found == sorted(name for name in names if not name.endswith(".txt"))


def test_a_csv_needs_neither_pandas_nor_pillow(test_csv, exported):
    code = """
import sys
from digits_edge.cli.app import run
code = run(sys.argv[1:])
heavy = {"pandas", "keras", "tensorflow", "PIL", "rich", "scipy", "onnx"} & set(sys.modules)
sys.exit(code or " ".join(heavy) or None)
"""
    for words in ([], ["--submission", str(test_csv.with_name("out.csv"))]):
        command = [sys.executable, "-c", code, "predict", str(test_csv), "--bundle", str(exported.path), *words]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr


@pytest.mark.skipif(os.name == "nt", reason="pseudo-terminals are POSIX")
def test_a_terminal_shows_a_bar_that_stays_out_of_the_results(test_csv, exported):
    import pty

    ours, theirs = pty.openpty()
    command = [*PREDICT, str(test_csv), "--bundle", str(exported.path), "--jsonl"]
    env = {**os.environ, "TERM": "xterm"}
    child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=theirs, env=env)
    os.close(theirs)
    shown = b""
    try:
        while part := os.read(ours, 1024):
            shown += part
    except OSError:  # how a pseudo-terminal says that nobody writes any more
        pass
    os.close(ours)
    out, _ = child.communicate()
    assert child.returncode == 0, shown
    assert b"20 pictures" in shown
    assert len([json.loads(line) for line in out.splitlines()]) == ROWS


@pytest.mark.skipif(importlib.util.find_spec("distributed") is None, reason="Dask's distributed is not installed")
def test_dask_maps_the_classifier_over_partitions_in_two_processes(digits, tmp_path):
    folder = tmp_path / "pictures"
    folder.mkdir()
    for row in range(0, len(digits), 100):
        Image.fromarray(255 - digits.pixels[row]).resize((112, 112)).save(folder / f"{row:04}.png")
    (folder / "bad.png").write_bytes(b"no picture")
    command = [sys.executable, EXAMPLE, folder, "--processes", "2", "--partition", "5"]
    env = {**os.environ, "DASK_TEMPORARY_DIRECTORY": str(tmp_path)}
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path, env=env)
    assert done.returncode == 0, done.stderr
    assert done.stdout == str({str(digit): 2 for digit in range(10)}) + "\n"
    assert done.stderr == f"{folder / 'bad.png'}: expected a picture, received bytes of no known picture format\n"
