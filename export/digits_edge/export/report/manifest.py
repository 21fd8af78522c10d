"""Write a bundle: the model files, the reports, and the manifest that lists them with their checksums."""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from digits_edge.common.numerics import accuracy
from digits_edge.runtime import bundle as bundles
from digits_edge.runtime.system_info import cpu_name, versions
from digits_edge.trainer.adaptation import wilson
from digits_edge.trainer.plots import draw_flips

from ..codegen.translation import Translated
from ..engines.litert import TfliteModel
from ..quantize.attempt import Attempt, Quantized, Skipped
from ..result import ExportResult
from ..verify.gate import Verdict
from ..verify.rejection import Rejection
from .html import write_html
from .markdown import write_report

COUNTS: Final = (
    "pictures", "wrong", "keras_wrong", "broken", "fixed", "other_labels", "largest_difference",
)  # fmt: skip


def write_bundle(folder: Path, result: ExportResult, kind: str) -> None:
    """Write models, reports and manifest into an empty folder; `kind` is what the manifest calls the folder."""
    entries = []
    for model in result.models:
        beside = model.beside if isinstance(model, Translated) else {}
        for name, data in {model.file: model.data, **beside}.items():
            (folder / name).parent.mkdir(exist_ok=True)
            (folder / name).write_bytes(data)
            details = _details(model) if name == model.file else {}
            entries.append(_entry(name, data, precision=_precision(model), **details))
    manifest = _plain(_manifest(result, kind))
    write_report(folder / "report.md", manifest, {model.file: model.bytes for model in result.sized})
    write_html(folder / "report.html", manifest, result)
    reports = ["report.md", "report.html"]
    if result.refused:
        seen, path = result.source.validation, folder / "flipped.png"
        draw_flips(path, seen.pixels, seen.targets, result.keras, result.refused.answers, seen.labels)
        reports.append(path.name)
    manifest["files"] = [*entries, *(_entry(name, (folder / name).read_bytes()) for name in reports)]
    (folder / bundles.MANIFEST).write_text(json.dumps(manifest, indent=1) + "\n", encoding="utf-8")


def _precision(model: Attempt) -> str:
    """The precision a model computes in, `int8` or `float32`."""
    return "int8" if isinstance(model, Quantized | Translated) else "float32"


def _manifest(result: ExportResult, kind: str) -> dict[str, Any]:
    described = result.contract.to_json()
    pixels = result.contract.golden.pixels
    golden = {
        "pixels": described.pop("golden")["pixels"],
        "answers": {model.file: _answers(model, pixels) for model in result.models},
    }
    return {
        "kind": kind,
        **described,
        "gate": gate_of(result),
        "metrics": _metrics(result),
        "parity": {
            "engines": [{**asdict(parity), "accuracy": round(parity.accuracy, 6)} for parity in result.parity],
            "int8_agreement": result.int8_agreement,
        },
        "refusal": [_rejection(rejection) for rejection in result.rejections],
        "layers": [{"name": x.name, "operator": x.operator, "snr": x.snr} for x in result.layers],
        "benchmark": result.benchmark.to_json() if result.benchmark else None,
        "golden": golden,
        "provenance": {
            "created": datetime.now(UTC).isoformat(timespec="seconds"),
            **result.source.provenance,
            "versions": versions(),
            "cpu": cpu_name(),
        },
    }


def gate_of(result: ExportResult) -> dict[str, Any]:
    """The gate's part of the manifest: the limits, every rung, and the rung that each model was made on."""
    own = result.source.own
    gate = {
        "verdict": "refused" if result.refused else "passed",
        "judged_by": result.source.validation.described,
        "pictures": len(result.keras),
        "own": {"judged_by": own.described, "pictures": len(own.targets), "trained_on": own.trained_on}
        if own
        else None,
        "limits": asdict(result.limits),
        "rungs": [_rung(rung) for rung in result.rungs],
        "models": {model.file: result.rungs.index(model) for model in result.models},
        "advice": result.advice,
    }
    return dict(_plain(gate))


def _rung(rung: Attempt | Skipped) -> dict[str, Any]:
    """A rung in the manifest: the verdict's counts and checks, or why the rung was skipped."""
    if isinstance(rung, Skipped):
        return {"file": rung.file, "rung": rung.rung, "skipped": rung.reason}
    described: dict[str, Any] = {"file": rung.file, "rung": rung.rung, "precision": _precision(rung)}
    if isinstance(rung, Quantized):
        scheme = rung.scheme
        described |= {"method": scheme.method, "pictures_calibrating": scheme.pictures, "weights": scheme.weights}
        described["in_float"] = list(rung.in_float)
    if isinstance(rung, Translated):
        described["note"] = rung.note
    if own := rung.verdict.own:
        low, high = wilson(own.pictures - own.wrong, own.pictures)
        described["own"] = {**_counted(own), "low": low, "high": high}
    return {**described, **_counted(rung.verdict), "refused": rung.verdict.refused}


def _counted(verdict: Verdict) -> dict[str, Any]:
    """What a model answered, and what the gate checked."""
    counted = asdict(verdict)
    return {key: counted[key] for key in (*COUNTS, "checks")}


def _rejection(rejection: Rejection) -> dict[str, Any]:
    """What a model rejects, under the keys of manifest schema 1."""
    return {key.replace("rejected", "refused"): value for key, value in asdict(rejection).items()}


def _metrics(result: ExportResult) -> dict[str, Any]:
    wrong = {"keras": result.models[0].verdict.keras_wrong, **{m.file: m.verdict.wrong for m in result.models}}
    return {name: {"wrong": n, "accuracy": round(accuracy(n, len(result.keras)), 6)} for name, n in wrong.items()}


def _entry(name: str, data: bytes, **more: Any) -> dict[str, Any]:
    digest = hashlib.sha256(data).hexdigest()
    return {"name": name, "bytes": len(data), "sha256": digest, "format": name.rpartition(".")[2], **more}


def _answers(model: Attempt, pixels: npt.NDArray[np.uint8]) -> list[list[float]]:
    return [[round(float(p), 6) for p in row] for row in model.engine(pixels)]


def _details(model: Attempt) -> dict[str, Any]:
    """The cost of C or a page; for int8 TFLite, which gives logits, the quantization of its tensors."""
    if isinstance(model, Translated):
        return model.costs
    if model.file != "model.int8.tflite":
        return {}
    spec = TfliteModel.load(model.data, model.file).spec
    return {"input": asdict(spec.input), "output": asdict(spec.output)}


def _plain(value: Any) -> Any:
    """The same JSON value with null for NaN and infinity, which JSON does not have."""
    if isinstance(value, dict):
        return {key: _plain(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(part) for part in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
