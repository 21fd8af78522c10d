"""A file is replaced whole, or what stood there before stands there still."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from digits_edge.runtime import atomic_file
from digits_edge.runtime.atomic_file import replacing
from digits_edge.runtime.errors import UsageError

MODEL = Path(__file__).parents[2] / "artifacts/compact/model.int8.onnx"

posix = pytest.mark.skipif(os.name == "nt", reason="POSIX's files")


@pytest.fixture
def target(tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out/file").write_text("earlier")
    return tmp_path / "out/file"


def beside(target):
    return sorted(path.name for path in target.parent.iterdir() if path != target)


@contextmanager
def full_disk(room):
    """Let no file of this process grow beyond so many bytes, as a full disk would."""
    import resource

    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (room, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_many_writers_of_one_file_each_replace_it_whole(target):
    def write(number):
        with replacing(target, text=True) as file:
            for _ in range(100):
                file.write(f"{number}\n")
                file.flush()
        whole = target.read_text().splitlines()
        assert len(whole) == 100
        assert len(set(whole)) == 1

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(write, range(100)))
    assert beside(target) == []


@pytest.mark.parametrize("error", [ZeroDivisionError, KeyboardInterrupt])
def test_an_error_leaves_the_old_file_and_nothing_else(target, error):
    def write():
        with replacing(target) as file:
            file.write(b"half")
            raise error

    with pytest.raises(error):
        write()
    assert target.read_text() == "earlier"
    assert beside(target) == []


@posix
def test_a_full_disk_leaves_the_old_file_and_is_one_line(target):
    with full_disk(1000), pytest.raises(UsageError) as caught, replacing(target) as file:
        file.write(bytes(5000))
    assert str(caught.value) == f"{target}: cannot be written: File too large"
    assert target.read_text() == "earlier"
    assert beside(target) == []


@posix
def test_an_existing_picture_survives_a_full_disk(target, digits_edge, tmp_path):
    picture, drawn = tmp_path / "photo.png", target.with_suffix(".png")
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (64, 64), np.uint8)).save(picture)
    target.rename(drawn)
    for words in (
        ("predict", picture, "--explain", drawn),
        ("evaluate", MODEL, "--data", "sample", "--mistakes", drawn),
    ):
        with full_disk(2000):
            done = digits_edge(*words)
        assert done.code == 2
        assert done.err.splitlines()[-1] == f"digits-edge: {drawn}: cannot be written: File too large"
        assert drawn.read_text() == "earlier"
        assert beside(drawn) == []


@posix
def test_a_link_planted_under_the_name_of_the_new_file_is_not_followed(target, monkeypatch, tmp_path):
    (tmp_path / "precious").write_text("precious")
    monkeypatch.setattr(os, "urandom", bytes)  # so that the name is known
    target.with_name(".file.00000000.partial").symlink_to(tmp_path / "precious")
    monkeypatch.setattr(atomic_file, "remove_leftovers", lambda _: None)  # it is put there after this
    with pytest.raises(UsageError, match="cannot be written: File exists"), replacing(target) as file:
        file.write(b"new")
    assert (tmp_path / "precious").read_text() == "precious"
    assert target.read_text() == "earlier"


KILLED = """
import sys
from pathlib import Path
from digits_edge.runtime.atomic_file import replacing
with replacing(Path(sys.argv[1])) as file:
    file.write(b"half")
    file.flush()
    print("writing", flush=True)
    sys.stdin.read()
"""


@posix
def test_what_a_killed_writer_left_is_removed_by_the_next_but_not_that_of_a_living_one(target):
    with subprocess.Popen([sys.executable, "-c", KILLED, target], stdin=-1, stdout=-1) as writer:
        assert writer.stdout is not None
        assert writer.stdout.readline() == b"writing\n"
        left = beside(target)
        with replacing(target) as file:
            file.write(b"first")
        assert beside(target) == left
        writer.send_signal(signal.SIGKILL)
    assert beside(target) == left
    with replacing(target) as file:
        file.write(b"second")
    assert target.read_text() == "second"
    assert beside(target) == []


@posix
def test_a_file_keeps_its_mode_and_a_link_what_it_names(target):
    target.chmod(0o640)
    link = target.with_name("link")
    link.symlink_to(target)
    with replacing(link) as file:
        file.write(b"new")
    assert link.is_symlink()
    assert target.read_text() == "new"
    assert target.stat().st_mode & 0o777 == 0o640
    umask = os.umask(0o027)
    try:
        with replacing(target.with_name("another")):
            pass
    finally:
        os.umask(umask)
    assert target.with_name("another").stat().st_mode & 0o777 == 0o640


@posix
def test_what_is_no_file_is_not_replaced(target, tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "null").symlink_to("/dev/null")
    (tmp_path / "loop").symlink_to("loop")
    for name, expected in {
        "pipe": "found a folder, a device or a pipe",
        "null": "found a folder, a device or a pipe",
        "out": "found a folder, a device or a pipe",
        "none/file": "expected a file in an existing folder",
        "out/file/file": "cannot be written: Not a directory",
        "loop": "cannot be written: Too many levels of symbolic links",
    }.items():
        with pytest.raises(UsageError, match=expected), replacing(tmp_path / name):
            pass
    assert not Path("/dev/null").is_file()
    assert beside(tmp_path / "out") == ["loop", "null", "pipe"]
