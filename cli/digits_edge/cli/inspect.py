"""`digits-edge inspect`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

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
    from digits_edge.runtime import Classifier
    from digits_edge.runtime.bundle import Bundle

    facts: dict[str, Any]
    if model is None or model.suffix == ".onnx":
        facts = Classifier.load(model).contract.to_json()
    else:
        bundle = Bundle.open(model)
        bundle.verify()
        facts = dict(bundle.manifest)
    facts.pop("golden", None)
    here = {"cpu": cpu_name(), "versions": versions()}
    if json:
        print_json({**facts, "here": here})
        return
    rows: list[tuple[str, str]] = [
        ("name", facts["name"]),
        ("labels", ", ".join(facts["labels"])),
        ("input", f"uint8 {' x '.join(map(str, facts['input']['shape']))}, {facts['input']['ink']}"),
        ("preprocess", facts["preprocess"]),
        ("accepted from", str(facts["thresholds"]["min_score"])),
    ]
    for key, value in rows:
        typer.echo(f"{key:<14} {value}")
    if "files" in facts:
        typer.echo(f"{'parameters':<14} {facts['provenance']['run']['parameters']:,}")
        typer.echo(f"{'trained on':<14} {facts['provenance']['run']['dataset']['name']}")
        typer.echo(f"{'exported':<14} {facts['provenance']['created']}\n")
        accuracies = {name: f"{metric['accuracy']:.2%}" for name, metric in facts["metrics"].items()}
        files = [
            (f["name"], f"{f['bytes']:,}", accuracies.get(f["name"], ""), f["sha256"][:12]) for f in facts["files"]
        ]
        print_columns([("file", "bytes", "accuracy", "sha256"), *files])
        typer.echo("")
    typer.echo(f"{'cpu':<14} {here['cpu']}")
    typer.echo(f"{'versions':<14} {', '.join(f'{name} {version}' for name, version in versions().items())}")
