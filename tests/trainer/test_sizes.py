"""Pictures of other sizes, in colour, and stored in other ways are trained on, exported and read."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pytest
from PIL import Image

from digits_edge.common.model_cost import cost
from digits_edge.export import export
from digits_edge.export.engines.model_files import open_models
from digits_edge.export.formats import TRANSLATIONS, Format
from digits_edge.export.options import ExportOptions
from digits_edge.export.verify.evaluate import read_validation
from digits_edge.runtime import Classifier
from digits_edge.runtime.errors import DatasetError, UsageError
from digits_edge.trainer import RECIPES, Run, TrainOptions, train
from digits_edge.trainer.datasets.corrections import AS_STORED, Corrections
from digits_edge.trainer.datasets.read import read_dataset
from digits_edge.trainer.fitting import fit as fitting
from digits_edge.trainer.fitting.architectures import build
from digits_edge.trainer.fitting.augmentation import augment
from digits_edge.trainer.recipes import Augmentation

QUICK = replace(RECIPES["micro"], epochs=5, batch_size=45, augmentation=Augmentation(shift=1))
COLOURS = {"red": (220, 40, 30), "green": (30, 190, 60), "blue": (40, 60, 210)}


def blots(colour: str, count: int, seed: int, size: tuple[int, int] = (16, 20)) -> np.ndarray:
    """Noisy pictures uint8[count, H, W, 3] with a blot of one colour that differs from grey only by it."""
    random = np.random.default_rng(seed)
    pictures = random.integers(0, 90, (count, *size, 3), dtype=np.uint8)
    for picture in pictures:
        top, left = random.integers(0, 6, 2)
        picture[top : top + 8, left : left + 8] = COLOURS[colour]
    return pictures


@pytest.fixture(scope="module")
def coloured(tmp_path_factory):
    """A run and a bundle, with C and page, of pictures 16 x 20 in colour."""
    folder = tmp_path_factory.mktemp("coloured")
    pixels = np.concatenate([blots(colour, 150, i) for i, colour in enumerate(COLOURS)])
    np.savez(folder / "blots.npz", x=pixels, y=np.repeat(list(COLOURS), 150))
    run = train(TrainOptions(str(folder / "blots.npz"), QUICK, folder / "run", preprocess=None))
    return export(ExportOptions(run, folder / "run" / "bundle", formats=(Format.ONNX, *TRANSLATIONS), timed=False))


def test_a_colour_model_goes_all_the_way(coloured, digits_edge, tmp_path):
    assert coloured.manifest["input"]["shape"] == [16, 20, 3]
    assert coloured.manifest["preprocess"] == "resize"
    assert coloured.manifest["provenance"]["run"]["dataset"]["corrections"] == vars(AS_STORED)
    models = {"model.int8.onnx", "model.onnx", "model.int8.tflite", "model.tflite", "c/run.c", "web/index.html"}
    assert {file for file, found in coloured.manifest["metrics"].items() if found["accuracy"] > 0.9} == {
        "keras"
    } | models
    for colour in COLOURS:
        Image.fromarray(blots(colour, 1, 99, (32, 40))[0]).save(tmp_path / f"{colour}.png")
    read = Classifier.load(coloured.folder)
    assert [read.predict(tmp_path / f"{colour}.png").label for colour in COLOURS] == list(COLOURS)
    done = digits_edge("predict", tmp_path / "green.png", "--bundle", coloured.folder)
    assert "green" in done.out


def test_evaluate_judges_a_colour_model_by_its_validation_pictures(coloured, digits_edge):
    done = digits_edge("evaluate", coloured.folder, "--data", Path(coloured.folder).parents[1] / "blots.npz", "--json")
    assert done.code == 0, done.err
    assert "the 90 validation pictures of blots.npz" in done.err
    assert all(model["accuracy"] > 0.9 for model in json.loads(done.out)["models"])


def test_evaluate_corrects_the_training_data_as_train_did(coloured, tmp_path, capsys):
    pixels, targets = Run.open(Path(coloured.folder).parent).validation()
    labels = np.array(coloured.manifest["labels"])
    np.savez(tmp_path / "odd.npz", x=255 - pixels.swapaxes(1, 2), y=labels[targets])
    record = {"name": "odd.npz", "corrections": vars(Corrections(transpose=True, invert=True))}
    models = replace(open_models(Path(coloured.folder)), trained={"dataset": record})
    np.testing.assert_array_equal(read_validation(models, str(tmp_path / "odd.npz")).pixels, pixels)
    assert "its pixels are corrected as those of the training data were" in capsys.readouterr().err
    (tmp_path / "odd.npz").rename(tmp_path / "other.npz")
    with pytest.raises(DatasetError, match="expected pictures of 16 x 20 x 3, found 20 x 16 x 3"):
        read_validation(models, str(tmp_path / "other.npz"))


@pytest.mark.parametrize("shape", [(8, 8), (8, 128), (128, 8, 3), (27, 55), (32, 32, 3), (64, 64), (128, 128, 3)])
@pytest.mark.parametrize("name", ["micro", "compact", "fast"])
def test_networks_are_built_for_every_size(name, shape):
    network = build(name, shape, 5, steps=10)
    assert network.input_shape == (None, *shape[:2], *(shape[2:] or (1,)))
    pooled = next(layer for layer in network.layers if isinstance(layer, keras.layers.GlobalAveragePooling2D))
    assert all(1 <= side <= 14 for side in pooled.input.shape[1:3])
    assert cost(network).macs < 12_000_000


def test_colours_are_augmented_as_three_grey_pictures_are(digits):
    grey = digits.pixels[:20, ..., None] / np.float32(255)
    everything = replace(RECIPES["compact"].augmentation, noise=0.0)

    def changed(pictures):
        made = augment(pictures, everything, keras.random.SeedGenerator(3))
        return keras.ops.convert_to_numpy(made)

    colour = changed(np.repeat(grey, 3, axis=3))
    for channel in range(3):
        np.testing.assert_allclose(colour[..., channel], changed(grey)[..., 0], atol=1e-6)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("--size", "7x28"), "expected pictures of 8 to 128 pixels a side, grey or RGB, received 7 x 28"),
        (("--size", "32x32x4"), "expected HEIGHTxWIDTH or HEIGHTxWIDTHx3, such as 32x32x3, received '32x32x4'"),
        (
            ("--size", "32x32x3", "--preprocess", "digit"),
            "expected grey pictures for --preprocess digit",
        ),
        (("--scale", "0"), "--scale: expected the value of white, 1 to 255, received 0"),
    ],
)
def test_sizes_that_cannot_be_are_one_line(tmp_path, refused, words, expected):
    assert expected in refused("train", "--out", tmp_path / "run", *words)


def test_data_of_a_size_that_cannot_be_name_the_option(tmp_path, refused):
    np.savez(tmp_path / "large.npz", x=np.zeros((20, 130, 8), np.uint8), y=np.arange(20) % 2)
    said = refused("train", "--data", tmp_path / "large.npz", "--out", tmp_path / "run")
    assert "received 130 x 8; --size 32x32 or --size 32x32x3 resizes them" in said


def test_outliers_are_for_digits_alone_and_chance_is_warned_of(tmp_path, digits_npz, digits_edge, monkeypatch):
    untrained = np.zeros((11, 2), np.float32)  # of eleven batches
    monkeypatch.setattr(fitting, "training_steps", lambda *_: lambda *_: iter([untrained]))
    words = ("--set", "epochs=1", "--set", "outliers=0.1", "--recipe", "fast")
    small = digits_edge("train", "--data", digits_npz, "--size", "20x20", "--out", tmp_path / "small", *words)
    assert small.code == 0, small.err
    assert "no outliers are trained on" in small.err
    assert "warning: after the first epoch accuracy is" in small.err
    run = Run.open(tmp_path / "small")
    assert run.validation()[0].shape[1:] == (20, 20)
    assert run.info.preprocess == "digit"
    assert run.info.dataset.corrections.resize


def test_pixels_are_corrected_and_the_run_says_so(tmp_path, digits):
    stored = 255 - digits.pixels.swapaxes(1, 2)
    np.savez(tmp_path / "odd.npz", x=stored, y=digits.targets)
    mended = read_dataset(str(tmp_path / "odd.npz"), corrections=Corrections(transpose=True, invert=True))
    np.testing.assert_array_equal(mended.pixels, digits.pixels)
    assert mended.preprocess == "digit"
    np.testing.assert_array_equal(Corrections(white=2).apply(np.array([[[0, 1, 2]]], np.uint8)), [[[0, 128, 255]]])
    with pytest.raises(UsageError, match="--scale 1: expected pixels from 0 to 1, found some of 255"):
        Corrections(white=1).apply(digits.pixels)
    record = {"name": "odd.npz", "corrections": {"transpose": True, "invert": "yes", "white": 16, "later": 1}}
    assert Corrections.recorded(record, "some/odd.npz") == Corrections(transpose=True, white=16)
    assert Corrections.recorded(record, "some/other.npz") == AS_STORED
    with pytest.raises(UsageError, match="1 to 255, received 300"):
        Corrections(white=300)
