"""Backends and devices: the same training on TensorFlow and JAX, on one device and on two, never silently elsewhere."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

from digits_edge.common import keras_backend as backend
from digits_edge.common.keras_backend import on_device


def train_elsewhere(*words: object, **env: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "digits_edge.cli", "train", *map(str, words)]
    return subprocess.run(command, env={**os.environ, **env}, capture_output=True, text=True, check=False)


def curve(folder: Path) -> np.ndarray:
    return np.loadtxt(folder / "batches.csv", delimiter=",", skiprows=1)[:, 2]


def test_two_virtual_devices_give_the_loss_curve_of_one(tmp_path, digits_npz):
    """On the JAX backend, with augmentation, moving averages, and a last batch that no two devices can share."""
    inputs = keras.Input((28, 28, 1))
    x = keras.layers.BatchNormalization(momentum=0.8)(keras.layers.Conv2D(4, 3, strides=2)(inputs))
    x = keras.layers.Dense(10)(keras.layers.Flatten()(keras.layers.ReLU()(x)))
    keras.Model(inputs, x).save(tmp_path / "start.keras")
    recipe = ("--init", tmp_path / "start.keras", "--recipe", "fast", "--epochs", 2, "--batch-size", 230)
    words = ("--data", digits_npz, *recipe, "--json")
    # JAX spends most of the time on compiling, and less without optimizations
    flags = "--xla_backend_optimization_level=0 --xla_force_host_platform_device_count="
    runs = {}
    for count, more in ((1, ()), (2, ("--distribute",))):
        out = tmp_path / str(count)
        done = train_elsewhere(*words, *more, "--out", out, KERAS_BACKEND="jax", XLA_FLAGS=f"{flags}{count}")
        assert done.returncode == 0, done.stderr
        runs[count] = json.loads(done.stdout)
    assert (runs[1]["backend"], runs[1]["device"], runs[2]["device"]) == ("jax", "cpu:0", "2 x cpu")
    np.testing.assert_allclose(curve(tmp_path / "1"), curve(tmp_path / "2"), rtol=2e-3)
    assert curve(tmp_path / "1")[-1] < curve(tmp_path / "1")[0] - 0.5


def test_jax_and_tensorflow_learn_alike(tmp_path, digits_npz):
    """Without augmentation and from the same weights they see the same batches, so that their losses agree."""
    start = tmp_path / "start.keras"
    inputs = keras.Input((28, 28, 1))
    keras.Model(inputs, keras.layers.Dense(10)(keras.layers.Flatten()(inputs))).save(start)
    words = ["--data", digits_npz, "--init", start, "--recipe", "fast", "--epochs", 2, "--set", "augmentation.shift=0"]
    for name in ("tensorflow", "jax"):
        done = train_elsewhere(*words, "--out", tmp_path / name, KERAS_BACKEND=name)
        assert done.returncode == 0, done.stderr
    np.testing.assert_allclose(curve(tmp_path / "jax"), curve(tmp_path / "tensorflow"), rtol=1e-3)


def test_a_device_that_is_not_there_is_refused(tmp_path, digits_npz, digits_edge):
    done = digits_edge("train", "--data", digits_npz, "--out", tmp_path / "run", "--device", "gpu")
    assert done.code == 2
    assert "--device gpu: expected such a device, Keras's tensorflow backend sees none" in done.err
    done = digits_edge("train", "--data", digits_npz, "--out", tmp_path / "run", "--distribute")
    assert done.code == 2
    assert "--distribute: expected Keras's jax backend (KERAS_BACKEND=jax), received tensorflow" in done.err
    assert not (tmp_path / "run").exists()


def test_a_gpu_that_keras_does_not_see_is_told(monkeypatch, capsys):
    monkeypatch.setattr(backend, "NVIDIA", Path(os.devnull))  # there is a file
    with on_device("auto", distribute=False, batch_size=1) as device:
        assert device == "cpu:0"
    assert "this machine has an NVIDIA GPU that Keras's tensorflow backend does not see" in capsys.readouterr().err
    with on_device("cpu", distribute=False, batch_size=1):
        pass
    assert capsys.readouterr().err == ""


def test_mixed_precision_trains_in_bfloat16_and_saves_float32(tmp_path, digits_npz, digits_edge):
    words = ("--recipe", "fast", "--epochs", 1, "--set", "precision=mixed_bfloat16", "--json")
    done = digits_edge("train", "--data", digits_npz, "--out", tmp_path / "run", *words)
    assert done.code == 0, done.err
    assert "in mixed_bfloat16" in done.err
    assert json.loads(done.out)["precision"] == "mixed_bfloat16"
    model = keras.models.load_model(tmp_path / "run" / "model.keras")
    assert {layer.compute_dtype for layer in model.layers} == {"float32"}
    assert keras.config.dtype_policy().name == "float32"


def test_a_backend_that_is_not_there_is_one_line(tmp_path, digits_npz):
    done = train_elsewhere("--data", digits_npz, "--out", tmp_path / "run", KERAS_BACKEND="tensorflwo")
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].startswith("digits-edge: KERAS_BACKEND=tensorflwo: Keras cannot use it")
    assert not (tmp_path / "run").exists()


def test_a_backend_that_cannot_train_is_one_line(tmp_path, digits_npz):
    done = train_elsewhere("--data", digits_npz, "--out", tmp_path / "run", KERAS_BACKEND="numpy")
    assert done.returncode == 2
    expected = "digits-edge: KERAS_BACKEND: expected tensorflow or jax or torch, received numpy"
    assert done.stderr.splitlines()[-1] == expected


@pytest.mark.parametrize("softmax", ["activation", "layer", "after"])
def test_any_keras_model_can_be_the_start(tmp_path, digits_npz, digits_edge, softmax):
    """One that ends in a softmax, as most do, goes on from where it was, so that its first losses are low."""
    inputs = keras.Input((28, 28, 1))
    x = keras.layers.Dense(64, activation="relu")(keras.layers.Flatten()(inputs))
    x = keras.layers.Dense(10, activation="softmax" if softmax == "activation" else None)(x)
    after = {"layer": keras.layers.Softmax(), "after": keras.layers.Activation("softmax")}
    model = keras.Model(inputs, after[softmax](x) if softmax in after else x)
    with np.load(digits_npz) as data:
        pictures, targets = data["x"][..., None] / 255, data["y"]
    model.compile("adam", "sparse_categorical_crossentropy")
    model.fit(pictures, targets, epochs=5, verbose=0)
    model.save(tmp_path / "mine.keras")
    words = ("--init", tmp_path / "mine.keras", "--recipe", "fast", "--epochs", 1, "--set", "learning_rate=0.0001")
    done = digits_edge("train", "--data", digits_npz, "--out", tmp_path / "run", *words, "--json")
    assert done.code == 0, done.err
    info = json.loads(done.out)
    assert info["init"] == "mine.keras"
    assert info["parameters"] == model.count_params()
    assert curve(tmp_path / "run")[0] < 1.2  # an untrained one begins at 2.3
    assert info["metrics"]["temperature"] != 1  # it is calibrated like any other
    more = ("--init", tmp_path / "run", "--recipe", "fast", "--epochs", 1)
    again = digits_edge("train", "--data", digits_npz, *more, "--out", tmp_path / "b")
    assert again.code == 0, again.err


def test_a_start_that_does_not_fit_is_one_line(tmp_path, digits_npz, digits_edge):
    keras.Sequential([keras.Input((20, 20, 1)), keras.layers.Flatten(), keras.layers.Dense(10)]).save(
        tmp_path / "small.keras"
    )
    (tmp_path / "noise.keras").write_bytes(b"noise")
    inputs = keras.Input((28, 28, 1))
    logits = keras.layers.Dense(10)(keras.layers.Flatten()(inputs))
    keras.Model(inputs, logits * 2).save(tmp_path / "scaled.keras")
    keras.Model(inputs, keras.layers.Activation("sigmoid")(logits)).save(tmp_path / "sigmoid.keras")
    frozen = keras.Model(inputs, logits)
    frozen.trainable = False
    frozen.save(tmp_path / "frozen.keras")
    for name, expected in (
        ("scaled.keras", "expected a model that ends in a dense layer, with or without a softmax, received one that"),
        ("sigmoid.keras", "expected logits, or probabilities that add up to 1, received numbers from 0 to 1"),
        ("frozen.keras", "expected a model with trainable weights, received a frozen one"),
        ("small.keras", "expected input and output ((None, 28, 28, 1), (None, 10)), received ((None, 20, 20, 1)"),
        ("noise.keras", "not readable as a Keras model"),
        ("none.keras", "--init: expected a .keras file or a run, found nothing at"),
    ):
        done = digits_edge("train", "--data", digits_npz, "--init", tmp_path / name, "--out", tmp_path / "run")
        assert done.code == 2
        assert expected in done.err.splitlines()[-1]
        assert not (tmp_path / "run").exists()
