"""What takes too long for every day (`make soak`)."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import time

import pytest

from digits_edge.runtime import Classifier
from digits_edge.runtime.bundle import Bundle

pytestmark = pytest.mark.soak

KILLS = 12
LONGEST = 25  # seconds; an export of this run takes about 20 on two cores


@pytest.mark.skipif(os.name == "nt", reason="kill -9 is POSIX")
def test_kill_9_at_random_moments_of_whole_exports_leaves_the_old_bundle_whole(trained, exported, tmp_path):
    out, moments = tmp_path / "device", random.Random(0)
    shutil.copytree(exported.path, out)
    lenient = ("--max-drop", "0.02", "--max-error-ratio", "3", "--min-agreement", "0.95", "--max-drift", "0.05")
    command = [sys.executable, "-m", "digits_edge.cli", "export", trained.path, "--int8", "--out", out, *lenient]
    for _ in range(KILLS):
        export = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
        time.sleep(moments.uniform(0, LONGEST))  # the moment of the kill; any is right
        os.killpg(export.pid, signal.SIGKILL)
        export.wait()
        bundle = Bundle.open(out)
        bundle.verify()
        assert Classifier.load(bundle.path).self_test().passed
    subprocess.run(command, check=True, capture_output=True)
    Bundle.open(out).verify()
    assert sorted(path.name for path in tmp_path.iterdir() if not path.name.endswith(".lock")) == ["device"]
