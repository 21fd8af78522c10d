"""What takes too long for every day (`make soak`)."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from PIL import Image

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


FUZZ = """
import random, re, sys, time
from pathlib import Path
from digits_edge.runtime import Classifier, DigitsEdgeError
from mutations import mutated

seeds, state, kind = range(*map(int, sys.argv[1:3])), Path(sys.argv[3]), sys.argv[4]
whole = [Path(name).read_bytes() for name in sys.argv[5:]]
names = re.compile(rb"Conv|Relu|Linear|Reshape|Gemm|Softmax|MaxPool|Squeeze|digits_edge|kernel|strides|axis|pads|image")
ready = Classifier.load()


def near_a_name(data, chance):
    place = chance.choice([match.start() for match in names.finditer(data)])
    start, end = max(0, place - 40), place + 60
    return data[:start] + mutated(data[start:end], chance) + data[end:]


answered = 0
for seed in seeds:
    state.write_text(str(seed))
    chance, started = random.Random(seed), time.monotonic()
    data = chance.choice(whole)
    try:
        if kind == "models":
            data = near_a_name(data, chance) if chance.random() < 0.6 else mutated(data, chance)
            Classifier(data).self_test()
        else:
            ready.predict(mutated(data, chance))
        answered += 1
    except DigitsEdgeError as error:
        assert "\\n" not in str(error), f"seed {seed}: {error}"
    assert time.monotonic() - started < 60, f"seed {seed} took too long"
print(answered)
"""
MUTATIONS, PIECES = 4000, 4
FUZZED = ("micro/model.int8.onnx", "compact/model.int8.onnx", "compact/model.onnx")
KINDS = ("png", "jpg", "webp", "tif", "gif", "bmp", "ppm")


def fuzz(tmp_path, kind, paths):
    """Mutations in processes of their own: if one crashes, its seed is told. How many still gave an answer."""
    answered = 0
    for piece in range(PIECES):
        words = [piece * MUTATIONS // PIECES, (piece + 1) * MUTATIONS // PIECES, tmp_path / "seed", kind, *paths]
        command = [sys.executable, "-W", "ignore::UserWarning", "-c", FUZZ, *map(str, words)]
        env = {**os.environ, "PYTHONPATH": str(Path(__file__).parent)}
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=3600, env=env)
        told = f"exit code {done.returncode} at seed {(tmp_path / 'seed').read_text()}: {done.stderr}"
        assert (done.returncode, done.stderr) == (0, ""), told
        answered += int(done.stdout)
    return answered


def test_thousands_of_mutated_models_give_only_our_errors(tmp_path):
    artifacts = Path(__file__).parents[1] / "artifacts"
    answered = fuzz(tmp_path, "models", [artifacts / name for name in FUZZED])
    assert 0 < answered < MUTATIONS


def test_thousands_of_mutated_pictures_give_only_our_errors(digits, tmp_path):
    paths = [tmp_path / f"picture.{kind}" for kind in KINDS]
    picture = Image.fromarray(255 - digits.pixels[0]).resize((60, 50)).convert("RGB")
    for path in paths:
        picture.save(path)
    answered = fuzz(tmp_path, "pictures", paths)
    assert 0 < answered < MUTATIONS
