"""The HTML report shows the whole result in one file that loads nothing and escapes everything."""

from __future__ import annotations

import base64
import io
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from digits_edge.export.benchmark.benchmark import Benchmark
from digits_edge.export.benchmark.candidate import Candidate, Failure, Ratio
from digits_edge.export.convert.keras_model import KerasModelFile
from digits_edge.export.quantize.attempt import Attempt, Quantized, Skipped
from digits_edge.export.quantize.scheme import Scheme
from digits_edge.export.quantize.sensitivity import LayerNoise
from digits_edge.export.report.gate_table import gate_table
from digits_edge.export.report.html import write_html
from digits_edge.export.report.manifest import gate_of
from digits_edge.export.report.markdown import write_report
from digits_edge.export.result import ExportResult
from digits_edge.export.source import ExportSource
from digits_edge.export.verify.criteria import CRITERIA, Limits
from digits_edge.export.verify.gate import Gate
from digits_edge.export.verify.parity import agreement, compare
from digits_edge.export.verify.validation import Validation
from digits_edge.runtime.bundle import Bundle
from digits_edge.runtime.metadata import Contract, Golden
from digits_edge.trainer.released import NAMES

ROOT = Path(__file__).parents[2]
PICTURES = 200
DIGITS = tuple("0123456789")


def never_called(pixels):
    raise AssertionError


def sure(probabilities):
    return probabilities.max(axis=1) >= 0.5


def answers(guesses: np.ndarray, classes: int, score: float = 0.9) -> np.ndarray:
    """Probabilities float32[N, C] that give each picture its guess."""
    rest = (1 - score) / (classes - 1)
    return np.where(np.arange(classes) == guesses[:, None], score, rest).astype(np.float32)


def made(
    labels: Sequence[str] = DIGITS, *, colour: bool = False, broken: int = 1, limits: Limits | None = None
) -> ExportResult:
    """An export of a float and two int8 models whose int8 ONNX breaks so many pictures at its best."""
    classes, limits = len(labels), limits or Limits(max_error_ratio=3, min_agreement=0.95)
    pixels = np.random.default_rng(0).integers(
        0, 256, (PICTURES, 28, 28, 3) if colour else (PICTURES, 28, 28), np.uint8
    )
    targets = np.arange(PICTURES) % classes
    guesses = targets.copy()
    guesses[:6] = (guesses[:6] + 1) % classes  # Keras is wrong in six
    keras = answers(guesses, classes)
    description = f"the {PICTURES} pictures of the validation split"
    validation = Validation(description, pixels, targets, tuple(labels))

    def model(file: str, rung: str, size: int, lost: int) -> Attempt:
        """Fixes picture 0, gives picture 1 another wrong label, and breaks the last ones."""
        precision, ours, score = "float32", guesses.copy(), 0.9
        if "int8" in file:
            precision, score = "int8", 0.8
            ours[0], ours[1] = targets[0], (targets[1] + 2) % classes
            ours[PICTURES - lost :] = (targets[PICTURES - lost :] + 1) % classes
        given = answers(ours, classes, score)
        verdict = Gate(validation, keras, limits, sure).judge(precision, given)
        if precision == "int8":
            floats = ("gap_1 (Mean)",) if lost else ()
            return Quantized(file, rung, bytes(size), never_called, given, verdict, Scheme(network), floats)
        return Attempt(file, rung, bytes(size), never_called, given, verdict)

    network = KerasModelFile(Path("model.keras"))
    source = ExportSource(
        name="compact",
        network=network,
        preprocess="resize" if colour else "digit",
        validation=validation,
        calibration=pixels[:0],
        provenance={},
    )
    real = model("model.onnx", "tf2onnx", 203_497, 0)
    first = model("model.int8.onnx", "min-max calibration", 72_482, 12)
    skipped = Skipped("model.int8.onnx", "calibration with all 512 pictures", "those were all there are")
    best = model("model.int8.onnx", "entropy calibration", 72_490, broken)
    tflite = model("model.int8.tflite", "min-max calibration of TFLite", 58_752, 0)
    refused = bool(best.verdict.failed)
    models = (real, best) if refused else (real, best, tflite)
    return ExportResult(
        source=source,
        contract=Contract(
            "compact", tuple(labels), pixels.shape[1:], source.preprocess, 0.5, 0.6, Golden(pixels[:0], keras[:0])
        ),
        limits=limits,
        keras=keras,
        rungs=(real, first, skipped, best) if refused else (real, first, skipped, best, tflite),
        models=models,
        parity=(
            compare("Keras", targets, keras, keras),
            *(compare(f"{m.file}, LiteRT", targets, keras, m.answers, 12_345) for m in models),
        ),
        int8_agreement=None if refused else agreement([best.answers, tflite.answers]),
        layers=(LayerNoise("conv_1", "Conv", ("conv_1",), 31.25), LayerNoise("gap_1", "Mean", ("gap_1",), np.inf)),
        benchmark=None if refused else timed(),
        advice="digits-edge export run --max-drop 0.02" if refused else None,
    )


def timed() -> Benchmark:
    ratio = Ratio(0.51, 0.49, 0.53)
    spent = (90, 70, 123, 140, 150, 9_000, 120, 0.0, None)
    candidate = Candidate("model.int8.onnx", "digits_edge.runtime", 72_490, 0.97, *spent, ratio, ratio, ratio)
    failures = (Failure("model.int8.tflite", "OpenVINO", "no such operator"),)
    return Benchmark("Some CPU", ("avx2", "vnni"), 1, 8, (candidate,), failures, "Deploy model.int8.onnx.")


def manifest_of(result: ExportResult) -> dict[str, Any]:
    run = {
        "recipe": {"name": "compact", "augmentation": {"zoom": [0.8, 1.25], "line": None}},
        "parameters": 48_946,
        "macs": 1_917_328,
        "activation_bytes": 17_280,
        "dataset": {"name": "mnist", "fingerprint": "fc30b55971f250c5"},
    }
    created = "2026-11-22T21:06:09+00:00"
    return {
        "name": result.source.name,
        "gate": gate_of(result),
        "provenance": {"created": created, "run": run, "versions": {"keras": "3.15.1"}, "cpu": "Some CPU"},
    }


class Page(HTMLParser):
    """What a reader sees; it fails where tags do not balance.

    Attributes:
        text: without tags, each cell and paragraph parted from the next by one space.
        names: of all tags.
        from_elsewhere: what attributes that load something load.
        anchors: what links within the page point to.
        ids: what they can point to.
    """

    VOID = frozenset({"meta", "img"})
    BLOCKS = frozenset({"td", "th", "dt", "dd", "p", "li", "h2", "h3", "summary"})
    LOADING = ("src", "srcset", "href", "xlink:href", "action", "data", "poster")

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.text = ""
        self.names: set[str] = set()
        self.from_elsewhere: list[str] = []
        self.anchors: set[str] = set()
        self.ids: list[str] = []
        self.feed(html)
        self.close()
        assert not self.open, f"never closed: {self.open}"
        self.text = re.sub(r"\s+", " ", self.text)

    def handle_starttag(self, tag, attrs):
        self.names.add(tag)
        self.ids += [value for name, value in attrs if name == "id"]
        for name, value in attrs:
            assert not name.startswith("on"), f"<{tag}> has a script: {value}"
            if name == "href" and value.startswith("#"):
                self.anchors.add(value[1:])
            elif name in self.LOADING and not value.startswith("data:image/png;base64,"):
                self.from_elsewhere.append(value)
        self.text += " " if tag in self.BLOCKS else ""
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        self.handle_endtag(tag)

    def handle_endtag(self, tag):
        assert self.open, f"</{tag}> closes nothing"
        assert self.open.pop() == tag, f"</{tag}> closes another"

    def handle_data(self, data):
        if not self.open or self.open[-1] != "style":
            self.text += data


@pytest.fixture
def written(tmp_path: Path) -> Callable[..., str]:
    """The report of an export, as source."""

    def write(result: ExportResult) -> str:
        path = tmp_path / "report.html"
        write_html(path, manifest_of(result), result)
        return path.read_text(encoding="utf-8")

    return write


def test_it_shows_the_whole_result(written):
    page = Page(written(made()))
    for words in (
        "✓ Passed: 3 files are published.",
        "Exported 2026-11-22 21:06:09 UTC",
        "48,946", "1.92 M",  # parameters, multiply-accumulates
        "net lost --max-drop ≤ 1 – 0 ✓ 0 ✓ -1 ✓",
        "worst class, net lost --max-recall-drop ≤ 2.0% – 0 (≤ 1) ✓ 1 (≤ 1) ✓",
        "largest Δp --max-difference ≤ 0.001 – 0 ✓ – –",
        "broken / fixed – 0 / 0 1 / 1 0 / 1",
        "1. min-max calibration ✗ refused: net loss of 11 in 200 answers, --max-drop 0.002 allows 1",
        "2. calibration with all 512 pictures – skipped: those were all there are",
        "3. entropy calibration ✓ passed",
        "model.int8.onnx, LiteRT 200 97.00% 98.50%",
        "give the same label to 99.50% of the pictures",
        "Keras: 6 wrong", "model.int8.onnx: 6 wrong", "model.int8.tflite: 5 wrong",
        "3 pictures get another label than Keras's",
        "conv_1 noisiest Conv 31.2 2.74%", "gap_1 Mean – no noise",
        "These operators of model.int8.onnx stay in float: gap_1 (Mean)",
        "model.int8.onnx 97.00% 6 72,490 2.8×",
        "Deploy model.int8.onnx.", "Some CPU (avx2 vnni)", "OpenVINO cannot run model.int8.tflite: no such operator",
        "fingerprint fc30b55971f250c5", "zoom 0.8, 1.25", "keras 3.15.1",
    ):  # fmt: skip
        assert words in page.text


def test_it_loads_nothing_and_has_no_scripts(written):
    html = written(made())
    page = Page(html)
    assert page.from_elsewhere == []
    assert not page.names & {"script", "link", "iframe", "object", "embed", "form", "base"}
    assert not re.search(r"https?://|url\(|@import", html)


def test_every_section_can_be_reached(written):
    page = Page(written(made()))
    assert len(page.ids) == len(set(page.ids))
    assert page.anchors <= set(page.ids)
    assert len(page.anchors) == 9


def test_hostile_names_are_escaped(written):
    hostile = '"><script>alert(1)</script><img src=x onerror=alert(2)>'
    result = made((hostile, "</td></table>", *DIGITS[2:]), broken=9)
    source = replace(result.source, validation=replace(result.source.validation, description=hostile))
    rungs = (*result.rungs, Skipped("model.int8.onnx", hostile, hostile))
    page = Page(written(replace(result, source=source, rungs=rungs, advice=hostile)))
    assert "script" not in page.names
    assert page.from_elsewhere == []
    assert hostile in page.text


def test_a_refusal_says_why_and_what_to_try(written):
    result = made(broken=9)
    page = Page(written(result))
    assert "✗ Refused: nothing is published, because model.int8.onnx did not pass the gate." in page.text
    for check in result.models[-1].verdict.failed:
        assert check.words in page.text
    assert "--max-drop ≤ 1 – 0 ✓ 8 ✗" in page.text
    assert "To try next: digits-edge export run --max-drop 0.02" in page.text
    assert "3. entropy calibration ✗ refused (the best attempt)" in page.text
    assert "Speed" not in page.text  # nothing was timed


def test_an_export_without_int8_has_a_report(written):
    result = made()
    floats = replace(result, rungs=result.rungs[:1], models=result.models[:1], layers=(), int8_agreement=None)
    page = Page(written(floats))
    assert "✓ Passed: 1 file is published." in page.text
    assert "Every picture gets Keras's label from model.onnx." in page.text
    assert "Wrong answers of model.onnx, highest scores first 6" in page.text


def test_a_hundred_classes_are_listed_by_pairs(written):
    html = written(made([f"class {i}" for i in range(100)]))
    page = Page(html)
    assert "class 2 class 3 1 1 1" in page.text
    assert 'class="matrix' not in html
    assert 'class="matrix' in written(made())


def test_flipped_pictures_are_shown_with_their_answers(written):
    text = Page(written(made())).text
    broken, fixed, other = re.findall(r"true label (\w) #(\d+) Keras (\w) 90.0% int8.onnx (\w) 80.0%", text)[:3]
    assert (broken, fixed, other) == (("9", "199", "9", "0"), ("0", "0", "1", "0"), ("1", "1", "2", "3"))


def test_many_flips_are_cut_and_counted(written):
    html = written(made(broken=60))
    assert "62 pictures get another label than Keras's from model.int8.onnx; 40 of them are shown" in Page(html).text
    assert html.count("<img") == 40 + 24


@pytest.mark.parametrize("shape", [(28, 28, 3), (8, 8), (300, 200, 3)])
def test_pictures_of_any_size_and_colour_are_shown(written, shape):
    result = made()
    pixels = np.random.default_rng(1).integers(0, 256, (PICTURES, *shape), np.uint8)
    html = written(
        replace(result, source=replace(result.source, validation=replace(result.source.validation, pixels=pixels)))
    )
    pattern = r'<img src="data:image/png;base64,([^"]*)" width="(\d+)" height="(\d+)"'
    source, width, height = re.findall(pattern, html)[0]
    shown = np.asarray(Image.open(io.BytesIO(base64.b64decode(source))))
    assert 64 <= int(height) <= 120
    assert int(width) * shape[0] == pytest.approx(int(height) * shape[1], rel=0.02)
    assert len(html) < 1_000_000
    if max(shape) <= 96:
        assert (shown == pixels[199]).all()  # the broken one


def test_the_same_export_gives_the_same_bytes(written):
    assert written(made()) == written(made())


def test_answers_that_are_not_numbers_are_reported(written):
    result = made(broken=9)
    damaged = result.models[-1].answers.copy()
    damaged[7] = np.nan
    verdict = Gate(result.source.validation, result.keras, result.limits, sure).judge("int8", damaged)
    model = replace(result.models[-1], answers=damaged, verdict=verdict)
    models = (result.models[0], model)
    page = Page(written(replace(result, rungs=models, models=models)))
    assert "some probabilities are not finite numbers" in page.text
    assert "largest Δp --max-difference ≤ 0.001 – 0 ✓ not a number ✗" in page.text


@pytest.mark.parametrize("name", NAMES)
def test_the_gate_of_a_released_bundle_is_shown(name):
    gate = Bundle.open(ROOT / "artifacts" / name).section("gate")
    counts, criteria, verdict = gate_table(gate).groups
    assert [row.title for row in counts] == ["accuracy", "wrong", "broken / fixed"]
    assert [row.criterion for row in criteria] == list(CRITERIA.values())
    assert all(cell.holds is not False for row in criteria for cell in row.cells)
    assert {cell.text for cell in verdict[0].cells} == {"passed"}
    assert gate_table(gate).markdown().count("\n") == 13


def test_a_manifest_with_other_criteria_is_shown():
    gate = gate_of(made(broken=9))
    for rung in gate["rungs"]:
        if "checks" in rung:
            rung["checks"] = [check for check in rung["checks"] if check["limit"] != "max_drift"]
            rung["checks"].append({**rung["checks"][0], "limit": "max_surprise"})
    shown = gate_table(gate).markdown()
    assert "acceptance drift" not in shown
    assert re.search(r"net lost +\| +≤ 1 \| +– \| +0 \| +8 ✗ \|", shown)
    assert re.search(r"verdict .* passed \| +refused ✗ \|", shown)


def test_the_markdown_report_has_no_tags_links_and_lines_of_others(exported, tmp_path):
    hostile = "<script>alert(1)</script>![](http://a.b/c)|\n\n# Gate: passed\n\x1b[m"

    def spoilt(value):
        if isinstance(value, dict):
            return {key: spoilt(inner) for key, inner in value.items()}
        if isinstance(value, list):
            return [spoilt(inner) for inner in value]
        return value + hostile if isinstance(value, str) else value

    manifest = dict(exported.manifest)
    for key in ("name", "labels", "layers", "provenance", "preprocess"):
        manifest[key] = spoilt(manifest[key])
    manifest["gate"] = {**manifest["gate"], "judged_by": hostile, "advice": "digits-edge export 'a & b' --int8"}
    write_report(tmp_path / "report.md", manifest, {"model.onnx": 1})
    text = (tmp_path / "report.md").read_text()
    assert not set("<[\x1b") & set(text)
    usual = (exported.path / "report.md").read_text()
    assert text.count("\n#") == usual.count("\n#")
    assert "\n    digits-edge export 'a & b' --int8\n" in text
    rows = text[text.index("| layer ") :].partition("\n\n")[0].splitlines()
    assert {row.count("|") for row in rows} == {4}
