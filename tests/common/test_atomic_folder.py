"""A folder is published whole, or what stood there before stands there still."""

from __future__ import annotations

import errno
import json
import os
import random
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from digits_edge.common import atomic_folder as publish
from digits_edge.common.atomic_folder import publishing
from digits_edge.runtime.bundle import find_published, set_aside
from digits_edge.runtime.errors import UsageError

KIND = {"marker": "marker.json", "kind": "test"}


def write(target, number, parts=5):
    with publishing(target, **KIND) as folder:
        (folder / "marker.json").write_text(json.dumps({"kind": "test"}))
        for part in range(parts):
            (folder / f"part{part}").write_text(str(number))


def read(target, parts=5):
    folder = find_published(target)
    numbers = {(folder / f"part{part}").read_text() for part in range(parts)}
    assert len(numbers) == 1, f"parts of several publications: {numbers}"
    return int(numbers.pop())


@pytest.fixture(params=["exchange", "two renames"])
def swapping(request, monkeypatch):
    """Both ways to swap: Linux's own, and that of other systems."""
    if request.param == "two renames":
        monkeypatch.setattr(publish, "_exchange", lambda *_: False)


def test_each_publication_takes_the_place_of_the_last(tmp_path, swapping):
    for number in range(3):
        write(tmp_path / "out", number)
        assert read(tmp_path / "out") == number
    assert sorted(p.name for p in tmp_path.iterdir() if not p.name.endswith(".lock")) == ["out"]


def test_an_error_while_writing_leaves_the_old_one(tmp_path, swapping):
    write(tmp_path / "out", 1)
    with pytest.raises(ZeroDivisionError), publishing(tmp_path / "out", **KIND) as folder:
        (folder / "part0").write_text(str(1 / 0))
    assert read(tmp_path / "out") == 1
    assert not publish.partial(tmp_path / "out").exists()


def test_a_swap_cut_short_between_its_renames_is_mended(tmp_path):
    write(tmp_path / "out", 1)
    (tmp_path / "out").rename(set_aside(tmp_path / "out"))
    assert read(tmp_path / "out") == 1  # a reader finds it aside
    with pytest.raises(ZeroDivisionError), publishing(tmp_path / "out", **KIND):
        raise ZeroDivisionError
    assert (tmp_path / "out").is_dir()  # a writer puts it back
    assert read(tmp_path / "out") == 1


def test_a_rename_that_fails_half_way_through_a_swap_leaves_the_old_one(tmp_path, monkeypatch):
    write(tmp_path / "out", 1)
    monkeypatch.setattr(publish, "_exchange", lambda *_: False)
    rename = Path.rename

    def held_open(path, to):
        if path.name.endswith(".partial"):
            raise PermissionError(13, "held open by a virus scanner", str(to))
        return rename(path, to)

    monkeypatch.setattr(Path, "rename", held_open)
    with pytest.raises(UsageError, match="cannot be written: held open"):
        write(tmp_path / "out", 2)
    assert (tmp_path / "out").is_dir()
    assert read(tmp_path / "out") == 1


@pytest.mark.skipif(os.name == "nt", reason="links need rights there")
def test_a_link_stays_a_link_and_what_it_names_is_replaced(tmp_path):
    write(tmp_path / "v1", 1)
    (tmp_path / "current").symlink_to(tmp_path / "v1")
    for number in (2, 3):
        write(tmp_path / "current", number)
        assert (tmp_path / "current").is_symlink()
        assert read(tmp_path / "v1") == read(tmp_path / "current") == number


def test_only_one_writes_at_a_time(tmp_path):
    with publishing(tmp_path / "out", **KIND) as folder:
        (folder / "marker.json").write_text(json.dumps({"kind": "test"}))
        with (
            pytest.raises(UsageError, match="another digits-edge is writing there"),
            publishing(tmp_path / "out", **KIND),
        ):
            pass
        assert folder.is_dir()


def test_a_place_that_cannot_be_written_is_one_line(tmp_path):
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(UsageError, match="found a file among its parents"),
        publishing(tmp_path / "file" / "out", **KIND),
    ):
        pass


def refuse_across_layers(monkeypatch):
    """Rename no folder called `out`, as overlayfs does where that is in a lower layer."""
    monkeypatch.setattr(publish, "_exchange", lambda *_: False)
    rename = Path.rename

    def across(path, to):
        if path.name == "out":
            raise OSError(errno.EXDEV, "Invalid cross-device link", str(path))
        return rename(path, to)

    monkeypatch.setattr(Path, "rename", across)


def no_space(*_, **__):
    raise OSError(errno.ENOSPC, "No space left on device")


def test_a_folder_that_overlayfs_does_not_rename_is_replaced_all_the_same(tmp_path, monkeypatch):
    write(tmp_path / "out", 1)
    refuse_across_layers(monkeypatch)
    write(tmp_path / "out", 2)
    assert read(tmp_path / "out") == 2
    assert sorted(p.name for p in tmp_path.iterdir() if not p.name.endswith(".lock")) == ["out"]


def test_a_killed_replacement_on_overlayfs_is_mended(tmp_path, monkeypatch):
    write(tmp_path / "out", 1)
    refuse_across_layers(monkeypatch)
    monkeypatch.setattr(publish, "_tidy", lambda *_: None)  # as after a kill
    remove = publish._remove
    monkeypatch.setattr(publish, "_remove", lambda folder: (folder / "part0").unlink())  # killed while it is removed
    with pytest.raises(UsageError, match="cannot be written"):
        write(tmp_path / "out", 2)
    assert not (tmp_path / "out/part0").exists()
    monkeypatch.undo()
    assert publish._remove is remove
    with pytest.raises(ZeroDivisionError), publishing(tmp_path / "out", **KIND):
        raise ZeroDivisionError
    assert read(tmp_path / "out") == 1


def test_a_full_disk_on_overlayfs_leaves_the_old_one(tmp_path, monkeypatch):
    write(tmp_path / "out", 1)
    refuse_across_layers(monkeypatch)
    monkeypatch.setattr(shutil, "copy2", no_space)
    with pytest.raises(UsageError, match="cannot be written"):
        write(tmp_path / "out", 2)
    assert read(tmp_path / "out") == 1
    assert sorted(p.name for p in tmp_path.iterdir() if not p.name.endswith(".lock")) == ["out"]


def test_a_full_disk_while_writing_is_one_line_and_leaves_the_old_one(tmp_path):
    write(tmp_path / "out", 1)
    said = rf"{tmp_path / 'out'}: cannot be written: No space left on device"
    with pytest.raises(UsageError, match=said), publishing(tmp_path / "out", **KIND):
        no_space()
    assert read(tmp_path / "out") == 1
    assert not publish.partial(tmp_path / "out").exists()


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="root may write everywhere")
def test_a_read_only_folder_is_replaced_and_one_in_a_read_only_folder_is_refused_before_the_work(tmp_path):
    for number in (1, 2, 3):
        write(tmp_path / "out", number)
        assert read(tmp_path / "out") == number
        for path in (*(tmp_path / "out").iterdir(), tmp_path / "out"):
            path.chmod(0o555)
    assert sorted(p.name for p in tmp_path.iterdir() if not p.name.endswith(".lock")) == ["out"]
    tmp_path.chmod(0o555)
    try:
        with pytest.raises(UsageError, match="out: cannot be written: Permission denied"):
            publish.check_ours(tmp_path / "out", **KIND)
    finally:
        tmp_path.chmod(0o755)


def test_a_place_that_is_free_is_tried_before_the_work_and_left_as_it_was(tmp_path, monkeypatch):
    publish.check_ours(tmp_path / "new/out", **KIND)
    assert list(tmp_path.iterdir()) == []

    def denied(*_, **__):
        raise PermissionError(errno.EACCES, "Permission denied", str(tmp_path))

    monkeypatch.setattr(publish, "try_to_write", denied)
    with pytest.raises(UsageError, match="out: cannot be written: Permission denied"):
        publish.check_ours(tmp_path / "new/out", **KIND)


@pytest.mark.skipif(os.name == "nt", reason="links need rights there")
def test_links_planted_beside_a_folder_are_not_followed(tmp_path):
    (tmp_path / "precious").mkdir()
    (tmp_path / "precious/marker.json").write_text("precious")
    places = [publish.partial(tmp_path / "out"), set_aside(tmp_path / "out")]
    for place in places:
        place.symlink_to(tmp_path / "precious")
    write(tmp_path / "out", 1)
    assert read(tmp_path / "out") == 1
    assert not (tmp_path / "out").is_symlink()
    assert [path.name for path in (tmp_path / "precious").iterdir()] == ["marker.json"]
    assert not any(place.is_symlink() for place in places)
    publish._lock(tmp_path / "other").symlink_to(tmp_path / "precious/marker.json")
    with pytest.raises(UsageError, match="other: cannot be written"):
        write(tmp_path / "other", 1)
    assert (tmp_path / "precious/marker.json").read_text() == "precious"
    assert not publish.is_being_written(tmp_path / "other")


KILLED = """
import sys
from pathlib import Path
from test_atomic_folder import write
for number in range(2, 10**9):
    write(Path(sys.argv[1]), number)
    print(number, flush=True)
"""


@pytest.mark.skipif(os.name == "nt", reason="kill -9 is POSIX")
@pytest.mark.parametrize("kills", [10, pytest.param(50, marks=pytest.mark.soak)])
def test_kill_9_at_any_moment_leaves_a_whole_publication(tmp_path, kills):
    target, rng = tmp_path / "out", random.Random(0)
    write(target, 1)
    last = 1
    for _ in range(kills):
        env = {**os.environ, "PYTHONPATH": str(Path(__file__).parent)}
        writer = subprocess.Popen([sys.executable, "-c", KILLED, target], stdout=subprocess.PIPE, text=True, env=env)
        assert writer.stdout is not None
        last = max(last, int(writer.stdout.readline()))
        time.sleep(rng.random() / 50)  # the moment of the kill; any is right
        writer.kill()
        writer.communicate()
        assert read(target) >= 1
    write(target, 0)
    assert read(target) == 0
    assert sorted(p.name for p in tmp_path.iterdir() if not p.name.endswith(".lock")) == ["out"]
