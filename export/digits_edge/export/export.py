"""From a run to a bundle, or to a refusal: the story of `digits-edge export`."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt

from digits_edge.runtime import Classifier
from digits_edge.runtime import bundle as bundles
from digits_edge.runtime.bundle import Bundle
from digits_edge.runtime.contract import METADATA_KEY, SCHEMA, Contract, Golden
from digits_edge.runtime.errors import GateFailed, UsageError
from digits_edge.runtime.host import cpu_name, versions
from digits_edge.trainer.progress import say
from digits_edge.trainer.publish import check_ours, publishing
from digits_edge.trainer.run import Run

from .engines import open_engine
from .gate import Limits, Verdict, judge
from .report import gate_table, write_report

if TYPE_CHECKING:
    import onnx

FORMATS: Final = ("onnx", "tflite")
GOLDEN_PICTURES: Final = 20
GOLDEN_BYTES: Final = 64 * 1024  # of pixels, so that they never outweigh the model
ACCEPTED_SHARE: Final = 0.99  # of validation pictures, by the Keras model's own scores
HIGHEST_MIN_SCORE: Final = 0.9


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


@dataclass(frozen=True)
class Exported:
    """A model file, ready to be judged and written."""

    name: str
    format: str
    precision: str
    how: str
    data: bytes


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
    check_ours(options.out.absolute(), marker=bundles.MANIFEST, kind=bundles.KIND)
    run, limits = options.run, options.limits
    pixels, targets = run.validation()
    from digits_edge.trainer.train import predict

    from . import keras_model, to_onnx, to_tflite

    say(f"exporting {run.path}, to be judged on {len(targets):,} validation pictures")
    model = keras_model.load(run.model_path)
    reference = predict(model, pixels)
    contract = _contract(run, pixels, targets, reference)
    verdicts: list[Verdict] = []

    def pass_gate(file: Exported) -> Exported:
        say(f"judging {file.name} ({len(file.data):,} bytes)")
        answers = open_engine(file.data, file.name)(pixels)
        verdicts.append(judge(file.name, file.precision, targets, reference, answers, limits))
        if verdicts[-1].refused:
            raise GateFailed(
                f"nothing was published: {file.name}: {verdicts[-1].refused}\n{gate_table(verdicts, limits)}",
                [asdict(verdict) for verdict in verdicts],
            )
        return file

    files: list[Exported] = []
    core = to_onnx.convert(model) if "onnx" in options.formats else None
    if core is not None:
        files.append(pass_gate(_onnx_file("model.onnx", core, contract, "float32", "tf2onnx")))
    if "tflite" in options.formats:
        files.append(
            pass_gate(Exported("model.tflite", "tflite", "float32", "TFLiteConverter", to_tflite.convert(model)))
        )
    if options.int8:
        calibration = run.calibration()
        if core is not None:
            quantized = to_onnx.quantize(core, calibration)
            files.append(pass_gate(_onnx_file("model.int8.onnx", quantized, contract, "int8", to_onnx.QUANTIZATION)))
        if "tflite" in options.formats:
            data = to_tflite.convert(model, calibration)
            files.append(pass_gate(Exported("model.int8.tflite", "tflite", "int8", to_tflite.QUANTIZATION, data)))

    with publishing(options.out, marker=bundles.MANIFEST, kind=bundles.KIND) as folder:
        _write(folder, options, contract, files, verdicts, targets)
    return Bundle.open(options.out)


def _contract(
    run: Run, pixels: npt.NDArray[np.uint8], targets: npt.NDArray[np.int64], reference: npt.NDArray[np.float32]
) -> Contract:
    """What the models will say of themselves; the golden probabilities are each file's own and follow later."""
    quantile = float(np.quantile(reference.max(axis=1), 1 - ACCEPTED_SHARE))
    chosen = _golden_rows(pixels, targets, reference)
    return Contract(
        name=run.name,
        labels=run.labels,
        shape=pixels.shape[1:],
        preprocess=run.preprocess,
        min_score=round(min(quantile, HIGHEST_MIN_SCORE), 4),
        golden=Golden(pixels[chosen], np.zeros((len(chosen), len(run.labels)), np.float32)),
    )


def _golden_rows(
    pixels: npt.NDArray[np.uint8], targets: npt.NDArray[np.int64], reference: npt.NDArray[np.float32]
) -> list[int]:
    """Rows of the surest right answer of each class, then of the second surest, as many as there is room for."""
    right = np.flatnonzero(reference.argmax(axis=1) == targets)
    surest = right[np.argsort(-reference[right].max(axis=1), kind="stable")]
    by_class = [surest[targets[surest] == c] for c in range(reference.shape[1])]
    ranked = [int(rows[rank]) for rank in range(2) for rows in by_class if len(rows) > rank]
    room = max(1, min(GOLDEN_PICTURES, GOLDEN_BYTES // pixels[0].size))
    return ranked[:room]


def _onnx_file(name: str, core: onnx.ModelProto, contract: Contract, precision: str, how: str) -> Exported:
    """Wrap a core, ask the runtime for its golden answers, and write contract and answers into its metadata."""
    from .graph import with_metadata, wrap

    model = wrap(core, contract.shape)

    def described(by: Contract) -> bytes:
        return with_metadata(model, {METADATA_KEY: json.dumps(by.to_json())})

    answers = Classifier(described(contract), name).predict_proba(contract.golden.pixels)
    own = replace(contract, golden=Golden(contract.golden.pixels, answers))
    return Exported(name, "onnx", precision, how, described(own))


def _write(
    folder: Path,
    options: ExportOptions,
    contract: Contract,
    files: list[Exported],
    verdicts: list[Verdict],
    targets: npt.NDArray[np.int64],
) -> None:
    run, limits = options.run, options.limits
    for file in files:
        (folder / file.name).write_bytes(file.data)
    described = contract.to_json()
    golden = described.pop("golden")["pixels"]
    manifest: dict[str, Any] = {
        "kind": bundles.KIND,
        **described,
        "schema": SCHEMA,
        "gate": {
            "verdict": "passed",
            "split": "validation",
            "pictures": len(targets),
            "max_drop": limits.max_drop,
            "allowed_net_lost": limits.allowed(len(targets)),
            "min_accuracy": limits.min_accuracy,
            "rungs": [{"how": f.how, **asdict(v)} for f, v in zip(files, verdicts, strict=True)],
        },
        "metrics": {
            "keras": {
                "wrong": verdicts[0].keras_wrong,
                "accuracy": round(1 - verdicts[0].keras_wrong / len(targets), 6),
            },
            **{v.file: {"wrong": v.wrong, "accuracy": round(v.accuracy, 6)} for v in verdicts},
        },
        "golden": {
            "pixels": golden,
            "answers": {f.name: _answers(f, contract.golden.pixels) for f in files},
        },
        "provenance": {
            "created": datetime.now(UTC).isoformat(timespec="seconds"),
            "run": {key: run.info[key] for key in _FROM_RUN if key in run.info},
            "versions": versions(),
            "cpu": cpu_name(),
        },
    }
    write_report(folder / "report.md", manifest, files, verdicts, limits)
    manifest["files"] = [
        *(_entry(f.name, f.data, format=f.format, precision=f.precision, **_tensors(f)) for f in files),
        _entry("report.md", (folder / "report.md").read_bytes(), format="markdown"),
    ]
    (folder / bundles.MANIFEST).write_text(json.dumps(manifest, indent=1) + "\n", encoding="utf-8")


_FROM_RUN: Final = (
    "name", "created", "recipe", "parameters", "seed", "dataset", "split", "metrics", "backend", "device", "versions",
)  # fmt: skip


def _entry(name: str, data: bytes, **more: Any) -> dict[str, Any]:
    return {"name": name, "bytes": len(data), "sha256": hashlib.sha256(data).hexdigest(), **more}


def _answers(file: Exported, pixels: npt.NDArray[np.uint8]) -> list[list[float]]:
    return [[round(float(p), 6) for p in row] for row in open_engine(file.data, file.name)(pixels)]


def _tensors(file: Exported) -> dict[str, Any]:
    """For int8 TFLite, whose softmax is the caller's: how to read its tensors."""
    if (file.format, file.precision) != ("tflite", "int8"):
        return {}
    from .engines import TfliteModel

    model = TfliteModel.load(file.data, file.name)
    return {"input": asdict(model.input), "output": asdict(model.output)}
