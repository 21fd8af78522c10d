"""The page as a file: what is put into it cannot break out, and its rule of acceptance is the contract's."""

from __future__ import annotations

import json
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from networks import released
from py_mini_racer import MiniRacer

from digits_edge.export.codegen.tflite_reader import read_network
from digits_edge.export.codegen.web import page as web_page
from digits_edge.export.codegen.web.engine import model_of
from digits_edge.export.engines.litert import TfliteModel
from digits_edge.runtime.bundle import Bundle
from digits_edge.runtime.metadata import Contract, Golden
from digits_edge.runtime.teaching import Taught

ROOT = Path(__file__).parents[2]


class Scripts(HTMLParser):
    """What stands in a page's scripts, and the text outside of them."""

    def __init__(self, page: bytes) -> None:
        super().__init__()
        self.scripts: list[str] = []
        self.text = ""
        self.feed(page.decode())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "script":
            self.scripts.append("")

    def handle_data(self, data: str) -> None:
        if self.cdata_elem == "script":
            self.scripts[-1] += data
        else:
            self.text += data


@pytest.mark.parametrize("name", ["</script><script>alert(1)</script>", "<!-- <script>", "{{ 1 }}", "’ \u2028"])
def test_names_and_labels_do_not_break_out(name):
    told = stand_in(name=name, labels=[name, "b"])
    parsed = Scripts(web_page.page(told))
    data, script = parsed.scripts
    assert json.loads(data) == told
    assert name not in script
    assert name in parsed.text


def test_parameters_that_are_not_known_are_left_out():
    told = stand_in(facts={"accuracy": 0.9, "pictures": 10, "parameters": None})
    foot = " ".join(Scripts(web_page.page(told)).text.split())
    assert "None" not in foot
    assert "nothing leaves it. 90.00% right of 10 pictures kept from its training. Accepted from 50.0% on" in foot


def stand_in(**told: Any) -> dict[str, Any]:
    """A page's model that is never run."""
    facts = {"accuracy": 0.9, "pictures": 10, "parameters": 1234}
    thresholds = {"min_score": 0.5, "min_familiarity": 0.0}
    output = {"scale": 0.1, "zero_point": 0}
    model = {"name": "a", "labels": ["a", "b"], "shape": [28, 28], "preprocess": "digit", "thresholds": thresholds}
    return model | {"output": output, "engine": {}, "facts": facts} | told


@pytest.mark.parametrize("classes", [2, 3, 10])
def test_acceptance_is_the_contracts(classes):
    rng = np.random.default_rng(classes)
    rows = rng.dirichlet(np.full(classes, 0.3), 300).astype(np.float32)
    rows[:20] = np.float32(1 / classes)  # ties
    pixels = np.zeros((1, 28, 28), np.uint8)
    with MiniRacer() as script:
        script.eval(web_page.scripts())
        for min_score, min_familiarity in ((0.6, 0.86), (float(rows[50].max()), 0.0), (0.0, 1.0)):
            golden = Golden(pixels, rows[:1])
            labels = tuple(map(str, range(classes)))
            contract = Contract("a", labels, (28, 28), "digit", min_score, min_familiarity, golden)
            thresholds = {"min_score": min_score, "min_familiarity": min_familiarity}
            rule = "(rows, thresholds) => rows.map((row) => verdict(Float32Array.from(row), false, thresholds))"
            told = json.loads(str(script.eval(f"JSON.stringify(({rule})({rows.tolist()}, {json.dumps(thresholds)}))")))
            assert [row["best"] for row in told] == rows.argmax(axis=1).tolist()
            assert [row["reason"] for row in told] == [contract.rejection_reason(row) for row in rows]


def test_the_page_learns_what_the_runtime_learns(digits):
    """The same network, the same examples, also of a new class: the same probabilities."""
    data = released("micro")
    network, output = read_network(data), TfliteModel.load(data, "micro").spec.output
    contract = Bundle.open(ROOT / "artifacts/micro").contract()

    def answer(pixels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        values = pixels.reshape(-1, 28, 28, 1)
        for layer in network.layers[:-1]:
            values = layer(values)
        logits = network.logits(pixels).astype(float) * output.scale
        powers = np.exp(logits - logits.max(axis=1, keepdims=True))
        features = values.reshape(len(values), -1).astype(np.float32) - network.layers[-1].fill
        return (powers / powers.sum(axis=1, keepdims=True)).astype(np.float32), features

    rng = np.random.default_rng(0)
    pixels = digits.pixels[rng.permutation(len(digits))[:60]]
    labels = [*rng.choice(list("0123456789"), 20), *["new"] * 20]
    near = np.clip(pixels[:40] + rng.normal(0, 20, (40, 28, 28)), 0, 255).astype(np.uint8)  # and others, far away
    some = np.concatenate([near, pixels])
    taught = Taught.by(answer, contract, labels, pixels[:40].copy())
    expected = taught.blend(*answer(some), some)
    assert (expected.argmax(axis=1) == 10).sum() >= 5
    told = model_of(network, contract, output, {})
    given = {
        "model": told,
        "examples": [{"label": label, "pixels": p.ravel().tolist()} for label, p in zip(labels, pixels, strict=False)],
        "some": some.reshape(len(some), -1).tolist(),
    }
    with MiniRacer() as context:
        context.eval(f"{web_page.scripts()}\nconst given = {json.dumps(given)};")
        found = context.eval("""{
            const classify = openEngine(given.model.engine);
            const infer = (pixels) => {
              const shares = probabilities(classify(pixels), given.model.output);
              return { shares, features: classify.features() };
            };
            const examples = given.examples.map(({ label, pixels }) => ({ label, pixels: Uint8Array.from(pixels) }));
            const { blend } = openTaught(given.model, examples, infer);
            JSON.stringify(given.some.map((pixels) => Array.from(blend(infer(Uint8Array.from(pixels)), pixels))));
        }""")
    np.testing.assert_allclose(np.array(json.loads(str(found))), expected, atol=2e-4)
