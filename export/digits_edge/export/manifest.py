"""Writing a bundle: the model files, the report, and the manifest that vouches for them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from digits_edge.runtime import bundle as bundles
from digits_edge.runtime.contract import Contract
from digits_edge.runtime.host import cpu_name, versions
from digits_edge.trainer.run import Run

from .engines import TfliteModel, open_engine
from .gate import Limits, Verdict
from .report import write_report

FROM_RUN: Final = (
    "name", "created", "recipe", "init", "teacher", "parameters", "macs", "activation_bytes", "seed", "dataset",
    "split", "metrics", "backend", "device", "versions",
)  # fmt: skip


@dataclass(frozen=True)
class Exported:
    """A model file, ready to be judged and written.

    Attributes:
        name: in the bundle.
        format: `onnx` or `tflite`.
        precision: `float32` or `int8`.
        how: it was made, in words.
        data: its bytes.
    """

    name: str
    format: str
    precision: str
    how: str
    data: bytes


def write_bundle(
    folder: Path,
    run: Run,
    contract: Contract,
    files: Sequence[Exported],
    verdicts: Sequence[Verdict],
    limits: Limits,
) -> None:
    """Fill an empty folder with a bundle whose models have all passed.

    Args:
        folder: to be filled.
        run: where the models come from.
        contract: what they say of themselves.
        files: the models.
        verdicts: the gate's, one for each file.
        limits: the gate's.
    """
    for file in files:
        (folder / file.name).write_bytes(file.data)
    described = contract.to_json()
    golden = {
        "pixels": described.pop("golden")["pixels"],
        "answers": {file.name: _answers(file, contract.golden.pixels) for file in files},
    }
    manifest: dict[str, Any] = {
        "kind": bundles.KIND,
        **described,
        "gate": _gate(files, verdicts, limits),
        "metrics": _metrics(verdicts),
        "golden": golden,
        "provenance": {
            "created": datetime.now(UTC).isoformat(timespec="seconds"),
            "run": {key: run.info[key] for key in FROM_RUN},
            "versions": versions(),
            "cpu": cpu_name(),
        },
    }
    write_report(folder / "report.md", manifest, files, verdicts, limits)
    manifest["files"] = [
        *(_entry(f.name, f.data, format=f.format, precision=f.precision, **_quantization(f)) for f in files),
        _entry("report.md", (folder / "report.md").read_bytes(), format="markdown"),
    ]
    (folder / bundles.MANIFEST).write_text(json.dumps(manifest, indent=1) + "\n", encoding="utf-8")


def _gate(files: Sequence[Exported], verdicts: Sequence[Verdict], limits: Limits) -> dict[str, Any]:
    pictures = verdicts[0].pictures
    return {
        "verdict": "passed",
        "split": "validation",
        "pictures": pictures,
        "max_drop": limits.max_drop,
        "allowed_net_lost": limits.allowed(pictures),
        "min_accuracy": limits.min_accuracy,
        "rungs": [{"how": f.how, **asdict(v)} for f, v in zip(files, verdicts, strict=True)],
    }


def _metrics(verdicts: Sequence[Verdict]) -> dict[str, Any]:
    wrong = {"keras": verdicts[0].keras_wrong, **{v.file: v.wrong for v in verdicts}}
    return {name: {"wrong": n, "accuracy": round(1 - n / verdicts[0].pictures, 6)} for name, n in wrong.items()}


def _entry(name: str, data: bytes, **more: Any) -> dict[str, Any]:
    return {"name": name, "bytes": len(data), "sha256": hashlib.sha256(data).hexdigest(), **more}


def _answers(file: Exported, pixels: npt.NDArray[np.uint8]) -> list[list[float]]:
    return [[round(float(p), 6) for p in row] for row in open_engine(file.data, file.name)(pixels)]


def _quantization(file: Exported) -> dict[str, Any]:
    """For int8 TFLite, whose softmax is the caller's: how to read its tensors."""
    if (file.format, file.precision) != ("tflite", "int8"):
        return {}
    model = TfliteModel.load(file.data, file.name)
    return {"input": asdict(model.input), "output": asdict(model.output)}
