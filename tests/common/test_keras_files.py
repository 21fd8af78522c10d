"""Keras models are loaded from every form that Keras can load, and what is wrong with others is one line."""

from __future__ import annotations

import json
import zipfile

import h5py
import keras
import numpy as np
import pytest
from keras import layers

from digits_edge.common.keras_files import is_keras_model
from digits_edge.common.keras_models import load_model

LAYERS = """
import keras
class Twice(keras.layers.Layer):
    def call(self, x):
        return x * 2.0
"""


@pytest.fixture(scope="module")
def model():
    keras.utils.set_random_seed(0)
    parts = [layers.DepthwiseConv2D(3), layers.BatchNormalization(), layers.Flatten(), layers.Dense(3)]
    return keras.Sequential([keras.Input((6, 5, 1)), *parts])


def same(one, other):
    pixels = np.random.default_rng(0).random((4, 6, 5, 1), np.float32)
    return np.allclose(one(pixels), other(pixels), atol=1e-6)


@pytest.mark.parametrize(
    ("saved", "name"),
    [
        ("model.keras", "MODEL.KERAS"),
        ("model.h5", "model.h5"),
        ("model.h5", "MODEL.HDF5"),
        ("model.h5", "model.keras"),
        ("model.keras", "model.h5"),
    ],
)
def test_a_form_is_told_by_content(model, saved, name, tmp_path):
    model.save(tmp_path / saved)
    (tmp_path / saved).rename(tmp_path / name)
    assert is_keras_model(tmp_path / name)
    assert same(load_model(tmp_path / name), model)


def test_a_saved_model_is_loaded(model, tmp_path):
    model.export(tmp_path / "folder", verbose=False)
    assert is_keras_model(tmp_path / "folder")
    assert same(load_model(tmp_path / "folder"), model)


def like_keras_2(config):
    """What Keras 2 wrote otherwise."""
    for layer in config["config"]["layers"]:
        inner = layer["config"]
        if layer["class_name"] == "DepthwiseConv2D":
            inner["groups"] = 1
            inner["batch_input_shape"] = [None, 6, 5, 1]
        if layer["class_name"] == "BatchNormalization":
            inner["axis"] = [3]
    return config


def test_files_of_keras_2_are_loaded(model, tmp_path):
    model.save(tmp_path / "new.keras")
    with zipfile.ZipFile(tmp_path / "new.keras") as new, zipfile.ZipFile(tmp_path / "old.keras", "w") as old:
        for name in new.namelist():
            content = new.read(name)
            old.writestr(name, json.dumps(like_keras_2(json.loads(content))) if name == "config.json" else content)
    assert same(load_model(tmp_path / "old.keras"), model)
    model.save(tmp_path / "old.h5")
    with h5py.File(tmp_path / "old.h5", "r+") as file:
        file.attrs["model_config"] = json.dumps(like_keras_2(json.loads(file.attrs["model_config"])))
    assert same(load_model(tmp_path / "old.h5"), model)


def truncated(model, folder, name):
    model.save(folder / name)
    (folder / name).write_bytes((folder / name).read_bytes()[:3000])
    return folder / name


def weights(model, folder):
    model.save_weights(folder / "model.weights.h5")
    return folder / "model.weights.h5"


def written(folder, content):
    (folder / "model.keras").write_bytes(content)
    return folder / "model.keras"


def archive(folder):
    with zipfile.ZipFile(folder / "model.keras", "w") as file:
        file.writestr("data.pkl", b"")
    return folder / "model.keras"


UNREADABLE = {
    "truncated or damaged: 3,000 bytes": lambda model, folder: truncated(model, folder, "model.keras"),
    "the file is truncated: ": lambda model, folder: truncated(model, folder, "model.h5"),
    "the file is truncated: 0 bytes": lambda _, folder: written(folder, b""),
    "received other content, which begins with b'": lambda _, folder: written(folder, b"\x80\x04pickled"),
    r"received a zip with \['data.pkl'\]": lambda _, folder: archive(folder),
    "received an HDF5 file without one, as save_weights": weights,
    "No such file": lambda _, folder: folder / "none.keras",
    "expected the folder of a SavedModel": lambda _, folder: folder,
}


@pytest.mark.parametrize(("expected", "make"), UNREADABLE.items())
def test_what_is_wrong_with_a_file_is_one_line(model, expected, make, tmp_path):
    with pytest.raises(ValueError, match=expected) as raised:
        load_model(make(model, tmp_path))
    assert len(str(raised.value).splitlines()) == 1


@pytest.mark.parametrize("name", ["model.keras", "model.h5"])
def test_a_layer_of_the_authors_own_is_named_and_taken_from_the_module_that_the_user_names(name, tmp_path, monkeypatch):
    class Twice(layers.Layer):  # type: ignore[misc]
        def call(self, x):
            return x * 2.0

    model = keras.Sequential([keras.Input((6, 5, 1)), Twice(), layers.Flatten(), layers.Dense(3)])
    model.save(tmp_path / name)
    with pytest.raises(ValueError, match=r"Twice is not of Keras but the author's own: .* --custom MODULE"):
        load_model(tmp_path / name)
    (tmp_path / "own_layers.py").write_text(LAYERS)
    assert same(load_model(tmp_path / name, str(tmp_path / "own_layers.py")), model)
    monkeypatch.chdir(tmp_path)
    assert same(load_model(tmp_path / name, "own_layers"), model)
    with pytest.raises(ValueError, match="--custom other_layers: it cannot be imported: No module named"):
        load_model(tmp_path / name, "other_layers")


@pytest.mark.parametrize("name", ["model.keras", "model.h5"])
def test_a_lambda_in_a_file_is_not_run(name, tmp_path):
    keras.Sequential([keras.Input((6, 5, 1)), layers.Lambda(lambda x: x * 2), layers.Flatten()]).save(tmp_path / name)
    with pytest.raises(ValueError, match="it has a Python lambda, and no code is run that a model file brings"):
        load_model(tmp_path / name)
