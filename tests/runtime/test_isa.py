"""The int8 model gives the same labels on a CPU without VNNI, emulated by qemu (`make test-isa`)."""

from __future__ import annotations

import shutil
import subprocess
import sys

import numpy as np
import onnx
import pytest
from onnxruntime import quantization

from digits_edge.export.convert.keras_model import KerasModelFile
from digits_edge.export.convert.onnx import to_onnx_core
from digits_edge.export.convert.onnx_graph import with_metadata, wrap
from digits_edge.export.quantize import onnx_quantizer
from digits_edge.export.quantize.scheme import Scheme

pytestmark = pytest.mark.isa

RUN = """
import sys, numpy, onnxruntime
options = onnxruntime.SessionOptions()
options.intra_op_num_threads = 1
session = onnxruntime.InferenceSession(sys.argv[1], options)
numpy.save(sys.argv[3], session.run(None, {"image": numpy.load(sys.argv[2])})[0])
"""


@pytest.fixture(scope="module")
def haswell():
    emulator = shutil.which("qemu-x86_64") or shutil.which("qemu-x86_64-static")
    if emulator is None:
        pytest.skip("qemu-x86_64 is not installed (Debian: apt-get install qemu-user)")
    return [emulator, "-cpu", "Haswell"]


def answers(command, model, pixels, tmp_path):
    (tmp_path / "model.onnx").write_bytes(model)
    np.save(tmp_path / "pixels.npy", pixels)
    words = [sys.executable, "-c", RUN, "model.onnx", "pixels.npy", "answers.npy"]
    subprocess.run([*command, *words], cwd=tmp_path, check=True, timeout=500)
    return np.load(tmp_path / "answers.npy")


def test_our_int8_model_answers_the_same_without_vnni(haswell, exported, trained, tmp_path):
    pixels, _ = trained.validation()
    model = exported.read("model.int8.onnx")
    here, there = answers([], model, pixels, tmp_path), answers(haswell, model, pixels, tmp_path)
    np.testing.assert_array_equal(here.argmax(axis=1), there.argmax(axis=1))
    np.testing.assert_allclose(here, there, atol=0.01)


def test_the_comparison_can_fail_full_range_weights_saturate_there(haswell, trained, tmp_path, monkeypatch):
    pixels, _ = trained.validation()
    static = quantization.quantize_static
    monkeypatch.setattr(quantization, "quantize_static", lambda *a, **k: static(*a, **{**k, "reduce_range": False}))
    monkeypatch.setattr(onnx_quantizer, "spare_first_convolution", lambda core: (core, ()))  # the loudest of all
    network = KerasModelFile(trained.model_path)
    core = onnx.load_from_string(to_onnx_core(network))
    core = onnx_quantizer.quantize(core, trained.calibration(), Scheme(network))
    model = with_metadata(wrap(core, (28, 28)), {})
    here, there = answers([], model, pixels, tmp_path), answers(haswell, model, pixels, tmp_path)
    assert np.abs(here - there).max() > 0.01
