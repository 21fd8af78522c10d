"""The C of an export: the same numbers as numpy, near to LiteRT's, without a warning."""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
from pathlib import Path

import numpy as np
import pytest
from networks import OWN, STRICT, random_network, released, sources_of, tflite_of

from digits_edge.export.codegen.c.compiled import Compiler, compiled
from digits_edge.export.codegen.c.plan import plan
from digits_edge.export.codegen.c.sources import identifier
from digits_edge.export.codegen.int8_network import Convolution, Int8Network, Multiplier, Requantization
from digits_edge.export.codegen.tflite_reader import read_network
from digits_edge.export.codegen.web.engine import scripts_in_v8
from digits_edge.export.engines.litert import TfliteModel
from digits_edge.export.engines.tflm import MicroModel
from digits_edge.trainer.released import NAMES

SANITIZED = ("-std=c99", "-O1", "-g", "-fsanitize=address,undefined", "-fno-sanitize-recover")
VECTORS = ("-std=c99", "-O3")  # compilers find vector instructions for the sums

COMPILER = Compiler.find()
needs_compiler = pytest.mark.skipif(COMPILER is None, reason="there is no C compiler here: cc, gcc or clang")


def run(network, pixels, flags=("-std=c99", "-O2")):
    assert COMPILER is not None
    with compiled(sources_of(network), COMPILER, flags) as logits:
        return logits(pixels)


def near(ours, theirs):
    """Logits within one step, and one label for all pictures but ties."""
    difference = np.abs(ours.astype(int) - theirs)
    assert difference.max() <= 1
    other = ours.argmax(axis=1) != theirs.argmax(axis=1)
    best_two = np.sort(theirs.astype(int), axis=1)[:, -2:]
    assert (best_two[other, 1] - best_two[other, 0] <= 1).all()


@needs_compiler
@pytest.mark.parametrize("name", NAMES)
def test_the_c_of_a_released_model_agrees_with_its_int8_tflite(name, digits):
    data, pixels = released(name), digits.pixels[:: 5 if name in ("nano", "micro") else 40]
    logits = run(read_network(data), pixels, STRICT)
    np.testing.assert_array_equal(logits, read_network(data).logits(pixels))
    near(logits, TfliteModel.load(data, "model.int8.tflite").logits(pixels))


@needs_compiler
@pytest.mark.parametrize(("architecture", "pixel_range"), OWN.items())
def test_the_c_of_a_model_of_ones_own_agrees_with_its_int8_tflite(architecture, pixel_range, tmp_path):
    data, pixels = tflite_of(architecture, pixel_range, tmp_path)
    network = read_network(data)
    logits = run(network, pixels, STRICT)
    np.testing.assert_array_equal(logits, network.logits(pixels))
    near(logits, TfliteModel.load(data, "model.int8.tflite").logits(pixels))


@needs_compiler
@pytest.mark.parametrize("seed", range(8))
def test_any_network_gives_the_same_logits_in_numpy_in_c_and_in_the_page(seed):
    network, pixels = random_network(seed)
    pixels = pixels if pixels.shape[3] == 3 else pixels[..., 0]
    expected = network.logits(pixels)
    assert len(np.unique(expected)) > 10
    np.testing.assert_array_equal(run(network, pixels, SANITIZED), expected)
    with scripts_in_v8(network) as logits:
        np.testing.assert_array_equal(logits(pixels), expected)


@needs_compiler
@pytest.mark.parametrize("least", [-127, -128])
@pytest.mark.parametrize("factor", [1e-5, 3.0])
@pytest.mark.parametrize("side", [9, 40])
def test_the_largest_sums_and_factors_are_exact(side, factor, least):
    """Dense layers whose sums fit 24 bits or do not, with factors that need the lower half of a product or do not."""
    random = np.random.default_rng(side)
    weights = np.array([[127, least, least, least, 0]] * side * side, np.int8).T.reshape(5, side, side, 1).copy()
    weights[4] = random.integers(least, 128, (side, side, 1))
    network = Int8Network(
        (
            Convolution(
                name="dense",
                source=(side, side, 1),
                shape=(1, 1, 5),
                kernel=(side, side),
                weights=weights,
                bias=np.array([-side * side * 255 * 127, 5, -5, side * side * 255 * 127, 0], np.int32),
                requantization=Requantization((Multiplier.of(factor),) * 5, 100),
            ),
        )
    )
    pixels = random.integers(0, 256, (20, side, side), dtype=np.uint8)
    pixels[0], pixels[1] = 255, 0
    np.testing.assert_array_equal(run(network, pixels, SANITIZED), network.logits(pixels))
    np.testing.assert_array_equal(run(network, pixels, VECTORS), network.logits(pixels))


@needs_compiler
@pytest.mark.parametrize("name", NAMES)
def test_sanitizers_find_nothing(name, digits):
    network = read_network(released(name))
    pixels = digits.pixels[:: 20 if name in ("nano", "micro") else 200]
    np.testing.assert_array_equal(run(network, pixels, SANITIZED), network.logits(pixels))


def biased(bias):
    """A dense layer whose weights are zero."""
    layer = Convolution(
        name="dense",
        source=(9, 9, 1),
        shape=(1, 1, 4),
        kernel=(9, 9),
        weights=np.zeros((4, 9, 9, 1), np.int8),
        bias=np.array(bias, np.int32),
        requantization=Requantization((Multiplier.of(0.5),), 128),
    )
    return Int8Network((layer,))


@needs_compiler
def test_equal_logits_give_the_first_class():
    assert printed(biased([0, 0, 0, 0]), np.zeros((1, 9, 9), np.uint8)) == "0\t0\t0\t0\t0\n"


def printed(network, pixels, labels=None):
    """What the example prints."""
    sources = sources_of(network, labels)
    with tempfile.TemporaryDirectory() as folder:
        for name, text in sources.files.items():
            (Path(folder) / name).write_text(text)
        assert COMPILER is not None
        subprocess.run([*COMPILER.command, *STRICT, "-o", "program", "main.c", "model.c"], cwd=folder, check=True)
        fed = pixels.tobytes()
        return subprocess.run([f"{folder}/program"], input=fed, capture_output=True, check=True).stdout.decode()


@needs_compiler
def test_labels_of_any_letters_are_printed_as_they_are():
    labels = ('say "hi"', "back\\slash", "??/ %s", "*/ é 七")
    for best, label in enumerate(labels):
        network = biased(np.eye(4)[best] * 100)
        assert printed(network, np.zeros((1, 9, 9), np.uint8), labels).startswith(label + "\t")


@needs_compiler
def test_a_label_with_line_breaks_is_printed_in_one_line():
    assert COMPILER is not None
    network = biased([0, 100, 0, 0])
    pixels = np.zeros((2, 9, 9), np.uint8)
    lines = printed(network, pixels, ("a", "b\nc\u2028\x1b[m", "d", "e")).splitlines()
    assert [line.partition("\t")[0] for line in lines] == [r"b\nc\u2028\x1b[m"] * 2
    with compiled(sources_of(network, ("a", "b\nc\u2028", "d", "e")), COMPILER) as logits:
        assert logits(pixels).shape == (2, 4)


@needs_compiler
def test_the_model_needs_nothing_but_memset_and_memcpy(tmp_path):
    if shutil.which("nm") is None:
        pytest.skip("there is no nm here")
    network = read_network(released("micro"))
    for name, text in sources_of(network).files.items():
        (tmp_path / name).write_text(text)
    assert COMPILER is not None
    subprocess.run([*COMPILER.command, *STRICT, "-c", "model.c"], cwd=tmp_path, check=True)
    listed = subprocess.run(["nm", "-u", "model.o"], cwd=tmp_path, check=True, capture_output=True, text=True).stdout
    assert {word for word in listed.split() if word != "U"} <= {"memset", "memcpy", "_GLOBAL_OFFSET_TABLE_"}
    text = (tmp_path / "model.c").read_text()
    assert "float" not in text
    assert "double" not in text
    assert re.findall(r"^#include (.*)", text, re.MULTILINE) == [
        '"model.h"',
        "<string.h>",
        "<arm_mve.h>",  # of Arm's compilers, where there is a processor for it
        "<arm_acle.h>",
        "<avr/pgmspace.h>",
    ]


SHOW_FEATURES = """
#include <stdio.h>
#include "model.h"

int main(void) {
    static uint8_t image[MODEL_PIXELS], arena[MODEL_ARENA_BYTES];
    int8_t logits[MODEL_CLASSES];
    while (fread(image, 1, MODEL_PIXELS, stdin) == MODEL_PIXELS) {
        model_classify_in(image, logits, arena);
        fwrite(MODEL_FEATURES_OF(arena), 1, MODEL_FEATURES, stdout);
    }
    return MODEL_FEATURES_ZERO;
}
"""


@needs_compiler
@pytest.mark.parametrize("name", NAMES)
def test_the_features_are_what_the_last_layer_reads(name, digits, tmp_path):
    network, pixels = read_network(released(name)), digits.pixels[::250]
    for file, text in {**sources_of(network).files, "show.c": SHOW_FEATURES}.items():
        (tmp_path / file).write_text(text)
    assert COMPILER is not None
    subprocess.run([*COMPILER.command, *STRICT, "-o", "show", "show.c", "model.c"], cwd=tmp_path, check=True)
    shown = subprocess.run([tmp_path / "show"], input=pixels.tobytes(), capture_output=True, check=False)
    values = pixels.reshape(-1, *network.shape)
    for layer in network.layers[:-1]:
        values = layer(values)
    assert shown.stdout == values.astype(np.uint8).tobytes()
    assert shown.returncode == network.layers[-1].fill


@needs_compiler
@pytest.mark.skipif(shutil.which("make") is None, reason="there is no make here")
def test_a_published_folder_compiles_and_tests_itself(translated, tmp_path):
    folder = shutil.copytree(translated.path / "c", tmp_path / "c")
    said = subprocess.run(["make", "-C", folder, "test"], capture_output=True, text=True, check=False)
    assert said.returncode == 0, said.stderr
    assert "short: 20 of 20 golden vectors agree" in said.stdout
    assert "warning" not in said.stderr


@needs_compiler
@pytest.mark.skipif(shutil.which("make") is None, reason="there is no make here")
def test_the_self_test_can_fail(translated, tmp_path):
    folder = shutil.copytree(translated.path / "c", tmp_path / "c")
    source = folder / "short.c"
    source.write_text(source.read_text().replace("+ 1) >> 1)", "+ 2) >> 1)"))
    said = subprocess.run(["make", "-C", folder, "test"], capture_output=True, text=True, check=False)
    assert said.returncode != 0
    assert "other logits than expected" in said.stdout


@pytest.mark.skipif(not MicroModel.available(), reason="tflite-micro has no wheel for this system")
@pytest.mark.parametrize("name", NAMES)
def test_rows_take_less_than_a_third_of_the_memory_of_whole_layers(name):
    theirs = MicroModel.load(released(name), "model.int8.tflite").arena_bytes
    assert plan(read_network(released(name))).arena < theirs / 3


def test_rows_that_live_at_the_same_time_lie_apart():
    for seed in range(30):
        planned = plan(random_network(seed)[0])
        made = {
            place: [step for step, one in enumerate(planned.schedule) if one == place] for place in planned.schedule
        }
        for one, other in ((a, b) for a in made for b in made if a < b):
            reader = made.get(one + 1, [len(planned.schedule)])
            if reader[-1] >= made[other][0]:
                first, second = planned.rows[one + 1], planned.rows[other + 1]
                assert first.offset + first.bytes <= second.offset or second.offset + second.bytes <= first.offset


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("micro", "micro"),
        ("My run-2", "my_run_2"),
        ("7", "model_7"),
        ("main", "model_main"),
        ("makefile", "model_makefile"),
        ("七", "model"),
        ("a" * 255, "a" * 63),
    ],
)
def test_names_become_identifiers(name, expected):
    assert identifier(name) == expected
