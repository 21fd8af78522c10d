"""Translate the gated int8 TFLite model to C or to a web page; each is run and judged like every other model."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Final

from digits_edge.runtime.metadata import Contract

from ..engines.litert import TfliteModel
from ..engines.tensor_spec import Engine, TensorSpec
from ..quantize.attempt import Attempt, Quantized
from ..verify.gate import Gate
from .c.compiled import Compiler, compiled
from .c.sources import write_sources
from .int8_network import Int8Network, Logits
from .tflite_reader import read_network
from .web.engine import model_of, scripts_in_v8
from .web.page import page

PAGE: Final = "web/index.html"
NOT_COMPILED: Final = "not compiled, because there is no C compiler: its arithmetic ran in numpy"


@dataclass(frozen=True, eq=False)
class Translated(Attempt):
    """A translation, judged by the gate."""

    note: str  # its memory and its size, in words
    costs: dict[str, int] = field(default_factory=dict)  # on a device, for the manifest; empty for a page
    beside: dict[str, bytes] = field(default_factory=dict)  # files that belong to it, by their names in the bundle

    @property
    def bytes(self) -> int:
        """Size of the model on a device: of C, the flash."""
        return self.costs.get("flash_bytes", len(self.data))


def to_c(tflite: Quantized, contract: Contract, gate: Gate, running: ExitStack) -> Translated:
    """Translate to C, run it and judge it. Without a C compiler, the same arithmetic runs in numpy.

    `running` keeps the compiled program, so that it is compiled once. Raises ExportError for a layer that C does not
    have, and for C that does not compile or run.
    """
    network, spec = _opened(tflite)
    sources = write_sources(network, contract, spec.output)
    compiler = Compiler.find()
    logits = running.enter_context(compiled(sources, compiler)) if compiler else network.logits
    engine = _engine(logits, spec)
    answers = engine(gate.validation.pixels)
    verdict = gate.judge("int8", answers, engine)
    sources = sources.with_accuracy(f"{verdict.accuracy:.2%} of {verdict.pictures:,} pictures kept from the training")
    files = {f"c/{name}": text.encode() for name, text in sources.files.items()}
    file = f"c/{sources.name}.c"
    return Translated(
        file=file,
        rung=f"compiled by {compiler.version}" if compiler else NOT_COMPILED,
        data=files.pop(file),
        engine=engine,
        answers=answers,
        verdict=verdict,
        note=f"{sources.flash:,} bytes of flash on a Cortex-M4, weights, tables and code; "
        f"{sources.arena:,} bytes of RAM; {network.macs:,} multiplications per picture",
        costs={"flash_bytes": sources.flash, "arena_bytes": sources.arena, "macs": network.macs},
        beside=files,
    )


def to_web(tflite: Quantized, contract: Contract, parameters: int | None, gate: Gate, running: ExitStack) -> Translated:
    """Translate to a web page, run its scripts and judge them.

    `running` keeps the loaded scripts, so that they are loaded once. Raises ExportError for a layer that the page does
    not have, and for a script that fails.
    """
    network, spec = _opened(tflite)
    engine = _engine(running.enter_context(scripts_in_v8(network)), spec)
    answers = engine(gate.validation.pixels)
    verdict = gate.judge("int8", answers, engine)
    facts = {"accuracy": verdict.accuracy, "pictures": verdict.pictures, "parameters": parameters}
    data = page(model_of(network, contract, spec.output, facts))
    return Translated(
        file=PAGE,
        rung="its scripts ran in V8",
        data=data,
        engine=engine,
        answers=answers,
        verdict=verdict,
        note=f"{len(data):,} bytes, including the scripts that find a digit in a picture",
    )


def _opened(tflite: Quantized) -> tuple[Int8Network, TensorSpec]:
    return read_network(tflite.data), TfliteModel.load(tflite.data, tflite.file).spec


def _engine(logits: Logits, spec: TensorSpec) -> Engine:
    return lambda pixels: spec.probabilities(logits(pixels))
