"""The gated int8 TFLite model in another dress: C, or a web page; each is run and judged like the model itself."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from digits_edge.runtime.contract import Contract

from .c.compiled import Compiler, run_compiled
from .c.sources import Sources, write_sources
from .engines import Engine, TfliteModel
from .form import Form, Pixels, Probabilities
from .from_tflite import read_network
from .gate import Verdict
from .int8 import Int8Network
from .ladder import Attempt, Quantized
from .to_web import run_scripts, web_page

TRANSLATIONS: Final = ("c", "web")
PAGE: Final = "web/index.html"

Judge = Callable[[str, Probabilities], Verdict]  # precision, answers
Logits = Callable[[Pixels], npt.NDArray[np.int8]]


@dataclass(frozen=True, eq=False)
class Translated(Attempt):
    """A translation, judged.

    Attributes:
        answering: what answers for it.
        costs: on a device, for the manifest; of a page, nothing.
        beside: files that belong to it, by their names in the bundle.
    """

    answering: Engine
    costs: dict[str, int] = field(default_factory=dict)
    beside: dict[str, bytes] = field(default_factory=dict)

    @property
    def engine(self) -> Engine:
        """What answers for it."""
        return self.answering

    @property
    def bytes(self) -> int:
        """What it takes up on a device: of C, the flash."""
        return self.costs.get("flash_bytes", len(self.data))


def translate(
    format: str, tflite: Quantized, contract: Contract, facts: dict[str, Any], pixels: Pixels, judge: Judge
) -> Translated:
    """Translate a gated model.

    Args:
        format: one of `TRANSLATIONS`.
        tflite: the model.
        contract: what it says of itself.
        facts: of the network, what is known: `parameters`.
        pixels: of the validation split.
        judge: the gate.

    Raises:
        ExportError: the model has a layer that neither C nor the page has, or the translation does not run.
        MissingExtra: there is nothing here to run a page's scripts with.
    """
    network, form = read_network(tflite.data), TfliteModel.load(tflite.data, tflite.file).form
    return (_to_c if format == "c" else _to_web)(network, form, contract, facts, pixels, judge)


def _to_c(
    network: Int8Network, form: Form, contract: Contract, _facts: dict[str, Any], pixels: Pixels, judge: Judge
) -> Translated:
    compiler = Compiler.find()

    def written(accuracy: str) -> Sources:
        return write_sources(network, contract, form.output, accuracy)

    draft = written("not judged yet")
    run: Logits = network.logits if compiler is None else lambda pixels: run_compiled(draft, compiler, pixels)
    ran = "not compiled, for want of a C compiler: its arithmetic ran in numpy"
    ran = ran if compiler is None else f"compiled by {compiler.version}"
    answering = _engine(run, form)
    answers = answering(pixels)
    verdict = judge("int8", answers)
    sources = written(f"{verdict.accuracy:.2%} of {verdict.pictures:,} pictures kept from the training")
    files = {f"c/{name}": text.encode() for name, text in sources.files.items()}
    file = f"c/{sources.name}.c"
    costs = {"flash_bytes": sources.flash, "arena_bytes": sources.arena, "macs": network.macs}
    return Translated(file, ran, files.pop(file), answers, verdict, answering, costs, files)


def _to_web(
    network: Int8Network, form: Form, contract: Contract, facts: dict[str, Any], pixels: Pixels, judge: Judge
) -> Translated:
    answering = _engine(lambda pixels: run_scripts(network, pixels), form)
    answers = answering(pixels)
    verdict = judge("int8", answers)
    told = {"accuracy": verdict.accuracy, "pictures": verdict.pictures, "macs": network.macs, "bytes": None, **facts}
    data = web_page(network, contract, form.output, told)
    return Translated(PAGE, "its scripts ran in V8", data, answers, verdict, answering)


def _engine(logits: Logits, form: Form) -> Engine:
    return lambda pixels: form.probabilities(logits(pixels))
