"""However a network ends, what is exported answers as its author's own `predict` does."""

from __future__ import annotations

from dataclasses import replace

import endings
import numpy as np
import onnx
import pytest

from digits_edge.common.numerics import softmax
from digits_edge.export import ExportOptions, export
from digits_edge.export.convert.keras_model import KerasModelFile, keras_probabilities
from digits_edge.export.convert.onnx import to_onnx_core
from digits_edge.export.convert.onnx_graph import with_metadata, wrap
from digits_edge.export.engines.model_files import open_engine
from digits_edge.export.options import OwnModel
from digits_edge.runtime.errors import GateFailed
from digits_edge.runtime.session import open_session

ENDINGS = {**endings.PROBABILITIES, **endings.LOGITS}
RANGES = {
    "0..1": (0, 1), "0..255": (0, 255), "-1..1": (-1, 1), "-0.5..0.5": (-0.5, 0.5), "0..2": (0, 2),
    "1..0": (1, 0), "255..0": (255, 0), "1..-1": (1, -1), "-128..127": (-128, 127), "-0.4242..2.8": (-0.4242, 2.8),
}  # fmt: skip


def pictures(count):
    """Of any share of ink, so that a random network finds all three classes."""
    random = np.random.default_rng(2)
    pixels = random.integers(0, 256, (count, 6, 5), dtype=np.uint8)
    return pixels * (random.random(pixels.shape) < random.random((count, 1, 1))).astype(np.uint8)


def authors_answers(model, pixels, pixel_range="0..1"):
    """Probabilities by `model.predict` alone, and whether it gives logits."""
    low, high = RANGES[pixel_range]
    answers = model.predict((pixels / 255 * (high - low) + low)[..., None].astype(np.float32), verbose=0)
    logits = not np.allclose(answers.sum(axis=1), 1, atol=1e-3)
    return softmax(answers) if logits else answers


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_converted_model_answers_as_its_author_predicts(ending, tmp_path):
    pixel_range = list(RANGES)[list(ENDINGS).index(ending) % len(RANGES)]
    model, pixels = endings.network(ENDINGS[ending]), pictures(40)
    model.save(tmp_path / "own.keras")
    source, expected = KerasModelFile(tmp_path / "own.keras", pixel_range), authors_answers(model, pixels, pixel_range)
    np.testing.assert_allclose(keras_probabilities(source, pixels), expected, atol=1e-5)
    core = onnx.load_from_string(to_onnx_core(source))
    session = open_session(with_metadata(wrap(core, (6, 5)), {}), "model")
    np.testing.assert_allclose(session.run(None, {"image": pixels})[0], expected, atol=1e-4)


@pytest.mark.soak
@pytest.mark.parametrize("ending", ENDINGS)
def test_no_export_publishes_what_differs(ending, tmp_path):
    model, pixels = endings.network(ENDINGS[ending]), pictures(600)
    expected = authors_answers(model, pixels)
    model.save(tmp_path / "own.keras")
    np.savez(tmp_path / "own.npz", x=pixels, y=expected.argmax(axis=1))
    own = OwnModel(tmp_path / "own.keras", str(tmp_path / "own.npz"), names=("a", "b", "c"))
    floats = ExportOptions(own, tmp_path / "bundle", timed=False)
    bundle = export(floats)
    try:
        bundle = export(replace(floats, int8=True))
    except GateFailed as refusal:  # what is left is the bundle of floats
        print(f"{ending}: {str(refusal).splitlines()[0]}")
    for name in (name for name in bundle.names if name.startswith("model.")):
        answers = open_engine(bundle.read(name), name)(pixels)
        if "int8" in name:
            assert (answers.argmax(axis=1) == expected.argmax(axis=1)).mean() > 0.98, name
        else:
            np.testing.assert_allclose(answers, expected, atol=1e-3, err_msg=name)


def test_the_pixel_range_of_the_author_is_part_of_the_reference(tmp_path):
    model, pixels = endings.network(ENDINGS["layer"]), pictures(40)
    model.save(tmp_path / "own.keras")
    answers = [keras_probabilities(KerasModelFile(tmp_path / "own.keras", name), pixels) for name in RANGES]
    for one, name in zip(answers, RANGES, strict=True):
        np.testing.assert_allclose(one, authors_answers(model, pixels, name), atol=1e-4)
    assert np.abs(answers[0] - answers[1]).max() > 0.1
