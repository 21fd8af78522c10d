"""`report.md`: what was exported and how it was judged, for a terminal and a code review."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from digits_edge.common.tables import table

from .gate_table import gate_table, judged, ladder_list

REFUSAL: Final = ("refused_wrong", "auroc_wrong", "refused_outliers", "auroc_outliers")  # of a manifest's refusals


def parity_table(parity: dict[str, Any]) -> str:
    """A manifest's parity as a table."""
    return table(
        ("engine", "pictures", "accuracy", "Keras's labels", "largest Δp", "arena, bytes"),
        [
            (
                engine["engine"],
                f"{engine['pictures']:,}",
                f"{engine['accuracy']:.2%}",
                f"{engine['agreement']:.2%}",
                f"{engine['largest_difference']:.2g}" if engine["largest_difference"] is not None else "no number",
                f"{engine['arena_bytes']:,}" if engine["arena_bytes"] else "",
            )
            for engine in parity["engines"]
        ],
    )


def write_report(path: Path, manifest: dict[str, Any], sizes: dict[str, int]) -> None:
    """Write `report.md`.

    Args:
        path: of the file.
        manifest: the bundle's, but for its files.
        sizes: bytes of each model.
    """
    gate = manifest["gate"]
    largest = max(sizes.values())
    files = [(name, f"{size:,}", f"{largest / size:.1f}x") for name, size in sizes.items()]
    agreement = manifest["parity"]["int8_agreement"]
    parts = [
        f"# {manifest['name']}",
        f"{len(manifest['labels'])} classes: {', '.join(manifest['labels'])}. {_cost(manifest['provenance'])}",
        f"## Gate: {gate['verdict']}",
        f"Each model against the Keras model it came from, on {gate['judged_by']}. Net lost is broken (right in Keras, "
        "wrong here) less fixed. ONNX ran through digits_edge.runtime, TFLite through LiteRT, and what was made of it "
        "as the ladder says.",
        gate_table(gate),
        *([f"To try next: `{gate['advice']}`"] if gate["advice"] else []),
        "## Ladder",
        ladder_list(gate),
        "## Parity",
        parity_table(manifest["parity"]),
        *(
            []
            if agreement is None
            else [f"int8 ONNX and int8 TFLite give one label to {agreement:.2%} of the pictures."]
        ),
        *_rejection(manifest["refusal"], manifest["thresholds"]),
        *_layers(manifest["layers"]),
        *_benchmark(manifest["benchmark"]),
        "## Files",
        table(("file", "bytes", "smaller by"), files),
        *(f"{rung['file']}: {rung['note']}." for rung in judged(gate) if "note" in rung),
        f"Input: uint8, {' x '.join(map(str, manifest['input']['shape']))}, white ink (255) on black (0); the models "
        f"scale it themselves. A photograph is brought to this form by `{manifest['preprocess']}`. The int8 TFLite "
        "takes int8 (pixel - 128) and gives logits; scale and zero point are in the manifest.",
        "## Where it comes from",
        _provenance(manifest["provenance"]),
    ]
    path.write_text("\n\n".join(parts) + "\n", encoding="utf-8")


def _rejection(refusals: list[dict[str, Any]], thresholds: dict[str, float]) -> list[str]:
    if not refusals:
        return []
    coverages = [f"{risk['coverage']:.0%}" for risk in refusals[0]["risks"]]
    made_up = refusals[0]["outliers"]
    return [
        "## Rejection",
        f"An answer is accepted from a score of {thresholds['min_score']} on, if the two best classes have "
        f"{thresholds['min_familiarity']} together. AUROC: the chance that a right answer scores higher than a wrong "
        "one"
        + (f", and that a validation picture is more familiar than one of {made_up:,} outliers" * bool(made_up))
        + ".",
        table(
            ("model", "rejected", "of its errors", "AUROC", "outliers rejected", "AUROC"),
            [(r["file"], f"{r['refused']:.2%}", *(_known(r[key]) for key in REFUSAL)) for r in refusals],
        ),
        "Risk against coverage: of the surest answers, the share that is wrong.",
        table(("model", *coverages), [(r["file"], *(f"{x['risk']:.2%}" for x in r["risks"])) for r in refusals]),
    ]


def _known(value: float | None) -> str:
    return "–" if value is None else f"{value:.4f}"


def _cost(provenance: dict[str, Any]) -> str:
    source = provenance.get("run") or provenance["model"]
    if "parameters" not in source:
        return ""
    return (
        f"{source['parameters']:,} parameters; a picture costs {source['macs']:,} multiply-accumulates, and "
        f"{source['activation_bytes']:,} numbers in memory at once."
    )


def _layers(layers: list[dict[str, Any]]) -> list[str]:
    if not layers:
        return []
    rows = [(x["name"], x["operator"], "no noise" if x["snr"] is None else f"{x['snr']:.1f}") for x in layers]
    return [
        "## Layers",
        "Signal-to-noise ratio of the logits in dB, where that layer alone is quantized; the smallest does most harm.",
        table(("layer", "operator", "dB"), rows),
    ]


def _benchmark(times: dict[str, Any] | None) -> list[str]:
    return [] if times is None else ["## Speed, where it was exported", times["verdict"]]


def _provenance(provenance: dict[str, Any]) -> str:
    versions = ", ".join(f"{name} {version}" for name, version in provenance["versions"].items())
    exported = f"Exported {provenance['created']} on {provenance['cpu']} with {versions}."
    if run := provenance.get("run"):
        recipe, split, data = run["recipe"], run["split"], run["dataset"]
        return (
            f"Trained on {data['name']} ({split['training']:,} pictures; {split['validation']:,} more were held out "
            f"for validation, split seed {split['seed']}) with recipe {recipe['name']}, model {recipe['model']}, "
            f"{recipe['epochs']} epochs of batch {recipe['batch_size']}, seed {run['seed']}, on {run['device']} with "
            f"Keras's {run['backend']} backend. Data fingerprint {data['fingerprint'][:16]}…\n\n{exported}"
        )
    model = provenance["model"]
    data = model["dataset"]
    return (
        f"{model['file']} (SHA-256 {model['sha256'][:16]}…), which takes pixels in {model['pixel_range']}; calibrated "
        f"with {data['calibrating']:,} pictures of {data['name']} and judged by {data['judging']:,} others, seed "
        f"{data['seed']}. Data fingerprint {data['fingerprint'][:16]}…\n\n{exported}"
    )
