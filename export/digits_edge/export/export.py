"""From a trained model to a bundle, or to a refusal: the story of `digits-edge export`."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from digits_edge.runtime import bundle as bundles
from digits_edge.runtime.bundle import Bundle
from digits_edge.runtime.errors import BundleError, ExportError, GateFailed, UsageError
from digits_edge.trainer.progress import progress, say
from digits_edge.trainer.publish import check_ours, publishing
from digits_edge.trainer.run import Run

from . import conversions
from .advice import advise
from .benchmark import benchmark, steps
from .converter import Converter
from .describe import describe
from .engines import MicroModel, open_engine
from .evidence import Evidence
from .gate import Limits, Verdict, judge
from .ladder import Attempt, Quantized, Skipped, best, climb
from .manifest import gate_of, write_bundle
from .models import SUFFIXES, open_model
from .parity import Parity, agreement, compare
from .refusal import refusal
from .report import gate_table
from .subject import OwnModel, from_model, from_run
from .to_web import check_v8
from .translate import TRANSLATIONS, Translated, to_c, to_web
from .workshop import MODELS, OnnxWorkshop, TfliteWorkshop

FORMATS: Final = (*MODELS, *TRANSLATIONS)
REJECTED: Final = "digits-edge rejected export"  # what a refused export leaves calls itself


@dataclass(frozen=True)
class ExportOptions:
    """What to export, and where to.

    Attributes:
        source: a finished run, or a model of one's own.
        out: the bundle's folder.
        int8: also quantize; else the float models only.
        formats: some of `FORMATS`. C and web are the int8 TFLite model in another dress, and bring it along.
        limits: of the gate.
        ladder: try remedies where an int8 model is refused; else the first attempt decides.
        timed: benchmark the models on this machine, for the report.
        time_limit: of one conversion, in seconds.
    """

    source: Run | OwnModel
    out: Path
    int8: bool = False
    formats: Sequence[str] = MODELS
    limits: Limits = field(default_factory=Limits)
    ladder: bool = True
    timed: bool = True
    time_limit: float = 600


def export(options: ExportOptions) -> Bundle:
    """Convert, prove the float models to be Keras's, quantize, pass the gate, and only then publish.

    Raises:
        GateFailed: a model is worse than allowed; nothing was published, what stood at `out` stands there still, and
            the best attempt is under `rejected/` beside it.
        ExportError: a conversion failed, or its process died or took too long.
        RunError: the run is damaged.
        UsageError: `out` is not ours, or an unknown format.
        MissingExtra: a page is to be made, and there is nothing to run its scripts with.
    """
    if unknown := set(options.formats) - set(FORMATS):
        raise UsageError(f"--format: expected {', '.join(FORMATS)}, received {min(unknown)!r}")
    if set(options.formats) & set(TRANSLATIONS):
        options = replace(options, int8=True, formats=(*options.formats, "tflite"))
    if "web" in options.formats:
        check_v8()
    out = options.out.resolve()
    check_ours(out, marker=bundles.MANIFEST, kind=bundles.KIND)
    with Converter(options.time_limit) as convert, tempfile.TemporaryDirectory() as work:
        evidence = _try(options, convert, Path(work))
    if evidence.refused:
        raise _refusal(options, evidence, evidence.refused, out)
    evidence = _measured(options, evidence)
    with publishing(out, marker=bundles.MANIFEST, kind=bundles.KIND) as folder:
        write_bundle(folder, evidence, bundles.KIND)
    return Bundle.open(out)


def _try(options: ExportOptions, convert: Converter, work: Path) -> Evidence:
    """Make one model after the other, the float ones first; the first that cannot pass ends it."""
    source = options.source
    subject = from_run(source, convert) if isinstance(source, Run) else from_model(source, convert)
    say(f"exporting {source.path}, to be judged by {subject.judged_by}")
    keras = convert(conversions.answers, subject.network, subject.pixels)
    contract = describe(subject, keras)
    evidence = Evidence(subject, contract, options.limits, keras, rungs=(), models=())

    def verdict(precision: str, answers: npt.NDArray[np.float32]) -> Verdict:
        return judge(precision, subject.targets, keras, answers, options.limits, subject.labels, contract.accepts)

    def examine(file: str, precision: str, data: bytes) -> tuple[npt.NDArray[np.float32], Verdict]:
        answers = open_engine(data, file)(subject.pixels)
        return answers, verdict(precision, answers)

    made = (subject.network, subject.calibration, contract, convert, examine, work)
    onnx, tflite = OnnxWorkshop(*made), TfliteWorkshop(*made)
    workshops = [shop for shop, name in ((onnx, "onnx"), (tflite, "tflite")) if name in options.formats]
    for workshop in workshops:
        model = workshop.float_model()
        _tell(model)
        evidence = replace(evidence, rungs=(*evidence.rungs, model), models=(*evidence.models, model))
        if evidence.refused:
            return evidence
    for workshop in workshops if options.int8 else ():
        climbed: list[Attempt | Skipped] = []
        for outcome in climb(workshop, ladder=options.ladder):
            _tell(outcome)
            climbed.append(outcome)
        chosen = best([attempt for attempt in climbed if isinstance(attempt, Quantized)])
        evidence = replace(evidence, rungs=(*evidence.rungs, *climbed), models=(*evidence.models, chosen))
        if workshop is onnx:
            evidence = replace(evidence, layers=tuple(onnx.layers(replace(chosen.how, in_float=()))))
        if evidence.refused:
            return evidence
    for format in (name for name in TRANSLATIONS if name in options.formats):
        given = (subject.pixels, partial(verdict, "int8"))
        translated = (
            to_c(chosen, contract, *given) if format == "c" else to_web(chosen, contract, subject.parameters, *given)
        )
        _tell(translated)
        evidence = replace(evidence, rungs=(*evidence.rungs, translated), models=(*evidence.models, translated))
        if evidence.refused:
            return evidence
    return evidence


def _tell(outcome: Attempt | Skipped) -> None:
    """One line on stderr for each rung."""
    if isinstance(outcome, Skipped):
        say(f"{outcome.file}: {outcome.rung}: skipped, {outcome.reason}")
        return
    ending = f"refused: {outcome.verdict.refused}" if outcome.verdict.failed else "passed"
    say(f"{outcome.file} ({outcome.bytes:,} bytes): {outcome.rung}: {ending}")
    if isinstance(outcome, Quantized) and outcome.in_float and not outcome.verdict.failed:
        say(f"{outcome.file}: stays in float: {', '.join(outcome.in_float)}")


def _refusal(options: ExportOptions, evidence: Evidence, refused: Attempt, out: Path) -> GateFailed:
    """Keep the best attempt beside the place where the bundle would have been."""
    evidence = replace(evidence, advice=advise(options, refused), parity=tuple(_parity(evidence, options.time_limit)))
    rejected = out.parent / "rejected" / out.name
    with publishing(rejected, marker=bundles.MANIFEST, kind=REJECTED) as folder:
        write_bundle(folder, evidence, REJECTED)
    gate = gate_of(evidence)
    message = (
        f"nothing was published: {refused.file}: {refused.verdict.refused}\n{gate_table(gate)}\n"
        f"the best attempt, with a report: {rejected}\nto try next: {evidence.advice}"
    )
    return GateFailed(message, gate)


def _measured(options: ExportOptions, evidence: Evidence) -> Evidence:
    """With what only models that passed are worth: parity in every runtime, and times."""
    int8 = [model.answers for model in evidence.models if isinstance(model, Quantized)]
    evidence = replace(
        evidence,
        parity=tuple(_parity(evidence, options.time_limit)),
        int8_agreement=agreement(int8) if len(int8) > 1 else None,
        refusals=tuple(
            refusal(m.file, evidence.subject, evidence.contract, m.answers, m.engine) for m in evidence.models
        ),
    )
    if not options.timed:
        return evidence
    models = [open_model(model.data, model.file) for model in evidence.models if model.file.endswith(SUFFIXES)]
    accuracies = {model.file: model.verdict.accuracy for model in evidence.models}
    with progress("timing", steps(models)) as step:
        times = benchmark(models, accuracies=accuracies, step=step)
    return replace(evidence, benchmark=times)


def _ran_by(model: Attempt) -> str:
    if isinstance(model, Translated):
        return model.rung
    return "LiteRT" if model.file.endswith(".tflite") else "digits_edge.runtime"


def _parity(evidence: Evidence, time_limit: float) -> Iterator[Parity]:
    targets, keras = evidence.subject.targets, evidence.keras
    yield compare("Keras", targets, keras, keras)
    for model in evidence.models:
        yield compare(f"{model.file}, {_ran_by(model)}", targets, keras, model.answers)
        if model.file == TfliteWorkshop.file and MicroModel.available():
            engine = f"{model.file}, TensorFlow Lite for Microcontrollers"
            try:
                with Converter(time_limit) as child:
                    answers, arena = child(conversions.microcontroller, model.data, evidence.subject.pixels)
            except (BundleError, ExportError) as error:  # it has fewer operators than LiteRT
                say(f"{engine}: {error}")
                continue
            yield compare(engine, targets, keras, answers, arena)
