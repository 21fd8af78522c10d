"""`digits-edge inspect`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from digits_edge.runtime import Classifier
from digits_edge.runtime.bundle import Bundle
from digits_edge.runtime.host import cpu_name, versions

from .words import Json, print_columns, print_json


def command(
    model: Annotated[
        Path | None,
        typer.Argument(metavar="[BUNDLE|MODEL]", help="A bundle or an .onnx; the package's model unless given."),
    ] = None,
    json: Json = False,
) -> None:
    """Show what a bundle or a model says of itself, and what runs it here.

    Examples:

    digits-edge inspect

    digits-edge inspect artifacts/runs/compact-sample/bundle --json
    """
    bundle = None
    if model is None or model.suffix == ".onnx":
        contract = Classifier.load(model).contract
        facts = contract.to_json()
    else:
        bundle = Bundle.open(model)
        bundle.verify()
        contract = bundle.contract()
        facts = dict(bundle.manifest)
    facts.pop("golden")
    here = {"cpu": cpu_name(), "versions": versions()}
    if json:
        print_json({**facts, "here": here})
        return
    rows = [
        ("name", contract.name),
        ("labels", ", ".join(contract.labels)),
        ("input", f"uint8 {' x '.join(map(str, contract.shape))}, white on black"),
        ("preprocess", contract.preprocess),
        ("accepted from", f"{contract.min_score:g}"),
        *(_provenance(bundle) if bundle else ()),
        ("cpu", cpu_name()),
        ("versions", ", ".join(f"{name} {version}" for name, version in versions().items())),
    ]
    for key, value in rows:
        typer.echo(f"{key:<14} {value}")
    if bundle:
        typer.echo("")
        accuracies = {name: bundle.section("metrics", name).get("accuracy", "") for name in bundle.names}
        files = [(file.name, f"{file.bytes:,}", accuracies[file.name], file.sha256[:12]) for file in bundle.files]
        print_columns([("file", "bytes", "accuracy", "sha256"), *files])


def _provenance(bundle: Bundle) -> list[tuple[str, str]]:
    """Where a bundle comes from, as far as it tells."""
    return [
        ("parameters", str(bundle.section("provenance", "run").get("parameters", "?"))),
        ("MACs", str(bundle.section("provenance", "run").get("macs", "?"))),
        ("trained on", str(bundle.section("provenance", "run", "dataset").get("name", "?"))),
        ("exported", str(bundle.section("provenance").get("created", "?"))),
    ]
