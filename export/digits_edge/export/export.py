"""From a run to a bundle, or to a refusal: the story of `digits-edge export`."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from digits_edge.runtime import Classifier
from digits_edge.runtime import bundle as bundles
from digits_edge.runtime.bundle import Bundle
from digits_edge.runtime.contract import METADATA_KEY, Contract, Golden
from digits_edge.runtime.errors import GateFailed, UsageError
from digits_edge.trainer.predict import predict
from digits_edge.trainer.progress import say
from digits_edge.trainer.publish import check_ours, publishing
from digits_edge.trainer.run import Run

from .describe import describe
from .engines import open_engine
from .gate import Limits, Verdict, judge
from .manifest import Exported, write_bundle
from .report import gate_table

if TYPE_CHECKING:
    import keras
    import onnx

FORMATS: Final = ("onnx", "tflite")


@dataclass(frozen=True)
class ExportOptions:
    """What to export, and where to.

    Attributes:
        run: a finished run.
        out: the bundle's folder.
        int8: also quantize; else the float models only.
        formats: some of `FORMATS`.
        limits: of the gate.
    """

    run: Run
    out: Path
    int8: bool = False
    formats: Sequence[str] = FORMATS
    limits: Limits = field(default_factory=Limits)


def export(options: ExportOptions) -> Bundle:
    """Convert, prove the float models to be Keras's, quantize, pass the gate, and only then publish.

    Raises:
        GateFailed: a model is worse than allowed; nothing was published, what stood at `out` stands there still.
        ExportError: a converter failed.
        RunError: the run is damaged.
        UsageError: `out` is not ours, or an unknown format.
    """
    if unknown := set(options.formats) - set(FORMATS):
        raise UsageError(f"--format: expected {' or '.join(FORMATS)}, received {min(unknown)!r}")
    out = options.out.resolve()
    check_ours(out, marker=bundles.MANIFEST, kind=bundles.KIND)
    run, limits = options.run, options.limits
    pixels, targets = run.validation()
    from .keras_model import load

    say(f"exporting {run.path}, to be judged on {len(targets):,} validation pictures")
    model = load(run.model_path, pixels.shape[1:], len(run.labels))
    reference = predict(model, pixels)
    contract = describe(run, pixels, targets, reference)

    files: list[Exported] = []
    verdicts: list[Verdict] = []
    for file in _convert(options, model, contract):
        say(f"judging {file.name} ({len(file.data):,} bytes)")
        answers = open_engine(file.data, file.name)(pixels)
        files.append(file)
        verdicts.append(judge(file.name, file.precision, targets, reference, answers, limits))
        if verdicts[-1].refused:
            raise GateFailed(
                f"nothing was published: {file.name}: {verdicts[-1].refused}\n{gate_table(verdicts, limits)}",
                [asdict(verdict) for verdict in verdicts],
            )
    with publishing(out, marker=bundles.MANIFEST, kind=bundles.KIND) as folder:
        write_bundle(folder, run, contract, files, verdicts, limits)
    return Bundle.open(out)


def _convert(options: ExportOptions, model: keras.Model, contract: Contract) -> Iterator[Exported]:
    """One model file after the other, the float ones first: int8 is only built once those have passed the gate."""
    from . import to_onnx, to_tflite

    onnx, tflite = "onnx" in options.formats, "tflite" in options.formats
    if onnx:
        core = to_onnx.convert(model)
        yield _onnx_file("model.onnx", core, contract, "float32", "tf2onnx")
    if tflite:
        yield Exported("model.tflite", "tflite", "float32", "TFLiteConverter", to_tflite.convert(model))
    if not options.int8:
        return
    calibration = options.run.calibration()
    if onnx:
        quantized = to_onnx.quantize(core, calibration)
        yield _onnx_file("model.int8.onnx", quantized, contract, "int8", to_onnx.QUANTIZATION)
    if tflite:
        quantized = to_tflite.convert(model, calibration)
        yield Exported("model.int8.tflite", "tflite", "int8", to_tflite.QUANTIZATION, quantized)


def _onnx_file(name: str, core: onnx.ModelProto, contract: Contract, precision: str, how: str) -> Exported:
    """Wrap a core, ask the runtime for its golden answers, and write contract and answers into its metadata."""
    from .graph import with_metadata, wrap

    model = wrap(core, contract.shape)

    def described(by: Contract) -> bytes:
        return with_metadata(model, {METADATA_KEY: json.dumps(by.to_json())})

    answers = Classifier(described(contract), name).predict_proba(contract.golden.pixels)
    own = replace(contract, golden=Golden(contract.golden.pixels, answers))
    return Exported(name, "onnx", precision, how, described(own))
