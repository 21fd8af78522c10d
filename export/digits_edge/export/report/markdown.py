"""`report.md`: what was exported and how it was judged, for a terminal and for code review."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from digits_edge.common.tables import table
from digits_edge.runtime.errors import printable

from .gate_table import gate_table, judged, ladder_list, own_part

ENTITIES: Final = str.maketrans({character: f"&#{ord(character)};" for character in "&<[|"})
REJECTION: Final = ("refused_wrong", "auroc_wrong", "refused_outliers", "auroc_outliers")  # keys in a manifest


def write_report(path: Path, manifest: dict[str, Any], sizes: dict[str, int]) -> None:
    """Write `report.md` from a manifest, which needs no list of files yet, and the size of each model in bytes."""
    advice, manifest = manifest["gate"]["advice"], _escaped(manifest)
    gate, times = manifest["gate"], manifest["benchmark"]
    parts = [
        f"# {manifest['name']}",
        f"{len(manifest['labels'])} classes: {', '.join(manifest['labels'])}. {_cost(manifest['provenance'])}",
        f"## Gate: {gate['verdict']}",
        f"Each model is compared with the Keras model it was made from, on {gate['judged_by']}. Broken answers are "
        "right in Keras and wrong in the model, fixed answers the reverse; net lost is broken minus fixed. ONNX models "
        "ran in digits_edge.runtime, TFLite models in LiteRT, and C and web pages as the ladder says.",
        gate_table(gate).markdown(),
        *([own] if (own := own_part(manifest)) else []),
        *([f"To try next:\n\n    {advice}"] if advice else []),
        "## Ladder",
        ladder_list(gate),
        *_parity(manifest["parity"]),
        *_rejection(manifest["refusal"], manifest["thresholds"]),
        *_layers(manifest["layers"]),
        *(["## Speed on the exporting machine", times["verdict"]] if times else []),
        "## Files",
        table(
            ("file", "bytes", "times smaller"),
            [(name, f"{size:,}", f"{max(sizes.values()) / size:.1f}") for name, size in sizes.items()],
        ),
        *(f"{rung['file']}: {rung['note']}." for rung in judged(gate) if "note" in rung),
        f"Input: uint8, {' x '.join(map(str, manifest['input']['shape']))}, white ink (255) on black (0); the ONNX "
        f"models scale the pixels themselves. The preprocessing `{manifest['preprocess']}` turns a photograph into "
        "this form. The int8 TFLite model takes int8 (pixel - 128) and gives logits; scales and zero points are in the "
        "manifest.",
        "## Provenance",
        _provenance(manifest["provenance"]),
    ]
    path.write_text("\n\n".join(parts) + "\n", encoding="utf-8")


def _escaped(value: Any) -> Any:
    """A manifest whose texts are one line each, and plain text in Markdown: without tags, links and new columns."""
    if isinstance(value, dict):
        return {key: _escaped(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_escaped(inner) for inner in value]
    return printable(value, 4000).translate(ENTITIES) if isinstance(value, str) else value


def _parity(parity: dict[str, Any]) -> list[str]:
    rows = [
        (
            engine["engine"],
            f"{engine['pictures']:,}",
            f"{engine['accuracy']:.2%}",
            f"{engine['agreement']:.2%}",
            "not a number" if engine["largest_difference"] is None else f"{engine['largest_difference']:.2g}",
            f"{engine['arena_bytes']:,}" if engine["arena_bytes"] else "",
        )
        for engine in parity["engines"]
    ]
    listed = ["## Parity", table(("engine", "pictures", "accuracy", "same label", "largest Δp", "arena bytes"), rows)]
    if parity["int8_agreement"] is not None:
        agreement = f"{parity['int8_agreement']:.2%}"
        listed.append(f"The int8 ONNX and int8 TFLite models give the same label to {agreement} of the pictures.")
    return listed


def _rejection(rejections: list[dict[str, Any]], thresholds: dict[str, float]) -> list[str]:
    if not rejections:
        return []
    outliers, coverages = rejections[0]["outliers"], [f"{risk['coverage']:.0%}" for risk in rejections[0]["risks"]]
    return [
        "## Rejection",
        f"An answer is accepted if its score is at least {thresholds['min_score']} and its familiarity, the summed "
        f"probability of the two best classes, is at least {thresholds['min_familiarity']}. AUROC, errors: the "
        "probability that a right answer has a higher score than a wrong one."
        + f" AUROC, outliers: the probability that a validation picture has a higher familiarity than one of "
        f"{outliers:,} outliers." * bool(outliers),
        table(
            ("model", "rejected", "errors rejected", "AUROC, errors", "outliers rejected", "AUROC, outliers"),
            [(r["file"], f"{r['refused']:.2%}", *(_known(r[key]) for key in REJECTION)) for r in rejections],
        ),
        "Risk by coverage: the share of wrong answers among the given share of answers with the highest scores.",
        table(("model", *coverages), [(r["file"], *(f"{x['risk']:.2%}" for x in r["risks"])) for r in rejections]),
    ]


def _known(value: float | None) -> str:
    return "–" if value is None else f"{value:.4f}"


def _cost(provenance: dict[str, Any]) -> str:
    source = provenance.get("run") or provenance["model"]
    if "parameters" not in source:
        return ""
    return (
        f"{source['parameters']:,} parameters; {source['macs']:,} multiply-accumulates per picture; at most "
        f"{source['activation_bytes']:,} activations in memory at once."
    )


def _layers(layers: list[dict[str, Any]]) -> list[str]:
    if not layers:
        return []
    rows = [(x["name"], x["operator"], "no noise" if x["snr"] is None else f"{x['snr']:.1f}") for x in layers]
    return [
        "## Layers",
        "The signal-to-noise ratio of the logits, in dB, when that layer alone is quantized; the smallest ratio is the "
        "largest loss.",
        table(("layer", "operator", "dB"), rows),
    ]


def _provenance(provenance: dict[str, Any]) -> str:
    versions = ", ".join(f"{name} {version}" for name, version in provenance["versions"].items())
    exported = f"Exported {provenance['created']} on {provenance['cpu']} with {versions}."
    if run := provenance.get("run"):
        recipe, split, data = run["recipe"], run["split"], run["dataset"]
        origin, model = (f"from {run['init']} ", "") if run["init"] else ("", f"model {recipe['model']}, ")
        rehearsed = f" and, to rehearse, {adaptation['also']}" if (adaptation := run.get("adaptation")) else ""
        return (
            f"Trained {origin}on {data['name']}{rehearsed} ({split['training']:,} pictures; {split['validation']:,} "
            f"more were held out for validation, split seed {split['seed']}) with recipe {recipe['name']}, {model}"
            f"{recipe['epochs']} epochs, batch size {recipe['batch_size']}, seed {run['seed']}, on {run['device']} "
            f"with Keras's {run['backend']} backend. Data fingerprint {data['fingerprint'][:16]}…\n\n{exported}"
        )
    model = provenance["model"]
    data = model["dataset"]
    return (
        f"{model['file']} (SHA-256 {model['sha256'][:16]}…), a model for pixels in {model['pixel_range']}; calibrated "
        f"with {data['calibrating']:,} pictures of {data['name']} and judged on {data['judging']:,} others, seed "
        f"{data['seed']}. Data fingerprint {data['fingerprint'][:16]}…\n\n{exported}"
    )
