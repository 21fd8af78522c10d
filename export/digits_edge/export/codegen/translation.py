"""The gated int8 TFLite model in another dress: C, or a web page; each is run and judged like the model itself."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Final

import numpy as np
import numpy.typing as npt

from digits_edge.runtime.metadata import Contract

from ..engines.litert import TfliteModel
from ..engines.tensor_spec import Engine, Pixels, TensorSpec
from ..quantize.attempt import Attempt, Quantized
from ..verify.gate import Gate
from .c.compiled import Compiler, run_compiled
from .c.sources import Sources, write_sources
from .int8_network import Int8Network
from .tflite_reader import read_network
from .web.engine import model_of, run_scripts
from .web.page import page

PAGE: Final = "web/index.html"

Logits = Callable[[Pixels], npt.NDArray[np.int8]]


@dataclass(frozen=True, eq=False)
class Translated(Attempt):
    """A translation, judged.

    Attributes:
        answering: what answers for it.
        note: what it takes up, in words.
        costs: on a device, for the manifest; of a page, nothing.
        beside: files that belong to it, by their names in the bundle.
    """

    answering: Engine
    note: str
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


def to_c(tflite: Quantized, contract: Contract, gate: Gate) -> Translated:
    """The model as C, run and judged: compiled where there is a compiler, else the same arithmetic in numpy.

    Args:
        tflite: the gated model.
        contract: what it says of itself.
        gate: what judges it.

    Raises:
        ExportError: the model has a layer that C does not have, or the C does not compile or run.
    """
    network, form = _opened(tflite)
    compiler = Compiler.find()

    def written(accuracy: str) -> Sources:
        return write_sources(network, contract, form.output, accuracy)

    draft = written("not judged yet")
    if compiler is None:
        run: Logits = network.logits
        ran = "not compiled, for want of a C compiler: its arithmetic ran in numpy"
    else:
        run = partial(run_compiled, draft, compiler)
        ran = f"compiled by {compiler.version}"
    answering = _engine(run, form)
    answers = answering(gate.validation.pixels)
    verdict = gate.judge("int8", answers)
    sources = written(f"{verdict.accuracy:.2%} of {verdict.pictures:,} pictures kept from the training")
    files = {f"c/{name}": text.encode() for name, text in sources.files.items()}
    file = f"c/{sources.name}.c"
    note = (
        f"{sources.flash:,} bytes of flash on a Cortex-M4, weights, tables and code; {sources.arena:,} bytes of RAM; "
        f"{network.macs:,} multiplications a picture"
    )
    costs = {"flash_bytes": sources.flash, "arena_bytes": sources.arena, "macs": network.macs}
    return Translated(file, ran, files.pop(file), answers, verdict, answering, note, costs, files)


def to_web(tflite: Quantized, contract: Contract, parameters: int | None, gate: Gate) -> Translated:
    """The model as a web page, whose scripts are run and judged.

    Args:
        tflite: the gated model.
        contract: what it says of itself.
        parameters: of the network, where they were counted.
        gate: what judges it.

    Raises:
        ExportError: the model has a layer that the page does not have, or its scripts fail.
        MissingExtra: there is nothing here to run scripts with.
    """
    network, form = _opened(tflite)
    answering = _engine(partial(run_scripts, network), form)
    answers = answering(gate.validation.pixels)
    verdict = gate.judge("int8", answers)
    facts = {"accuracy": verdict.accuracy, "pictures": verdict.pictures, "parameters": parameters}
    data = page(model_of(network, contract, form.output, facts))
    note = f"{len(data):,} bytes, with what finds a digit in a picture"
    return Translated(PAGE, "its scripts ran in V8", data, answers, verdict, answering, note)


def _opened(tflite: Quantized) -> tuple[Int8Network, TensorSpec]:
    return read_network(tflite.data), TfliteModel.load(tflite.data, tflite.file).form


def _engine(logits: Logits, form: TensorSpec) -> Engine:
    return lambda pixels: form.probabilities(logits(pixels))
