"""Describe a bundle, a run, or a model file of any origin."""

from __future__ import annotations

import shlex
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from digits_edge.common.keras_files import is_keras_model
from digits_edge.common.tables import table
from digits_edge.runtime import Classifier
from digits_edge.runtime.bundle import MANIFEST, REJECTED, Bundle, find_published
from digits_edge.runtime.errors import BundleError, IntegrityError
from digits_edge.runtime.files import read_json
from digits_edge.runtime.metadata import Contract

from .engines.worker import TIME_LIMIT, Worker
from .report.gate_table import gate_table

Fields = list[tuple[str, str]]  # names and values


@dataclass(frozen=True)
class Inspection:
    """A description."""

    rows: Fields  # for a terminal
    tables: list[str] = field(default_factory=list)  # in Markdown, for a terminal
    facts: dict[str, Any] = field(default_factory=dict)  # the same and more, as JSON values


def inspect(path: Path | None, custom: str | None = None, time_limit: float = TIME_LIMIT) -> Inspection:
    """Describe a bundle, a refused export, a run, an `.onnx` or `.tflite` file, or a Keras model.

    Args:
        path: Path of the file or folder; None for the model of the package.
        custom: Module with a Keras model's own layers: its name, or the path of a `.py` file.
        time_limit: Seconds after which the child process that opens a model file is stopped.

    Raises:
        DigitsEdgeError: The path is none of these, or damaged.
    """
    if path is None:
        return _our_onnx(Classifier.load())
    if is_keras_model(path):
        return _keras(path, custom, time_limit)
    if path.suffix.lower() in (".onnx", ".tflite"):
        return _model_file(path, time_limit)
    if (path / "run.json").is_file():
        return _run(path)
    if rejected := _rejected(path):
        return rejected
    return _bundle(Bundle.open(path))


def _our_onnx(classifier: Classifier) -> Inspection:
    facts = classifier.contract.to_json()
    del facts["golden"]
    return Inspection(_contract(classifier.contract), facts=facts)


def _model_file(path: Path, time_limit: float) -> Inspection:
    if path.suffix.lower() == ".onnx":
        try:
            return _our_onnx(Classifier.load(path))
        except IntegrityError:
            raise
        except BundleError:  # of another origin, or damaged, which is said below
            pass
    from .engines.model_files import open_models

    models = open_models(path, time_limit=time_limit)
    spec = models.files[0].spec
    rows = [
        ("name", path.name),
        ("classes", str(models.classes)),
        ("input", f"{spec.dtype} {' x '.join(map(str, models.shape))}, {spec.layout}"),
        ("bytes", f"{models.files[0].bytes:,}"),
        *([("said", models.description)] if models.description else []),
    ]
    return Inspection(rows, facts={name.replace(" ", "_"): value for name, value in rows})


def _keras(path: Path, custom: str | None, time_limit: float) -> Inspection:
    from .convert.keras_model import KerasModelFile, summarize

    with Worker(time_limit) as worker:
        facts, layers = worker(summarize, KerasModelFile(path, custom=custom))
    rows = [
        ("name", facts.name),
        ("classes", str(facts.classes)),
        ("input", " x ".join(map(str, facts.shape))),
        *((name.replace("_", " "), f"{value:,}") for name, value in facts.cost.items()),
    ]
    listed = table(("layer", "kind", "output", "parameters"), [(*x[:3], f"{x[3]:,}") for x in layers])
    return Inspection(
        rows, [listed], {"name": facts.name, "shape": facts.shape, "classes": facts.classes, **facts.cost}
    )


def _run(path: Path) -> Inspection:
    from digits_edge.trainer.run import Run

    run = Run.open(path)
    info = run.info
    recipe, split, metrics = info.recipe, info.split, info.metrics
    rows = [
        ("run", info.name),
        ("created", info.created),
        ("recipe", f"{recipe.name}, {recipe.epochs} epochs, seed {info.seed}"),
        ("data", f"{info.dataset.name}, {split.training:,} to train, {split.validation:,} to validate"),
        ("parameters", f"{info.parameters:,}"),
        ("MACs", f"{info.macs:,}"),
        ("validation", f"{metrics.val_accuracy:.2%}, {metrics.val_wrong} wrong"),
        ("device", info.device),
        ("seconds", f"{info.wall_seconds:.0f}"),
    ]
    if not find_published(run.place).is_dir():
        return Inspection(
            [*rows, ("bundle", f"none yet: digits-edge export {shlex.quote(str(path))} --int8")], facts=info.to_json()
        )
    exported = _bundle(Bundle.open(run.place))
    return Inspection([*rows, *exported.rows], exported.tables, {**info.to_json(), "bundle": exported.facts})


def _rejected(path: Path) -> Inspection | None:
    """Describe the folder of a refused export; None if it is something else."""
    try:
        manifest = read_json(path / MANIFEST)
    except (OSError, ValueError):
        return None
    if not isinstance(manifest, dict) or manifest.get("kind") != REJECTED:
        return None
    manifest.pop("golden", None)
    gate = manifest.get("gate")
    known = gate if isinstance(gate, dict) else {}
    rows = [("name", manifest.get("name")), ("gate", known.get("verdict")), ("to try next", known.get("advice"))]
    return Inspection([(key, str(value)) for key, value in rows if value is not None], [_gate(gate, path)], manifest)


def _bundle(bundle: Bundle) -> Inspection:
    bundle.verify()
    source = bundle.section("provenance", "run") or bundle.section("provenance", "model")
    dataset = source.get("dataset")
    rows = [
        *_contract(bundle.contract()),
        ("parameters", str(source.get("parameters", "?"))),
        ("MACs", str(source.get("macs", "?"))),
        ("data", str(dataset.get("name", "?")) if isinstance(dataset, dict) else "?"),
        ("exported", str(bundle.section("provenance").get("created", "?"))),
    ]
    accuracies = {name: bundle.section("metrics", name).get("accuracy", "") for name in bundle.names}
    files = [(file.name, f"{file.bytes:,}", accuracies[file.name], file.sha256[:12]) for file in bundle.files]
    tables = [table(("file", "bytes", "accuracy", "sha256"), files)]
    tables.append(_gate(bundle.manifest.get("gate"), bundle.path))
    facts = dict(bundle.manifest)
    facts.pop("golden", None)
    return Inspection(rows, tables, facts)


def _gate(gate: Any, where: Path) -> str:
    try:
        return gate_table(gate).markdown()
    except (KeyError, IndexError, TypeError, ValueError, AttributeError) as error:
        raise BundleError(f"{where / MANIFEST}: its gate is damaged: {type(error).__name__}: {error}") from None


def _contract(contract: Contract) -> Fields:
    return [
        ("name", contract.name),
        ("labels", ", ".join(contract.labels)),
        ("input", f"uint8 {' x '.join(map(str, contract.shape))}, white on black"),
        ("preprocess", contract.preprocess),
        ("accepted from", f"a score of {contract.min_score:g}, a familiarity of {contract.min_familiarity:g}"),
    ]
