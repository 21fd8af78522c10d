"""What people read is safe to show, and standard streams may be closed, full or without a reader."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from digits_edge.common.progress import say
from digits_edge.common.tables import table
from digits_edge.runtime import Classifier, PictureError
from digits_edge.runtime.errors import GateFailed, printable

NASTY = "a\n-\t3\taccepted\x1b[31m\u2028\u202e"
SHOWN = r"a\n-\t3\taccepted\x1b[31m\u2028\u202e"
posix = pytest.mark.skipif(sys.platform == "win32", reason="shells of POSIX, and its names of files")


def shell(command: str, **options: object) -> subprocess.CompletedProcess[str]:
    """Run a command of bash, in which `$E` is digits-edge and `$?` is the exit code of the first in a pipe."""
    words = ["bash", "-c", f'set -o pipefail; E="{sys.executable} -m digits_edge.cli"; {command}']
    return subprocess.run(words, capture_output=True, text=True, check=False, timeout=120, **options)  # type: ignore[call-overload,no-any-return]


@pytest.fixture(scope="module")
def photo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("photo") / "photo.png"
    Image.fromarray(255 - Classifier.load().contract.golden.pixels[0]).resize((140, 140)).save(path)
    return path


@posix
@pytest.mark.parametrize(
    ("words", "streams"),
    [
        ("--help", "| true"),
        ("predict {}", "| true"),
        ("selftest", "| true"),
        ("predict {}", ">&-"),
        ("predict {}", "2>&-"),
        ("predict {}", "<&- >&- 2>&-"),
        ("selftest", "2>/dev/full"),
    ],
)
def test_a_reader_who_has_gone_and_a_closed_stream_are_no_error(photo, words, streams):
    done = shell(f"$E {words.format(photo)} {streams}")
    assert (done.returncode, done.stderr) == (0, "")


@posix
@pytest.mark.parametrize("streams", ["2>&-", "2>&1 | true"])
def test_the_exit_code_is_that_of_the_work_whoever_reads(tmp_path, streams):
    assert shell(f"$E selftest {tmp_path} {streams}").returncode == 2


@posix
def test_a_closed_stream_is_not_replaced_by_a_file_that_is_written(photo, tmp_path):
    done = shell(f"$E predict {photo} --explain {tmp_path}/steps.png <&- >&- 2>&-")
    assert done.returncode == 0
    Image.open(tmp_path / "steps.png").verify()


@posix
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full here")
@pytest.mark.parametrize("words", ["predict {}", "--help"])
def test_a_full_disk_behind_stdout_is_one_line(photo, words):
    done = shell(f"$E {words.format(photo)} > /dev/full")
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert "No space left on device" in line


@posix
def test_a_missing_package_is_one_line_and_not_the_gates_no(tmp_path):
    (tmp_path / "typer.py").write_text("raise ModuleNotFoundError(name='typer')")
    done = shell("$E runs", env={**os.environ, "PYTHONPATH": str(tmp_path)})
    assert done.returncode == 2
    assert done.stderr.splitlines() == [
        'digits-edge: the command line needs typer, which is not installed: pip install "digits-edge[cli]"'
    ]


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        ImportError("libx.so: failed to map segment from shared object"),
        OSError(errno.ENOMEM, "Cannot allocate memory"),
    ],
)
def test_low_memory_is_one_line_with_what_to_do(monkeypatch, refused, error):
    def load(*_, **__):
        raise error

    monkeypatch.setattr(Classifier, "load", load)
    assert "out of memory: close other programs" in refused("predict", "a.png")


@posix
def test_a_deleted_current_folder_is_noticed_before_the_work(tmp_path, monkeypatch, refused):
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    assert "the current folder does not exist any more" in refused("train", "--epochs", "1")
    monkeypatch.undo()


@pytest.mark.parametrize("columns", ["12", "1"])
def test_a_narrow_terminal_is_no_error(monkeypatch, digits_edge, photo, columns):
    monkeypatch.setenv("COLUMNS", columns)
    for words in (("train", "--help"), ("predict", photo), ("inspect",)):
        assert digits_edge(*words).code == 0


def test_one_line_is_printable_and_short_whatever_is_in_it():
    assert printable(NASTY) == SHOWN
    assert printable(SHOWN) == SHOWN
    assert printable("é 七 \u202fC:\\new\u200d") == "é 七 \u202fC:\\new\u200d"
    assert printable("\udcff") == r"\udcff"
    for text in ("x" * 401, "\x00" * 10_000, "begin" + "y" * 10**6 + "end"):
        assert len(printable(text)) == 400
    assert printable("begin" + "y" * 1000 + "end").startswith("begin")
    assert printable("begin" + "y" * 1000 + "end").endswith("end")


def test_errors_news_and_tables_are_printable(capsys):
    assert str(PictureError(NASTY)) == SHOWN
    assert str(GateFailed("two\nlines", {})) == "two\nlines"
    say(NASTY)
    assert capsys.readouterr().err == f"{SHOWN}\n"
    assert len(table((NASTY, "b"), [(NASTY, "c")], markdown=False).splitlines()) == 2
    assert all(len(line) <= 400 for line in table(("a",), [("y" * 999,)], markdown=False).splitlines())


@posix
def test_a_name_of_a_file_forges_no_line(photo, tmp_path, digits_edge):
    for name in (NASTY, os.fsdecode(b"\xff")):
        shutil.copy(photo, tmp_path / f"{name}.png")
    (tmp_path / f"{NASTY}{NASTY}.png").write_bytes(b"no picture")
    done = digits_edge("predict", tmp_path)
    assert done.code == 2
    assert [line.split("\t")[0] for line in done.out.splitlines()] == [
        f"{tmp_path}/{SHOWN}.png",
        rf"{tmp_path}/\udcff.png",
    ]
    assert all(line.count("\t") == 3 for line in done.out.splitlines())
    assert len(done.err.splitlines()) == 1
    assert f"{SHOWN}{SHOWN}.png" in done.err
