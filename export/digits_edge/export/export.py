"""From a trained model to a bundle, or to a refusal: the story of `digits-edge export`."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from digits_edge.common.atomic_folder import check_ours, publishing
from digits_edge.common.progress import progress, say
from digits_edge.runtime import bundle as bundles
from digits_edge.runtime.bundle import Bundle
from digits_edge.runtime.errors import BundleError, ExportError, GateFailed, UsageError

from .benchmark.benchmark import benchmark, steps
from .codegen.translation import Translated, to_c, to_web
from .codegen.web.engine import check_v8
from .convert.keras_model import keras_probabilities
from .convert.metadata import describe
from .convert.worker import Worker
from .engines.model_files import SUFFIXES, open_model
from .engines.tflm import MicroModel, run_tflm
from .formats import TRANSLATIONS, Format
from .next_command import next_command
from .options import ExportOptions
from .quantize.attempt import Attempt, Quantized, Skipped
from .quantize.backends import OnnxBackend, TfliteBackend
from .quantize.ladder import best, climb
from .report.gate_table import gate_table
from .report.manifest import REJECTED, gate_of, write_bundle
from .result import ExportResult
from .source import read_source
from .verify.gate import Gate
from .verify.parity import Parity, agreement, compare
from .verify.rejection import draw_outliers, measure_rejection

Made = tuple[Sequence[Attempt | Skipped], Attempt]  # all that was tried or skipped for one file, and the one chosen


def export(options: ExportOptions) -> Bundle:
    """Convert, prove that the float models are Keras's function, quantize, pass the gate, and only then publish.

    Args:
        options: What to export, and where to.

    Raises:
        GateFailed: A model is worse than allowed. Nothing was published, what stood at `out` still stands there, and
            the best attempt is under `rejected/` beside it.
        ExportError: A conversion failed, or its process died or took too long.
        RunError: The run is damaged.
        UsageError: `out` is not ours, or a format is unknown.
        MissingExtra: A page is to be made, and V8 is not installed to run its scripts with.
    """
    options = _checked(options)
    out = options.out.resolve()
    check_ours(out, marker=bundles.MANIFEST, kind=bundles.KIND)
    with Worker(options.time_limit) as worker, tempfile.TemporaryDirectory() as work:
        result = _make_models(options, worker, Path(work))
    if result.refused:
        raise _refuse(options, result, result.refused, out)
    result = _measure(options, result)
    with publishing(out, marker=bundles.MANIFEST, kind=bundles.KIND) as folder:
        write_bundle(folder, result, bundles.KIND)
    return Bundle.open(out)


def _checked(options: ExportOptions) -> ExportOptions:
    """The options with what their formats need."""
    if unknown := set(options.formats) - set(Format):
        raise UsageError(f"formats: expected {', '.join(Format)}, received {min(unknown)!r}")
    if "web" in options.formats:
        check_v8()
    if set(options.formats) & set(TRANSLATIONS):
        return replace(options, int8=True, formats=(*options.formats, Format.TFLITE))
    return options


def _make_models(options: ExportOptions, worker: Worker, work: Path) -> ExportResult:
    """Make one model after the other; the first that cannot pass the gate ends it."""
    source = read_source(options.source, worker)
    say(f"exporting {options.source.path}, to be judged by {source.validation.description}")
    keras = worker(keras_probabilities, source.network, source.validation.pixels)
    contract = describe(source.name, source.preprocess, source.validation, keras)
    gate = Gate(source.validation, keras, options.limits, contract.accepts)
    tools = (source.network, source.calibration, contract, worker, gate, work)
    onnx, tflite = OnnxBackend(*tools), TfliteBackend(*tools)
    backends = [backend for name, backend in (("onnx", onnx), ("tflite", tflite)) if name in options.formats]
    result = ExportResult(source, contract, options.limits, keras, rungs=(), models=())
    for rungs, model in _attempts(options, backends, gate, result):
        result = replace(result, rungs=(*result.rungs, *rungs), models=(*result.models, model))
        if isinstance(model, Quantized) and model.file == onnx.file:
            result = replace(result, layers=tuple(onnx.layers(replace(model.how, in_float=()))))
        if result.refused:
            break
    return result


def _attempts(
    options: ExportOptions, backends: Sequence[OnnxBackend | TfliteBackend], gate: Gate, result: ExportResult
) -> Iterator[Made]:
    """The float models, then the int8 models, then what is made from the int8 TFLite model."""
    for backend in backends:
        model = backend.float_model()
        _tell(model)
        yield [model], model
    for backend in backends if options.int8 else ():
        rungs: list[Attempt | Skipped] = []
        for outcome in climb(backend, ladder=options.ladder):
            _tell(outcome)
            rungs.append(outcome)
        chosen = best([attempt for attempt in rungs if isinstance(attempt, Quantized)])
        yield rungs, chosen
    if "c" in options.formats:
        translated = to_c(chosen, result.contract, gate)
        _tell(translated)
        yield [translated], translated
    if "web" in options.formats:
        translated = to_web(chosen, result.contract, result.source.parameters, gate)
        _tell(translated)
        yield [translated], translated


def _tell(outcome: Attempt | Skipped) -> None:
    """One line on stderr for each rung."""
    if isinstance(outcome, Skipped):
        say(f"{outcome.file}: {outcome.rung}: skipped, {outcome.reason}")
        return
    ending = f"refused: {outcome.verdict.refused}" if outcome.verdict.failed else "passed"
    say(f"{outcome.file} ({outcome.bytes:,} bytes): {outcome.rung}: {ending}")
    if isinstance(outcome, Quantized) and outcome.in_float and not outcome.verdict.failed:
        say(f"{outcome.file}: stays in float: {', '.join(outcome.in_float)}")


def _refuse(options: ExportOptions, result: ExportResult, refused: Attempt, out: Path) -> GateFailed:
    """Keep the best attempt beside the place where the bundle would have been."""
    result = replace(result, advice=next_command(options, refused), parity=tuple(_parity(result, options.time_limit)))
    rejected = out.parent / "rejected" / out.name
    with publishing(rejected, marker=bundles.MANIFEST, kind=REJECTED) as folder:
        write_bundle(folder, result, REJECTED)
    gate = gate_of(result)
    message = (
        f"nothing was published: {refused.file}: {refused.verdict.refused}\n{gate_table(gate).markdown()}\n"
        f"the best attempt, with a report: {rejected}\nto try next: {result.advice}"
    )
    return GateFailed(message, gate)


def _measure(options: ExportOptions, result: ExportResult) -> ExportResult:
    """Add what only models that passed are worth: parity in every runtime, what they reject, and times."""
    int8 = [model.answers for model in result.models if isinstance(model, Quantized)]
    targets, contract = result.source.validation.targets, result.contract
    outliers = None
    if contract.preprocess == "digit" and contract.shape == (28, 28):
        outliers = draw_outliers(result.source.calibration)
    result = replace(
        result,
        parity=tuple(_parity(result, options.time_limit)),
        int8_agreement=agreement(int8) if len(int8) > 1 else None,
        rejections=tuple(
            measure_rejection(m.file, targets, m.answers, contract, None if outliers is None else m.engine(outliers))
            for m in result.models
        ),
    )
    if not options.timed:
        return result
    models = [open_model(model.data, model.file) for model in result.models if model.file.endswith(SUFFIXES)]
    accuracies = {model.file: model.verdict.accuracy for model in result.models}
    with progress("timing", steps(models)) as step:
        times = benchmark(models, accuracies=accuracies, step=step)
    return replace(result, benchmark=times)


def _ran_by(model: Attempt) -> str:
    if isinstance(model, Translated):
        return model.rung
    return "LiteRT" if model.file.endswith(".tflite") else "digits_edge.runtime"


def _parity(result: ExportResult, time_limit: float) -> Iterator[Parity]:
    targets, keras = result.source.validation.targets, result.keras
    yield compare("Keras", targets, keras, keras)
    for model in result.models:
        yield compare(f"{model.file}, {_ran_by(model)}", targets, keras, model.answers)
        if model.file == TfliteBackend.file and MicroModel.available():
            engine = f"{model.file}, TensorFlow Lite for Microcontrollers"
            try:
                with Worker(time_limit) as child:
                    answers, arena = child(run_tflm, model.data, result.source.validation.pixels)
            except (BundleError, ExportError) as error:  # it has fewer operators than LiteRT
                say(f"{engine}: {error}")
                continue
            yield compare(engine, targets, keras, answers, arena)
