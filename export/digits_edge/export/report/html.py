"""`report.html`: what was exported and how it was judged, for people who decide whether to ship it.

The page is one file that loads nothing: styles and pictures are inside, and there are no scripts.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, Final

import jinja2
from markupsafe import Markup, escape

from ..quantize.attempt import Attempt, Quantized
from ..result import ExportResult
from ..verify import confusion
from . import thumbnails
from .gate_table import gate_table, own_part

MOST_CLASSES: Final = 20  # in a confusion matrix: more do not fit on a screen


def write_html(path: Path, manifest: dict[str, Any], result: ExportResult) -> None:
    """Write `report.html` from the result of an export and its manifest, which needs no list of files yet."""
    models, validation = compared(result), result.source.validation
    answers = {confusion.KERAS: result.keras, **{model.file: model.answers for model in models}}
    many = len(validation.labels) > MOST_CLASSES
    template = _environment().get_template("report.html.jinja")
    text = template.render(
        manifest=manifest,
        result=result,
        cost=manifest["provenance"].get("run") or manifest["provenance"].get("model") or {},
        gate_table=gate_table(manifest["gate"]),
        own_part=own_part(manifest),
        compared=models,
        matrices=() if many else confusion.matrices(validation, answers),
        pairs=confusion.pairs(validation, answers) if many else (),
        recalls=confusion.recalls(validation, answers),
        flips=thumbnails.flips(result, models),
        mistakes=thumbnails.mistakes(result, models[0]),
        layers=[(layer, 10 ** (-layer.snr / 20)) for layer in result.layers],
        in_float={m.file: m.in_float for m in result.models if isinstance(m, Quantized) and m.in_float},
    )
    path.write_text(text, encoding="utf-8")


def compared(result: ExportResult) -> tuple[Attempt, ...]:
    """The models that the report compares with Keras in detail: the int8 models, or else the last float model.

    A refused model is always among them and comes first, since it is the one to understand.
    """
    int8 = tuple(model for model in result.models if isinstance(model, Quantized) or model.verdict.failed)
    return tuple(sorted(int8 or result.models[-1:], key=lambda model: not model.verdict.failed))


def _environment() -> jinja2.Environment:
    """Everything is escaped, because labels and names are the user's data; an undefined name is an error."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader(__package__),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"number": _number, "percent": _percent, "tiny": _tiny, "options": _options}
    return environment


def _number(value: Any) -> str:
    """A whole number with thousands separators."""
    return f"{value:,.0f}"


def _percent(share: float, digits: int = 2) -> str:
    return f"{share:.{digits}%}" if math.isfinite(share) else "not a number"


def _tiny(value: float) -> str:
    return f"{value:.2g}" if math.isfinite(value) else "not a number"


def _options(words: str) -> Markup:
    """The same words, with no line break inside the options of a command line."""
    option = Markup('<span class="option">{}</span>')
    return Markup(" ").join(option.format(word) if word.startswith("--") else escape(word) for word in words.split(" "))
