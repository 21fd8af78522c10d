"""Export a trained model: convert, quantize, pass the gate, and publish a bundle, or nothing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import fields, replace
from itertools import groupby
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from digits_edge.common.atomic_folder import check_ours, publishing
from digits_edge.common.progress import progress, say
from digits_edge.runtime import bundle as bundles
from digits_edge.runtime.bundle import Bundle
from digits_edge.runtime.errors import BundleError, ExportError, GateFailed, UsageError, printable

from .benchmark.benchmark import benchmark, steps
from .codegen.translation import Translated, to_c, to_web
from .codegen.web.engine import check_v8
from .convert.keras_model import keras_answers, keras_probabilities
from .convert.metadata import describe
from .engines.model_files import SUFFIXES, open_model
from .engines.pixel_range import candidates
from .engines.tensor_spec import Engine, Probabilities
from .engines.tflm import MicroModel, run_tflm
from .engines.worker import Worker
from .formats import TRANSLATIONS, Format
from .next_command import LOOK, next_command
from .options import ExportOptions, OwnModel
from .quantize.attempt import Attempt, Quantized, Skipped
from .quantize.backends import Backend, OnnxBackend, TfliteBackend
from .quantize.clock import Clock, OutOfTime
from .quantize.ladder import best, climb
from .quantize.sensitivity import LayerNoise
from .report.gate_table import gate_table, own_part
from .report.manifest import gate_of, write_bundle
from .result import ExportResult
from .source import ExportSource, read_source
from .verify.diagnosis import CHANCE, at_chance, diagnose
from .verify.gate import Gate
from .verify.parity import Parity, agreement, compare
from .verify.rejection import Rejection, draw_outliers, measure_rejection

BACKENDS: Final = {Format.ONNX: OnnxBackend, Format.TFLITE: TfliteBackend}


def export(options: ExportOptions) -> Bundle:
    """Export a model: convert, quantize, compare with Keras, and publish a bundle only if the gate passes.

    Args:
        options: What to export, in which formats, and where to.

    Returns:
        The published bundle. Its folder appears in one step, or not at all.

    Raises:
        GateFailed: A model is worse than allowed. Nothing was published, an earlier bundle at `out` is unchanged, and
            the best attempt is under `rejected/` beside it.
        ExportError: A conversion failed, or its process died or took too long.
        RunError: The run is damaged.
        DatasetError: The data for a Keras model of your own cannot be read, or do not fit it.
        UsageError: The output folder holds something else, or a format is unknown.
        MissingExtra: The format `web` needs V8 to test the page, which is not installed.

    Example:
        from pathlib import Path
        from digits_edge.export import ExportOptions, export
        from digits_edge.trainer import Run

        run = Run.open(Path("artifacts/runs/compact-sample"))
        bundle = export(ExportOptions(run, out=run.place, int8=True))
        print(bundle.names)
    """
    options = _checked(options)
    out = options.out.resolve()
    check_ours(out, marker=bundles.MANIFEST, kind=bundles.KIND)
    with ExitStack() as running:  # keeps the compiled C and the page's scripts until the bundle is written
        result = _make_models(options, running)
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
    if Format.WEB in options.formats:
        check_v8()
    if set(options.formats) & set(TRANSLATIONS):
        return replace(options, int8=True, formats=(*options.formats, Format.TFLITE))
    return options


def _make_models(options: ExportOptions, running: ExitStack) -> ExportResult:
    """Make and judge all models, up to the first that cannot pass the gate."""
    clock = Clock(options.time_budget)
    with Worker(options.time_limit) as worker, TemporaryDirectory() as work:
        source = read_source(options.source, worker)
        say(f"exporting {options.source.path}, judged by {source.validation.described}")
        if source.own:
            say(f"judged also by {source.own.described}{', on which it was trained' * source.own.trained_on}")
        keras = worker(keras_probabilities, source.network, source.validation.pixels)
        if isinstance(options.source, OwnModel):
            _check_pixels_and_labels(source, keras, worker)
        contract = describe(source.name, source.preprocess, source.validation, keras)
        gate = Gate(validation=source.validation, keras=keras, limits=options.limits, accepts=contract.accepts)
        if source.own:
            gate = gate.adapted_to(source.own, worker(keras_probabilities, source.network, source.own.pixels))
        result = ExportResult(source=source, contract=contract, limits=options.limits, keras=keras, rungs=(), models=())
        backends = [
            backend(
                network=source.network,
                calibration=source.calibration,
                contract=contract,
                worker=worker,
                gate=gate,
                work=Path(work),
                clock=clock,
            )
            for format, backend in BACKENDS.items()
            if format in options.formats
        ]
        rungs: list[Attempt | Skipped] = []
        for rung in _rungs(options, backends, gate, result, running):
            _report(rung)
            rungs.append(rung)
        attempts = [rung for rung in rungs if isinstance(rung, Attempt)]  # those of a file follow one another
        models = {file: best(tuple(tried)) for file, tried in groupby(attempts, key=lambda attempt: attempt.file)}
        layers = [
            layer
            for backend in backends
            if isinstance(model := models.get(backend.file), Quantized)
            for layer in _noise(backend, model)
        ]
    return replace(result, rungs=tuple(rungs), models=tuple(models.values()), layers=tuple(layers))


def _check_pixels_and_labels(source: ExportSource, keras: Probabilities, worker: Worker) -> None:
    """Raise an ExportError if other pixels or another order of classes mend most of a model's errors."""
    validation, network = source.validation, source.network

    def fed(pixel_range: str) -> Engine:
        return lambda pixels: worker(keras_answers, network, pixel_range, pixels)

    ranges = candidates(network.pixel_range, validation.pixels.shape[3:])
    if finding := diagnose(validation, keras, {pixel_range: fed(pixel_range) for pixel_range in ranges}):
        if finding.mends:
            raise ExportError(f"{network.path}: {finding}")
        say(f"warning: {network.path}: {finding}")
    elif at_chance(validation.targets, keras):
        say(f"warning: {network.path}: {CHANCE}")


def _noise(backend: Backend, model: Quantized) -> list[LayerNoise]:
    """The noise of each layer, for the report; none if the time is up."""
    try:
        with backend.clock.watching(f"{backend.file}: measuring the noise of each layer", backend.layer_count):
            return backend.layers(replace(model.scheme, in_float=()))
    except OutOfTime as error:
        say(f"{backend.file}: the noise of each layer is not in the report: {error}")
        return []


def _rungs(
    options: ExportOptions, backends: Sequence[Backend], gate: Gate, result: ExportResult, running: ExitStack
) -> Iterator[Attempt | Skipped]:
    """The float models, the int8 models, and the translations of the int8 TFLite model, up to the first refused."""
    for backend in backends:
        try:
            yield (model := backend.float_model())
        except ExportError as error:
            raise _with_another_format(error, backend, int8=False) from None
        if model.verdict.failed:
            return
    for backend in backends if options.int8 else ():
        try:
            int8 = yield from climb(backend, ladder=options.ladder)  # at last TFLite, if it is to be translated
        except ExportError as error:
            raise _with_another_format(error, backend, int8=True) from None
        if int8.verdict.failed:
            return
    if Format.C in options.formats:
        yield (c := to_c(int8, result.contract, gate, running))
        if c.verdict.failed:
            return
    if Format.WEB in options.formats:
        yield to_web(int8, result.contract, result.source.parameters, gate, running)


def _with_another_format(error: ExportError, backend: Backend, *, int8: bool) -> ExportError:
    """The error of a conversion, and the format that works instead."""
    name, other = next((name, other) for name, other in BACKENDS.items() if not isinstance(backend, other))
    shared = {field.name: getattr(backend, field.name) for field in fields(Backend)}
    try:
        another = other(**shared)
        another.float_model()
        if int8:
            next(climb(another, ladder=False))
    except (BundleError, ExportError):
        return ExportError(f"{backend.network.path}: {error}")
    return ExportError(f"{backend.network.path}: {error}; what works is --format {name}")


def _report(rung: Attempt | Skipped) -> None:
    """Print the outcome of a rung on stderr."""
    if isinstance(rung, Skipped):
        say(f"{rung.file}: {rung.rung}: skipped, {rung.reason}")
        return
    ending = f"refused: {rung.verdict.refused}" if rung.verdict.failed else "passed"
    say(f"{rung.file} ({rung.bytes:,} bytes): {rung.rung}: {ending}")
    if isinstance(rung, Quantized) and rung.in_float and not rung.verdict.failed:
        say(f"{rung.file}: stays in float: {', '.join(rung.in_float)}")


def _refuse(options: ExportOptions, result: ExportResult, refused: Attempt, out: Path) -> GateFailed:
    """Write the best attempt to the folder `rejected/`, next to where the bundle would have been."""
    out_of_time = any(isinstance(rung, Skipped) and rung.out_of_time for rung in result.rungs)
    advice = next_command(options, refused, out_of_time=out_of_time)
    result = replace(
        result, advice=advice and printable(advice, 4000), parity=tuple(_parity(result, options.time_limit))
    )
    rejected = out.parent / "rejected" / out.name
    with publishing(rejected, marker=bundles.MANIFEST, kind=bundles.REJECTED) as folder:
        write_bundle(folder, result, bundles.REJECTED)
    gate = gate_of(result)
    lines = (
        f"nothing was published: {refused.file}: {refused.verdict.refused}",
        *gate_table(gate).markdown().split("\n"),
        *([own] if (own := own_part({"gate": gate, "provenance": result.source.provenance})) else []),
        f"the best attempt, with a report: {rejected}",
        f"to try next: {result.advice}" if result.advice else LOOK,
    )
    return GateFailed("\n".join(map(printable, lines)), gate)


def _measure(options: ExportOptions, result: ExportResult) -> ExportResult:
    """Measure the models that passed: parity in every runtime, what they reject, and times."""
    int8 = [model.answers for model in result.models if isinstance(model, Quantized)]
    result = replace(
        result,
        parity=tuple(_parity(result, options.time_limit)),
        int8_agreement=agreement(int8) if len(int8) > 1 else None,
        rejections=tuple(_rejections(result)),
    )
    if not options.timed:
        return result
    models = [open_model(model.data, model.file) for model in result.models if model.file.endswith(SUFFIXES)]
    accuracies = {model.file: model.verdict.accuracy for model in result.models}
    with progress("timing", steps(models)) as step:
        return replace(result, benchmark=benchmark(models, accuracies=accuracies, step=step))


def _parity(result: ExportResult, time_limit: float) -> Iterator[Parity]:
    targets, keras = result.source.validation.targets, result.keras
    yield compare("Keras", targets, keras, keras)
    for model in result.models:
        yield compare(f"{model.file}, {_runtime_of(model)}", targets, keras, model.answers)
        if model.file == TfliteBackend.file and MicroModel.available():
            engine = f"{model.file}, TensorFlow Lite for Microcontrollers"
            try:
                with Worker(time_limit) as child:
                    answers, arena = child(run_tflm, model.data, result.source.validation.pixels)
            except (BundleError, ExportError) as error:  # it has fewer operators than LiteRT
                say(f"{engine}: {error}")
                continue
            yield compare(engine, targets, keras, answers, arena)


def _runtime_of(model: Attempt) -> str:
    if isinstance(model, Translated):
        return model.rung
    return "LiteRT" if model.file.endswith(".tflite") else "digits_edge.runtime"


def _rejections(result: ExportResult) -> Iterator[Rejection]:
    """What each model rejects. Outliers, which are made for MNIST's form, are drawn once for all models."""
    contract, targets = result.contract, result.source.validation.targets
    of_mnist_form = contract.preprocess == "digit" and contract.shape == (28, 28)
    outliers = draw_outliers(result.source.calibration) if of_mnist_form else None
    for model in result.models:
        answers = None if outliers is None else model.engine(outliers)
        yield measure_rejection(model.file, targets, model.answers, contract, answers)
