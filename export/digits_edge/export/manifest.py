"""Writing a bundle: the model files, the reports, and the manifest that vouches for them."""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from digits_edge.runtime import bundle as bundles
from digits_edge.runtime.host import cpu_name, versions
from digits_edge.trainer.plots import draw_flips

from .engines import TfliteModel
from .evidence import Evidence
from .html import write_html
from .ladder import Attempt, Quantized, Skipped
from .report import write_report
from .translate import Translated


def write_bundle(folder: Path, evidence: Evidence, kind: str) -> None:
    """Fill an empty folder with models, reports and manifest.

    Args:
        folder: to be filled.
        evidence: of the export; its models are written.
        kind: what the manifest says the folder is.
    """
    for model in evidence.models:
        for name, data in _files(model).items():
            (folder / name).parent.mkdir(exist_ok=True)
            (folder / name).write_bytes(data)
    manifest = _plain(_manifest(evidence, kind))
    write_report(folder / "report.md", manifest, {model.file: model.bytes for model in evidence.sized})
    write_html(folder / "report.html", manifest, evidence)
    reports = ["report.md", "report.html"]
    if evidence.refused:
        subject, answers = evidence.subject, evidence.refused.answers
        draw_flips(
            folder / "flipped.png", subject.pixels, subject.targets, evidence.keras, answers, evidence.contract.labels
        )
        reports.append("flipped.png")
    manifest["files"] = [
        *(
            _entry(name, data, precision=precision(model), **(_details(model) if name == model.file else {}))
            for model in evidence.models
            for name, data in _files(model).items()
        ),
        *(_entry(name, (folder / name).read_bytes()) for name in reports),
    ]
    (folder / bundles.MANIFEST).write_text(json.dumps(manifest, indent=1) + "\n", encoding="utf-8")


def precision(model: Attempt) -> str:
    """`int8` or `float32`."""
    return "int8" if isinstance(model, Quantized | Translated) else "float32"


def _files(model: Attempt) -> dict[str, bytes]:
    """Its own file first, then what belongs to it."""
    return {model.file: model.data, **(model.beside if isinstance(model, Translated) else {})}


def _manifest(evidence: Evidence, kind: str) -> dict[str, Any]:
    described = evidence.contract.to_json()
    pixels = evidence.contract.golden.pixels
    golden = {
        "pixels": described.pop("golden")["pixels"],
        "answers": {model.file: _answers(model, pixels) for model in evidence.models},
    }
    return {
        "kind": kind,
        **described,
        "gate": gate_of(evidence),
        "metrics": _metrics(evidence),
        "parity": {
            "engines": [{**asdict(parity), "accuracy": round(parity.accuracy, 6)} for parity in evidence.parity],
            "int8_agreement": evidence.int8_agreement,
        },
        "refusal": [asdict(refusal) for refusal in evidence.refusals],
        "layers": [{"name": x.name, "operator": x.operator, "snr": x.snr} for x in evidence.layers],
        "benchmark": evidence.benchmark.to_json() if evidence.benchmark else None,
        "golden": golden,
        "provenance": {
            "created": datetime.now(UTC).isoformat(timespec="seconds"),
            **evidence.subject.provenance,
            "versions": versions(),
            "cpu": cpu_name(),
        },
    }


def gate_of(evidence: Evidence) -> dict[str, Any]:
    """The gate's part of the manifest: limits, every rung, and on which of them each model stands."""
    gate = {
        "verdict": "refused" if evidence.refused else "passed",
        "judged_by": evidence.subject.judged_by,
        "pictures": len(evidence.keras),
        "limits": asdict(evidence.limits),
        "rungs": [_rung(rung) for rung in evidence.rungs],
        "models": {model.file: evidence.rungs.index(model) for model in evidence.models},
        "advice": evidence.advice,
    }
    return dict(_plain(gate))


def _rung(rung: Attempt | Skipped) -> dict[str, Any]:
    """A rung as the manifest has it: the verdict's counts and checks, or why it was skipped."""
    if isinstance(rung, Skipped):
        return {"file": rung.file, "rung": rung.rung, "skipped": rung.reason}
    told: dict[str, Any] = {"file": rung.file, "rung": rung.rung, "precision": precision(rung)}
    if isinstance(rung, Quantized):
        how = rung.how
        told |= {"method": how.method, "pictures_calibrating": how.pictures, "weights": how.weights}
        told["in_float"] = list(rung.in_float)
    if isinstance(rung, Translated):
        told["note"] = rung.note
    return {**told, **asdict(rung.verdict), "refused": rung.verdict.refused}


def _metrics(evidence: Evidence) -> dict[str, Any]:
    wrong = {"keras": evidence.models[0].verdict.keras_wrong, **{m.file: m.verdict.wrong for m in evidence.models}}
    return {name: {"wrong": n, "accuracy": round(1 - n / len(evidence.keras), 6)} for name, n in wrong.items()}


def _entry(name: str, data: bytes, **more: Any) -> dict[str, Any]:
    digest = hashlib.sha256(data).hexdigest()
    return {"name": name, "bytes": len(data), "sha256": digest, "format": name.rpartition(".")[2], **more}


def _answers(model: Attempt, pixels: npt.NDArray[np.uint8]) -> list[list[float]]:
    return [[round(float(p), 6) for p in row] for row in model.engine(pixels)]


def _details(model: Attempt) -> dict[str, Any]:
    """What a translation costs; of int8 TFLite, whose softmax is the caller's, how to read its tensors."""
    if isinstance(model, Translated):
        return model.costs
    if model.file != "model.int8.tflite":
        return {}
    opened = TfliteModel.load(model.data, model.file)
    return {"input": asdict(opened.input), "output": asdict(opened.output)}


def _plain(value: Any) -> Any:
    """The same JSON with null for numbers that JSON cannot hold."""
    if isinstance(value, dict):
        return {key: _plain(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(part) for part in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
