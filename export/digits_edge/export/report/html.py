"""`report.html`: what was exported and how it was judged, for people who decide whether to ship it.

One file that needs nothing else: style, pictures and chart are inside, and there is no script.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

import jinja2
from markupsafe import Markup, escape

from ..quantize.attempt import Attempt, Quantized, Skipped
from ..result import ExportResult
from ..verify import confusion
from ..verify.gate import Check, option
from . import chart
from . import thumbnails as gallery
from .gate_table import CRITERIA

TEMPLATE: Final = "report.html.jinja"
MANY: Final = 20  # classes: above, the matrices would be larger than any screen
EXPLAINED: Final = {
    "max_difference": "The largest difference in probability to Keras, over all pictures and classes. "
    "A float file must be the same function, so it is asked of the float files alone.",
    "max_drop": "Answers lost, net: broken ones (right in Keras, wrong here) less fixed ones.",
    "max_error_ratio": "Wrong answers here for each wrong answer of Keras; one more is allowed by any limit over 1.",
    "min_p": "The exact McNemar test: how likely luck alone would part broken from fixed answers this unevenly. "
    "1 where no more are broken than fixed.",
    "max_recall_drop": "Pictures lost, net, in the class that comes nearest to its limit.",
    "min_agreement": "Pictures that get another label than Keras gave, right or wrong.",
    "max_drift": "By how many pictures the number of accepted answers moves, up or down.",
    "min_accuracy": "The share of right answers, asked of the float files alone.",
}


def write_html(path: Path, manifest: dict[str, Any], result: ExportResult) -> None:
    """Write `report.html`.

    Args:
        path: of the file.
        manifest: the bundle's, but for its files.
        result: of the export.
    """
    models, source = compared(result), result.source
    answers = {confusion.KERAS: result.keras, **{model.file: model.answers for model in models}}
    many = len(result.source.validation.labels) > MANY
    page = _environment().get_template(TEMPLATE)
    text = page.render(
        manifest=manifest,
        result=result,
        cost=manifest["provenance"].get("run") or manifest["provenance"].get("model") or {},
        figures=_figures(result),
        criteria=_criteria(result),
        explained=EXPLAINED,
        ladders=_ladders(result),
        compared=models,
        matrices=() if many else confusion.matrices(source.validation, answers),
        pairs=confusion.pairs(source.validation, answers) if many else (),
        recalls=confusion.recalls(source.validation, answers),
        flips=gallery.flips(result, models),
        mistakes=gallery.mistakes(result, models[0]),
        noises=_noises(result),
        in_float={m.file: m.in_float for m in result.models if isinstance(m, Quantized) and m.in_float},
        chart=chart.draw({m.file: (m.bytes, m.verdict.accuracy) for m in result.sized}, _keras_accuracy(result)),
    )
    path.write_text(text, encoding="utf-8")


def compared(result: ExportResult) -> tuple[Attempt, ...]:
    """The models whose answers are shown beside Keras's: those in int8, of float files the last one.

    The refused one comes first, since it is what has to be understood.
    """
    int8 = tuple(model for model in result.models if isinstance(model, Quantized) or model.verdict.failed)
    return tuple(sorted(int8 or result.models[-1:], key=lambda model: not model.verdict.failed))


def _environment() -> jinja2.Environment:
    """Labels and names are data of the user's: all that is put in is escaped, and what is not there is an error."""
    environment = jinja2.Environment(
        loader=jinja2.FunctionLoader(
            lambda name: (files(__package__) / "templates" / name).read_text(encoding="utf-8")
        ),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"number": _number, "percent": _percent, "tiny": _tiny, "options": _options}
    environment.globals["option"] = option
    return environment


def _number(value: Any) -> str:
    """A whole number with its thousands parted."""
    return f"{value:,.0f}"


def _percent(share: float, digits: int = 2) -> str:
    return f"{share:.{digits}%}" if math.isfinite(share) else "no number"


def _tiny(value: float) -> str:
    return f"{value:.2g}" if math.isfinite(value) else "no number"


def _options(words: str) -> Markup:
    """The same words with no line broken after the hyphens of a command line's options."""
    whole = Markup('<span class="option">{}</span>')
    return Markup(" ").join(whole.format(word) if word.startswith("--") else escape(word) for word in words.split(" "))


def _keras_accuracy(result: ExportResult) -> float:
    verdict = result.models[0].verdict
    return 1 - verdict.keras_wrong / verdict.pictures


@dataclass(frozen=True)
class Figure:
    """A key figure: what it is of, its value, and what there is to say of it."""

    name: str
    value: str
    note: str


def _figures(result: ExportResult) -> list[Figure]:
    """Accuracy of Keras and of each model compared, with its size."""
    verdict = result.models[0].verdict
    note = f"{verdict.keras_wrong:,} wrong of {verdict.pictures:,}"
    told = [Figure("Keras accuracy", _percent(_keras_accuracy(result)), note)]
    for model in compared(result):
        note = f"{model.verdict.wrong:,} wrong, {model.bytes:,} bytes"
        name = f"{model.file.removeprefix('model.')} accuracy"
        told.append(Figure(name, _percent(model.verdict.accuracy), note))
    return told


@dataclass(frozen=True)
class Cell:
    """What one model has of one criterion; `holds` is None where the criterion does not apply to it."""

    words: str
    holds: bool | None


@dataclass(frozen=True)
class Criterion:
    """A row of the gate's table.

    Attributes:
        limit: the name of the field of `Limits`.
        title: the same in words.
        allowed: for all models.
        cells: one for each model.
    """

    limit: str
    title: str
    allowed: str
    cells: tuple[Cell, ...]


def _criteria(result: ExportResult) -> list[Criterion]:
    """Every criterion that applies to any model, in the order in which reports have them."""
    of_models = [{check.limit: check for check in model.verdict.checks} for model in result.models]
    met = {limit for checks in of_models for limit in checks}
    rows = []
    for limit in sorted(met, key=[*CRITERIA, *sorted(met)].index):
        checks = [checks.get(limit) for checks in of_models]
        known = next(check for check in checks if check)
        title = CRITERIA[limit][0] if limit in CRITERIA else limit.replace("_", " ")
        # Each class has its own allowance, so the row has the share and each cell what it came to.
        by_class = limit == "max_recall_drop"
        share = f"{result.limits.max_recall_drop:.1%}"
        allowed = f"{'≥' if known.at_least else '≤'} {share if by_class else _written(limit, known.allowed)}"
        rows.append(Criterion(limit, title, allowed, tuple(_cell(check, by_class) for check in checks)))
    return rows


def _cell(check: Check | None, with_allowed: bool) -> Cell:
    if check is None:
        return Cell("–", None)
    words = _written(check.limit, check.value)
    return Cell(f"{words} (≤ {_written(check.limit, check.allowed)})" if with_allowed else words, check.holds)


def _written(limit: str, value: float) -> str:
    if not math.isfinite(value):
        return "no number"
    return CRITERIA[limit][1](value) if limit in CRITERIA else f"{value:.3g}"


@dataclass(frozen=True)
class Rung:
    """A rung of the ladder.

    Attributes:
        tried: the model it made, or None where it was skipped.
        rung: what was tried, in words.
        state: `passed`, `refused` or `skipped`.
        reason: why it was refused or skipped; empty where it passed.
        chosen: whether its model is the one of the bundle.
    """

    tried: Attempt | None
    rung: str
    state: str
    reason: str
    chosen: bool


def _ladders(result: ExportResult) -> dict[str, list[Rung]]:
    """The rungs of each file, in the order in which they were tried."""
    ladders: dict[str, list[Rung]] = {}
    for rung in result.rungs:
        ladders.setdefault(rung.file, []).append(_step(rung, result))
    return ladders


def _step(rung: Attempt | Skipped, result: ExportResult) -> Rung:
    if isinstance(rung, Skipped):
        return Rung(None, rung.rung, "skipped", rung.reason, chosen=False)
    reason = rung.verdict.refused
    return Rung(rung, rung.rung, "refused" if reason else "passed", reason or "", chosen=rung in result.models)


@dataclass(frozen=True)
class Noise:
    """What quantizing one layer alone does.

    Attributes:
        name: of the layer.
        operator: ONNX's.
        snr: of the logits in dB; None where there is no noise.
        share: the noise's amplitude, of the signal's; 0 where there is none.
        bar: from 0 to 1, `share` beside that of the noisiest layer.
        noisiest: whether no layer has more.
    """

    name: str
    operator: str
    snr: float | None
    share: float
    bar: float
    noisiest: bool


def _noises(result: ExportResult) -> list[Noise]:
    """The layers in the order of the graph."""
    shares = [10 ** (-layer.snr / 20) if math.isfinite(layer.snr) else 0.0 for layer in result.layers]
    most = max(shares, default=0.0)
    return [
        Noise(
            name=layer.name,
            operator=layer.operator,
            snr=layer.snr if math.isfinite(layer.snr) else None,
            share=share,
            bar=share / most if most else 0.0,
            noisiest=share == most > 0,
        )
        for layer, share in zip(result.layers, shares, strict=True)
    ]
