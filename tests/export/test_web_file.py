"""The page as a file: what is put into it cannot break out, and its rule of acceptance is the contract's."""

from __future__ import annotations

import json
from html.parser import HTMLParser
from typing import Any

import numpy as np
import pytest
from py_mini_racer import MiniRacer

from digits_edge.export.codegen.web import page as web_page
from digits_edge.runtime.metadata import Contract, Golden


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
