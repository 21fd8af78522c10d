"""`report.md`: what was exported and how it was judged, for a terminal and a code review."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .gate import Limits, Verdict

if TYPE_CHECKING:
    from .manifest import Exported


def table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A Markdown table whose columns line up; all but the first are flushed right."""
    cells = [list(header), *([str(cell) for cell in row] for row in rows)]
    widths = [max(len(row[i]) for row in cells) for i in range(len(header))]

    def line(row: Sequence[str]) -> str:
        return (
            "| "
            + " | ".join(c.rjust(w) if i else c.ljust(w) for i, (c, w) in enumerate(zip(row, widths, strict=True)))
            + " |"
        )

    rule = "|" + "|".join(("-" * (w + 1) + ":") if i else "-" * (w + 2) for i, w in enumerate(widths)) + "|"
    return "\n".join([line(cells[0]), rule, *map(line, cells[1:])])


def gate_table(verdicts: Sequence[Verdict], limits: Limits) -> str:
    """Each model judged so far, with what was allowed."""
    allowed = limits.allowed(verdicts[0].pictures)
    header = (
        "model",
        "accuracy",
        "wrong",
        "broken",
        "fixed",
        "net lost",
        "allowed",
        "other labels",
        "max Δp",
        "verdict",
    )
    keras = ("Keras", f"{1 - verdicts[0].keras_wrong / verdicts[0].pictures:.2%}", verdicts[0].keras_wrong, *["–"] * 7)
    rows = [
        (
            v.file, f"{v.accuracy:.2%}", v.wrong, v.broken, v.fixed, v.net_lost, allowed,
            v.other_labels, f"{v.largest_difference:.2g}", "REFUSED" if v.refused else "passed",
        )
        for v in verdicts
    ]  # fmt: skip
    return table(header, [keras, *rows])


def manifest_table(manifest: dict[str, Any]) -> str:
    """The gate's table of a published bundle."""
    gate = manifest["gate"]
    names = [field.name for field in fields(Verdict)]
    verdicts = [Verdict(**{name: rung[name] for name in names}) for rung in gate["rungs"]]
    return gate_table(verdicts, Limits(gate["max_drop"], gate["min_accuracy"]))


def write_report(
    path: Path, manifest: dict[str, Any], files: Sequence[Exported], verdicts: Sequence[Verdict], limits: Limits
) -> None:
    """Write `report.md`."""
    run, gate = manifest["provenance"]["run"], manifest["gate"]
    recipe, split = run["recipe"], run["split"]
    sizes = [
        (f.name, f.precision, f"{len(f.data):,}", f"{len(files[0].data) / len(f.data):.1f}x", f.how) for f in files
    ]
    versions = ", ".join(f"{name} {version}" for name, version in manifest["provenance"]["versions"].items())
    path.write_text(
        f"""# {manifest["name"]}

{run["parameters"]:,} parameters, {len(manifest["labels"])} classes: {", ".join(manifest["labels"])}.
A picture costs {run["macs"]:,} multiply-accumulates, and {run["activation_bytes"]:,} numbers in memory at once.

## Gate: {gate["verdict"]}

Each model against the Keras model it came from, on the {gate["pictures"]:,} pictures of the validation split.
Net lost is broken (right in Keras, wrong here) less fixed; {gate["allowed_net_lost"]} may be lost (--max-drop
{limits.max_drop:g} of {gate["pictures"]:,}). ONNX ran through digits_edge.runtime, TFLite through LiteRT.

{gate_table(verdicts, limits)}

## Files

{table(("file", "precision", "bytes", "smaller by", "how"), sizes)}

Input: uint8, {" x ".join(map(str, manifest["input"]["shape"]))}, white ink (255) on black (0); the models scale it
themselves. A photograph is brought to this form by `{manifest["preprocess"]}`. The int8 TFLite takes int8 (pixel - 128)
and gives logits; scale and zero point are in the manifest. A prediction is accepted from a score of
{manifest["thresholds"]["min_score"]}.

## Where it comes from

Trained on {run["dataset"]["name"]} ({split["training"]:,} pictures; {split["validation"]:,} more were held out for
validation, split seed {split["seed"]}) with recipe {recipe["name"]}, model {recipe["model"]},
{recipe["epochs"]} epochs of batch {recipe["batch_size"]}, seed {run["seed"]}, on {run["device"]} with Keras's
{run["backend"]} backend.
Data fingerprint {run["dataset"]["fingerprint"][:16]}…

Exported {manifest["provenance"]["created"]} with {versions}.
""",
        encoding="utf-8",
    )
