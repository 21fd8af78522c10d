"""Progress goes to stderr and never mixes with results on stdout."""

from __future__ import annotations

import os
import sys

import pytest

from digits_edge.common.progress import long_progress, picture_progress, progress

SHOW = """
from digits_edge.common.progress import picture_progress, progress
with picture_progress("classifying", prints=True) as seen:
    print("one")
    seen(1, 0.5)
    print("two")
with progress("measuring", 2) as step:
    step()
    print("three")
"""


def test_without_a_terminal_one_line_says_what_goes_on(capfd):
    with progress("measuring", 1200) as step:
        step()
    with picture_progress("classifying", prints=True) as seen:
        seen(3, None)
    captured = capfd.readouterr()
    assert (captured.out, captured.err) == ("", "measuring (1,200)\n")


@pytest.mark.skipif(sys.platform == "win32", reason="a pseudo-terminal is POSIX")
def test_on_a_terminal_the_bar_is_on_stderr_alone(tmp_path):
    import pty
    import subprocess

    ours, theirs = pty.openpty()
    with subprocess.Popen([sys.executable, "-c", SHOW], stdout=subprocess.PIPE, stderr=theirs, text=True) as child:
        os.close(theirs)
        shown = b""
        while True:
            try:
                part = os.read(ours, 4096)
            except OSError:  # the child has closed its end
                break
            if not part:
                break
            shown += part
        out = child.stdout.read() if child.stdout else ""
    os.close(ours)
    assert child.returncode == 0
    assert out == "one\ntwo\nthree\n"
    assert b"classifying" in shown
    assert b"1 pictures" in shown
    assert b"measuring" in shown


def test_long_work_says_now_and_then_how_much_is_left(monkeypatch, capsys):
    now = iter(range(0, 10_000, 20))
    monkeypatch.setattr("digits_edge.common.progress.monotonic", lambda: next(now))
    with long_progress("remedies", 20) as step:
        for _ in range(5):
            step()
    assert capsys.readouterr().err.splitlines() == [
        "remedies: 2 of 20 steps, about 6 min left",
        "remedies: 4 of 20 steps, about 5 min left",
    ]
